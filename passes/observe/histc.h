/* Counting into equal bins as PyTorch's torch.histc does (ATen/native/cpu/HistogramKernel.cpp): element x
 * falls into bin (x - lo) * bins / (hi - lo), in single precision and in this order, truncated; the last bin
 * holds hi, too. What lies outside [lo, hi] is not counted. */
#ifndef QCC_PASSES_OBSERVE_HISTC_H
#define QCC_PASSES_OBSERVE_HISTC_H

#include "ir/arena.h"

typedef struct {
  int64_t bins;
  int64_t cap;     /* what `count` has room for */
  uint32_t *count; /* four histograms side by side, so that equal neighbours do not wait for each other */
} Histc;

/* Room for `bins` bins; the arena's. */
void histc_reserve(Histc *h, Arena *a, int64_t bins);
/* Counts n > 0 elements: out[i] = how many fall into bin i. Where lo == hi, the elements' least and greatest
 * take their place; where these are equal too, the middle bin gets all. A sample has less than 2^32 elements.
 */
void histc(Histc *h, const float *x, int64_t n, float lo, float hi, float *out);

#endif
