/* The register tile of a dense kernel: products unrolled over pixels and vectors of channels, then the
 * results. */
#include <stdio.h>

#include "codegen/clamp.h"
#include "codegen/dense_plan.h"
#include "codegen/requant.h"
#include "codegen/tile_build.h"
#include "codegen/widen.h"

/* Lines of k-steps that a tile may have. */
enum { MAX_TILE_LINES = 420 };
static bool is_widened(const DensePack *s) { return !s->quantized && s->w_elem == DT_S8; }

/* One k-step: weights at `w`, activations at `x` (both relative to the tile's first pixel and vector). */
static void broadcast_step(TileBuild *t, VirAddr x, VirAddr w, int64_t elements) {
  const DensePack *s = t->s;
  (void)elements; /* the weights of others are 0 */
  vir_scope(t->b, NULL);
  const Target *target = s->cg->target;
  VirBuilder *b = t->b;
  const VirVar *weight[MAX_NV];
  if (s->quantized) {
    vir_opaque(b, t->w.base); /* or gcc would load the weights of many steps at once */
    vir_opaque(b, t->x.base); /* and keep, on the stack, what the windows of several pixels read */
  }
  for (int n = 0; n < t->nv; n++) {
    VirAddr at = vir_offset(w, n * s->vector);
    char name[32];
    snprintf(name, sizeof name, "w%d", n);
    weight[n] = s->quantized ? VIR_LET(b, name, load_q, vir_at(at))
                             : widen_load(b, name, s->w_elem, at, t->scale[n], t->zero[n]);
  }
  for (int m = 0; m < t->mr; m++) {
    VirAddr at = vir_offset(x, m * s->d->x_step[DENSE_PIXELS - 1]);
    char name[32];
    snprintf(name, sizeof name, "x%d", m);
    if (s->quantized) {
      const VirVar *value = vir_let(b, name, target->broadcast, VIR_ARGS(vir_at(at)));
      for (int n = 0; n < t->nv; n++)
        vir_set(b, t->acc[m][n], s->form == FORM_WIDE ? target->dot_wide : target->dot,
                VIR_ARGS(vir_v(t->acc[m][n]), vir_v(value), vir_v(weight[n])));
    } else {
      const VirVar *scalar = VIR_LET(b, "s", get_f32, vir_at(at));
      const VirVar *value = VIR_LET(b, name, bcast_f32, vir_v(scalar));
      for (int n = 0; n < t->nv; n++) {
        const VirVar *product = VIR_LET(b, "p", mul_f32, vir_v(value), vir_v(weight[n]));
        VIR_SET(b, t->acc[m][n], add_f32, vir_v(t->acc[m][n]), vir_v(product));
      }
    }
  }
  vir_end(b);
}

/* K-steps [first, end) of a run, whose first is at x and w. */
static void chunks(TileBuild *t, VirAddr x, VirAddr w, int64_t first, int64_t end) {
  const DensePack *s = t->s;
  for (int64_t g = first; g < end; g += s->kernel->chunk) {
    int64_t steps = end - g < s->kernel->chunk ? end - g : s->kernel->chunk, elements = steps * s->step;
    if (end == s->groups_per_run && end - g == steps) elements = s->d->length - g * s->step;
    s->kernel->steps(t, vir_offset(x, g * s->step), vir_offset(w, g * t->nv * s->vector), elements);
  }
}

/* The k-steps of one run: unrolled, or a loop with an unrolled rest. */
static void run_steps(TileBuild *t, VirAddr x, VirAddr w, bool unrolled) {
  const DensePack *s = t->s;
  int64_t n = s->groups_per_run, looped = 0, unroll = s->kernel->unroll;
  if (!unrolled && n > 2 * unroll) {
    looped = n / unroll * unroll;
    const VirVar *k = vir_loop(t->b, "k", 0, looped, unroll);
    chunks(t, vir_plus(x, k, s->step), vir_plus(w, k, t->nv * s->vector), 0, unroll);
    vir_end(t->b);
  }
  chunks(t, x, w, looped, n);
}

