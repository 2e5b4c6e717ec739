/* The state of PyTorch's HistogramObserver (torch 1.13, torch/ao/quantization/observer.py). */
#ifndef QCC_PASSES_OBSERVE_HISTOGRAM_H
#define QCC_PASSES_OBSERVE_HISTOGRAM_H

#include "passes/observe/histc.h"
#include "passes/observe/minmax.h"

typedef struct {
  int64_t samples, bins;
  float min, max;
  FloatList histogram; /* [bins] over [min, max]; parts of counts, once it has been resampled */
  int64_t upsample;
  double levels;    /* of the type that is quantized to, whatever part of it is used: 256 */
  bool whole_range; /* range = int: see docs/quantization.md */
  Histc counts;
  float *fresh;  /* [bins], of the sample at hand */
  float *spread; /* [bins], scratch */
} Histogram;

/* The range that minimises the L2 norm of the quantization error, by PyTorch's search: it takes bins off
 * either end, a quantile of 1e-5 at a time, until the norm grows. `scratch` has room for 2 * bins floats. */
void histogram_search(const Histogram *h, float *scratch, float *lo, float *hi);

#endif
