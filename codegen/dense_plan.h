/* The plan of a dense kernel on targets whose fast product adds two products in 16 bits and would saturate
 * (docs/decisions/exact-avx2.md): for each vector of output channels, the order of its k-steps. First those
 * that are proved to fit by ones, twos, threes and fours added up in 16 bits before they are widened; then
 * those with a pair of weights that could leave 16 bits, each followed by its sign-flip mask. K-steps whose
 * weights are all zero are left out. */
#ifndef QCC_CODEGEN_DENSE_PLAN_H
#define QCC_CODEGEN_DENSE_PLAN_H

#include "codegen/dense_pack.h"

/* Groups of 1 to PLAN_GROUP k-steps; where those of each size begin, and where the last ones end. */
enum { PLAN_GROUP = 4, PLAN_ENDS = PLAN_GROUP + 1 };

/* Packs the weights by plans: sets `weights`, `ends` (of each vector: where the groups of each size begin and
 * the last ones end, in k-steps), `flips` (of each vector: k-steps with masks), `places` (of each k-step,
 * those with masks from plan_room on: its place in the operand, from the window's first element) and their
 * sizes. `bias`: [phase][channel], flipped weights add to it. */
void plan_weights(DensePack *s, int32_t *bias);

/* Vectors of weights and masks, and k-steps, that each vector of channels has room for. */
int64_t plan_vectors(const DensePack *s);
int64_t plan_places(const DensePack *s);

#endif
