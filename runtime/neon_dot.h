/* The vector operations that AArch64 has with the dot products of ARMv8.2. */
#ifndef QCC_RUNTIME_NEON_DOT_H
#define QCC_RUNTIME_NEON_DOT_H

#include "neon_common.h"

#define V_NEON_DOT V_NEON V_TARGET

V_NEON_DOT v_s32 v_dot_s8(v_s32 acc, v_q x, v_q w) {
  return vdotq_s32(acc, vreinterpretq_s8_u8(x), vreinterpretq_s8_u8(w));
}
/* The instruction's lane is a constant. */
V_NEON_DOT v_s32 v_dot_s8_lane(v_s32 acc, v_q x, v_q w, int n) {
  const int8x16_t a = vreinterpretq_s8_u8(x), b = vreinterpretq_s8_u8(w);
  acc = n == 0   ? vdotq_laneq_s32(acc, b, a, 0)
        : n == 1 ? vdotq_laneq_s32(acc, b, a, 1)
        : n == 2 ? vdotq_laneq_s32(acc, b, a, 2)
                 : vdotq_laneq_s32(acc, b, a, 3);
#ifndef __clang__
  /* gcc would do what is added to one sum one behind the other, for which cores that execute in order wait */
  __asm__ volatile("" : "+w"(acc));
#endif
  return acc;
}

#endif
