/* The bin centre that quantizes the histogram with the least mean square error: HistogramCalibrator, method
 * mse. */
#include <math.h>

#include "passes/observe/aten_sum.h"
#include "passes/observe/calib_hist.h"

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  (void)channels;
  calib_hist_init(state, a, spec, 0);
}

typedef struct {
  int64_t n;
  float *center;                /* [n] */
  const float *count;           /* [n] */
  float *error;                 /* [n], scratch */
  double *sum, *first, *second; /* [n + 1]: running sums of count, count * center, count * center^2 */
  float bound;                  /* the greatest level: 127 */
} Mse;

/* Upstream's tensor_quant takes what is not above 2^-24 for 0, and all values then quantize to 0. */
static float scale_of(const Mse *m, float amax) { return amax <= 0x1p-24f ? 0 : m->bound / amax; }

/* The nearest integer, ties to even, for 0 <= v < 2^22. */
static float round_even(float v) { return (v + 0x1.8p23f) - 0x1.8p23f; }

/* Upstream's error, operation by operation in single precision. */
static float exact_error(const Mse *m, int64_t i) {
  float scale = scale_of(m, m->center[i]), divisor = scale == 0 ? 1 : scale, bound = m->bound;
  for (int64_t k = 0; k < m->n; k++) {
    float v = m->center[k] * scale;
    float d = round_even(v > bound ? bound : v) / divisor - m->center[k];
    m->error[k] = d * d * m->count[k];
  }
  return aten_sum(m->error, m->n) / (float)m->n;
}

/* The first bin whose centre is not below `v`; it is looked for next to `guess` first. */
static int64_t bin_from(const Mse *m, double v, double guess) {
  int64_t i = !(guess > 0) ? 0 : guess < (double)m->n ? (int64_t)guess : m->n;
  for (int tries = 0; tries < 4; tries++) {
    if (i > 0 && (double)m->center[i - 1] >= v)
      i--;
    else if (i < m->n && (double)m->center[i] < v)
      i++;
    else
      return i;
  }
  int64_t from = 0, to = m->n;
  while (from < to) {
    int64_t middle = from + (to - from) / 2;
    if ((double)m->center[middle] < v)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

/* The same in double and without a loop over the bins: those of one level lie side by side, and the running
 * sums give their part of the error. */
static double quick_error(const Mse *m, int64_t i) {
  double scale = (double)scale_of(m, m->center[i]), total = 0, from = (double)m->center[0];
  double per_bin = (double)(m->n - 1) / ((double)m->center[m->n - 1] - from);
  int64_t begin = 0;
  for (double level = 0; begin < m->n; level++) {
    double limit = (level + 0.5) / scale, q = scale > 0 ? level / scale : 0;
    bool last = level >= (double)m->bound || !(scale > 0);
    int64_t end = last ? m->n : bin_from(m, limit, (limit - from) * per_bin);
    total += q * q * (m->sum[end] - m->sum[begin]) - 2 * q * (m->first[end] - m->first[begin]) +
             (m->second[end] - m->second[begin]);
    begin = end;
  }
  return (total > 0 ? total : 0) / (double)m->n;
}

static Mse prepare(const CalibHist *h, Arena *a) {
  int64_t n = h->count.n < h->edges.n - 1 ? h->count.n : h->edges.n - 1;
  double levels = ldexp(1, (int)h->spec->param[CALIB_NUM_BITS] - 1 + (h->spec->param[CALIB_UNSIGNED] > 0));
  Mse m = {.n = n, .count = h->count.v, .bound = (float)(levels - 1)};
  m.center = ARENA_NEW_ARRAY(a, float, (size_t)n);
  m.error = ARENA_NEW_ARRAY(a, float, (size_t)n);
  m.sum = ARENA_NEW_ARRAY(a, double, (size_t)(n + 1));
  m.first = ARENA_NEW_ARRAY(a, double, (size_t)(n + 1));
  m.second = ARENA_NEW_ARRAY(a, double, (size_t)(n + 1));
  for (int64_t i = 0; i < n; i++) {
    float low = (float)h->edges.v[i], high = (float)h->edges.v[i + 1];
    m.center[i] = isfinite(high + low) ? (high + low) / 2 : high / 2 + low / 2;
    double c = (double)m.center[i], weight = (double)m.count[i];
    m.sum[i + 1] = m.sum[i] + weight;
    m.first[i + 1] = m.first[i] + weight * c;
    m.second[i + 1] = m.second[i] + weight * c * c;
  }
  return m;
}

/* The quick errors of all candidates, and the greatest one that single precision might still call the least:
 * the roots of two errors differ by what rounding does to each centre. No more than MAX_EXACT candidates are
 * below it. */
enum { MAX_EXACT = 512 };

static double worth_a_look(const Mse *m, const double *quick, int64_t n) {
  double least = INFINITY;
  for (int64_t k = 0; k < n; k++) least = quick[k] < least ? quick[k] : least;
  for (double slack = 0x1p-22; slack > 0x1p-50; slack /= 2) {
    double root = sqrt(least) * (1 + 16 * slack) + 2 * slack * sqrt(m->second[m->n] / (double)m->n);
    double limit = root * root;
    int64_t below = 0;
    for (int64_t k = 0; k < n; k++) below += quick[k] <= limit;
    if (below <= MAX_EXACT) return limit;
  }
  return least; /* equal ones: they are found by their order */
}

/* The first of the least errors. */
static float find_amax(const CalibHist *h, Arena *a) {
  Mse m = prepare(h, a);
  int64_t stride = (int64_t)h->spec->param[CALIB_STRIDE], start = (int64_t)h->spec->param[CALIB_START_BIN];
  if (start >= m.n) return m.center[m.n - 1];
  int64_t n = (m.n - start + stride - 1) / stride, best = -1;
  double *quick = ARENA_NEW_ARRAY(a, double, (size_t)n), least = INFINITY;
  for (int64_t k = 0; k < n; k++) quick[k] = quick_error(&m, start + k * stride);
  double limit = worth_a_look(&m, quick, n);
  bool zero_seen = false; /* all without a scale have the same error */
  for (int64_t k = 0, left = MAX_EXACT; k < n && left > 0; k++) {
    int64_t i = start + k * stride;
    bool zero = scale_of(&m, m.center[i]) == 0;
    if (quick[k] > limit || (zero && zero_seen)) continue;
    zero_seen |= zero;
    left--;
    float exact = exact_error(&m, i);
    double error = isfinite(exact) ? (double)exact : quick[k];
    if (best >= 0 && error >= least) continue;
    least = error;
    best = i;
  }
  return m.center[best < 0 ? m.n - 1 : best];
}

static bool finish(const void *state, float *lo, float *hi) {
  const CalibHist *h = state;
  if (!h->samples) return false;
  Arena *a = arena_new();
  calib_hist_range(h, h->count.n ? find_amax(h, a) : 0, lo, hi);
  arena_free(a);
  return true;
}

extern const Observer observer_mse;
const Observer observer_mse = {.name = "mse",
                               .what = "the magnitude with the least mean square error",
                               .params = {CALIB_HIST_PARAMS, CALIB_SEARCH_PARAMS},
                               .needs_data = true,
                               .state_size = sizeof(CalibHist),
                               .init = init,
                               .observe = calib_hist_observe,
                               .finish = finish,
                               .fields = calib_hist_fields,
                               .check = calib_hist_check,
                               .merge = calib_hist_merge};
