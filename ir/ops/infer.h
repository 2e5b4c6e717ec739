/* Checks that the ops' infer functions share. Each returns false after a diagnostic at the node's place. */
#ifndef QCC_IR_OPS_INFER_H
#define QCC_IR_OPS_INFER_H

#include "ir/graph.h"

/* Operand i holds real values: f32, or u8/s8 quantized per tensor. */
bool infer_real_operand(Diag *d, const Node *n, int i);
/* Sets dtype and quant of the result of an op with result parameters of its own: f32 for an f32 operand, else
 * DT_NONE; a type that the result already has must then be u8/s8 quantized per tensor. */
bool infer_real_result(Diag *d, const Node *n, Type *result);
/* Brings an axis into [0, limit): negative ones count from `rank`, the operand's, and are replaced. */
bool infer_axis(Diag *d, const Node *n, int64_t *axis, int rank, int limit);
/* The quantization of `from` after a reshape to `to`: a per-axis one follows its dim, or is refused. */
bool infer_reshaped_quant(Diag *d, const Node *n, const Type *from, Type *to);

#endif
