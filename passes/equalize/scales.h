/* By how much each channel is to be scaled. */
#ifndef QCC_PASSES_EQUALIZE_SCALES_H
#define QCC_PASSES_EQUALIZE_SCALES_H

#include "passes/equalize/statistics.h"

/* [channels->n]: the values of a root's channel are to be divided by this; 1 where it must stay or should.
 *
 * A channel that takes up the part r of its tensors' range is divided by r^e, with an exponent e from 0 (as
 * it is) to 1 (all channels have the whole range) for all channels that share tensors. The values' rounding
 * then costs less, and that of the weights that multiply them more; e is where both together cost least, in
 * terms of the layers' results. */
float *channel_scales(Arena *a, const Channels *c, const Statistics *s);

#endif
