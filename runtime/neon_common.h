/* The vector operations of all AArch64 targets, in the NEON that each ARMv8-A has: 4 lanes. See vec_generic.h
 * for what each computes. */
#ifndef QCC_RUNTIME_NEON_COMMON_H
#define QCC_RUNTIME_NEON_COMMON_H

/* clang 14 declares the intrinsics of dot and matrix products only where its flags have them, or seem to. */
#if defined(__clang__) && !defined(__ARM_FEATURE_DOTPROD)
#define __ARM_FEATURE_DOTPROD     1
#define __ARM_FEATURE_MATMUL_INT8 1
#include <arm_neon.h>
#undef __ARM_FEATURE_DOTPROD
#undef __ARM_FEATURE_MATMUL_INT8
#elif defined(__clang__) && !defined(__ARM_FEATURE_MATMUL_INT8)
#define __ARM_FEATURE_MATMUL_INT8 1
#include <arm_neon.h>
#undef __ARM_FEATURE_MATMUL_INT8
#else
#include <arm_neon.h>
#endif

#include "bytes.h"
#include "dynamic.h"
#include "math_f32.h"
#include "scalar.h"

#if !defined(__aarch64__) || defined(__AARCH64EB__)
#error "needs little-endian AArch64"
#endif

#define V_NEON static inline __attribute__((always_inline))

typedef int32x4_t v_s32;
typedef float32x4_t v_f32;
typedef uint8x16_t v_q;
typedef int16x8_t v_p; /* 4 pairs */

V_NEON uint8x16_t v_get_bytes16(const uint8_t *p, int n) {
  return vcombine_u8(vcreate_u8(v_get_bytes(p, n)), vcreate_u8(v_get_bytes(p + 8, n - 8)));
}
V_NEON void v_put_bytes16(uint8_t *p, uint8x16_t a, int n) {
  v_put_bytes(p, vgetq_lane_u64(vreinterpretq_u64_u8(a), 0), n);
  v_put_bytes(p + 8, vgetq_lane_u64(vreinterpretq_u64_u8(a), 1), n - 8);
}

/* Words are loaded and stored as bytes, because buffers are reused for elements of other types. */
V_NEON v_s32 v_load_s32(const int32_t *p) { return vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)p)); }
V_NEON v_f32 v_load_f32(const float *p) { return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)p)); }
V_NEON v_s32 v_load_s32_part(const int32_t *p, int n) {
  return vreinterpretq_s32_u8(v_get_bytes16((const uint8_t *)p, n * 4));
}
V_NEON v_f32 v_load_f32_part(const float *p, int n) {
  return vreinterpretq_f32_u8(v_get_bytes16((const uint8_t *)p, n * 4));
}
V_NEON void v_store_s32(int32_t *p, v_s32 a) { vst1q_u8((uint8_t *)p, vreinterpretq_u8_s32(a)); }
V_NEON void v_store_f32(float *p, v_f32 a) { vst1q_u8((uint8_t *)p, vreinterpretq_u8_f32(a)); }
V_NEON void v_store_s32_part(int32_t *p, v_s32 a, int n) {
  v_put_bytes16((uint8_t *)p, vreinterpretq_u8_s32(a), n * 4);
}
V_NEON void v_store_f32_part(float *p, v_f32 a, int n) {
  v_put_bytes16((uint8_t *)p, vreinterpretq_u8_f32(a), n * 4);
}

V_NEON v_f32 v_load_f16(const uint16_t *p) {
  return vcvt_f32_f16(vreinterpret_f16_u64(vcreate_u64(*(const v_mem_8 *)p)));
}
V_NEON v_f32 v_load_f16_part(const uint16_t *p, int n) {
  return vcvt_f32_f16(vreinterpret_f16_u64(vcreate_u64(v_get_bytes((const uint8_t *)p, 2 * n))));
}

/* The first bytes of a number, widened. */
V_NEON v_s32 v_widen_u8(uint64_t bytes) {
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes)))));
}
V_NEON v_s32 v_widen_s8(uint64_t bytes) { return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes)))); }
V_NEON v_s32 v_load_u8(const uint8_t *p) { return v_widen_u8(*(const v_mem_4 *)p); }
V_NEON v_s32 v_load_s8(const int8_t *p) { return v_widen_s8(*(const v_mem_4 *)p); }
V_NEON v_s32 v_load_u8_part(const uint8_t *p, int n) { return v_widen_u8(v_get_bytes(p, n)); }
V_NEON v_s32 v_load_s8_part(const int8_t *p, int n) { return v_widen_s8(v_get_bytes((const uint8_t *)p, n)); }

