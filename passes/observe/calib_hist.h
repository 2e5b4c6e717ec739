/* The histogram of magnitudes that NVIDIA's calibrators collect
 * (pytorch_quantization/calib/histogram.py, 2.2.1). The first sample sets the width of a bin; larger values
 * add bins. Upstream adds without bound; here there are at most CALIB_MAX_BINS, and beyond them neighbours
 * are merged and all widths doubled, as often as needed. Up to there bins and edges equal upstream's. */
#ifndef QCC_PASSES_OBSERVE_CALIB_HIST_H
#define QCC_PASSES_OBSERVE_CALIB_HIST_H

#include "passes/observe/amax.h"
#include "passes/observe/histc.h"

enum { CALIB_MAX_BINS = 1 << 18 }; /* 3 MB of counts and edges */

typedef struct {
  int64_t samples;
  float min, max;   /* of the values themselves, for amax_range */
  FloatList count;  /* empty until a value is counted */
  DoubleList edges; /* one more than counts; upstream's rounding may give one less or add one */
  Arena *arena;
  const ObserverSpec *spec;
  int64_t first_bins, cap;
  bool skip_zeros;
  bool torch; /* bins by torch.histc and arange, else by numpy.histogram */
  Histc counts;
} CalibHist;

extern const StateField calib_hist_fields[];

/* `param`: the index of num_bins among the observer's parameters; skip_zeros and torch_hist follow it. */
void calib_hist_init(CalibHist *h, Arena *a, const ObserverSpec *spec, int param);
void calib_hist_observe(void *state, const float *x, int64_t outer, int64_t inner);
/* The range that amax leaves. */
void calib_hist_range(const CalibHist *h, float amax, float *lo, float *hi);
const char *calib_hist_check(void *state);
void calib_hist_merge(void *state, const void *other);

/* clang-format off */
#define CALIB_HIST_PARAMS                                              \
  {"num_bins", 2048, 2, CALIB_MAX_BINS, .integer = true},              \
  {"skip_zeros", 0, 0, 1, .choices = observer_flag},                   \
  {"torch_hist", 1, 0, 1, .choices = observer_flag}
/* Of the searches; these stand behind those of the histogram. */
#define CALIB_SEARCH_PARAMS                                            \
  {"num_bits", 8, 2, 16, .integer = true, .late = true},               \
  {"unsigned", 0, 0, 1, .choices = observer_flag, .late = true},       \
  {"stride", 1, 1, CALIB_MAX_BINS, .integer = true, .late = true},     \
  {"start_bin", 128, 1, CALIB_MAX_BINS, .integer = true, .late = true}
/* clang-format on */
enum { CALIB_NUM_BITS = 3, CALIB_UNSIGNED, CALIB_STRIDE, CALIB_START_BIN }; /* their indices */

/* calib_edges.c: the edges as PyTorch and NumPy compute them, rounding included. */
void calib_edges_torch_linspace(float end, int64_t n, double *edges);
void calib_edges_torch_arange(float width, int64_t n, double *edges);
void calib_edges_numpy_linspace(float first, float last, int64_t n, double *edges);
/* NumPy's arange(last + width, max + width, width): its numbers' count, at most `limit`, and where `edges` is
 * not NULL, the numbers. `single`: the scalars are float32, as they are before the first time. */
int64_t calib_edges_numpy_more(double last, float max, double width, bool single, int64_t limit,
                               double *edges);
/* How many numbers PyTorch's arange(0, end, width) has; at most `limit`. */
int64_t calib_edges_torch_count(float end, float width, int64_t limit);

#endif
