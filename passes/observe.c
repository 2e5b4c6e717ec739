/* Calibration: makes the plan, runs the samples through the float graph, and gives each group of tensors the
 * parameters that its observer answers. */
#include "passes/observe.h"

#include <math.h>

#include "ir/quant.h"
#include "passes/calibrate.h"
#include "passes/stats.h"

bool pass_observe(PassCtx *ctx, Graph *g);

static bool has_arithmetic(const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (node_is_float(n) && !plan_is_mover(n)) return true;
  return false;
}

bool is_to_be_quantized(const PassCtx *ctx, const Graph *g) {
  if (ctx->mode == MODE_NONE || graph_is_quantized(g) || !has_arithmetic(g)) return false;
  return ctx->mode == MODE_STATIC || ctx->n_calib > 0 || qconfig_needs_no_data(ctx->qconfig);
}

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
  int errors = ctx->diag->errors;
  if (!o->finish(g->state, &p->lo, &p->hi))
    return ctx->diag->errors == errors &&
           diag_error(ctx->diag, g->loc, "calibration: tensor '%s' has no values", g->name);
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

static bool finish_groups(PassCtx *ctx) {
  const Plan *p = ctx->plan;
  bool ok = true;
  for (int i = 0; i < p->n_groups; i++) ok &= finish_group(ctx, p->groups[i]);
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
  if (!plan_make(ctx->diag, ctx->arena, g, ctx->qconfig, ctx->quantized_io, &ctx->plan)) return false;
  qconfig_warn_unused(ctx->diag, ctx->qconfig, g);
  bool needs_data = plan_needs_data(ctx->plan) || !qconfig_needs_no_data(ctx->qconfig);
  if (needs_data && !ctx->n_calib)
    return diag_error(
        ctx->diag, (SrcLoc){0},
        "static quantization needs calibration data: give -calib FILE, or `calibrate \"FILE\"` in the model");
  Arena *tmp = arena_new();
  bool ok = calibrate(ctx, g, tmp);
  if (ok && ctx->stats)
    stats_print(ctx->stats, ctx->plan); /* whatever they come to */
  else if (ok)
    ok = finish_groups(ctx);
  for (int i = 0; i < ctx->plan->n_groups; i++) ctx->plan->groups[i]->state = NULL;
  arena_free(tmp);
  return ok;
}
