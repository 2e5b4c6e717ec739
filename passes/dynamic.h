/* Layers in the modes that need no calibration. */
#ifndef QCC_PASSES_DYNAMIC_H
#define QCC_PASSES_DYNAMIC_H

#include "ir/graph.h"

/* Why the node stays in float in QMODE_DYNAMIC and QMODE_WEIGHTS; NULL where it does not. */
const char *dynamic_why_float(const Node *n);
/* A layer of constant float32 weights, of which the pass can make either. */
bool dynamic_takes_layer(const Node *n);

#endif
