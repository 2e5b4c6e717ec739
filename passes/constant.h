/* Float constants that become integers. */
#ifndef QCC_PASSES_CONSTANT_H
#define QCC_PASSES_CONSTANT_H

#include "ir/type.h"

/* The least and greatest of n > 0 values; false where one is not finite. */
bool finite_range(const float *x, int64_t n, float *lo, float *hi);

/* n values as u8 or s8 of these parameters (rule 1). */
const void *quantize_constant(Arena *a, DType dtype, const float *x, int64_t n, float scale, int32_t zero);

#endif
