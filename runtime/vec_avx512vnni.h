/* The vector operations of x86-64-v4+avx512vnni: AVX-512 with the dot product of VNNI. */
#ifndef QCC_RUNTIME_VEC_AVX512VNNI_H
#define QCC_RUNTIME_VEC_AVX512VNNI_H

#include "avx512_common.h"
#include "vec_math.h"

/* As text: gcc 12 copies the accumulator around the intrinsic. */
static inline
    __attribute__((always_inline, target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))) v_s32
    v_dot(v_s32 acc, v_q x, v_q w) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
  return acc;
}
static inline
    __attribute__((always_inline, target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))) v_s32
    v_dot2(v_s32 acc, v_p a, v_p b) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}
/* Weights in memory: compilers move such loads out of loops, and then have more vectors than registers. */
static inline
    __attribute__((always_inline, target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))) v_s32
    v_dot_mem(v_s32 acc, v_q x, const void *w) {
  __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "m"(*(const __m512i_u *)w));
  return acc;
}

#endif
