/* Which values of a float graph may be scaled together without changing what it computes. Dividing a layer's
 * output channel by s changes nothing where all that reads it scales with it, and ends in layers whose
 * weights for that channel are multiplied by s. A channel is the set of such values: from layers' outputs,
 * through ReLUs, pools, sums and whatever moves values, to layers' inputs. */
#ifndef QCC_PASSES_EQUALIZE_CHANNELS_H
#define QCC_PASSES_EQUALIZE_CHANNELS_H

#include "passes/rewrite.h"

/* The channel of each of a tensor's values. Most tensors have one for each index of an axis; others one for
 * each value. */
typedef struct {
  const Tensor *tensor;
  int64_t outer, count, inner; /* value [outer][count][inner] belongs to entry [count] */
  int32_t *channel;            /* [count]; see channel_at */
} ChannelMap;

typedef struct {
  Arena *arena;
  const Graph *graph;
  StrMap *maps;    /* tensor name -> ChannelMap; not for constants */
  int32_t *parent; /* union-find */
  bool *fixed;     /* of roots: the values must stay as they are */
  int32_t n, cap;
} Channels;

enum {
  CHANNEL_NONE, /* a zero that fills */
  CHANNEL_FIXED /* values that cannot be scaled */
};

/* NULL where the graph is too large: 2^24 channels. */
Channels *channels_new(Arena *a, const Graph *g);

/* NULL: a constant, or not float32. */
const ChannelMap *channels_of(const Channels *c, const Tensor *t);
/* The root of an entry's channel. */
int32_t channel_at(const Channels *c, const ChannelMap *m, int64_t entry);
/* May the channel be scaled? */
bool channel_is_free(const Channels *c, int32_t root);

/* Layers that scale with their operands: constant float32 weights [OC, IC / groups, taps]. */
typedef struct {
  const Node *node;
  int64_t groups, ic, oc, taps; /* ic, oc: per group */
  const ChannelMap *in, *out;
} ChannelLayer;
/* False where the node is none. */
bool channel_layer(const Channels *c, const Node *n, ChannelLayer *l);
/* The roots of an input and of an output channel, counted over all groups. */
int32_t layer_input(const Channels *c, const ChannelLayer *l, int64_t channel);
int32_t layer_output(const Channels *c, const ChannelLayer *l, int64_t channel);

#endif
