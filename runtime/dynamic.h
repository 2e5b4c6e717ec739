/* Scales and zero points that are chosen while the model runs, from the range [lo, hi] of an activation, for
 * u8 values in [0, qmax]. The rules are 0, PyTorch's, in double, and 1, ONNX's, in float. Infinities count as
 * the largest float, NaN as 0; the scale is a normal number always. */
#ifndef QCC_RUNTIME_DYNAMIC_H
#define QCC_RUNTIME_DYNAMIC_H

#include "preamble.h"

static inline float v_dynamic_low(float lo) {
  if (!(lo < 0)) return 0;
  return lo < -FLT_MAX ? -FLT_MAX : lo;
}
static inline float v_dynamic_high(float hi) {
  if (!(hi > 0)) return 0;
  return hi > FLT_MAX ? FLT_MAX : hi;
}

/* (hi - lo) / qmax, or 0.1 where the float's reciprocal is infinite: where it would be 2^-128 or less. */
static inline double v_aten_step(float lo, float hi, int32_t qmax) {
  const double step = ((double)hi - (double)lo) / qmax;
  return step <= 0x1.000004p-128 ? 0.1 : step;
}
/* PyTorch's least scale. */
#define V_ATEN_LEAST 6.1e-5f
static inline int32_t v_aten_zero(float lo, float hi, int32_t qmax) {
  double s = v_aten_step(lo, hi, qmax), below, above, z;
  if (s < (double)V_ATEN_LEAST) { /* the range grows with the scale */
    const float factor = V_ATEN_LEAST / (float)s;
    const int from_0 = lo == 0, to_0 = hi == 0;
    lo = from_0 ? 0 : to_0 ? -(V_ATEN_LEAST * (float)qmax) : lo * factor;
    hi = from_0 ? V_ATEN_LEAST * (float)qmax : to_0 ? 0 : hi * factor;
    s = (double)V_ATEN_LEAST;
  }
  below = -((double)lo / s);
  above = (double)hi / s;
  z = -below < qmax - above ? below : qmax - above; /* the end of the lesser error is exact */
  z = z < 0 ? 0 : z > qmax ? qmax : z;
  return (int32_t)((z + 0x1.8p52) - 0x1.8p52);
}

static inline float v_onnx_scale(float lo, float hi, int32_t qmax) {
  const float range = hi - lo;
  float s = range / (float)qmax;
  if (range > FLT_MAX) s = hi / (float)qmax - lo / (float)qmax;
  if (range == 0) return 1;
  return s < FLT_MIN ? FLT_MIN : s;
}
static inline int32_t v_onnx_zero(float lo, float hi, int32_t qmax) {
  const float z = -lo / v_onnx_scale(lo, hi, qmax);
  const double limited = z > (float)qmax ? (double)qmax : (double)z;
  return (int32_t)((limited + 0x1.8p52) - 0x1.8p52);
}

static inline float v_dynamic_scale(float lo, float hi, int rule, int32_t qmax) {
  double s;
  lo = v_dynamic_low(lo);
  hi = v_dynamic_high(hi);
  if (rule) return v_onnx_scale(lo, hi, qmax);
  s = v_aten_step(lo, hi, qmax);
  return s < (double)V_ATEN_LEAST ? V_ATEN_LEAST : (float)s;
}
static inline int32_t v_dynamic_zero(float lo, float hi, int rule, int32_t qmax) {
  lo = v_dynamic_low(lo);
  hi = v_dynamic_high(hi);
  return rule ? v_onnx_zero(lo, hi, qmax) : v_aten_zero(lo, hi, qmax);
}

#endif
