/* The least and the greatest value. */
#include "passes/observe.h"

typedef struct {
  bool any;
  float lo, hi;
} MinMax;

static void minmax_init(void *state, Arena *a, double param) {
  (void)a;
  (void)param;
  *(MinMax *)state = (MinMax){0};
}

static void minmax_observe(void *state, const float *x, int64_t n) {
  MinMax *s = state;
  if (n < 1) return;
  float lo = s->any ? s->lo : x[0], hi = s->any ? s->hi : x[0];
  for (int64_t i = 0; i < n; i++) {
    lo = x[i] < lo ? x[i] : lo;
    hi = x[i] > hi ? x[i] : hi;
  }
  *s = (MinMax){true, lo, hi};
}

static void minmax_finish(const void *state, float *lo, float *hi) {
  const MinMax *s = state;
  *lo = s->lo;
  *hi = s->hi;
}

extern const Observer observer_minmax;
const Observer observer_minmax = {.name = "minmax",
                                  .what = "the least and the greatest value",
                                  .state_size = sizeof(MinMax),
                                  .init = minmax_init,
                                  .observe = minmax_observe,
                                  .finish = minmax_finish};
