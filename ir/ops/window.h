/* Sliding windows over [N,C,H,W], as convolutions and pools have them. Everything is along one of the two
 * dims: index 0 is the height, 1 the width. */
#ifndef QCC_IR_OPS_WINDOW_H
#define QCC_IR_OPS_WINDOW_H

#include "ir/graph.h"

typedef struct {
  int64_t in, out;                  /* elements before and after */
  int64_t kernel, stride, dilation; /* >= 1 */
  int64_t before, after;            /* padding, >= 0 */
} WindowDim;

/* Checks the attributes (counts, signs, limits) and computes the number of positions, at least 1 in each
 * dim. Errors at the node's place name both numbers. */
bool window_check(Diag *d, const Node *n, const Shape *x, const int64_t kernel[2], const IntList *stride,
                  const IntList *pad, const IntList *dilation, WindowDim w[2]);
/* The same without checks, for kernels. */
void window_dims(const Shape *x, const int64_t kernel[2], const IntList *stride, const IntList *pad,
                 const IntList *dilation, WindowDim w[2]);
/* The taps [*first, *end) of output position `o` that lie on input positions [lo, hi); empty: *first == *end.
 */
void window_taps(const WindowDim *w, int64_t o, int64_t lo, int64_t hi, int64_t *first, int64_t *end);
/* The output positions [*first, *end) whose taps all lie inside the input. */
void window_interior(const WindowDim *w, int64_t *first, int64_t *end);

#endif
