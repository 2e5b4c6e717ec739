#include "codegen/dense_pack.h"

#include <string.h>

#include "codegen/names.h"

static int64_t runs_of(const Dense *d) { return d->runs[0] * d->runs[1]; }

/* Weight of channel c at element i of a run as one plane of at most 127: the planes of w sum to w. */
static int32_t plane_weight(const DensePack *s, int64_t c, int64_t plane, int64_t run, int64_t i) {
  if (i >= s->d->length) return 0;
  int32_t w = s->lc.weights[s->d->weight_index(s->d, c, run, i)];
  if (s->planes == 1) return w;
  for (int64_t p = 0;; p++) {
    int32_t part = w > 127 ? 127 : w < -127 ? -127 : w;
    if (p == plane) return part;
    w -= part;
  }
}

static bool pair_is_safe(const DensePack *s, int32_t w0, int32_t w1) {
  int64_t positive = (w0 > 0 ? w0 : 0) + (w1 > 0 ? w1 : 0), negative = (w0 < 0 ? w0 : 0) + (w1 < 0 ? w1 : 0);
  return positive * 255 <= s->cg->target->dot_pair_sum && -negative * 255 <= s->cg->target->dot_pair_sum + 1;
}

static void choose_form(DensePack *s) {
  const Target *t = s->cg->target;
  int32_t least = 0, most = 0;
  int64_t n = s->lc.channels * s->lc.k;
  for (int64_t i = 0; i < n; i++) {
    if (s->lc.weights[i] < least) least = s->lc.weights[i];
    if (s->lc.weights[i] > most) most = s->lc.weights[i];
  }
  int32_t size = most > -least ? most : -least;
  s->planes = most <= 127 && least >= -128 ? 1 : (size + 126) / 127;
  s->form = s->planes == 1 && least < t->weight_min ? FORM_WIDE : FORM_FAST;
  if (!t->dot_pair_sum || s->form == FORM_WIDE) return;
  const Dense *d = s->d;
  for (int64_t c = 0; c < s->lc.channels; c++)
    for (int64_t p = 0; p < s->planes; p++)
      for (int64_t r = 0; r < runs_of(d); r++)
        for (int64_t i = 0; i < d->length; i += 2)
          if (!pair_is_safe(s, plane_weight(s, c, p, r, i), plane_weight(s, c, p, r, i + 1))) {
            s->form = t->sign_flip ? FORM_FLIP : FORM_WIDE;
            return;
          }
}

/* Where byte j of lane l lies in a vector of weights. */
static int64_t weight_byte(const DensePack *s, int64_t l, int64_t j) {
  return s->cg->target->pair_major ? j / 2 * 2 * s->lanes + l * 2 + j % 2 : l * 4 + j;
}

/* One vector of 8-bit weights, and its mask where the form is FLIP; returns the flipped weights' share of the
 * bias. */
static void pack_vector(const DensePack *s, int8_t *out, int32_t *bias, int64_t c0, int64_t c_end,
                        int64_t plane, int64_t run, int64_t g) {
  int8_t *mask = out + s->vector;
  for (int64_t l = 0; l < s->lanes && c0 + l < c_end; l++)
    for (int64_t j = 0; j < 4; j += 2) {
      int32_t w0 = plane_weight(s, c0 + l, plane, run, g * 4 + j),
              w1 = plane_weight(s, c0 + l, plane, run, g * 4 + j + 1);
      out[weight_byte(s, l, j)] = (int8_t)w0;
      out[weight_byte(s, l, j + 1)] = (int8_t)w1;
      if (s->form != FORM_FLIP || pair_is_safe(s, w0, w1)) continue;
      out[weight_byte(s, l, j + 1)] = (int8_t)-w1; /* w1 * x = 255 * w1 + -w1 * (255 - x) */
      mask[weight_byte(s, l, j + 1)] = -1;
      bias[c0 + l] = (int32_t)((uint32_t)bias[c0 + l] + 255u * (uint32_t)w1);
    }
}

