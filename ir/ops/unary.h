/* What the ops of one value in, one value out share: ir/ops/unary.c has the functions of mathematics,
 * ir/ops/activation.c those that networks choose between layers. */
#ifndef QCC_IR_OPS_UNARY_H
#define QCC_IR_OPS_UNARY_H

#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

/* The result has the operand's shape: f32, or a quantization of its own. */
bool infer_unary(Diag *d, Node *n, Type *results);
/* Applies the op's function, or its table (rule 10). */
void eval_unary(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out);
/* `name` is the op's attribute with the value v. False after a diagnostic. */
bool check_finite(Diag *d, const Node *n, const char *name, float v);

#define UNARY(op, fn)                                                                                        \
  .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .quant = QUANT_UNARY,                   \
  .eval = eval_unary, .unary = fn
#define UNARY_ATTRS(T, defaults, table)                                                                      \
  .attrs_size = sizeof(T), .attr_defaults = &(defaults), .attrs = (table)

#endif
