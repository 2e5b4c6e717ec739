/* The transform of the operand, the products, and the transform of these back. */
#include <stdio.h>

#include "codegen/requant.h"
#include "codegen/winograd.h"

enum { MAX_TILES = 8, MAX_NV = 2, MAX_COLUMNS = 2 * MAX_TILES + 2, UNROLL = 4 };

/* Where a tile of a group begins. */
static int first_column(WinogradGroup g, int tile) {
  return WINOGRAD_RESULTS * tile - (g.shifted && tile == g.tiles - 1);
}

/* Elements that the windows of a group span, and its results. */
static int64_t span(WinogradGroup g, int64_t row, int64_t pixel, int size, int64_t last) {
  return (size - 1) * row + (first_column(g, g.tiles - 1) + size - 1) * pixel + last;
}

static void name_func(const Winograd *s, VirBuilder *b, WinogradGroup g, const char *what,
                      const char *comment) {
  vir_func(
      b, s->cg->module,
      cg_name(s->cg, s->node, arena_printf(s->cg->arena, "%s_%d%s", what, g.tiles, g.shifted ? "e" : "")),
      true,
      arena_printf(s->cg->arena, "%s, %d tile%s%s", comment, g.tiles, g.tiles == 1 ? "" : "s",
                   g.shifted ? ", of which the last one overlaps the one before" : ""));
}

/* ---- the operand ---- */

/* Four values, which stand in a column or in a row, after B^T. */
static void transform4(VirBuilder *b, const char *name, const VirVar *const in[4], const VirVar *out[4]) {
  static const struct {
    VirOp op;
    int left, right;
  } row[4] = {{VIR_sub_p, 0, 2}, {VIR_add_p, 1, 2}, {VIR_sub_p, 2, 1}, {VIR_sub_p, 1, 3}};
  for (int i = 0; i < 4; i++)
    out[i] = vir_let(b, name, row[i].op, VIR_ARGS(vir_v(in[row[i].left]), vir_v(in[row[i].right])));
}

/* A column of the operand, transformed. */
static void load_column(const Winograd *s, VirBuilder *b, VirAddr x, const VirVar *out[4]) {
  const VirVar *d[WINOGRAD_TILE];
  for (int i = 0; i < WINOGRAD_TILE; i++)
    d[i] = VIR_LET(b, "d", load_p_u8, vir_at(vir_offset(x, i * s->x_row)));
  transform4(b, "c", d, out);
}

static void store_tile(const Winograd *s, VirBuilder *b, VirAddr v, int tiles,
                       const VirVar *const column[WINOGRAD_TILE][4]) {
  for (int i = 0; i < 4; i++) {
    const VirVar *row[4] = {column[0][i], column[1][i], column[2][i], column[3][i]}, *u[4];
    transform4(b, "u", row, u);
    for (int j = 0; j < 4; j++)
      VIR_DO(b, store_p, vir_at(vir_offset(v, (i * 4 + j) * tiles * s->channels)), vir_v(u[j]));
  }
}

VirFunc *winograd_transform(const Winograd *s, WinogradGroup g) {
  VirBuilder b;
  int64_t block = 2 * s->lanes;
  name_func(s, &b, g, "transform", "4x4 elements of each channel to 16 sums and differences");
  VirAddr x = vir_addr(
      vir_param(&b, "x", DT_U8, false, span(g, s->x_row, s->x_pixel, WINOGRAD_TILE, s->channels)), 0);
  VirAddr v = vir_addr(vir_param_s16(&b, "v", true, winograd_elements(s, g.tiles)), 0);
  if (s->channels > block) {
    const VirVar *c = vir_loop(&b, "c", 0, s->channels, block);
    x = vir_plus(x, c, 1);
    v = vir_plus(v, c, 1);
  }
  const VirVar *column[MAX_COLUMNS][4] = {{NULL}};
  for (int t = 0; t < g.tiles; t++) {
    int first = first_column(g, t);
    for (int j = first; j < first + WINOGRAD_TILE; j++)
      if (!column[j][0]) load_column(s, &b, vir_offset(x, j * s->x_pixel), column[j]);
    store_tile(s, &b, vir_offset(v, t * s->channels), g.tiles, (const VirVar *const(*)[4])column + first);
  }
  if (s->channels > block) vir_end(&b);
  return b.f;
}

/* ---- products ---- */

