/* exp, sigmoid and tanh by the steps of math_f32.h, all branches taken, for headers whose operations are
 * intrinsics. NaN goes through each of them. */
#ifndef QCC_RUNTIME_VEC_MATH_H
#define QCC_RUNTIME_VEC_MATH_H

/* p * x + c, rounded twice: one step of Horner's rule. */
V_VEC v_f32 v_horner(v_f32 p, v_f32 x, float c) { return v_add_f32(v_mul_f32(p, x), v_splat_f32(c)); }
/* x > c ? a : b. The difference of two floats has the sign of their order. */
V_VEC v_f32 v_if_above(v_f32 x, float c, v_f32 a, v_f32 b) {
  return v_if_negative_f32(v_sub_f32(v_splat_f32(c), x), a, b);
}

V_VEC v_f32 v_exp_f32(v_f32 x) {
  const v_f32 magic = v_splat_f32(0x1.8p+23f);
  const v_f32 k = v_sub_f32(v_horner(x, v_splat_f32(0x1.715476p+0f), 0x1.8p+23f), magic);
  const v_f32 high = v_sub_f32(x, v_mul_f32(k, v_splat_f32(0x1.62e4p-1f)));
  const v_f32 r = v_sub_f32(high, v_mul_f32(k, v_splat_f32(0x1.7f7d1cp-20f)));
  v_f32 q = v_horner(v_splat_f32(0x1.6a1a72p-10f), r, 0x1.123fc6p-7f);
  q = v_horner(q, r, 0x1.555916p-5f);
  q = v_horner(q, r, 0x1.55548ap-3f);
  q = v_horner(q, r, 0x1.fffffcp-2f);
  q = v_add_f32(r, v_mul_f32(v_mul_f32(r, r), q));
  q = v_add_f32(v_splat_f32(1.0f), q);
  const v_s32 e = v_truncate_f32(k), half = v_shr_s32(e, 1);
  q = v_mul_f32(v_mul_f32(q, v_power_of_two(half)), v_power_of_two(v_sub_s32(e, half)));
  q = v_if_above(x, 0x1.62e42ep+6f, v_splat_f32(1.0f / 0.0f), q);
  return v_if_negative_f32(v_sub_f32(x, v_splat_f32(-0x1.5d589ep+6f)), v_splat_f32(0), q);
}
V_VEC v_f32 v_sigmoid_f32(v_f32 x) {
  const v_f32 one = v_splat_f32(1.0f);
  return v_div_f32(one, v_add_f32(one, v_exp_f32(v_sub_f32(v_splat_f32(-0.0f), x))));
}
V_VEC v_f32 v_tanh_f32(v_f32 x) {
  const v_f32 a = v_abs_f32(x), z = v_mul_f32(a, a), one = v_splat_f32(1.0f), two = v_splat_f32(2.0f);
  v_f32 p = v_horner(v_splat_f32(-0x1.6f4214p-8f), z, 0x1.50b828p-6f);
  p = v_horner(p, z, -0x1.b806a6p-5f);
  p = v_horner(p, z, 0x1.1105a2p-3f);
  p = v_horner(p, z, -0x1.55552cp-2f);
  p = v_add_f32(a, v_mul_f32(a, v_mul_f32(z, p)));
  const v_f32 e = v_add_f32(v_exp_f32(v_mul_f32(two, a)), one);
  const v_f32 far = v_sub_f32(one, v_div_f32(two, e));
  p = v_if_negative_f32(v_sub_f32(a, v_splat_f32(0.625f)), p, far);
  p = v_if_above(a, 9.02f, one, p);
  return v_with_sign_f32(p, x);
}

#endif
