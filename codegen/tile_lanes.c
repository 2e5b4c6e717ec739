/* The micro-kernel of dot products that take four elements of a lane of the operand: one load of a pixel's
 * elements serves four k-steps. */
#include <stdio.h>

#include "codegen/tile_build.h"
#include "codegen/tile_row.h"

enum { STEP = 4, CHUNK = 4 };

static bool suits(const DensePack *s) { return s->lanes == CHUNK; }

/* Sums that keep the multipliers busy, and an operand for each pixel beside them. */
static void shape(DensePack *s) {
  s->mr = tile_pixels(s->d->count[DENSE_PIXELS - 1], 8);
  s->nv = s->mr > 4 ? 2 : s->mr > 2 ? 4 : 8;
  if (s->nv > dense_vectors(s)) s->nv = (int)dense_vectors(s);
}

static void start(TileBuild *t, const VirBase *bias) {
  char name[32];
  for (int m = 0; m < t->mr; m++)
    for (int n = 0; n < t->nv; n++) {
      snprintf(name, sizeof name, "acc%d_%d", m, n);
      t->acc[m][n] = VIR_LET(t->b, name, load_s32, vir_at(vir_addr(bias, n * t->s->lanes)));
    }
}

static void load_weights(TileBuild *t, VirAddr w, const VirVar **weight) {
  char name[32];
  for (int n = 0; n < t->nv; n++) {
    snprintf(name, sizeof name, "w%d", n);
    weight[n] = VIR_LET(t->b, name, load_q, vir_at(vir_offset(w, n * t->s->vector)));
  }
}

static void products(TileBuild *t, const VirVar *const *operand, const VirVar *const *weight, int lane) {
  for (int m = 0; m < t->mr; m++)
    for (int n = 0; n < t->nv; n++)
      VIR_SET(t->b, t->acc[m][n], dot_s8_lane, vir_v(t->acc[m][n]), vir_v(operand[m]), vir_v(weight[n]),
              vir_n(lane));
}

/* Weights are loaded a lane ahead: cores that execute in order would wait for them. */
static void steps(TileBuild *t, VirAddr x, VirAddr w, int64_t elements) {
  const VirVar *operand[MAX_MR], *weight[2][MAX_NV];
  int lanes = (int)((elements + STEP - 1) / STEP);
  char name[32];
  vir_scope(t->b, NULL);
  vir_fence(t->b);
  load_weights(t, w, weight[0]);
  for (int m = 0; m < t->mr; m++) {
    snprintf(name, sizeof name, "x%d", m);
    operand[m] = VIR_LET(t->b, name, load_q, vir_at(vir_offset(x, m * t->s->d->x_step[DENSE_PIXELS - 1])));
  }
  for (int lane = 0; lane < lanes; lane++) {
    if (lane + 1 < lanes)
      load_weights(t, vir_offset(w, (lane + 1) * t->nv * t->s->vector), weight[(lane + 1) % 2]);
    products(t, operand, weight[lane % 2], lane);
  }
  vir_end(t->b);
}

const TileKernel tile_lanes = {.step = STEP,
                               .chunk = CHUNK,
                               .unroll = CHUNK,
                               .products = 1,
                               .weights = 1,
                               .suits = suits,
                               .shape = shape,
                               .start = start,
                               .steps = steps};