/* The k-steps that fit a tile unrolled. */
static int64_t most_unrolled(const TileBuild *t) {
  const TileKernel *k = t->s->kernel;
  int each = t->s->quantized ? k->products : 2; /* the product apart */
  int weights = is_widened(t->s) ? 4 : k->weights, pixel = t->s->quantized ? 1 : 2;
  int around = t->s->quantized ? 4 : 2; /* braces, fences */
  return MAX_TILE_LINES / (around + t->nv * weights + t->mr * (pixel + t->nv * each));
}

/* The loops over the planes of the weights and the runs. */
enum { STEP_DIMS = 1 + DENSE_RUNS };

static void unrolled_runs(TileBuild *t, VirAddr x, VirAddr w, const int64_t *times, const int64_t *x_step,
                          const int64_t *w_step, int dim, bool unrolled) {
  if (dim == STEP_DIMS) {
    run_steps(t, x, w, unrolled);
    return;
  }
  for (int64_t i = 0; i < times[dim]; i++)
    unrolled_runs(t, vir_offset(x, i * x_step[dim]), vir_offset(w, i * w_step[dim]), times, x_step, w_step,
                  dim + 1, unrolled);
}

static void all_steps(TileBuild *t) {
  const DensePack *s = t->s;
  const Dense *d = s->d;
  static const char *const names[STEP_DIMS] = {"plane", "kd", "kh", "kw"};
  int64_t count[STEP_DIMS] = {s->planes}, x_step[STEP_DIMS] = {0}, w_step[STEP_DIMS];
  int64_t w_size = s->groups_per_run * t->nv * s->vector;
  for (int i = STEP_DIMS - 1; i >= 0; i--) {
    if (i) count[i] = d->runs[i - 1], x_step[i] = d->run_step[i - 1];
    w_step[i] = w_size;
    w_size *= count[i];
  }
  int64_t most = most_unrolled(t);
  bool unrolled = s->groups_per_run <= most, loop[STEP_DIMS];
  int64_t body = unrolled ? s->groups_per_run : s->kernel->unroll + s->groups_per_run % s->kernel->unroll;
  for (int i = STEP_DIMS - 1; i >= 0;
       i--) { /* the innermost dims are unrolled as long as the body is small */
    loop[i] = count[i] > 1 && body * count[i] > most;
    if (!loop[i]) body *= count[i];
    if (loop[i]) body = most; /* and no dim outside a loop is unrolled */
  }
  VirAddr x = t->x, w = t->w;
  int64_t times[STEP_DIMS];
  for (int i = 0; i < STEP_DIMS; i++) {
    times[i] = loop[i] ? 1 : count[i];
    if (!loop[i]) continue;
    const VirVar *v = vir_loop(t->b, names[i], 0, count[i], 1);
    x = vir_plus(x, v, x_step[i]);
    w = vir_plus(w, v, w_step[i]);
  }
  unrolled_runs(t, x, w, times, x_step, w_step, 0, unrolled);
  for (int i = 0; i < STEP_DIMS; i++)
    if (loop[i]) vir_end(t->b);
}

