/* The reference dot products of conv2d, linear and matmul. Float: rule 12's order, one accumulator per
 * output, k ascending in (kh, kw, ic), vectorised over outputs. Quantized: rules 5 and 6; the integer sums
 * are formed in float, exactly: |x - z_x| and |w - z_w| are at most 255, so DOT_EXACT products add up to less
 * than 2^24, and every such partial sum is taken over into 64 bits. */
#ifndef QCC_IR_OPS_DOT_H
#define QCC_IR_OPS_DOT_H

#include "ir/graph.h"

enum { DOT_LANES = 8, DOT_POSITIONS = 4, DOT_EXACT = 256 };

/* What happens to the sums of a node: where they start, and how they are stored. */
typedef struct {
  bool quantized;
  const float *bias;       /* float: [oc]; NULL: 0 */
  float act_min, act_max;  /* float */
  const int32_t *bias_q;   /* quantized: [oc]; NULL: 0 */
  const float *multiplier; /* quantized: [oc] */
  int32_t zero, lo, hi;    /* of the result */
} DotOutput;

/* The taps of a tile: for row, col, k ascending, acc[p][l] += x * w with
 *   x at x + p * x_step + row * x_row + col * x_col + k (+ l where per_lane; k is 1 then),
 *   w at w + row * w_row + col * w_col + k * DOT_LANES + l. */
typedef struct {
  const float *x, *w;
  int64_t rows, cols, k;
  int64_t x_step, x_row, x_col, w_row, w_col;
  bool per_lane; /* depthwise: lane l reads a channel of its own */
} DotTaps;

/* The node's output stage: operands as linear ops have them (x, weight, bias). `in[2]` may be absent. */
DotOutput dot_output(Arena *a, const Node *n, const void *const *in, float act_min, float act_max);

/* Computes and stores `positions` <= DOT_POSITIONS outputs of the channels oc .. oc + lanes - 1, lanes <=
 * DOT_LANES: position p of lane l goes to element first + p * position_step + l * channel_step of `out`,
 * which has the result's type: float, or bytes. */
void dot_tile(const DotOutput *o, const DotTaps *t, int positions, int64_t oc, int lanes, void *out,
              int64_t first, int64_t position_step, int64_t channel_step);

/* The elements of an operand as the dot products take them: f32 as they are, quantized ones as q - zero. */
typedef struct {
  const void *data;
  DType dtype;
  const Quant *quant;
} DotSource;
DotSource dot_source(const Tensor *t, const void *data);
/* dst[i * step] = element first + i, for i < count */
void dot_load(const DotSource *s, int64_t first, int64_t count, int32_t zero, float *dst, int64_t step);
/* The zero point of output channel oc of a weight; 0 for f32. */
int32_t dot_zero(const DotSource *s, int64_t oc);

#endif
