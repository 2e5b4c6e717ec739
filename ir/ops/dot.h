/* The reference dot products of convolutions, linear and matmul. Float: rule 12's order, one accumulator per
 * output, taps ascending in (plane, row, col, k), vectorised over outputs. Quantized: rules 5 and 6; the
 * integer sums are formed in float, exactly: |x - z_x| and |w - z_w| are at most 255, so DOT_EXACT products
 * add up to less than 2^24, and every such partial sum is taken over into 64 bits. */
#ifndef QCC_IR_OPS_DOT_H
#define QCC_IR_OPS_DOT_H

#include "ir/graph.h"

enum { DOT_LANES = 8, DOT_POSITIONS = 4, DOT_EXACT = 256 };

/* What becomes of the sums of a node. */
typedef enum {
  DOT_FLOAT,   /* float sums, stored as they are */
  DOT_REQUANT, /* integer sums, requantized to bytes: rule 6 */
  DOT_SCALED,  /* integer sums, as float times the multiplier, plus the bias: rules 6 and 14 */
  DOT_SUM      /* integer sums, stored as s32, wrapping */
} DotKind;

/* Where the sums start, and how they are stored. */
typedef struct {
  DotKind kind;
  const float *bias;       /* DOT_FLOAT: where they start; DOT_SCALED: what is added last: [oc]; NULL: 0 */
  float act_min, act_max;  /* DOT_FLOAT, DOT_SCALED */
  const int32_t *bias_q;   /* integer sums: where they start: [oc]; NULL: 0 */
  const float *multiplier; /* DOT_REQUANT, DOT_SCALED: [oc] */
  int32_t zero, lo, hi;    /* DOT_REQUANT: of the result */
} DotOutput;

/* The taps of a tile: for plane, row, col, k ascending, acc[p][l] += x * w with
 *   x at x + p * x_step + plane * x_plane + row * x_row + col * x_col + k (+ l where per_lane; k is 1 then),
 *   w at w + plane * w_plane + row * w_row + col * w_col + k * DOT_LANES + l.
 * `planes` 0 counts as 1. */
typedef struct {
  const float *x, *w;
  int64_t planes, rows, cols, k;
  int64_t x_step, x_plane, x_row, x_col, w_plane, w_row, w_col;
  bool per_lane; /* depthwise: lane l reads a channel of its own */
} DotTaps;

/* The node's output stage: operands as linear ops have them (x, weight, bias). `in[2]` may be absent. */
DotOutput dot_output(Arena *a, const Node *n, const void *const *in, float act_min, float act_max);

/* Computes and stores `positions` <= DOT_POSITIONS outputs of the channels oc .. oc + lanes - 1, lanes <=
 * DOT_LANES: position p of lane l goes to element first + p * position_step + l * channel_step of `out`,
 * which has the result's type: float, or bytes. */
void dot_tile(const DotOutput *o, const DotTaps *t, int positions, int64_t oc, int lanes, void *out,
              int64_t first, int64_t position_step, int64_t channel_step);

/* The elements of an operand as the dot products take them: f32 as they are, f16 widened, integers as q -
 * zero, and where there are scales as (float)(q - zero) * scale. */
typedef struct {
  const void *data;
  DType dtype;
  const int32_t *zero; /* [1], or [channels] */
  const float *scale;  /* the same; NULL: integers stay integers */
  int64_t n_zeros;     /* 0: no zero points and no scales */
} DotSource;
/* Integers with the zero points of their type. */
DotSource dot_source(const Tensor *t, const void *data);
/* A weight: with its scales too where the activations are `real`. */
DotSource dot_weight(const Tensor *t, const void *data, bool real);
/* dst[i * step] = element first + i, for i < count, all of one channel: the output channel of a weight, 0 of
 * an activation. */
void dot_load_channel(const DotSource *s, int64_t first, int64_t count, int64_t channel, float *dst,
                      int64_t step);

/* [rows, ic] x the rows of the weight [oc, ic] -> [rows, oc]. */
void dot_rows(Arena *a, const DotSource *x, const DotSource *w, const DotOutput *o, int64_t rows, int64_t ic,
              int64_t oc, void *out);

#endif
