/* Dot-product kernels: what dense and grouped convolutions and fully connected layers have in common.
 *
 * For each output pixel the operand is read in runs of contiguous elements: `runs[0] * runs[1] * runs[2]` of
 * them, `length` long (a row of the kernel window, KW * IC elements, where the input lets it). Weights are
 * packed [phase][group][oc panel][plane][run][k-group][vector][lane][4], so that they are read in order. A
 * register tile of `mr` pixels x `nv` vectors of output channels is one inline function, unrolled over the
 * tile; loops remain over tiles, and over k where it is long. */
#ifndef QCC_CODEGEN_DENSE_H
#define QCC_CODEGEN_DENSE_H

#include "codegen/lower.h"

enum { DENSE_RUNS = 3, DENSE_PIXELS = 4 };

typedef struct Dense {
  const Node *node;
  const char *what; /* completes the kernel's name; "" for none */
  const Tensor *x, *y;
  float act_min, act_max;

  int64_t groups, oc;                                     /* oc: output channels of one group */
  int64_t runs[DENSE_RUNS], run_step[DENSE_RUNS], length; /* a run of 0: results are the bias */
  int64_t group_step; /* from one group's first input element to the next one's */
  /* pixels: batch x planes x rows x columns, steps of input and output in elements */
  int64_t count[DENSE_PIXELS], x_step[DENSE_PIXELS], y_step[DENSE_PIXELS];
  /* The same with other weights at other places, `phases` times: of each the first pixel's window and result
   * [phases]; NULL where there is one and dense_calls is told. */
  int64_t phases;
  const int64_t *x_origin, *y_origin;

  /* Weight w[k] of output channel `c` (over all groups), k = (run * length + i); bias NULL: none. */
  int64_t (*weight_index)(const struct Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i);
  const void *user; /* of weight_index */
  const Tensor *weight, *bias;
} Dense;

/* Builds the kernel of the node; false after a diagnostic. */
bool dense_emit(Cg *cg, const Dense *d);

/* The runs of a window, and the products of one result. */
int64_t dense_runs(const Dense *d);
int64_t dense_products(const Dense *d);

/* bias, multipliers and weights minus their zero points of a quantized linear node: what dense and depthwise
 * kernels start from. `weights[c * k + i]` for i in the order of the weight tensor's elements. */
typedef struct {
  int64_t channels, k;
  int32_t *weights;     /* w - zero_point: within [-255, 255] */
  int64_t *bias, *most; /* most: the largest magnitude that the sum of a channel can have */
  int32_t zero;         /* the operand's zero point, as stored */
  float *multiplier;
} LinearConstants;
void linear_constants(Cg *cg, const Node *n, LinearConstants *out);
/* Those of some channels. */
LinearConstants linear_slice(const LinearConstants *lc, int64_t first, int64_t channels);
/* The bias of a channel over stored values, exactly: b - zero * sum, `sum` being that of the weights which
 * are multiplied. */
int64_t linear_bias(const LinearConstants *lc, int64_t channel, int64_t sum);

/* Every sum times its multiplier fits 32 bits before it is clamped, with a margin for the roundings. */
bool linear_results_fit(const LinearConstants *lc);

/* The sum of the weights of a channel in one phase. */
int64_t dense_sum(const Dense *d, const LinearConstants *lc, int64_t phase, int64_t channel);

/* True where some channel's |bias| + sum of |products| could leave 32 bits (only imported models have such).
 */
bool linear_is_wide(const Node *n);
/* That bound, of all channels. */
int64_t linear_largest_sum(const Node *n);

/* The kernel of such a node: element by element, with sums of more than 32 bits. */
void wide_emit(Cg *cg, const Dense *d, const LinearConstants *lc);

#endif
