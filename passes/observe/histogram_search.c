#include "passes/observe/histogram.h"

#include <math.h>

#include "passes/observe/aten_sum.h"

/* All in single precision, operation by operation, as upstream's tensors have it; what are Python's numbers
 * there is double here. */
typedef struct {
  const Histogram *h;
  int64_t bins;
  double bin_width;
  float *norm; /* [bins] */
} Search;

/* density * the integral of x^2 from `begin` to `end` */
static float norm_of(float begin, float end, float density) {
  return density * ((end * end * end - begin * begin * begin) / 3);
}

/* torch.div(a, b, rounding_mode='floor'), clamped to [0, last]. Upstream takes it from fmod, which gives the
 * floor of the exact quotient while that is small; so does the quotient in double. */
static float level_of(float a, float b, float last) {
  double q = floor((double)a / (double)b);
  return q < 0 ? 0 : q > (double)last ? last : (float)q;
}

static double wide_norm_of(double begin, double end, double density) {
  return density * ((end * end * end - begin * begin * begin) / 3);
}

static double wide_level_of(double a, double b, double last) {
  double q = floor(a / b);
  return q < 0 ? 0 : q > last ? last : q;
}

/* The same in double, for values whose cubes single precision cannot hold: upstream compares infinities
 * there, and ends at a single bin. */
static double wide_error_of(const Search *s, double width, int64_t start) {
  double last = s->h->levels - 1, half = width / 2, sum = 0;
  for (int64_t i = 0; i < s->bins; i++) {
    double begin = (double)(i - start) * s->bin_width, stop = begin + s->bin_width;
    double density = (double)s->h->histogram.v[i] / s->bin_width;
    double first = wide_level_of(begin, width, last), final = wide_level_of(stop, width, last);
    sum += wide_norm_of(begin - (first + 0.5) * width, half, density) +
           (final - first - 1) * wide_norm_of(-half, half, density) +
           wide_norm_of(-half, stop - (final + 0.5) * width, density);
  }
  return sum;
}

/* The norm of the error where the bins from `start` to `end` are spread over all levels. */
static double error_of(const Search *s, int64_t start, int64_t end) {
  double width = s->bin_width * (double)(end - start + 1) / s->h->levels;
  if (width == 0) return 0;
  float bin = (float)s->bin_width, level = (float)width, half = (float)(width / 2),
        last = (float)(s->h->levels - 1);
  for (int64_t i = 0; i < s->bins; i++) {
    float begin = (float)(i - start) * bin, stop = begin + bin, density = s->h->histogram.v[i] / bin;
    float first = level_of(begin, level, last), final = level_of(stop, level, last);
    float norm = norm_of(begin - (first + 0.5f) * level, half, density);
    norm += (final - first - 1) * norm_of(-half, half, density);
    norm += norm_of(-half, stop - (final * level + half), density);
    s->norm[i] = norm;
  }
  double sum = (double)aten_sum(s->norm, s->bins);
  return isfinite(sum) ? sum : wide_error_of(s, width, start);
}

/* The running sum, in double, each rounded to single. */
static void cumulate(const float *x, int64_t n, float *sums) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sums[i] = (float)(sum += (double)x[i]);
}

void histogram_search(const Histogram *h, float *scratch, float *lo, float *hi) {
  *lo = h->min;
  *hi = h->max;
  if (!isfinite(h->max - h->min)) return;
  int64_t bins = h->bins, start = 0, end = bins - 1;
  Search s = {h, bins, ((double)h->max - (double)h->min) / (double)bins, scratch + bins};
  float *sums = scratch, bin = (h->max - h->min) / (float)bins;
  cumulate(h->histogram.v, bins, sums);
  const double step = 1e-5, total = (double)aten_sum(h->histogram.v, bins);
  double alpha = 0, beta = 1, least = INFINITY;
  while (alpha < beta) {
    double next_alpha = alpha + step, next_beta = beta - step;
    int64_t l = start, r = end, next_start = start, next_end = end;
    while (l < end && sums[l] < (float)(next_alpha * total)) l++;
    while (r > start && sums[r] > (float)(next_beta * total)) r--;
    if (l - start > end - r) {
      next_start = l;
      alpha = next_alpha;
    } else {
      next_end = r;
      beta = next_beta;
    }
    if (next_start == start && next_end == end) continue;
    double norm = error_of(&s, next_start, next_end);
    if (norm > least) break;
    least = norm;
    start = next_start;
    end = next_end;
  }
  *lo = h->min + bin * (float)start;
  *hi = h->min + bin * (float)(end + 1);
}
