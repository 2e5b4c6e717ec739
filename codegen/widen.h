/* Small weights of float layers, for kernels that read them as float32. */
#ifndef QCC_CODEGEN_WIDEN_H
#define QCC_CODEGEN_WIDEN_H

#include "codegen/lower.h"

/* A Lowering's expand: operand 1, integers or halves under a float operand, becomes float32. */
bool widen_weight(Cg *cg, Node *n);

#endif
