#include "passes/equalize/channels.h"

#include <math.h>
#include <string.h>

#include "passes/affine.h"
#include "passes/layers.h"

enum { MAX_CHANNELS = 1 << 24 }; /* a channel is a whole number that float32 holds exactly */

/* --- union-find --- */

static int32_t root_of(const Channels *c, int32_t channel) {
  while (c->parent[channel] != channel) channel = c->parent[channel] = c->parent[c->parent[channel]];
  return channel;
}

int32_t channel_at(const Channels *c, const ChannelMap *m, int64_t entry) {
  return root_of(c, m->channel[entry]);
}

bool channel_is_free(const Channels *c, int32_t root) { return root != CHANNEL_NONE && !c->fixed[root]; }

static int32_t new_channel(Channels *c) {
  if (c->n == c->cap) {
    int32_t cap = c->cap ? 2 * c->cap : 1024;
    int32_t *parent = ARENA_NEW_ARRAY(c->arena, int32_t, (size_t)cap);
    bool *fixed = ARENA_NEW_ARRAY(c->arena, bool, (size_t)cap);
    for (int32_t i = 0; i < c->n; i++) {
      parent[i] = c->parent[i];
      fixed[i] = c->fixed[i];
    }
    c->parent = parent;
    c->fixed = fixed;
    c->cap = cap;
  }
  c->parent[c->n] = c->n;
  return c->n++;
}

/* The one channel of two that must be scaled alike. */
static int32_t unite(Channels *c, int32_t a, int32_t b) {
  if (a == CHANNEL_NONE) return b;
  if (b == CHANNEL_NONE) return a;
  a = root_of(c, a);
  b = root_of(c, b);
  int32_t first = a < b ? a : b, second = a < b ? b : a; /* so CHANNEL_FIXED stays a root */
  if (first == second) return first;
  c->parent[second] = first;
  c->fixed[first] |= c->fixed[second];
  return first;
}

/* --- maps --- */

const ChannelMap *channels_of(const Channels *c, const Tensor *t) {
  return t && !tensor_is_const(t) ? strmap_get(c->maps, t->name) : NULL;
}

/* One entry for each index of the axis; -1: for each value. */
static ChannelMap *new_map(Channels *c, const Tensor *t, int axis) {
  const Shape *s = &t->type.shape;
  ChannelMap *m = ARENA_NEW(c->arena, ChannelMap);
  *m = (ChannelMap){.tensor = t, .outer = 1, .count = axis < 0 ? shape_count(s) : s->dim[axis], .inner = 1};
  for (int i = 0; i < axis; i++) m->outer *= s->dim[i];
  for (int i = axis + 1; axis >= 0 && i < s->rank; i++) m->inner *= s->dim[i];
  m->channel = ARENA_NEW_ARRAY(c->arena, int32_t, (size_t)m->count + 1);
  strmap_put(c->maps, t->name, m);
  return m;
}

static int32_t channel_of_value(const ChannelMap *m, int64_t i) {
  return m->channel[i / m->inner % m->count];
}

static void fix(Channels *c, const Tensor *t) {
  const ChannelMap *m = channels_of(c, t);
  for (int64_t i = 0; m && i < m->count; i++) unite(c, CHANNEL_FIXED, m->channel[i]);
}

/* One entry for all. */
static void map_fixed(Channels *c, const Tensor *t) {
  if (t->type.dtype != DT_F32) return;
  int64_t count = shape_count(&t->type.shape);
  ChannelMap *m = ARENA_NEW(c->arena, ChannelMap);
  *m = (ChannelMap){t, 1, 1, count ? count : 1, ARENA_NEW_ARRAY(c->arena, int32_t, 2)};
  m->channel[0] = CHANNEL_FIXED;
  strmap_put(c->maps, t->name, m);
}

static void fix_node(Channels *c, const Node *n) {
  for (int i = 0; i < n->n_operands; i++) fix(c, n->operands[i]);
  for (int i = 0; i < n->n_results; i++) map_fixed(c, n->results[i]);
}

/* All values of each index of the axis become one channel: channel[index]. */
static int32_t *unite_along(Channels *c, Arena *a, const ChannelMap *m, int axis) {
  const Shape *s = &m->tensor->type.shape;
  int64_t inner = 1, values = shape_count(s);
  int32_t *channel = ARENA_NEW_ARRAY(a, int32_t, (size_t)s->dim[axis] + 1);
  for (int i = axis + 1; i < s->rank; i++) inner *= s->dim[i];
  if (m->count == s->dim[axis] && m->inner == inner) {
    memcpy(channel, m->channel, sizeof *channel * (size_t)m->count);
    return channel;
  }
  for (int64_t i = 0; i < values; i++) {
    int32_t *one = &channel[i / inner % s->dim[axis]];
    *one = unite(c, *one, channel_of_value(m, i));
  }
  return channel;
}

