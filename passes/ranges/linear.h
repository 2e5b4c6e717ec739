/* The weights of layers as the analysis, the removal of channels and the facts for reports read them. */
#ifndef QCC_PASSES_RANGES_LINEAR_H
#define QCC_PASSES_RANGES_LINEAR_H

#include "ir/graph.h"
#include "passes/ranges/interval.h"

/* conv2d, conv3d, their transposed forms, linear: [oc][ic of a group][taps]. */
typedef struct {
  const Tensor *weight;
  int64_t oc, ic, groups, taps;
} LinearWeights;
LinearWeights linear_weights(const Node *n);

/* Weight and bias are constants. */
bool linear_is_constant(const Node *n);
/* Some results may lack some of their taps. */
bool linear_sees_padding(const Node *n);
/* Of the weights minus their zero point between an input channel (of the group) and an output channel: the
 * sum of the negative ones, and that of the positive ones. */
Interval linear_tap_sums(const LinearWeights *l, int64_t oc, int64_t ic);

#endif
