/* Rule 14 of docs/numerics.md: parameters that are chosen while a model runs. runtime/dynamic.h computes the
 * same in emitted code; neither may round differently. */
#include "ir/quant.h"

#include <float.h>
#include <math.h>

/* v in [0, 255]: beside 1.5 * 2^52 a double's unit is 1 */
static int32_t rne_byte(double v) { return (int32_t)((v + 0x1.8p52) - 0x1.8p52); }

/* PyTorch's least scale. */
static const float aten_least = 6.1e-5f;
/* Scales of which the float32's reciprocal is infinite: those that round to 2^-128 or less. PyTorch then
 * takes 0.1, whatever the range was; zeros come out as zeros. */
static const double aten_none = 0x1.000004p-128;

/* The scale was raised to the least one: the range grows alike, in float32. */
static void widen_range(float *lo, float *hi, double old_scale, int32_t qmax) {
  if (*lo == 0) {
    *hi = aten_least * (float)qmax;
  } else if (*hi == 0) {
    *lo = -(aten_least * (float)qmax);
  } else {
    float factor = aten_least / (float)old_scale;
    *lo *= factor;
    *hi *= factor;
  }
}

static void aten_params(float lo, float hi, int32_t qmax, float *scale, int32_t *zero) {
  double s = ((double)hi - (double)lo) / qmax;
  if (s <= aten_none) s = 0.1;
  if (s < (double)aten_least) {
    widen_range(&lo, &hi, s, qmax);
    s = (double)aten_least;
  }
  /* The zero point that makes one end exact; the end where the error is less decides. */
  double from_lo = -((double)lo / s), from_hi = qmax - (double)hi / s;
  double error_lo = -fabs((double)lo / s), error_hi = qmax - fabs((double)hi / s);
  double z = error_lo < error_hi ? from_lo : from_hi;
  *scale = (float)s;
  *zero = rne_byte(z < 0 ? 0 : z > qmax ? qmax : z);
}

static void onnx_params(float lo, float hi, int32_t qmax, float *scale, int32_t *zero) {
  float range = hi - lo, s = range / (float)qmax;
  if (range > FLT_MAX) s = hi / (float)qmax - lo / (float)qmax;
  if (range == 0) s = 1;
  if (s < FLT_MIN) s = FLT_MIN;
  float z = 0.0f - lo / s;
  *scale = s;
  *zero = rne_byte((double)(z > (float)qmax ? (float)qmax : z));
}

void dynamic_params(float lo, float hi, DynamicRule rule, int32_t qmax, float *scale, int32_t *zero) {
  lo = lo < 0 ? lo : 0; /* NaN too */
  hi = hi > 0 ? hi : 0;
  lo = lo < -FLT_MAX ? -FLT_MAX : lo;
  hi = hi > FLT_MAX ? FLT_MAX : hi;
  (rule == DYNAMIC_ATEN ? aten_params : onnx_params)(lo, hi, qmax, scale, zero);
}
