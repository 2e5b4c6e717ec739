/* Sliding windows over [N,C,H,W] or [N,C,D,H,W], as convolutions and pools have them. There are always three
 * dims: depth, height, width; without depth the first one has a single element. Everything is along one of
 * them. */
#ifndef QCC_IR_OPS_WINDOW_H
#define QCC_IR_OPS_WINDOW_H

#include "ir/graph.h"

enum { WINDOW_DIMS = 3 };

typedef struct {
  int64_t in, out;                  /* elements before and after */
  int64_t kernel, stride, dilation; /* >= 1 */
  int64_t before, after;            /* padding, >= 0 */
  bool transposed;                  /* the stride is of the result, the padding is taken from it */
} WindowDim;

/* What an op's attributes say: lists of one value for each of `dims` spatial dims, 2 or 3; pad: those before,
 * then those behind. `output_pad` NULL: not transposed. */
typedef struct {
  int dims;
  const int64_t *kernel;
  const IntList *stride, *pad, *dilation, *output_pad;
} WindowAttrs;

/* Checks the attributes (counts, signs, limits) and computes the number of positions, at least 1 in each
 * dim. Errors at the node's place name both numbers. */
bool window_check(Diag *d, const Node *n, const Shape *x, const WindowAttrs *a, WindowDim w[WINDOW_DIMS]);
/* The same without checks, for kernels. */
void window_dims(const Shape *x, const WindowAttrs *a, WindowDim w[WINDOW_DIMS]);
/* The shape of a result with `channels`. */
Shape window_result(const Shape *x, const WindowDim w[WINDOW_DIMS], int64_t channels);
/* The taps [*first, *end) of output position `o` that lie on input positions [lo, hi); empty: *first == *end.
 * Not for transposed windows. */
void window_taps(const WindowDim *w, int64_t o, int64_t lo, int64_t hi, int64_t *first, int64_t *end);

/* The taps of an output position that lie in the input, by ascending input position: `count` of them, the
 * first at input `in` with the kernel's element `kernel`; WindowSteps is between one and the next. */
typedef struct {
  int64_t count, in, kernel;
} WindowTaps;
typedef struct {
  int64_t in, kernel;
  int64_t period, shift; /* outputs that are `period` apart have their taps `shift` inputs apart */
} WindowSteps;
WindowSteps window_steps(const WindowDim *w);
/* Of all output positions: [out]. */
WindowTaps *window_all_taps(Arena *a, const WindowDim *w);

#endif
