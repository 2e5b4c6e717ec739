/* Observers against values worked out by hand and against plain restatements of their definitions. What
 * PyTorch and NVIDIA's calibrators say themselves is in tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/observe.h"
#include "passes/observe/aten_sum.h"
#include "passes/observe/calib_hist.h"
#include "passes/observe/exact_log.h"
#include "passes/observe/histogram.h"

static Arena *arena;
static Diag silent;

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  diag_init(&silent, arena, NULL);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

/* --- an observer at work --- */

typedef struct {
  ObserverSpec spec;
  void *state;
} Observing;

static Observing *begin_channels(const char *text, int64_t channels) {
  Observing *o = ARENA_NEW(arena, Observing);
  o->spec.quant = qspec_of(DT_U8, false);
  assert_true(observer_parse(&silent, text, NULL, &o->spec));
  o->state = arena_alloc(arena, o->spec.observer->state_size);
  o->spec.observer->init(o->state, arena, &o->spec, channels);
  return o;
}

static Observing *begin(const char *text) { return begin_channels(text, 1); }

/* As TensorRT wants it: s8, symmetric. */
static Observing *begin_symmetric(const char *text) {
  Observing *o = begin(text);
  o->spec.quant = qspec_custom(DT_S8, -127, 127, false);
  o->spec.quant.symmetric = true;
  return o;
}

static void see(Observing *o, const float *x, int64_t n) { o->spec.observer->observe(o->state, x, 1, n); }
#define SEE(o, ...) see(o, (float[]){__VA_ARGS__}, sizeof((float[]){__VA_ARGS__}) / sizeof(float))

static bool range(const Observing *o, float *lo, float *hi) {
  return o->spec.observer->finish(o->state, lo, hi);
}

static void assert_range(const Observing *o, float lo, float hi) {
  float l = NAN, h = NAN;
  assert_true(range(o, &l, &h));
  if (l != lo || h != hi) fail_msg("%s: %a .. %a, expected %a .. %a", o->spec.observer->name, l, h, lo, hi);
}

static uint64_t seed = 1;
static double uniform(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(seed >> 11) * 0x1p-53;
}
static float normal(void) {
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += uniform();
  return (float)sum;
}

static const char *const with_data[] = {"minmax",     "moving_average",
                                        "histogram",  "histogram,range=int",
                                        "recording",  "max",
                                        "percentile", "percentile,torch_hist=false",
                                        "entropy",    "mse"};
enum { N_WITH_DATA = sizeof with_data / sizeof *with_data };

/* --- least and greatest --- */

static void ranges_of_all_lengths(void **state) {
  (void)state;
  for (int n = 1; n < 70; n++)
    for (int at = 0; at < n; at++) {
      float x[70];
      for (int i = 0; i < n; i++) x[i] = (float)(i % 3);
      x[at] = at % 2 ? 9 : -9;
      Observing *o = begin("minmax");
      see(o, x, n);
      float lo, hi;
      assert_true(range(o, &lo, &hi));
      assert_true(at % 2 ? hi == 9 && lo >= 0 : lo == -9 && hi <= 2);
    }
}

static void channels_lie_between(void **state) {
  (void)state;
  static const float x[2][3][2] = {{{1, 2}, {3, 4}, {-5, 6}}, {{0, 9}, {3, 3}, {-1, -2}}};
  static const char *const names[] = {"per_channel_minmax", "moving_average_per_channel", "max"};
  for (int i = 0; i < 3; i++) {
    Observing *o = begin_channels(names[i], 3);
    float lo[3], hi[3];
    o->spec.observer->observe(o->state, &x[0][0][0], 2, 2);
    assert_true(o->spec.observer->finish(o->state, lo, hi));
    assert_true(lo[0] == 0 && lo[1] == 3 && lo[2] == -5 && hi[0] == 9 && hi[1] == 4 && hi[2] == 6);
  }
  float lo[3], hi[3]; /* a channel's amax is its own */
  Observing *o = begin_channels("max", 3);
  o->spec.quant.symmetric = true;
  o->spec.observer->observe(o->state, &x[0][0][0], 2, 2);
  assert_true(o->spec.observer->finish(o->state, lo, hi));
  assert_true(lo[0] == -9 && hi[0] == 9 && lo[1] == -4 && hi[1] == 4 && lo[2] == -6 && hi[2] == 6);
}

