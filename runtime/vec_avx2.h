/* The vector operations of x86-64-v3: AVX2 without VNNI. */
#ifndef QCC_RUNTIME_VEC_AVX2_H
#define QCC_RUNTIME_VEC_AVX2_H

#include "avx2_common.h"
#include "vec_math.h"

/* Even and odd bytes as int16, multiplied without loss. vpmaddubsw would saturate. */
V_VEC v_s32 v_dot(v_s32 acc, v_q x, v_q w) {
  const __m256i x02 = _mm256_and_si256(x, _mm256_set1_epi16(255));
  const __m256i x13 = _mm256_srli_epi16(x, 8);
  const __m256i w02 = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8);
  const __m256i w13 = _mm256_srai_epi16(w, 8);
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x02, w02));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x13, w13));
}
V_VEC v_s32 v_dot2(v_s32 acc, v_p a, v_p b) {
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
  __asm__("" : "+x"(acc)); /* gcc would add up many products first, for which it has no registers */
  return acc;
}
V_VEC v_s32 v_dot_mem(v_s32 acc, v_q x, const void *w) { return v_dot(acc, x, v_load_q(w)); }

#endif
