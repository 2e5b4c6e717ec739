/* The magnitude below which a share of all values lies: HistogramCalibrator, method percentile. */
#include "passes/observe/calib_hist.h"

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  (void)channels;
  calib_hist_init(state, a, spec, 1);
}

/* The left edge of the first bin at which the running sum reaches the share; double, as NumPy adds. */
static float find_amax(const CalibHist *h, double share) {
  int64_t total = 0, i = 0;
  double sum = 0;
  for (int64_t k = 0; k < h->count.n; k++) total += (int64_t)h->count.v[k];
  for (; i < h->count.n; i++) {
    sum += (double)(int64_t)h->count.v[i] / (double)total;
    if (sum >= share) break;
  }
  return (float)h->edges.v[i < h->edges.n ? i : h->edges.n - 1];
}

static bool finish(const void *state, float *lo, float *hi) {
  const CalibHist *h = state;
  if (!h->samples) return false;
  calib_hist_range(h, h->count.n ? find_amax(h, h->spec->param[0] / 100) : 0, lo, hi);
  return true;
}

extern const Observer observer_percentile;
const Observer observer_percentile = {
    .name = "percentile",
    .what = "the magnitude below which a share of the values lies",
    .params = {{"percentile", 99.99, 0, 100, .late = true}, CALIB_HIST_PARAMS},
    .needs_data = true,
    .state_size = sizeof(CalibHist),
    .init = init,
    .observe = calib_hist_observe,
    .finish = finish,
    .fields = calib_hist_fields,
    .check = calib_hist_check,
    .merge = calib_hist_merge};
