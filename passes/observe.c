/* Calibration: makes the plan, runs the samples through the float graph, and gives each group of tensors the
 * parameters that its observer answers. */
#include "passes/observe.h"

#include <math.h>

#include "ir/quant.h"
#include "ir/samples.h"
#include "passes/plan.h"

bool pass_observe(PassCtx *ctx, Graph *g);

static bool has_arithmetic(const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (node_is_float(n) && !plan_is_mover(n)) return true;
  return false;
}

bool is_to_be_quantized(const PassCtx *ctx, const Graph *g) {
  if (ctx->mode == MODE_NONE || graph_is_quantized(g) || !has_arithmetic(g)) return false;
  return ctx->mode == MODE_STATIC || ctx->calib_path || qconfig_needs_no_data(ctx->qconfig);
}

/* --- the samples --- */

/* One calibration. Reading a tensor's entry is safe from any thread; entries change in `watch` only, which
 * run_samples never calls twice at once. */
typedef struct {
  const Tensor *tensor;
  PlanGroup *group;
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

static bool load_sample(void *user, int64_t i, Arena *a, const void **in) {
  return samples_load(((Calibration *)user)->samples, i, a, in);
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
  Watched *w = strmap_get(((Calibration *)user)->watched, t->name);
  if (!w) return;
  int64_t n = shape_count(&t->type.shape);
  if (!w->seen && n > 0) w->first = *(const float *)data;
  for (int64_t k = 0; k < n && !w->varies; k++) w->varies = ((const float *)data)[k] != w->first;
  w->seen |= n > 0;
  w->finite &= all_finite(data, n);
  if (!w->finite || n < 1) return;
  w->group->seen = true;
  w->group->spec.observer->observe(w->group->state, data, 1, n);
}

static bool sample_done(void *user, int64_t i, const void *const *out) {
  (void)i;
  (void)out;
  Calibration *c = user;
  c->done++;
  if (c->ctx->progress) c->ctx->progress(c->ctx->progress_user, c->done, c->total);
  return true;
}

static void watch(Calibration *c, Arena *tmp, const Tensor *t) {
  const TensorPlan *plan = plan_of(c->ctx->plan, t);
  if (!plan || !plan->observer || !plan_group_observes(plan->observer)) return;
  Watched *w = ARENA_NEW(tmp, Watched);
  *w = (Watched){.tensor = t, .group = plan->observer, .finite = true};
  strmap_put(c->watched, t->name, w);
}

static bool check_values(Calibration *c, const Tensor *t) {
  const Watched *w = strmap_get(c->watched, t->name);
  if (!w) return true;
  if (!w->finite)
    return diag_error(c->ctx->diag, t->producer ? node_loc(t->producer) : t->loc,
                      "calibration: tensor '%s' takes values that are not finite numbers", t->name);
  if (!t->producer && w->seen && !w->varies && shape_count(&t->type.shape) * c->total > 1)
    diag_warning(c->ctx->diag, "constant-input", t->loc,
                 "calibration: all values of the input '%s' are %g: its data says nothing about real ones",
                 t->name, (double)w->first);
  return true;
}

static bool observe_samples(PassCtx *ctx, const Graph *g, Arena *tmp, Samples *samples) {
  Calibration c = {ctx, samples, strmap_new(tmp), 0, samples_count(samples)};
  if (c.total < 1)
    return diag_error(ctx->diag, (SrcLoc){0}, "%s: it holds no calibration samples", ctx->calib_path);
  for (int i = 0; i < g->n_inputs; i++) watch(&c, tmp, g->inputs[i]);
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) watch(&c, tmp, n->results[i]);
  SampleLoop loop = {load_sample, watch_tensor, wants_tensor, sample_done, &c};
  if (!run_samples(interp_new(tmp, g), c.total, ctx->threads > 0 ? ctx->threads : 1, &loop)) return false;
  bool ok = true;
  for (int i = 0; ok && i < g->n_inputs; i++) ok = check_values(&c, g->inputs[i]);
  /* The first tensor that overflows is the cause, those behind it follow. */
  for (const Node *n = g->first; ok && n; n = n->next)
    for (int i = 0; ok && i < n->n_results; i++) ok = check_values(&c, n->results[i]);
  return ok;
}

/* All samples in order; the groups' observers see them. */
static bool run_calibration(PassCtx *ctx, const Graph *g, Arena *tmp) {
  Samples *samples = samples_open(ctx->diag, tmp, ctx->calib_path, g);
  if (!samples) return false;
  bool ok = observe_samples(ctx, g, tmp, samples);
  samples_close(samples);
  return ok;
}

/* --- parameters --- */

