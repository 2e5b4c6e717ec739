#include "passes/choose.h"

#include <math.h>
#include <stdlib.h>

#include "ir/quant.h"

enum { W_MAX = 127 };

bool choose_u8(float lo, float hi, float *scale, int32_t *zero) {
  if (lo > 0) lo = 0;
  if (hi < 0) hi = 0;
  float width = hi - lo;
  *scale = isfinite(width) ? width / 255 : hi / 255 - lo / 255;
  if (!scale_is_valid(*scale)) return false;
  int64_t z = rne((double)(-lo / *scale));
  *zero = (int32_t)(z < 0 ? 0 : z > 255 ? 255 : z);
  return true;
}

bool finite_range(const float *x, int64_t n, float *lo, float *hi) {
  *lo = *hi = x[0];
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) return false;
    if (x[i] < *lo) *lo = x[i];
    if (x[i] > *hi) *hi = x[i];
  }
  return true;
}

const uint8_t *quantize_u8(Arena *a, const float *x, int64_t n, float scale, int32_t zero) {
  uint8_t *q = arena_alloc(a, (size_t)n + 1);
  for (int64_t i = 0; i < n; i++) q[i] = (uint8_t)quantize_value(x[i], scale, zero, 0, 255);
  return q;
}

typedef struct {
  const float *w;
  int64_t n;
  float bias;
  float s_in, s_out;
  int64_t x_max; /* the greatest |x - z| */
} Channel;

/* Quantizes a channel with the scale s; false where its sums could leave s32 or its multiplier is too small.
 */
static bool fits(const Channel *c, float s, int8_t *q, int32_t *bias) {
  float m;
  if (!scale_is_valid(s) || !requant_multiplier(c->s_in, s, c->s_out, &m)) return false;
  if (!quantize_bias(c->bias, c->s_in, s, bias)) return false;
  int64_t sum = llabs((long long)*bias);
  for (int64_t i = 0; i < c->n; i++) {
    int32_t v = quantize_value(c->w[i], s, 0, -W_MAX, W_MAX);
    q[i] = (int8_t)v;
    sum += (int64_t)abs(v) * c->x_max;
  }
  return sum <= INT32_MAX;
}

/* A channel without weights is its bias: 1 where that is 0 too, else fine enough for the bias to be exact to
 * 1/512 of an output quantum. */
static float scale_of_zeros(const Channel *c) {
  float s = 1;
  if (c->bias == 0) return s;
  while (c->s_in * s > c->s_out / 256 && s > 1e-30f) s /= 2;
  return s;
}

static bool quantize_channel(const Channel *c, int8_t *q, float *scale, int32_t *bias) {
  float max = 0;
  for (int64_t i = 0; i < c->n; i++) max = fmaxf(max, fabsf(c->w[i]));
  float s = max > 0 ? max / W_MAX : scale_of_zeros(c);
  if (s == 0) s = 1e-45f;
  for (; isfinite(s); s *= 2) {
    if (!fits(c, s, q, bias)) continue;
    *scale = s;
    return true;
  }
  return false;
}

bool quantize_weights(Diag *d, Arena *a, const Node *layer, float s_in, int32_t z_in, float s_out,
                      LinearWeights *result) {
  const Tensor *w = layer->operands[1], *b = node_operand(layer, 2);
  int64_t oc = w->type.shape.dim[0], count = shape_count(&w->type.shape), per = count / oc;
  const float *data = w->data, *bias = b ? b->data : NULL;
  int64_t x_max = z_in > 255 - z_in ? z_in : 255 - z_in;
  float lo, hi;
  if (!finite_range(data, count, &lo, &hi))
    return diag_error(d, node_loc(layer), "the weight '%s' holds values that are not finite numbers",
                      w->name);
  if (bias && !finite_range(bias, oc, &lo, &hi))
    return diag_error(d, node_loc(layer), "the bias '%s' holds values that are not finite numbers", b->name);
  *result = (LinearWeights){arena_alloc(a, (size_t)count + 1), ARENA_NEW_ARRAY(a, float, (size_t)oc),
                            bias ? ARENA_NEW_ARRAY(a, int32_t, (size_t)oc) : NULL};
  for (int64_t c = 0; c < oc; c++) {
    Channel ch = {data + c * per, per, bias ? bias[c] : 0, s_in, s_out, x_max};
    int32_t q_bias;
    if (!quantize_channel(&ch, result->weight + c * per, &result->weight_scale[c], &q_bias))
      return diag_error(
          d, node_loc(layer),
          "channel %lld of '%s' cannot be quantized: its weights and bias are out of proportion to the "
          "ranges of its operand (scale %g) and result (scale %g)",
          (long long)c, w->name, (double)s_in, (double)s_out);
    if (bias) result->bias[c] = q_bias;
  }
  return true;
}
