/* The greatest magnitude, of all or of each channel: MaxCalibrator. */
#include "ir/refmath.h"
#include "passes/observe/amax.h"
#include "passes/observe/minmax.h"

typedef struct {
  MinMax range; /* first: the functions of MinMax take the whole */
  const ObserverSpec *spec;
} Max;

void amax_range(const ObserverSpec *spec, float amax, float *lo, float *hi) {
  if (spec->quant.symmetric) {
    *lo = -amax;
    *hi = amax;
  }
  *lo = ref_clamp(*lo, -amax, amax);
  *hi = ref_clamp(*hi, -amax, amax);
}

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  Max *s = state;
  minmax_init(&s->range, a, spec, channels);
  s->spec = spec;
}

static bool finish(const void *state, float *lo, float *hi) {
  const Max *s = state;
  if (!minmax_finish(&s->range, lo, hi)) return false;
  for (int64_t c = 0; c < s->range.channels; c++)
    amax_range(s->spec, -lo[c] > hi[c] ? -lo[c] : hi[c], &lo[c], &hi[c]);
  return true;
}

extern const Observer observer_max;
const Observer observer_max = {.name = "max",
                               .what = "the greatest magnitude",
                               .per_channel = true,
                               .needs_data = true,
                               .state_size = sizeof(Max),
                               .init = init,
                               .observe = minmax_observe,
                               .finish = finish,
                               .fields = minmax_fields,
                               .check = minmax_check,
                               .merge = minmax_merge};
