/* Quantization at run time (rule 14 of docs/numerics.md), for kernels that hold floats and want integers: the
 * range of an activation, the parameters that follow from it, the quantized values. Each function emits into
 * the open function at its current place.
 *
 *   int32_t bias = cg_dynamic_bias(cg);
 *   cg_dynamic_range(cg, b, x, count, &lo, &hi);
 *   cg_dynamic_choose(b, lo, hi, DYNAMIC_ATEN, 255, bias, &scale, &zero);
 *   DynamicVectors v = cg_dynamic_vectors(b, scale, zero, 255, bias, false);
 *   cg_dynamic_store(cg, b, x, q, count, &v);
 *
 * Values and zero points are stored with `bias` subtracted, as Storage says of tensors. */
#ifndef QCC_CODEGEN_DYNAMIC_H
#define QCC_CODEGEN_DYNAMIC_H

#include "codegen/lower.h"
#include "ir/quant.h"

/* What the target subtracts from u8 activations: 0, or 128 where it stores them as s8. */
int32_t cg_dynamic_bias(const Cg *cg);

/* The least and the greatest of `count` contiguous floats, and 0: *lo <= 0 <= *hi, scalar variables. NaN does
 * not count. */
void cg_dynamic_range(Cg *cg, VirBuilder *b, VirAddr x, int64_t count, const VirVar **lo, const VirVar **hi);

/* The parameters of a range, as scalar variables: the scale, and the zero point as stored. */
void cg_dynamic_choose(VirBuilder *b, const VirVar *lo, const VirVar *hi, DynamicRule rule, int32_t qmax,
                       int32_t bias, const VirVar **scale, const VirVar **zero);

/* What quantizing takes, in every lane. */
typedef struct {
  const VirVar *scale, *lo, *hi, *zero;
} DynamicVectors;
/* From a scale and a stored zero point, scalar variables. `once`: at the head of the function, whatever loop
 * is open; they must stand there, too. */
DynamicVectors cg_dynamic_vectors(VirBuilder *b, const VirVar *scale, const VirVar *zero, int32_t qmax,
                                  int32_t bias, bool once);
/* A vector of floats as stored integers: rule 1. */
const VirVar *cg_dynamic_quantized(VirBuilder *b, const VirVar *x, const DynamicVectors *v);
/* `count` contiguous floats at x as bytes at y, of the target's act type. */
void cg_dynamic_store(const Cg *cg, VirBuilder *b, VirAddr x, VirAddr y, int64_t count,
                      const DynamicVectors *v);

#endif
