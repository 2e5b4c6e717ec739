#include "codegen/dense.h"

#include <stdio.h>

#include "codegen/clamp.h"
#include "codegen/dense_pack.h"
#include "codegen/tile_row.h"

/* Lines of k-steps that a tile may have, and how many steps a loop over more unrolls. */
enum { MAX_TILE_LINES = 420, LOOP_UNROLL = 4 };
enum { MAX_MR = 16, MAX_NV = 8 };

/* The state of building one tile. */
typedef struct {
  const DensePack *s;
  VirBuilder *b;
  int mr, nv;
  const VirVar *acc[MAX_MR][MAX_NV];
  VirAddr x, w;
} TileBuild;

/* One k-step: weights at `w`, activations at `x` (both relative to the tile's first pixel and vector). */
static void k_step(TileBuild *t, VirAddr x, VirAddr w) {
  const DensePack *s = t->s;
  vir_scope(t->b, NULL);
  const Target *target = s->cg->target;
  VirBuilder *b = t->b;
  const VirVar *weight[MAX_NV], *mask[MAX_NV] = {0};
  for (int n = 0; n < t->nv; n++) {
    VirAddr at = vir_offset(w, n * s->stored);
    char name[16];
    snprintf(name, sizeof name, "w%d", n);
    weight[n] = vir_let(b, name, s->quantized ? VIR_load_q : VIR_load_f32, VIR_ARGS(vir_at(at)));
    snprintf(name, sizeof name, "flip%d", n);
    if (s->form == FORM_FLIP) mask[n] = VIR_LET(b, name, load_q, vir_at(vir_offset(at, s->vector)));
  }
  for (int m = 0; m < t->mr; m++) {
    VirAddr at = vir_offset(x, m * s->d->x_step[DENSE_PIXELS - 1]);
    char name[16];
    snprintf(name, sizeof name, "x%d", m);
    if (s->quantized) {
      const VirVar *value = vir_let(b, name, target->broadcast, VIR_ARGS(vir_at(at)));
      for (int n = 0; n < t->nv; n++) {
        const VirVar *operand = value;
        if (s->form == FORM_FLIP)
          operand =
              VIR_LET(b, arena_printf(s->cg->arena, "x%d_%d", m, n), xor_q, vir_v(value), vir_v(mask[n]));
        vir_set(b, t->acc[m][n], s->form == FORM_WIDE ? target->dot_wide : target->dot,
                VIR_ARGS(vir_v(t->acc[m][n]), vir_v(operand), vir_v(weight[n])));
      }
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

/* The k-steps of one run: unrolled, or a loop with an unrolled rest. */
static void run_steps(TileBuild *t, VirAddr x, VirAddr w, bool unrolled) {
  const DensePack *s = t->s;
  int64_t w_step = t->nv * s->stored, n = s->groups_per_run, looped = 0;
  if (!unrolled && n > 2 * LOOP_UNROLL) {
    looped = n / LOOP_UNROLL * LOOP_UNROLL;
    const VirVar *k = vir_loop(t->b, "k", 0, looped, LOOP_UNROLL);
    VirAddr xk = vir_plus(x, k, s->step), wk = vir_plus(w, k, w_step);
    for (int u = 0; u < LOOP_UNROLL; u++) k_step(t, vir_offset(xk, u * s->step), vir_offset(wk, u * w_step));
    vir_end(t->b);
  }
  for (int64_t g = looped; g < n; g++) k_step(t, vir_offset(x, g * s->step), vir_offset(w, g * w_step));
}

/* The k-steps that fit a tile unrolled. */
static int64_t most_unrolled(const TileBuild *t) {
  int each = t->s->form == FORM_FLIP || !t->s->quantized ? 2 : 1; /* with the flip, or the product apart */
  int weights = t->s->form == FORM_FLIP ? 2 : 1, pixel = t->s->quantized ? 1 : 2;
  return MAX_TILE_LINES / (2 + t->nv * weights + t->mr * (pixel + t->nv * each));
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
  int64_t w_size = s->groups_per_run * t->nv * s->stored;
  for (int i = STEP_DIMS - 1; i >= 0; i--) {
    if (i) count[i] = d->runs[i - 1], x_step[i] = d->run_step[i - 1];
    w_step[i] = w_size;
    w_size *= count[i];
  }
  int64_t most = most_unrolled(t);
  bool unrolled = s->groups_per_run <= most, loop[STEP_DIMS];
  int64_t body = unrolled ? s->groups_per_run : LOOP_UNROLL + s->groups_per_run % LOOP_UNROLL;
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

/* Stores whole vectors by fours and twos where the row of results goes on. */
static void store_act(VirBuilder *b, const ActOps *ops, VirAddr at, const VirVar **q, int nv, int lanes,
                      int last) {
  int n = 0, whole = last == lanes ? nv : nv - 1;
  for (; whole - n >= 4; n += 4)
    vir_do(b, ops->store_x4,
           VIR_ARGS(vir_at(vir_offset(at, n * lanes)), vir_v(q[n]), vir_v(q[n + 1]), vir_v(q[n + 2]),
                    vir_v(q[n + 3])));
  for (; whole - n >= 2; n += 2)
    vir_do(b, ops->store_x2, VIR_ARGS(vir_at(vir_offset(at, n * lanes)), vir_v(q[n]), vir_v(q[n + 1])));
  for (; n < whole; n++) vir_do(b, ops->store, VIR_ARGS(vir_at(vir_offset(at, n * lanes)), vir_v(q[n])));
  if (n < nv)
    vir_do(b, ops->store_part, VIR_ARGS(vir_at(vir_offset(at, n * lanes)), vir_v(q[n]), vir_n(last)));
}

static void epilogue_quantized(TileBuild *t, const VirBase *m, const VirBase *y, int last) {
  const DensePack *s = t->s;
  const Dense *d = s->d;
  VirBuilder *b = t->b;
  const Storage *sy = cg_storage(s->cg, d->y);
  int32_t lo, hi;
  cg_stored_range(s->cg, d->y, d->act_min, d->act_max, &lo, &hi);
  const VirVar *low = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(lo - sy->zero)));
  const VirVar *high = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(hi - sy->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(sy->zero));
  const VirVar *scale[MAX_NV];
  for (int n = 0; n < t->nv; n++) {
    char name[16];
    snprintf(name, sizeof name, "m%d", n);
    scale[n] = VIR_LET(b, name, load_f32, vir_at(vir_addr(m, n * s->lanes)));
  }
  for (int p = 0; p < t->mr; p++) {
    const VirVar *q[MAX_NV];
    for (int n = 0; n < t->nv; n++) {
      char name[16];
      snprintf(name, sizeof name, "q%d_%d", p, n);
      q[n] = VIR_LET(b, name, requant, vir_v(t->acc[p][n]), vir_v(scale[n]), vir_v(low), vir_v(high),
                     vir_v(zero));
    }
    store_act(b, act_ops(sy->elem), vir_addr(y, p * d->y_step[DENSE_PIXELS - 1]), q, t->nv, s->lanes, last);
  }
}

static void epilogue_float(TileBuild *t, const VirBase *y, int last) {
  const DensePack *s = t->s;
  const Dense *d = s->d;
  VirBuilder *b = t->b;
  for (int p = 0; p < t->mr; p++)
    for (int n = 0; n < t->nv; n++) {
      const VirVar *a = t->acc[p][n];
      clamp_float(b, a, d->act_min, d->act_max);
      VirAddr at = vir_addr(y, p * d->y_step[DENSE_PIXELS - 1] + n * s->lanes);
      if (n + 1 == t->nv && last < s->lanes) {
        VIR_DO(b, store_f32_part, vir_at(at), vir_v(a), vir_n(last));
      } else {
        VIR_DO(b, store_f32, vir_at(at), vir_v(a));
      }
    }
}

/* The register tile of mr pixels x nv vectors; of the last vector only `last` lanes are stored. */
static VirFunc *build_tile(const DensePack *s, int mr, int nv, int last) {
  const Dense *d = s->d;
  VirBuilder b;
  char what[40], name[16];
  snprintf(what, sizeof what, last < s->lanes ? "tile_%dx%d_%d" : "tile_%dx%d", mr, nv, last);
  vir_func(&b, s->cg->module, cg_name(s->cg, d->node, what), true,
           arena_printf(s->cg->arena, "%d pixel%s x %d channels, %lld products each", mr, mr == 1 ? "" : "s",
                        (nv - 1) * s->lanes + last, (long long)(s->k_steps * s->step)));
  int64_t x_count = (mr - 1) * d->x_step[DENSE_PIXELS - 1] + s->groups_per_run * s->step;
  for (int k = 0; k < DENSE_RUNS; k++)
    if (dense_runs(d)) x_count += (d->runs[k] - 1) * d->run_step[k];
  const VirBase *x = vir_param(&b, "x", s->x_elem, false, x_count);
  const VirBase *w = vir_param(&b, "w", s->quantized ? DT_S8 : DT_F32, false, s->k_steps * nv * s->stored);
  const VirBase *bias = vir_param(&b, "bias", s->quantized ? DT_S32 : DT_F32, false, nv * s->lanes);
  const VirBase *m = s->quantized ? vir_param(&b, "m", DT_F32, false, nv * s->lanes) : NULL;
  const VirBase *y = vir_param(&b, "y", s->y_elem, true,
                               (mr - 1) * d->y_step[DENSE_PIXELS - 1] + (nv - 1) * s->lanes + last);
  TileBuild t = {.s = s, .b = &b, .mr = mr, .nv = nv, .x = vir_addr(x, 0), .w = vir_addr(w, 0)};
  for (int p = 0; p < mr; p++)
    for (int n = 0; n < nv; n++) {
      snprintf(name, sizeof name, "acc%d_%d", p, n);
      t.acc[p][n] = vir_let(&b, name, s->quantized ? VIR_load_s32 : VIR_load_f32,
                            VIR_ARGS(vir_at(vir_addr(bias, n * s->lanes))));
    }
  all_steps(&t);
  if (s->quantized) {
    epilogue_quantized(&t, m, y, last);
  } else {
    epilogue_float(&t, y, last);
  }
  return b.f;
}

/* The pixels of one panel: loops over batch, planes and rows. */
static void panel_pixels(const DensePack *s, VirBuilder *b, TilePlace p, VirFunc *tile, VirFunc *rest) {
  const Dense *d = s->d;
  enum { LAST = DENSE_PIXELS - 1 };
  static const char *const names[LAST] = {"n", "od", "oy"};
  for (int i = 0; i < LAST; i++)
    if (d->count[i] > 1) {
      const VirVar *v = vir_loop(b, names[i], 0, d->count[i], 1);
      p.x = vir_plus(p.x, v, d->x_step[i]);
      p.y = vir_plus(p.y, v, d->y_step[i]);
    }
  tile_row(b, p, &(TileRow){d->count[LAST], d->x_step[LAST], d->y_step[LAST], s->mr, tile, rest});
  for (int i = 0; i < LAST; i++)
    if (d->count[i] > 1) vir_end(b);
}

/* The phases of the node: where each begins, or a loop over all of them. */
static void open_phases(const DensePack *s, VirBuilder *b, TilePlace *p) {
  const Dense *d = s->d;
  int64_t weights = d->groups * dense_vectors(s) * s->k_steps * s->stored;
  const VirVar *v = cg_phases(s->cg, b, d->node, d->phases, d->x_origin, d->y_origin, &p->x, &p->y);
  if (!v) return;
  p->w = vir_plus(p->w, v, weights);
  if (s->quantized) p->bias = vir_plus(p->bias, v, d->groups * dense_vectors(s) * s->lanes);
}

static const char *form_text(const DensePack *s) {
  static const char *const text[] = {"", ", exact by sign flips", ", wide products"};
  return s->quantized ? text[s->form] : "";
}

void dense_tiles(const DensePack *s, DenseTiles *t) {
  const Dense *d = s->d;
  /* Panels: `whole` full ones, then one with what is left. */
  int64_t whole = d->oc / (s->nv * s->lanes), left = d->oc - whole * s->nv * s->lanes;
  int left_nv = (int)((left + s->lanes - 1) / s->lanes),
      last = left % s->lanes ? (int)(left % s->lanes) : s->lanes;
  int rest = (int)(d->count[DENSE_PIXELS - 1] % s->mr);
  bool has_whole_tiles = d->count[DENSE_PIXELS - 1] >= s->mr;
  *t = (DenseTiles){.whole = whole, .left = left};
  if (whole && has_whole_tiles) t->tile = build_tile(s, s->mr, s->nv, s->lanes);
  if (whole && rest) t->rest = build_tile(s, rest, s->nv, s->lanes);
  if (left && has_whole_tiles) t->left_tile = build_tile(s, s->mr, left_nv, last);
  if (left && rest) t->left_rest = build_tile(s, rest, left_nv, last);
}

void dense_calls(const DensePack *s, const DenseTiles *t, VirBuilder *b, VirAddr x, VirAddr y) {
  const Dense *d = s->d;
  TilePlace p = {.x = x,
                 .w = vir_addr(s->weights, 0),
                 .bias = vir_addr(s->bias, 0),
                 .m = vir_addr(s->quantized ? s->multiplier : s->bias, 0),
                 .y = y,
                 .quantized = s->quantized};
  if (d->x_origin) open_phases(s, b, &p);
  int64_t per_vector = s->k_steps * s->stored, padded = dense_vectors(s) * s->lanes;
  if (d->groups > 1) {
    const VirVar *g = vir_loop(b, "group", 0, d->groups, 1);
    p.x = vir_plus(p.x, g, d->group_step);
    p.y = vir_plus(p.y, g, d->oc);
    p.w = vir_plus(p.w, g, dense_vectors(s) * per_vector);
    p.bias = vir_plus(p.bias, g, padded);
    p.m = vir_plus(p.m, g, padded);
  }
  if (t->whole) {
    TilePlace q = p;
    if (t->whole > 1) {
      const VirVar *panel = vir_loop(b, "panel", 0, t->whole, 1);
      q.w = vir_plus(q.w, panel, s->nv * per_vector);
      q.bias = vir_plus(q.bias, panel, s->nv * s->lanes);
      q.m = vir_plus(q.m, panel, s->nv * s->lanes);
      q.y = vir_plus(q.y, panel, s->nv * s->lanes);
    }
    panel_pixels(s, b, q, t->tile, t->rest);
    if (t->whole > 1) vir_end(b);
  }
  if (t->left) {
    int64_t c = t->whole * s->nv * s->lanes;
    p.w = vir_offset(p.w, t->whole * s->nv * per_vector);
    p.bias = vir_offset(p.bias, c);
    p.m = vir_offset(p.m, c);
    p.y = vir_offset(p.y, c);
    panel_pixels(s, b, p, t->left_tile, t->left_rest);
  }
  if (d->groups > 1) vir_end(b);
  if (d->phases > 1) vir_end(b);
}

void dense_shape(DensePack *s) {
  const Target *target = s->cg->target;
  const Dense *d = s->d;
  s->planes = 1;
  s->lanes = target->lanes;
  s->step = s->quantized ? 4 : 1;
  s->groups_per_run = (d->length + s->step - 1) / s->step;
  s->mr = tile_pixels(d->count[DENSE_PIXELS - 1], s->quantized ? target->conv_mr : target->float_mr);
  s->nv = s->quantized ? target->conv_nv : target->float_nv;
  if (d->count[DENSE_PIXELS - 1] == 1)
    s->nv = s->nv * 2 > 4 ? 4 : s->nv * 2; /* one pixel: more channels keep the adders busy */
  if (s->nv > dense_vectors(s)) s->nv = (int)dense_vectors(s);
}

/* The register tiles and the kernel that calls them. */
static void emit_panels(const DensePack *s) {
  Cg *cg = s->cg;
  const Dense *d = s->d;
  DenseTiles tiles;
  dense_tiles(s, &tiles);
  VirBuilder b;
  cg_kernel(cg, &b, d->node, d->what, "%s x weights %s -> %s%s", type_text(cg->arena, &d->x->type),
            shape_text(cg->arena, &d->weight->type.shape), type_text(cg->arena, &d->y->type), form_text(s));
  const VirBase *x = cg_read(cg, &b, d->x, "x"), *y = cg_write(cg, &b, d->y, "y");
  dense_calls(s, &tiles, &b, vir_addr(x, 0), vir_addr(y, 0));
  cg_done(cg, &b);
}

int64_t dense_runs(const Dense *d) { return d->runs[0] * d->runs[1] * d->runs[2]; }
int64_t dense_products(const Dense *d) { return dense_runs(d) * d->length; }

int64_t dense_sum(const Dense *d, const LinearConstants *lc, int64_t phase, int64_t channel) {
  int64_t sum = 0;
  for (int64_t r = 0; r < dense_runs(d); r++)
    for (int64_t i = 0; i < d->length; i++) sum += lc->weights[d->weight_index(d, phase, channel, r, i)];
  return sum;
}

bool dense_emit(Cg *cg, const Dense *d) {
  DensePack s = {.cg = cg,
                 .d = d,
                 .quantized = tensor_is_quantized(d->x),
                 .x_elem = cg_storage(cg, d->x)->elem,
                 .y_elem = cg_storage(cg, d->y)->elem};
  dense_shape(&s);
  if (s.quantized) {
    linear_constants(cg, d->node, &s.lc);
    if (linear_is_wide(d->node)) {
      wide_emit(cg, d, &s.lc);
      return true;
    }
  }
  dense_pack(&s);
  emit_panels(&s);
  return true;
}
