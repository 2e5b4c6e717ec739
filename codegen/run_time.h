/* Products of integers whose operand has a zero point, and maybe a scale, that is known only at run time:
 * sum (x - zero) * w = sum x * w - zero * sum w. What follows from the parameters is computed once, into
 * memory: where the sums of each channel start, and what they are multiplied by. */
#ifndef QCC_CODEGEN_RUN_TIME_H
#define QCC_CODEGEN_RUN_TIME_H

#include "codegen/lower.h"

/* What becomes of the sums of a kernel. */
typedef enum {
  RESULT_FLOAT,   /* float sums are the results */
  RESULT_REQUANT, /* integer sums, of constant parameters: rule 6 of docs/numerics.md; or times m, in float32
                   */
  RESULT_SCALED,  /* the same at run time, float results: rule 14 */
  RESULT_SUM      /* the same, the results are the sums, wrapping */
} ResultKind;

/* Constants with an element for each channel, as the kernel counts them. */
typedef struct {
  int64_t channels;      /* whole vectors */
  const VirBase *sums;   /* s32: of the weights */
  const VirBase *flips;  /* s32: what sign flips add to the sums; NULL: nothing */
  const VirBase *scales; /* f32: the weights'; NULL where the results are the sums */
} RunTimeStart;

/* From a scale (NULL: none) and a stored zero point, scalar variables, to `start` and `factors`, memory for
 * as many elements, s32 and f32. */
void run_time_start(const Cg *cg, VirBuilder *b, const RunTimeStart *r, const VirVar *scale,
                    const VirVar *zero, VirAddr start, VirAddr factors);

/* A vector of sums as float results: (float)acc * factor + addend (NULL: nothing), clamped. */
const VirVar *run_time_result(VirBuilder *b, const VirVar *acc, const VirVar *factor, const VirVar *addend,
                              float act_min, float act_max);

/* A vector of floats or of s32 to memory; `part`: only so many lanes of it, 0: all. */
void store_lanes(VirBuilder *b, VirAddr at, const VirVar *v, int part);

#endif
