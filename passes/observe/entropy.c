/* The magnitude at which the quantized histogram has the least Kullback-Leibler divergence from the
 * histogram: HistogramCalibrator, method entropy. */
#include <math.h>
#include <string.h>

#include "passes/observe/calib_hist.h"
#include "passes/observe/exact_log.h"

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  (void)channels;
  calib_hist_init(state, a, spec, 0);
}

/* A candidate i keeps the bins below i, adds what lies beyond to the last of them and compares that with its
 * quantized form: `levels` groups of neighbours, where each bin that is not empty has its group's average. */
typedef struct {
  int64_t n, levels;
  int64_t *bin;    /* [n] counts; the first is that of the second, as upstream has it */
  int64_t *sum;    /* [n + 1]: running sums */
  int64_t *filled; /* [n + 1]: how many of the bins before are not empty */
  double *xlogx;   /* [n + 1]: running sums of count * log(count) */
  double *p, *q;   /* [n], scratch */
} Entropy;

static double x_log_x(double x) { return x > 0 ? x * quick_log(x) : 0; }

static Entropy prepare(const CalibHist *h, Arena *a) {
  int64_t n = h->count.n < h->edges.n ? h->count.n : h->edges.n - 1;
  int bits = (int)h->spec->param[CALIB_NUM_BITS] - 1 + (h->spec->param[CALIB_UNSIGNED] > 0);
  Entropy e = {.n = n, .levels = (int64_t)1 << bits};
  e.bin = ARENA_NEW_ARRAY(a, int64_t, (size_t)n);
  e.sum = ARENA_NEW_ARRAY(a, int64_t, (size_t)(n + 1));
  e.filled = ARENA_NEW_ARRAY(a, int64_t, (size_t)(n + 1));
  e.xlogx = ARENA_NEW_ARRAY(a, double, (size_t)(n + 1));
  e.p = ARENA_NEW_ARRAY(a, double, (size_t)n);
  e.q = ARENA_NEW_ARRAY(a, double, (size_t)n);
  for (int64_t i = 0; i < n; i++) {
    e.bin[i] = (int64_t)h->count.v[i ? i : 1];
    e.sum[i + 1] = e.sum[i] + e.bin[i];
    e.filled[i + 1] = e.filled[i] + (e.bin[i] != 0);
    e.xlogx[i + 1] = e.xlogx[i] + x_log_x((double)e.bin[i]);
  }
  return e;
}

/* The first bin of group g among i bins: the groups' borders are multiples of i / levels. */
static int64_t group_begin(const Entropy *e, int64_t i, int64_t g) {
  return (g * i + e->levels - 1) / e->levels;
}

/* Infinite where what lies beyond would stand in an empty bin. Without bins that are not empty there is
 * nothing to compare; upstream gets NaN there, and takes it for the least. */
static bool is_hopeless(const Entropy *e, int64_t i) {
  return e->sum[i] == 0 || (e->bin[i - 1] == 0 && e->sum[i] < e->sum[e->n]);
}

/* With P = count / total and Q = average / kept, sum P log(P / Q) comes to (sum P' log P' - sum P' log A) /
 * total
 * + log(kept / total) of counts P' and averages A; the running sums give both sums without a loop over bins.
 */
static double quick_divergence(const Entropy *e, int64_t i) {
  double total = (double)e->sum[e->n], kept = (double)e->sum[i], last = (double)e->bin[i - 1];
  double own = e->xlogx[i] - x_log_x(last) + x_log_x(last + total - kept), cross = 0, average = 1;
  for (int64_t g = 0, begin = 0; g < e->levels; g++) {
    int64_t end = group_begin(e, i, g + 1), filled = e->filled[end] - e->filled[begin];
    double mass = (double)(e->sum[end] - e->sum[begin]);
    begin = end;
    if (!filled) continue;
    average = mass / (double)filled;
    cross += mass * quick_log(average);
  }
  cross += (total - kept) * quick_log(average); /* the last bin is in the last group that is not empty */
  return (own - cross) / total + quick_log(kept / total);
}

