/* The micro-kernel of 8-bit matrix products: eight elements of two pixels by eight weights of two channels,
 * into four sums. A vector of four channels takes two of them for each pair of pixels. */
#include <stdio.h>

#include "codegen/tile_build.h"
#include "codegen/tile_row.h"

enum { STEP = 8, CHUNK = 2, CHANNELS = 4, HALVES = 2 };

/* Half of each product of a single pixel is idle. */
static bool suits(const DensePack *s) { return s->lanes == CHANNELS && s->d->count[DENSE_PIXELS - 1] > 1; }

static void shape(DensePack *s) {
  s->mr = tile_pixels(s->d->count[DENSE_PIXELS - 1], 8);
  s->mr += s->mr % 2;
  s->nv = s->mr > 4 ? 2 : 4;
  if (s->nv > dense_vectors(s)) s->nv = (int)dense_vectors(s);
}

static int pairs(const TileBuild *t) { return (t->mr + 1) / 2; }

/* Lanes 2i + j of a pair of pixels and a half of a vector: pixel i, channel j. */
static void start(TileBuild *t, const VirBase *bias) {
  VirBuilder *b = t->b;
  char name[32];
  for (int n = 0; n < t->nv; n++) {
    snprintf(name, sizeof name, "bias%d", n);
    const VirVar *first = VIR_LET(b, name, load_s32, vir_at(vir_addr(bias, n * CHANNELS)));
    for (int p = 0; p < pairs(t); p++)
      for (int h = 0; h < HALVES; h++) {
        snprintf(name, sizeof name, "sum%d_%d", p, n * HALVES + h);
        t->sum[p][n * HALVES + h] =
            vir_let(b, name, h ? VIR_zip_hi64_s32 : VIR_zip_lo64_s32, VIR_ARGS(vir_v(first), vir_v(first)));
      }
  }
}

static void one_step(TileBuild *t, VirAddr w, const VirVar *const *row, int step) {
  VirBuilder *b = t->b;
  const VirVar *operand[MAX_MR];
  char name[32];
  vir_scope(b, NULL);
  for (int p = 0; p < pairs(t); p++) {
    const VirVar *second = row[2 * p + 1 < t->mr ? 2 * p + 1 : 2 * p];
    snprintf(name, sizeof name, "pair%d", p);
    operand[p] =
        vir_let(b, name, step ? VIR_zip_hi64 : VIR_zip_lo64, VIR_ARGS(vir_v(row[2 * p]), vir_v(second)));
  }
  for (int i = 0; i < t->nv * HALVES; i++) {
    snprintf(name, sizeof name, "w%d", i);
    const VirVar *weight = VIR_LET(b, name, load_q, vir_at(vir_offset(w, i * HALVES * STEP)));
    for (int p = 0; p < pairs(t); p++)
      VIR_SET(b, t->sum[p][i], mmla_s8, vir_v(t->sum[p][i]), vir_v(operand[p]), vir_v(weight));
  }
  vir_fence(b);
  vir_end(b);
}

static void steps(TileBuild *t, VirAddr x, VirAddr w, int64_t elements) {
  const VirVar *row[MAX_MR];
  char name[32];
  vir_scope(t->b, NULL);
  for (int m = 0; m < t->mr; m++) {
    snprintf(name, sizeof name, "x%d", m);
    row[m] = VIR_LET(t->b, name, load_q, vir_at(vir_offset(x, m * t->s->d->x_step[DENSE_PIXELS - 1])));
  }
  for (int step = 0; step * STEP < elements; step++)
    one_step(t, vir_offset(w, step * t->nv * t->s->vector), row, step);
  vir_end(t->b);
}

static void finish(TileBuild *t, const VirBase *bias) {
  (void)bias;
  char name[32];
  for (int m = 0; m < t->mr; m++)
    for (int n = 0; n < t->nv; n++) {
      const VirVar **sum = t->sum[m / 2] + n * HALVES;
      snprintf(name, sizeof name, "acc%d_%d", m, n);
      t->acc[m][n] = vir_let(t->b, name, m % 2 ? VIR_zip_hi64_s32 : VIR_zip_lo64_s32,
                             VIR_ARGS(vir_v(sum[0]), vir_v(sum[1])));
    }
}

const TileKernel tile_mmla = {.step = STEP,
                              .chunk = CHUNK,
                              .unroll = CHUNK,
                              .products = 1,
                              .weights = HALVES,
                              .suits = suits,
                              .shape = shape,
                              .start = start,
                              .steps = steps,
                              .finish = finish};
