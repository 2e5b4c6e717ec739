/* Dot-product kernels: what dense and grouped convolutions and fully connected layers have in common.
 *
 * For each output pixel the operand is read in runs of contiguous elements: `runs[0] * runs[1]` of them,
 * `length` long (a row of the kernel window, KW * IC elements, where the input lets it). Weights are packed
 * [group][oc panel][plane][run][k-group][vector][lane][4], so that they are read in order. A register tile of
 * `mr` pixels x `nv` vectors of output channels is one inline function, unrolled over the tile; loops remain
 * over tiles, and over k where it is long. */
#ifndef QCC_CODEGEN_DENSE_H
#define QCC_CODEGEN_DENSE_H

#include "codegen/lower.h"

typedef struct Dense {
  const Node *node;
  const Tensor *x, *y;
  float act_min, act_max;

  int64_t groups, oc; /* oc: output channels of one group */
  int64_t runs[2], run_step[2], length;
  int64_t group_step; /* from one group's first input element to the next one's */
  /* pixels: batch x rows x columns, steps of input and output in elements */
  int64_t count[3], x_step[3], y_step[3];
  int64_t x_origin, y_origin; /* of the first pixel's window and result */

  /* Weight w[k] of output channel `c` (over all groups), k = (run * length + i); bias NULL: none. */
  int64_t (*weight_index)(const struct Dense *d, int64_t c, int64_t run, int64_t i);
  const Tensor *weight, *bias;
} Dense;

/* Builds the kernel of the node; false after a diagnostic. */
bool dense_emit(Cg *cg, const Dense *d);

/* bias, multipliers and weights minus their zero points of a quantized linear node: what dense and depthwise
 * kernels start from. `weights[c * k + i]` for i in the order of the weight tensor's elements. */
typedef struct {
  int64_t channels, k;
  int32_t *weights;   /* w - zero_point: within [-255, 255] */
  int32_t *bias;      /* with the input's zero point folded in: b - zero * sum of w, wrapping */
  int64_t *wide_bias; /* the same, exactly */
  float *multiplier;
} LinearConstants;
void linear_constants(Cg *cg, const Node *n, LinearConstants *out);

/* True where some channel's |bias| + sum of |products| could leave 32 bits (only imported models have such).
 */
bool linear_is_wide(const Node *n);

/* The kernel of such a node: element by element, with sums of more than 32 bits. */
void wide_emit(Cg *cg, const Dense *d, const LinearConstants *lc);

#endif
