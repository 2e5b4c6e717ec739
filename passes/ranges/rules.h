/* What the rules of the analysis share: for each op a function from the intervals of its operands to those of
 * its first result. */
#ifndef QCC_PASSES_RANGES_RULES_H
#define QCC_PASSES_RANGES_RULES_H

#include "ir/ops/attrs.h"
#include "passes/ranges.h"

struct Ranges {
  Arena *arena;
  StrMap *tensors; /* name -> ChannelRanges */
  StrMap *nodes;   /* name of the first result -> NodeRanges */
};

typedef struct {
  ChannelRanges sums; /* count 0: none */
  Interval unclamped;
  bool has_unclamped;
} NodeRanges;

/* Results are computed with these bounds first, which no clamp of bytes comes near, to see what a clamp does.
 * The order makes no difference: rounding is monotone, and the bounds are integers. */
enum { RANGE_UNCLAMPED = 1 << 20 };

/* The record of a node; made where it is not there. */
NodeRanges *range_node(Ranges *r, const Node *n);

typedef ChannelRanges (*RangeRule)(Ranges *r, const Node *n);

/* All values of the element type. */
Interval range_of_type(const Type *t);
/* To be filled: dim[axis] intervals, one for axis -1. */
ChannelRanges range_new(Arena *a, const Shape *s, int axis);
ChannelRanges range_same(Arena *a, Interval all);
/* `r` as the ranges along `axis` of a tensor, or one interval for all where it knows nothing of that axis. */
ChannelRanges range_along(Arena *a, const ChannelRanges *r, int axis);
/* The same of an operand, which may be a constant: then of its elements. */
ChannelRanges range_of_operand(Ranges *r, const Tensor *t, int axis);
/* The axis that an operand's intervals are along; -1 for constants. */
int range_axis(const Ranges *r, const Tensor *t);

/* By op. An op without a rule has the type's range. */
ChannelRanges range_linear(Ranges *r, const Node *n);
ChannelRanges range_matmul(Ranges *r, const Node *n);
ChannelRanges range_arith(Ranges *r, const Node *n);
ChannelRanges range_minmax(Ranges *r, const Node *n);
ChannelRanges range_lut(Ranges *r, const Node *n);
ChannelRanges range_unary(Ranges *r, const Node *n);
ChannelRanges range_prelu(Ranges *r, const Node *n);
ChannelRanges range_clamp(Ranges *r, const Node *n);
ChannelRanges range_max_pool(Ranges *r, const Node *n);
ChannelRanges range_avg_pool(Ranges *r, const Node *n);
ChannelRanges range_mean(Ranges *r, const Node *n);
ChannelRanges range_interpolated(Ranges *r, const Node *n);
ChannelRanges range_dynamic(Ranges *r, const Node *n);
ChannelRanges range_moved(Ranges *r, const Node *n);
ChannelRanges range_pad(Ranges *r, const Node *n);
ChannelRanges range_slice(Ranges *r, const Node *n);
ChannelRanges range_concat(Ranges *r, const Node *n);
ChannelRanges range_reshape(Ranges *r, const Node *n);
ChannelRanges range_expand(Ranges *r, const Node *n);

#endif
