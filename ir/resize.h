/* Which elements of the operand a resized tensor's positions are made of, and with which weights: rule 11 of
 * docs/numerics.md. The interpreter and the generators take these numbers and share nothing else. */
#ifndef QCC_IR_RESIZE_H
#define QCC_IR_RESIZE_H

#include "ir/graph.h"
#include "ir/ops/attrs.h"

/* Elements along one dim that a position is made of, dims that may change, elements in all of these. */
enum { RESIZE_MAX_TAPS = 4, RESIZE_MAX_LINEAR = 3, RESIZE_MAX_CUBIC = 2, RESIZE_MAX_CORNERS = 16 };

/* Along one dim, for each position of the result: `taps` elements (nearest 1, linear 2, cubic 4) by ascending
 * position, those beyond an end are the one at the end, and their weights (nearest: NULL). */
typedef struct {
  bool active; /* false: position o is the operand's o, and the rest is 0 */
  int taps;
  const int32_t *index[RESIZE_MAX_TAPS];
  const float *weight[RESIZE_MAX_TAPS];
} ResizeDim;

/* Dim `dim` of a resize whose shapes have been checked. */
ResizeDim resize_dim(Arena *a, const Node *n, int dim);
/* How many dims an op may change. */
int resize_most_dims(OpId op);

#endif