typedef struct {
  const Winograd *s;
  VirBuilder b;
  WinogradGroup g;
  int nv, last;
  const VirBase *v, *w, *bias, *m, *y;
  const VirBase *sums; /* [point][tile][vector][lane] */
  const VirVar *acc[MAX_TILES][MAX_NV];
} Tile;

/* A pair of channels. */
static void pair_step(Tile *t, VirAddr v, VirAddr w) {
  const Winograd *s = t->s;
  VirBuilder *b = &t->b;
  vir_scope(b, NULL);
  vir_opaque(b, t->w); /* or gcc would load the weights of many steps at once */
  const VirVar *weight[MAX_NV];
  for (int n = 0; n < t->nv; n++) {
    const VirVar *bytes = VIR_LET(b, "w0", load_q, vir_at(vir_offset(w, n * 4 * s->lanes)));
    weight[n] = VIR_LET(b, "w0", words, vir_v(bytes));
  }
  for (int m = 0; m < t->g.tiles; m++) {
    const VirVar *x = VIR_LET(b, "x0", bcast2, vir_at(vir_offset(v, m * s->channels)));
    for (int n = 0; n < t->nv; n++)
      VIR_SET(b, t->acc[m][n], dot2, vir_v(t->acc[m][n]), vir_v(x), vir_v(weight[n]));
  }
  vir_end(b);
}

static void all_pairs(Tile *t, VirAddr v, VirAddr w) {
  int64_t pairs = (t->s->ic + 1) / 2, each = t->nv * 4 * t->s->lanes, looped = 0;
  if (pairs > 2 * UNROLL) {
    looped = pairs / UNROLL * UNROLL;
    const VirVar *k = vir_loop(&t->b, "k", 0, looped, UNROLL);
    for (int i = 0; i < UNROLL; i++)
      pair_step(t, vir_offset(vir_plus(v, k, 2), 2 * i), vir_offset(vir_plus(w, k, each), i * each));
    vir_end(&t->b);
  }
  for (int64_t k = looped; k < pairs; k++) pair_step(t, vir_offset(v, 2 * k), vir_offset(w, k * each));
}

static void all_points(Tile *t) {
  const Winograd *s = t->s;
  VirBuilder *b = &t->b;
  char name[32];
  int64_t pairs = (s->ic + 1) / 2, each = t->g.tiles * t->nv * s->lanes;
  const VirVar *p = vir_loop(b, "point", 0, WINOGRAD_POINTS, 1);
  for (int m = 0; m < t->g.tiles; m++)
    for (int n = 0; n < t->nv; n++) {
      snprintf(name, sizeof name, "acc%d_%d", m, n);
      t->acc[m][n] = VIR_LET(b, name, splat_s32, vir_n(0));
    }
  all_pairs(t, vir_plus(vir_addr(t->v, 0), p, t->g.tiles * s->channels),
            vir_plus(vir_addr(t->w, 0), p, pairs * t->nv * 4 * s->lanes));
  VirAddr sums = vir_plus(vir_addr(t->sums, 0), p, each);
  for (int m = 0; m < t->g.tiles; m++)
    for (int n = 0; n < t->nv; n++)
      VIR_DO(b, store_s32, vir_at(vir_offset(sums, (m * t->nv + n) * s->lanes)), vir_v(t->acc[m][n]));
  vir_end(b);
}

/* ---- results ---- */

/* Four sums after A^T: two. */
static void back2(VirBuilder *b, const char *name, const VirVar *const in[4], const VirVar *out[2]) {
  const VirVar *more = VIR_LET(b, name, add_s32, vir_v(in[0]), vir_v(in[1]));
  out[0] = VIR_LET(b, name, add_s32, vir_v(more), vir_v(in[2]));
  const VirVar *less = VIR_LET(b, name, sub_s32, vir_v(in[1]), vir_v(in[2]));
  out[1] = VIR_LET(b, name, sub_s32, vir_v(less), vir_v(in[3]));
}

/* The 2x2 results of vector n, from its sums at `at`, which are `step` apart. */
static void back(Tile *t, VirAddr at, int64_t step, int n, const VirVar *out[2][2]) {
  VirBuilder *b = &t->b;
  const VirVar *half[2][4];
  for (int j = 0; j < 4; j++) {
    const VirVar *sum[4], *two[2];
    for (int i = 0; i < 4; i++)
      sum[i] = VIR_LET(b, "p", load_s32, vir_at(vir_offset(at, (i * 4 + j) * step)));
    if (j == 1) { /* the product in the middle is part of all four results */
      const VirVar *bias = VIR_LET(b, "bias0", load_s32, vir_at(vir_addr(t->bias, n * t->s->lanes)));
      sum[1] = VIR_LET(b, "p", add_s32, vir_v(sum[1]), vir_v(bias));
    }
    back2(b, "r", sum, two);
    half[0][j] = two[0];
    half[1][j] = two[1];
  }
  for (int i = 0; i < 2; i++) back2(b, "y0", half[i], out[i]);
}

