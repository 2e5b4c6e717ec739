#include "ir/quant.h"

#include <math.h>

int64_t rne(double v) {
  int64_t i = (int64_t)v; /* towards zero */
  double rest = v - (double)i;
  if (rest > 0.5 || (rest == 0.5 && (i & 1))) return i + 1;
  if (rest < -0.5 || (rest == -0.5 && (i & 1))) return i - 1;
  return i;
}

/* Rules 1 and 6. The clamp happens in float, so what is rounded is at most 511 in magnitude; in [2^23, 2^24]
 * the floats are the integers, so adding 1.5 * 2^23 rounds to nearest, ties to even. */
static int32_t clamp_round(float v, int32_t zero, int32_t lo, int32_t hi) {
  float low = (float)(lo - zero), high = (float)(hi - zero);
  v = v < low ? low : v;
  v = v > high ? high : v;
  return (int32_t)((v + 0x1.8p23f) - 0x1.8p23f) + zero;
}

/* s32: the ends are no floats, and zero + v may leave the type. */
static int32_t saturate(float v, int32_t zero, int32_t qmin, int32_t qmax) {
  if (fabsf(v) > 0x1p33f) return v < 0 ? qmin : qmax;
  int64_t q = rne((double)v) + zero;
  return (int32_t)(q < qmin ? qmin : q > qmax ? qmax : q);
}

int32_t quantize_value(float x, float scale, int32_t zero, int32_t qmin, int32_t qmax) {
  float v = x / scale;
  if (isnan(v)) return qmin;
  if (qmax > 255) return saturate(v, zero, qmin, qmax);
  return clamp_round(v, zero, qmin, qmax);
}

float dequantize_value(int32_t q, float scale, int32_t zero) { return (float)((int64_t)q - zero) * scale; }

bool scale_is_valid(float s) { return s > 0 && isnormal(s); }

bool requant_multiplier(float s_in, float s_w, float s_out, float *m) {
  float product = s_in * s_w;
  *m = product / s_out;
  return scale_is_valid(*m);
}

bool pool_multiplier(float s_in, float s_out, int64_t n, float *m) {
  float product = s_out * (float)n;
  *m = s_in / product;
  return scale_is_valid(*m);
}

int32_t requantize_value(int32_t acc, float m, int32_t zero, int32_t lo, int32_t hi) {
  return clamp_round((float)acc * m, zero, lo, hi);
}

int32_t requantize_wide(int64_t acc, float m, int32_t zero, int32_t lo, int32_t hi) {
  return clamp_round((float)acc * m, zero, lo, hi);
}

void activation_range(const Type *t, float act_min, float act_max, int32_t *lo, int32_t *hi) {
  int32_t qmin = (int32_t)dtype_info[t->dtype].min, qmax = (int32_t)dtype_info[t->dtype].max;
  *lo = quantize_value(act_min, t->quant->scale[0], t->quant->zero[0], qmin, qmax);
  *hi = quantize_value(act_max, t->quant->scale[0], t->quant->zero[0], qmin, qmax);
}

bool fixed_add_derive(float s_a, float s_b, float s_out, bool subtract, FixedAdd *f) {
  double ratio_a = (double)s_a / (double)s_out, ratio_b = (double)s_b / (double)s_out;
  for (int shift = 30; shift >= 0; shift--) {
    double a = ldexp(ratio_a, shift), b = ldexp(ratio_b, shift);
    if (!(a < 32768 && b < 32768)) continue; /* also keeps rne within its range */
    int64_t m_a = rne(a), m_b = rne(b);
    if (m_a > 32767 || m_b > 32767) continue;
    *f = (FixedAdd){(int32_t)m_a, (int32_t)(subtract ? -m_b : m_b), shift};
    return true;
  }
  return false;
}

int32_t fixed_add_value(const FixedAdd *f, int32_t a_minus_za, int32_t b_minus_zb, int32_t zero, int32_t lo,
                        int32_t hi) {
  int64_t sum = (int64_t)a_minus_za * f->m_a + (int64_t)b_minus_zb * f->m_b;
  int64_t half = f->shift ? (int64_t)1 << (f->shift - 1) : 0;
  int64_t y = ((sum + half) >> f->shift) + zero;
  return (int32_t)(y < lo ? lo : y > hi ? hi : y);
}

bool quantize_bias(float b, float s_in, float s_w, int32_t *q) {
  double v = (double)b / ((double)s_in * (double)s_w);
  if (!(v > -2147483649.0 && v < 2147483648.0)) return false; /* NaN too */
  int64_t r = rne(v);
  if (r < INT32_MIN || r > INT32_MAX) return false;
  *q = (int32_t)r;
  return true;
}

void rescale_table(const Type *in, const Type *out, int32_t table[256]) {
  int32_t first = (int32_t)dtype_info[in->dtype].min;
  int32_t qmin = (int32_t)dtype_info[out->dtype].min, qmax = (int32_t)dtype_info[out->dtype].max;
  for (int32_t i = 0; i < 256; i++) {
    float x = dequantize_value(first + i, in->quant->scale[0], in->quant->zero[0]);
    table[i] = quantize_value(x, out->quant->scale[0], out->quant->zero[0], qmin, qmax);
  }
}

void unary_table(const Node *n, const Type *in, const Type *out, int32_t table[256]) {
  float (*unary)(const Node *, float) = op_info[n->op]->unary; /* NULL: requantize, the identity */
  int32_t first = (int32_t)dtype_info[in->dtype].min;
  int32_t qmin = (int32_t)dtype_info[out->dtype].min, qmax = (int32_t)dtype_info[out->dtype].max;
  for (int32_t i = 0; i < 256; i++) {
    float x = dequantize_value(first + i, in->quant->scale[0], in->quant->zero[0]);
    if (unary) x = unary(n, x);
    table[i] = quantize_value(x, out->quant->scale[0], out->quant->zero[0], qmin, qmax);
  }
}
