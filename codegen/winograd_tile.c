/* The transform of the operand, and that of the products back. */
#include "codegen/requant.h"
#include "codegen/winograd.h"

/* The inverse of 9 modulo 2^32. */
enum { NINTH = 954437177 };

/* Of int16 or int32. */
static const VirVar *plus(VirBuilder *b, const char *name, const VirVar *x, const VirVar *y) {
  return vir_let(b, name, x->type == VIR_VEC_P ? VIR_add_p : VIR_add_s32, VIR_ARGS(vir_v(x), vir_v(y)));
}

static const VirVar *minus(VirBuilder *b, const char *name, const VirVar *x, const VirVar *y) {
  return vir_let(b, name, x->type == VIR_VEC_P ? VIR_sub_p : VIR_sub_s32, VIR_ARGS(vir_v(x), vir_v(y)));
}

static const VirVar *twice(VirBuilder *b, const char *name, const VirVar *x) { return plus(b, name, x, x); }

/* ---- the operand ---- */

/* Six values d, which stand in a column or in a row, after B^T of the paper, its second and third row
 * negated:
 *   4 d0 - 5 d2 + d4, 4 (d1 + d2) - (d3 + d4), 4 (d2 - d1) + d3 - d4,
 *   d4 - d2 + 2 (d3 - d1), d4 - d2 - 2 (d3 - d1), 4 d1 - 5 d3 + d5 */
static void forward(VirBuilder *b, const char *name, const VirVar *const d[WINOGRAD_TILE],
                    const VirVar *out[WINOGRAD_TILE]) {
  const VirVar *d42 = minus(b, name, d[4], d[2]), *d31 = minus(b, name, d[3], d[1]);
  const VirVar *d31x2 = twice(b, name, d31);
  const VirVar *d02x4 = twice(b, name, twice(b, name, minus(b, name, d[0], d[2])));
  const VirVar *even = minus(b, name, twice(b, name, twice(b, name, d[2])), d[4]);
  const VirVar *odd = minus(b, name, twice(b, name, twice(b, name, d[1])), d[3]);
  out[0] = plus(b, name, d02x4, d42);
  out[1] = plus(b, name, even, odd);
  out[2] = minus(b, name, even, odd);
  out[3] = plus(b, name, d42, d31x2);
  out[4] = minus(b, name, d42, d31x2);
  out[5] = minus(b, name, minus(b, name, d[5], d[3]), twice(b, name, d31x2));
}

/* Layers of one shape share it. */
VirFunc *winograd_transform(const Winograd *s) {
  VirBuilder b;
  VirModule *module = s->cg->module;
  const char *name = arena_printf(s->cg->arena, "winograd_transform_%lldx%lldx%lld_%d", (long long)s->x_row,
                                  (long long)s->x_pixel, (long long)s->channels, s->down * s->across);
  VirFunc *same = vir_find_func(module, name);
  if (same) return same;
  int64_t block = 2 * s->lanes, window = (WINOGRAD_TILE - 1) * (s->x_row + s->x_pixel) + s->channels;
  int64_t point = s->down * s->across * s->channels;
  vir_func(
      &b, module, name, false,
      arena_printf(s->cg->arena, "6x6 elements of each of %lld channels to 36 sums", (long long)s->channels));
  DType elem = cg_storage(s->cg, s->x)->elem;
  VirAddr x = vir_addr(vir_param(&b, "x", elem, false, window), 0);
  VirAddr v = vir_addr(vir_param_s16(&b, "v", true, (WINOGRAD_POINTS - 1) * point + s->channels), 0);
  if (s->channels > block) {
    const VirVar *c = vir_loop(&b, "c", 0, s->channels, block);
    x = vir_plus(x, c, 1);
    v = vir_plus(v, c, 1);
  }
  const VirVar *column[WINOGRAD_TILE][WINOGRAD_TILE];
  for (int j = 0; j < WINOGRAD_TILE; j++) {
    const VirVar *d[WINOGRAD_TILE];
    for (int i = 0; i < WINOGRAD_TILE; i++)
      d[i] = vir_let(&b, "d", act_ops(elem)->load_pairs,
                     VIR_ARGS(vir_at(vir_offset(x, i * s->x_row + j * s->x_pixel))));
    forward(&b, "c", d, column[j]);
  }
  for (int i = 0; i < WINOGRAD_TILE; i++) {
    const VirVar *row[WINOGRAD_TILE], *u[WINOGRAD_TILE];
    for (int j = 0; j < WINOGRAD_TILE; j++) row[j] = column[j][i];
    forward(&b, "u", row, u);
    for (int j = 0; j < WINOGRAD_TILE; j++)
      VIR_DO(&b, store_p, vir_at(vir_offset(v, (i * WINOGRAD_TILE + j) * point)), vir_v(u[j]));
  }
  if (s->channels > block) vir_end(&b);
  return b.f;
}

/* ---- results ---- */

/* Six sums after A^T of the paper, four: the first is 24 times, the second 12 times, and the others are 6
 * times what the convolution has. */
static void back(VirBuilder *b, const char *name, const VirVar *const in[WINOGRAD_TILE],
                 const VirVar *out[WINOGRAD_RESULTS]) {
  const VirVar *sum12 = plus(b, name, in[1], in[2]), *sum34 = plus(b, name, in[3], in[4]);
  const VirVar *less12 = minus(b, name, in[1], in[2]), *less34 = minus(b, name, in[3], in[4]);
  const VirVar *more = plus(b, name, in[0], twice(b, name, twice(b, name, sum12)));
  out[0] = plus(b, name, more, sum34);
  out[1] = plus(b, name, twice(b, name, less12), less34);
  out[2] = plus(b, name, sum12, sum34);
  out[3] = plus(b, name, plus(b, name, less12, twice(b, name, less34)), in[5]);
}

