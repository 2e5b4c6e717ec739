#include "passes/qspec.h"

#include <math.h>

#include "ir/quant.h"

QuantSpec qspec_of(DType dtype, bool reduce_range) {
  int64_t min = dtype_info[dtype].min, max = dtype_info[dtype].max;
  if (reduce_range && dtype != DT_S32) { /* 0..127, -64..63; PyTorch never halves qint32 */
    min /= 2;
    max /= 2;
  }
  return (QuantSpec){.dtype = dtype, .quant_min = (int32_t)min, .quant_max = (int32_t)max, .eps = 0x1p-23f};
}

static int32_t half_down(int32_t v) { return v / 2 - (v % 2 < 0); }

QuantSpec qspec_custom(DType dtype, int32_t quant_min, int32_t quant_max, bool reduce_range) {
  QuantSpec q = qspec_of(dtype, false);
  q.custom_range = true;
  q.quant_min = reduce_range ? half_down(quant_min) : quant_min;
  q.quant_max = reduce_range ? half_down(quant_max) : quant_max;
  return q;
}

static bool valid_scale(float scale, float eps, float *result) {
  *result = scale > eps ? scale : eps;
  return scale_is_valid(*result);
}

/* Of u8: 128, with reduce_range too (the values are 64..191 then), as PyTorch's HistogramObserver has it; the
 * middle between limits that were given. */
static int32_t symmetric_zero(const QuantSpec *q) {
  if (q->dtype != DT_U8) return 0;
  return q->custom_range ? (q->quant_min + q->quant_max) / 2 : 128;
}

bool qspec_params(const QuantSpec *q, float lo, float hi, float *scale, int32_t *zero) {
  if (lo > 0) lo = 0;
  if (hi < 0) hi = 0;
  float steps = (float)((int64_t)q->quant_max - q->quant_min);
  if (q->symmetric) {
    float amax = -lo > hi ? -lo : hi;
    *zero = symmetric_zero(q);
    return valid_scale(amax / (steps / 2), q->eps, scale);
  }
  float width = hi - lo;
  if (!valid_scale(isfinite(width) ? width / steps : hi / steps - lo / steps, q->eps, scale)) return false;
  int64_t z = q->quant_min - rne((double)(lo / *scale));
  *zero = (int32_t)(z < q->quant_min ? q->quant_min : z > q->quant_max ? q->quant_max : z);
  return true;
}

void qspec_float_params(const QuantSpec *q, float lo, float hi, float *scale, float *zero) {
  float width = (hi - lo) / (float)((int64_t)q->quant_max - q->quant_min);
  *scale = width > q->eps ? width : 1;
  *zero = -lo / *scale;
}
