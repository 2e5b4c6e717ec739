/* The register tile of a depthwise kernel: all taps of the window for a block of channels, then the results.
 */
#include <stdio.h>

#include "codegen/clamp.h"
#include "codegen/depthwise_pack.h"
#include "codegen/widen.h"

/* Lines of taps that a tile may hold unrolled; beyond that the rows of the window are a loop, and so are the
 * taps of a row where they alone are too many. */
enum { MAX_LINES = 480, MAX_MR = 8 };

/* The state of building one tile. */
typedef struct {
  const DepthwisePack *s;
  VirBuilder *b;
  int mr;
  int part; /* lanes of the only block; 0: all */
  const VirVar *acc[MAX_MR];
  const VirVar *scale, *zero; /* of 8-bit weights that are widened */
} Tile;

/* A tap is three lines for each pixel, and three around them. */
static int64_t most_taps(const Tile *t) { return MAX_LINES / (3 * t->mr + 3); }

static int64_t weights_of_tap(const DepthwisePack *s) { return s->lanes * (s->quantized ? 2 : 1); }

static const VirVar *load_weights(Tile *t, int64_t p, VirAddr at) {
  char name[16];
  snprintf(name, sizeof name, "w%d", (int)p);
  return t->s->quantized ? VIR_LET(t->b, name, load_p, vir_at(at))
                         : widen_load(t->b, name, t->s->w_elem, at, t->scale, t->zero);
}

/* A pair of taps of pixel m. */
static void add_pair(Tile *t, int m, VirAddr x, int64_t p, const VirVar *weight) {
  const DepthwisePack *s = t->s;
  const ActOps *ops = act_ops(s->cg->target->act);
  VirBuilder *b = t->b;
  VirAddr first = vir_offset(x, m * s->pixel_step + 2 * p * s->tap_step);
  VirAddr second = 2 * p + 1 < s->kw ? vir_offset(first, s->tap_step) : first; /* its weight is 0 */
  const VirVar *taps =
      t->part ? vir_let(b, "taps", ops->pair_part, VIR_ARGS(vir_at(first), vir_at(second), vir_n(t->part)))
              : vir_let(b, "taps", ops->pair, VIR_ARGS(vir_at(first), vir_at(second)));
  VIR_SET(b, t->acc[m], dot2, vir_v(t->acc[m]), vir_v(taps), vir_v(weight));
}

static void add_tap(Tile *t, int m, VirAddr x, int64_t p, const VirVar *weight) {
  const DepthwisePack *s = t->s;
  VirBuilder *b = t->b;
  VirAddr at = vir_offset(x, m * s->pixel_step + p * s->tap_step);
  const VirVar *tap = t->part ? VIR_LET(b, "tap", load_f32_part, vir_at(at), vir_n(t->part))
                              : VIR_LET(b, "tap", load_f32, vir_at(at));
  const VirVar *product = VIR_LET(b, "p", mul_f32, vir_v(tap), vir_v(weight));
  VIR_SET(b, t->acc[m], add_f32, vir_v(t->acc[m]), vir_v(product));
}

/* Pairs (in float32 taps) [first, end) of a row of the window for all pixels of the tile. */
static void row_pairs(Tile *t, VirAddr x, VirAddr w, int64_t first, int64_t end) {
  for (int64_t p = first; p < end; p++) {
    vir_scope(t->b, NULL);
    const VirVar *weight = load_weights(t, p, vir_offset(w, p * weights_of_tap(t->s)));
    for (int m = 0; m < t->mr; m++) (t->s->quantized ? add_pair : add_tap)(t, m, x, p, weight);
    vir_end(t->b);
  }
}

/* One row of the window. */
static void window_row(Tile *t, VirAddr x, VirAddr w) {
  const DepthwisePack *s = t->s;
  int64_t looped = 0;
  if (s->pairs > most_taps(t)) {
    int64_t taps = s->quantized ? 2 : 1;
    looped = s->kw / taps; /* the half pair at the end stays */
    const VirVar *p = vir_loop(t->b, "kw", 0, looped, 1);
    row_pairs(t, vir_plus(x, p, taps * s->tap_step), vir_plus(w, p, taps * s->lanes), 0, 1);
    vir_end(t->b);
  }
  row_pairs(t, x, w, looped, s->pairs);
}

/* All rows of the window: unrolled where they are few, else loops over planes and rows. */
static void window_rows(Tile *t, VirAddr x, VirAddr w) {
  const DepthwisePack *s = t->s;
  int64_t w_row = s->pairs * weights_of_tap(s), w_plane = s->kh * w_row;
  if (depthwise_rows(s) * s->pairs <= most_taps(t)) {
    for (int64_t i = 0; i < depthwise_rows(s); i++) {
      vir_comment(t->b, "row %lld of the window", (long long)i);
      int64_t at = i / s->kh * s->plane_step + i % s->kh * s->row_step;
      window_row(t, vir_offset(x, at), vir_offset(w, i * w_row));
    }
    return;
  }
  if (s->kd > 1) {
    const VirVar *d = vir_loop(t->b, "kd", 0, s->kd, 1);
    x = vir_plus(x, d, s->plane_step);
    w = vir_plus(w, d, w_plane);
  }
  const VirVar *i = vir_loop(t->b, "kh", 0, s->kh, 1);
  window_row(t, vir_plus(x, i, s->row_step), vir_plus(w, i, w_row));
  vir_end(t->b);
  if (s->kd > 1) vir_end(t->b);
}

