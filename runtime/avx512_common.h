/* The vector operations of all AVX-512 targets (x86-64-v4: F, BW, CD, DQ, VL): 16 lanes. Functions carry the
 * target's attribute, so that a file which is compiled without flags can hold them. See vec_generic.h for
 * what each computes. */
#ifndef QCC_RUNTIME_AVX512_COMMON_H
#define QCC_RUNTIME_AVX512_COMMON_H

#include <immintrin.h>

#include "bytes.h"
#include "dynamic.h"
#include "math_f32.h"
#include "scalar.h"

#define V_VEC                                                                                                \
  static inline __attribute__((always_inline, target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl")))

typedef __m512i v_s32;
typedef __m512 v_f32;
typedef __m512i v_q; /* 64 bytes */
typedef __m512i v_p; /* 16 pairs of int16 */

/* The first n of 16 lanes, of 64 bytes. */
V_VEC __mmask16 v_lanes(int n) { return (__mmask16)((1u << n) - 1); }
V_VEC __mmask64 v_bytes(int n) { return n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0; }

V_VEC v_s32 v_load_s32(const int32_t *p) { return _mm512_loadu_si512(p); }
V_VEC v_f32 v_load_f32(const float *p) { return _mm512_loadu_ps(p); }
V_VEC v_s32 v_load_s32_part(const int32_t *p, int n) { return _mm512_maskz_loadu_epi32(v_lanes(n), p); }
V_VEC v_f32 v_load_f32_part(const float *p, int n) { return _mm512_maskz_loadu_ps(v_lanes(n), p); }
V_VEC void v_store_s32(int32_t *p, v_s32 a) { _mm512_storeu_si512(p, a); }
V_VEC void v_store_f32(float *p, v_f32 a) { _mm512_storeu_ps(p, a); }
V_VEC void v_store_s32_part(int32_t *p, v_s32 a, int n) { _mm512_mask_storeu_epi32(p, v_lanes(n), a); }
V_VEC void v_store_f32_part(float *p, v_f32 a, int n) { _mm512_mask_storeu_ps(p, v_lanes(n), a); }

V_VEC v_f32 v_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
V_VEC v_f32 v_load_f16_part(const uint16_t *p, int n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v_lanes(n), p));
}

V_VEC v_s32 v_load_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
V_VEC v_s32 v_load_s8(const int8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
V_VEC v_s32 v_load_u8_part(const uint8_t *p, int n) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(v_lanes(n), p));
}
V_VEC v_s32 v_load_s8_part(const int8_t *p, int n) {
  return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(v_lanes(n), p));
}

/* 16 lanes as bytes, saturated, in order. */
V_VEC __m128i v_bytes_u8(v_s32 a) {
  return _mm512_cvtusepi32_epi8(_mm512_max_epi32(a, _mm512_setzero_si512()));
}
V_VEC __m128i v_bytes_s8(v_s32 a) { return _mm512_cvtsepi32_epi8(a); }
V_VEC void v_store_u8(uint8_t *p, v_s32 a) { _mm_storeu_si128((__m128i *)p, v_bytes_u8(a)); }
V_VEC void v_store_s8(int8_t *p, v_s32 a) { _mm_storeu_si128((__m128i *)p, v_bytes_s8(a)); }
V_VEC void v_store_u8_part(uint8_t *p, v_s32 a, int n) { _mm_mask_storeu_epi8(p, v_lanes(n), v_bytes_u8(a)); }
V_VEC void v_store_s8_part(int8_t *p, v_s32 a, int n) { _mm_mask_storeu_epi8(p, v_lanes(n), v_bytes_s8(a)); }
V_VEC void v_scatter_16(uint8_t *p, __m128i a, int n) {
  v_scatter_8(p, (uint64_t)_mm_cvtsi128_si64(a), n);
  v_scatter_8(p + 8 * n, (uint64_t)_mm_extract_epi64(a, 1), n);
}
V_VEC void v_scatter_u8(uint8_t *p, v_s32 a, int n) { v_scatter_16(p, v_bytes_u8(a), n); }
V_VEC void v_scatter_s8(int8_t *p, v_s32 a, int n) { v_scatter_16((uint8_t *)p, v_bytes_s8(a), n); }
/* Packing works on quarters: lane 4g + b of the result is quarter b of vector g. */
V_VEC __m512i v_quarters_in_order(__m512i t) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), t);
}

