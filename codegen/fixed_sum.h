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

/* Its constants, in all lanes. */
typedef struct {
  const VirVar *start, *m, *zero;
} FixedSumLanes;

/* In registers, before all loops. */
FixedSumLanes fixed_sum_once(const FixedSum *s, VirBuilder *b);
/* Read where they are needed, from `terms`, which fixed_sum_terms makes: for kernels whose loops need all
 * registers. */
enum { FIXED_SUM_TERMS = 3 };
const VirBase *fixed_sum_terms(Cg *cg, const Node *n, const FixedSum *s);
FixedSumLanes fixed_sum_read(VirBuilder *b, const VirBase *terms);

/* 4 * LANES results from as many bytes of each operand. */
const VirVar *fixed_sum_bytes(const FixedSum *s, const FixedSumLanes *lanes, VirBuilder *b, const ActOps *ops,
                              const VirVar *const x[2]);

#endif
