/* The least and the greatest value of each channel: PerChannelMinMaxObserver. */
#include "passes/observe/minmax.h"

extern const Observer observer_per_channel_minmax;
const Observer observer_per_channel_minmax = {.name = "per_channel_minmax",
                                              .what = "the least and the greatest value of each channel",
                                              .per_channel = true,
                                              .needs_data = true,
                                              .state_size = sizeof(MinMax),
                                              .init = minmax_init,
                                              .observe = minmax_observe,
                                              .finish = minmax_finish,
                                              .fields = minmax_fields,
                                              .check = minmax_check,
                                              .merge = minmax_merge};
