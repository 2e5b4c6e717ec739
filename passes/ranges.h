/* What is proved about the integers of a graph, by interval arithmetic on the steps that docs/numerics.md
 * defines: whatever the inputs are, no value leaves its interval. Nothing here knows a target; code
 * generation asks, too. */
#ifndef QCC_PASSES_RANGES_H
#define QCC_PASSES_RANGES_H

#include "ir/graph.h"
#include "passes/ranges/interval.h"

/* An interval for each channel along an axis of a tensor, or one for all of its elements. */
typedef struct {
  int axis;      /* -1: one for all */
  int64_t count; /* 1, or the shape's dim[axis] */
  Interval *channel;
} ChannelRanges;

static inline Interval range_of_channel(const ChannelRanges *r, int64_t c) {
  return r->channel[r->axis < 0 ? 0 : c];
}
Interval range_of_all(const ChannelRanges *r);

typedef struct Ranges Ranges;

/* Of a graph that the verifier has passed. What is returned knows tensors by their names, so it speaks for
 * clones of `g`, too. */
const Ranges *ranges_analyse(Arena *a, const Graph *g);

/* Of an input or a node's result, in q as the type has it; NULL: it holds no integers. */
const ChannelRanges *ranges_tensor(const Ranges *r, const Tensor *t);
/* Of the sums that a node requantizes, or turns into floats, the bias included: conv2d and the like, linear,
 * matmul; along the result's channels. NULL: there are none, or nothing is known. */
const ChannelRanges *ranges_sums(const Ranges *r, const Node *n);
/* What the values of a node that clamps would be without any clamp, that to the element type included: add,
 * sub, mul, layers and matmul with a quantized result, the op clamp. False where nothing is known. */
bool ranges_unclamped(const Ranges *r, const Node *n, Interval *all);

/* The bounds of such a node, a fused activation's and the type's, and whether no value is proved to pass
 * them. False where nothing is known. */
typedef struct {
  Interval bounds, unclamped;
  bool idle_min, idle_max;
} ClampFacts;
bool ranges_clamp(const Ranges *r, const Node *n, ClampFacts *f);

/* What the pass has taken out of the graph: reports print it. */
typedef struct {
  int64_t channels, constant, dead; /* of a tensor: before; taken out with one value, and because nothing
                                       reads them */
} RemovedChannels;
typedef struct Removals {
  int64_t macs_before; /* of the graph as it came to the pass */
  int64_t left;        /* channels of layers that could go, too few to be worth it */
  int clamps;          /* that no value reached */
  StrMap *by_tensor;   /* name -> RemovedChannels; only tensors that have lost some */
} Removals;

#endif