/* --- layers --- */

static int input_axis(const Node *layer) {
  return layer_is_conv(layer) ? 1 : layer->operands[0]->type.shape.rank - 1;
}

static bool homogeneous_clamp(const Node *n) {
  float *lo, *hi;
  return !node_clamp(n, &lo, &hi) || ((*lo == 0 || *lo == -INFINITY) && *hi == INFINITY);
}

static bool is_scalable(const Node *n) {
  if ((!layer_is_conv(n) && n->op != OP_linear) || !node_is_float(n)) return false;
  const Tensor *bias = node_operand(n, 2);
  return is_const_f32(n->operands[1]) && (!bias || is_const_f32(bias));
}

static void map_layer(Channels *c, const Node *n) {
  Arena *tmp = arena_new();
  unite_along(c, tmp, channels_of(c, n->operands[0]), input_axis(n));
  arena_free(tmp);
  ChannelMap *m = new_map(c, n->results[0], layer_channel_axis(n));
  bool free = homogeneous_clamp(n);
  for (int64_t i = 0; i < m->count; i++) m->channel[i] = free ? new_channel(c) : CHANNEL_FIXED;
}

bool channel_layer(const Channels *c, const Node *n, ChannelLayer *l) {
  if (!is_scalable(n) || !channels_of(c, n->operands[0])) return false;
  const Shape *w = &n->operands[1]->type.shape;
  *l = (ChannelLayer){.node = n,
                      .groups = layer_is_conv(n) ? ATTRS(n, ConvAttrs)->groups : 1,
                      .ic = w->dim[1],
                      .taps = 1,
                      .in = channels_of(c, n->operands[0]),
                      .out = channels_of(c, n->results[0])};
  for (int i = 2; i < w->rank; i++) l->taps *= w->dim[i];
  l->oc = w->dim[0] / l->groups;
  return true;
}

int32_t layer_input(const Channels *c, const ChannelLayer *l, int64_t channel) {
  const Shape *x = &l->node->operands[0]->type.shape;
  int64_t inner = 1; /* the channel's first value stands for all */
  for (int i = input_axis(l->node) + 1; i < x->rank; i++) inner *= x->dim[i];
  return root_of(c, channel_of_value(l->in, channel * inner));
}

int32_t layer_output(const Channels *c, const ChannelLayer *l, int64_t channel) {
  return channel_at(c, l->out, channel);
}

/* --- what scales with its operands --- */

static bool is_pool(const Node *n) {
  switch (n->op) {
  case OP_max_pool2d:
  case OP_avg_pool2d:
  case OP_max_pool3d:
  case OP_avg_pool3d:
  case OP_adaptive_max_pool:
  case OP_adaptive_avg_pool:
  case OP_global_avg_pool:
    return n->operands[0]->type.shape.rank >= 2;
  default:
    return false;
  }
}

/* A mean over axes behind the channels, [N, C, ...]. */
static bool is_channel_mean(const Node *n) {
  if (n->op != OP_reduce_mean || n->results[0]->type.shape.rank < 2) return false;
  const ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  for (int i = 0; i < a->axes.n; i++)
    if (a->axes.v[i] < 2) return false;
  return a->axes.n > 0;
}

/* Each channel's result is made of values of that channel alone. */
static void map_pool(Channels *c, const Node *n) {
  Arena *tmp = arena_new();
  const int32_t *channel = unite_along(c, tmp, channels_of(c, n->operands[0]), 1);
  ChannelMap *m = new_map(c, n->results[0], 1);
  memcpy(m->channel, channel, sizeof *channel * (size_t)m->count);
  arena_free(tmp);
}

/* Of one tensor, value by value. */
static ChannelMap *map_copy(Channels *c, const Node *n) {
  const ChannelMap *x = channels_of(c, n->operands[0]);
  ChannelMap *m = arena_memdup(c->arena, x, sizeof *x);
  m->tensor = n->results[0];
  m->channel = arena_memdup(c->arena, x->channel, sizeof *x->channel * (size_t)(x->count + 1));
  strmap_put(c->maps, m->tensor->name, m);
  return m;
}

static bool is_sum(const Node *n) {
  if (n->op != OP_add && n->op != OP_sub && n->op != OP_max && n->op != OP_min) return false;
  for (int i = 0; i < n->n_operands; i++)
    if (tensor_is_const(n->operands[i]) ||
        !shape_equal(&n->operands[i]->type.shape, &n->results[0]->type.shape))
      return false;
  return homogeneous_clamp(n);
}

static void map_sum(Channels *c, const Node *n) {
  const ChannelMap *x = channels_of(c, n->operands[0]), *y = channels_of(c, n->operands[1]);
  bool alike = x->count == y->count && x->inner == y->inner;
  ChannelMap *m = alike ? map_copy(c, n) : new_map(c, n->results[0], -1);
  for (int64_t i = 0; i < m->count; i++)
    m->channel[i] = alike ? unite(c, x->channel[i], y->channel[i])
                          : unite(c, channel_of_value(x, i), channel_of_value(y, i));
}