static void averages_move(void **state) {
  (void)state;
  Observing *o = begin("moving_average=0.5");
  SEE(o, 0, 4);
  assert_range(o, 0, 4);
  SEE(o, 2, 8);
  assert_range(o, 1, 6);
  SEE(o, -3, 2);
  assert_range(o, -1, 4);
  o = begin("moving_average=0");
  SEE(o, 1, 2);
  SEE(o, -9, 9);
  assert_range(o, 1, 2);
  o = begin("moving_average=1");
  SEE(o, 1, 2);
  SEE(o, -9, 9);
  assert_range(o, -9, 9);
}

static void nothing_observed_is_scale_1(void **state) {
  (void)state;
  for (int i = 0; i < N_WITH_DATA; i++) {
    Observing *o = begin(with_data[i]);
    float lo, hi, scale;
    int32_t zero;
    assert_false(range(o, &lo, &hi));
    see(o, NULL, 0); /* an empty tensor is none */
    assert_false(range(o, &lo, &hi));
    assert_true(observer_params(&o->spec, false, 0, 0, &scale, &zero));
    assert_true(scale == 1 && zero == 0);
  }
}

/* Whatever comes, answers are finite and in order, and quantize. */
static void extreme_values_give_ranges(void **state) {
  (void)state;
  static const float batches[][4] = {{0, 0, 0, 0},
                                     {-0.0f, 0, 0, 0},
                                     {5, 5, 5, 5},
                                     {-1e-40f, 0, 2e-42f, 0},
                                     {-FLT_MAX, FLT_MAX, 0, 1},
                                     {1e30f, 1e30f, 1e30f, 1e30f},
                                     {-3, -2, -1, -4},
                                     {1e-7f, 2e-7f, 0, 0},
                                     {FLT_MIN, FLT_MIN, 1, 2},
                                     {1e18f, -3e18f, 2e18f, 0}};
  enum { N = sizeof batches / sizeof *batches };
  for (int i = 0; i < N_WITH_DATA; i++)
    for (int first = 0; first < N; first++)
      for (int second = 0; second < N; second++) {
        bool slow =
            *with_data[i] == 'e' || !strcmp(with_data[i], "mse"); /* with the most bins that there are */
        if (slow && (first + second) % 4) continue;
        Observing *o = begin(with_data[i]);
        float lo = NAN, hi = NAN, scale;
        int32_t zero;
        see(o, batches[first], 1 + first % 4);
        see(o, batches[second], 4);
        assert_true(range(o, &lo, &hi));
        if (!(isfinite(lo) && isfinite(hi) && lo <= hi))
          fail_msg("%s after batches %d and %d: %g .. %g", with_data[i], first, second, (double)lo,
                   (double)hi);
        assert_true(observer_params(&o->spec, true, lo, hi, &scale, &zero));
      }
}

/* --- parameters --- */