/* 8 lanes as int16, saturated. */
V_NEON int16x8_t v_narrow16(v_s32 a, v_s32 b) { return vqmovn_high_s32(vqmovn_s32(a), b); }
V_NEON uint64_t v_lanes_u8(v_s32 a) {
  return vget_lane_u64(vreinterpret_u64_u8(vqmovun_s16(v_narrow16(a, a))), 0);
}
V_NEON uint64_t v_lanes_s8(v_s32 a) {
  return vget_lane_u64(vreinterpret_u64_s8(vqmovn_s16(v_narrow16(a, a))), 0);
}
V_NEON void v_store_u8(uint8_t *p, v_s32 a) { *(v_mem_4 *)p = (uint32_t)v_lanes_u8(a); }
V_NEON void v_store_s8(int8_t *p, v_s32 a) { *(v_mem_4 *)p = (uint32_t)v_lanes_s8(a); }
V_NEON void v_store_u8_part(uint8_t *p, v_s32 a, int n) { v_put_bytes(p, v_lanes_u8(a), n); }
V_NEON void v_store_s8_part(int8_t *p, v_s32 a, int n) { v_put_bytes((uint8_t *)p, v_lanes_s8(a), n); }
V_NEON void v_scatter_4(uint8_t *p, uint64_t a, int n) {
  p[0] = (uint8_t)a;
  p[n] = (uint8_t)(a >> 8);
  p[2 * n] = (uint8_t)(a >> 16);
  p[3 * n] = (uint8_t)(a >> 24);
}
V_NEON void v_scatter_u8(uint8_t *p, v_s32 a, int n) { v_scatter_4(p, v_lanes_u8(a), n); }
V_NEON void v_scatter_s8(int8_t *p, v_s32 a, int n) { v_scatter_4((uint8_t *)p, v_lanes_s8(a), n); }

V_NEON void v_split4(void *p, v_q a, int n) {
  const uint32x4_t w = vreinterpretq_u32_u8(a);
  uint8_t *x = (uint8_t *)p;
  *(v_mem_4 *)x = vgetq_lane_u32(w, 0);
  *(v_mem_4 *)(x + n) = vgetq_lane_u32(w, 1);
  *(v_mem_4 *)(x + 2 * n) = vgetq_lane_u32(w, 2);
  *(v_mem_4 *)(x + 3 * n) = vgetq_lane_u32(w, 3);
}
V_NEON void v_split2(void *p, v_q a, int n) {
  vst1_u8((uint8_t *)p, vget_low_u8(a));
  vst1_u8((uint8_t *)p + n, vget_high_u8(a));
}
V_NEON v_q v_join2(const void *p, int n) {
  return vcombine_u8(vld1_u8((const uint8_t *)p), vld1_u8((const uint8_t *)p + n));
}
V_NEON v_q v_join4(const void *p, int n) {
  const uint8_t *x = (const uint8_t *)p;
  uint32x4_t w = vdupq_n_u32(*(const v_mem_4 *)x);
  w = vsetq_lane_u32(*(const v_mem_4 *)(x + n), w, 1);
  w = vsetq_lane_u32(*(const v_mem_4 *)(x + 2 * n), w, 2);
  return vreinterpretq_u8_u32(vsetq_lane_u32(*(const v_mem_4 *)(x + 3 * n), w, 3));
}

V_NEON v_q v_load_q(const void *p) { return vld1q_u8((const uint8_t *)p); }
V_NEON v_q v_load_q_once(const void *p) { return v_load_q(p); }
V_NEON v_q v_load_q_blocks(const void *p, int n) {
  (void)n;
  return v_load_q(p);
}
V_NEON v_q v_load_q_part(const void *p, int n) { return v_get_bytes16((const uint8_t *)p, n); }
V_NEON void v_store_q(void *p, v_q a) { vst1q_u8((uint8_t *)p, a); }
V_NEON void v_store_q_part(void *p, v_q a, int n) { v_put_bytes16((uint8_t *)p, a, n); }
/* Word j has channel j of four pixels. */
V_NEON void v_store_pixels(void *p, v_q a, int n) {
  const uint8x16_t order = vcombine_u8(vcreate_u8(v_pixel_order(n, 0)), vcreate_u8(v_pixel_order(n, 1)));
  v_put_bytes16((uint8_t *)p, vqtbl1q_u8(a, order), 4 * n);
}