/* --- what moves values --- */

static bool only_moves(const Node *n) {
  if (op_info[n->op]->quant != QUANT_MOVE && n->op != OP_concat) return false;
  if (n->op == OP_pad && ATTRS(n, PadAttrs)->mode == PAD_CONSTANT && ATTRS(n, PadAttrs)->value != 0)
    return false;
  for (int i = 0; i < n->n_results; i++)
    if (n->results[i]->type.dtype != DT_F32) return false;
  return true;
}

/* The channel of each index of the axis, in `one`; false where an index has several. CHANNEL_NONE goes with
 * any. */
static bool one_per_index(const Shape *s, int axis, const float *value, float *one) {
  int64_t count = shape_count(s), inner = 1;
  for (int i = axis + 1; i < s->rank; i++) inner *= s->dim[i];
  for (int64_t i = 0; i < s->dim[axis]; i++) one[i] = CHANNEL_NONE;
  for (int64_t i = 0; i < count; i++) {
    float *at = &one[i / inner % s->dim[axis]];
    if (*at == CHANNEL_NONE) *at = value[i];
    if (value[i] != *at && value[i] != CHANNEL_NONE) return false;
  }
  return true;
}

/* The map of channels that lie so, one entry for each index of an axis where that is enough. */
static void map_values(Channels *c, const Tensor *t, const float *value) {
  const Shape *s = &t->type.shape;
  Arena *tmp = arena_new();
  const float *entries = value;
  int axis = -1;
  for (int a = 0; a < s->rank && axis < 0; a++) {
    float *one = ARENA_NEW_ARRAY(tmp, float, (size_t)s->dim[a] + 1);
    if (!one_per_index(s, a, value, one)) continue;
    axis = a;
    entries = one;
  }
  ChannelMap *m = new_map(c, t, axis);
  for (int64_t i = 0; i < m->count; i++) m->channel[i] = (int32_t)entries[i];
  arena_free(tmp);
}

/* Moves the channels as the op moves values. */
static void map_moved(Channels *c, const Node *n) {
  Arena *tmp = arena_new();
  const void **in = ARENA_NEW_ARRAY(tmp, const void *, (size_t)n->n_operands + 1);
  void **out = ARENA_NEW_ARRAY(tmp, void *, (size_t)n->n_results);
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    const ChannelMap *m = channels_of(c, t);
    in[i] = t ? t->data : NULL;
    if (!t || t->type.dtype != DT_F32) continue;
    int64_t count = shape_count(&t->type.shape);
    float *v = ARENA_NEW_ARRAY(tmp, float, (size_t)count + 1);
    for (int64_t k = 0; k < count; k++) v[k] = m ? (float)channel_of_value(m, k) : (float)CHANNEL_FIXED;
    in[i] = v;
  }
  for (int i = 0; i < n->n_results; i++)
    out[i] = ARENA_NEW_ARRAY(tmp, float, (size_t)shape_count(&n->results[i]->type.shape) + 1);
  op_info[n->op]->eval(&(EvalCtx){tmp}, n, in, out);
  for (int i = 0; i < n->n_results; i++) map_values(c, n->results[i], out[i]);
  arena_free(tmp);
}

/* --- the graph --- */

/* The first operand has a map, the others have one or are constant. */
static bool has_maps(const Channels *c, const Node *n) {
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    if (t && !tensor_is_const(t) && !channels_of(c, t)) return false;
  }
  return n->n_operands > 0 && channels_of(c, n->operands[0]);
}

static void map_node(Channels *c, const Node *n) {
  if (!has_maps(c, n))
    fix_node(c, n);
  else if (is_scalable(n))
    map_layer(c, n);
  else if (is_pool(n) || is_channel_mean(n))
    map_pool(c, n);
  else if (n->op == OP_relu || n->op == OP_leaky_relu || n->op == OP_prelu)
    map_copy(c, n);
  else if (is_sum(n))
    map_sum(c, n);
  else if (only_moves(n))
    map_moved(c, n);
  else
    fix_node(c, n);
}

Channels *channels_new(Arena *a, const Graph *g) {
  Channels *c = ARENA_NEW(a, Channels);
  *c = (Channels){.arena = a, .graph = g, .maps = strmap_new(a)};
  new_channel(c); /* CHANNEL_NONE */
  c->fixed[new_channel(c)] = true;
  for (int i = 0; i < g->n_inputs; i++) map_fixed(c, g->inputs[i]);
  for (const Node *n = g->first; n && c->n < MAX_CHANNELS; n = n->next) map_node(c, n);
  for (int i = 0; i < g->n_outputs; i++) fix(c, g->outputs[i]);
  return c->n < MAX_CHANNELS ? c : NULL;
}
