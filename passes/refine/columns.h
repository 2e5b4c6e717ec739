/* The operand values that one output of a layer sums up, for many outputs: the rows of "im2col". */
#ifndef QCC_PASSES_REFINE_COLUMNS_H
#define QCC_PASSES_REFINE_COLUMNS_H

#include "ir/graph.h"
#include "passes/refine/rounding.h"

/* Does columns_of know the layer's op? */
bool columns_known(const Node *layer);
/* How many groups of outputs the layer has, with inputs of their own. */
int64_t columns_groups(const Node *layer);

/* Up to `rows` outputs of the group, evenly spread over x[0..samples), each the layer's operand as float32.
 * The order of k is that of the weight's elements behind its first axis. */
Columns columns_of(Arena *a, const Node *layer, int64_t group, const float *const *x, int64_t samples,
                   int64_t rows);

#endif
