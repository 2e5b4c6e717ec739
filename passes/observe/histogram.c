/* A histogram of all values, whose range grows by resampling: HistogramObserver. */
#include "passes/observe/histogram.h"

#include <math.h>
#include <string.h>

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  (void)channels;
  int64_t bins = (int64_t)spec->param[0];
  Histogram *h = state;
  *h = (Histogram){.bins = bins,
                   .histogram = {ARENA_NEW_ARRAY(a, float, (size_t)bins), bins},
                   .upsample = (int64_t)spec->param[1],
                   .levels = ldexp(1, dtype_info[spec->quant.dtype].bytes * 8),
                   .whole_range = spec->param[2] > 0,
                   .fresh = ARENA_NEW_ARRAY(a, float, (size_t)bins),
                   .spread = ARENA_NEW_ARRAY(a, float, (size_t)(2 * bins))};
  histc_reserve(&h->counts, a, bins);
}

static void count(Histogram *h, const float *x, int64_t n, float lo, float hi, float *out) {
  if (h->whole_range) {
    lo = truncf(lo);
    hi = truncf(hi);
  }
  histc_bounds(x, n, &lo, &hi);
  histc_start(&h->counts, h->bins, lo, hi);
  histc_add(&h->counts, x, n);
  memset(out, 0, sizeof *out * (size_t)h->bins);
  histc_add_to(&h->counts, out);
}

/* --- resampling onto a wider range --- */

/* A grid of `bins` bins over [min, max], each of `down` cells; the old bins are `upsample` cells each, from
 * cell `start` on. */
typedef struct {
  float min, max;
  int64_t down, start;
} Wider;

enum { MAX_DOWN = 1 << 30 };

/* The cells keep their width, so max is stretched to a whole number of them. False where the old range is too
 * narrow a part of the new one for that (upstream fails there). */
static bool wider_range(const Histogram *h, float lo, float hi, Wider *w) {
  int64_t bins = h->bins;
  float cell = (h->max - h->min) / (float)(bins * h->upsample), bin = (float)bins * cell;
  float min = lo < h->min ? lo : h->min, max = hi > h->max ? hi : h->max;
  float down = ceilf((max - min) / bin), start = rintf((h->min - min) / cell);
  *w = (Wider){.min = min, .max = max};
  if (!(down <= MAX_DOWN)) return false;
  w->down = (int64_t)down;
  w->max = max + (down * bin - (max - min));
  if (!isfinite(w->max)) return false;
  int64_t most = (w->down - h->upsample) * bins; /* where rounding puts the old bins beyond the end */
  w->start = start < (float)most ? (int64_t)start : most > 0 ? most : 0;
  return true;
}

/* The exponent of the last bit of v that is set; v is not 0. */
static int last_bit(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  int exponent = (int)(bits >> 52 & 2047);
  uint64_t mantissa = bits & (((uint64_t)1 << 52) - 1);
  if (exponent) mantissa |= (uint64_t)1 << 52;
  return (exponent ? exponent : 1) - 1075 + __builtin_ctzll(mantissa);
}

/* sum + v + v + ... , n times, each rounded: in one step where no step rounds. */
static double add_times(double sum, double v, int64_t n) {
  if (v == 0) return sum;
  double end = sum + v * (double)n, most = fabs(sum) > fabs(end) ? fabs(sum) : fabs(end);
  int unit = last_bit(v), other = sum != 0 ? last_bit(sum) : unit;
  if (most <= ldexp(1, (other < unit ? other : unit) + 53)) return end;
  for (; n > 0; n--) sum += v;
  return sum;
}

/* Adds the old histogram to `to`, which has the new grid: its running integral over the cells, in double,
 * read at the ends of the new bins; the differences, with a subtrahend rounded to single precision as
 * upstream has it, are what each gets. */
static void resample(const Histogram *h, const Wider *w, float *to) {
  int64_t bins = h->bins, first = w->start, end = first + bins * h->upsample, cell = first;
  double sum = 0, before = 0;
  for (int64_t i = 0; i < bins; i++) {
    int64_t stop = (i + 1) * w->down;
    if (stop > end) stop = end;
    while (cell < stop) {
      int64_t from = (cell - first) / h->upsample, run = first + (from + 1) * h->upsample - cell;
      if (run > stop - cell) run = stop - cell;
      sum = add_times(sum, (double)h->histogram.v[from], run);
      cell += run;
    }
    to[i] += (float)((sum - before) / (double)h->upsample);
    before = (double)(float)sum;
  }
}

/* The old values all lie within one bin of the new grid. */
static void drop_into_one(const Histogram *h, const Wider *w, float *to) {
  int64_t bins = h->bins;
  double sum = 0, at = ((double)h->min - (double)w->min) / ((double)w->max - (double)w->min) * (double)bins;
  for (int64_t i = 0; i < bins; i++) sum += (double)h->histogram.v[i];
  to[at < (double)bins ? (int64_t)at : bins - 1] += (float)sum;
}

