/* Weights of layers that compute in float, or whose operand is quantized at run time: integers or halves. */
#ifndef QCC_PASSES_SMALL_WEIGHTS_H
#define QCC_PASSES_SMALL_WEIGHTS_H

#include "passes/qconfig.h"

/* The float32 constant `w` of the node as the spec says:
 * - s8 (u8 is stored as s8 with zero points - 128) with the parameters that the spec's observer gives. A
 * channel of zeros has scale 1 where the spec has no eps, one whose scale would be no normal number the least
 * that is.
 * - f16: rounded to nearest even; what is out of range saturates, with a warning, as PyTorch does.
 * False after a diagnostic: values that are not finite. */
bool small_weight(Diag *d, Arena *a, const Node *n, const Tensor *w, const ObserverSpec *spec, Type *type,
                  const void **data);

#endif
