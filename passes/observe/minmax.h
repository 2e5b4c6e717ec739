/* The state that the least-and-greatest observers share: per tensor and per channel, running and averaged. */
#ifndef QCC_PASSES_OBSERVE_MINMAX_H
#define QCC_PASSES_OBSERVE_MINMAX_H

#include "passes/observe.h"

typedef struct {
  bool any;
  int64_t channels;
  float *lo, *hi; /* [channels] */
} MinMax;

void minmax_init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels);
/* The range of x[outer][channels][inner], per channel; at least one element each. */
void minmax_of(const MinMax *s, const float *x, int64_t outer, int64_t inner, float *lo, float *hi);
void minmax_observe(void *state, const float *x, int64_t outer, int64_t inner);
void minmax_finish(const void *state, float *lo, float *hi);

#endif
