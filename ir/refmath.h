/* Reference float functions: ours, so that no byte of the output depends on the host's libm. Each is a fixed
 * sequence of IEEE single operations (never contracted); runtime/math_f32.h holds the emitted twin, equal bit
 * for bit. */
#ifndef QCC_IR_REFMATH_H
#define QCC_IR_REFMATH_H

float ref_exp(float x); /* below -87.33654, where it would be subnormal, exactly 0; above 88.72283 inf;
                           NaN: NaN. Error <= 1 ulp */
float ref_log(float x);
float ref_tanh(float x);
float ref_sigmoid(float x); /* 1 / (1 + exp(-x)) */
float ref_erf(float x);
float ref_sqrt(float x);  /* the IEEE one */
float ref_round(float x); /* to the nearest integer, ties to even; -0 where that is 0 and x is negative */
/* Sum by rule 12: 16 partial sums by index mod 16, then a tree (8, 4, 2, 1). */
float ref_sum16(const float *x, long n, long stride);
/* max(a, b) = a > b ? a : b and min(a, b) = a < b ? a : b, so NaN as `a` gives b: a clamp turns NaN into its
 * low end. */
static inline float ref_max(float a, float b) { return a > b ? a : b; }
static inline float ref_min(float a, float b) { return a < b ? a : b; }
static inline float ref_clamp(float v, float lo, float hi) { return ref_min(ref_max(v, lo), hi); }

#endif
