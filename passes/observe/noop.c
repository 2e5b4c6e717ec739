/* Observes nothing: NoopObserver, for weights that are stored as float16. */
#include "passes/observe.h"

extern const Observer observer_noop;
const Observer observer_noop = {
    .name = "noop", .what = "nothing: weights stored as float16", .per_channel = true};
