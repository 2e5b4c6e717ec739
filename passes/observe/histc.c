#include "passes/observe/histc.h"

#include <math.h>
#include <string.h>

#include "passes/observe/minmax.h"

enum { BLOCK = 256, SIDES = 4, MANY_BINS = 1 << 13 };

void histc_reserve(Histc *h, Arena *a, int64_t bins) {
  if (bins <= h->cap) return;
  while (h->cap < bins) h->cap = h->cap ? 2 * h->cap : bins;
  int64_t each = h->cap + 1; /* the last one takes what lies outside */
  h->count = ARENA_NEW_ARRAY(a, uint32_t, (size_t)(h->cap > MANY_BINS ? each : SIDES * each));
}

void histc_start(Histc *h, int64_t bins, float lo, float hi) {
  h->bins = bins;
  h->lo = lo;
  h->hi = hi;
  h->sides = h->cap > MANY_BINS ? 1 : SIDES;
  memset(h->count, 0, sizeof *h->count * (size_t)(h->sides * (bins + 1)));
}

/* Bins of a block. Plain arithmetic without branches, which compilers vectorise. */
static void place(const Histc *h, const float *x, int n, int32_t *bin) {
  const float lo = h->lo, hi = h->hi, width = hi - lo, bins = (float)h->bins;
  const int32_t outside = (int32_t)h->bins, last = outside - 1;
  for (int i = 0; i < n; i++) {
    bool inside = (x[i] >= lo) & (x[i] <= hi);
    float v = (x[i] - lo) / width * bins;
    int32_t b = (int32_t)(inside ? v : 0);
    b = b > last ? last : b;
    bin[i] = inside ? b : outside;
  }
}

/* Where single precision would overflow, or cannot tell lo from hi: there upstream converts a NaN, which on
 * x86 and here ends in the first bin. */
static void place_wide(const Histc *h, const float *x, int n, int32_t *bin) {
  double width = (double)h->hi - (double)h->lo, bins = (double)h->bins;
  for (int i = 0; i < n; i++) {
    bool inside = x[i] >= h->lo && x[i] <= h->hi;
    double v = width > 0 ? ((double)x[i] - (double)h->lo) / width * bins : 0;
    bin[i] = (int32_t)(!inside ? bins : v < bins - 1 ? v : bins - 1);
  }
}

void histc_add(Histc *h, const float *x, int64_t n) {
  int64_t stride = h->bins + 1;
  float width = h->hi - h->lo;
  bool narrow = width > 0 && isfinite(width);
  for (int64_t i = 0; i < n; i += BLOCK) {
    int32_t bin[BLOCK];
    int count = n - i < BLOCK ? (int)(n - i) : BLOCK;
    if (!narrow)
      place_wide(h, x + i, count, bin);
    else if (count == BLOCK)
      place(h, x + i, BLOCK, bin);
    else
      place(h, x + i, count, bin);
    if (h->sides == SIDES)
      for (int k = 0; k < count; k++) h->count[(k % SIDES) * stride + bin[k]]++;
    else
      for (int k = 0; k < count; k++) h->count[bin[k]]++;
  }
}

void histc_add_to(const Histc *h, float *sum) {
  for (int64_t i = 0; i < h->bins; i++) {
    uint32_t count = 0;
    for (int k = 0; k < h->sides; k++) count += h->count[k * (h->bins + 1) + i];
    sum[i] += (float)count;
  }
}

void histc_bounds(const float *x, int64_t n, float *lo, float *hi) {
  if (*lo != *hi) return;
  span_of(x, n, lo, hi);
  if (*lo != *hi) return;
  *lo = (float)((double)*lo - 1);
  *hi = (float)((double)*hi + 1);
}
