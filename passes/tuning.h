/* Adapting a model to its calibration data: what the passes equalize and refine start from. */
#ifndef QCC_PASSES_TUNING_H
#define QCC_PASSES_TUNING_H

#include "ir/samples.h"
#include "passes/pass.h"

/* Is the graph, before it is quantized, to be adapted to the data? Not where observers are to show what the
 * model itself computes (statistics, -record), nor where there are statistics in place of data. */
bool is_to_be_tuned(const PassCtx *ctx, const Graph *g);

/* The samples of all files of ctx->calib. */
typedef struct {
  Samples **files;
  int n_files;
  int64_t count;
} SampleSet;
/* False after a diagnostic. */
bool sample_set_open(PassCtx *ctx, Arena *a, const Graph *g, SampleSet *set);
void sample_set_close(SampleSet *set);
/* As samples_load; sample i of `n` that are evenly spread over all. */
bool sample_set_load(const SampleSet *set, int64_t i, int64_t n, Arena *a, const void **in);

#endif
