/* qcc's own preset: which scales and zero points quantize a range, a weight, a bias (docs/numerics.md, rules
 * 3 and 4). */
#ifndef QCC_PASSES_CHOOSE_H
#define QCC_PASSES_CHOOSE_H

#include "ir/graph.h"

/* u8, affine: [lo, hi] is widened to hold 0, scale = (hi - lo) / 255, zero = rne(-lo / scale). False where
 * the scale would not be a normal number: the range is empty (all zeros) or below about 1e-36. lo and hi are
 * finite. */
bool choose_u8(float lo, float hi, float *scale, int32_t *zero);

/* The least and greatest of n > 0 values; false where one is not finite. */
bool finite_range(const float *x, int64_t n, float *lo, float *hi);

/* A float32 constant as u8 of these parameters (rule 1). */
const uint8_t *quantize_u8(Arena *a, const float *x, int64_t n, float scale, int32_t zero);

/* The weights and bias of a conv2d or linear over u8 activations: s8 in [-127, 127], per output channel; s32.
 */
typedef struct {
  int8_t *weight;
  float *weight_scale; /* [OC] */
  int32_t *bias;       /* [OC]; NULL where the layer has none */
} LinearWeights;

/* Rule 4 for a layer of constant float32 weights: s_w = max|w| / 127, enlarged by the least power of two that
 * makes the multiplier a normal number and keeps |bias| + sum |w| * max|x - z| within s32. False after a
 * diagnostic. */
bool quantize_weights(Diag *d, Arena *a, const Node *layer, float s_in, int32_t z_in, float s_out,
                      LinearWeights *result);

#endif
