/* The plan of a dense kernel on targets whose fast product adds two products in 16 bits and would saturate
 * (docs/decisions/exact-avx2.md): for each vector of output channels, which k-steps are added up in 16 bits
 * before they are widened. In some of these groups the last k-steps have sign-flip masks. All vectors of a
 * layer have the same number of groups of each kind, so that the loops over them are the same. */
#ifndef QCC_CODEGEN_DENSE_PLAN_H
#define QCC_CODEGEN_DENSE_PLAN_H

#include "codegen/dense_pack.h"

/* Kinds of groups, in the order in which they lie: of so many k-steps, the last of which have masks. */
enum { PLAN_GROUP = 4, PLAN_MASKS = 2 };
typedef struct {
  int size, masks;
} PlanKind;
extern const PlanKind plan_kind[PLAN_KINDS];
/* Vectors of weights and masks that a group takes. */
static inline int plan_group_vectors(int kind) { return plan_kind[kind].size + plan_kind[kind].masks; }

/* Makes the plans of all vectors: sets `plan_groups`. `s` has the shape of one vector in a tile. */
typedef struct DensePlans DensePlans;
DensePlans *dense_plans(DensePack *s);
/* The same by twos only, as each vector likes it. */
DensePlans *dense_pairs(DensePack *s);
/* The cost of a k-step by these plans, of what it is without any. */
double plan_cost(const DensePack *s);
/* Packs the weights by plans: sets `weights`, `places` (of each k-step: its place in the operand, from the
 * window's first element) and `plan_reach`. `bias`: [phase][channel], flipped weights add to it. */
void plan_weights(DensePack *s, const DensePlans *p, int32_t *bias);

/* Of each vector: vectors of weights and masks, and k-steps. */
int64_t plan_vectors(const DensePack *s);
int64_t plan_places(const DensePack *s);

#endif
