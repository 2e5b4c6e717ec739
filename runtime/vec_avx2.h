/* The vector operations in AVX2 (with F16C, which all CPUs that have it have): 8 lanes. Functions carry the
 * target's attribute, so that a file which is compiled without flags can hold them. See vec_generic.h for
 * what each computes. */
#ifndef QCC_RUNTIME_VEC_AVX2_H
#define QCC_RUNTIME_VEC_AVX2_H

#include <immintrin.h>

#include "bytes.h"
#include "dynamic.h"
#include "math_f32.h"
#include "scalar.h"

#define V_AVX2 static inline __attribute__((always_inline, target("avx2,f16c")))

typedef __m256i v_s32;
typedef __m256 v_f32;
typedef __m256i v_q; /* 32 bytes */
typedef __m256i v_p; /* 8 pairs of int16 */

V_AVX2 __m128i v_get_bytes16(const uint8_t *p, int n) {
  return _mm_set_epi64x((long long)v_get_bytes(p + 8, n - 8), (long long)v_get_bytes(p, n));
}
V_AVX2 void v_put_bytes16(uint8_t *p, __m128i a, int n) {
  v_put_bytes(p, (uint64_t)_mm_cvtsi128_si64(a), n);
  v_put_bytes(p + 8, (uint64_t)_mm_extract_epi64(a, 1), n - 8);
}
/* All bits of the first n lanes. */
V_AVX2 __m256i v_lane_mask(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

V_AVX2 v_s32 v_load_s32(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_AVX2 v_f32 v_load_f32(const float *p) { return _mm256_loadu_ps(p); }
V_AVX2 v_s32 v_load_s32_part(const int32_t *p, int n) { return _mm256_maskload_epi32(p, v_lane_mask(n)); }
V_AVX2 v_f32 v_load_f32_part(const float *p, int n) { return _mm256_maskload_ps(p, v_lane_mask(n)); }
V_AVX2 void v_store_s32(int32_t *p, v_s32 a) { _mm256_storeu_si256((__m256i *)p, a); }
V_AVX2 void v_store_f32(float *p, v_f32 a) { _mm256_storeu_ps(p, a); }
V_AVX2 void v_store_s32_part(int32_t *p, v_s32 a, int n) { _mm256_maskstore_epi32(p, v_lane_mask(n), a); }
V_AVX2 void v_store_f32_part(float *p, v_f32 a, int n) { _mm256_maskstore_ps(p, v_lane_mask(n), a); }

V_AVX2 v_f32 v_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
V_AVX2 v_f32 v_load_f16_part(const uint16_t *p, int n) {
  return _mm256_cvtph_ps(v_get_bytes16((const uint8_t *)p, 2 * n));
}

V_AVX2 v_s32 v_load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
V_AVX2 v_s32 v_load_s8(const int8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
V_AVX2 v_s32 v_load_u8_part(const uint8_t *p, int n) {
  return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)v_get_bytes(p, n)));
}
V_AVX2 v_s32 v_load_s8_part(const int8_t *p, int n) {
  return _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)v_get_bytes((const uint8_t *)p, n)));
}

/* 8 lanes as int16, saturated, in order. */
V_AVX2 __m128i v_narrow16(v_s32 a) {
  return _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}
