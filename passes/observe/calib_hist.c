#include "passes/observe/calib_hist.h"

#include <math.h>
#include <string.h>

#include "passes/observe/minmax.h"

enum { BLOCK = 256 };

const StateField calib_hist_fields[] = {{"samples", STATE_INT, offsetof(CalibHist, samples)},
                                        {"min", STATE_FLOAT, offsetof(CalibHist, min)},
                                        {"max", STATE_FLOAT, offsetof(CalibHist, max)},
                                        {"histogram", STATE_FLOATS, offsetof(CalibHist, count)},
                                        {"edges", STATE_DOUBLES, offsetof(CalibHist, edges)},
                                        {0}};

void calib_hist_init(CalibHist *h, Arena *a, const ObserverSpec *spec, int param) {
  *h = (CalibHist){.arena = a,
                   .spec = spec,
                   .first_bins = (int64_t)spec->param[param],
                   .skip_zeros = spec->param[param + 1] > 0,
                   .torch = spec->param[param + 2] > 0};
}

/* Room for so many bins; new ones are empty. */
static void set_bins(CalibHist *h, int64_t bins) {
  if (bins > h->cap) {
    int64_t cap = 2 * h->cap > bins ? 2 * h->cap : bins;
    float *count = ARENA_NEW_ARRAY(h->arena, float, (size_t)cap);
    double *edges = ARENA_NEW_ARRAY(h->arena, double, (size_t)(cap + 2));
    if (h->count.n) memcpy(count, h->count.v, sizeof *count * (size_t)h->count.n);
    if (h->edges.n) memcpy(edges, h->edges.v, sizeof *edges * (size_t)h->edges.n);
    h->count.v = count;
    h->edges.v = edges;
    h->cap = cap;
  }
  for (int64_t i = h->count.n; i < bins; i++) h->count.v[i] = 0;
  h->count.n = bins;
}

static double last_edge(const CalibHist *h) { return h->edges.v[h->edges.n - 1]; }
static double width_of(const CalibHist *h) { return h->edges.v[1] - h->edges.v[0]; }

/* Merges neighbours: half as many bins, twice as wide. */
static void halve(CalibHist *h) {
  int64_t n = (h->count.n + 1) / 2;
  float *c = h->count.v;
  double *e = h->edges.v, width = width_of(h);
  for (int64_t i = 0; i < n; i++) c[i] = c[2 * i] + (2 * i + 1 < h->count.n ? c[2 * i + 1] : 0);
  for (int64_t i = 0; i <= n; i++) e[i] = 2 * i < h->edges.n ? e[2 * i] : e[i - 1] + 2 * width;
  h->count.n = n;
  h->edges.n = n + 1;
}

/* --- PyTorch's way: bins from 0 on --- */

static void start_torch(CalibHist *h, float max) {
  set_bins(h, h->first_bins);
  h->edges.n = h->first_bins + 1;
  calib_edges_torch_linspace(max, h->edges.n, h->edges.v);
}

static void grow_torch(CalibHist *h, float max) {
  while (!(ceilf(max / (float)width_of(h)) <= CALIB_MAX_BINS)) halve(h);
  float width = (float)width_of(h);
  set_bins(h, (int64_t)ceilf(max / width));
  h->edges.n = calib_edges_torch_count(max + width, width, h->count.n + 2);
  calib_edges_torch_arange(width, h->edges.n, h->edges.v);
}

/* --- NumPy's way: bins from the first sample's least magnitude on --- */

static void start_numpy(CalibHist *h, float min, float max) {
  set_bins(h, h->first_bins);
  h->edges.n = h->first_bins + 1;
  calib_edges_numpy_linspace(min, max, h->edges.n, h->edges.v);
}

/* Upstream's edges are single precision until they grow, and double from then on. */
static void grow_numpy(CalibHist *h, float max) {
  bool single = h->count.n == h->first_bins;
  while (!(((double)max - h->edges.v[0]) / width_of(h) < CALIB_MAX_BINS - 2)) halve(h);
  double last = last_edge(h), width = width_of(h);
  int64_t n = h->edges.n, limit = CALIB_MAX_BINS - h->count.n,
          more = calib_edges_numpy_more(last, max, width, single, limit, NULL);
  set_bins(h, h->count.n + more);
  calib_edges_numpy_more(last, max, width, single, limit, h->edges.v + n);
  h->edges.n = n + more;
}

/* Counts what lies in [edge i, edge i + 1) for bin i; the last bin holds its end, too. */
static void count_by_edges(CalibHist *h, const float *x, int n) {
  const double *e = h->edges.v;
  int64_t last = h->count.n - 1;
  double scale = (double)(last + 1) / (e[last + 1] - e[0]);
  for (int i = 0; i < n; i++) {
    double v = (double)x[i];
    if (!(v >= e[0] && v <= e[last + 1])) continue;
    double guess = (v - e[0]) * scale;
    int64_t b = guess < (double)last ? (int64_t)guess : last;
    while (v < e[b]) b--;
    while (b < last && v >= e[b + 1]) b++;
    h->counts.count[b]++;
  }
}

/* --- observing --- */

/* Magnitudes of a block, without zeros where these are not wanted. Returns how many. */
static int magnitudes(const CalibHist *h, const float *x, int64_t n, float *out) {
  int count = n < BLOCK ? (int)n : BLOCK, kept = 0;
  for (int i = 0; i < count; i++) out[i] = fabsf(x[i]);
  if (!h->skip_zeros) return count;
  for (int i = 0; i < count; i++) {
    out[kept] = out[i];
    kept += out[i] != 0;
  }
  return kept;
}

