/* The integer weights and biases of layers (rule 4 of docs/numerics.md). */
#ifndef QCC_PASSES_WEIGHTS_H
#define QCC_PASSES_WEIGHTS_H

#include "ir/graph.h"
#include "passes/observe.h"

typedef struct {
  Type weight_type; /* s8 along axis 0, or per tensor; u8 of the configuration is stored with zero points -
                       128 */
  const int8_t *weight;
  Type bias_type;      /* s32 */
  const int32_t *bias; /* NULL where the layer has none */
} LayerConstants;

/* A layer of constant float32 weights over an operand of type `x`, with a result of type `y` (u8, s8 or f32).
 * The spec's observer gives the weight's parameters, which are kept but for three cases, where a channel's
 * scale is another and the weight is quantized per channel for it:
 * - nothing but zeros where the spec has no eps: docs/decisions/scale-of-empty-channels.md;
 * - the bias would leave s32, or the multiplier be no normal number: twice, four times ... the scale;
 * - weights within [-127, 127] by a spec that says so: the same where |bias| + sum |w| * max|x - z| could
 *   leave s32. Other weights keep their scale, and such sums are taken in 64 bits (rule 5).
 * False after a diagnostic. */
bool layer_constants(Diag *d, Arena *a, const Node *layer, const ObserverSpec *spec, const Type *x,
                     const Type *y, LayerConstants *result);

#endif
