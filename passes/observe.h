/* Calibration: observers see every value of a tensor over the calibration samples, in order, and answer with
 * the range that quantization should cover. One row per observer in observers.def; the observer NAME is
 * `observer_NAME` in observe/NAME.c. They are PyTorch's (torch.ao.quantization.observer) and TensorRT's
 * (pytorch_quantization.calib) by their formulas; weights are observed by them too. */
#ifndef QCC_PASSES_OBSERVE_H
#define QCC_PASSES_OBSERVE_H

#include "passes/pass.h"
#include "passes/qspec.h"

enum { OBSERVER_PARAMS = 8 };
#define OBSERVER_ANY 1e300

/* A parameter: averaging_constant, bins, percentile ... All are numbers; an enumeration counts its choices.
 */
typedef struct {
  const char *name; /* NULL ends the list */
  double value;     /* its default */
  double min, max;  /* OBSERVER_ANY: there is no limit */
  bool integer;
  const char *const *choices; /* names for 0, 1, ...; NULL-terminated; or NULL */
  bool late;                  /* used by finish only: what the state holds does not depend on it */
} ObserverParam;

extern const char *const observer_flag[]; /* the choices false, true */

/* One number or list of an observer's state, as the file of statistics shows it (passes/stats.h). */
typedef enum {
  STATE_INT,      /* int64_t */
  STATE_FLOAT,    /* float */
  STATE_CHANNELS, /* float *: one per channel */
  STATE_FLOATS,   /* FloatList */
  STATE_DOUBLES   /* DoubleList */
} StateKind;

typedef struct {
  float *v;
  int64_t n;
} FloatList;

typedef struct {
  double *v;
  int64_t n;
} DoubleList;

typedef struct {
  const char *name; /* NULL ends the list */
  StateKind kind;
  size_t offset;
} StateField;

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
  bool needs_data; /* false: placeholder, noop, fixed, which have none of the functions below but params_of */
  bool records;    /* what it sees goes to the file of -record, too */
  size_t state_size;

  /* The state comes zeroed. What it grows is the arena's, which lives as long as the calibration; its size
   * does not depend on the number of samples. `channels`: 1, or the observed tensor's dim[ch_axis]. The spec
   * outlives the state. */
  void (*init)(void *state, Arena *a, const ObserverSpec *spec, int64_t channels);
  /* One sample's tensor as x[outer][channels][inner], C order (per tensor: outer = channels = 1). The samples
   * come in order and one at a time, so that the result depends on nothing but the data. All values are
   * finite. A tensor without elements changes nothing. */
  void (*observe)(void *state, const float *x, int64_t outer, int64_t inner);
  /* Ranges lo[c] <= hi[c] per channel, for qspec_params. False where no value has been observed. */
  bool (*finish)(const void *state, float *lo, float *hi);
  /* Observers that answer with parameters instead of a range; NULL: qspec_params of the range. False where
   * they are not valid for the spec. */
  bool (*params_of)(const ObserverSpec *spec, float *scale, int32_t *zero);

  /* The state as the file of statistics keeps it: the first field is the number of samples, the others are
   * left out while it is 0. */
  const StateField *fields;
  /* What is wrong with a state whose fields have been read from a file, or NULL. May complete the rest. */
  const char *(*check)(void *state);
  /* As if `state` had seen the other's samples after its own. Both have seen some, with equal parameters. */
  void (*merge)(void *state, const void *other);
};

extern const Observer *const observer_table[]; /* ends with NULL */

const Observer *observer_find(const char *name, size_t len); /* NULL where unknown */

/* Sets the observer of that name with its default parameters; `spec->quant` stays as it is. False where there
 * is none. */
bool observer_named(ObserverSpec *spec, const char *name, size_t len);
/* One of several, which end with NULL; NULL where there is none. */
const Observer *observer_among(const Observer *const *list, const char *name, size_t len);
void observer_defaults(ObserverSpec *spec, const Observer *o);
/* Set one of its parameters. NULL, or what is wrong: "the bins of histogram is an integer from ...". */
const char *observer_set(Arena *a, ObserverSpec *spec, const char *param, double value);
const char *observer_set_text(Arena *a, ObserverSpec *spec, const char *param, const char *value);

/* -observer: NAME, NAME=FIRST_PARAMETER and either with ",PARAMETER=VALUE" behind it, as often as wanted:
 * "minmax", "percentile=99.9", "histogram,bins=512,range=int". `more`: observers beside those of the table,
 * as such a list; or NULL. `spec->quant` stays as it is. False after a diagnostic. */
bool observer_parse(Diag *d, const char *text, const Observer *const *more, ObserverSpec *spec);

/* The manual: a line per observer, and one below it per parameter. */
void observers_list(StrBuf *out, const Observer *const *list);

/* Scale and zero point of a channel whose range is [lo, hi]: the observer's own parameters, or those of the
 * range; scale 1, zero point 0 where nothing was `seen`, as PyTorch has it. False where they are not valid.
 */
bool observer_params(const ObserverSpec *spec, bool seen, float lo, float hi, float *scale, int32_t *zero);

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
