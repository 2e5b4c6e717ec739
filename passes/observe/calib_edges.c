#include <math.h>

#include "passes/observe/calib_hist.h"

/* ATen fills two vectors of 8 lanes at a time and what is left over one by one (ATen/native/cpu/
 * RangeFactoriesKernel.cpp, with AVX2): a vector is its first number plus 0, 1, ... 7 steps. */
enum { LANES = 8, PAIR = 2 * LANES };

/* The upper half counts from the end: end - step * n, an fma there. */
static float from_end(float end, float step, int64_t n) { return fmaf(-step, (float)n, end); }

void calib_edges_torch_linspace(float end, int64_t n, double *edges) {
  float step = end / (float)(n - 1);
  int64_t half = n / 2, i = 0;
  for (; i + PAIR <= n; i += PAIR)
    for (int64_t v = i; v < i + PAIR; v += LANES) {
      float base = v < half ? step * (float)v : from_end(end, step, n - v - 1);
      for (int k = 0; k < LANES; k++) edges[v + k] = (double)(base + (float)k * step);
    }
  for (; i < n; i++) edges[i] = (double)(i < half ? step * (float)i : from_end(end, step, n - i - 1));
}

void calib_edges_torch_arange(float width, int64_t n, double *edges) {
  double step = (double)width;
  int64_t i = 0;
  for (; i + PAIR <= n; i += PAIR)
    for (int64_t v = i; v < i + PAIR; v += LANES) {
      float base = (float)(step * (double)v);
      for (int k = 0; k < LANES; k++) edges[v + k] = (double)(float)((double)base + k * step);
    }
  for (; i < n; i++) edges[i] = (double)(float)(step * (double)i);
}

/* In double, then rounded to the values' own type. */
void calib_edges_numpy_linspace(float first, float last, int64_t n, double *edges) {
  double from = (double)first, to = (double)last;
  if (first == last) {
    from -= 0.5;
    to += 0.5;
  }
  double step = (to - from) / (double)(n - 1);
  for (int64_t i = 0; i < n; i++) edges[i] = (double)(float)((double)i * step + from);
  edges[n - 1] = (double)(float)to;
}

static int64_t count_of(double numbers, int64_t limit) {
  if (!(numbers < (double)limit)) return limit;
  return numbers > 0 ? (int64_t)ceil(numbers) : 0;
}

int64_t calib_edges_torch_count(float end, float width, int64_t limit) {
  return count_of((double)end / (double)width, limit);
}

int64_t calib_edges_numpy_more(double last, float max, double width, bool single, int64_t limit,
                               double *edges) {
  double start = last + width, next = start + width, numbers = (((double)max + width) - start) / width;
  if (single) {
    float s = (float)last + (float)width, w = (float)width;
    start = (double)s;
    next = (double)(s + w);
    numbers = (double)(((max + w) - s) / w);
  }
  int64_t n = count_of(numbers, limit);
  for (int64_t i = 0; edges && i < n; i++) edges[i] = i == 1 ? next : start + (double)i * (next - start);
  return n;
}