V_AVX2 void v_store_u8(uint8_t *p, v_s32 a) {
  const __m128i t = v_narrow16(a);
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(t, t));
}
V_AVX2 void v_store_s8(int8_t *p, v_s32 a) {
  const __m128i t = v_narrow16(a);
  _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(t, t));
}
V_AVX2 void v_store_u8_part(uint8_t *p, v_s32 a, int n) {
  const __m128i t = v_narrow16(a);
  v_put_bytes(p, (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(t, t)), n);
}
V_AVX2 void v_store_s8_part(int8_t *p, v_s32 a, int n) {
  const __m128i t = v_narrow16(a);
  v_put_bytes((uint8_t *)p, (uint64_t)_mm_cvtsi128_si64(_mm_packs_epi16(t, t)), n);
}
/* 16 lanes as int16, saturated, in order: packing works on halves, the permutation puts them right. */
V_AVX2 __m256i v_narrow16_x2(v_s32 a, v_s32 b) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
}
V_AVX2 void v_store_u8_x2(uint8_t *p, v_s32 a, v_s32 b) {
  const __m256i t = v_narrow16_x2(a, b);
  const __m128i r = _mm_packus_epi16(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
  _mm_storeu_si128((__m128i *)p, r);
}
V_AVX2 void v_store_s8_x2(int8_t *p, v_s32 a, v_s32 b) {
  const __m256i t = v_narrow16_x2(a, b);
  const __m128i r = _mm_packs_epi16(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
  _mm_storeu_si128((__m128i *)p, r);
}
V_AVX2 void v_store_u8_x4(uint8_t *p, v_s32 a, v_s32 b, v_s32 c, v_s32 d) {
  const __m256i t = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32(t, order));
}
V_AVX2 void v_store_s8_x4(int8_t *p, v_s32 a, v_s32 b, v_s32 c, v_s32 d) {
  const __m256i t = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32(t, order));
}

V_AVX2 v_q v_load_q(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_AVX2 v_q v_load_q_part(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  return _mm256_set_m128i(v_get_bytes16(x + 16, n - 16), v_get_bytes16(x, n));
}
V_AVX2 void v_store_q(void *p, v_q a) { _mm256_storeu_si256((__m256i *)p, a); }
V_AVX2 void v_store_q_part(void *p, v_q a, int n) {
  uint8_t *x = (uint8_t *)p;
  v_put_bytes16(x, _mm256_castsi256_si128(a), n);
  v_put_bytes16(x + 16, _mm256_extracti128_si256(a, 1), n - 16);
}

V_AVX2 v_s32 v_splat_s32(int32_t n) { return _mm256_set1_epi32(n); }
V_AVX2 v_f32 v_splat_f32(float m) { return _mm256_set1_ps(m); }
V_AVX2 v_q v_splat_q(int n) { return _mm256_set1_epi8((char)n); }
V_AVX2 v_p v_splat_p(int a, int b) {
  return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)a | (uint32_t)b << 16));
}
V_AVX2 v_q v_bcast_q(int32_t a) { return _mm256_set1_epi8((char)a); }
V_AVX2 v_s32 v_bcast_s32(int32_t a) { return _mm256_set1_epi32(a); }
V_AVX2 v_f32 v_bcast_f32(float a) { return _mm256_set1_ps(a); }
V_AVX2 v_q v_bcast4(const void *p) { return _mm256_set1_epi32((int32_t)((const v_mem_4 *)p)[0]); }
V_AVX2 v_q v_bcast2x2(const void *p) {
  const v_mem_2 *x = (const v_mem_2 *)p;
  return _mm256_set_m128i(_mm_set1_epi16((short)x[1]), _mm_set1_epi16((short)x[0]));
}

/* Even and odd bytes as int16, multiplied without loss. vpmaddubsw would saturate. */
V_AVX2 v_s32 v_dot(v_s32 acc, v_q x, v_q w) {
  const __m256i x02 = _mm256_and_si256(x, _mm256_set1_epi16(255));
  const __m256i x13 = _mm256_srli_epi16(x, 8);
  const __m256i w02 = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8);
  const __m256i w13 = _mm256_srai_epi16(w, 8);
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x02, w02));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x13, w13));
}
/* For operands whose x0*w0 + x1*w1 and x2*w2 + x3*w3 fit 16 bits. */
V_AVX2 v_s32 v_dot_sat(v_s32 acc, v_q x, v_q w) {
  const __m256i pairs = _mm256_maddubs_epi16(x, w);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
V_AVX2 v_s32 v_dot2x2_wide(v_s32 acc, v_q x, v_q w) {
  const __m256i x01 = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(x));
  const __m256i x23 = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(x, 1));
  const __m256i w01 = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(w));
  const __m256i w23 = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(w, 1));
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x01, w01));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x23, w23));
}
V_AVX2 v_s32 v_dot2x2(v_s32 acc, v_q x, v_q w) { return v_dot2x2_wide(acc, x, w); }

