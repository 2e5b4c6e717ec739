/* Where channels lie in the result of an op that keeps them apart. */
#ifndef QCC_PASSES_RANGES_AXIS_H
#define QCC_PASSES_RANGES_AXIS_H

#include "ir/graph.h"

/* The result's axis whose element c is made of the first operand's elements c of `axis` alone, for every c;
 * -1: there is none, the op mixes them, or it is not of one operand. slice: c counts from the slice's start,
 * by its step. */
int axis_through(const Node *n, int axis);

/* The same for a reshape: element c of the result's `axis` lies in the operand's channels from c * stride /
 * inner to (c * stride + stride - 1) / inner. False: no such axis. */
typedef struct {
  int axis;
  int64_t inner, stride;
} ReshapedAxis;
bool axis_reshaped(const Shape *from, int axis, const Shape *to, ReshapedAxis *r);

/* The dim of an operand that broadcasts along `axis` of the result: -1 where it has none there. */
static inline int axis_of_operand(const Tensor *operand, const Tensor *result, int axis) {
  int at = axis - (result->type.shape.rank - operand->type.shape.rank);
  return axis < 0 || at < 0 ? -1 : at;
}

#endif