V_NEON v_s32 v_splat_s32(int32_t n) { return vdupq_n_s32(n); }
V_NEON v_f32 v_splat_f32(float m) { return vdupq_n_f32(m); }
V_NEON v_q v_splat_q(int n) { return vdupq_n_u8((uint8_t)n); }
V_NEON v_p v_splat_p(int a, int b) {
  return vreinterpretq_s16_u32(vdupq_n_u32((uint32_t)(uint16_t)a | (uint32_t)b << 16));
}
V_NEON v_q v_bcast_q(int32_t a) { return vdupq_n_u8((uint8_t)a); }
V_NEON v_s32 v_bcast_s32(int32_t a) { return vdupq_n_s32(a); }
V_NEON v_f32 v_bcast_f32(float a) { return vdupq_n_f32(a); }
V_NEON v_q v_bcast4(const void *p) { return vreinterpretq_u8_u32(vdupq_n_u32(*(const v_mem_4 *)p)); }
V_NEON v_q v_bcast2x2(const void *p) {
  const v_mem_2 *x = (const v_mem_2 *)p;
  return vreinterpretq_u8_u16(vcombine_u16(vdup_n_u16(x[0]), vdup_n_u16(x[1])));
}

/* x unsigned, w signed, as int16: exact for all values. */
V_NEON v_s32 v_dot(v_s32 acc, v_q x, v_q w) {
  const int16x8_t xl = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x)));
  const int16x8_t xh = vreinterpretq_s16_u16(vmovl_high_u8(x));
  const int16x8_t wl = vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(w)));
  const int16x8_t wh = vmovl_high_s8(vreinterpretq_s8_u8(w));
  const int32x4_t lane0 = vmull_s16(vget_low_s16(xl), vget_low_s16(wl)), lane1 = vmull_high_s16(xl, wl);
  const int32x4_t lane2 = vmull_s16(vget_low_s16(xh), vget_low_s16(wh)), lane3 = vmull_high_s16(xh, wh);
  return vaddq_s32(acc, vpaddq_s32(vpaddq_s32(lane0, lane1), vpaddq_s32(lane2, lane3)));
}
V_NEON v_s32 v_dot_sat(v_s32 acc, v_q x, v_q w) { return v_dot(acc, x, w); }
/* Two products of signed bytes fit 16 bits together, where w >= -127. */
V_NEON v_s32 v_dot2x2(v_s32 acc, v_q x, v_q w) {
  const int8x16_t a = vreinterpretq_s8_u8(x), b = vreinterpretq_s8_u8(w);
  const int16x8_t first = vmull_s8(vget_low_s8(a), vget_low_s8(b));
  return vpadalq_s16(acc, vmlal_high_s8(first, a, b));
}
V_NEON v_s32 v_dot2x2_wide(v_s32 acc, v_q x, v_q w) {
  const int8x16_t a = vreinterpretq_s8_u8(x), b = vreinterpretq_s8_u8(w);
  acc = vpadalq_s16(acc, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
  return vpadalq_s16(acc, vmull_high_s8(a, b));
}

V_NEON v_p v_products(v_q x, v_q w) {
  const int8x16_t s = vreinterpretq_s8_u8(w);
  const int16x8_t x_low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x)));
  const int16x8_t x_high = vreinterpretq_s16_u16(vmovl_high_u8(x));
  const int16x8_t low = vmulq_s16(x_low, vmovl_s8(vget_low_s8(s))),
                  high = vmulq_s16(x_high, vmovl_high_s8(s));
  return vpaddq_s16(low, high);
}
V_NEON v_p v_add_p(v_p a, v_p b) { return vaddq_s16(a, b); }
V_NEON v_s32 v_add_pairs(v_s32 acc, v_p a) { return vpadalq_s16(acc, a); }
V_NEON v_s32 v_dot2x2_half(v_s32 acc, v_q x, v_q w) {
  return vpadalq_s16(acc, vmull_s8(vget_low_s8(vreinterpretq_s8_u8(x)), vget_low_s8(vreinterpretq_s8_u8(w))));
}

