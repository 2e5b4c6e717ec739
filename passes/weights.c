#include "passes/weights.h"

#include <math.h>
#include <stdlib.h>

#include "ir/quant.h"
#include "passes/constant.h"
#include "passes/layers.h"

/* One output channel. */
typedef struct {
  const float *w;
  int64_t n;
  float bias;
  float s_in, s_out; /* s_out: 1 of a float result */
  float step;        /* that a bias should have at most */
  int64_t x_max;     /* the greatest |x - z| */
  bool narrow;       /* sums must stay within s32 */
} Channel;

static bool is_narrow(const QuantSpec *q) {
  return q->dtype == DT_S8 && q->symmetric && q->quant_min >= -127 && q->quant_max <= 127;
}

/* Quantizes the channel; false where its bias or its sums could leave s32, or its multiplier is no normal
 * number. */
static bool fits(const Channel *c, float s, int32_t zero, int8_t *q, int32_t *bias) {
  float m;
  if (!scale_is_valid(s) || !requant_multiplier(c->s_in, s, c->s_out, &m)) return false;
  if (!quantize_bias(c->bias, c->s_in, s, bias)) return false;
  int64_t sum = llabs((long long)*bias);
  int32_t qmin = c->narrow ? -127 : -128;
  for (int64_t i = 0; i < c->n; i++) {
    int32_t v = quantize_value(c->w[i], s, zero, qmin, 127);
    q[i] = (int8_t)v;
    sum += (int64_t)abs(v - zero) * c->x_max;
  }
  return !c->narrow || sum <= INT32_MAX;
}

/* A channel without weights is its bias: 1 where that is 0 too, else fine enough for the bias to be exact to
 * 1/512 of an output quantum, or to the 2^-20 part of itself. */
static float scale_of_zeros(const Channel *c) {
  float s = 1;
  if (c->bias == 0) return s;
  while (c->s_in * s > c->step && s > 1e-30f) s /= 2;
  return s;
}

static bool is_zero(const Channel *c) {
  for (int64_t i = 0; i < c->n; i++)
    if (c->w[i] != 0) return false;
  return true;
}

static bool quantize_channel(const Channel *c, float *scale, int32_t zero, int8_t *q, int32_t *bias) {
  float s = *scale;
  if (s == 0) s = is_zero(c) ? scale_of_zeros(c) : 1e-45f;
  for (; isfinite(s); s *= 2) {
    if (!fits(c, s, zero, q, bias)) continue;
    *scale = s;
    return true;
  }
  return false;
}

static bool finite_constants(Diag *d, const Node *layer) {
  static const char *const what[] = {NULL, "weight", "bias"};
  float lo, hi;
  for (int i = 1; i < layer->n_operands; i++) {
    const Tensor *t = layer->operands[i];
    if (t && !finite_range(t->data, shape_count(&t->type.shape), &lo, &hi))
      return diag_error(d, node_loc(layer), "the %s '%s' holds values that are not finite numbers", what[i],
                        t->name);
  }
  return true;
}

/* The scale and zero point of each output channel, by the observer. */
static bool observed(Diag *d, Arena *a, const Node *layer, const ObserverSpec *spec, float *scale,
                     int32_t *zero) {
  const Tensor *w = layer->operands[1];
  ObservedChannels o;
  if (!observe_channels(d, a, spec, w->name, node_loc(layer), w->data, &w->type.shape, &o)) return false;
  int32_t shift = spec->quant.dtype == DT_U8 ? 128 : 0;
  for (int64_t c = 0; c < w->type.shape.dim[0]; c++) {
    scale[c] = o.scale[o.channels == 1 ? 0 : c];
    zero[c] = o.zero[o.channels == 1 ? 0 : c] - shift;
  }
  return true;
}

/* Per tensor where all channels have one scale and zero point, as the spec asked for. */
static const Quant *weight_quant(Arena *a, const QuantSpec *spec, int64_t oc, const float *scale,
                                 const int32_t *zero) {
  bool one = !spec->per_channel;
  for (int64_t c = 1; c < oc; c++) one &= scale[c] == scale[0] && zero[c] == zero[0];
  return one ? quant_per_tensor(a, scale[0], zero[0]) : quant_new(a, 0, oc, scale, zero);
}

bool layer_constants(Diag *d, Arena *a, const Node *layer, const ObserverSpec *spec, const Type *x,
                     const Type *y, LayerConstants *result) {
  const Tensor *w = layer->operands[1], *b = node_operand(layer, 2);
  int64_t oc = w->type.shape.dim[0], count = shape_count(&w->type.shape), per = count / oc;
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)oc);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)oc), *bias = ARENA_NEW_ARRAY(a, int32_t, (size_t)oc);
  int8_t *q = arena_alloc(a, (size_t)count + 1);
  if (!finite_constants(d, layer) || !observed(d, a, layer, spec, scale, zero)) return false;
  int64_t below = x->quant->zero[0] - dtype_info[x->dtype].min,
          above = dtype_info[x->dtype].max - x->quant->zero[0];
  for (int64_t c = 0; c < oc; c++) {
    float b_c = b ? ((const float *)b->data)[c] : 0, s_out = y->quant ? y->quant->scale[0] : 1;
    Channel ch = {.w = (const float *)w->data + c * per,
                  .n = per,
                  .bias = b_c,
                  .s_in = x->quant->scale[0],
                  .s_out = s_out,
                  .step = y->quant ? s_out / 256 : fabsf(b_c) * 0x1p-20f,
                  .x_max = below > above ? below : above,
                  .narrow = is_narrow(&spec->quant)};
    if (quantize_channel(&ch, &scale[c], zero[c], q + c * per, &bias[c])) continue;
    return diag_error(
        d, node_loc(layer),
        "channel %lld of '%s' cannot be quantized: its weights and bias are out of proportion to the "
        "ranges of its operand (scale %g) and result (scale %g)",
        (long long)c, w->name, (double)ch.s_in, (double)ch.s_out);
  }
  const Quant *quant = weight_quant(a, &spec->quant, oc, scale, zero);
  *result = (LayerConstants){{DT_S8, w->type.shape, quant}, q, {0}, NULL};
  if (b) {
    result->bias_type = bias_type(a, x->quant->scale[0], quant, oc);
    result->bias = bias;
  }
  return true;
}
