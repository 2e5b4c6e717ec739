/* Calibration: the observers of a plan see the values of all samples. */
#ifndef QCC_PASSES_CALIBRATE_H
#define QCC_PASSES_CALIBRATE_H

#include "passes/plan.h"

/* Gives each group that observes its state, owned by the arena, and lets it see the files of ctx->calib in
 * the order given: samples (.npz, .npy) and statistics of earlier runs (passes/stats.h). Values that
 * observers with `records` see go to ctx->record. False after a diagnostic. */
bool calibrate(PassCtx *ctx, const Graph *g, Arena *a);

#endif
