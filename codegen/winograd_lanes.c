/* Products of vectors of weights by single lanes of the operand: smlal by element of NEON. A load of a tile's
 * channels serves eight steps. */
#include <stdio.h>

#include "codegen/winograd_product.h"

enum {
  CHUNK = 8,   /* channels of a load, which has two vectors of weights too */
  VECTORS = 2, /* of such a load */
  FEW = 4,     /* tiles: with more channels there are as many sums */
  LOADS = WINOGRAD_MOST_NV / VECTORS
};

static int panel(const Winograd *s) { return s->rows * s->columns > FEW ? 2 : 4; }

static void load_weights(WinogradProduct *t, VirAddr w, const VirVar **weight) {
  int64_t bytes = 2 * CHUNK;
  for (int i = 0; i < t->nv / VECTORS; i++) {
    const VirVar *q = VIR_LET(&t->b, "w0", load_q, vir_at(vir_offset(w, i * bytes)));
    weight[i] = VIR_LET(&t->b, "w0", words, vir_v(q));
  }
}

static void products(WinogradProduct *t, const VirVar *const *x, const VirVar *const *weight, int lane) {
  static const VirOp op[VECTORS] = {VIR_mla_lo_lane, VIR_mla_hi_lane};
  for (int m = 0; m < t->tiles; m++)
    for (int n = 0; n < t->nv; n++)
      vir_set(&t->b, t->acc[m][n], op[n % VECTORS],
              VIR_ARGS(vir_v(t->acc[m][n]), vir_v(x[m]), vir_v(weight[n / VECTORS]), vir_n(lane)));
}

/* Weights are loaded a step ahead: cores that execute in order would wait for them. There is no
 * fence between steps: with one gcc 12 copies sums around. */
static void chunk(WinogradProduct *t, VirAddr v, VirAddr w, int channels) {
  VirBuilder *b = &t->b;
  const VirVar *x[WINOGRAD_MOST_SUMS], *weight[2][LOADS];
  int64_t each = 2 * t->nv * t->s->lanes;
  char name[32];
  vir_scope(b, NULL);
  load_weights(t, w, weight[0]);
  for (int m = 0; m < t->tiles; m++) {
    snprintf(name, sizeof name, "x%d", m);
    x[m] = VIR_LET(b, name, load_p, vir_at(vir_offset(v, m * t->s->channels)));
  }
  for (int i = 0; i < channels; i++) {
    if (i + 1 < channels) load_weights(t, vir_offset(w, (i + 1) * each), weight[(i + 1) % 2]);
    products(t, x, weight[i % 2], i);
  }
  vir_end(b);
}

static void multiply(WinogradProduct *t, VirAddr v, VirAddr w) {
  int64_t ic = t->s->ic, whole = ic / CHUNK, each = 2 * CHUNK * t->nv * t->s->lanes;
  const VirVar *k = whole > 1 ? vir_loop(&t->b, "k", 0, whole, 1) : NULL;
  if (k) {
    chunk(t, vir_plus(v, k, CHUNK), vir_plus(w, k, each), CHUNK);
    vir_end(&t->b);
  } else if (whole) {
    chunk(t, v, w, CHUNK);
  }
  if (ic % CHUNK) chunk(t, vir_offset(v, whole * CHUNK), vir_offset(w, whole * each), (int)(ic % CHUNK));
}

const WinogradKernel winograd_lanes = {.step = 1, .vectors = VECTORS, .panel = panel, .multiply = multiply};
