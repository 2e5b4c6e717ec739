/* The least and the greatest value, and what further samples are likely to reach beyond them. A tensor of few
 * values, such as the means of an image's channels, has shown few of those that it can have: were its scale
 * by what was seen, the next sample would be clipped. An end that several samples have in common is a real
 * one, of pixels or of a clamp, and zero is an end that is not crossed. */
#include "passes/observe/extremes.h"

#include <math.h>

#include "ir/refmath.h"
#include "passes/observe/minmax.h"

typedef struct {
  MinMax all;
  int64_t values;                /* of each channel */
  float *least_mean, *least_var; /* [channels]: of the samples' least values */
  float *most_mean, *most_var;   /* of their greatest */
  float *at_least, *at_most;     /* how many samples have the very least, the very greatest value */
  float *lo, *hi;                /* of the sample at hand */
  double deviations;
} Extremes;

static const StateField fields[] = {{"samples", STATE_INT, offsetof(Extremes, all.samples)},
                                    {"values", STATE_INT, offsetof(Extremes, values)},
                                    {"min", STATE_CHANNELS, offsetof(Extremes, all.lo)},
                                    {"max", STATE_CHANNELS, offsetof(Extremes, all.hi)},
                                    {"min_mean", STATE_CHANNELS, offsetof(Extremes, least_mean)},
                                    {"min_variance", STATE_CHANNELS, offsetof(Extremes, least_var)},
                                    {"max_mean", STATE_CHANNELS, offsetof(Extremes, most_mean)},
                                    {"max_variance", STATE_CHANNELS, offsetof(Extremes, most_var)},
                                    {"at_min", STATE_CHANNELS, offsetof(Extremes, at_least)},
                                    {"at_max", STATE_CHANNELS, offsetof(Extremes, at_most)},
                                    {0}};

void extreme_add(Extreme *e, int64_t n, double mean, double variance) {
  double all = (double)(e->samples + n), part = (double)n / all, apart = mean - e->mean;
  e->variance = (1 - part) * e->variance + part * variance + part * (1 - part) * apart * apart;
  e->mean += part * apart;
  e->samples += n;
}

double extreme_deviations(double most, int64_t values) {
  enum { ALL = 1000, NONE = 300000 };
  if (values <= ALL) return most;
  if (values >= NONE) return 0;
  float all = ref_log(ALL),
        none = ref_log(NONE); /* not the host's logarithm: scales are the same everywhere */
  return most * (double)((none - ref_log((float)values)) / (none - all));
}

double extreme_reach(const Extreme *e, double deviations) { return e->mean + deviations * sqrt(e->variance); }

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  Extremes *s = state;
  minmax_init(&s->all, a, spec, channels);
  float **arrays[] = {&s->least_mean, &s->least_var, &s->most_mean, &s->most_var,
                      &s->at_least,   &s->at_most,   &s->lo,        &s->hi};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    *arrays[i] = ARENA_NEW_ARRAY(a, float, (size_t)channels);
  s->deviations = spec->param[0];
}

static void add_to(float *mean, float *variance, int64_t samples, int64_t n, float m, float v) {
  Extreme e = {samples, (double)*mean, (double)*variance};
  extreme_add(&e, n, (double)m, (double)v);
  *mean = (float)e.mean;
  *variance = (float)e.variance;
}

/* `sign` 1: of greatest values; -1: of least ones. */
static void count_end(float *count, bool first, float known, float value, float more, float sign) {
  if (first || sign * value > sign * known)
    *count = more;
  else if (value == known)
    *count += more;
}

/* What another part of the data has shown, behind what is known. */
static void take_in(Extremes *s, int64_t c, int64_t n, const float *lo, const float *hi,
                    const Extremes *other) {
  bool first = !s->all.samples;
  add_to(&s->least_mean[c], &s->least_var[c], s->all.samples, n, other ? other->least_mean[c] : lo[c],
         other ? other->least_var[c] : 0);
  add_to(&s->most_mean[c], &s->most_var[c], s->all.samples, n, other ? other->most_mean[c] : hi[c],
         other ? other->most_var[c] : 0);
  count_end(&s->at_least[c], first, s->all.lo[c], lo[c], other ? other->at_least[c] : 1, -1);
  count_end(&s->at_most[c], first, s->all.hi[c], hi[c], other ? other->at_most[c] : 1, 1);
}

static void observe(void *state, const float *x, int64_t outer, int64_t inner) {
  Extremes *s = state;
  if (outer * s->all.channels * inner < 1) return;
  minmax_of(s->all.channels, x, outer, inner, s->lo, s->hi);
  for (int64_t c = 0; c < s->all.channels; c++) take_in(s, c, 1, s->lo, s->hi, NULL);
  s->values += outer * inner;
  minmax_observe(&s->all, x, outer, inner);
}

/* At most `room` beyond what was seen. */
static float beyond(double seen, double reach, double room, float samples_there) {
  enum { REAL_END = 2 };
  if (samples_there >= REAL_END || reach <= seen) return (float)seen;
  return (float)fmin(fmin(reach, seen + room), 3.40282347e38);
}

static bool finish(const void *state, float *lo, float *hi) {
  const Extremes *s = state;
  if (!minmax_finish(&s->all, lo, hi)) return false;
  double deviations = extreme_deviations(s->deviations, s->values);
  for (int64_t c = 0; c < s->all.channels; c++) {
    Extreme below = {s->all.samples, -(double)s->least_mean[c], (double)s->least_var[c]};
    Extreme above = {s->all.samples, (double)s->most_mean[c], (double)s->most_var[c]};
    double room = ((double)fmaxf(hi[c], 0) - (double)fminf(lo[c], 0)) / 2; /* the range doubles at most */
    float l = -beyond(-(double)lo[c], extreme_reach(&below, deviations), room, s->at_least[c]);
    float h = beyond((double)hi[c], extreme_reach(&above, deviations), room, s->at_most[c]);
    lo[c] = lo[c] >= 0 && l < 0 ? 0 : l;
    hi[c] = hi[c] <= 0 && h > 0 ? 0 : h;
  }
  return true;
}

static const char *check(void *state) {
  const Extremes *s = state;
  for (int64_t c = 0; c < s->all.channels; c++)
    if (s->least_var[c] < 0 || s->most_var[c] < 0) return "a variance is negative";
  return minmax_check(&((Extremes *)state)->all);
}

static void merge(void *state, const void *other) {
  Extremes *s = state;
  const Extremes *t = other;
  for (int64_t c = 0; c < s->all.channels; c++) take_in(s, c, t->all.samples, t->all.lo, t->all.hi, t);
  s->values += t->values;
  minmax_merge(&s->all, &t->all);
}

extern const Observer observer_extremes;
const Observer observer_extremes = {
    .name = "extremes",
    .what = "the least and the greatest value, and what further samples are likely to reach",
    .params = {{"deviations", 6, 0, 100}},
    .per_channel = true,
    .needs_data = true,
    .state_size = sizeof(Extremes),
    .init = init,
    .observe = observe,
    .finish = finish,
    .fields = fields,
    .check = check,
    .merge = merge};