/* --- observing --- */

/* Adds the old histogram to `to`, which is on the grid of w. */
static void move_onto(const Histogram *h, const Wider *w, bool on_grid, float *to) {
  if (w->min == h->min && w->max == h->max)
    for (int64_t i = 0; i < h->bins; i++) to[i] += h->histogram.v[i];
  else if (on_grid)
    resample(h, w, to);
  else
    drop_into_one(h, w, to);
}

static void replace(Histogram *h, const Wider *w) {
  memcpy(h->histogram.v, h->fresh, sizeof *h->fresh * (size_t)h->bins);
  h->min = w->min;
  h->max = w->max;
}

static void restart(Histogram *h, const float *x, int64_t n, float lo, float hi) {
  h->min = lo;
  h->max = hi;
  count(h, x, n, lo, hi, h->histogram.v);
}

static void observe(void *state, const float *x, int64_t outer, int64_t inner) {
  Histogram *h = state;
  int64_t n = outer * inner;
  float lo, hi;
  if (n < 1) return;
  span_of(x, n, &lo, &hi);
  if (h->samples++ == 0 || h->min == h->max) { /* upstream forgets samples of one value */
    restart(h, x, n, lo, hi);
    return;
  }
  Wider w;
  bool on_grid = wider_range(h, lo, hi, &w);
  count(h, x, n, w.min, w.max, h->fresh);
  move_onto(h, &w, on_grid, h->fresh);
  replace(h, &w);
}

static bool finish(const void *state, float *lo, float *hi) {
  const Histogram *h = state;
  if (!h->samples) return false;
  histogram_search(h, h->spread, lo, hi);
  return true;
}

/* --- from and with files --- */

static const char *check(void *state) {
  const Histogram *h = state;
  if (h->min > h->max) return "min is greater than max";
  return h->histogram.n == h->bins ? NULL : "the histogram does not have as many numbers as there are bins";
}

/* Adds t's counts to `to`, which has the grid w: each bin spreads evenly over what it covers. */
static void pour(const Histogram *t, const Wider *w, float *to) {
  double bins = (double)t->bins, from = (double)w->min, width = ((double)w->max - from) / bins;
  double step = ((double)t->max - (double)t->min) / bins;
  for (int64_t i = 0; i < t->bins; i++) {
    double count = (double)t->histogram.v[i];
    double begin = ((double)t->min + (double)i * step - from) / width, end = begin + step / width;
    int64_t b = begin < bins - 1 ? (int64_t)begin : t->bins - 1;
    for (; b < t->bins - 1 && (double)(b + 1) < end; b++) {
      double part = ((double)(b + 1) - begin) / (end - begin);
      to[b] += (float)(count * part);
      count -= count * part;
      begin = (double)(b + 1);
    }
    to[b] += (float)count;
  }
}

/* Equal ranges: the sum. Otherwise both go onto the grid that a sample of t's range would bring about. */
static void merge(void *state, const void *other) {
  Histogram *h = state;
  const Histogram *t = other;
  Wider w;
  h->samples += t->samples;
  if (h->min == h->max) {
    memcpy(h->histogram.v, t->histogram.v, sizeof *h->fresh * (size_t)h->bins);
    h->min = t->min;
    h->max = t->max;
    return;
  }
  if (h->min == t->min && h->max == t->max) {
    for (int64_t i = 0; i < h->bins; i++) h->histogram.v[i] += t->histogram.v[i];
    return;
  }
  bool on_grid = wider_range(h, t->min, t->max, &w);
  memset(h->fresh, 0, sizeof *h->fresh * (size_t)h->bins);
  move_onto(h, &w, on_grid, h->fresh);
  pour(t, &w, h->fresh);
  replace(h, &w);
}

static const StateField fields[] = {{"samples", STATE_INT, offsetof(Histogram, samples)},
                                    {"min", STATE_FLOAT, offsetof(Histogram, min)},
                                    {"max", STATE_FLOAT, offsetof(Histogram, max)},
                                    {"histogram", STATE_FLOATS, offsetof(Histogram, histogram)},
                                    {0}};

static const char *const ranges[] = {"float", "int", NULL};

extern const Observer observer_histogram;
const Observer observer_histogram = {.name = "histogram",
                                     .what = "the range with the least L2 norm of quantization error",
                                     .params = {{"bins", 2048, 1, 1 << 16, .integer = true},
                                                {"upsample_rate", 128, 1, 1 << 12, .integer = true},
                                                {"range", 0, 0, 1, .choices = ranges}},
                                     .needs_data = true,
                                     .state_size = sizeof(Histogram),
                                     .init = init,
                                     .observe = observe,
                                     .finish = finish,
                                     .fields = fields,
                                     .check = check,
                                     .merge = merge};
