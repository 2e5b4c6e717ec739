/* exp, log, tanh, sigmoid and erf in single precision, without libm: the same sequence of IEEE operations on
 * every target, so the same bits. Products go through v_math_mul, because compilers may otherwise contract
 * a * b + c into a fused multiply-add, which rounds once instead of twice. */
#ifndef QCC_MATH_F32_H
#define QCC_MATH_F32_H

#include <stdint.h>

typedef union {
  float f;
  uint32_t u;
} VMathBits;

static inline float v_math_from_bits(uint32_t u) {
  VMathBits b;
  b.u = u;
  return b.f;
}
static inline uint32_t v_math_to_bits(float f) {
  VMathBits b;
  b.f = f;
  return b.u;
}

/* a * b, rounded: the barrier keeps the product apart from an addition that follows. */
static inline float v_math_mul(float a, float b) {
#if defined(__GNUC__) && (defined(__SSE2__) || defined(__aarch64__))
  float p = a * b;
#if defined(__aarch64__)
  __asm__("" : "+w"(p));
#else
  __asm__("" : "+x"(p));
#endif
  return p;
#elif defined(__GNUC__)
  float p = a * b;
  __asm__("" : "+m"(p));
  return p;
#else
  volatile float p = a * b;
  return p;
#endif
}
/* p * x + c, rounded twice: one step of Horner's rule. */
static inline float v_math_step(float p, float x, float c) { return v_math_mul(p, x) + c; }
/* 2^k for k in [-126, 127]. */
static inline float v_math_pow2(int32_t k) { return v_math_from_bits((uint32_t)(k + 127) << 23); }
static inline float v_math_abs(float x) { return v_math_from_bits(v_math_to_bits(x) & 0x7fffffffu); }
/* `magnitude`, which is not negative, with the sign of x. */
static inline float v_math_with_sign(float magnitude, float x) {
  return v_math_from_bits(v_math_to_bits(magnitude) | (v_math_to_bits(x) & 0x80000000u));
}

/* Below -87.33654, where the result would be subnormal, exactly 0. */
static inline float v_float_exp(float x) {
  float k, r, q, p;
  int32_t e, half;
  if (x != x) return x;
  if (x > 0x1.62e42ep+6f) return v_math_from_bits(0x7f800000u);
  if (x < -0x1.5d589ep+6f) return 0;
  /* x = k * ln 2 + r, |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to an integer */
  k = v_math_step(x, 0x1.715476p+0f, 0x1.8p+23f) - 0x1.8p+23f;
  r = (x - v_math_mul(k, 0x1.62e4p-1f)) - v_math_mul(k, 0x1.7f7d1cp-20f);
  q = v_math_step(0x1.6a1a72p-10f, r, 0x1.123fc6p-7f);
  q = v_math_step(q, r, 0x1.555916p-5f);
  q = v_math_step(q, r, 0x1.55548ap-3f);
  q = v_math_step(q, r, 0x1.fffffcp-2f);
  p = 1.0f + (r + v_math_mul(v_math_mul(r, r), q));
  e = (int32_t)k; /* reaches 128: scale in two steps */
  half = e / 2;
  return v_math_mul(v_math_mul(p, v_math_pow2(half)), v_math_pow2(e - half));
}

static inline float v_float_log(float x) {
  float f, scale, p, square, tail;
  int32_t e = 0, k;
  uint32_t u;
  if (x != x) return x;
  if (x == 0) return v_math_from_bits(0xff800000u);
  if (x < 0) return v_math_from_bits(0x7fc00000u);
  if (v_math_to_bits(x) == 0x7f800000u) return x;
  if (x < 0x1p-126f) { /* subnormal */
    x = v_math_mul(x, 0x1p+23f);
    e = -23;
  }
  /* x = 2^(e + k) * (1 + f), 1 + f in [sqrt(1/2), sqrt(2)) */
  u = v_math_to_bits(x);
  k = (int32_t)(u - 0x3f3504f3u) >> 23;
  f = v_math_from_bits(u - ((uint32_t)k << 23)) - 1.0f;
  scale = (float)(e + k);
  p = v_math_step(0x1.153d72p-4f, f, -0x1.dfc4e6p-4f);
  p = v_math_step(p, f, 0x1.e760c2p-4f);
  p = v_math_step(p, f, -0x1.fbed1ap-4f);
  p = v_math_step(p, f, 0x1.232ce2p-3f);
  p = v_math_step(p, f, -0x1.555d4ep-3f);
  p = v_math_step(p, f, 0x1.99a538p-3f);
  p = v_math_step(p, f, -0x1.000006p-2f);
  p = v_math_step(p, f, 0x1.555546p-2f);
  square = v_math_mul(f, f);
  tail = v_math_mul(v_math_mul(f, square), p) + v_math_mul(scale, 0x1.7f7d1cp-20f);
  return v_math_mul(scale, 0x1.62e4p-1f) + (f - (v_math_mul(0.5f, square) - tail));
}

static inline float v_float_tanh(float x) {
  float a = v_math_abs(x), z, p;
  if (x != x) return x;
  if (a > 9.02f) return v_math_with_sign(1.0f, x);
  if (a >= 0.625f) return v_math_with_sign(1.0f - 2.0f / (v_float_exp(v_math_mul(2.0f, a)) + 1.0f), x);
  z = v_math_mul(a, a);
  p = v_math_step(-0x1.6f4214p-8f, z, 0x1.50b828p-6f);
  p = v_math_step(p, z, -0x1.b806a6p-5f);
  p = v_math_step(p, z, 0x1.1105a2p-3f);
  p = v_math_step(p, z, -0x1.55552cp-2f);
  return v_math_with_sign(a + v_math_mul(a, v_math_mul(z, p)), x);
}

static inline float v_float_sigmoid(float x) { return 1.0f / (1.0f + v_float_exp(-x)); }

static inline float v_float_erf(float x) {
  float a = v_math_abs(x), z, p, g;
  if (x != x) return x;
  if (a >= 4.0f) return v_math_with_sign(1.0f, x);
  if (a < 0.875f) { /* x + x * p(x^2) */
    z = v_math_mul(a, a);
    p = v_math_step(0x1.6cdc76p-14f, z, -0x1.aec8a2p-11f);
    p = v_math_step(p, z, 0x1.5542a4p-8f);
    p = v_math_step(p, z, -0x1.b81a72p-6f);
    p = v_math_step(p, z, 0x1.ce2e8ep-4f);
    p = v_math_step(p, z, -0x1.812744p-2f);
    p = v_math_step(p, z, 0x1.06eba8p-3f);
    return v_math_with_sign(a + v_math_mul(a, p), x);
  }
  g = v_math_step(0x1.55bde2p-16f, a, -0x1.beda42p-12f); /* -log(erfc(x)) */
  g = v_math_step(g, a, 0x1.0ebe64p-8f);
  g = v_math_step(g, a, -0x1.99dba4p-6f);
  g = v_math_step(g, a, 0x1.baddf2p-4f);
  g = v_math_step(g, a, 0x1.4458a2p-1f);
  g = v_math_step(g, a, 0x1.21235cp+0f);
  g = v_math_step(g, a, -0x1.50b0b6p-13f);
  return v_math_with_sign(1.0f - v_float_exp(-g), x);
}

#endif
