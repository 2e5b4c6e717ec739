#include "passes/observe.h"

#include <math.h>
#include <string.h>

#include "ir/samples.h"
#include "passes/qconfig.h"
#include "passes/ranges.h"
#include "passes/rewrite.h"

bool pass_observe(PassCtx *ctx, Graph *g);

struct Ranges {
  Arena *arena;
  StrMap *by_name;
};

Ranges *ranges_new(Arena *a) {
  Ranges *r = ARENA_NEW(a, Ranges);
  *r = (Ranges){a, strmap_new(a)};
  return r;
}

void ranges_put(Ranges *r, const char *tensor, Range range) {
  strmap_put(r->by_name, tensor, arena_memdup(r->arena, &range, sizeof range));
}

const Range *ranges_get(const Ranges *r, const char *tensor) { return strmap_get(r->by_name, tensor); }

static bool has_arithmetic(const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (node_is_float(n) && op_info[n->op]->quant != QUANT_MOVE && op_info[n->op]->quant != QUANT_CONCAT)
      return true;
  return false;
}

bool is_to_be_quantized(const PassCtx *ctx, const Graph *g) {
  if (ctx->mode == MODE_NONE || graph_is_quantized(g) || !has_arithmetic(g)) return false;
  return ctx->mode == MODE_STATIC || ctx->calib_path;
}

/* One calibration. Reading a tensor's entry is safe from any thread; `seen` changes in `watch` only, which
 * run_samples never calls twice at once. */
typedef struct {
  const Tensor *tensor;
  const Observer *observer;
  void *state;
  bool seen, finite;
  float first;
  bool varies; /* some element is not `first` */
} Watched;

typedef struct {
  PassCtx *ctx;
  Samples *samples;
  StrMap *watched;
  int64_t done, total;
} Calibration;

static bool load_sample(void *user, int64_t i, const void **in) {
  return samples_load(((Calibration *)user)->samples, i, in);
}

static bool wants_tensor(void *user, const Tensor *t) {
  return strmap_get(((Calibration *)user)->watched, t->name) != NULL;
}

static bool all_finite(const float *x, int64_t n) {
  bool ok = true;
  for (int64_t i = 0; i < n; i++) ok &= fabsf(x[i]) <= 3.40282347e38f;
  return ok;
}

static void watch_tensor(void *user, int64_t i, const Tensor *t, const void *data) {
  (void)i;
  Calibration *c = user;
  Watched *w = strmap_get(c->watched, t->name);
  if (!w) return;
  int64_t n = shape_count(&t->type.shape);
  if (!w->seen && n > 0) w->first = *(const float *)data;
  for (int64_t k = 0; k < n && !w->varies; k++) w->varies = ((const float *)data)[k] != w->first;
  w->seen |= n > 0;
  w->finite &= all_finite(data, n);
  if (w->finite) w->observer->observe(w->state, data, 1, n);
}

static bool sample_done(void *user, int64_t i, const void *const *out) {
  (void)i;
  (void)out;
  Calibration *c = user;
  c->done++;
  if (c->ctx->progress) c->ctx->progress(c->ctx->progress_user, c->done, c->total);
  return true;
}

static void watch(Calibration *c, Arena *tmp, const Tensor *t, const ObserverSpec *spec) {
  if (t->type.dtype != DT_F32) return;
  const Observer *o = spec->observer;
  Watched *w = ARENA_NEW(tmp, Watched);
  *w = (Watched){.tensor = t, .observer = o, .state = arena_alloc(tmp, o->state_size), .finite = true};
  o->init(w->state, tmp, spec, 1);
  strmap_put(c->watched, t->name, w);
}

static bool finish(Calibration *c, const Tensor *t) {
  const Watched *w = strmap_get(c->watched, t->name);
  if (!w) return true;
  if (!w->finite)
    return diag_error(c->ctx->diag, t->producer ? node_loc(t->producer) : t->loc,
                      "calibration: tensor '%s' takes values that are not finite numbers", t->name);
  if (!w->seen) return true;
  if (!t->producer && !w->varies && shape_count(&t->type.shape) * c->total > 1)
    diag_warning(c->ctx->diag, "constant-input", t->loc,
                 "calibration: all values of the input '%s' are %g: its data says nothing about real ones",
                 t->name, (double)w->first);
  Range r;
  w->observer->finish(w->state, &r.lo, &r.hi);
  ranges_put(c->ctx->ranges, t->name, r);
  return true;
}

static bool calibrate(PassCtx *ctx, const Graph *g, Arena *tmp) {
  Samples *samples = samples_open(ctx->diag, tmp, ctx->calib_path, g);
  if (!samples) return false;
  Calibration c = {ctx, samples, strmap_new(tmp), 0, samples_count(samples)};
  if (c.total < 1)
    return diag_error(ctx->diag, (SrcLoc){0}, "%s: it holds no calibration samples", ctx->calib_path);
  for (int i = 0; i < g->n_inputs; i++)
    watch(&c, tmp, g->inputs[i], &qconfig_default(ctx->qconfig)->activation);
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++)
      watch(&c, tmp, n->results[i], &qconfig_of(ctx->qconfig, n, NULL)->activation);
  const Executor *e = interp_new(tmp, g);
  SampleLoop loop = {load_sample, watch_tensor, wants_tensor, sample_done, &c};
  if (!run_samples(e, c.total, ctx->threads > 0 ? ctx->threads : 1, &loop)) return false;
  ctx->ranges = ranges_new(ctx->arena);
  bool ok = true;
  for (int i = 0; ok && i < g->n_inputs; i++) ok = finish(&c, g->inputs[i]);
  /* The first tensor that overflows is the cause, those behind it follow. */
  for (const Node *n = g->first; ok && n; n = n->next)
    for (int i = 0; ok && i < n->n_results; i++) ok = finish(&c, n->results[i]);
  return ok;
}

bool pass_observe(PassCtx *ctx, Graph *g) {
  if (!is_to_be_quantized(ctx, g)) {
    if (ctx->mode == MODE_AUTO && !graph_is_quantized(g) && has_arithmetic(g))
      diag_warning(ctx->diag, "float-model", (SrcLoc){0},
                   "no calibration data: emitting float32 code; give -calib FILE, or `calibrate \"FILE\"` in "
                   "the model, "
                   "to quantize it (-quantize none says that float is meant)");
    return true;
  }
  if (!ctx->calib_path)
    return diag_error(
        ctx->diag, (SrcLoc){0},
        "static quantization needs calibration data: give -calib FILE, or `calibrate \"FILE\"` in the model");
  Arena *tmp = arena_new();
  bool ok = calibrate(ctx, g, tmp);
  arena_free(tmp);
  return ok;
}
