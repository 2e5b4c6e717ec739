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
  char name[24];
  for (int m = 0; m < t->mr; m++)
    for (int n = 0; n < t->nv; n++) {
      snprintf(name, sizeof name, "acc%d_%d", m, n);
      t->acc[m][n] = VIR_LET(t->b, name, load_s32, vir_at(vir_addr(bias, n * t->s->lanes)));
    }
}

static void one_step(TileBuild *t, VirAddr w, const VirVar *const *operand, int lane) {
  VirBuilder *b = t->b;
  const VirVar *weight[MAX_NV];
  char name[24];
  vir_scope(b, NULL);
  for (int n = 0; n < t->nv; n++) {
    snprintf(name, sizeof name, "w%d", n);
    weight[n] = VIR_LET(b, name, load_q, vir_at(vir_offset(w, n * t->s->vector)));
  }
  for (int m = 0; m < t->mr; m++)
    for (int n = 0; n < t->nv; n++)
      VIR_SET(b, t->acc[m][n], dot_s8_lane, vir_v(t->acc[m][n]), vir_v(operand[m]), vir_v(weight[n]),
              vir_n(lane));
  vir_end(b);
}

static void steps(TileBuild *t, VirAddr x, VirAddr w, int64_t elements) {
  const VirVar *operand[MAX_MR];
  char name[24];
  vir_scope(t->b, NULL);
  vir_fence(t->b);
  for (int m = 0; m < t->mr; m++) {
    snprintf(name, sizeof name, "x%d", m);
    operand[m] = VIR_LET(t->b, name, load_q, vir_at(vir_offset(x, m * t->s->d->x_step[DENSE_PIXELS - 1])));
  }
  for (int lane = 0; lane * STEP < elements; lane++)
    one_step(t, vir_offset(w, lane * t->nv * t->s->vector), operand, lane);
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
