/* The vector operations of x86-64-v4: AVX-512 without VNNI. */
#ifndef QCC_RUNTIME_VEC_AVX512_H
#define QCC_RUNTIME_VEC_AVX512_H

#include "avx512_common.h"
#include "vec_math.h"

/* Even and odd bytes as int16, multiplied without loss. vpmaddubsw would saturate. */
V_VEC v_s32 v_dot(v_s32 acc, v_q x, v_q w) {
  const __m512i x02 = _mm512_and_si512(x, _mm512_set1_epi16(255));
  const __m512i x13 = _mm512_srli_epi16(x, 8);
  const __m512i w02 = _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8);
  const __m512i w13 = _mm512_srai_epi16(w, 8);
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(x02, w02));
  return _mm512_add_epi32(acc, _mm512_madd_epi16(x13, w13));
}
V_VEC v_s32 v_dot2(v_s32 acc, v_p a, v_p b) {
  acc = _mm512_add_epi32(acc, _mm512_madd_epi16(a, b));
  __asm__("" : "+v"(acc)); /* gcc would add up many products first, for which it has no registers */
  return acc;
}
V_VEC v_s32 v_dot_mem(v_s32 acc, v_q x, const void *w) { return v_dot(acc, x, v_load_q(w)); }

#endif