V_VEC v_q v_load_q(const void *p) { return _mm512_loadu_si512(p); }
/* gcc loads what two operations use twice, as their operands in memory. */
V_VEC v_q v_load_q_once(const void *p) {
  v_q r = v_load_q(p);
  __asm__("" : "+v"(r));
  return r;
}
V_VEC v_q v_load_q_blocks(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  __m512i r = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)x));
  r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(x + n)), 1);
  r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(x + 2 * n)), 2);
  return _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(x + 3 * n)), 3);
}
V_VEC v_q v_load_q_part(const void *p, int n) { return _mm512_maskz_loadu_epi8(v_bytes(n), p); }
V_VEC void v_store_q(void *p, v_q a) { _mm512_storeu_si512(p, a); }
V_VEC void v_store_q_part(void *p, v_q a, int n) {
  if (n == 32) {
    _mm256_storeu_si256((__m256i *)p, _mm512_castsi512_si256(a));
  } else if (n == 16) {
    _mm_storeu_si128((__m128i *)p, _mm512_castsi512_si128(a));
  } else {
    _mm512_mask_storeu_epi8(p, v_bytes(n), a);
  }
}

V_VEC void v_split4(void *p, v_q a, int n) {
  const __m512i r = v_quarters_in_order(a);
  uint8_t *x = (uint8_t *)p;
  _mm_storeu_si128((__m128i *)x, _mm512_castsi512_si128(r));
  _mm_storeu_si128((__m128i *)(x + n), _mm512_extracti32x4_epi32(r, 1));
  _mm_storeu_si128((__m128i *)(x + 2 * n), _mm512_extracti32x4_epi32(r, 2));
  _mm_storeu_si128((__m128i *)(x + 3 * n), _mm512_extracti32x4_epi32(r, 3));
}
V_VEC void v_split2(void *p, v_q a, int n) {
  const __m512i r = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), a);
  _mm256_storeu_si256((__m256i *)p, _mm512_castsi512_si256(r));
  _mm256_storeu_si256((__m256i *)((uint8_t *)p + n), _mm512_extracti64x4_epi64(r, 1));
}
V_VEC v_q v_join2(const void *p, int n) {
  const __m512i low = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p));
  const __m512i r = _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i *)((const uint8_t *)p + n)), 1);
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), r);
}
V_VEC v_q v_join4(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  __m512i r = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)x));
  r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(x + n)), 1);
  r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(x + 2 * n)), 2);
  r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(x + 3 * n)), 3);
  return v_quarters_in_order(r); /* a transposition of 4x4 words: its own inverse */
}
/* The pixels of each quarter, then the n words of each quarter that they fill side by side. */
V_VEC void v_store_pixels(void *p, v_q a, int n) {
  const __m128i order = _mm_set_epi64x((long long)v_pixel_order(n, 1), (long long)v_pixel_order(n, 0));
  const __m512i t = _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(order));
  __m512i words = n == 2   ? _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15)
                  : n == 3 ? _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15)
                           : _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __asm__("" : "+v"(words)); /* clang would make many moves of bytes of the two */
  v_store_q_part(p, _mm512_permutexvar_epi32(words, t), 16 * n);
}

V_VEC v_s32 v_splat_s32(int32_t n) { return _mm512_set1_epi32(n); }
V_VEC v_f32 v_splat_f32(float m) { return _mm512_set1_ps(m); }
V_VEC v_q v_splat_q(int n) { return _mm512_set1_epi8((char)n); }
V_VEC v_p v_splat_p(int a, int b) {
  return _mm512_set1_epi32((int32_t)((uint32_t)(uint16_t)a | (uint32_t)b << 16));
}
V_VEC v_q v_bcast_q(int32_t a) { return _mm512_set1_epi8((char)a); }
V_VEC v_s32 v_bcast_s32(int32_t a) { return _mm512_set1_epi32(a); }
V_VEC v_f32 v_bcast_f32(float a) { return _mm512_set1_ps(a); }
V_VEC v_q v_bcast4(const void *p) { return _mm512_set1_epi32((int32_t)((const v_mem_4 *)p)[0]); }
V_VEC v_q v_bcast2x2(const void *p) {
  const v_mem_2 *x = (const v_mem_2 *)p;
  const __m256i x01 = _mm256_set1_epi16((short)x[0]), x23 = _mm256_set1_epi16((short)x[1]);
  return _mm512_inserti64x4(_mm512_castsi256_si512(x01), x23, 1);
}

/* For operands whose x0*w0 + x1*w1 and x2*w2 + x3*w3 fit 16 bits. */
V_VEC v_s32 v_dot_sat(v_s32 acc, v_q x, v_q w) {
  const __m512i pairs = _mm512_maddubs_epi16(x, w);
  return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
V_VEC v_s32 v_dot2x2_wide(v_s32 acc, v_q x, v_q w) {
  const __m512i x01 = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(x));
  const __m512i x23 = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(x, 1));
  const __m512i w01 = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(w));
  const __m512i w23 = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(w, 1));
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(x01, w01));
  return _mm512_add_epi32(acc, _mm512_madd_epi16(x23, w23));
}
V_VEC v_s32 v_dot2x2(v_s32 acc, v_q x, v_q w) { return v_dot2x2_wide(acc, x, w); }

