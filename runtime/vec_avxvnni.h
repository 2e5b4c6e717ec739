/* The vector operations of x86-64-v3+avxvnni: AVX2 with the dot product of AVX-VNNI. */
#ifndef QCC_RUNTIME_VEC_AVXVNNI_H
#define QCC_RUNTIME_VEC_AVXVNNI_H

#include "avx2_common.h"
#include "vec_math.h"

/* As text: gcc 12 copies the accumulator around the intrinsic. {vex}: not AVX-512's encoding. */
static inline __attribute__((always_inline, target("avx2,f16c,avxvnni"))) v_s32 v_dot(v_s32 acc, v_q x,
                                                                                      v_q w) {
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(x), "x"(w));
  return acc;
}
static inline __attribute__((always_inline, target("avx2,f16c,avxvnni"))) v_s32 v_dot2(v_s32 acc, v_p a,
                                                                                       v_p b) {
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
  return acc;
}
/* Weights in memory: compilers move such loads out of loops, and then have more vectors than registers. */
static inline __attribute__((always_inline, target("avx2,f16c,avxvnni"))) v_s32 v_dot_mem(v_s32 acc, v_q x,
                                                                                          const void *w) {
  __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(x), "m"(*(const __m256i_u *)w));
  return acc;
}

#endif
