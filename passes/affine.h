/* Functions y[c] = (x[c] - center[c]) * scale[c] + shift[c] of a channel: what batch norm is, and arithmetic
 * with constants per channel. */
#ifndef QCC_PASSES_AFFINE_H
#define QCC_PASSES_AFFINE_H

#include "passes/rewrite.h"

typedef struct {
  int64_t channels;
  double *center, *scale, *shift;
} Affine;

/* The float value of an operand that is constant, or NULL: fold_bn takes float32 constants, the integer forms
 * also take dequantized ones. */
typedef const float *(*ConstantValue)(Arena *a, const Tensor *t);

/* The channel axis of the result of a conv2d or linear. */
int layer_channel_axis(const Node *layer);

/* batch_norm with finite parameters. False after a diagnostic. */
bool batch_norm_affine(Diag *d, Arena *a, const Node *n, Affine *f);
/* add, sub, mul, div of `x` and a constant that is one value or one per index of `axis`; false for anything
 * else. */
bool arith_affine(Arena *a, const Node *n, const Tensor *x, int axis, ConstantValue value, Affine *f);
/* The bias of a layer with bias b (NULL: none) and `f` behind it, rounded once. False where it is not finite.
 */
bool affine_bias(const Affine *f, const float *b, float *result);

#endif
