/* Depthwise convolution: one input channel per output channel, vectorised over channels. */
#ifndef QCC_CODEGEN_DEPTHWISE_H
#define QCC_CODEGEN_DEPTHWISE_H

#include "codegen/lower.h"

bool depthwise_emit(Cg *cg, const Node *n);

#endif
