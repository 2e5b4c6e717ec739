/* Calibration: observers see every value of a tensor over the calibration samples, in order, and answer with
 * the range [lo, hi] that quantization should cover. One row per observer in observers.def; the observer NAME
 * is `observer_NAME` in observe/NAME.c. */
#ifndef QCC_PASSES_OBSERVE_H
#define QCC_PASSES_OBSERVE_H

#include "passes/pass.h"

typedef struct Observer {
  const char *name; /* -observer NAME or NAME=PARAMETER */
  const char *what; /* one line for the manual */
  size_t state_size;
  bool has_param;
  double param, param_min, param_max; /* its default and bounds */

  /* The state comes zeroed. What it grows is the arena's, which lives as long as the calibration. */
  void (*init)(void *state, Arena *a, double param);
  /* One sample's tensor, `n` values in C order. The samples come in order and one at a time, so that the
   * result depends on nothing but the data. Values that are not finite are dealt with outside. */
  void (*observe)(void *state, const float *x, int64_t n);
  /* At least one value has been observed. lo <= hi. */
  void (*finish)(const void *state, float *lo, float *hi);
} Observer;

extern const Observer *const observer_table[]; /* ends with NULL */

/* "minmax", "percentile=99.99". NULL after a diagnostic. */
const Observer *observer_parse(Diag *d, const char *text, double *param);

typedef struct {
  float lo, hi;
} Range;

/* What observe found out: a range per tensor, by name. */
typedef struct Ranges Ranges;
Ranges *ranges_new(Arena *a);
void ranges_put(Ranges *r, const char *tensor, Range range);
const Range *ranges_get(const Ranges *r, const char *tensor); /* NULL: never observed */

/* Is this run of the pipeline to quantize this graph? Only float models are; a model that is quantized
 * already keeps its own parameters. */
bool is_to_be_quantized(const PassCtx *ctx, const Graph *g);

#endif
