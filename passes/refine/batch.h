/* A graph evaluated node by node over several samples at once: what one node gives for all of them is known
 * before the next begins, so that a pass may change the graph as it goes along. */
#ifndef QCC_PASSES_REFINE_BATCH_H
#define QCC_PASSES_REFINE_BATCH_H

#include "passes/tuning.h"

typedef struct Batch Batch;

/* `n` samples, evenly spread over all, at least one. The graph's types must not change while the batch
 * lives; constants may, of nodes that have not run. NULL after a diagnostic. */
Batch *batch_new(Arena *a, const Graph *g, const SampleSet *samples, int64_t n, int threads);
/* Frees the values that are still alive. */
void batch_free(Batch *b);

/* The node after the one that ran last; NULL at the end. */
const Node *batch_next(const Batch *b);
/* Evaluates it, and frees what nothing after it reads. */
void batch_step(Batch *b);

/* One sample's value of an operand of the next node, or of a constant. */
const void *batch_value(const Batch *b, const Tensor *t, int64_t sample);

/* The most bytes that evaluating one sample keeps alive. */
int64_t batch_peak_bytes(const Graph *g);

#endif
