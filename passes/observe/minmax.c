/* The least and the greatest value: MinMaxObserver. */
#include "passes/observe/minmax.h"

#include <string.h>

enum { LANES = 16 }; /* independent running values: what a compiler keeps in a few vector registers */

void span_of(const float *x, int64_t n, float *lo, float *hi) {
  float l[LANES], h[LANES];
  for (int k = 0; k < LANES; k++) l[k] = h[k] = x[0];
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) {
      l[k] = x[i + k] < l[k] ? x[i + k] : l[k];
      h[k] = x[i + k] > h[k] ? x[i + k] : h[k];
    }
  for (; i < n; i++) {
    l[0] = x[i] < l[0] ? x[i] : l[0];
    h[0] = x[i] > h[0] ? x[i] : h[0];
  }
  for (int k = 1; k < LANES; k++) {
    l[0] = l[k] < l[0] ? l[k] : l[0];
    h[0] = h[k] > h[0] ? h[k] : h[0];
  }
  *lo = l[0];
  *hi = h[0];
}

const StateField minmax_fields[] = {{"samples", STATE_INT, offsetof(MinMax, samples)},
                                    {"min", STATE_CHANNELS, offsetof(MinMax, lo)},
                                    {"max", STATE_CHANNELS, offsetof(MinMax, hi)},
                                    {0}};

void minmax_init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  (void)spec;
  *(MinMax *)state = (MinMax){.channels = channels,
                              .lo = ARENA_NEW_ARRAY(a, float, (size_t)channels),
                              .hi = ARENA_NEW_ARRAY(a, float, (size_t)channels)};
}

static void widen(float *lo, float *hi, float l, float h) {
  if (l < *lo) *lo = l;
  if (h > *hi) *hi = h;
}

void minmax_of(int64_t channels, const float *x, int64_t outer, int64_t inner, float *lo, float *hi) {
  for (int64_t c = 0; c < channels; c++) span_of(x + c * inner, inner, &lo[c], &hi[c]);
  for (int64_t o = 1; o < outer; o++)
    for (int64_t c = 0; c < channels; c++) {
      float l, h;
      span_of(x + (o * channels + c) * inner, inner, &l, &h);
      widen(&lo[c], &hi[c], l, h);
    }
}

void minmax_observe(void *state, const float *x, int64_t outer, int64_t inner) {
  MinMax *s = state;
  if (outer * s->channels * inner < 1) return;
  if (s->samples++ == 0) {
    minmax_of(s->channels, x, outer, inner, s->lo, s->hi);
    return;
  }
  for (int64_t o = 0; o < outer; o++)
    for (int64_t c = 0; c < s->channels; c++) {
      float l, h;
      span_of(x + (o * s->channels + c) * inner, inner, &l, &h);
      widen(&s->lo[c], &s->hi[c], l, h);
    }
}

bool minmax_finish(const void *state, float *lo, float *hi) {
  const MinMax *s = state;
  if (!s->samples) return false;
  memcpy(lo, s->lo, sizeof *lo * (size_t)s->channels);
  memcpy(hi, s->hi, sizeof *hi * (size_t)s->channels);
  return true;
}

const char *minmax_check(void *state) {
  const MinMax *s = state;
  for (int64_t c = 0; c < s->channels; c++)
    if (s->lo[c] > s->hi[c]) return "min is greater than max";
  return NULL;
}

void minmax_merge(void *state, const void *other) {
  MinMax *s = state;
  const MinMax *t = other;
  s->samples += t->samples;
  for (int64_t c = 0; c < s->channels; c++) widen(&s->lo[c], &s->hi[c], t->lo[c], t->hi[c]);
}

extern const Observer observer_minmax;
const Observer observer_minmax = {.name = "minmax",
                                  .what = "the least and the greatest value",
                                  .needs_data = true,
                                  .state_size = sizeof(MinMax),
                                  .init = minmax_init,
                                  .observe = minmax_observe,
                                  .finish = minmax_finish,
                                  .fields = minmax_fields,
                                  .check = minmax_check,
                                  .merge = minmax_merge};
