/* Polynomials: weighted minimax fits (Lawson's iteration in double precision), coefficients rounded to
 * single. Every function is a fixed sequence of single operations: runtime/math_f32.h repeats it, and
 * tests/unit/test_refmath.c compares the two bit for bit. */
#include "ir/refmath.h"

#include <math.h>
#include <stdint.h>

typedef union {
  float f;
  uint32_t u;
} Bits;

static float from_bits(uint32_t u) { return (Bits){.u = u}.f; }
static uint32_t to_bits(float f) { return (Bits){.f = f}.u; }
/* 2^k for k in [-126, 127]. */
static float power_of_two(int32_t k) { return from_bits((uint32_t)(k + 127) << 23); }
static float absolute(float x) { return from_bits(to_bits(x) & 0x7fffffffu); }
/* `magnitude`, which is not negative, with the sign of x. */
static float with_sign(float magnitude, float x) {
  return from_bits(to_bits(magnitude) | (to_bits(x) & 0x80000000u));
}

/* ln 2 in two parts: k * ln2_high is exact for |k| <= 2^9. */
static const float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;

float ref_exp(float x) {
  if (x != x) return x;
  if (x > 0x1.62e42ep+6f) return INFINITY;
  if (x < -0x1.5d589ep+6f) return 0; /* the result would be subnormal */
  /* x = k * ln 2 + r, |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to an integer */
  float k = x * 0x1.715476p+0f + 0x1.8p+23f;
  k -= 0x1.8p+23f;
  float r = (x - k * ln2_high) - k * ln2_low;
  float q = 0x1.6a1a72p-10f;
  q = q * r + 0x1.123fc6p-7f;
  q = q * r + 0x1.555916p-5f;
  q = q * r + 0x1.55548ap-3f;
  q = q * r + 0x1.fffffcp-2f;
  float p = 1.0f + (r + r * r * q);
  int32_t e = (int32_t)k, half = e / 2; /* e reaches 128: scale in two steps */
  return p * power_of_two(half) * power_of_two(e - half);
}

float ref_log(float x) {
  if (x != x) return x;
  if (x == 0) return -INFINITY;
  if (x < 0) return NAN;
  if (x == INFINITY) return x;
  int32_t e = 0;
  if (x < 0x1p-126f) { /* subnormal */
    x *= 0x1p+23f;
    e = -23;
  }
  /* x = 2^e * (1 + f), 1 + f in [sqrt(1/2), sqrt(2)) */
  uint32_t u = to_bits(x);
  int32_t k = (int32_t)(u - 0x3f3504f3u) >> 23;
  float f = from_bits(u - ((uint32_t)k << 23)) - 1.0f;
  float scale = (float)(e + k);
  float p = 0x1.153d72p-4f;
  p = p * f + -0x1.dfc4e6p-4f;
  p = p * f + 0x1.e760c2p-4f;
  p = p * f + -0x1.fbed1ap-4f;
  p = p * f + 0x1.232ce2p-3f;
  p = p * f + -0x1.555d4ep-3f;
  p = p * f + 0x1.99a538p-3f;
  p = p * f + -0x1.000006p-2f;
  p = p * f + 0x1.555546p-2f;
  float square = f * f;
  float tail = f * square * p + scale * ln2_low;
  return scale * ln2_high + (f - (0.5f * square - tail));
}

float ref_tanh(float x) {
  float a = absolute(x);
  if (x != x) return x;
  if (a > 9.02f) return with_sign(1.0f, x);
  if (a >= 0.625f) return with_sign(1.0f - 2.0f / (ref_exp(2.0f * a) + 1.0f), x);
  float z = a * a;
  float p = -0x1.6f4214p-8f;
  p = p * z + 0x1.50b828p-6f;
  p = p * z + -0x1.b806a6p-5f;
  p = p * z + 0x1.1105a2p-3f;
  p = p * z + -0x1.55552cp-2f;
  return with_sign(a + a * (z * p), x);
}

float ref_sigmoid(float x) { return 1.0f / (1.0f + ref_exp(-x)); }

float ref_erf(float x) {
  float a = absolute(x);
  if (x != x) return x;
  if (a >= 4.0f) return with_sign(1.0f, x);
  if (a < 0.875f) { /* x + x * p(x^2) */
    float z = a * a;
    float p = 0x1.6cdc76p-14f;
    p = p * z + -0x1.aec8a2p-11f;
    p = p * z + 0x1.5542a4p-8f;
    p = p * z + -0x1.b81a72p-6f;
    p = p * z + 0x1.ce2e8ep-4f;
    p = p * z + -0x1.812744p-2f;
    p = p * z + 0x1.06eba8p-3f;
    return with_sign(a + a * p, x);
  }
  float g = 0x1.55bde2p-16f; /* -log(erfc(x)) */
  g = g * a + -0x1.beda42p-12f;
  g = g * a + 0x1.0ebe64p-8f;
  g = g * a + -0x1.99dba4p-6f;
  g = g * a + 0x1.baddf2p-4f;
  g = g * a + 0x1.4458a2p-1f;
  g = g * a + 0x1.21235cp+0f;
  g = g * a + -0x1.50b0b6p-13f;
  return with_sign(1.0f - ref_exp(-g), x);
}

float ref_sqrt(float x) { return sqrtf(x); }

float ref_round(float x) { return rintf(x); }

float ref_sum16(const float *x, long n, long stride) {
  float s[16] = {0};
  for (long i = 0; i < n; i++) s[i % 16] += x[i * stride];
  for (int width = 8; width; width /= 2)
    for (int i = 0; i < width; i++) s[i] += s[i + width];
  return s[0];
}
