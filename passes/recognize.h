/* Part of the pass canonicalize: a function that came in smaller ops. */
#ifndef QCC_PASSES_RECOGNIZE_H
#define QCC_PASSES_RECOGNIZE_H

#include "passes/pass.h"

/* Puts layer_norm in the place of what it was written out in; returns how many. */
int recognize(PassCtx *ctx, Graph *g);

#endif