static void parameters_are_set_by_name(void **state) {
  (void)state;
  ObserverSpec s = {.quant = qspec_of(DT_U8, false)};
  assert_true(observer_parse(&silent, "histogram,bins=512,range=int", NULL, &s));
  assert_true(s.param[0] == 512 && s.param[1] == 128 && s.param[2] == 1);
  assert_true(observer_parse(&silent, "percentile=99.9,num_bins=100", NULL, &s));
  assert_true(s.param[0] == 99.9 && s.param[1] == 100);
  assert_true(observer_named(&s, "fixed", 5));
  assert_null(observer_set(arena, &s, "zero_point", -7));
  assert_true(s.param[1] == -7);
  assert_non_null(strstr(observer_set(arena, &s, "zero_point", 0.5), "is an integer"));
  assert_non_null(strstr(observer_set(arena, &s, "scale", 0), "is a number from"));
  assert_non_null(strstr(observer_set(arena, &s, "scale", NAN), "is a number from"));
  assert_non_null(
      strstr(observer_set(arena, &s, "zero", 0), "no parameter 'zero'; there are: scale, zero_point"));
  static const char *const bad[] = {"percentile=101",
                                    "percentile=-1",
                                    "percentile,99",
                                    "histogram,bins",
                                    "histogram,bins=0",
                                    "histogram,bins=1e99",
                                    "histogram,,",
                                    "mse,start_bin=0",
                                    "moving_average=nan",
                                    "minmax,",
                                    "=",
                                    ","};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(observer_parse(&silent, bad[i], NULL, &s));
}

static void fixed_parameters(void **state) {
  (void)state;
  ObserverSpec s = {.quant = qspec_of(DT_U8, false)};
  float scale;
  int32_t zero;
  assert_true(observer_parse(&silent, "fixed=0.0078125,zero_point=128", NULL, &s));
  assert_true(observer_params(&s, false, 0, 0, &scale, &zero));
  assert_true(scale == 0.0078125f && zero == 128);
  s.quant = qspec_of(DT_S8, false); /* has no 128 */
  assert_false(observer_params(&s, false, 0, 0, &scale, &zero));
}

static void specs_of_all_kinds(void **state) {
  (void)state;
  float scale, zero_f;
  int32_t zero;
  QuantSpec q = qspec_of(DT_U8, false);
  q.symmetric = true;
  assert_true(qspec_params(&q, -1, 2, &scale, &zero));
  assert_true(scale == 2 / 127.5f && zero == 128);
  q = qspec_of(DT_U8, true); /* PyTorch's histogram: 128, though it is beyond 127 */
  q.symmetric = true;
  assert_true(qspec_params(&q, -1, 2, &scale, &zero));
  assert_true(scale == 2 / 63.5f && zero == 128);
  q = qspec_custom(DT_U8, 0, 255, false); /* the same limits as by default, but given */
  q.symmetric = true;
  assert_true(qspec_params(&q, -1, 2, &scale, &zero));
  assert_true(scale == 2 / 127.5f && zero == 127);
  q = qspec_custom(DT_S8, -127, 127, true);
  assert_true(q.quant_min == -64 && q.quant_max == 63);
  q = qspec_of(DT_S8, true);
  assert_true(q.quant_min == -64 && q.quant_max == 63);
  q = qspec_of(DT_S32, true); /* not halved */
  assert_true(q.quant_min == INT32_MIN && q.quant_max == INT32_MAX);
  q.symmetric = true;
  assert_true(qspec_params(&q, -1, 1, &scale, &zero));
  assert_true(scale == 0x1p-23f && zero == 0); /* eps */
  q.eps = 0;
  assert_true(qspec_params(&q, -1, 1, &scale, &zero));
  assert_true(scale == 0x1p-31f);
  q = qspec_of(DT_U8, false);
  qspec_float_params(&q, -1, 254, &scale, &zero_f);
  assert_true(scale == 1 && zero_f == 1);
  qspec_float_params(&q, 3, 3, &scale, &zero_f); /* no width: 1 */
  assert_true(scale == 1 && zero_f == -3);
}

/* --- PyTorch's histogram --- */

