/* The plan of a dense kernel on targets whose fast product adds two products in 16 bits and would saturate
 * (docs/decisions/exact-avx2.md): for each vector of output channels, which k-steps are added up in 16 bits
 * before they are widened. In some of these groups the last k-step has a sign-flip mask. All vectors of a
 * layer have the same number of groups of each kind, so that the loops over them are the same. */
#ifndef QCC_CODEGEN_DENSE_PLAN_H
#define QCC_CODEGEN_DENSE_PLAN_H

#include "codegen/dense_pack.h"

/* Kinds of groups, in the order in which they lie: of PLAN_GROUP k-steps to one, without a mask, with one. */
enum { PLAN_GROUP = 4 };
static inline int plan_size(int kind) { return PLAN_GROUP - kind / 2; }
static inline bool plan_is_flipped(int kind) { return kind % 2; }
/* Vectors of weights and masks that a group takes. */
static inline int plan_group_vectors(int kind) { return plan_size(kind) + plan_is_flipped(kind); }

/* Makes the plans of all vectors: sets `plan_groups`. `s` has the shape of one vector in a tile. */
typedef struct DensePlans DensePlans;
DensePlans *dense_plans(DensePack *s);
/* The cost of a k-step by these plans, of what it is without any. */
double plan_cost(const DensePack *s);
/* Packs the weights by plans: sets `weights`, `places` (of each k-step: its place in the operand, from the
 * window's first element) and `plan_reach`. `bias`: [phase][channel], flipped weights add to it. */
void plan_weights(DensePack *s, const DensePlans *p, int32_t *bias);

/* Of each vector: vectors of weights and masks, and k-steps. */
int64_t plan_vectors(const DensePack *s);
int64_t plan_places(const DensePack *s);

#endif