V_AVX2 v_q v_xor_q(v_q a, v_q b) { return _mm256_xor_si256(a, b); }
V_AVX2 v_q v_max_u8(v_q a, v_q b) { return _mm256_max_epu8(a, b); }
V_AVX2 v_q v_max_s8(v_q a, v_q b) { return _mm256_max_epi8(a, b); }

V_AVX2 v_p v_load_p(const int16_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
V_AVX2 v_p v_pair_u8(const uint8_t *a, const uint8_t *b) {
  const __m128i x = _mm_loadl_epi64((const __m128i *)a), y = _mm_loadl_epi64((const __m128i *)b);
  return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y));
}
V_AVX2 v_p v_pair_s8(const int8_t *a, const int8_t *b) {
  const __m128i x = _mm_loadl_epi64((const __m128i *)a), y = _mm_loadl_epi64((const __m128i *)b);
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
}
V_AVX2 v_p v_pair_u8_part(const uint8_t *a, const uint8_t *b, int n) {
  const __m128i x = v_get_bytes16(a, n), y = v_get_bytes16(b, n);
  return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y));
}
V_AVX2 v_p v_pair_s8_part(const int8_t *a, const int8_t *b, int n) {
  const __m128i x = v_get_bytes16((const uint8_t *)a, n), y = v_get_bytes16((const uint8_t *)b, n);
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
}
V_AVX2 v_p v_bcast_p(int32_t a) { return _mm256_set1_epi32(a); }
V_AVX2 v_p v_sub_p(v_p a, v_p b) { return _mm256_sub_epi16(a, b); }
V_AVX2 v_s32 v_dot2(v_s32 acc, v_p a, v_p b) { return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b)); }

V_AVX2 v_s32 v_add_s32(v_s32 a, v_s32 b) { return _mm256_add_epi32(a, b); }
V_AVX2 v_s32 v_sub_s32(v_s32 a, v_s32 b) { return _mm256_sub_epi32(a, b); }
V_AVX2 v_s32 v_mul_s32(v_s32 a, v_s32 b) { return _mm256_mullo_epi32(a, b); }
V_AVX2 v_s32 v_min_s32(v_s32 a, v_s32 b) { return _mm256_min_epi32(a, b); }
V_AVX2 v_s32 v_max_s32(v_s32 a, v_s32 b) { return _mm256_max_epi32(a, b); }
V_AVX2 v_s32 v_shr_s32(v_s32 a, int n) { return _mm256_srai_epi32(a, n); }

