/* The vector operations of all AVX2 targets (with F16C, which all CPUs that have AVX2 have): 8 lanes.
 * Functions carry the target's attribute, so that a file which is compiled without flags can hold them. See
 * vec_generic.h for what each computes. */
#ifndef QCC_RUNTIME_AVX2_COMMON_H
#define QCC_RUNTIME_AVX2_COMMON_H

#include <immintrin.h>

#include "bytes.h"
#include "dynamic.h"
#include "math_f32.h"
#include "scalar.h"

#define V_VEC static inline __attribute__((always_inline, target("avx2,f16c")))

typedef __m256i v_s32;
typedef __m256 v_f32;
typedef __m256i v_q; /* 32 bytes */
typedef __m256i v_p; /* 8 pairs of int16 */

V_VEC __m128i v_get_bytes16(const uint8_t *p, int n) {
  return _mm_set_epi64x((long long)v_get_bytes(p + 8, n - 8), (long long)v_get_bytes(p, n));
}
V_VEC void v_put_bytes16(uint8_t *p, __m128i a, int n) {
  if (n >= 16) {
    _mm_storeu_si128((__m128i *)p, a);
    return;
  }
  v_put_bytes(p, (uint64_t)_mm_cvtsi128_si64(a), n);
  v_put_bytes(p + 8, (uint64_t)_mm_extract_epi64(a, 1), n - 8);
}
/* All bits of the first n lanes. */
V_VEC __m256i v_lane_mask(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

V_VEC v_s32 v_load_s32(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_VEC v_f32 v_load_f32(const float *p) { return _mm256_loadu_ps(p); }
V_VEC v_s32 v_load_s32_part(const int32_t *p, int n) { return _mm256_maskload_epi32(p, v_lane_mask(n)); }
V_VEC v_f32 v_load_f32_part(const float *p, int n) { return _mm256_maskload_ps(p, v_lane_mask(n)); }
V_VEC void v_store_s32(int32_t *p, v_s32 a) { _mm256_storeu_si256((__m256i *)p, a); }
V_VEC void v_store_f32(float *p, v_f32 a) { _mm256_storeu_ps(p, a); }
V_VEC void v_store_s32_part(int32_t *p, v_s32 a, int n) { _mm256_maskstore_epi32(p, v_lane_mask(n), a); }
V_VEC void v_store_f32_part(float *p, v_f32 a, int n) { _mm256_maskstore_ps(p, v_lane_mask(n), a); }

V_VEC v_f32 v_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
V_VEC v_f32 v_load_f16_part(const uint16_t *p, int n) {
  return _mm256_cvtph_ps(v_get_bytes16((const uint8_t *)p, 2 * n));
}

V_VEC v_s32 v_load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
V_VEC v_s32 v_load_s8(const int8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
V_VEC v_s32 v_load_u8_part(const uint8_t *p, int n) {
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)v_get_bytes(p, n)));
}
V_VEC v_s32 v_load_s8_part(const int8_t *p, int n) {
  return _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)v_get_bytes((const uint8_t *)p, n)));
}

/* 8 lanes as int16, saturated, in order. */
V_VEC __m128i v_narrow16(v_s32 a) {
  return _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}
V_VEC void v_store_u8(uint8_t *p, v_s32 a) {
  const __m128i t = v_narrow16(a);
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(t, t));
}
V_VEC void v_store_s8(int8_t *p, v_s32 a) {
  const __m128i t = v_narrow16(a);
  _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(t, t));
}
V_VEC void v_store_u8_part(uint8_t *p, v_s32 a, int n) {
  const __m128i t = v_narrow16(a);
  v_put_bytes(p, (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(t, t)), n);
}
V_VEC void v_store_s8_part(int8_t *p, v_s32 a, int n) {
  const __m128i t = v_narrow16(a);
  v_put_bytes((uint8_t *)p, (uint64_t)_mm_cvtsi128_si64(_mm_packs_epi16(t, t)), n);
}
V_VEC void v_scatter_u8(uint8_t *p, v_s32 a, int n) {
  const __m128i t = v_narrow16(a);
  v_scatter_8(p, (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(t, t)), n);
}
V_VEC void v_scatter_s8(int8_t *p, v_s32 a, int n) {
  const __m128i t = v_narrow16(a);
  v_scatter_8((uint8_t *)p, (uint64_t)_mm_cvtsi128_si64(_mm_packs_epi16(t, t)), n);
}
/* 16 lanes as int16, saturated, in order: packing works on halves, the permutation puts them right. */
V_VEC __m256i v_narrow16_x2(v_s32 a, v_s32 b) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
}

