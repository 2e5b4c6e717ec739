/* The end of quantized kernels: vectors of 32-bit sums to bytes, by rule 6 of docs/numerics.md. */
#ifndef QCC_CODEGEN_REQUANT_H
#define QCC_CODEGEN_REQUANT_H

#include "codegen/clamp.h"
#include "codegen/fixed_sum.h"
#include "codegen/residual.h"

enum { REQUANT_TOGETHER = 4 }; /* vectors that are packed together, at most */

/* What it takes besides the multipliers: bounds and zero point as floats and integers where it clamps by
 * itself; else the zero point as packing wants it, and the bounds in bytes, where they are not those of the
 * type anyway. */
typedef struct {
  VirBuilder *b;
  int lanes;
  const ActOps *ops;               /* of the result */
  const VirVar *low, *high, *zero; /* f32, f32, s32; NULL where packing clamps */
  const VirVar *pairs;             /* zero point */
  ByteBounds bounds;
  ResidualBases residual; /* what is added to the results; NULL: nothing */
  FixedSum sum;
  FixedSumLanes sum_lanes;
  int operand; /* which one of the sum the results are */
} Requant;

/* For the results `y` of a kernel that is being built. `unclamped`: all sums times their multipliers fit 32
 * bits. */
Requant requant_start(const Cg *cg, VirBuilder *b, const Tensor *y, float act_min, float act_max,
                      bool unclamped);
/* From now on bytes are added to those at the same place of the other operand of `add`. */
void requant_residual(const Cg *cg, Requant *r, const Node *add, ResidualBases bases);
/* A vector of sums times `m`, as requant_store takes it. */
const VirVar *requant_scaled(const Requant *r, const char *name, const VirVar *sums, const VirVar *m);
/* Packs `n` vectors, 4, 2 or 1 of them together, and stores them one behind the other: of the last one
 * `last` lanes. The channels that the lanes hold follow from requant_channel. */
void requant_store(const Requant *r, VirAddr at, const VirVar *const *q, int n, int last);

/* 4, 2 or 1 vectors packed together, of which `bytes` are stored. */
void requant_store_bytes(const Requant *r, VirAddr at, const VirVar *const *q, int n, int64_t bytes);
/* The same of all `n` vectors, 1 or 2, of each of 4 / n pixels, `apart` elements from one to the next. */
void requant_store_pixels(const Requant *r, VirAddr at, const VirVar *const *q, int n, int64_t apart);

/* Vectors that are packed together: 4, 2 or 1 of those from vector `at` of `n` on. */
int requant_together(int n, int at);
/* What lane `l` of vector `v` of `n` becomes: the place of the byte, see narrow_u8_x4 in vir.def. */
int64_t requant_channel(int lanes, int n, int64_t v, int64_t l);

#endif
