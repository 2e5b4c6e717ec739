/* Products by pairs of channels, which are added up in 32 bits: vpmaddwd and what is like it. */
#include "codegen/winograd_product.h"

enum { STEP = 2, NV = 2, UNROLL = 4 };

static int panel(const Winograd *s) {
  (void)s;
  return NV;
}

static void pair(WinogradProduct *t, VirAddr v, VirAddr w) {
  const Winograd *s = t->s;
  VirBuilder *b = &t->b;
  vir_scope(b, NULL);
  vir_opaque(b, t->w); /* or gcc would load the weights of many steps at once */
  const VirVar *weight[NV];
  for (int n = 0; n < t->nv; n++) {
    const VirVar *bytes = VIR_LET(b, "w0", load_q, vir_at(vir_offset(w, n * 4 * s->lanes)));
    weight[n] = VIR_LET(b, "w0", words, vir_v(bytes));
  }
  for (int m = 0; m < t->tiles; m++) {
    const VirVar *x = VIR_LET(b, "x0", bcast2, vir_at(vir_offset(v, m * s->channels)));
    for (int n = 0; n < t->nv; n++)
      VIR_SET(b, t->acc[m][n], dot2, vir_v(t->acc[m][n]), vir_v(x), vir_v(weight[n]));
  }
  vir_end(b);
}

static void multiply(WinogradProduct *t, VirAddr v, VirAddr w) {
  int64_t pairs = (t->s->ic + 1) / STEP, each = t->nv * 4 * t->s->lanes, looped = 0;
  if (pairs > 2 * UNROLL) {
    looped = pairs / UNROLL * UNROLL;
    const VirVar *k = vir_loop(&t->b, "k", 0, looped, UNROLL);
    for (int i = 0; i < UNROLL; i++)
      pair(t, vir_offset(vir_plus(v, k, STEP), STEP * i), vir_offset(vir_plus(w, k, each), i * each));
    vir_end(&t->b);
  }
  for (int64_t k = looped; k < pairs; k++) pair(t, vir_offset(v, STEP * k), vir_offset(w, k * each));
}

const WinogradKernel winograd_pairs = {.step = STEP, .vectors = 1, .panel = panel, .multiply = multiply};