V_VEC v_q v_load_q(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
/* gcc loads what two operations use twice, as their operands in memory. */
V_VEC v_q v_load_q_once(const void *p) {
  v_q r = v_load_q(p);
  __asm__("" : "+x"(r));
  return r;
}
V_VEC v_q v_load_q_blocks(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  return _mm256_set_m128i(_mm_loadu_si128((const __m128i *)(x + n)), _mm_loadu_si128((const __m128i *)x));
}
V_VEC v_q v_load_q_part(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  return _mm256_set_m128i(v_get_bytes16(x + 16, n - 16), v_get_bytes16(x, n));
}
V_VEC void v_store_q(void *p, v_q a) { _mm256_storeu_si256((__m256i *)p, a); }
V_VEC void v_store_q_part(void *p, v_q a, int n) {
  uint8_t *x = (uint8_t *)p;
  v_put_bytes16(x, _mm256_castsi256_si128(a), n);
  v_put_bytes16(x + 16, _mm256_extracti128_si256(a, 1), n - 16);
}

V_VEC void v_split4(void *p, v_q a, int n) {
  const __m256i r = _mm256_permutevar8x32_epi32(a, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m128i low = _mm256_castsi256_si128(r), high = _mm256_extracti128_si256(r, 1);
  uint8_t *x = (uint8_t *)p;
  *(v_mem_8 *)x = (uint64_t)_mm_cvtsi128_si64(low);
  *(v_mem_8 *)(x + n) = (uint64_t)_mm_extract_epi64(low, 1);
  *(v_mem_8 *)(x + 2 * n) = (uint64_t)_mm_cvtsi128_si64(high);
  *(v_mem_8 *)(x + 3 * n) = (uint64_t)_mm_extract_epi64(high, 1);
}
V_VEC void v_split2(void *p, v_q a, int n) {
  const __m256i r = _mm256_permute4x64_epi64(a, _MM_SHUFFLE(3, 1, 2, 0));
  _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(r));
  _mm_storeu_si128((__m128i *)((uint8_t *)p + n), _mm256_extracti128_si256(r, 1));
}
V_VEC v_q v_join2(const void *p, int n) {
  const __m128i low = _mm_loadu_si128((const __m128i *)p);
  const __m128i high = _mm_loadu_si128((const __m128i *)((const uint8_t *)p + n));
  return _mm256_permute4x64_epi64(_mm256_set_m128i(high, low), _MM_SHUFFLE(3, 1, 2, 0));
}
V_VEC v_q v_join4(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  const __m128i low =
      _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)x), _mm_loadl_epi64((const __m128i *)(x + n)));
  const __m128i high = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(x + 2 * n)),
                                          _mm_loadl_epi64((const __m128i *)(x + 3 * n)));
  return _mm256_permutevar8x32_epi32(_mm256_set_m128i(high, low), _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}
/* The pixels of either half, then the n words of each half that they fill side by side. */
V_VEC void v_store_pixels(void *p, v_q a, int n) {
  const __m128i order = _mm_set_epi64x((long long)v_pixel_order(n, 1), (long long)v_pixel_order(n, 0));
  const __m256i t = _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(order));
  __m256i words = n == 2   ? _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7)
                  : n == 3 ? _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7)
                           : _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __asm__("" : "+x"(words)); /* clang would make many moves of bytes of the two */
  v_store_q_part(p, _mm256_permutevar8x32_epi32(t, words), 8 * n);
}

V_VEC v_s32 v_splat_s32(int32_t n) { return _mm256_set1_epi32(n); }
V_VEC v_f32 v_splat_f32(float m) { return _mm256_set1_ps(m); }
V_VEC v_q v_splat_q(int n) { return _mm256_set1_epi8((char)n); }
V_VEC v_p v_splat_p(int a, int b) {
  return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)a | (uint32_t)b << 16));
}
V_VEC v_q v_bcast_q(int32_t a) { return _mm256_set1_epi8((char)a); }
V_VEC v_s32 v_bcast_s32(int32_t a) { return _mm256_set1_epi32(a); }
V_VEC v_f32 v_bcast_f32(float a) { return _mm256_set1_ps(a); }
V_VEC v_q v_bcast4(const void *p) { return _mm256_set1_epi32((int32_t)((const v_mem_4 *)p)[0]); }
V_VEC v_q v_bcast2x2(const void *p) {
  const v_mem_2 *x = (const v_mem_2 *)p;
  return _mm256_set_m128i(_mm_set1_epi16((short)x[1]), _mm_set1_epi16((short)x[0]));
}

