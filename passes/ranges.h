/* What calibration found out. */
#ifndef QCC_PASSES_RANGES_H
#define QCC_PASSES_RANGES_H

#include "passes/pass.h"

typedef struct {
  float lo, hi;
} Range;

/* A range per tensor, by name. */
typedef struct Ranges Ranges;
Ranges *ranges_new(Arena *a);
void ranges_put(Ranges *r, const char *tensor, Range range);
const Range *ranges_get(const Ranges *r, const char *tensor); /* NULL: never observed */

/* Is this run of the pipeline to quantize this graph? Only float models are; a model that is quantized
 * already keeps its own parameters. */
bool is_to_be_quantized(const PassCtx *ctx, const Graph *g);

#endif
