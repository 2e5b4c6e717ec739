/* Keeps what it sees: RecordingObserver. The values go to the file of -record as they come; of the observer's
 * own there are the least and the greatest. */
#include "passes/observe/minmax.h"

extern const Observer observer_recording;
const Observer observer_recording = {.name = "recording",
                                     .what = "as minmax; the values go to the file of -record",
                                     .needs_data = true,
                                     .records = true,
                                     .state_size = sizeof(MinMax),
                                     .init = minmax_init,
                                     .observe = minmax_observe,
                                     .finish = minmax_finish,
                                     .fields = minmax_fields,
                                     .check = minmax_check,
                                     .merge = minmax_merge};
