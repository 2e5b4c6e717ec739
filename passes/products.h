/* Integer products of imported models. */
#ifndef QCC_PASSES_PRODUCTS_H
#define QCC_PASSES_PRODUCTS_H

#include "passes/rewrite.h"

/* matmul_integer or conv_integer -> cast -> mul by the scales -> add of a bias: dynamic_linear,
 * dynamic_conv2d. Returns how many there were. */
int join_products(PassCtx *ctx, Graph *g);

#endif