static void tile_results(Tile *t, const Requant *r, VirAddr sums, VirAddr y) {
  const Winograd *s = t->s;
  VirBuilder *b = &t->b;
  const VirVar *q[WINOGRAD_RESULTS][WINOGRAD_RESULTS * MAX_NV];
  for (int n = 0; n < t->nv; n++) {
    const VirVar *out[2][2];
    back(t, vir_offset(sums, n * s->lanes), t->g.tiles * t->nv * s->lanes, n, out);
    const VirVar *m = VIR_LET(b, "m0", load_f32, vir_at(vir_addr(t->m, n * s->lanes)));
    for (int i = 0; i < 4; i++) q[i / 2][i % 2 * t->nv + n] = requant_scaled(r, "q", out[i / 2][i % 2], m);
  }
  for (int i = 0; i < WINOGRAD_RESULTS; i++, y = vir_offset(y, s->y_row))
    if (WINOGRAD_RESULTS * t->nv == REQUANT_TOGETHER && t->last == s->lanes) {
      requant_store_pixels(r, y, q[i], t->nv, s->y_pixel);
    } else {
      for (int k = 0; k < WINOGRAD_RESULTS; k++)
        requant_store(r, vir_offset(y, k * s->y_pixel), q[i] + k * t->nv, t->nv, t->last);
    }
}

static void all_results(Tile *t, const Requant *r) {
  const Winograd *s = t->s;
  VirBuilder *b = &t->b;
  VirAddr sums = vir_addr(t->sums, 0), y = vir_addr(t->y, 0);
  int64_t each = t->nv * s->lanes;
  int even = t->g.tiles - t->g.shifted;
  if (even > 1) {
    const VirVar *m = vir_loop(b, "tile", 0, even, 1);
    tile_results(t, r, vir_plus(sums, m, each), vir_plus(y, m, WINOGRAD_RESULTS * s->y_pixel));
    vir_end(b);
  } else if (even) {
    vir_scope(b, NULL);
    tile_results(t, r, sums, y);
    vir_end(b);
  }
  if (t->g.shifted)
    tile_results(t, r, vir_offset(sums, even * each), vir_offset(y, first_column(t->g, even) * s->y_pixel));
}

VirFunc *winograd_product(const Winograd *s, WinogradGroup g, int nv, int last) {
  Tile t = {.s = s, .g = g, .nv = nv, .last = last};
  VirBuilder *b = &t.b;
  int64_t channels = (int64_t)nv * s->lanes, stored = (nv - 1) * s->lanes + last;
  const char *what = last < s->lanes ? "product_%dv_%d" : "product_%dv";
  name_func(s, b, g, arena_printf(s->cg->arena, what, nv, last),
            arena_printf(s->cg->arena, "16 products and 2x2 results of %lld channels", (long long)stored));
  t.v = vir_param_s16(b, "v", false, winograd_elements(s, g.tiles));
  t.w = vir_param(b, "w", DT_S8, false, nv * winograd_weights(s));
  t.bias = vir_param(b, "bias", DT_S32, false, channels);
  t.m = vir_param(b, "m", DT_F32, false, channels);
  DType elem = cg_storage(s->cg, s->y)->elem;
  int64_t results = span(g, s->y_row, s->y_pixel, WINOGRAD_RESULTS, stored);
  ResidualBases residual = residual_params(s->cg, b, s->add, results);
  t.y = vir_param(b, "y", elem, true, results);
  int64_t sums = WINOGRAD_POINTS * g.tiles * channels;
  t.sums = s->sums_on_stack ? vir_local(b, "sums", DT_S32, sums) : vir_param(b, "sums", DT_S32, true, sums);
  const ConvAttrs *a = ATTRS(s->node, ConvAttrs);
  vir_opaque(b, t.w);
  vir_opaque(b, t.bias);
  vir_opaque(b, t.m);
  Requant r = requant_start(s->cg, b, s->y, a->act_min, a->act_max, s->unclamped);
  all_points(&t);
  if (s->add) requant_residual(s->cg, &r, s->add, residual);
  all_results(&t, &r);
  return b->f;
}
