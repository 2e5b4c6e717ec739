/* Weights that are small in the model: integers behind a dequantize, and halves. */
#ifndef QCC_PASSES_KEPT_WEIGHTS_H
#define QCC_PASSES_KEPT_WEIGHTS_H

#include "passes/rewrite.h"

/* The layers that compute in float take these weights as they are, and widen them to the same values. */
void keep_small_weights(Graph *g);

#endif
