/* Operators over activations that were quantized while the model runs (rule 14 of docs/numerics.md). */
#ifndef QCC_IR_OPS_DYNAMIC_H
#define QCC_IR_OPS_DYNAMIC_H

#include "ir/ops/dot.h"

/* Of DynamicRule, ends with NULL. */
extern const char *const dynamic_rule_names[];

/* Operands i .. i + 2 are what dynamic_quantize gives: u8 or s8 without parameters, their scale f32 and their
 * zero point in the same element type, one element each. */
bool dynamic_check_operands(Diag *d, const Node *n, int i);

/* Those operands' integers. *zero is set and must live as long as the source. */
DotSource dynamic_source(const Tensor *q, const void *data, const void *zero_data, int32_t *zero);

/* The output stage of a product with the weight `w`: multipliers s_x * s_w, then the float bias (NULL: none).
 */
DotOutput dynamic_output(Arena *a, const Type *w, float s_x, const float *bias, float act_min, float act_max);

/* The least and greatest of n floats, and 0; NaN does not count. */
void dynamic_range(const float *x, int64_t n, float *lo, float *hi);

#endif
