/* Counting into equal bins as PyTorch's torch.histc does (ATen/native/cpu/HistogramKernel.cpp): element x
 * falls into bin (x - lo) / (hi - lo) * bins, in single precision and in this order, truncated; the last bin
 * holds hi, too. What lies outside [lo, hi] is not counted. */
#ifndef QCC_PASSES_OBSERVE_HISTC_H
#define QCC_PASSES_OBSERVE_HISTC_H

#include "ir/arena.h"

typedef struct {
  int64_t bins, cap; /* cap: how many bins there is room for */
  uint32_t *count; /* several histograms side by side, so that equal neighbours do not wait for each other */
  int sides;
  float lo, hi;
} Histc;

/* Room for `bins` bins, at most 2^30; the arena's. Before histc_start. */
void histc_reserve(Histc *h, Arena *a, int64_t bins);
/* Begins to count from 0; hi > lo. */
void histc_start(Histc *h, int64_t bins, float lo, float hi);
/* Counts elements, less than 2^32 in all. */
void histc_add(Histc *h, const float *x, int64_t n);
/* Adds to sum[i] how many fell into bin i. */
void histc_add_to(const Histc *h, float *sum);

/* torch.histc's answer to lo == hi: the elements' own least and greatest (n > 0) take their place, and where
 * these are equal too, one less and one more. */
void histc_bounds(const float *x, int64_t n, float *lo, float *hi);

#endif
