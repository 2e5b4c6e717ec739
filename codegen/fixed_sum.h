/* Sums and differences of 8-bit tensors by rule 8 of docs/numerics.md, for kernels of their own and for those
 * of convolutions that add to their results. */
#ifndef QCC_CODEGEN_FIXED_SUM_H
#define QCC_CODEGEN_FIXED_SUM_H

#include "codegen/lower.h"
#include "ir/quant.h"

/* Of stored values: ((a * m_a + b * m_b + start) >> shift) + zero, within [lo, hi]. */
typedef struct {
  FixedAdd fixed;
  int32_t start; /* the zero points' share and half a unit */
  int32_t lo, hi, zero;
} FixedSum;

/* Of a quantized add or sub. */
FixedSum fixed_sum(const Cg *cg, const Node *n);

/* 4 * LANES results from as many bytes of each operand. */
const VirVar *fixed_sum_bytes(const FixedSum *s, VirBuilder *b, const ActOps *ops, const VirVar *const x[2]);

#endif
