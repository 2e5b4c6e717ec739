/* A register tile while it is built, and the micro-kernels that form its products. */
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
  const VirVar *sum[MAX_MR][MAX_NV];          /* of micro-kernels that form `acc` from others at the end */
  const VirVar *scale[MAX_NV], *zero[MAX_NV]; /* of 8-bit weights that are widened */
  VirAddr x, w;
  const VirBase *places; /* FORM_PLAN */
} TileBuild;

/* All k-steps in the order of the plan of each vector: codegen/dense_plan.h. */
void plan_steps(TileBuild *t);

/* How the products of a quantized tile are formed. Weights lie [k-step][vector][lane][step]. */
typedef struct TileKernel {
  int step;              /* elements of a k-step */
  int chunk;             /* k-steps that `steps` does at once, reading so many elements of each pixel */
  int unroll;            /* k-steps in the body of a loop: chunks */
  int products, weights; /* operations of a k-step: for each pixel and vector; for each vector */
  /* Whether the kernel is the right one; the tile. */
  bool (*suits)(const DensePack *s);
  void (*shape)(DensePack *s);
  /* Sets the sums. `bias`: an element for each channel. */
  void (*start)(TileBuild *t, const VirBase *bias);
  /* The products of `elements` elements of a run, at most a chunk of them. Begins with a fence,
   * or gcc would load the weights of many steps at once, and run out of registers. */
  void (*steps)(TileBuild *t, VirAddr x, VirAddr w, int64_t elements);
  /* Sets `acc` where that is not done; NULL. */
  void (*finish)(TileBuild *t, const VirBase *bias);
} TileKernel;
/* One vector of biases in each sum. */
void broadcast_start(TileBuild *t, const VirBase *bias);
extern const TileKernel tile_broadcast; /* an operand's k-step in every lane; codegen/dense_tile.c */
extern const TileKernel tile_flips;     /* broadcasts, with sign-flip masks */
extern const TileKernel tile_along_k;   /* operand and weights along k, added up at the end */
extern const TileKernel tile_lanes;     /* a k-step of each lane of the operand */
extern const TileKernel tile_mmla;      /* two pixels by two channels */
/* The one for a layer: the first of its target's that suits it, or broadcasts. */
const TileKernel *tile_kernel(const DensePack *s);

#endif
