#include "codegen/dense_pack.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/dense_plan.h"
#include "codegen/names.h"
#include "codegen/requant.h"
#include "codegen/tile_build.h"
#include "codegen/tile_row.h"
#include "codegen/widen.h"

int32_t dense_weight(const DensePack *s, int64_t c, Run r, int64_t i) {
  if (i >= s->d->length) return 0;
  int32_t w = s->lc.weights[s->d->weight_index(s->d, r.phase, c, r.run, i)];
  if (s->planes == 1) return w;
  for (int64_t p = 0;; p++) {
    int32_t part = w > 127 ? 127 : w < -127 ? -127 : w;
    if (p == r.plane) return part;
    w -= part;
  }
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
  if (t->dot_pair_sum && s->form == FORM_FAST) s->form = FORM_PLAN; /* or FORM_FLIP, as the plans come out */
}

int64_t dense_vector_weights(const DensePack *s) {
  return (s->form == FORM_PLAN ? plan_vectors(s) : s->k_steps) * s->vector;
}

int32_t dense_pair_limit(const DensePack *s) {
  return s->cg->target->dot_pair_sum / (s->x_most ? s->x_most : 255);
}

int64_t dense_vectors(const DensePack *s) { return (s->d->oc + s->lanes - 1) / s->lanes; }

int64_t dense_channel(const DensePack *s, int64_t v, int64_t l) {
  if (s->result != RESULT_REQUANT || s->y_elem == DT_F32) return v * s->lanes + l;
  int64_t first = v / s->nv * s->nv, left = dense_vectors(s) - first;
  return first * s->lanes + requant_channel(s->lanes, left < s->nv ? (int)left : s->nv, v - first, l);
}

/* Where byte j of lane l lies in a vector of weights. */
static int64_t weight_byte(const DensePack *s, int64_t l, int64_t j) {
  if (s->kernel == &tile_broadcast && s->cg->target->pair_major) return j / 2 * 2 * s->lanes + l * 2 + j % 2;
  return l * s->step + j;
}

/* FORM_FLIP: the second weight of each pair of one sign that could leave 16 bits gets the other sign and a
 * mask: w * x = 255 * w + -w * (255 - x). */
static void flip_pairs(const DensePack *s, int8_t *weights, int8_t *masks, int32_t *bias) {
  int32_t limit = dense_pair_limit(s);
  for (int64_t j = 1; j < s->step; j += 2) {
    if (abs(weights[j - 1] + weights[j]) <= limit) continue;
    *bias = (int32_t)((uint32_t)*bias + 255u * (uint32_t)weights[j]);
    weights[j] = (int8_t)-weights[j];
    masks[j] = -1;
  }
}

/* One vector of 8-bit weights. `bias`: [channel], flipped weights add to it. */
static void pack_vector(const DensePack *s, int8_t *out, int32_t *bias, int64_t group, int64_t v, Run r,
                        int64_t k) {
  for (int64_t l = 0; l < s->lanes; l++) {
    int64_t in_group = dense_channel(s, v, l), c = group * s->d->oc + in_group;
    if (in_group >= s->d->oc) continue;
    for (int64_t j = 0; j < s->step; j++)
      out[weight_byte(s, l, j)] = (int8_t)dense_weight(s, c, r, k * s->step + j);
    if (s->form == FORM_FLIP) flip_pairs(s, out + l * s->step, out + s->vector / 2 + l * s->step, &bias[c]);
  }
}

/* One k-step: the vectors [v0, end) of a group. */
static void pack_step(const DensePack *s, void *out, int32_t *bias, int64_t group, int64_t v0, int64_t end,
                      Run r, int64_t k) {
  const Dense *d = s->d;
  for (int64_t v = v0; v < end; v++) {
    int64_t c0 = v * s->lanes, at = (v - v0) * s->vector;
    if (s->quantized) {
      pack_vector(s, (int8_t *)out + at, bias, group, v, r, k);
      continue;
    }
    for (int64_t l = 0; l < s->lanes && c0 + l < d->oc; l++)
      widen_pack(d->weight, d->weight_index(d, r.phase, group * d->oc + c0 + l, r.run, k), out, at + l);
  }
}

/* Weights [phase][group][panel][plane][run][k-step][vector]: panels of nv vectors, the last one may have
 * fewer. */
