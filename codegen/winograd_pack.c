#include <string.h>

#include "codegen/winograd_product.h"

/* The weight of a channel's window after G w G^T, with the rows of the paper's G times 24, -6, -6, 24, 24 and
 * 6: integers. */
static void transform(const int32_t w[3][3], int32_t out[WINOGRAD_POINTS]) {
  static const int g[WINOGRAD_TILE][3] = {{6, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 6}};
  for (int i = 0; i < WINOGRAD_TILE; i++)
    for (int j = 0; j < WINOGRAD_TILE; j++) {
      int32_t sum = 0;
      for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) sum += g[i][r] * w[r][c] * g[j][c];
      out[i * WINOGRAD_TILE + j] = sum;
    }
}

/* Vectors of the panel of vector v. */
static int panel_vectors(const Winograd *s, int64_t v) {
  int64_t left = winograd_vectors(s) - v / s->nv * s->nv;
  return left < s->nv ? (int)left : s->nv;
}

/* Input channel i of the weights of lane l of vector v. */
static void put_window(const Winograd *s, int8_t *out, int64_t v, int64_t l, int64_t i) {
  int64_t c = v * s->lanes + l, first = v / s->nv * s->nv, step = s->kernel->step;
  int64_t steps = (s->ic + step - 1) / step;
  int32_t w[3][3], u[WINOGRAD_POINTS];
  int n = panel_vectors(s, v);
  if (c >= s->oc) return;
  memcpy(w, s->lc.weights + (c * s->ic + i) * 9, sizeof w);
  transform(w, u);
  int8_t *panel = out + first * winograd_weights(s);
  for (int p = 0; p < WINOGRAD_POINTS; p++) {
    int64_t at = 2 * ((((p * steps + i / step) * n + v - first) * s->lanes + l) * step + i % step);
    panel[at] = (int8_t)(uint8_t)((uint32_t)u[p] & 255);
    panel[at + 1] = (int8_t)(uint8_t)((uint32_t)u[p] >> 8 & 255);
  }
}

static void pack_weights(Winograd *s) {
  int64_t bytes = winograd_vectors(s) * winograd_weights(s);
  int8_t *out = arena_alloc(s->cg->kernel_arena, (size_t)bytes);
  for (int64_t v = 0; v < winograd_vectors(s); v++)
    for (int64_t l = 0; l < s->lanes; l++)
      for (int64_t i = 0; i < s->ic; i++) put_window(s, out, v, l, i);
  s->weights = vir_constant(
      s->cg->module, cg_name(s->cg, s->node, "weights"), DT_S8, bytes, out,
      arena_printf(s->cg->arena,
                   "weights of '%s', transformed for 4x4 results, int16 (low byte first) [%lld vectors in "
                   "panels of %d][%d points][%lld channels by %d]",
                   cg_title(s->cg, s->node), (long long)winograd_vectors(s), s->nv, WINOGRAD_POINTS,
                   (long long)s->ic, s->kernel->step));
}

static int64_t sum_of_weights(const Winograd *s, int64_t c) {
  int64_t sum = 0;
  for (int64_t i = 0; i < s->ic * 9; i++) sum += s->lc.weights[c * s->ic * 9 + i];
  return sum;
}

static void pack_channels(Winograd *s) {
  int64_t n = winograd_vectors(s) * s->lanes;
  int32_t *bias = ARENA_NEW_ARRAY(s->cg->kernel_arena, int32_t, (size_t)n);
  float *m = ARENA_NEW_ARRAY(s->cg->kernel_arena, float, (size_t)n);
  for (int64_t c = 0; c < s->oc; c++) {
    bias[c] = (int32_t)(WINOGRAD_BIAS * (uint32_t)(uint64_t)linear_bias(&s->lc, c, sum_of_weights(s, c)));
    m[c] = 0.25f * s->lc.multiplier[c];
  }
  s->bias = vir_constant(s->cg->module, cg_name(s->cg, s->node, "bias"), DT_S32, n, bias, NULL);
  s->multiplier = vir_constant(s->cg->module, cg_name(s->cg, s->node, "m"), DT_F32, n, m, NULL);
}

void winograd_pack(Winograd *s) {
  linear_constants(s->cg, s->node, &s->lc);
  s->unclamped = linear_results_fit(&s->lc);
  pack_weights(s);
  pack_channels(s);
}