static bool too_small(PassCtx *ctx, const PlanGroup *g, float lo, float hi) {
  return diag_error(ctx->diag, g->loc, "tensor '%s' cannot be quantized: its range, %g to %g, is too small",
                    g->name, (double)lo, (double)hi);
}

/* Scale and zero point, and the real values that they must reach. Not valid: nothing but zeros, which may
 * have any scale. */
typedef struct {
  float scale, lo, hi;
  int32_t zero;
  bool valid;
} Params;

static Params params_reaching(const QuantSpec *q, float scale, int32_t zero) {
  return (Params){scale, (float)(q->quant_min - zero) * scale, (float)(q->quant_max - zero) * scale, zero,
                  true};
}

static bool observed_params(PassCtx *ctx, const PlanGroup *g, Params *p) {
  const ObserverSpec *s = &g->spec;
  const Observer *o = s->observer;
  if (!o->needs_data) {
    if (!o->params_of || !o->params_of(s, &p->scale, &p->zero))
      return diag_error(ctx->diag, g->loc, "tensor '%s' cannot be quantized: its observer, %s, %s", g->name,
                        o->name,
                        o->params_of ? "gives parameters that its type does not have" : "observes nothing");
    *p = params_reaching(&s->quant, p->scale, p->zero);
    return true;
  }
  if (!g->seen || !o->finish(g->state, &p->lo, &p->hi))
    return diag_error(ctx->diag, g->loc, "calibration: tensor '%s' has no values", g->name);
  p->valid = qspec_params(&s->quant, p->lo, p->hi, &p->scale, &p->zero);
  return p->valid || (p->lo == 0 && p->hi == 0) || too_small(ctx, g, p->lo, p->hi);
}

/* Widens the range so that the constants among the group's values lie in it. */
static bool cover_fill(PassCtx *ctx, const PlanGroup *g, Params *p) {
  if (!g->has_fill || (p->valid && g->fill_lo >= p->lo && g->fill_hi <= p->hi)) return true;
  p->lo = fminf(p->lo, g->fill_lo);
  p->hi = fmaxf(p->hi, g->fill_hi);
  p->valid = qspec_params(&g->spec.quant, p->lo, p->hi, &p->scale, &p->zero);
  return p->valid || (p->lo == 0 && p->hi == 0) || too_small(ctx, g, p->lo, p->hi);
}

static bool finish_group(PassCtx *ctx, PlanGroup *g) {
  const QuantSpec *q = &g->spec.quant;
  Params p = {0};
  if (g->quant) return true;
  if (g->of) {
    if (!finish_group(ctx, g->of)) return false;
    if (!g->of->quant) return true;
    p = params_reaching(q, g->of->quant->scale[0] * g->factor, g->of->quant->zero[0]);
    if (!scale_is_valid(p.scale)) return too_small(ctx, g, p.lo, p.hi);
  } else if (g->fixed) { /* for u8; s8 stands for the same values */
    int32_t shift = q->dtype == DT_S8 ? 128 : 0;
    p = params_reaching(q, g->fixed->fixed_scale, g->fixed->fixed_zero - shift);
  } else if (!observed_params(ctx, g, &p)) {
    return false;
  }
  if (!cover_fill(ctx, g, &p)) return false;
  if (p.valid) g->quant = quant_per_tensor(ctx->arena, p.scale, p.zero);
  return true;
}

static bool calibrate(PassCtx *ctx, const Graph *g, Arena *tmp) {
  Plan *p = ctx->plan;
  for (int i = 0; i < p->n_groups; i++) {
    PlanGroup *group = p->groups[i];
    const Observer *o = group->spec.observer;
    if (!o->needs_data) continue;
    group->state = arena_alloc(tmp, o->state_size);
    o->init(group->state, tmp, &group->spec, 1);
  }
  if (plan_needs_data(p) && !run_calibration(ctx, g, tmp)) return false;
  bool ok = true;
  for (int i = 0; i < p->n_groups; i++) ok &= finish_group(ctx, p->groups[i]);
  for (int i = 0; i < p->n_groups; i++) p->groups[i]->state = NULL; /* the arena's */
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
  if (!plan_make(ctx->diag, ctx->arena, g, ctx->qconfig, &ctx->plan)) return false;
  qconfig_warn_unused(ctx->diag, ctx->qconfig, g);
  if (plan_needs_data(ctx->plan) && !ctx->calib_path)
    return diag_error(
        ctx->diag, (SrcLoc){0},
        "static quantization needs calibration data: give -calib FILE, or `calibrate \"FILE\"` in the model");
  Arena *tmp = arena_new();
  bool ok = calibrate(ctx, g, tmp);
  arena_free(tmp);
  return ok;
}