V_VEC v_p v_products(v_q x, v_q w) { return _mm512_maddubs_epi16(x, w); }
V_VEC v_p v_add_p(v_p a, v_p b) { return _mm512_add_epi16(a, b); }
V_VEC v_s32 v_add_pairs(v_s32 acc, v_p a) {
  return _mm512_add_epi32(acc, _mm512_madd_epi16(a, _mm512_set1_epi16(1)));
}

V_VEC v_q v_xor_q(v_q a, v_q b) { return _mm512_xor_si512(a, b); }

/* With the second operand in memory, as text: compilers move such loads out of loops, and then have more
 * vectors than registers. */
V_VEC v_s32 v_dot_sat_mem(v_s32 acc, v_q x, const void *w) {
  v_q pairs;
  __asm__ volatile("vpmaddubsw %2, %1, %0" : "=v"(pairs) : "v"(x), "m"(*(const __m512i_u *)w));
  return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
V_VEC v_q v_xor_mem(v_q a, const void *b) {
  v_q r;
  __asm__ volatile("vpxorq %2, %1, %0" : "=v"(r) : "v"(a), "m"(*(const __m512i_u *)b));
  return r;
}
V_VEC v_q v_max_u8(v_q a, v_q b) { return _mm512_max_epu8(a, b); }
V_VEC v_q v_max_s8(v_q a, v_q b) { return _mm512_max_epi8(a, b); }
V_VEC v_q v_min_u8(v_q a, v_q b) { return _mm512_min_epu8(a, b); }
V_VEC v_q v_min_s8(v_q a, v_q b) { return _mm512_min_epi8(a, b); }

V_VEC v_q v_zip_lo8(v_q a, v_q b) { return _mm512_unpacklo_epi8(a, b); }
V_VEC v_q v_zip_hi8(v_q a, v_q b) { return _mm512_unpackhi_epi8(a, b); }
V_VEC v_q v_zip_lo16(v_q a, v_q b) { return _mm512_unpacklo_epi16(a, b); }
V_VEC v_q v_zip_hi16(v_q a, v_q b) { return _mm512_unpackhi_epi16(a, b); }

V_VEC v_p v_load_p(const int16_t *p) { return _mm512_loadu_si512(p); }
V_VEC void v_store_p(int16_t *p, v_p a) { _mm512_storeu_si512(p, a); }
V_VEC v_p v_load_p_u8(const uint8_t *p) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
V_VEC v_p v_widen_lo_u8(v_q a) { return _mm512_unpacklo_epi8(a, _mm512_setzero_si512()); }
V_VEC v_p v_widen_hi_u8(v_q a) { return _mm512_unpackhi_epi8(a, _mm512_setzero_si512()); }
V_VEC v_p v_widen_lo_s8(v_q a) { return _mm512_srai_epi16(_mm512_unpacklo_epi8(a, a), 8); }
V_VEC v_p v_widen_hi_s8(v_q a) { return _mm512_srai_epi16(_mm512_unpackhi_epi8(a, a), 8); }
V_VEC v_p v_words(v_q a) { return a; }
V_VEC v_p v_bcast2(const int16_t *p) { return _mm512_set1_epi32((int32_t)((const v_mem_4 *)p)[0]); }
V_VEC __m256i v_interleave(__m128i a, __m128i b) {
  return _mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b));
}
V_VEC v_p v_pair_u8(const uint8_t *a, const uint8_t *b) {
  return _mm512_cvtepu8_epi16(
      v_interleave(_mm_loadu_si128((const __m128i *)a), _mm_loadu_si128((const __m128i *)b)));
}
V_VEC v_p v_pair_s8(const int8_t *a, const int8_t *b) {
  return _mm512_cvtepi8_epi16(
      v_interleave(_mm_loadu_si128((const __m128i *)a), _mm_loadu_si128((const __m128i *)b)));
}
V_VEC v_p v_pair_u8_part(const uint8_t *a, const uint8_t *b, int n) {
  return _mm512_cvtepu8_epi16(
      v_interleave(_mm_maskz_loadu_epi8(v_lanes(n), a), _mm_maskz_loadu_epi8(v_lanes(n), b)));
}
V_VEC v_p v_pair_s8_part(const int8_t *a, const int8_t *b, int n) {
  return _mm512_cvtepi8_epi16(
      v_interleave(_mm_maskz_loadu_epi8(v_lanes(n), a), _mm_maskz_loadu_epi8(v_lanes(n), b)));
}
V_VEC v_p v_bcast_p(int32_t a) { return _mm512_set1_epi32(a); }
V_VEC v_p v_sub_p(v_p a, v_p b) { return _mm512_sub_epi16(a, b); }

