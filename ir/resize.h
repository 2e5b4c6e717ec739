/* Which elements of the operand a resized tensor's positions are made of, and with which weights: rule 11 of
 * docs/numerics.md. The interpreter and the generators take these numbers and share nothing else. */
#ifndef QCC_IR_RESIZE_H
#define QCC_IR_RESIZE_H

#include "ir/graph.h"
#include "ir/ops/attrs.h"

/* Dims that a linear resize may change. */
enum { RESIZE_MAX_LINEAR = 3 };

/* Along one dim, for each position of the result. */
typedef struct {
  bool active;           /* false: position o is the operand's o, and the rest is NULL */
  const int32_t *first;  /* the nearest element, or the one before the position */
  const int32_t *second; /* linear: the one behind it, or the same at the end */
  const float *weight;   /* linear: of `second`, in [0, 1]; that of `first` is 1 - weight */
} ResizeDim;

/* Dim `dim` of a resize_nearest or resize_linear whose shapes have been checked. */
ResizeDim resize_dim(Arena *a, const Node *n, int dim);

#endif
