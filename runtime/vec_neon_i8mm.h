/* The vector operations of arm64+i8mm: ARMv8.6 or what has its matrix products, such as Neoverse N2 and V1.
 */
#ifndef QCC_RUNTIME_VEC_NEON_I8MM_H
#define QCC_RUNTIME_VEC_NEON_I8MM_H

#include "target_i8mm.h"

#include "neon_dot.h"

/* Two rows of 8 bytes by two. */
V_NEON_DOT v_s32 v_mmla_s8(v_s32 acc, v_q x, v_q w) {
  return vmmlaq_s32(acc, vreinterpretq_s8_u8(x), vreinterpretq_s8_u8(w));
}

V_NEON v_q v_zip_lo64(v_q a, v_q b) {
  return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}
V_NEON v_q v_zip_hi64(v_q a, v_q b) {
  return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}
V_NEON v_s32 v_zip_lo64_s32(v_s32 a, v_s32 b) {
  return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}
V_NEON v_s32 v_zip_hi64_s32(v_s32 a, v_s32 b) {
  return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

#endif
