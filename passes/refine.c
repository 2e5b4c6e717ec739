/* After quantization, layer by layer from the inputs on: weights rounded and biases set so that each layer,
 * over what the integer layers before it really give, comes as close to the float model as it can. */
#include "passes/plan.h"
#include "passes/refine/batch.h"
#include "passes/refine/layer.h"
#include "passes/tuning.h"

bool pass_refine(PassCtx *ctx, Graph *g);

enum {
  MAX_SAMPLES = 64,
  MEMORY = 512 << 20, /* for the values of all samples, about */
};

static const PlanLayer *planned(const Plan *p, const Node *n) {
  for (int i = 0; i < p->n_layers; i++)
    if (p->layers[i].layer == n) return &p->layers[i];
  return NULL;
}

/* The integer graph's next node is this layer; the float graph is brought to its reference. */
static void refine_next(PassCtx *ctx, const PlanLayer *layer, Batch *integers, Batch *floats,
                        int64_t samples) {
  while (batch_next(floats) != layer->reference) batch_step(floats);
  Arena *tmp = arena_new();
  const void **x = ARENA_NEW_ARRAY(tmp, const void *, (size_t)samples);
  const void **x_reference = ARENA_NEW_ARRAY(tmp, const void *, (size_t)samples);
  for (int64_t s = 0; s < samples; s++) {
    x[s] = batch_value(integers, layer->layer->operands[0], s);
    x_reference[s] = batch_value(floats, layer->reference->operands[0], s);
  }
  refine_layer(tmp, &(LayerSamples){layer->layer, layer->reference, samples, x, x_reference, ctx->threads});
  arena_free(tmp);
}

static int64_t samples_for(const Graph *integers, const Graph *floats, int64_t all) {
  int64_t bytes = batch_peak_bytes(integers) + 3 * batch_peak_bytes(floats) + 1, n = MEMORY / bytes;
  n = n > MAX_SAMPLES ? MAX_SAMPLES : n < 4 ? 4 : n;
  return n < all ? n : all;
}

static bool refine(PassCtx *ctx, Graph *g, Arena *tmp, const SampleSet *samples) {
  const Plan *p = ctx->plan;
  int64_t n = samples_for(g, p->reference, samples->count);
  Batch *integers = batch_new(tmp, g, samples, n, ctx->threads);
  Batch *floats = integers ? batch_new(tmp, p->reference, samples, n, ctx->threads) : NULL;
  if (floats) {
    for (const Node *next; (next = batch_next(integers)); batch_step(integers)) {
      const PlanLayer *layer = planned(p, next);
      if (layer) refine_next(ctx, layer, integers, floats, n);
    }
    batch_free(floats);
  }
  if (integers) batch_free(integers);
  return floats;
}

bool pass_refine(PassCtx *ctx, Graph *g) {
  if (!ctx->plan || !ctx->plan->n_layers) return true;
  Arena *tmp = arena_new();
  SampleSet samples;
  bool ok = sample_set_open(ctx, tmp, ctx->plan->reference, &samples);
  if (ok) {
    ok = refine(ctx, g, tmp, &samples);
    sample_set_close(&samples);
  }
  arena_free(tmp);
  return ok;
}
