/* The constants of a dense kernel: weights packed in the order in which they are read, biases, multipliers.
 */
#ifndef QCC_CODEGEN_DENSE_PACK_H
#define QCC_CODEGEN_DENSE_PACK_H

#include "codegen/dense.h"
#include "codegen/residual.h"
#include "codegen/run_time.h"

/* How the product of a vector of weights is formed. */
typedef enum {
  FORM_FAST, /* the target's fast dot product, which is exact for these weights */
  FORM_PLAN, /* products added up in 16 bits: see codegen/dense_plan.h */
  FORM_FLIP, /* the same without groups: each k-step's weights are followed by their sign-flip masks */
  FORM_WIDE  /* the target's dot product for all values */
} DenseForm;

enum { PLAN_KINDS = 9 }; /* of groups of k-steps: codegen/dense_plan.h */

/* A dense kernel's constants, and how they lie. */
typedef struct {
  Cg *cg;
  const Dense *d;
  const Node *add; /* that the kernel does with its results (codegen/residual.h); NULL: none */
  bool quantized;  /* not RESULT_FLOAT */
  ResultKind result;
  DType x_elem, y_elem; /* as stored */
  DType w_elem;         /* as packed: s8 where the kernel is quantized, else what widen_elem says */
  int32_t x_most;       /* the largest value that a stored u8 operand has; 0: 255 */
  /* what follows is set by dense_pack */
  const struct TileKernel *kernel;
  DenseForm form;
  int64_t planes;         /* weights beyond [-127, 127] are sums of several planes */
  int64_t step;           /* elements of a k-step: the kernel's, in float32 1 */
  int64_t groups_per_run; /* k-steps of a run */
  int64_t k_steps;        /* of a pixel: planes * runs * groups_per_run */
  int64_t vector;         /* weight elements of one vector: lanes * step */
  int lanes, mr, nv;
  const VirBase *weights, *bias, *multiplier; /* bias: of each phase */
  const VirBase *zeros;  /* of s8 weights that are widened, whose scales are the multipliers; NULL: all 0 */
  RunTimeStart start;    /* RESULT_SCALED, RESULT_SUM: there is no constant bias */
  const VirBase *addend; /* RESULT_SCALED: the float bias (NULL: none) */
  bool unclamped;        /* RESULT_REQUANT: all scaled sums fit 32 bits, so that only packing has to clamp */
  /* FORM_PLAN: a table of each vector, and the furthest place of all; the groups of each kind in a vector */
  const VirBase *places;
  int64_t plan_reach, plan_groups[PLAN_KINDS];
  LinearConstants lc;
} DensePack;

/* Bytes behind a pixel's last run that 8-bit kernels may read. */
enum { DENSE_OVERRUN = 15 };

/* Where weights are read: a phase, a plane of it, a run. */
typedef struct {
  int64_t phase, plane, run;
} Run;
/* Weight of channel c at element i of a run as one plane of at most 127: the planes of w sum to w. */
int32_t dense_weight(const DensePack *s, int64_t c, Run r, int64_t i);
/* Elements that the weights of one vector of channels take. */
int64_t dense_vector_weights(const DensePack *s);

/* Decides the form and the tile, as if plans gave much. */
void dense_shape(DensePack *s);
/* Decides the form, chooses the tile and makes the constants. For 8-bit operands `lc` must be there. */
void dense_pack(DensePack *s);
/* Before that, for parameters at run time (one phase): sets `lc` and `result` from the weights minus their
 * zero points, in the order of the weight's elements, and the scale of each channel (NULL: RESULT_SUM). */
void dense_run_time(DensePack *s, int64_t channels, int64_t k, const int32_t *weights, const float *scale);

/* On targets whose product adds two products in 16 bits: what weights of one sign may sum to in a pair. */
int32_t dense_pair_limit(const DensePack *s);

/* Vectors of output channels in a group. */
int64_t dense_vectors(const DensePack *s);
/* Which channel of its group lane `l` of vector `v` is. Results that are packed to bytes lie as packing
 * leaves them (codegen/requant.h); may be one behind the last. */
int64_t dense_channel(const DensePack *s, int64_t v, int64_t l);

/* The register tile of mr pixels x nv vectors; of the last vector only `last` lanes are stored. */
VirFunc *dense_tile(const DensePack *s, int mr, int nv, int last);

/* The register tiles of a packed kernel: inline functions that must be made before the function that calls
 * them is begun; NULL where the kernel needs none such. */
typedef struct {
  int64_t whole, left; /* whole panels, channels left */
  VirFunc *tile, *rest, *left_tile, *left_rest;
} DenseTiles;
void dense_tiles(const DensePack *s, DenseTiles *t);
/* All pixels of all panels: `x` is the first pixel's window, `y` its result, in loops that may be open.
 * `residual`: of DensePack.add. */
void dense_calls(const DensePack *s, const DenseTiles *t, VirBuilder *b, VirAddr x, VirAddr y,
                 ResidualBases residual);

/* The same after run_time_start(&s->start ...), which has written `start` and `factors` (RESULT_SUM: without
 * a base). */
void dense_calls_run_time(const DensePack *s, const DenseTiles *t, VirBuilder *b, VirAddr x, VirAddr y,
                          VirAddr start, VirAddr factors);

#endif
