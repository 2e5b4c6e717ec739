/* Observes nothing and says what type is meant: PlaceholderObserver, for parameters that are chosen at run
 * time. */
#include "passes/observe.h"

extern const Observer observer_placeholder;
const Observer observer_placeholder = {
    .name = "placeholder", .what = "nothing: parameters are chosen at run time", .per_channel = true};