V_NEON v_q v_xor_q(v_q a, v_q b) { return veorq_u8(a, b); }
V_NEON v_s32 v_dot_mem(v_s32 acc, v_q x, const void *w) { return v_dot(acc, x, v_load_q(w)); }
V_NEON v_s32 v_dot_sat_mem(v_s32 acc, v_q x, const void *w) { return v_dot_sat(acc, x, v_load_q(w)); }
V_NEON v_q v_xor_mem(v_q a, const void *b) { return v_xor_q(a, v_load_q(b)); }
V_NEON v_q v_max_u8(v_q a, v_q b) { return vmaxq_u8(a, b); }
V_NEON v_q v_min_u8(v_q a, v_q b) { return vminq_u8(a, b); }
V_NEON v_q v_min_s8(v_q a, v_q b) {
  return vreinterpretq_u8_s8(vminq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}
V_NEON v_q v_max_s8(v_q a, v_q b) {
  return vreinterpretq_u8_s8(vmaxq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}

V_NEON v_q v_zip_lo8(v_q a, v_q b) { return vzip1q_u8(a, b); }
V_NEON v_q v_zip_hi8(v_q a, v_q b) { return vzip2q_u8(a, b); }
V_NEON v_q v_zip_lo16(v_q a, v_q b) {
  return vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
V_NEON v_q v_zip_hi16(v_q a, v_q b) {
  return vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

V_NEON v_p v_widen_lo_u8(v_q a) { return vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a))); }
V_NEON v_p v_widen_hi_u8(v_q a) { return vreinterpretq_s16_u16(vmovl_high_u8(a)); }
V_NEON v_p v_widen_lo_s8(v_q a) { return vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(a))); }
V_NEON v_p v_widen_hi_s8(v_q a) { return vmovl_high_s8(vreinterpretq_s8_u8(a)); }

V_NEON v_p v_load_p(const int16_t *p) { return vld1q_s16(p); }
V_NEON void v_store_p(int16_t *p, v_p a) { vst1q_s16(p, a); }
V_NEON v_p v_load_p_s8(const int8_t *p) { return vmovl_s8(vld1_s8(p)); }
V_NEON v_p v_words(v_q a) { return vreinterpretq_s16_u8(a); }
/* The instruction's lane is a constant. The high half of w costs nothing: it becomes smlal2. */
V_NEON v_s32 v_mla_lane(v_s32 acc, v_p x, int16x4_t w, int n) {
  return n == 0   ? vmlal_laneq_s16(acc, w, x, 0)
         : n == 1 ? vmlal_laneq_s16(acc, w, x, 1)
         : n == 2 ? vmlal_laneq_s16(acc, w, x, 2)
         : n == 3 ? vmlal_laneq_s16(acc, w, x, 3)
         : n == 4 ? vmlal_laneq_s16(acc, w, x, 4)
         : n == 5 ? vmlal_laneq_s16(acc, w, x, 5)
         : n == 6 ? vmlal_laneq_s16(acc, w, x, 6)
                  : vmlal_laneq_s16(acc, w, x, 7);
}
V_NEON v_s32 v_mla_lo_lane(v_s32 acc, v_p x, v_p w, int n) { return v_mla_lane(acc, x, vget_low_s16(w), n); }
V_NEON v_s32 v_mla_hi_lane(v_s32 acc, v_p x, v_p w, int n) { return v_mla_lane(acc, x, vget_high_s16(w), n); }
/* The first four bytes of two numbers, paired and widened. */
V_NEON v_p v_interleave_u8(uint64_t a, uint64_t b) {
  return vreinterpretq_s16_u16(vmovl_u8(vzip1_u8(vcreate_u8(a), vcreate_u8(b))));
}
V_NEON v_p v_interleave_s8(uint64_t a, uint64_t b) {
  return vmovl_s8(vzip1_s8(vcreate_s8(a), vcreate_s8(b)));
}
V_NEON v_p v_pair_u8(const uint8_t *a, const uint8_t *b) {
  return v_interleave_u8(*(const v_mem_4 *)a, *(const v_mem_4 *)b);
}
V_NEON v_p v_pair_s8(const int8_t *a, const int8_t *b) {
  return v_interleave_s8(*(const v_mem_4 *)a, *(const v_mem_4 *)b);
}
V_NEON v_p v_pair_u8_part(const uint8_t *a, const uint8_t *b, int n) {
  return v_interleave_u8(v_get_bytes(a, n), v_get_bytes(b, n));
}
V_NEON v_p v_pair_s8_part(const int8_t *a, const int8_t *b, int n) {
  return v_interleave_s8(v_get_bytes((const uint8_t *)a, n), v_get_bytes((const uint8_t *)b, n));
}
V_NEON v_p v_bcast_p(int32_t a) { return vreinterpretq_s16_s32(vdupq_n_s32(a)); }
V_NEON v_p v_sub_p(v_p a, v_p b) { return vsubq_s16(a, b); }
V_NEON v_s32 v_dot2(v_s32 acc, v_p a, v_p b) {
  const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b)), high = vmull_high_s16(a, b);
  return vaddq_s32(acc, vpaddq_s32(low, high));
}

