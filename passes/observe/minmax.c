/* The least and the greatest value: MinMaxObserver. */
#include "passes/observe/minmax.h"

#include <string.h>

void minmax_init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  (void)spec;
  *(MinMax *)state = (MinMax){.channels = channels,
                              .lo = ARENA_NEW_ARRAY(a, float, (size_t)channels),
                              .hi = ARENA_NEW_ARRAY(a, float, (size_t)channels)};
}

void minmax_of(const MinMax *s, const float *x, int64_t outer, int64_t inner, float *lo, float *hi) {
  for (int64_t c = 0; c < s->channels; c++) lo[c] = hi[c] = x[c * inner];
  for (int64_t o = 0; o < outer; o++)
    for (int64_t c = 0; c < s->channels; c++, x += inner) {
      float l = lo[c], h = hi[c];
      for (int64_t i = 0; i < inner; i++) {
        l = x[i] < l ? x[i] : l;
        h = x[i] > h ? x[i] : h;
      }
      lo[c] = l;
      hi[c] = h;
    }
}

void minmax_observe(void *state, const float *x, int64_t outer, int64_t inner) {
  MinMax *s = state;
  if (outer * inner < 1) return;
  float *lo = s->lo, *hi = s->hi;
  if (!s->any) {
    minmax_of(s, x, outer, inner, lo, hi);
    s->any = true;
    return;
  }
  for (int64_t o = 0; o < outer; o++)
    for (int64_t c = 0; c < s->channels; c++, x += inner) {
      float l = lo[c], h = hi[c];
      for (int64_t i = 0; i < inner; i++) {
        l = x[i] < l ? x[i] : l;
        h = x[i] > h ? x[i] : h;
      }
      lo[c] = l;
      hi[c] = h;
    }
}

void minmax_finish(const void *state, float *lo, float *hi) {
  const MinMax *s = state;
  memcpy(lo, s->lo, sizeof *lo * (size_t)s->channels);
  memcpy(hi, s->hi, sizeof *hi * (size_t)s->channels);
}

extern const Observer observer_minmax;
const Observer observer_minmax = {.name = "minmax",
                                  .what = "the least and the greatest value",
                                  .needs_data = true,
                                  .state_size = sizeof(MinMax),
                                  .init = minmax_init,
                                  .observe = minmax_observe,
                                  .finish = minmax_finish};
