/* What further samples are likely to reach, judging by those that were seen. */
#ifndef QCC_PASSES_OBSERVE_EXTREMES_H
#define QCC_PASSES_OBSERVE_EXTREMES_H

#include "ir/arena.h"

/* Of the samples' own extremes on one side: how many samples, their mean and variance. */
typedef struct {
  int64_t samples;
  double mean, variance;
} Extreme;

/* As if the `n` samples of another had been seen as well. */
void extreme_add(Extreme *e, int64_t n, double mean, double variance);

/* How many standard deviations beyond their mean the samples' extremes will reach, where `values` have been
 * seen in all: `most` up to a thousand, fewer the more there were, none from 300 000 on. */
double extreme_deviations(double most, int64_t values);

/* The magnitude up to which values are to be expected: the mean and that many standard deviations. */
double extreme_reach(const Extreme *e, double deviations);

#endif
