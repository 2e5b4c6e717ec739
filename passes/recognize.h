/* Part of the pass canonicalize: functions that came in smaller ops. */
#ifndef QCC_PASSES_RECOGNIZE_H
#define QCC_PASSES_RECOGNIZE_H

#include "passes/pass.h"

/* Puts layer_norm and gelu in the place of what they were written out in; returns how many. */
int recognize(PassCtx *ctx, Graph *g);

#endif