V_AVX2 v_f32 v_add_f32(v_f32 a, v_f32 b) { return _mm256_add_ps(a, b); }
V_AVX2 v_f32 v_sub_f32(v_f32 a, v_f32 b) { return _mm256_sub_ps(a, b); }
V_AVX2 v_f32 v_mul_f32(v_f32 a, v_f32 b) { return _mm256_mul_ps(a, b); }
V_AVX2 v_f32 v_div_f32(v_f32 a, v_f32 b) { return _mm256_div_ps(a, b); }
V_AVX2 v_f32 v_min_f32(v_f32 a, v_f32 b) { return _mm256_min_ps(a, b); } /* NaN as `a` gives b */
V_AVX2 v_f32 v_max_f32(v_f32 a, v_f32 b) { return _mm256_max_ps(a, b); }
V_AVX2 v_f32 v_sqrt_f32(v_f32 a) { return _mm256_sqrt_ps(a); }
V_AVX2 v_f32 v_abs_f32(v_f32 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
V_AVX2 v_f32 v_if_negative_f32(v_f32 x, v_f32 a, v_f32 b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}
/* p * x + c, rounded twice: one step of Horner's rule. */
V_AVX2 v_f32 v_horner(v_f32 p, v_f32 x, float c) {
  return _mm256_add_ps(_mm256_mul_ps(p, x), _mm256_set1_ps(c));
}
V_AVX2 v_f32 v_power_of_two(v_s32 k) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}
/* The steps of math_f32.h, all branches taken. NaN goes through each of them. */
V_AVX2 v_f32 v_exp_f32(v_f32 x) {
  const v_f32 magic = _mm256_set1_ps(0x1.8p+23f);
  const v_f32 k = _mm256_sub_ps(v_horner(x, _mm256_set1_ps(0x1.715476p+0f), 0x1.8p+23f), magic);
  const v_f32 high = _mm256_sub_ps(x, _mm256_mul_ps(k, _mm256_set1_ps(0x1.62e4p-1f)));
  const v_f32 r = _mm256_sub_ps(high, _mm256_mul_ps(k, _mm256_set1_ps(0x1.7f7d1cp-20f)));
  v_f32 q = v_horner(_mm256_set1_ps(0x1.6a1a72p-10f), r, 0x1.123fc6p-7f);
  q = v_horner(q, r, 0x1.555916p-5f);
  q = v_horner(q, r, 0x1.55548ap-3f);
  q = v_horner(q, r, 0x1.fffffcp-2f);
  q = _mm256_add_ps(r, _mm256_mul_ps(_mm256_mul_ps(r, r), q));
  q = _mm256_add_ps(_mm256_set1_ps(1.0f), q);
  const v_s32 e = _mm256_cvttps_epi32(k), half = _mm256_srai_epi32(e, 1);
  q = _mm256_mul_ps(_mm256_mul_ps(q, v_power_of_two(half)), v_power_of_two(_mm256_sub_epi32(e, half)));
  const v_f32 large = _mm256_cmp_ps(x, _mm256_set1_ps(0x1.62e42ep+6f), _CMP_GT_OQ);
  const v_f32 small = _mm256_cmp_ps(x, _mm256_set1_ps(-0x1.5d589ep+6f), _CMP_LT_OQ);
  q = _mm256_blendv_ps(q, _mm256_castsi256_ps(_mm256_set1_epi32(0x7f800000)), large);
  return _mm256_andnot_ps(small, q);
}
V_AVX2 v_f32 v_sigmoid_f32(v_f32 x) {
  const v_f32 one = _mm256_set1_ps(1.0f);
  return _mm256_div_ps(one, _mm256_add_ps(one, v_exp_f32(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f)))));
}
V_AVX2 v_f32 v_tanh_f32(v_f32 x) {
  const v_f32 a = v_abs_f32(x), z = _mm256_mul_ps(a, a), one = _mm256_set1_ps(1.0f);
  v_f32 p = v_horner(_mm256_set1_ps(-0x1.6f4214p-8f), z, 0x1.50b828p-6f);
  p = v_horner(p, z, -0x1.b806a6p-5f);
  p = v_horner(p, z, 0x1.1105a2p-3f);
  p = v_horner(p, z, -0x1.55552cp-2f);
  p = _mm256_add_ps(a, _mm256_mul_ps(a, _mm256_mul_ps(z, p)));
  const v_f32 e = _mm256_add_ps(v_exp_f32(_mm256_mul_ps(_mm256_set1_ps(2.0f), a)), one);
  const v_f32 far = _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2.0f), e));
  p = _mm256_blendv_ps(p, far, _mm256_cmp_ps(a, _mm256_set1_ps(0.625f), _CMP_GE_OQ));
  p = _mm256_blendv_ps(p, one, _mm256_cmp_ps(a, _mm256_set1_ps(9.02f), _CMP_GT_OQ));
  return _mm256_or_ps(p, _mm256_and_ps(x, _mm256_set1_ps(-0.0f)));
}
V_AVX2 v_f32 v_s32_to_f32(v_s32 a) { return _mm256_cvtepi32_ps(a); }
V_AVX2 v_s32 v_rne_f32(v_f32 a) { return _mm256_cvtps_epi32(a); }
V_AVX2 v_s32 v_requant(v_s32 acc, v_f32 m, v_f32 lo, v_f32 hi, v_s32 z) {
  const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), m);
  const __m256 clamped = _mm256_min_ps(_mm256_max_ps(v, lo), hi);
  return _mm256_add_epi32(_mm256_cvtps_epi32(clamped), z);
}

#endif
