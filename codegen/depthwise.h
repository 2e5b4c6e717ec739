/* Depthwise convolution: one input channel per output channel, vectorised over channels. */
#ifndef QCC_CODEGEN_DEPTHWISE_H
#define QCC_CODEGEN_DEPTHWISE_H

#include "codegen/conv_phase.h"
#include "codegen/product.h"

/* True where each channel is a group of its own, and has one result. */
bool is_depthwise(const Node *n);

/* One kernel of such a convolution, which is not empty. */
void depthwise_emit(Cg *cg, const ConvWindow *w);
/* dynamic_conv2d, conv_integer: the same with the operand's parameters at run time. */
void depthwise_emit_product(Cg *cg, const ConvWindow *w, const Product *p, Buffer *scratch);

#endif
