/* The micro-kernel of NEON without dot products: 16 elements along k of a pixel by 16 weights of a channel,
 * two products added up in 16 bits, then four partial sums for each result. No operand is broadcast. */
#include <stdio.h>

#include "codegen/tile_build.h"
#include "codegen/tile_row.h"

enum { STEP = 16, HALF = STEP / 2, CHANNELS = 4 };

/* Against broadcasts, for one channel and pixel, in sixteenths of an instruction: a step takes three of them,
 * a half two, the sums' addition one; four elements with their share of a broadcast fifteen sixteenths. */
static bool suits(const DensePack *s) {
  int64_t rest = s->d->length % STEP, runs = dense_runs(s->d);
  int64_t along = s->d->length / STEP * 3 + (rest > HALF ? 3 : rest ? 2 : 0);
  return s->lanes == CHANNELS && 16 * (runs * along + 1) <= 15 * runs * ((s->d->length + 3) / 4);
}

static void shape(DensePack *s) {
  s->mr = tile_pixels(s->d->count[DENSE_PIXELS - 1], 3);
  s->nv = s->mr > 2 ? 1 : 2; /* at most 16 sums */
  if (s->nv > dense_vectors(s)) s->nv = (int)dense_vectors(s);
}

static void start(TileBuild *t, const VirBase *bias) {
  (void)bias;
  char name[32];
  for (int m = 0; m < t->mr; m++)
    for (int c = 0; c < t->nv * CHANNELS; c++) {
      snprintf(name, sizeof name, "sum%d_%d", m, c);
      t->sum[m][c] = VIR_LET(t->b, name, splat_s32, vir_n(0));
    }
}

static VirOp product(const DensePack *s, int64_t elements) {
  if (elements <= HALF) return VIR_dot2x2_half;
  return s->form == FORM_WIDE ? s->cg->target->dot_wide : s->cg->target->dot;
}

static void steps(TileBuild *t, VirAddr x, VirAddr w, int64_t elements) {
  VirBuilder *b = t->b;
  VirOp op = product(t->s, elements);
  const VirVar *weight[MAX_NV];
  char name[32];
  vir_scope(b, NULL);
  vir_fence(b);
  for (int c = 0; c < t->nv * CHANNELS; c++) {
    snprintf(name, sizeof name, "w%d", c);
    weight[c] = VIR_LET(b, name, load_q, vir_at(vir_offset(w, c * STEP)));
  }
  for (int m = 0; m < t->mr; m++) {
    snprintf(name, sizeof name, "x%d", m);
    VirAddr at = vir_offset(x, m * t->s->d->x_step[DENSE_PIXELS - 1]);
    const VirVar *operand = VIR_LET(b, name, load_q, vir_at(at));
    for (int c = 0; c < t->nv * CHANNELS; c++)
      vir_set(b, t->sum[m][c], op, VIR_ARGS(vir_v(t->sum[m][c]), vir_v(operand), vir_v(weight[c])));
  }
  vir_end(b);
}

static void finish(TileBuild *t, const VirBase *bias) {
  VirBuilder *b = t->b;
  char name[32];
  for (int n = 0; n < t->nv; n++) {
    snprintf(name, sizeof name, "bias%d", n);
    const VirVar *first = VIR_LET(b, name, load_s32, vir_at(vir_addr(bias, n * CHANNELS)));
    for (int m = 0; m < t->mr; m++) {
      const VirVar **sum = t->sum[m] + n * CHANNELS;
      snprintf(name, sizeof name, "acc%d_%d", m, n);
      const VirVar *all = VIR_LET(b, name, sum4, vir_v(sum[0]), vir_v(sum[1]), vir_v(sum[2]), vir_v(sum[3]));
      VIR_SET(b, all, add_s32, vir_v(all), vir_v(first));
      t->acc[m][n] = all;
    }
  }
}

const TileKernel tile_along_k = {.step = STEP,
                                 .chunk = 1,
                                 .unroll = 2,
                                 .products = CHANNELS,
                                 .weights = CHANNELS,
                                 .suits = suits,
                                 .shape = shape,
                                 .start = start,
                                 .steps = steps,
                                 .finish = finish};