static void least_magnitude(const CalibHist *h, const float *x, int64_t n, float *least) {
  float block[BLOCK];
  for (int64_t i = 0; i < n; i += BLOCK) {
    int count = magnitudes(h, x + i, n - i, block);
    for (int k = 0; k < count; k++) *least = block[k] < *least ? block[k] : *least;
  }
}

static void start(CalibHist *h, const float *x, int64_t n, float max) {
  float min = max;
  if (!h->torch) least_magnitude(h, x, n, &min);
  if (h->torch)
    start_torch(h, max);
  else
    start_numpy(h, min, max);
}

/* Bins without a width, of zeros or of what is nearly one value, cannot be added to; upstream fails there.
 * They become the first bin of new ones. */
static void restart(CalibHist *h, float max) {
  float all = 0, first = (float)h->edges.v[0];
  for (int64_t i = 0; i < h->count.n; i++) all += h->count.v[i];
  h->count.n = 0;
  if (h->torch)
    start_torch(h, max);
  else
    start_numpy(h, first, max);
  h->count.v[0] = all;
}

static void grow(CalibHist *h, float max) {
  if (!((double)max > last_edge(h))) return;
  if (!((float)width_of(h) > 0))
    restart(h, max);
  else if (h->torch)
    grow_torch(h, max);
  else
    grow_numpy(h, max);
}

static void count_values(CalibHist *h, const float *x, int64_t n) {
  static const float zero;
  float block[BLOCK], lo = 0, hi = (float)last_edge(h);
  histc_bounds(&zero, 1, &lo, &hi); /* hi is 0 only where all values are */
  histc_reserve(&h->counts, h->arena, h->count.n);
  histc_start(&h->counts, h->count.n, lo, hi);
  for (int64_t i = 0; i < n; i += BLOCK) {
    int count = magnitudes(h, x + i, n - i, block);
    if (h->torch)
      histc_add(&h->counts, block, count);
    else
      count_by_edges(h, block, count);
  }
  histc_add_to(&h->counts, h->count.v);
}

void calib_hist_observe(void *state, const float *x, int64_t outer, int64_t inner) {
  CalibHist *h = state;
  int64_t n = outer * inner;
  float lo, hi;
  if (n < 1) return;
  span_of(x, n, &lo, &hi);
  if (h->samples++ == 0 || lo < h->min) h->min = lo;
  if (h->samples == 1 || hi > h->max) h->max = hi;
  float max = -lo > hi ? -lo : hi;
  if (h->skip_zeros && max == 0) return;
  if (h->count.n)
    grow(h, max);
  else
    start(h, x, n, max);
  count_values(h, x, n);
}

void calib_hist_range(const CalibHist *h, float amax, float *lo, float *hi) {
  *lo = h->min;
  *hi = h->max;
  amax_range(h->spec, amax, lo, hi);
}

/* --- from and with files --- */

const char *calib_hist_check(void *state) {
  CalibHist *h = state;
  int64_t bins = h->count.n, edges = h->edges.n;
  if (h->min > h->max) return "min is greater than max";
  if (bins > CALIB_MAX_BINS) return "the histogram has too many bins";
  if (!bins && !edges) return NULL;
  if (bins < 2 || edges < bins || edges > bins + 2 || (!h->torch && edges != bins + 1))
    return "edges must have one number more than the histogram";
  for (int64_t i = 0; i < bins; i++)
    if (!(h->count.v[i] >= 0)) return "the histogram holds a negative count";
  for (int64_t i = 1; i < edges; i++)
    if (!(h->edges.v[i] >= h->edges.v[i - 1])) return "edges must not decrease";
  h->cap = 0;
  set_bins(h, bins); /* with room for what follows */
  return NULL;
}

static bool same_grid(const CalibHist *h, const CalibHist *t) {
  int64_t n = h->edges.n < t->edges.n ? h->edges.n : t->edges.n;
  return h->count.n >= t->count.n && !memcmp(h->edges.v, t->edges.v, sizeof *h->edges.v * (size_t)n);
}

static void add_counts(CalibHist *h, const CalibHist *t) {
  bool same = same_grid(h, t);
  const double *e = h->edges.v;
  int64_t last = h->count.n - 1, b = 0;
  for (int64_t i = 0; i < t->count.n; i++) {
    double middle = (t->edges.v[i] + t->edges.v[i + 1 < t->edges.n ? i + 1 : i]) / 2;
    while (b < last && middle >= e[b + 1]) b++;
    h->count.v[same ? i : b] += t->count.v[i];
  }
}

void calib_hist_merge(void *state, const void *other) {
  CalibHist *h = state;
  const CalibHist *t = other;
  h->samples += t->samples;
  h->min = t->min < h->min ? t->min : h->min;
  h->max = t->max > h->max ? t->max : h->max;
  if (!t->count.n) return;
  if (!h->count.n) {
    set_bins(h, t->count.n);
    memcpy(h->edges.v, t->edges.v, sizeof *t->edges.v * (size_t)t->edges.n);
    h->edges.n = t->edges.n;
  }
  float max = t->edges.v[t->count.n < t->edges.n ? t->count.n : t->edges.n - 1];
  grow(h, max);
  add_counts(h, t);
}