/* Of four vectors: the sum of each. */
V_NEON v_s32 v_sum4(v_s32 a, v_s32 b, v_s32 c, v_s32 d) {
  return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

V_NEON v_s32 v_add_s32(v_s32 a, v_s32 b) { return vaddq_s32(a, b); }
V_NEON v_s32 v_sub_s32(v_s32 a, v_s32 b) { return vsubq_s32(a, b); }
V_NEON v_s32 v_mul_s32(v_s32 a, v_s32 b) { return vmulq_s32(a, b); }
V_NEON v_s32 v_min_s32(v_s32 a, v_s32 b) { return vminq_s32(a, b); }
V_NEON v_s32 v_max_s32(v_s32 a, v_s32 b) { return vmaxq_s32(a, b); }
V_NEON v_s32 v_shr_s32(v_s32 a, int n) { return a >> vdupq_n_s32(n); }

V_NEON v_f32 v_add_f32(v_f32 a, v_f32 b) { return vaddq_f32(a, b); }
V_NEON v_f32 v_sub_f32(v_f32 a, v_f32 b) { return vsubq_f32(a, b); }
V_NEON v_f32 v_mul_f32(v_f32 a, v_f32 b) { return vmulq_f32(a, b); }
V_NEON v_f32 v_div_f32(v_f32 a, v_f32 b) { return vdivq_f32(a, b); }
/* a < b ? a : b; the instructions of that name treat NaN and -0 otherwise */
V_NEON v_f32 v_min_f32(v_f32 a, v_f32 b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
V_NEON v_f32 v_max_f32(v_f32 a, v_f32 b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
V_NEON v_f32 v_sqrt_f32(v_f32 a) { return vsqrtq_f32(a); }
V_NEON v_f32 v_abs_f32(v_f32 a) { return vabsq_f32(a); }
V_NEON v_f32 v_if_negative_f32(v_f32 x, v_f32 a, v_f32 b) { return vbslq_f32(vcltzq_f32(x), a, b); }
/* p * x + c, rounded twice: one step of Horner's rule. */
V_NEON v_f32 v_horner(v_f32 p, v_f32 x, float c) { return vaddq_f32(vmulq_f32(p, x), vdupq_n_f32(c)); }
V_NEON v_f32 v_power_of_two(v_s32 k) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(k, vdupq_n_s32(127)), 23));
}
/* The steps of math_f32.h, all branches taken. NaN goes through each of them. */
V_NEON v_f32 v_exp_f32(v_f32 x) {
  const v_f32 k = vsubq_f32(v_horner(x, vdupq_n_f32(0x1.715476p+0f), 0x1.8p+23f), vdupq_n_f32(0x1.8p+23f));
  const v_f32 high = vsubq_f32(x, vmulq_f32(k, vdupq_n_f32(0x1.62e4p-1f)));
  const v_f32 r = vsubq_f32(high, vmulq_f32(k, vdupq_n_f32(0x1.7f7d1cp-20f)));
  v_f32 q = v_horner(vdupq_n_f32(0x1.6a1a72p-10f), r, 0x1.123fc6p-7f);
  q = v_horner(q, r, 0x1.555916p-5f);
  q = v_horner(q, r, 0x1.55548ap-3f);
  q = v_horner(q, r, 0x1.fffffcp-2f);
  q = vaddq_f32(r, vmulq_f32(vmulq_f32(r, r), q));
  q = vaddq_f32(vdupq_n_f32(1.0f), q);
  const v_s32 e = vcvtq_s32_f32(k), half = vshrq_n_s32(e, 1);
  q = vmulq_f32(vmulq_f32(q, v_power_of_two(half)), v_power_of_two(vsubq_s32(e, half)));
  const uint32x4_t large = vcgtq_f32(x, vdupq_n_f32(0x1.62e42ep+6f));
  const uint32x4_t small = vcltq_f32(x, vdupq_n_f32(-0x1.5d589ep+6f));
  q = vbslq_f32(large, vreinterpretq_f32_u32(vdupq_n_u32(0x7f800000)), q);
  return vbslq_f32(small, vdupq_n_f32(0), q);
}
V_NEON v_f32 v_sigmoid_f32(v_f32 x) {
  const v_f32 one = vdupq_n_f32(1.0f);
  return vdivq_f32(one, vaddq_f32(one, v_exp_f32(vnegq_f32(x))));
}
V_NEON v_f32 v_tanh_f32(v_f32 x) {
  const v_f32 a = vabsq_f32(x), z = vmulq_f32(a, a), one = vdupq_n_f32(1.0f), two = vdupq_n_f32(2.0f);
  v_f32 p = v_horner(vdupq_n_f32(-0x1.6f4214p-8f), z, 0x1.50b828p-6f);
  p = v_horner(p, z, -0x1.b806a6p-5f);
  p = v_horner(p, z, 0x1.1105a2p-3f);
  p = v_horner(p, z, -0x1.55552cp-2f);
  p = vaddq_f32(a, vmulq_f32(a, vmulq_f32(z, p)));
  const v_f32 e = vaddq_f32(v_exp_f32(vmulq_f32(two, a)), one);
  p = vbslq_f32(vcgeq_f32(a, vdupq_n_f32(0.625f)), vsubq_f32(one, vdivq_f32(two, e)), p);
  p = vbslq_f32(vcgtq_f32(a, vdupq_n_f32(9.02f)), one, p);
  return vbslq_f32(vdupq_n_u32(0x80000000u), x, p);
}
V_NEON v_f32 v_s32_to_f32(v_s32 a) { return vcvtq_f32_s32(a); }
V_NEON v_s32 v_rne_f32(v_f32 a) { return vcvtnq_s32_f32(a); }
V_NEON v_s32 v_requant(v_s32 acc, v_f32 m, v_f32 lo, v_f32 hi, v_s32 z) {
  const float32x4_t v = vmulq_f32(vcvtq_f32_s32(acc), m);
  /* these turn NaN into the other operand, too; the sign of 0 does not matter here */
  const float32x4_t clamped = vminnmq_f32(vmaxnmq_f32(v, lo), hi);
  return vaddq_s32(vcvtnq_s32_f32(clamped), z);
}

