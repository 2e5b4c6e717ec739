/* The last pass: what the proved intervals of a quantized graph make superfluous goes, and no output changes
 * by a bit. Channels that hold one value or that nobody reads are taken out of the layers that make and read
 * them; clamps that no value reaches are dropped. */
#include "passes/ranges.h"

#include <math.h>

#include "passes/removal/removal.h"
#include "passes/tables.h"

bool pass_ranges(PassCtx *ctx, Graph *g);

static RemovedChannels *removed_of(PassCtx *ctx, const ChannelSet *s) {
  RemovedChannels *found = strmap_get(ctx->removals->by_tensor, s->tensor->name);
  if (found) return found;
  found = ARENA_NEW(ctx->arena, RemovedChannels);
  found->channels = s->count;
  strmap_put(ctx->removals->by_tensor, s->tensor->name, found);
  return found;
}

static void record(PassCtx *ctx, const Removal *r) {
  for (int i = 0; i < r->n_sets; i++)
    for (int64_t c = 0; c < r->sets[i]->count; c++) {
      if (!channel_goes(r, r->sets[i], c)) continue;
      RemovedChannels *removed = removed_of(ctx, r->sets[i]);
      *(interval_is_value(r->sets[i]->ranges->channel[c]) ? &removed->constant : &removed->dead) += 1;
    }
}

/* One round: what has gone may leave others without readers. */
static bool remove_channels(PassCtx *ctx, Graph *g, const Ranges *ranges, Arena *tmp) {
  Removal r;
  bool found = removal_find(&r, ctx, tmp, g, ranges);
  ctx->removals->left = r.n_left;
  if (!found) return false;
  record(ctx, &r);
  removal_apply(&r);
  graph_remove_dead(g);
  settle_tables(ctx, g);
  return true;
}

/* A clamp to what the type's own range does anyway costs nothing, and stays: it says what the model was. */
static bool drop_clamp(const Ranges *ranges, Node *n) {
  ClampFacts f;
  float *act_min, *act_max;
  if (!ranges_clamp(ranges, n, &f)) return false;
  const DTypeInfo *type = &dtype_info[n->results[0]->type.dtype];
  if (n->op == OP_clamp) return f.idle_min && f.idle_max && node_bypass(n);
  node_clamp(n, &act_min, &act_max);
  bool min = f.idle_min && f.bounds.lo > type->min, max = f.idle_max && f.bounds.hi < type->max;
  if (min) *act_min = -INFINITY;
  if (max) *act_max = INFINITY;
  return min || max;
}

/* True where more has followed: a product of two operands that are one now is a table. */
static bool drop_clamps(PassCtx *ctx, Graph *g, const Ranges *ranges) {
  GRAPH_FOREACH_NODE(g, n) ctx->removals->clamps += drop_clamp(ranges, n);
  return settle_tables(ctx, g) > 0;
}

bool pass_ranges(PassCtx *ctx, Graph *g) {
  ctx->removals = ARENA_NEW(ctx->arena, Removals);
  *ctx->removals = (Removals){.macs_before = graph_macs(g), .by_tensor = strmap_new(ctx->arena)};
  if (!graph_has_integers(g)) return true;
  for (bool again = true; again;) {
    Arena *tmp = arena_new();
    const Ranges *ranges = ranges_analyse(tmp, g);
    again = remove_channels(ctx, g, ranges, tmp) || drop_clamps(ctx, g, ranges);
    arena_free(tmp);
  }
  tidy_names(g);
  return true;
}
