/* The integer form of custom operators. */
#ifndef QCC_PASSES_CUSTOM_H
#define QCC_PASSES_CUSTOM_H

#include "ir/graph.h"
#include "passes/pass.h"

/* Puts it in the place of a node of the real form, for which custom_check has nothing to say. `join`: also in
 * the place of the quantize that alone reads the result. */
void custom_make_integer(PassCtx *ctx, Node *n, bool join);

#endif