static void epilogue_quantized(TileBuild *t, const VirBase *m, ResidualBases residual, const VirBase *y,
                               int last) {
  const DensePack *s = t->s;
  VirBuilder *b = t->b;
  Requant r = requant_start(s->cg, b, s->d->y, s->d->act_min, s->d->act_max, s->unclamped);
  if (s->add) requant_residual(s->cg, &r, s->add, residual);
  const VirVar *scale[MAX_NV], *q[MAX_NV];
  char name[32];
  for (int n = 0; n < t->nv; n++) {
    snprintf(name, sizeof name, "m%d", n);
    scale[n] = VIR_LET(b, name, load_f32, vir_at(vir_addr(m, n * s->lanes)));
  }
  /* one or two vectors go with those of the next pixels */
  int64_t step = s->d->y_step[DENSE_PIXELS - 1];
  int pixels = t->nv <= 2 && last == s->lanes ? REQUANT_TOGETHER / t->nv : 1;
  for (int p = 0; p < t->mr;) {
    if (pixels > t->mr - p) pixels = 1;
    vir_scope(b, NULL);
    for (int n = 0; n < t->nv * pixels; n++) {
      snprintf(name, sizeof name, "q%d", n);
      q[n] = requant_scaled(&r, name, t->acc[p + n / t->nv][n % t->nv], scale[n % t->nv]);
    }
    if (pixels > 1) {
      requant_store_pixels(&r, vir_addr(y, p * step), q, t->nv, step);
    } else {
      requant_store(&r, vir_addr(y, p * step), q, t->nv, last);
    }
    vir_end(b);
    p += pixels;
  }
}

static void epilogue_scaled(TileBuild *t, const VirBase *m, const VirBase *addend, const VirBase *y,
                            int last) {
  const DensePack *s = t->s;
  const Dense *d = s->d;
  VirBuilder *b = t->b;
  for (int n = 0; n < t->nv; n++) {
    vir_scope(b, NULL);
    const VirVar *factor = VIR_LET(b, "factor", load_f32, vir_at(vir_addr(m, n * s->lanes))), *more = NULL;
    if (addend) more = VIR_LET(b, "bias", load_f32, vir_at(vir_addr(addend, n * s->lanes)));
    for (int p = 0; p < t->mr; p++) {
      const VirVar *v = run_time_result(b, t->acc[p][n], factor, more, d->act_min, d->act_max);
      VirAddr at = vir_addr(y, p * d->y_step[DENSE_PIXELS - 1] + n * s->lanes);
      store_lanes(b, at, v, n + 1 < t->nv || last == s->lanes ? 0 : last);
    }
    vir_end(b);
  }
}

/* The accumulators are the results. */
static void epilogue_plain(TileBuild *t, const VirBase *y, int last) {
  const DensePack *s = t->s;
  const Dense *d = s->d;
  VirBuilder *b = t->b;
  for (int p = 0; p < t->mr; p++)
    for (int n = 0; n < t->nv; n++) {
      const VirVar *a = t->acc[p][n];
      if (s->result == RESULT_FLOAT) clamp_float(b, a, d->act_min, d->act_max);
      VirAddr at = vir_addr(y, p * d->y_step[DENSE_PIXELS - 1] + n * s->lanes);
      store_lanes(b, at, a, n + 1 < t->nv || last == s->lanes ? 0 : last);
    }
}

/* Each is an element per channel of the tile; NULL where the kernel has none such. */
typedef struct {
  const VirBase *x, *w, *bias, *m, *addend, *zeros, *places, *y;
  ResidualBases residual;
} Params;

/* In the order of TilePlace. */
static Params tile_params(const DensePack *s, VirBuilder *b, int mr, int nv, int last) {
  const Dense *d = s->d;
  int64_t channels = (int64_t)nv * s->lanes, step = d->y_step[DENSE_PIXELS - 1];
  int64_t chunk = s->kernel->chunk, read = (s->groups_per_run + chunk - 1) / chunk * chunk * s->step;
  int64_t x_count = (mr - 1) * d->x_step[DENSE_PIXELS - 1] + read;
  for (int k = 0; k < DENSE_RUNS; k++)
    if (dense_runs(d)) x_count += (d->runs[k] - 1) * d->run_step[k];
  bool scales = is_widened(s) || s->result == RESULT_REQUANT || s->result == RESULT_SCALED;
  Params p = {.x = vir_param(b, "x", s->x_elem, false, x_count),
              .w = vir_param(b, "w", s->w_elem, false, nv * dense_vector_weights(s)),
              .bias = vir_param(b, "bias", s->quantized ? DT_S32 : DT_F32, false, channels)};
  if (scales) p.m = vir_param(b, "m", DT_F32, false, channels);
  if (s->addend) p.addend = vir_param(b, "addend", DT_F32, false, channels);
  if (s->zeros) p.zeros = vir_param(b, "zeros", DT_F32, false, channels);
  if (s->places) p.places = vir_index_param(b, "places", plan_places(s), (int32_t)s->plan_reach);
  int64_t results = (mr - 1) * step + (nv - 1) * s->lanes + last;
  p.residual = residual_params(s->cg, b, s->add, results);
  p.y = vir_param(b, "y", s->y_elem, true, results);
  return p;
}