static void histograms_are_resampled(void **state) {
  (void)state;
  Observing *o = begin("histogram=4,upsample_rate=2");
  const Histogram *h = o->state;
  SEE(o, 0, 1, 2, 3, 4);
  static const float first[] = {1, 1, 1, 2};
  assert_memory_equal(h->histogram.v, first, sizeof first);
  /* cells of half a unit; two of the new bins hold what the four old ones had */
  SEE(o, 8);
  static const float second[] = {2, 3, 0, 1};
  assert_memory_equal(h->histogram.v, second, sizeof second);
  assert_true(h->min == 0 && h->max == 8);
  /* [-1, 8] takes three cells of one unit per bin, up to 11; they hold 0 2 2, 3 3 0, 0 1 1, 0 0 0, twice as
   * much as there was */
  SEE(o, -1);
  static const float third[] = {1 + 2, 3, 1, 0};
  assert_memory_equal(h->histogram.v, third, sizeof third);
  assert_true(h->min == -1 && h->max == 11);
}

static void one_value_is_forgotten(void **state) {
  (void)state;
  Observing *o = begin("histogram");
  SEE(o, 3, 3, 3);
  SEE(o, 0, 1);
  const Histogram *h = o->state;
  assert_true(h->min == 0 && h->max == 1 && h->samples == 2);
}

/* Where lo - 1 and hi + 1 are lo and hi again, PyTorch counts in the first bin. */
static void one_large_value(void **state) {
  (void)state;
  Observing *o = begin("histogram=4");
  const Histogram *h = o->state;
  static const float want[] = {3, 0, 0, 0};
  SEE(o, -1e15f, -1e15f, -1e15f);
  assert_memory_equal(h->histogram.v, want, sizeof want);
}

static void outliers_are_cut(void **state) {
  (void)state;
  Observing *o = begin("histogram");
  enum { N = 200000 }; /* less, and a single value is more than the search takes in a step */
  static float x[N + 1];
  float lo, hi;
  for (int i = 0; i < N; i++) x[i] = normal();
  x[N] = 500;
  see(o, x, N + 1);
  assert_true(range(o, &lo, &hi));
  assert_true(hi < 100 && hi > 3 && lo < -3);
}

static void cubes_beyond_single_precision(void **state) {
  (void)state;
  float x[4000], lo, hi, big_lo, big_hi;
  Observing *o = begin("histogram"), *big = begin("histogram");
  for (int i = 0; i < 4000; i++) x[i] = normal();
  see(o, x, 4000);
  for (int i = 0; i < 4000; i++) x[i] *= 0x1p100f;
  see(big, x, 4000);
  assert_true(range(o, &lo, &hi));
  assert_true(range(big, &big_lo, &big_hi));
  assert_true(fabsf(big_lo * 0x1p-100f - lo) < 0.1f && fabsf(big_hi * 0x1p-100f - hi) < 0.1f);
}

static void whole_bounds_are_upstreams_mistake(void **state) {
  (void)state;
  Observing *o = begin("histogram,range=int");
  const Histogram *h = o->state;
  SEE(o, -1.5f, 0, 0.5f, 2.9f); /* counted within [-1, 2] */
  float sum = 0;
  for (int64_t i = 0; i < h->bins; i++) sum += h->histogram.v[i];
  assert_true(sum == 2 && h->min == -1.5f && h->max == 2.9f);
}

/* --- NVIDIA's histogram --- */

static void percentiles_by_hand(void **state) {
  (void)state;
  Observing *o = begin_symmetric("percentile=50,num_bins=4");
  SEE(o, 0.5f, -1.5f, 2.5f, 4);
  assert_range(o, -1,
               1); /* half of the values lie below 2; the left edge of the bin that reaches half is 1 */
  o = begin_symmetric("percentile=100,num_bins=4");
  SEE(o, 0.5f, -1.5f, 2.5f, 4);
  assert_range(o, -3, 3);
  o = begin_symmetric("percentile=0,num_bins=4");
  SEE(o, 0.5f, -1.5f, 2.5f, 4);
  assert_range(o, 0, 0);
  o = begin_symmetric("percentile=100,num_bins=4,skip_zeros=true");
  SEE(o, 0, 0, 0);
  assert_range(o, 0, 0);
}