int64_t dense_vectors(const DensePack *s) { return (s->d->oc + s->lanes - 1) / s->lanes; }

/* Weights [group][panel][plane][run][k-step][vector]: panels of nv vectors, the last one may have fewer. */
static void pack_weights(DensePack *s) {
  const Dense *d = s->d;
  int64_t vectors = dense_vectors(s), total = d->groups * vectors * s->k_steps * s->stored;
  int8_t *w8 = s->quantized ? ARENA_NEW_ARRAY(s->cg->arena, int8_t, (size_t)total) : NULL;
  float *wf = s->quantized ? NULL : ARENA_NEW_ARRAY(s->cg->arena, float, (size_t)total);
  const float *source = d->weight->data;
  int64_t at = 0;
  for (int64_t g = 0; g < d->groups; g++)
    for (int64_t v0 = 0; v0 < vectors; v0 += s->nv)
      for (int64_t p = 0; p < s->planes; p++)
        for (int64_t r = 0; r < runs_of(d); r++)
          for (int64_t k = 0; k < s->groups_per_run; k++)
            for (int64_t v = v0; v < v0 + s->nv && v < vectors; v++, at += s->stored) {
              int64_t c0 = g * d->oc + v * s->lanes, c_end = (g + 1) * d->oc;
              if (s->quantized) {
                pack_vector(s, w8 + at, s->lc.bias, c0, c_end, p, r, k);
              } else {
                for (int64_t l = 0; l < s->lanes && c0 + l < c_end; l++)
                  wf[at + l] = source[d->weight_index(d, c0 + l, r, k)];
              }
            }
  const char *comment = arena_printf(
      s->cg->arena, "weights of '%s', packed [%lld group%s][%lld vectors in panels of %d][%lld k-steps]%s",
      cg_title(s->cg, d->node), (long long)d->groups, d->groups == 1 ? "" : "s", (long long)vectors, s->nv,
      (long long)s->k_steps, s->form == FORM_FLIP ? ", each vector followed by its sign-flip mask" : "");
  s->weights = vir_constant(s->cg->module, cg_name(s->cg, d->node, "weights"), s->quantized ? DT_S8 : DT_F32,
                            total, s->quantized ? (const void *)w8 : wf, comment);
}

/* Per-channel constants, each group padded to whole vectors. */
static const VirBase *pack_channels(DensePack *s, const char *what, DType elem, const void *values) {
  const Dense *d = s->d;
  int64_t padded = dense_vectors(s) * s->lanes;
  uint32_t *out = ARENA_NEW_ARRAY(s->cg->arena, uint32_t, (size_t)(d->groups * padded));
  for (int64_t g = 0; g < d->groups; g++)
    memcpy(out + g * padded, (const uint32_t *)values + g * d->oc, sizeof *out * (size_t)d->oc);
  return vir_constant(s->cg->module, cg_name(s->cg, d->node, what), elem, d->groups * padded, out, NULL);
}

static void pack_float_bias(DensePack *s) {
  const Dense *d = s->d;
  int64_t n = d->groups * d->oc;
  float *bias = ARENA_NEW_ARRAY(s->cg->arena, float, (size_t)n);
  for (int64_t c = 0; c < n; c++)
    bias[c] = (d->bias ? ((const float *)d->bias->data)[c] : 0.0f) + 0.0f; /* no -0 */
  s->bias = pack_channels(s, "bias", DT_F32, bias);
}

void dense_pack(DensePack *s) {
  if (s->quantized) choose_form(s);
  s->k_steps = s->planes * runs_of(s->d) * s->groups_per_run;
  s->vector = s->lanes * s->step;
  s->stored = s->form == FORM_FLIP ? 2 * s->vector : s->vector;
  pack_weights(s); /* before the bias: flipped weights add to it */
  if (s->quantized) {
    s->bias = pack_channels(s, "bias", DT_S32, s->lc.bias);
    s->multiplier = pack_channels(s, "m", DT_F32, s->lc.multiplier);
  } else {
    pack_float_bias(s);
  }
}