V_NEON v_s32 v_scale(v_s32 acc, v_f32 m) { return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(acc), m)); }

/* Two vectors as int16 plus the zero point, saturated; then as bytes. */
V_NEON int16x8_t v_narrow16_x2(v_s32 a, v_s32 b, v_p zero) {
  return vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero);
}
V_NEON v_q v_narrow_u8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  return vqmovun_high_s16(vqmovun_s16(v_narrow16_x2(a, b, zero)), v_narrow16_x2(c, d, zero));
}
V_NEON v_q v_narrow_s8_x4(v_s32 a, v_s32 b, v_s32 c, v_s32 d, v_p zero) {
  return vreinterpretq_u8_s8(
      vqmovn_high_s16(vqmovn_s16(v_narrow16_x2(a, b, zero)), v_narrow16_x2(c, d, zero)));
}
V_NEON v_q v_narrow_u8_x2(v_s32 a, v_s32 b, v_p zero) {
  return vcombine_u8(vqmovun_s16(v_narrow16_x2(a, b, zero)), vcreate_u8(0));
}
V_NEON v_q v_narrow_s8_x2(v_s32 a, v_s32 b, v_p zero) {
  return vcombine_u8(vreinterpret_u8_s8(vqmovn_s16(v_narrow16_x2(a, b, zero))), vcreate_u8(0));
}
/* The lanes of one vector: the other half of the number goes. */
V_NEON uint8x16_t v_first_4(uint8x8_t a) {
  return vcombine_u8(vreinterpret_u8_u32(vset_lane_u32(0, vreinterpret_u32_u8(a), 1)), vcreate_u8(0));
}
V_NEON v_q v_narrow_u8(v_s32 a, v_p zero) { return v_first_4(vqmovun_s16(v_narrow16_x2(a, a, zero))); }
V_NEON v_q v_narrow_s8(v_s32 a, v_p zero) {
  return v_first_4(vreinterpret_u8_s8(vqmovn_s16(v_narrow16_x2(a, a, zero))));
}

#endif