static void affine_ranges_are_clipped(void **state) {
  (void)state;
  Observing *o = begin("percentile=60,num_bins=4");
  SEE(o, 0.5f, 1.5f, 2.5f, 2.6f, 4);
  assert_range(o, 0.5f, 2);
  o = begin("percentile=60,num_bins=4");
  SEE(o, -0.5f, 1.5f, 2.5f, 2.6f, -4);
  assert_range(o, -2, 2);
  o = begin("percentile=20,num_bins=4"); /* all values lie beyond */
  SEE(o, 3, 3.5f, 4);
  assert_range(o, 3, 3);
}

static void bins_are_bounded(void **state) {
  (void)state;
  for (int torch = 0; torch < 2; torch++) {
    Observing *o = begin_symmetric(torch ? "percentile=100" : "percentile=100,torch_hist=false");
    const CalibHist *h = o->state;
    float x[100], lo, hi;
    for (int i = 0; i < 100; i++) x[i] = (float)(i + 1) * 1e-9f;
    see(o, x, 100);
    for (float top = 1e-6f; top < 1e6f; top *= 10) SEE(o, top);
    assert_true(h->count.n <= CALIB_MAX_BINS && h->count.n > CALIB_MAX_BINS / 4);
    float sum = 0;
    for (int64_t i = 0; i < h->count.n; i++) sum += h->count.v[i];
    assert_true(sum >= 100 && sum <= 113);
    assert_true(range(o, &lo, &hi));
    assert_true(hi > 0.99e5f && hi < 1.01e6f);
    assert_null(o->spec.observer->check(o->state));
  }
}

static void zeros_then_values(void **state) {
  (void)state;
  Observing *o = begin_symmetric("percentile=90,num_bins=4");
  const CalibHist *h = o->state;
  SEE(o, 0, 0, 0);
  SEE(o, 1, 2, 4);
  static const float want[] = {3, 1, 1, 1};
  assert_int_equal(h->count.n, 4);
  assert_memory_equal(h->count.v, want, sizeof want);
  assert_range(o, -3, 3);
}

/* A histogram as a search gets it. */
static Observing *histogram_of(const char *text, int kind) {
  Observing *o = begin_symmetric(text);
  float x[3000];
  for (int batch = 0; batch < 3; batch++) {
    int n = kind == 3 ? 40 : 3000;
    for (int i = 0; i < n; i++) {
      float v = normal();
      x[i] = kind == 0   ? v * (float)(batch + 1)
             : kind == 1 ? (v > 0 ? v : 0)
             : kind == 2 ? roundf(v * 4) / 4
                         : v * v * v;
    }
    see(o, x, n);
  }
  return o;
}

static double plain_divergence(const CalibHist *h, int64_t i, int64_t levels) {
  double total = 0, kept = 0, kl = 0, *q = calloc((size_t)i, sizeof *q);
#define COUNT(k) ((double)h->count.v[(k) ? (k) : 1])
  for (int64_t k = 0; k < h->count.n; k++) total += COUNT(k);
  for (int64_t k = 0; k < i;) {
    int64_t group = k * levels / i, end = k, filled = 0;
    double mass = 0;
    for (; end < i && end * levels / i == group; end++) {
      mass += COUNT(end);
      filled += COUNT(end) > 0;
    }
    for (; k < end; k++) q[k] = COUNT(k) > 0 ? mass / (double)filled : 0;
    kept += mass;
  }
  for (int64_t k = 0; k < i; k++) {
    double p = COUNT(k);
    for (int64_t beyond = i; k == i - 1 && beyond < h->count.n; beyond++) p += COUNT(beyond);
    if (p > 0) kl += q[k] > 0 ? p / total * log(p / total / (q[k] / kept)) : INFINITY;
  }
#undef COUNT
  free(q);
  return kept > 0 ? kl : INFINITY;
}