/* ---- results ---- */

static void store_requantized(Tile *t, const VirBase *m, const VirBase *y) {
  const DepthwisePack *s = t->s;
  VirBuilder *b = t->b;
  const Storage *sy = cg_storage(s->cg, s->y);
  const ActOps *ops = act_ops(sy->elem);
  int32_t lo, hi;
  cg_stored_range(s->cg, s->y, s->act_min, s->act_max, &lo, &hi);
  const VirVar *low = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(lo - sy->zero)));
  const VirVar *high = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(hi - sy->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(sy->zero));
  const VirVar *scale = VIR_LET(b, "scale", load_f32, vir_at(vir_addr(m, 0)));
  for (int p = 0; p < t->mr; p++) {
    VirAddr at = vir_addr(y, p * s->out_step);
    const VirVar *q =
        VIR_LET(b, "q", requant, vir_v(t->acc[p]), vir_v(scale), vir_v(low), vir_v(high), vir_v(zero));
    if (t->part) {
      vir_do(b, ops->store_part, VIR_ARGS(vir_at(at), vir_v(q), vir_n(t->part)));
    } else {
      vir_do(b, ops->store, VIR_ARGS(vir_at(at), vir_v(q)));
    }
  }
}

static void store_scaled(Tile *t, const VirBase *m, const VirBase *addend, const VirBase *y) {
  const DepthwisePack *s = t->s;
  VirBuilder *b = t->b;
  const VirVar *factor = VIR_LET(b, "factor", load_f32, vir_at(vir_addr(m, 0))), *more = NULL;
  if (addend) more = VIR_LET(b, "bias", load_f32, vir_at(vir_addr(addend, 0)));
  for (int p = 0; p < t->mr; p++)
    store_lanes(b, vir_addr(y, p * s->out_step),
                run_time_result(b, t->acc[p], factor, more, s->act_min, s->act_max), t->part);
}

static void store_plain(Tile *t, const VirBase *y) {
  const DepthwisePack *s = t->s;
  for (int p = 0; p < t->mr; p++) {
    if (s->result == RESULT_FLOAT) clamp_float(t->b, t->acc[p], s->act_min, s->act_max);
    store_lanes(t->b, vir_addr(y, p * s->out_step), t->acc[p], t->part);
  }
}

/* ---- the function ---- */

typedef struct {
  const VirBase *x, *w, *start, *m, *addend, *zeros, *y;
} Params;

/* In the order of TilePlace. */
static Params tile_params(const DepthwisePack *s, VirBuilder *b, int mr, int64_t width) {
  int64_t x_count = (mr - 1) * s->pixel_step + (s->kd - 1) * s->plane_step + (s->kh - 1) * s->row_step +
                    (s->kw - 1) * s->tap_step + width;
  Params p = {.x = vir_param(b, "x", cg_storage(s->cg, s->x)->elem, false, x_count)};
  p.w = s->quantized ? vir_param_s16(b, "w", false, depthwise_block_size(s))
                     : vir_param(b, "w", s->w_elem, false, depthwise_block_size(s));
  p.start = vir_param(b, "bias", s->quantized ? DT_S32 : DT_F32, false, s->lanes);
  if (s->multiplier || s->run_time.scales) p.m = vir_param(b, "m", DT_F32, false, s->lanes);
  if (s->addend) p.addend = vir_param(b, "addend", DT_F32, false, s->lanes);
  if (s->zeros) p.zeros = vir_param(b, "zeros", DT_F32, false, s->lanes);
  p.y = vir_param(b, "y", cg_storage(s->cg, s->y)->elem, true, (mr - 1) * s->out_step + width);
  return p;
}

VirFunc *depthwise_tile(const DepthwisePack *s, int mr) {
  Cg *cg = s->cg;
  VirBuilder b;
  char what[32], name[16];
  Tile t = {.s = s, .b = &b, .mr = mr, .part = s->channels < s->lanes ? (int)s->channels : 0};
  int64_t width = t.part ? t.part : s->lanes;
  snprintf(what, sizeof what, "tile_%d", mr);
  vir_func(&b, cg->module, cg_name(cg, s->window->node, what), true,
           arena_printf(cg->arena, "%d pixel%s x %lld channels", mr, mr == 1 ? "" : "s", (long long)width));
  Params params = tile_params(s, &b, mr, width);
  for (int p = 0; p < mr; p++) {
    snprintf(name, sizeof name, "acc%d", p);
    t.acc[p] = vir_let(&b, name, s->quantized ? VIR_load_s32 : VIR_load_f32,
                       VIR_ARGS(vir_at(vir_addr(params.start, 0))));
  }
  if (s->w_elem == DT_S8) t.scale = VIR_LET(&b, "scale", load_f32, vir_at(vir_addr(params.m, 0)));
  if (params.zeros) t.zero = VIR_LET(&b, "zero", load_f32, vir_at(vir_addr(params.zeros, 0)));
  window_rows(&t, vir_addr(params.x, 0), vir_addr(params.w, 0));
  if (s->quantized && cg_storage(cg, s->y)->elem == DT_F32) {
    store_scaled(&t, params.m, params.addend, params.y);
  } else if (s->result == RESULT_REQUANT) {
    store_requantized(&t, params.m, params.y);
  } else {
    store_plain(&t, params.y);
  }
  return b.f;
}
