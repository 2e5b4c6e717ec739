#include "passes/removal/removal.h"

static const ChannelRule *const rules[OP_COUNT] = {
    [OP_conv2d] = &rule_linear,
    [OP_conv3d] = &rule_linear,
    [OP_conv_transpose2d] = &rule_linear,
    [OP_conv_transpose3d] = &rule_linear,
    [OP_linear] = &rule_linear,
    [OP_add] = &rule_pairs,
    [OP_sub] = &rule_pairs,
    [OP_mul] = &rule_pairs,
    [OP_max] = &rule_pairs,
    [OP_min] = &rule_pairs,
    [OP_lut] = &rule_through,
    [OP_clamp] = &rule_through,
    [OP_max_pool2d] = &rule_through,
    [OP_max_pool3d] = &rule_through,
    [OP_avg_pool2d] = &rule_through,
    [OP_avg_pool3d] = &rule_through,
    [OP_adaptive_max_pool] = &rule_through,
    [OP_adaptive_avg_pool] = &rule_through,
    [OP_reduce_mean] = &rule_through,
    [OP_reduce_sum] = &rule_through,
    [OP_reduce_max] = &rule_through,
    [OP_reduce_min] = &rule_through,
    [OP_transpose] = &rule_through,
    [OP_pad] = &rule_through,
    [OP_identity] = &rule_through,
    [OP_prelu] = &rule_prelu,
    [OP_resize_nearest] = &rule_resize,
    [OP_resize_linear] = &rule_resize,
    [OP_resize_cubic] = &rule_resize,
    [OP_slice] = &rule_slice,
    [OP_concat] = &rule_concat,
    [OP_reshape] = &rule_reshape,
};

/* ---- classes ---- */

static int64_t class_of(const Removal *r, int64_t item) {
  while (r->parent[item] != item) {
    r->parent[item] = r->parent[r->parent[item]];
    item = r->parent[item];
  }
  return item;
}

const ChannelSet *removal_set(const Removal *r, const Tensor *t) { return strmap_get(r->set_of, t->name); }

bool channel_goes(const Removal *r, const ChannelSet *s, int64_t c) {
  return !r->stays[class_of(r, s->first + c)];
}

int64_t *channels_left(const Removal *r, const ChannelSet *s, int64_t count, int64_t *left) {
  int64_t *list = ARENA_NEW_ARRAY(r->arena, int64_t, (size_t)count + 1);
  *left = 0;
  for (int64_t c = 0; c < count; c++)
    if (!s || !channel_goes(r, s, c)) list[(*left)++] = c;
  return list;
}

void keep_channel(Removal *r, const ChannelSet *s, int64_t c) { r->stays[class_of(r, s->first + c)] = true; }

void keep_all(Removal *r, const Tensor *t) {
  const ChannelSet *s = t ? removal_set(r, t) : NULL;
  for (int64_t c = 0; s && c < s->count; c++) keep_channel(r, s, c);
}

void unite(Removal *r, const ChannelSet *a, int64_t ca, const ChannelSet *b, int64_t cb) {
  int64_t from = class_of(r, a->first + ca), to = class_of(r, b->first + cb);
  if (from == to) return;
  r->parent[from] = to;
  r->stays[to] |= r->stays[from];
}

/* ---- deciding ---- */

static bool has_channels(const Removal *r, const Tensor *t) {
  const ChannelRanges *ranges = ranges_tensor(r->ranges, t);
  return type_is_q8(&t->type) && ranges->axis >= 0 && ranges->count > 0;
}