static void entropy_is_the_least_divergence(void **state) {
  (void)state;
  for (int kind = 0; kind < 4; kind++) {
    Observing *o = histogram_of("entropy,num_bins=400", kind);
    const CalibHist *h = o->state;
    float lo, hi;
    assert_true(range(o, &lo, &hi));
    double least = INFINITY, found = NAN;
    for (int64_t i = 128; i <= h->count.n; i++) {
      double d = plain_divergence(h, i, 128);
      if (d < least) least = d;
      if ((float)h->edges.v[i] == hi) found = d;
    }
    if (!(found <= least + 1e-12)) fail_msg("kind %d: %g, the least is %g", kind, found, least);
  }
}

static double plain_error(const CalibHist *h, int64_t i) {
  double error = 0, amax = (h->edges.v[i] + h->edges.v[i + 1]) / 2;
  for (int64_t k = 0; k < h->count.n; k++) {
    double x = (h->edges.v[k] + h->edges.v[k + 1]) / 2, q = rint(x * 127 / amax);
    double d = (q > 127 ? 127 : q) * amax / 127 - x;
    error += d * d * (double)h->count.v[k];
  }
  return error;
}

static void mse_is_the_least_error(void **state) {
  (void)state;
  for (int kind = 0; kind < 4; kind++) {
    Observing *o = histogram_of("mse,num_bins=400", kind);
    const CalibHist *h = o->state;
    float lo, hi;
    assert_true(range(o, &lo, &hi));
    double least = INFINITY, found = NAN;
    for (int64_t i = 128; i < h->count.n; i++) {
      double d = plain_error(h, i);
      if (d < least) least = d;
      if (((float)h->edges.v[i] + (float)h->edges.v[i + 1]) / 2 == hi) found = d;
    }
    if (!(found <= least * 1.0001)) fail_msg("kind %d: %g, the least is %g", kind, found, least);
  }
}

/* --- arithmetic --- */

static void sums_are_complete(void **state) {
  (void)state;
  static float x[5000];
  float sum = 0;
  for (int i = 0; i < 5000; i++) {
    assert_true(aten_sum(x, i) == sum);
    sum += x[i] = (float)(i % 7);
  }
}

static void logarithms_are_rounded_once(void **state) {
  (void)state;
  for (int i = 0; i < 20000; i++) {
    double x = ldexp(0.5 + uniform(), (int)(uniform() * 200) - 100);
    if (i % 3 == 0) x = 1 + (uniform() - 0.5) * ldexp(1, -(i % 40));
    long double want = logl((long double)x);
    double ulp = ldexp(1, ilogb((double)want) - 52);
    if (x == 1) continue;
    assert_true(fabsl((long double)exact_log(x) - want) <= (long double)ulp * 0.5005L);
    assert_true(fabs(quick_log(x) - (double)want) <= 1e-15 * fmax(1, fabs((double)want)));
  }
  assert_true(exact_log(1) == 0 && quick_log(1) == 0);
}

/* --- merging --- */

/* The first half of the data, then the second, merged; and all in a row. */
static void halves(const char *name, Observing **merged, Observing **whole) {
  Observing *second = begin(name);
  *merged = begin(name);
  *whole = begin(name);
  for (int batch = 0; batch < 8; batch++) {
    float x[500];
    for (int i = 0; i < 500; i++) x[i] = normal() * (batch == 5 ? 2 : 1);
    see(batch < 4 ? *merged : second, x, 500);
    see(*whole, x, 500);
  }
  (*merged)->spec.observer->merge((*merged)->state, second->state);
}