/* For operands whose x0*w0 + x1*w1 and x2*w2 + x3*w3 fit 16 bits. */
V_VEC v_s32 v_dot_sat(v_s32 acc, v_q x, v_q w) {
  const __m256i pairs = _mm256_maddubs_epi16(x, w);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
V_VEC v_s32 v_dot2x2_wide(v_s32 acc, v_q x, v_q w) {
  const __m256i x01 = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(x));
  const __m256i x23 = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(x, 1));
  const __m256i w01 = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w));
  const __m256i w23 = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1));
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x01, w01));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x23, w23));
}
V_VEC v_s32 v_dot2x2(v_s32 acc, v_q x, v_q w) { return v_dot2x2_wide(acc, x, w); }

V_VEC v_p v_products(v_q x, v_q w) { return _mm256_maddubs_epi16(x, w); }
V_VEC v_p v_add_p(v_p a, v_p b) { return _mm256_add_epi16(a, b); }
V_VEC v_s32 v_add_pairs(v_s32 acc, v_p a) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(a, _mm256_set1_epi16(1)));
}

V_VEC v_q v_xor_q(v_q a, v_q b) { return _mm256_xor_si256(a, b); }

/* With the second operand in memory, as text: compilers move such loads out of loops, and then have more
 * vectors than registers. */
V_VEC v_s32 v_dot_sat_mem(v_s32 acc, v_q x, const void *w) {
  v_q pairs;
  __asm__ volatile("vpmaddubsw %2, %1, %0" : "=x"(pairs) : "x"(x), "m"(*(const __m256i_u *)w));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
V_VEC v_q v_xor_mem(v_q a, const void *b) {
  v_q r;
  __asm__ volatile("vpxor %2, %1, %0" : "=x"(r) : "x"(a), "m"(*(const __m256i_u *)b));
  return r;
}
V_VEC v_q v_max_u8(v_q a, v_q b) { return _mm256_max_epu8(a, b); }
V_VEC v_q v_max_s8(v_q a, v_q b) { return _mm256_max_epi8(a, b); }
V_VEC v_q v_min_u8(v_q a, v_q b) { return _mm256_min_epu8(a, b); }
V_VEC v_q v_min_s8(v_q a, v_q b) { return _mm256_min_epi8(a, b); }

V_VEC v_q v_zip_lo8(v_q a, v_q b) { return _mm256_unpacklo_epi8(a, b); }
V_VEC v_q v_zip_hi8(v_q a, v_q b) { return _mm256_unpackhi_epi8(a, b); }
V_VEC v_q v_zip_lo16(v_q a, v_q b) { return _mm256_unpacklo_epi16(a, b); }
V_VEC v_q v_zip_hi16(v_q a, v_q b) { return _mm256_unpackhi_epi16(a, b); }

V_VEC v_p v_load_p(const int16_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_VEC void v_store_p(int16_t *p, v_p a) { _mm256_storeu_si256((__m256i *)p, a); }
V_VEC v_p v_load_p_u8(const uint8_t *p) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p)); }
V_VEC v_p v_widen_lo_u8(v_q a) { return _mm256_unpacklo_epi8(a, _mm256_setzero_si256()); }
V_VEC v_p v_widen_hi_u8(v_q a) { return _mm256_unpackhi_epi8(a, _mm256_setzero_si256()); }
V_VEC v_p v_widen_lo_s8(v_q a) { return _mm256_srai_epi16(_mm256_unpacklo_epi8(a, a), 8); }
V_VEC v_p v_widen_hi_s8(v_q a) { return _mm256_srai_epi16(_mm256_unpackhi_epi8(a, a), 8); }
V_VEC v_p v_words(v_q a) { return a; }
V_VEC v_p v_bcast2(const int16_t *p) { return _mm256_set1_epi32((int32_t)((const v_mem_4 *)p)[0]); }
V_VEC v_p v_pair_u8(const uint8_t *a, const uint8_t *b) {
  const __m128i x = _mm_loadl_epi64((const __m128i *)a), y = _mm_loadl_epi64((const __m128i *)b);
  return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y));
}
V_VEC v_p v_pair_s8(const int8_t *a, const int8_t *b) {
  const __m128i x = _mm_loadl_epi64((const __m128i *)a), y = _mm_loadl_epi64((const __m128i *)b);
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
}
V_VEC v_p v_pair_u8_part(const uint8_t *a, const uint8_t *b, int n) {
  const __m128i x = v_get_bytes16(a, n), y = v_get_bytes16(b, n);
  return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y));
}
V_VEC v_p v_pair_s8_part(const int8_t *a, const int8_t *b, int n) {
  const __m128i x = v_get_bytes16((const uint8_t *)a, n), y = v_get_bytes16((const uint8_t *)b, n);
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
}
V_VEC v_p v_bcast_p(int32_t a) { return _mm256_set1_epi32(a); }
V_VEC v_p v_sub_p(v_p a, v_p b) { return _mm256_sub_epi16(a, b); }

