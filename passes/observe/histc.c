#include "passes/observe/histc.h"

#include <math.h>
#include <string.h>

#include "passes/observe/minmax.h"

enum { BLOCK = 256, SIDES = 4 };

void histc_reserve(Histc *h, Arena *a, int64_t bins) {
  h->bins = bins;
  if (bins < h->cap) return;
  h->cap = bins + 1; /* the last one takes what lies outside */
  h->count = ARENA_NEW_ARRAY(a, uint32_t, (size_t)(SIDES * h->cap));
}

typedef struct {
  float lo, hi, width, bins;
  int32_t last, outside;
} Grid;

/* Bins of a block. Plain arithmetic without branches, which compilers vectorise. */
static void place(const Grid *g, const float *x, int n, int32_t *bin) {
  const float lo = g->lo, hi = g->hi, width = g->width, bins = g->bins;
  const int32_t last = g->last, outside = g->outside;
  for (int i = 0; i < n; i++) {
    float v = (x[i] - lo) * bins / width;
    bool inside = (x[i] >= lo) & (x[i] <= hi);
    int32_t b = (int32_t)(inside ? v : 0);
    b = b > last ? last : b;
    bin[i] = inside ? b : outside;
  }
}

/* Where single precision would overflow, or the width is 0: upstream's result is undefined there. */
static void place_wide(const Grid *g, const float *x, int n, int32_t *bin) {
  double width = (double)g->hi - (double)g->lo;
  for (int i = 0; i < n; i++) {
    bool inside = x[i] >= g->lo && x[i] <= g->hi;
    double v = width > 0 ? ((double)x[i] - (double)g->lo) / width * (double)g->bins : (double)g->bins / 2;
    bin[i] = !inside ? g->outside : v > g->last ? g->last : (int32_t)v;
  }
}

void histc(Histc *h, const float *x, int64_t n, float lo, float hi, float *out) {
  int64_t bins = h->bins, stride = bins + 1;
  memset(h->count, 0, sizeof *h->count * (size_t)(SIDES * stride));
  if (lo == hi) span_of(x, n, &lo, &hi);
  if (lo == hi) {
    lo = (float)((double)lo - 1);
    hi = (float)((double)hi + 1);
  }
  Grid g = {lo, hi, hi - lo, (float)bins, (int32_t)bins - 1, (int32_t)bins};
  bool narrow = g.width > 0 && isfinite(g.width * g.bins);
  for (int64_t i = 0; i < n; i += BLOCK) {
    int32_t bin[BLOCK];
    int count = n - i < BLOCK ? (int)(n - i) : BLOCK;
    if (!narrow)
      place_wide(&g, x + i, count, bin);
    else if (count == BLOCK)
      place(&g, x + i, BLOCK, bin);
    else
      place(&g, x + i, count, bin);
    for (int k = 0; k < count; k++) h->count[(k % SIDES) * stride + bin[k]]++;
  }
  for (int64_t i = 0; i < bins; i++) {
    uint32_t sum = 0;
    for (int k = 0; k < SIDES; k++) sum += h->count[k * stride + i];
    out[i] = (float)sum;
  }
}
