/* Rounding the weights of a layer so that what it computes from real data changes least, instead of each
 * weight to its nearest: the error of one weight is made up for by those that are rounded after it, as far as
 * their inputs go together (the metric is the inputs' covariance; "optimal brain quantization", GPTQ, Babai's
 * nearest plane are the same idea). All in double precision and a fixed order: the same on every machine. */
#ifndef QCC_PASSES_REFINE_ROUNDING_H
#define QCC_PASSES_REFINE_ROUNDING_H

#include "ir/arena.h"

/* Columns of operand values: x[row][k], for a layer's k weights of one output. */
typedef struct {
  int64_t rows, k;
  float *x;
} Columns;

typedef struct Metric Metric;

/* The covariance of the columns [first, first + k), damped. What does not depend on the layer's input, the
 * mean, is left to its bias. */
Metric *metric_new(Arena *a, const Columns *c, int64_t first, int64_t k);

/* The integers of the parameters that stand for w[k], within [lo, hi]. */
typedef struct {
  const float *w;
  float scale;
  int32_t zero, lo, hi;
  int8_t *q;
} Rounding;
/* `n` outputs. */
void metric_round(const Metric *m, const Rounding *r, int64_t n);

#endif
