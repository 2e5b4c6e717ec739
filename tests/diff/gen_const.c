/* Constants: weights, biases and the operands of arithmetic, with the values that have broken kernels. */
#include "tests/diff/gen_state.h"

#include "ir/half.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

#include <math.h>

static Tensor *constant(Gen *g, const char *name, Type t, const void *data) {
  return graph_constant(g->graph, name, t, data, (SrcLoc){0});
}

Tensor *gen_float_constant(Gen *g, const char *name, Shape shape, double amp, double mean) {
  int64_t n = shape_count(&shape);
  float *v = ARENA_NEW_ARRAY(g->arena, float, (size_t)n);
  for (int64_t i = 0; i < n; i++) v[i] = (float)(rng_normal(&g->rng) * amp + mean);
  return constant(g, name, (Type){DT_F32, shape, NULL}, v);
}

Tensor *gen_operand_constant(Gen *g, Shape shape, double amp, bool away_from_zero) {
  int64_t n = shape_count(&shape);
  if (g->form == GEN_FLOAT) {
    float *v = ARENA_NEW_ARRAY(g->arena, float, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
      double x = rng_normal(&g->rng) / 2;
      if (away_from_zero) x = x < 0 ? x - 0.5 : x + 0.5;
      v[i] = (float)(x * amp);
    }
    return constant(g, "c", (Type){DT_F32, shape, NULL}, v);
  }
  Type t = gen_quantized_type(g, shape, amp);
  uint8_t *q = arena_alloc(g->arena, (size_t)n);
  gen_data(&g->rng, &t, rng_chance(&g->rng, 85) ? DATA_TYPICAL : DATA_EXTREME, q);
  return constant(g, "c", t, q);
}

/* ---- weights ---- */

typedef enum { W_NORMAL, W_UNIFORM, W_ENDS, W_SAME, W_ZERO, W_ONE_LARGE, W_STYLES } WeightStyle;

static WeightStyle weight_style(Rng *r) {
  static const WeightStyle usual[] = {W_NORMAL, W_NORMAL, W_NORMAL, W_UNIFORM, W_UNIFORM, W_ENDS, W_SAME};
  return rng_chance(r, 8) ? W_ZERO : rng_chance(r, 5) ? W_ONE_LARGE : RNG_PICK(r, usual);
}

/* One weight in [-1, 1]; `same` is the channel's constant, i the index in the channel. */
static double unit_weight(Rng *r, WeightStyle style, double same, int64_t i) {
  switch (style) {
  case W_NORMAL:
    return fmax(-1, fmin(1, rng_normal(r) / 3));
  case W_UNIFORM:
    return rng_unit(r) * 2 - 1;
  case W_ENDS:
    return rng_chance(r, 50) ? 1 : -1;
  case W_SAME:
    return same;
  case W_ONE_LARGE:
    return i == 0 ? 1 : rng_normal(r) / 60;
  default:
    return 0;
  }
}

/* Input channels that no output channel reads, and output channels that read none. */
static void plant_zeros(Gen *g, const Shape *s, double *w) {
  int64_t columns = s->dim[1], taps = shape_count(s) / s->dim[0] / columns;
  bool *zero = ARENA_NEW_ARRAY(g->arena, bool, (size_t)columns);
  for (int64_t i = 0; i < columns; i++) zero[i] = columns > 1 && rng_chance(&g->rng, 35);
  for (int64_t row = 0; row < s->dim[0]; row++) {
    bool all = rng_chance(&g->rng, 15);
    for (int64_t i = 0; i < columns * taps; i++)
      if (all || zero[i / taps]) w[row * columns * taps + i] = 0;
  }
}

/* Most weights have one style throughout; the rest change it from channel to channel. */
static double *unit_weights(Gen *g, const Shape *s) {
  int64_t n = shape_count(s), per_channel = n / s->dim[0];
  double *w = ARENA_NEW_ARRAY(g->arena, double, (size_t)n);
  bool mixed = rng_chance(&g->rng, 50);
  WeightStyle style = weight_style(&g->rng);
  for (int64_t c = 0; c < s->dim[0]; c++) {
    if (mixed) style = weight_style(&g->rng);
    double same = rng_chance(&g->rng, 40) ? (rng_chance(&g->rng, 50) ? 1 : -1) : rng_unit(&g->rng) * 2 - 1;
    for (int64_t i = 0; i < per_channel; i++) w[c * per_channel + i] = unit_weight(&g->rng, style, same, i);
  }
  if (g->planted) plant_zeros(g, s, w);
  return w;
}

static Tensor *quantized_weight(Gen *g, Shape s, const double *unit, double size) {
  Rng *r = &g->rng;
  int64_t n = shape_count(&s), channels = s.dim[0], per_channel = n / channels;
  DType dtype = rng_chance(r, 4) ? DT_U8 : DT_S8;
  bool per_tensor = dtype == DT_U8 || rng_chance(r, 30);
  int64_t count = per_tensor ? 1 : channels;
  bool to_minus_128 = rng_chance(r, 25);
  float *scale = ARENA_NEW_ARRAY(g->arena, float, (size_t)count);
  int32_t *zero = ARENA_NEW_ARRAY(g->arena, int32_t, (size_t)count);
  bool zeros = dtype == DT_U8 || rng_chance(r, 12);
  for (int64_t i = 0; i < count; i++) {
    scale[i] = (float)(size / 127 * (per_tensor ? 1 : rng_scale(r, -3, 1)));
    zero[i] = !zeros ? 0 : dtype == DT_U8 ? (int32_t)rng_range(r, 0, 255) : (int32_t)rng_range(r, -128, 127);
  }
  uint8_t *q = arena_alloc(g->arena, (size_t)n);
  int32_t lo = dtype == DT_U8 ? 0 : to_minus_128 ? -128 : -127, hi = dtype == DT_U8 ? 255 : 127;
  for (int64_t i = 0; i < n; i++) {
    int32_t z = zero[per_tensor ? 0 : i / per_channel];
    int64_t v = rne(unit[i] * (to_minus_128 ? 128 : 127)) + z;
    q[i] = (uint8_t)(v < lo ? lo : v > hi ? hi : v);
  }
  Type t = {dtype, s, quant_new(g->arena, per_tensor ? -1 : 0, count, scale, zero)};
  return constant(g, "w", t, q);
}

