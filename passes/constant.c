#include "passes/constant.h"

#include <math.h>

#include "ir/quant.h"

bool finite_range(const float *x, int64_t n, float *lo, float *hi) {
  *lo = *hi = x[0];
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) return false;
    if (x[i] < *lo) *lo = x[i];
    if (x[i] > *hi) *hi = x[i];
  }
  return true;
}

const void *quantize_constant(Arena *a, DType dtype, const float *x, int64_t n, float scale, int32_t zero) {
  int32_t qmin = (int32_t)dtype_info[dtype].min, qmax = (int32_t)dtype_info[dtype].max;
  uint8_t *q = arena_alloc(a, (size_t)n + 1);
  for (int64_t i = 0; i < n; i++) q[i] = (uint8_t)quantize_value(x[i], scale, zero, qmin, qmax);
  return q; /* s8 in two's complement */
}
