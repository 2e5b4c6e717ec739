/* Channels that can be taken out of a graph without a change in any output.
 *
 * A channel of a tensor goes together with those channels of other tensors that are made of it element by
 * element, or beside it: they are one class. A class can go where every op that makes one of its channels can
 * leave it out, and every op that reads one does not need it: a layer whose weights for it are zero, or that
 * sees the same value in it everywhere, which its bias can take over. Whatever has no rule keeps its
 * channels, as do the graph's inputs and outputs. */
#ifndef QCC_PASSES_REMOVAL_REMOVAL_H
#define QCC_PASSES_REMOVAL_REMOVAL_H

#include "passes/ranges.h"
#include "passes/rewrite.h"

/* The channels of a tensor, as the graph is before anything goes. */
typedef struct {
  const Tensor *tensor;
  const ChannelRanges *ranges;
  int axis;
  int64_t count;
  int64_t first; /* items first ... first + count - 1 are its channels */
} ChannelSet;

typedef struct {
  PassCtx *ctx;
  Arena *arena;
  Graph *graph;
  const Ranges *ranges;
  StrMap *set_of; /* tensor name -> ChannelSet */
  ChannelSet **sets;
  int n_sets;
  int64_t *parent; /* of each item; itself: it stands for its class */
  bool *stays;     /* of the items that stand for classes */
  int64_t n_left;  /* channels of layers that could go, but stay to fill whole vectors */
} Removal;

/* Decides; false: everything stays. */
bool removal_find(Removal *r, PassCtx *ctx, Arena *a, Graph *g, const Ranges *ranges);
/* Does it. */
void removal_apply(Removal *r);

/* NULL: the tensor's channels are unknown; nothing of it goes. */
const ChannelSet *removal_set(const Removal *r, const Tensor *t);
bool channel_goes(const Removal *r, const ChannelSet *s, int64_t c);
/* The channels that stay, of `count` (all of them where `s` is NULL). */
int64_t *channels_left(const Removal *r, const ChannelSet *s, int64_t count, int64_t *left);
void keep_channel(Removal *r, const ChannelSet *s, int64_t c);
void keep_all(Removal *r, const Tensor *t);
/* From now on they go together or not at all. */
void unite(Removal *r, const ChannelSet *a, int64_t ca, const ChannelSet *b, int64_t cb);

/* What an op demands of its operands' and results' channels, and how its node is brought into shape where
 * some have gone (NULL: nothing but inference is needed). */
typedef struct {
  void (*constrain)(Removal *r, const Node *n);
  void (*shrink)(Removal *r, Node *n);
} ChannelRule;
extern const ChannelRule rule_linear, rule_pairs, rule_through, rule_prelu, rule_resize, rule_slice,
    rule_concat, rule_reshape;

/* Layers whose bias would leave s32 if it took over all that it could: keeps those channels; false where
 * there are none. */
bool keep_what_no_bias_holds(Removal *r);
/* Operand i, which broadcasts along `axis` of the result, loses the channels that the result loses. */
void shrink_constant(Removal *r, Node *n, int i, const ChannelSet *result);

#endif
