/* The product of two 8-bit activations, by rules 5 and 6 of docs/numerics.md. */
#ifndef QCC_CODEGEN_MATMUL_INT_H
#define QCC_CODEGEN_MATMUL_INT_H

#include "codegen/lower.h"

/* 0 for float32 operands. */
int64_t matmul_int_scratch(const Cg *cg, const Node *n);
void matmul_int_emit(Cg *cg, const Node *n, Buffer *scratch);

#endif
