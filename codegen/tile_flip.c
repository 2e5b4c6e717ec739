/* The micro-kernel for products in 16 bits where no k-steps fit together: broadcasts, with weights each
 * followed by their sign-flip masks, in the order of the window. */
#include <stdio.h>

#include "codegen/tile_build.h"
#include "codegen/tile_row.h"

/* Four vectors of results are packed and stored together, which counts where a result has few products: then
 * one pixel at a time; weights and masks are operands in memory. As measured on Zen 5. */
static void shape(DensePack *s) {
  static const int pixels[] = {1, 10, 3, 3, 1};
  int64_t vectors = dense_vectors(s);
  s->nv = vectors == 6 ? 3 : vectors > 4 || !vectors ? 4 : (int)vectors;
  s->mr = tile_pixels(s->d->count[DENSE_PIXELS - 1], pixels[s->nv]);
}

static void steps(TileBuild *t, VirAddr x, VirAddr w, int64_t elements) {
  const DensePack *s = t->s;
  VirBuilder *b = t->b;
  (void)elements; /* the weights of others are 0 */
  vir_scope(b, NULL);
  vir_opaque(b, t->w.base);
  const VirVar *value[MAX_MR];
  char name[32];
  for (int m = 0; m < t->mr; m++) {
    snprintf(name, sizeof name, "x%d", m);
    VirAddr at = vir_offset(x, m * s->d->x_step[DENSE_PIXELS - 1]);
    value[m] = vir_let(b, name, s->cg->target->broadcast, VIR_ARGS(vir_at(at)));
  }
  for (int n = 0; n < t->nv; n++) {
    VirAddr at = vir_offset(w, n * s->vector);
    const VirVar *weight = VIR_LET(b, "w", load_q, vir_at(at));
    const VirVar *flip = VIR_LET(b, "flip", load_q, vir_at(vir_offset(at, s->vector / 2)));
    for (int m = 0; m < t->mr; m++) {
      const VirVar *flipped = VIR_LET(b, "x", xor_q, vir_v(value[m]), vir_v(flip));
      vir_set(b, t->acc[m][n], s->cg->target->dot,
              VIR_ARGS(vir_v(t->acc[m][n]), vir_v(flipped), vir_v(weight)));
    }
  }
  vir_end(b);
}

const TileKernel tile_flips = {.step = 4,
                               .chunk = 1,
                               .unroll = 4,
                               .products = 2,
                               .weights = 2,
                               .shape = shape,
                               .start = broadcast_start,
                               .steps = steps};
