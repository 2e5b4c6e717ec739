/* A tensor's channels share one scale, so a channel of small values is quantized coarsely. Between layers
 * channels can be scaled: the layers before and behind take it up in their weights, and the graph computes
 * what it did. ("Cross-layer equalization", with a measure of how far to go.) */
#include "passes/equalize/scales.h"
#include "passes/qconfig.h"
#include "passes/tuning.h"

bool pass_equalize(PassCtx *ctx, Graph *g);

static void scale_layer(const Channels *c, const ChannelLayer *l, const float *scale) {
  Node *n = (Node *)l->node;
  Arena *a = n->graph->arena;
  const Tensor *bias = node_operand(n, 2);
  const Type wt = n->operands[1]->type;
  float *w = arena_memdup(a, n->operands[1]->data, (size_t)type_bytes(&wt));
  float *b = bias ? arena_memdup(a, bias->data, (size_t)type_bytes(&bias->type)) : NULL;
  bool changed = false;
  for (int64_t o = 0; o < l->groups * l->oc; o++) {
    float out = scale[layer_output(c, l, o)];
    if (b) b[o] /= out;
    changed |= out != 1;
    for (int64_t i = 0; i < l->ic; i++) {
      float by = scale[layer_input(c, l, o / l->oc * l->ic + i)] / out;
      float *at = w + (o * l->ic + i) * l->taps;
      for (int64_t k = 0; k < l->taps; k++) at[k] *= by;
      changed |= by != 1;
    }
  }
  if (!changed) return;
  if (b) set_const_operand(n, 2, bias->type, b);
  set_const_operand(n, 1, wt, w);
}

static bool equalize(PassCtx *ctx, Graph *g, Arena *tmp) {
  const Channels *c = channels_new(tmp, g);
  if (!c) return true;
  const Statistics *s = statistics_new(ctx, tmp, c);
  if (!s) return false;
  const float *scale = channel_scales(tmp, c, s);
  ChannelLayer l;
  for (const Node *n = g->first; n; n = n->next)
    if (channel_layer(c, n, &l)) scale_layer(c, &l, scale);
  return true;
}

bool pass_equalize(PassCtx *ctx, Graph *g) {
  if (!is_to_be_tuned(ctx, g)) return true;
  if (!qconfig_default(ctx->qconfig)->weight.quant.per_channel) return true; /* weights would suffer */
  Arena *tmp = arena_new();
  bool ok = equalize(ctx, g, tmp);
  arena_free(tmp);
  return ok;
}
