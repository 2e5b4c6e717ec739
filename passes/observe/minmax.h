/* The state that the least-and-greatest observers share: per tensor and per channel, running and averaged. */
#ifndef QCC_PASSES_OBSERVE_MINMAX_H
#define QCC_PASSES_OBSERVE_MINMAX_H

#include "passes/observe.h"

/* The least and the greatest of n > 0 values. */
void span_of(const float *x, int64_t n, float *lo, float *hi);

typedef struct {
  int64_t channels, samples;
  float *lo, *hi; /* [channels] */
} MinMax;

extern const StateField minmax_fields[];

void minmax_init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels);
/* The range of x[outer][channels][inner], per channel; at least one element each. */
void minmax_of(int64_t channels, const float *x, int64_t outer, int64_t inner, float *lo, float *hi);
void minmax_observe(void *state, const float *x, int64_t outer, int64_t inner);
bool minmax_finish(const void *state, float *lo, float *hi);
const char *minmax_check(void *state);
void minmax_merge(void *state, const void *other);

/* The average that forgets: m + c * (x - m) for each sample's least and greatest x, from the first sample's
 * on. What the first sample was is kept, so that the average of a later part of the data can follow. */
typedef struct {
  MinMax average;
  float *first_lo, *first_hi; /* [channels] */
  float *lo, *hi;             /* [channels], of the sample at hand */
  float constant;
} MovingAverage;

extern const StateField moving_average_fields[];

void moving_average_init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels);
void moving_average_observe(void *state, const float *x, int64_t outer, int64_t inner);
bool moving_average_finish(const void *state, float *lo, float *hi);
const char *moving_average_check(void *state);
void moving_average_merge(void *state, const void *other);

#endif