V_VEC v_s32 v_add_s32(v_s32 a, v_s32 b) { return _mm512_add_epi32(a, b); }
V_VEC v_s32 v_sub_s32(v_s32 a, v_s32 b) { return _mm512_sub_epi32(a, b); }
V_VEC v_s32 v_mul_s32(v_s32 a, v_s32 b) { return _mm512_mullo_epi32(a, b); }
V_VEC v_s32 v_min_s32(v_s32 a, v_s32 b) { return _mm512_min_epi32(a, b); }
V_VEC v_s32 v_max_s32(v_s32 a, v_s32 b) { return _mm512_max_epi32(a, b); }
V_VEC v_s32 v_shr_s32(v_s32 a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }

V_VEC v_f32 v_add_f32(v_f32 a, v_f32 b) { return _mm512_add_ps(a, b); }
V_VEC v_f32 v_sub_f32(v_f32 a, v_f32 b) { return _mm512_sub_ps(a, b); }
V_VEC v_f32 v_mul_f32(v_f32 a, v_f32 b) { return _mm512_mul_ps(a, b); }
V_VEC v_f32 v_div_f32(v_f32 a, v_f32 b) { return _mm512_div_ps(a, b); }
V_VEC v_f32 v_min_f32(v_f32 a, v_f32 b) { return _mm512_min_ps(a, b); } /* NaN as `a` gives b */
V_VEC v_f32 v_max_f32(v_f32 a, v_f32 b) { return _mm512_max_ps(a, b); }
V_VEC v_f32 v_sqrt_f32(v_f32 a) { return _mm512_sqrt_ps(a); }
V_VEC v_f32 v_abs_f32(v_f32 a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
V_VEC v_f32 v_if_negative_f32(v_f32 x, v_f32 a, v_f32 b) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), b, a);
}
/* What vec_math.h is made of: 2^k; the integer part; |a| with the sign of s, a >= 0. */
V_VEC v_f32 v_power_of_two(v_s32 k) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(k, _mm512_set1_epi32(127)), 23));
}
V_VEC v_s32 v_truncate_f32(v_f32 a) { return _mm512_cvttps_epi32(a); }
V_VEC v_f32 v_with_sign_f32(v_f32 a, v_f32 s) {
  return _mm512_or_ps(a, _mm512_and_ps(s, _mm512_set1_ps(-0.0f)));
}
V_VEC v_f32 v_s32_to_f32(v_s32 a) { return _mm512_cvtepi32_ps(a); }
V_VEC v_s32 v_rne_f32(v_f32 a) { return _mm512_cvtps_epi32(a); }
V_VEC v_s32 v_requant(v_s32 acc, v_f32 m, v_f32 lo, v_f32 hi, v_s32 z) {
  const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), m);
  const __m512 clamped = _mm512_min_ps(_mm512_max_ps(v, lo), hi);
  return _mm512_add_epi32(_mm512_cvtps_epi32(clamped), z);
}
V_VEC v_s32 v_scale(v_s32 acc, v_f32 m) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(acc), m));
}

/* Packing goes by quarters, which is the order that is asked for. */
V_VEC __m512i v_narrow16(v_s32 a, v_s32 b, v_p zero) {
  return _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
}
V_VEC __m256i v_clip_u8(__m512i a) {
  return _mm512_cvtusepi16_epi8(_mm512_max_epi16(a, _mm512_setzero_si512()));
}
V_VEC v_q v_narrow_u8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  return _mm512_packus_epi16(v_narrow16(a, b, zero), v_narrow16(c, d, zero));
}
V_VEC v_q v_narrow_s8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  return _mm512_packs_epi16(v_narrow16(a, b, zero), v_narrow16(c, d, zero));
}
V_VEC v_q v_narrow_u8_x2(v_s32 a, v_s32 b, v_p zero) {
  return _mm512_zextsi256_si512(v_clip_u8(v_narrow16(a, b, zero)));
}
V_VEC v_q v_narrow_s8_x2(v_s32 a, v_s32 b, v_p zero) {
  return _mm512_zextsi256_si512(_mm512_cvtsepi16_epi8(v_narrow16(a, b, zero)));
}
V_VEC __m256i v_narrow16_in_order(v_s32 a, v_p zero) {
  return _mm256_adds_epi16(_mm512_cvtsepi32_epi16(a), _mm512_castsi512_si256(zero));
}
V_VEC v_q v_narrow_u8(v_s32 a, v_p zero) {
  const __m256i t = _mm256_max_epi16(v_narrow16_in_order(a, zero), _mm256_setzero_si256());
  return _mm512_zextsi128_si512(_mm256_cvtusepi16_epi8(t));
}
V_VEC v_q v_narrow_s8(v_s32 a, v_p zero) {
  return _mm512_zextsi128_si512(_mm256_cvtsepi16_epi8(v_narrow16_in_order(a, zero)));
}

#endif