static void merged_is_nearly_whole(void **state) {
  (void)state;
  for (int i = 0; i < N_WITH_DATA; i++) {
    Observing *merged, *whole;
    float lo, hi, l, h;
    halves(with_data[i], &merged, &whole);
    assert_true(range(merged, &lo, &hi));
    assert_true(range(whole, &l, &h));
    bool exact =
        !strcmp(with_data[i], "minmax") || !strcmp(with_data[i], "max") || !strcmp(with_data[i], "recording");
    float bound = exact ? 0 : !strcmp(with_data[i], "moving_average") ? 1e-5f : 0.2f;
    if (fabsf(lo - l) > bound || fabsf(hi - h) > bound)
      fail_msg("%s: %g .. %g, in a row %g .. %g", with_data[i], (double)lo, (double)hi, (double)l, (double)h);
    assert_null(merged->spec.observer->check(merged->state));
  }
}

/* Equal ranges: every count is that of all samples. */
static void equal_ranges_merge_exactly(void **state) {
  (void)state;
  static const char *const names[] = {"histogram", "percentile", "entropy,torch_hist=false", "mse"};
  for (int i = 0; i < 4; i++) {
    Observing *a = begin(names[i]), *b = begin(names[i]), *both = begin(names[i]);
    for (int batch = 0; batch < 4; batch++) {
      float x[300];
      for (int k = 0; k < 300; k++) x[k] = (float)uniform();
      x[0] = 0;
      x[1] = 1;
      see(batch < 2 ? a : b, x, 300);
      see(both, x, 300);
    }
    a->spec.observer->merge(a->state, b->state);
    const StateField *f = a->spec.observer->fields;
    for (; strcmp(f->name, "histogram"); f++) continue;
    const FloatList *merged = (const void *)((char *)a->state + f->offset),
                    *whole = (const void *)((char *)both->state + f->offset);
    assert_int_equal(merged->n, whole->n);
    assert_memory_equal(merged->v, whole->v, sizeof(float) * (size_t)whole->n);
  }
}

static void moving_averages_merge_in_order(void **state) {
  (void)state;
  Observing *a = begin("moving_average=0.25"), *b = begin("moving_average=0.25"),
            *row = begin("moving_average=0.25");
  static const float x[][2] = {{0, 8}, {-4, 4}, {-16, 64}, {0, 1}, {-8, 2}};
  for (int i = 0; i < 5; i++) {
    see(i < 2 ? a : b, x[i], 2);
    see(row, x[i], 2);
  }
  a->spec.observer->merge(a->state, b->state);
  float lo, hi;
  assert_true(range(row, &lo, &hi));
  assert_range(a, lo, hi); /* the numbers are such that nothing is rounded */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ranges_of_all_lengths),
      cmocka_unit_test(channels_lie_between),
      cmocka_unit_test(averages_move),
      cmocka_unit_test(nothing_observed_is_scale_1),
      cmocka_unit_test(extreme_values_give_ranges),
      cmocka_unit_test(parameters_are_set_by_name),
      cmocka_unit_test(fixed_parameters),
      cmocka_unit_test(specs_of_all_kinds),
      cmocka_unit_test(histograms_are_resampled),
      cmocka_unit_test(one_value_is_forgotten),
      cmocka_unit_test(one_large_value),
      cmocka_unit_test(outliers_are_cut),
      cmocka_unit_test(cubes_beyond_single_precision),
      cmocka_unit_test(whole_bounds_are_upstreams_mistake),
      cmocka_unit_test(percentiles_by_hand),
      cmocka_unit_test(affine_ranges_are_clipped),
      cmocka_unit_test(bins_are_bounded),
      cmocka_unit_test(zeros_then_values),
      cmocka_unit_test(entropy_is_the_least_divergence),
      cmocka_unit_test(mse_is_the_least_error),
      cmocka_unit_test(sums_are_complete),
      cmocka_unit_test(logarithms_are_rounded_once),
      cmocka_unit_test(merged_is_nearly_whole),
      cmocka_unit_test(equal_ranges_merge_exactly),
      cmocka_unit_test(moving_averages_merge_in_order),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