/* Of all results whose channels the analysis has told apart. */
static void collect_sets(Removal *r) {
  int64_t items = 0;
  int n = 0;
  for (const Node *p = r->graph->first; p; p = p->next) n += p->n_results;
  r->sets = ARENA_NEW_ARRAY(r->arena, ChannelSet *, (size_t)n + 1);
  for (const Node *p = r->graph->first; p; p = p->next)
    for (int i = 0; i < p->n_results; i++) {
      if (!has_channels(r, p->results[i])) continue;
      const ChannelRanges *ranges = ranges_tensor(r->ranges, p->results[i]);
      ChannelSet *s = ARENA_NEW(r->arena, ChannelSet);
      *s = (ChannelSet){p->results[i], ranges, ranges->axis, ranges->count, items};
      items += s->count;
      r->sets[r->n_sets++] = s;
      strmap_put(r->set_of, p->results[i]->name, s);
    }
  r->parent = ARENA_NEW_ARRAY(r->arena, int64_t, (size_t)items + 1);
  r->stays = ARENA_NEW_ARRAY(r->arena, bool, (size_t)items + 1);
  for (int64_t i = 0; i < items; i++) r->parent[i] = i;
}

static void constrain(Removal *r) {
  for (const Node *n = r->graph->first; n; n = n->next) {
    if (rules[n->op]) {
      rules[n->op]->constrain(r, n);
      continue;
    }
    for (int i = 0; i < n->n_operands; i++) keep_all(r, n->operands[i]);
    for (int i = 0; i < n->n_results; i++) keep_all(r, n->results[i]);
  }
  for (int i = 0; i < r->graph->n_outputs; i++) keep_all(r, r->graph->outputs[i]);
}

static int64_t count_going(const Removal *r, const ChannelSet *s) {
  int64_t going = 0;
  for (int64_t c = 0; c < s->count; c++) going += channel_goes(r, s, c);
  return going;
}

/* No tensor may lose all of its channels: the first one stays then. */
static bool keep_one_of_each(Removal *r) {
  bool changed = false;
  for (int i = 0; i < r->n_sets; i++) {
    const ChannelSet *s = r->sets[i];
    if (count_going(r, s) < s->count) continue;
    keep_channel(r, s, 0);
    changed = true;
  }
  return changed;
}

/* A few channels out of many are not worth a layer whose channels fill no whole vectors: then so many of them
 * stay that the rest is a multiple of WHOLE, which suits vectors of every width. */
enum { FEW = 8, WHOLE = 16 };

static bool keep_whole_vectors(Removal *r) {
  bool changed = false;
  for (int i = 0; i < r->n_sets; i++) {
    const ChannelSet *s = r->sets[i];
    int64_t going = count_going(r, s), left = s->count - going;
    if (op_info[s->tensor->producer->op]->quant != QUANT_LINEAR || going * FEW >= s->count) continue;
    for (int64_t c = 0; c < s->count && going && left % WHOLE; c++) {
      if (!channel_goes(r, s, c)) continue;
      keep_channel(r, s, c);
      changed = true;
      r->n_left++;
      going--;
      left++;
    }
  }
  return changed;
}

bool removal_find(Removal *r, PassCtx *ctx, Arena *a, Graph *g, const Ranges *ranges) {
  *r = (Removal){.ctx = ctx, .arena = a, .graph = g, .ranges = ranges, .set_of = strmap_new(a)};
  collect_sets(r);
  constrain(r);
  while (keep_one_of_each(r) || keep_what_no_bias_holds(r) || keep_whole_vectors(r)) continue;
  int64_t going = 0;
  for (int i = 0; i < r->n_sets; i++) going += count_going(r, r->sets[i]);
  return going > 0;
}

/* ---- doing it ---- */

static bool loses_channels(const Removal *r, const Tensor *t) {
  const ChannelSet *s = t ? removal_set(r, t) : NULL;
  for (int64_t c = 0; s && c < s->count; c++)
    if (channel_goes(r, s, c)) return true;
  return false;
}

static bool is_touched(const Removal *r, const Node *n) {
  for (int i = 0; i < n->n_operands; i++)
    if (loses_channels(r, n->operands[i])) return true;
  return loses_channels(r, n->results[0]);
}

void removal_apply(Removal *r) {
  for (Node *n = r->graph->first; n; n = n->next) {
    if (!is_touched(r, n)) continue;
    if (rules[n->op]->shrink) rules[n->op]->shrink(r, n);
    node_must_infer(r->ctx, n);
  }
}
