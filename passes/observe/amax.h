/* What the observers of NVIDIA's pytorch_quantization (pytorch_quantization/calib) have in common: they find
 * amax, the greatest magnitude that is represented. */
#ifndef QCC_PASSES_OBSERVE_AMAX_H
#define QCC_PASSES_OBSERVE_AMAX_H

#include "passes/observe.h"

/* A symmetric spec gets [-amax, amax], and so their scale, amax / 127 for s8 in [-127, 127]. An affine one
 * gets the values [lo, hi] as far as they lie within: without negative values amax / 255 and the zero point
 * 0. */
void amax_range(const ObserverSpec *spec, float amax, float *lo, float *hi);

#endif