/* gcc would take the elements of constant arrays for constants, each to be loaded anew wherever it is used.
 */
static void hide_constants(VirBuilder *b, const Params *p) {
  const VirBase *const hidden[] = {p->w, p->bias, p->m, p->places};
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (hidden[i]) vir_opaque(b, hidden[i]);
}

void broadcast_start(TileBuild *t, const VirBase *bias) {
  char name[32];
  for (int p = 0; p < t->mr; p++)
    for (int n = 0; n < t->nv; n++) {
      snprintf(name, sizeof name, "acc%d_%d", p, n);
      t->acc[p][n] = vir_let(t->b, name, t->s->quantized ? VIR_load_s32 : VIR_load_f32,
                             VIR_ARGS(vir_at(vir_addr(bias, n * t->s->lanes))));
    }
}

const TileKernel tile_broadcast = {.step = 4,
                                   .chunk = 1,
                                   .unroll = 4,
                                   .products = 1,
                                   .weights = 1,
                                   .start = broadcast_start,
                                   .steps = broadcast_step};

/* The sums, and what 8-bit weights are widened by. */
static void start_tile(TileBuild *t, const Params *params) {
  const DensePack *s = t->s;
  VirBuilder *b = t->b;
  char name[32];
  s->kernel->start(t, params->bias);
  for (int n = 0; n < t->nv && is_widened(s) && s->k_steps > 0; n++) {
    snprintf(name, sizeof name, "scale%d", n);
    t->scale[n] = VIR_LET(b, name, load_f32, vir_at(vir_addr(params->m, n * s->lanes)));
    snprintf(name, sizeof name, "zero%d", n);
    if (params->zeros) t->zero[n] = VIR_LET(b, name, load_f32, vir_at(vir_addr(params->zeros, n * s->lanes)));
  }
}

VirFunc *dense_tile(const DensePack *s, int mr, int nv, int last) {
  VirBuilder b;
  char what[40];
  snprintf(what, sizeof what, last < s->lanes ? "tile_%dx%d_%d" : "tile_%dx%d", mr, nv, last);
  vir_func(&b, s->cg->module, cg_name(s->cg, s->d->node, what), true,
           arena_printf(s->cg->arena, "%d pixel%s x %d channels, %lld products each", mr, mr == 1 ? "" : "s",
                        (nv - 1) * s->lanes + last, (long long)(s->k_steps * s->step)));
  Params p = tile_params(s, &b, mr, nv, last);
  TileBuild t = {
      .s = s, .b = &b, .mr = mr, .nv = nv, .x = vir_addr(p.x, 0), .w = vir_addr(p.w, 0), .places = p.places};
  hide_constants(&b, &p);
  start_tile(&t, &p);
  if (s->form == FORM_PLAN) {
    plan_steps(&t);
  } else {
    all_steps(&t);
  }
  if (s->kernel->finish) s->kernel->finish(&t, p.bias);
  if (s->quantized && s->y_elem == DT_F32) {
    epilogue_scaled(&t, p.m, p.addend, p.y, last);
  } else if (s->result == RESULT_REQUANT) {
    epilogue_quantized(&t, p.m, p.residual, p.y, last);
  } else {
    epilogue_plain(&t, p.y, last);
  }
  return b.f;
}
