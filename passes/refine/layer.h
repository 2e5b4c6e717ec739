/* Makes one layer with integer weights compute what its float form computes, as closely as its types allow.
 */
#ifndef QCC_PASSES_REFINE_LAYER_H
#define QCC_PASSES_REFINE_LAYER_H

#include "ir/graph.h"

typedef struct {
  Node *layer; /* a constant s8 weight; an integer operand and a constant s32 bias or none, or an operand
                  and bias of float32 */
  const Node *reference; /* the same in float32 */
  int64_t samples;
  const void *const *x;           /* [samples]: the operand as the integer graph has it */
  const void *const *x_reference; /* [samples]: the float operand */
  int threads;
} LayerSamples;

/* Rounds the weights anew, where that makes the result better on samples that it was not chosen by, and gives
 * the bias the value that takes away the mean error. Scales stay, and sums that could not leave s32 still
 * cannot. */
void refine_layer(Arena *a, const LayerSamples *s);

#endif
