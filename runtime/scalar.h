/* The scalar operations of VIR, the same for every instruction set. Integers wrap. */
#ifndef QCC_RUNTIME_SCALAR_H
#define QCC_RUNTIME_SCALAR_H

#include "preamble.h"

/* Buffers are reused for elements of other types, so that memory is read and written through types which the
 * compiler lets overlap. */
#if defined(__GNUC__)
typedef int32_t v_mem_s32 __attribute__((may_alias));
typedef float v_mem_f32 __attribute__((may_alias));
#else
typedef int32_t v_mem_s32;
typedef float v_mem_f32;
#endif

static inline int32_t v_get_u8(const uint8_t *p) { return *p; }
static inline int32_t v_get_s8(const int8_t *p) { return *p; }
static inline int32_t v_get_s32(const int32_t *p) { return *(const v_mem_s32 *)p; }
static inline float v_get_f32(const float *p) { return *(const v_mem_f32 *)p; }

/* Half precision is exact in float. What is 2^13 times too small is put right by the exponent, but for the
 * subnormal numbers, which count units of 2^-24; NaN becomes quiet. */
static inline float v_get_f16(const uint16_t *p) {
  union {
    float f;
    uint32_t u;
  } bits;
  const uint32_t h = *p, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent)
    bits.u = (exponent == 31 ? fraction ? 0x7fc00000u : 0x7f800000u : (exponent + 112) << 23) | fraction
                                                                                                    << 13;
  else
    bits.f = (float)fraction * 5.9604644775390625e-8f;
  bits.u |= (h & 0x8000) << 16;
  return bits.f;
}

/* Values saturate to the range of the element. */
static inline void v_put_u8(uint8_t *p, int32_t a) { *p = (uint8_t)(a < 0 ? 0 : a > 255 ? 255 : a); }
static inline void v_put_s8(int8_t *p, int32_t a) { *p = (int8_t)(a < -128 ? -128 : a > 127 ? 127 : a); }
static inline void v_put_s32(int32_t *p, int32_t a) { *(v_mem_s32 *)p = a; }
static inline void v_put_f32(float *p, float a) { *(v_mem_f32 *)p = a; }

static inline int32_t v_int_const(int32_t n) { return n; }
static inline float v_float_const(float m) { return m; }

static inline int32_t v_int_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t v_int_sub(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
static inline int32_t v_int_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
static inline int32_t v_int_max(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t v_int_min(int32_t a, int32_t b) { return a < b ? a : b; }
/* arithmetic, 0 <= n <= 31 */
static inline int32_t v_int_shr(int32_t a, int n) { return a >> n; }

static inline float v_float_add(float a, float b) { return a + b; }
static inline float v_float_sub(float a, float b) { return a - b; }
static inline float v_float_mul(float a, float b) { return a * b; }
static inline float v_float_div(float a, float b) { return a / b; }
/* NaN as `a` gives b. */
static inline float v_float_max(float a, float b) { return a > b ? a : b; }
static inline float v_float_min(float a, float b) { return a < b ? a : b; }

static inline float v_float_neg(float a) { return -a; }
static inline float v_float_abs(float a) {
  union {
    float f;
    uint32_t u;
  } bits;
  bits.f = a;
  bits.u &= 0x7fffffff;
  return bits.f;
}
static inline float v_float_if_negative(float x, float a, float b) { return x < 0 ? a : b; }

/* To the nearest integer, ties to even; the result has the sign of x. Beside 2^23 the float's unit is 1. */
static inline float v_float_round(float x) {
  union {
    float f;
    uint32_t u;
  } bits, r;
  bits.f = x;
  r.u = bits.u & 0x7fffffff;
  if (r.u >= 0x4b000000) return x; /* an integer, or none at all */
  r.f = (r.f + 8388608.0f) - 8388608.0f;
  r.u |= bits.u & 0x80000000;
  return r.f;
}
static inline float v_float_floor(float x) {
  const float r = v_float_round(x);
  return r > x ? r - 1.0f : r;
}
static inline float v_float_ceil(float x) { return -v_float_floor(-x); }

/* The IEEE square root, digit by digit in integers: a call of sqrtf would need the C library. */
static inline float v_float_sqrt(float x) {
  union {
    float f;
    uint32_t u;
  } bits;
  bits.f = x;
  if (!(x > 0) || bits.u >= 0x7f800000) return x == 0 || x > 0 ? x : (x - x) / (x - x);
  int exponent = (int)(bits.u >> 23);
  uint32_t m = bits.u & 0x7fffff;
  if (exponent)
    m |= 0x800000;
  else
    for (exponent = 1; m < 0x800000; exponent--) m <<= 1;
  exponent -= 127;
  /* x = m * 2^(exponent - 23); with an even exponent the root of m << 25 has 25 bits, the last to round by */
  if (exponent & 1) m <<= 1, exponent--;
  uint64_t rest = (uint64_t)m << 25;
  uint32_t root = 0;
  for (uint32_t bit = 1u << 24; bit; bit >>= 1) {
    uint64_t step = ((uint64_t)root * 2 + bit) * bit;
    if (step <= rest) rest -= step, root += bit;
  }
  /* a tie cannot be: an odd 25-bit number has a square of more than 24 significant bits */
  root = (root + 1) >> 1;
  bits.u = ((uint32_t)(exponent / 2 + 126) << 23) + root;
  return bits.f;
}

static inline float v_int_to_float(int32_t a) { return (float)a; }
/* To the nearest integer, ties to even, for |v| <= 2^22: beside 1.5 * 2^23 the float's unit is 1. */
static inline int32_t v_float_rne(float v) { return (int32_t)((v + 12582912.0f) - 12582912.0f); }
/* rne(clamp((float)acc * m)) + z; lo, hi within [-2^22, 2^22]; NaN gives lo */
static inline int32_t v_int_requant(int32_t acc, float m, float lo, float hi, int32_t z) {
  float v = v_float_min(v_float_max((float)acc * m, lo), hi);
  return v_int_add(v_float_rne(v), z);
}

/* rne((float)acc * m), where that is within int32. */
static inline int32_t v_int_scale(int32_t acc, float m) { return (int32_t)v_float_round((float)acc * m); }

/* As v_int_requant of the sum a * 2^16 + b, which is converted to float once. */
static inline int32_t v_int_requant_wide(int32_t a, int32_t b, float m, float lo, float hi, int32_t z) {
  float v = v_float_min(v_float_max((float)((int64_t)a * 65536 + b) * m, lo), hi);
  return v_int_add(v_float_rne(v), z);
}

/* The sum a * 2^16 + b, converted once. */
static inline float v_int_wide_to_float(int32_t a, int32_t b) { return (float)((int64_t)a * 65536 + b); }

/* The element at table[index]. */
static inline int32_t v_lookup_u8(const uint8_t *table, int32_t index) { return table[index]; }
static inline int32_t v_lookup_s8(const int8_t *table, int32_t index) { return table[index]; }
static inline float v_lookup_f32(const float *table, int32_t index) { return table[index]; }

#endif
