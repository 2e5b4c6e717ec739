/* The same for each channel: MovingAveragePerChannelMinMaxObserver. */
#include "passes/observe/minmax.h"

extern const Observer observer_moving_average_per_channel;
const Observer observer_moving_average_per_channel = {
    .name = "moving_average_per_channel",
    .what = "moving averages of each channel's least and greatest values",
    .params = {{"averaging_constant", 0.01, 0, 1}},
    .per_channel = true,
    .needs_data = true,
    .state_size = sizeof(MovingAverage),
    .init = moving_average_init,
    .observe = moving_average_observe,
    .finish = moving_average_finish,
    .fields = moving_average_fields,
    .check = moving_average_check,
    .merge = moving_average_merge};