V_VEC v_s32 v_add_s32(v_s32 a, v_s32 b) { return _mm256_add_epi32(a, b); }
V_VEC v_s32 v_sub_s32(v_s32 a, v_s32 b) { return _mm256_sub_epi32(a, b); }
V_VEC v_s32 v_mul_s32(v_s32 a, v_s32 b) { return _mm256_mullo_epi32(a, b); }
V_VEC v_s32 v_min_s32(v_s32 a, v_s32 b) { return _mm256_min_epi32(a, b); }
V_VEC v_s32 v_max_s32(v_s32 a, v_s32 b) { return _mm256_max_epi32(a, b); }
V_VEC v_s32 v_shr_s32(v_s32 a, int n) { return _mm256_srai_epi32(a, n); }

V_VEC v_f32 v_add_f32(v_f32 a, v_f32 b) { return _mm256_add_ps(a, b); }
V_VEC v_f32 v_sub_f32(v_f32 a, v_f32 b) { return _mm256_sub_ps(a, b); }
V_VEC v_f32 v_mul_f32(v_f32 a, v_f32 b) { return _mm256_mul_ps(a, b); }
V_VEC v_f32 v_div_f32(v_f32 a, v_f32 b) { return _mm256_div_ps(a, b); }
V_VEC v_f32 v_min_f32(v_f32 a, v_f32 b) { return _mm256_min_ps(a, b); } /* NaN as `a` gives b */
V_VEC v_f32 v_max_f32(v_f32 a, v_f32 b) { return _mm256_max_ps(a, b); }
V_VEC v_f32 v_sqrt_f32(v_f32 a) { return _mm256_sqrt_ps(a); }
V_VEC v_f32 v_abs_f32(v_f32 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
V_VEC v_f32 v_if_negative_f32(v_f32 x, v_f32 a, v_f32 b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}
/* What vec_math.h is made of: 2^k; the integer part; |a| with the sign of s, a >= 0. */
V_VEC v_f32 v_power_of_two(v_s32 k) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}
V_VEC v_s32 v_truncate_f32(v_f32 a) { return _mm256_cvttps_epi32(a); }
V_VEC v_f32 v_with_sign_f32(v_f32 a, v_f32 s) {
  return _mm256_or_ps(a, _mm256_and_ps(s, _mm256_set1_ps(-0.0f)));
}
V_VEC v_f32 v_s32_to_f32(v_s32 a) { return _mm256_cvtepi32_ps(a); }
V_VEC v_s32 v_rne_f32(v_f32 a) { return _mm256_cvtps_epi32(a); }
V_VEC v_s32 v_requant(v_s32 acc, v_f32 m, v_f32 lo, v_f32 hi, v_s32 z) {
  const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), m);
  const __m256 clamped = _mm256_min_ps(_mm256_max_ps(v, lo), hi);
  return _mm256_add_epi32(_mm256_cvtps_epi32(clamped), z);
}

V_VEC v_s32 v_scale(v_s32 acc, v_f32 m) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(acc), m));
}

/* Packing goes by halves, which is the order that is asked for. */
V_VEC __m256i v_narrow16_halves(v_s32 a, v_s32 b, v_p zero) {
  return _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
}
V_VEC v_q v_narrow_u8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  return _mm256_packus_epi16(v_narrow16_halves(a, b, zero), v_narrow16_halves(c, d, zero));
}
V_VEC v_q v_narrow_s8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  return _mm256_packs_epi16(v_narrow16_halves(a, b, zero), v_narrow16_halves(c, d, zero));
}
V_VEC v_q v_narrow_u8_x2(v_s32 a, v_s32 b, v_p zero) {
  const __m256i t = v_narrow16_halves(a, b, zero);
  return _mm256_zextsi128_si256(_mm_packus_epi16(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1)));
}
V_VEC v_q v_narrow_s8_x2(v_s32 a, v_s32 b, v_p zero) {
  const __m256i t = v_narrow16_halves(a, b, zero);
  return _mm256_zextsi128_si256(_mm_packs_epi16(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1)));
}
V_VEC v_q v_narrow_u8(v_s32 a, v_p zero) {
  const __m128i t = _mm_adds_epi16(v_narrow16(a), _mm256_castsi256_si128(zero));
  return _mm256_zextsi128_si256(_mm_packus_epi16(t, _mm_setzero_si128()));
}
V_VEC v_q v_narrow_s8(v_s32 a, v_p zero) {
  const __m128i t = _mm_adds_epi16(v_narrow16(a), _mm256_castsi256_si128(zero));
  return _mm256_zextsi128_si256(_mm_packs_epi16(t, _mm_setzero_si128()));
}

#endif
