/* What calibration shows of a float graph's channels, tensor by tensor. */
#ifndef QCC_PASSES_EQUALIZE_STATISTICS_H
#define QCC_PASSES_EQUALIZE_STATISTICS_H

#include "passes/equalize/channels.h"

/* One entry of a tensor's map. */
typedef struct {
  float lo, hi; /* with 0 */
  double reach; /* the magnitude to be expected of further samples */
  double mean_square;
} EntryStatistics;

typedef struct {
  const ChannelMap *map;
  EntryStatistics *entry; /* [map->count] */
  float lo, hi;           /* of all */
  double reach, mean_square;
} TensorStatistics;

typedef struct {
  StrMap *tensors; /* by name */
} Statistics;

/* Of a number of calibration samples, evenly spread. NULL after a diagnostic. */
Statistics *statistics_new(PassCtx *ctx, Arena *a, const Channels *c);
/* Of what is made anew, not only moved, and of what layers read; NULL for others. */
const TensorStatistics *statistics_of(const Statistics *s, const Tensor *t);

#endif