/* NumPy's sum of doubles: eight partial sums within a block, blocks by halves. */
static double pairwise_sum(const double *x, int64_t n) {
  enum { BLOCK = 128, LANES = 8 };
  double sum = 0, r[LANES];
  if (n < LANES) {
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum;
  }
  if (n > BLOCK) {
    int64_t half = n / 2 / LANES * LANES;
    return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
  }
  memcpy(r, x, sizeof r);
  int64_t i = LANES;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) r[k] += x[i + k];
  sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; i++) sum += x[i];
  return sum;
}

/* Upstream's divergence, operation by operation (scipy.stats.entropy). */
static double exact_divergence(const Entropy *e, int64_t i) {
  for (int64_t g = 0; g < e->levels; g++) {
    int64_t begin = group_begin(e, i, g), end = group_begin(e, i, g + 1);
    double mass = (double)(e->sum[end] - e->sum[begin]), filled = (double)(e->filled[end] - e->filled[begin]);
    for (int64_t k = begin; k < end; k++) e->q[k] = e->bin[k] ? mass / filled : 0;
  }
  double kept = pairwise_sum(e->q, i), total = (double)e->sum[e->n];
  for (int64_t k = 0; k < i; k++) {
    int64_t count = k + 1 < i ? e->bin[k] : e->bin[k] + e->sum[e->n] - e->sum[i];
    double p = (double)count / total, q = e->q[k] / kept;
    e->p[k] = count ? p * exact_log(p / q) : 0;
  }
  return pairwise_sum(e->p, i);
}

/* Candidates whose divergences lie nearer than this are compared as upstream computes them: rounding decides
 * among equal ones there, and the greatest wins. At most MAX_EXACT of them, the greatest. */
static const double near = 1e-10;
enum { MAX_EXACT = 256 };

static int64_t find_bin(const Entropy *e, Arena *a, int64_t start, int64_t stride) {
  if (start > e->n) return e->n;
  int64_t n = (e->n - start) / stride + 1, best = -1;
  double *quick = ARENA_NEW_ARRAY(a, double, (size_t)n), least = INFINITY, exact = INFINITY;
  for (int64_t k = 0; k < n; k++) {
    int64_t i = start + k * stride;
    quick[k] = is_hopeless(e, i) ? INFINITY : quick_divergence(e, i);
    if (quick[k] < least) least = quick[k];
  }
  if (least == INFINITY) return start + (n - 1) * stride;
  int left = MAX_EXACT;
  for (int64_t k = n - 1; k >= 0 && left > 0; k--) {
    if (!(quick[k] <= least + near)) continue;
    double d = exact_divergence(e, start + k * stride);
    left--;
    if (d >= exact) continue;
    exact = d;
    best = start + k * stride;
  }
  return best;
}

static float find_amax(const CalibHist *h) {
  Arena *a = arena_new();
  Entropy e = prepare(h, a);
  int64_t i =
      find_bin(&e, a, (int64_t)h->spec->param[CALIB_START_BIN], (int64_t)h->spec->param[CALIB_STRIDE]);
  arena_free(a);
  return (float)h->edges.v[i];
}

static bool finish(const void *state, float *lo, float *hi) {
  const CalibHist *h = state;
  if (!h->samples) return false;
  calib_hist_range(h, h->count.n ? find_amax(h) : 0, lo, hi);
  return true;
}

extern const Observer observer_entropy;
const Observer observer_entropy = {.name = "entropy",
                                   .what = "the magnitude with the least Kullback-Leibler divergence",
                                   .params = {CALIB_HIST_PARAMS, CALIB_SEARCH_PARAMS},
                                   .needs_data = true,
                                   .state_size = sizeof(CalibHist),
                                   .init = init,
                                   .observe = calib_hist_observe,
                                   .finish = finish,
                                   .fields = calib_hist_fields,
                                   .check = calib_hist_check,
                                   .merge = calib_hist_merge};
