/* Depthwise convolution: one input channel per output channel, vectorised over channels. */
#ifndef QCC_CODEGEN_DEPTHWISE_H
#define QCC_CODEGEN_DEPTHWISE_H

#include "codegen/conv_phase.h"

/* One kernel of such a convolution, which is not empty. */
void depthwise_emit(Cg *cg, const ConvWindow *w);

#endif
