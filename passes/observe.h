/* Calibration: observers see every value of a tensor over the calibration samples, in order, and answer with
 * the range that quantization should cover. One row per observer in observers.def; the observer NAME is
 * `observer_NAME` in observe/NAME.c. They are PyTorch's (torch.ao.quantization.observer) and TensorRT's
 * (pytorch_quantization.calib) by their formulas; weights are observed by them too. */
#ifndef QCC_PASSES_OBSERVE_H
#define QCC_PASSES_OBSERVE_H

#include "passes/pass.h"
#include "passes/qspec.h"

enum { OBSERVER_PARAMS = 4 };

/* A parameter: averaging_constant, bins, percentile ... All are numbers; an enumeration counts its choices.
 */
typedef struct {
  const char *name; /* NULL ends the list */
  double value;     /* its default */
  double min, max;
  bool integer;
  const char *const *choices; /* names for 0, 1, ...; NULL-terminated; or NULL */
} ObserverParam;

typedef struct Observer Observer;

/* An observer with its parameters: what a configuration chooses for activations, or for weights. */
typedef struct ObserverSpec {
  const Observer *observer;
  double param[OBSERVER_PARAMS]; /* as observer->params lists them */
  QuantSpec quant;
} ObserverSpec;

struct Observer {
  const char *name; /* -observer NAME or NAME=FIRST_PARAMETER */
  const char *what; /* one line for the manual */
  ObserverParam params[OBSERVER_PARAMS + 1];
  bool per_channel; /* can observe channels apart; otherwise spec.quant.per_channel is refused */
  bool needs_data;  /* false: placeholder, noop, fixed */
  size_t state_size;

  /* The state comes zeroed. What it grows is the arena's, which lives as long as the calibration; its size
   * does not depend on the number of samples. `channels`: 1, or the observed tensor's dim[ch_axis]. */
  void (*init)(void *state, Arena *a, const ObserverSpec *spec, int64_t channels);
  /* One sample's tensor as x[outer][channels][inner], C order (per tensor: outer = channels = 1). The samples
   * come in order and one at a time, so that the result depends on nothing but the data. All values are
   * finite. */
  void (*observe)(void *state, const float *x, int64_t outer, int64_t inner);
  /* Ranges lo[c] <= hi[c] per channel, for qspec_params. Values have been observed. */
  void (*finish)(const void *state, float *lo, float *hi);
  /* Observers that answer with parameters instead of a range (fixed, or a search over scales); NULL:
   * qspec_params of the range. False where they are not valid (rule 3). */
  bool (*params_of)(const void *state, const QuantSpec *q, int64_t channel, float *scale, int32_t *zero);
};

extern const Observer *const observer_table[]; /* ends with NULL */

const Observer *observer_find(const char *name, size_t len); /* NULL where unknown */

/* "minmax", "percentile=99.99": the observer with its default parameters, but for the first one;
 * `spec->quant` stays as it is. False after a diagnostic. */
bool observer_parse(Diag *d, const char *text, ObserverSpec *spec);

/* What an observer answers for one constant: per channel the range, and scale and zero point. A channel whose
 * range is empty, or tiny, has a scale that is 0 or subnormal, unless the spec has an eps. */
typedef struct {
  int64_t channels; /* 1 per tensor, else the shape's dim[ch_axis] */
  float *lo, *hi, *scale;
  int32_t *zero;
} ObservedChannels;

/* Runs the observer over one constant of `shape` (a weight). The arrays are the arena's. False after a
 * diagnostic at `loc`: values that are not finite. */
bool observe_channels(Diag *d, Arena *a, const ObserverSpec *spec, const char *name, SrcLoc loc,
                      const float *x, const Shape *shape, ObservedChannels *result);

/* The same as a Quant of the arena, for those who cannot choose a scale themselves: false, after a
 * diagnostic, where one is not a normal number. */
bool observe_constant(Diag *d, Arena *a, const ObserverSpec *spec, const char *name, SrcLoc loc,
                      const float *x, const Shape *shape, Quant **quant);

#endif
