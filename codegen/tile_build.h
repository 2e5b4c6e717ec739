/* A register tile while it is built: shared by the micro-kernels (codegen/dense_tile.c, codegen/tile_plan.c).
 */
#ifndef QCC_CODEGEN_TILE_BUILD_H
#define QCC_CODEGEN_TILE_BUILD_H

#include "codegen/dense_pack.h"
#include "codegen/tile_choice.h"

enum { MAX_MR = MOST_TILE_PIXELS, MAX_NV = MOST_TILE_VECTORS };

typedef struct {
  const DensePack *s;
  VirBuilder *b;
  int mr, nv;
  const VirVar *acc[MAX_MR][MAX_NV];
  const VirVar *scale[MAX_NV], *zero[MAX_NV]; /* of 8-bit weights that are widened */
  VirAddr x, w;
  const VirBase *ends, *flips, *places; /* FORM_PLAN */
} TileBuild;

/* All k-steps in the order of the plan of each vector: codegen/dense_plan.h. */
void plan_steps(TileBuild *t);

#endif