static void pack_weights(DensePack *s, int32_t *bias) {
  const Dense *d = s->d;
  int64_t vectors = dense_vectors(s), total = d->phases * d->groups * vectors * s->k_steps * s->vector;
  if (!total) total = s->vector; /* nothing is read */
  size_t size = (size_t)dtype_info[s->w_elem].bytes;
  char *packed = arena_array(s->cg->kernel_arena, (size_t)total, size), *at = packed;
  Run r;
  for (r.phase = 0; r.phase < d->phases; r.phase++)
    for (int64_t g = 0; g < d->groups; g++)
      for (int64_t v0 = 0; v0 < vectors; v0 += s->nv)
        for (r.plane = 0; r.plane < s->planes; r.plane++)
          for (r.run = 0; r.run < dense_runs(d); r.run++)
            for (int64_t k = 0; k < s->groups_per_run; k++) {
              int64_t end = v0 + s->nv < vectors ? v0 + s->nv : vectors;
              pack_step(s, at, bias ? bias + r.phase * s->lc.channels : NULL, g, v0, end, r, k);
              at += (size_t)((end - v0) * s->vector) * size;
            }
  StrBuf comment;
  strbuf_init(&comment, s->cg->arena);
  strbuf_printf(&comment, "weights of '%s', packed ", cg_title(s->cg, d->node));
  if (d->phases > 1) strbuf_printf(&comment, "[%lld phases]", (long long)d->phases);
  strbuf_printf(&comment, "[%lld group%s][%lld vectors in panels of %d][%lld k-steps]%s",
                (long long)d->groups, d->groups == 1 ? "" : "s", (long long)vectors, s->nv,
                (long long)s->k_steps, s->form == FORM_FLIP ? ", each followed by its sign-flip mask" : "");
  s->weights =
      vir_constant(s->cg->module, cg_name(s->cg, d->node, "weights"), s->w_elem, total, packed, comment.text);
}

/* Per-channel constants of `phases`, each group padded to whole vectors. */
static const VirBase *pack_channels(DensePack *s, const char *what, DType elem, int64_t phases,
                                    const void *values) {
  const Dense *d = s->d;
  int64_t padded = dense_vectors(s) * s->lanes, groups = phases * d->groups;
  uint32_t *out = ARENA_NEW_ARRAY(s->cg->kernel_arena, uint32_t, (size_t)(groups * padded));
  for (int64_t g = 0; g < groups; g++)
    for (int64_t i = 0; i < padded; i++) {
      int64_t c = dense_channel(s, i / s->lanes, i % s->lanes);
      if (c < d->oc) out[g * padded + i] = ((const uint32_t *)values)[g * d->oc + c];
    }
  return vir_constant(s->cg->module, cg_name(s->cg, d->node, what), elem, groups * padded, out, NULL);
}

/* The same for every phase. */
static const float *float_bias(const DensePack *s) {
  const Dense *d = s->d;
  int64_t n = d->groups * d->oc;
  float *bias = ARENA_NEW_ARRAY(s->cg->kernel_arena, float, (size_t)n);
  for (int64_t c = 0; c < n; c++)
    bias[c] = (d->bias ? ((const float *)d->bias->data)[c] : 0.0f) + 0.0f; /* no -0 */
  return bias;
}

/* What 8-bit weights are widened by. */
static void pack_widening(DensePack *s) {
  const Dense *d = s->d;
  int64_t n = d->groups * d->oc;
  float *scale = ARENA_NEW_ARRAY(s->cg->kernel_arena, float, (size_t)n);
  float *zero = ARENA_NEW_ARRAY(s->cg->kernel_arena, float, (size_t)n);
  for (int64_t c = 0; c < n; c++) {
    scale[c] = widen_scale(d->weight, c);
    zero[c] = widen_zero(d->weight, c);
  }
  s->multiplier = pack_channels(s, "scales", DT_F32, 1, scale);
  if (widen_has_zeros(d->weight)) s->zeros = pack_channels(s, "zeros", DT_F32, 1, zero);
}

/* [phase][channel]: sums wrap around, here as in the kernel. */
static int32_t *integer_bias(const DensePack *s) {
  const Dense *d = s->d;
  int32_t *bias = ARENA_NEW_ARRAY(s->cg->kernel_arena, int32_t, (size_t)(d->phases * s->lc.channels));
  for (int64_t p = 0; p < d->phases; p++)
    for (int64_t c = 0; c < s->lc.channels; c++)
      bias[p * s->lc.channels + c] =
          (int32_t)(uint32_t)(uint64_t)linear_bias(&s->lc, c, dense_sum(d, &s->lc, p, c));
  return bias;
}

void dense_run_time(DensePack *s, int64_t channels, int64_t k, const int32_t *weights, const float *scale) {
  Arena *a = s->cg->kernel_arena;
  s->quantized = true;
  s->result = scale ? RESULT_SCALED : RESULT_SUM;
  s->lc = (LinearConstants){.channels = channels, .k = k};
  s->lc.weights = arena_memdup(a, weights, sizeof *weights * (size_t)(channels * k));
  if (scale) s->lc.multiplier = arena_memdup(a, scale, sizeof *scale * (size_t)channels);
}

