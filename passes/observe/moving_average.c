/* Averages of the samples' least and greatest values: MovingAverageMinMaxObserver. */
#include "passes/observe/minmax.h"

#include <math.h>
#include <string.h>

const StateField moving_average_fields[] = {{"samples", STATE_INT, offsetof(MovingAverage, average.samples)},
                                            {"min", STATE_CHANNELS, offsetof(MovingAverage, average.lo)},
                                            {"max", STATE_CHANNELS, offsetof(MovingAverage, average.hi)},
                                            {"first_min", STATE_CHANNELS, offsetof(MovingAverage, first_lo)},
                                            {"first_max", STATE_CHANNELS, offsetof(MovingAverage, first_hi)},
                                            {0}};

void moving_average_init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  MovingAverage *s = state;
  minmax_init(&s->average, a, spec, channels);
  s->first_lo = ARENA_NEW_ARRAY(a, float, (size_t)channels);
  s->first_hi = ARENA_NEW_ARRAY(a, float, (size_t)channels);
  s->lo = ARENA_NEW_ARRAY(a, float, (size_t)channels);
  s->hi = ARENA_NEW_ARRAY(a, float, (size_t)channels);
  s->constant = (float)spec->param[0];
}

static float moved(float m, float x, float constant) {
  float way = x - m; /* may overflow where its share does not */
  return isfinite(way) ? m + constant * way : (float)((double)m + (double)constant * ((double)x - (double)m));
}

void moving_average_observe(void *state, const float *x, int64_t outer, int64_t inner) {
  MovingAverage *s = state;
  MinMax *m = &s->average;
  if (outer * m->channels * inner < 1) return;
  minmax_of(m->channels, x, outer, inner, s->lo, s->hi);
  size_t bytes = sizeof(float) * (size_t)m->channels;
  if (m->samples++ == 0) {
    memcpy(m->lo, s->lo, bytes);
    memcpy(m->hi, s->hi, bytes);
    memcpy(s->first_lo, s->lo, bytes);
    memcpy(s->first_hi, s->hi, bytes);
    return;
  }
  for (int64_t c = 0; c < m->channels; c++) {
    m->lo[c] = moved(m->lo[c], s->lo[c], s->constant);
    m->hi[c] = moved(m->hi[c], s->hi[c], s->constant);
  }
}

bool moving_average_finish(const void *state, float *lo, float *hi) {
  return minmax_finish(&((const MovingAverage *)state)->average, lo, hi);
}

const char *moving_average_check(void *state) {
  const MovingAverage *s = state;
  for (int64_t c = 0; c < s->average.channels; c++)
    if (s->first_lo[c] > s->first_hi[c]) return "first_min is greater than first_max";
  return minmax_check(&((MovingAverage *)state)->average);
}

/* What n samples more make of an average m: the part's own average b began with its first sample f instead of
 * m + c (f - m), a difference that has shrunk n - 1 times since: b + (1 - c)^n (m - f). */
static float follow(double shrunk, float m, float f, float b) {
  return (float)((double)b + shrunk * ((double)m - (double)f));
}

void moving_average_merge(void *state, const void *other) {
  MovingAverage *s = state;
  const MovingAverage *t = other;
  double shrunk = 1, keep = 1 - (double)s->constant;
  for (int64_t i = 0; i < t->average.samples && shrunk > 1e-300; i++) shrunk *= keep;
  MinMax *m = &s->average;
  for (int64_t c = 0; c < m->channels; c++) {
    m->lo[c] = follow(shrunk, m->lo[c], t->first_lo[c], t->average.lo[c]);
    m->hi[c] = follow(shrunk, m->hi[c], t->first_hi[c], t->average.hi[c]);
    if (m->lo[c] > m->hi[c]) m->hi[c] = m->lo[c]; /* edited statistics need not fit each other */
  }
  m->samples += t->average.samples;
}

extern const Observer observer_moving_average;
const Observer observer_moving_average = {.name = "moving_average",
                                          .what = "moving averages of the samples' least and greatest values",
                                          .params = {{"averaging_constant", 0.01, 0, 1}},
                                          .needs_data = true,
                                          .state_size = sizeof(MovingAverage),
                                          .init = moving_average_init,
                                          .observe = moving_average_observe,
                                          .finish = moving_average_finish,
                                          .fields = moving_average_fields,
                                          .check = moving_average_check,
                                          .merge = moving_average_merge};