/* By how many bits the results of a row or a column are too large, once 9 is divided out and 4 are left. */
static const int shift[WINOGRAD_RESULTS] = {2, 1, 0, 0};

typedef struct {
  const Winograd *s;
  VirBuilder b;
  const VirBase *sums, *bias, *m;
} Results;

/* The 4x4 results of vector n, four times what they are in the convolution. */
static void tile_sums(Results *t, int n, const VirVar *out[WINOGRAD_RESULTS][WINOGRAD_RESULTS]) {
  VirBuilder *b = &t->b;
  const int lanes = t->s->lanes;
  int64_t point = winograd_sums(t->s) / WINOGRAD_POINTS;
  const VirVar *half[WINOGRAD_RESULTS][WINOGRAD_TILE];
  const VirVar *ninth = VIR_ONCE(b, "ninth", splat_s32, vir_n(NINTH));
  for (int j = 0; j < WINOGRAD_TILE; j++) {
    const VirVar *in[WINOGRAD_TILE], *four[WINOGRAD_RESULTS];
    for (int i = 0; i < WINOGRAD_TILE; i++)
      in[i] =
          VIR_LET(b, "p", load_s32, vir_at(vir_addr(t->sums, (i * WINOGRAD_TILE + j) * point + n * lanes)));
    if (j == 1)
      in[1] = plus(b, "p", in[1], VIR_LET(b, "bias0", load_s32, vir_at(vir_addr(t->bias, n * lanes))));
    back(b, "r", in, four);
    for (int i = 0; i < WINOGRAD_RESULTS; i++) half[i][j] = four[i];
  }
  for (int i = 0; i < WINOGRAD_RESULTS; i++) {
    const VirVar *four[WINOGRAD_RESULTS];
    back(b, "y0", half[i], four);
    for (int j = 0; j < WINOGRAD_RESULTS; j++) {
      out[i][j] = VIR_LET(b, "y0", mul_s32, vir_v(four[j]), vir_v(ninth));
      int bits = shift[i] + shift[j];
      if (bits) out[i][j] = VIR_LET(b, "y0", shr_s32, vir_v(out[i][j]), vir_n(bits));
    }
  }
}

/* The results of a vector, of which `last` lanes are stored. */
static void store_tile(Results *t, const Requant *r, const VirVar *m, VirAddr y, int last,
                       const VirVar *const sums[WINOGRAD_RESULTS][WINOGRAD_RESULTS]) {
  const Winograd *s = t->s;
  for (int i = 0; i < WINOGRAD_RESULTS; i++, y = vir_offset(y, s->y_row)) {
    const VirVar *q[WINOGRAD_RESULTS];
    for (int j = 0; j < WINOGRAD_RESULTS; j++) q[j] = requant_scaled(r, "q", sums[i][j], m);
    if (last == s->lanes) {
      requant_store_pixels(r, y, q, 1, s->y_pixel);
    } else {
      for (int j = 0; j < WINOGRAD_RESULTS; j++)
        requant_store(r, vir_offset(y, j * s->y_pixel), q + j, 1, last);
    }
  }
}

VirFunc *winograd_results(const Winograd *s, int nv, int last) {
  Results t = {.s = s};
  VirBuilder *b = &t.b;
  int64_t channels = (int64_t)nv * s->lanes, stored = (nv - 1) * s->lanes + last;
  int64_t count = (WINOGRAD_RESULTS - 1) * (s->y_row + s->y_pixel) + stored;
  const char *name = arena_printf(s->cg->arena, "results_%lld", (long long)stored);
  vir_func(b, s->cg->module, cg_name(s->cg, s->node, name), false,
           arena_printf(s->cg->arena, "4x4 results of %lld channels", (long long)stored));
  t.sums = vir_param(b, "sums", DT_S32, false,
                     winograd_sums(s) / WINOGRAD_POINTS * (WINOGRAD_POINTS - 1) + channels);
  t.bias = vir_param(b, "bias", DT_S32, false, channels);
  t.m = vir_param(b, "m", DT_F32, false, channels);
  ResidualBases residual = residual_params(s->cg, b, s->add, count);
  const VirBase *y = vir_param(b, "y", cg_storage(s->cg, s->y)->elem, true, count);
  const ConvAttrs *a = ATTRS(s->node, ConvAttrs);
  Requant r = requant_start(s->cg, b, s->y, a->act_min, a->act_max, s->unclamped);
  if (s->add) requant_residual(s->cg, &r, s->add, residual);
  for (int n = 0; n < nv; n++) {
    const VirVar *sums[WINOGRAD_RESULTS][WINOGRAD_RESULTS];
    vir_scope(b, NULL);
    tile_sums(&t, n, sums);
    const VirVar *m = VIR_LET(b, "m0", load_f32, vir_at(vir_addr(t.m, n * s->lanes)));
    store_tile(&t, &r, m, vir_addr(y, n * s->lanes), n + 1 < nv ? s->lanes : last,
               (const VirVar *const(*)[WINOGRAD_RESULTS])sums);
    vir_end(b);
  }
  return b->f;
}