static void pack_run_time(DensePack *s, const int32_t *flips) {
  const Dense *d = s->d;
  int32_t *sums = ARENA_NEW_ARRAY(s->cg->kernel_arena, int32_t, (size_t)s->lc.channels);
  for (int64_t c = 0; c < s->lc.channels; c++) sums[c] = (int32_t)dense_sum(d, &s->lc, 0, c);
  s->start.channels = d->groups * dense_vectors(s) * s->lanes;
  s->start.sums = pack_channels(s, "sums", DT_S32, 1, sums);
  if (s->form == FORM_PLAN || s->form == FORM_FLIP)
    s->start.flips = pack_channels(s, "flips", DT_S32, 1, flips);
  if (s->result == RESULT_SUM) return;
  s->start.scales = pack_channels(s, "scales", DT_F32, 1, s->lc.multiplier);
  if (d->bias) s->addend = pack_channels(s, "bias", DT_F32, 1, d->bias->data);
}

/* Pixels of a tile that goes by a plan: each kind of group has lines for all of them. */
enum { PLAN_PIXELS = 12 };

/* Registers that a step takes besides sums and weights: the operand; what products go through before they are
 * added; the weights of a group. */
static const int registers_beside[] = {[FORM_FAST] = 1, [FORM_PLAN] = 7, [FORM_WIDE] = 5};

/* The tile, and the k-steps. */
static void choose_shape(DensePack *s) {
  const Target *target = s->cg->target;
  const Dense *d = s->d;
  s->lanes = target->lanes;
  s->kernel = s->quantized ? tile_kernel(s) : &tile_broadcast;
  s->step = s->quantized ? s->kernel->step : 1;
  s->groups_per_run = (d->length + s->step - 1) / s->step;
  s->k_steps = s->planes * dense_runs(d) * s->groups_per_run;
  s->vector = s->lanes * s->step * (s->form == FORM_FLIP ? 2 : 1);
  int64_t pixels = d->count[DENSE_PIXELS - 1];
  if (s->kernel->shape) {
    s->kernel->shape(s);
    return;
  }
  if (s->quantized && target->dot_cost && pixels > 0 && dense_vectors(s) > 0) {
    TileLayer layer = {.pixels = pixels,
                       .vectors = dense_vectors(s),
                       .k_steps = dense_runs(d) * s->groups_per_run,
                       .product_cost = target->dot_cost,
                       .others = registers_beside[s->form],
                       .vector_bytes = s->vector,
                       .most_pixels = s->form == FORM_PLAN ? PLAN_PIXELS : MOST_TILE_PIXELS,
                       .most_vectors = s->form == FORM_PLAN ? 1 : MOST_TILE_VECTORS};
    TileShape tile = choose_tile(target, &layer);
    s->mr = tile.pixels;
    s->nv = tile.vectors;
    return;
  }
  s->mr = tile_pixels(pixels, s->quantized ? target->conv_mr : target->float_mr);
  s->nv = s->quantized ? target->conv_nv : target->float_nv;
  if (pixels == 1) s->nv = s->nv * 2 > 4 ? 4 : s->nv * 2; /* more channels keep the adders busy */
  if (s->nv > dense_vectors(s)) s->nv = (int)dense_vectors(s);
}

void dense_shape(DensePack *s) {
  s->planes = 1;
  if (s->quantized) choose_form(s);
  choose_shape(s);
}

/* The form, the tile, and the plans of FORM_PLAN, which is left where they give little. */
static const DensePlans *choose_plans(DensePack *s) {
  static const double little = 0.95;
  dense_shape(s);
  if (s->form != FORM_PLAN) return NULL;
  const DensePlans *plans = dense_plans(s);
  if (plan_cost(s) <= little) return plans;
  bool masks = false;
  for (int kind = 0; kind < PLAN_KINDS; kind++) masks |= plan_kind[kind].masks && s->plan_groups[kind];
  s->form = masks ? FORM_FLIP : FORM_FAST;
  choose_shape(s);
  return NULL;
}

void dense_pack(DensePack *s) {
  const Dense *d = s->d;
  const DensePlans *plans = choose_plans(s);
  s->unclamped = s->result == RESULT_REQUANT && linear_results_fit(&s->lc);
  s->w_elem = s->quantized ? DT_S8 : widen_elem(d->weight);
  bool run_time = s->result == RESULT_SCALED || s->result == RESULT_SUM;
  int32_t *bias = run_time       ? ARENA_NEW_ARRAY(s->cg->kernel_arena, int32_t, (size_t)s->lc.channels)
                  : s->quantized ? integer_bias(s)
                                 : NULL;
  if (s->form == FORM_PLAN) {
    plan_weights(s, plans, bias); /* before the bias: flipped weights add to it */
  } else {
    pack_weights(s, bias);
  }
  if (run_time) {
    pack_run_time(s, bias);
  } else if (s->quantized) {
    s->bias = pack_channels(s, "bias", DT_S32, d->phases, bias);
    s->multiplier = pack_channels(s, "m", DT_F32, 1, s->lc.multiplier);
  } else {
    s->bias = pack_channels(s, "bias", DT_F32, 1, float_bias(s));
    if (s->w_elem == DT_S8) pack_widening(s);
  }
}