static double weight_size(Gen *g, const Shape *s, double x, double *amp) {
  double k = (double)(shape_count(s) / s->dim[0]);
  double size = rng_scale(&g->rng, -3, 1) * (g->form == GEN_FLOAT ? 2 / sqrt(k) : 1);
  *amp = x * size * sqrt(k) * 0.4;
  return size;
}

Tensor *gen_small_weight(Gen *g, Shape s, double x, double *amp) {
  double size = weight_size(g, &s, x, amp);
  return quantized_weight(g, s, unit_weights(g, &s), size);
}

/* What weights of float layers may be stored as. */
static Tensor *float_weight(Gen *g, Shape s, const double *unit, double size) {
  int64_t n = shape_count(&s);
  if (rng_chance(&g->rng, 8)) return quantized_weight(g, s, unit, size);
  if (rng_chance(&g->rng, 4)) {
    uint16_t *h = ARENA_NEW_ARRAY(g->arena, uint16_t, (size_t)n);
    for (int64_t i = 0; i < n; i++) h[i] = half_from_float((float)(unit[i] * size));
    return constant(g, "w", (Type){DT_F16, s, NULL}, h);
  }
  float *v = ARENA_NEW_ARRAY(g->arena, float, (size_t)n);
  for (int64_t i = 0; i < n; i++) v[i] = (float)(unit[i] * size);
  return constant(g, "w", (Type){DT_F32, s, NULL}, v);
}

Tensor *gen_weight(Gen *g, const Live *x, Shape s, double *amp) {
  double size = weight_size(g, &s, x->amp, amp);
  const double *unit = unit_weights(g, &s);
  return g->form == GEN_QUANTIZED ? quantized_weight(g, s, unit, size) : float_weight(g, s, unit, size);
}

/* The scale of a bias is s_in * s_w; none where that is no valid scale. */
static const Quant *bias_quant(Gen *g, const Live *x, const Quant *w) {
  float *scale = ARENA_NEW_ARRAY(g->arena, float, (size_t)w->count);
  int32_t *zero = ARENA_NEW_ARRAY(g->arena, int32_t, (size_t)w->count);
  for (int64_t i = 0; i < w->count; i++) {
    scale[i] = tensor_scale(x->tensor) * w->scale[i];
    if (!scale_is_valid(scale[i])) return NULL;
  }
  return quant_new(g->arena, w->axis, w->count, scale, zero);
}

/* How far the products of channel c can move its sum, whatever the activations are. */
static int64_t channel_reach(const Tensor *weight, int64_t c) {
  const Quant *q = weight->type.quant;
  int64_t n = shape_count(&weight->type.shape) / weight->type.shape.dim[0], reach = 0;
  int32_t zero = q->zero[q->axis < 0 ? 0 : c];
  for (int64_t i = 0; i < n; i++) {
    uint8_t byte = ((const uint8_t *)weight->data)[c * n + i];
    int64_t w = weight->type.dtype == DT_S8 ? (int8_t)byte : byte;
    reach += 255 * (w < zero ? zero - w : w - zero);
  }
  return reach;
}

/* Some channels are their bias, or the end of the range that it leads to. */
static bool is_planted(Gen *g) { return g->planted && rng_chance(&g->rng, 25); }

static Tensor *float_bias(Gen *g, Shape s, double amp) {
  double size = rng_chance(&g->rng, 90) ? amp / 2 : amp * 50;
  float *v = ARENA_NEW_ARRAY(g->arena, float, (size_t)s.dim[0]);
  for (int64_t i = 0; i < s.dim[0]; i++)
    v[i] = (float)(is_planted(g) ? -amp * 60 : rng_normal(&g->rng) * size);
  return constant(g, "b", (Type){DT_F32, s, NULL}, v);
}

Tensor *gen_bias(Gen *g, const Live *x, const Tensor *weight, double amp) {
  Shape s = {1, {weight->type.shape.dim[0]}};
  if (g->form == GEN_FLOAT) return float_bias(g, s, amp);
  const Quant *w = weight->type.quant;
  int32_t *b = ARENA_NEW_ARRAY(g->arena, int32_t, (size_t)s.dim[0]);
  bool extreme = rng_chance(&g->rng, 6), too_much = rng_chance(&g->rng, 1);
  for (int64_t i = 0; i < s.dim[0]; i++) {
    double real = rng_normal(&g->rng) * amp / 2;
    double v = real / ((double)tensor_scale(x->tensor) * (double)w->scale[w->axis < 0 ? 0 : i]);
    double most =
        2147483647.0 - (too_much ? 0 : (double)channel_reach(weight, i)); /* sums just fit 32 bits */
    if (extreme || too_much || is_planted(g)) v = rng_chance(&g->rng, 50) ? most : -most;
    b[i] = (int32_t)fmax(-most, fmin(most, rint(v)));
  }
  return constant(g, "b", (Type){DT_S32, s, bias_quant(g, x, w)}, b);
}
