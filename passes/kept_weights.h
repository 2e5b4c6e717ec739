/* Weights that are small in the model: integers behind a dequantize, and halves. */
#ifndef QCC_PASSES_KEPT_WEIGHTS_H
#define QCC_PASSES_KEPT_WEIGHTS_H

#include "passes/qconfig.h"
#include "passes/rewrite.h"

/* The layers that compute in float take these weights as they are, and widen them to the same values. */
void keep_small_weights(Graph *g);

/* A constant weight of a linear layer that is stored small. */
bool is_small_weight(const Tensor *t);
/* Its values as f32; a tensor of no graph, whose data are the arena's. */
Tensor widened_weight(Arena *a, const Tensor *t);
/* Layers that are to be integer ops take small weights as the values that these are. */
void widen_static_weights(const QConfigSet *qconfig, Graph *g);

#endif
