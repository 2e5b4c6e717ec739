/* The JIT: an executor whose kernels libgccjit compiles in this process, of the same VIR that is printed as
 * C. Its results are the interpreter's bit for bit. */
#ifndef QCC_CODEGEN_JIT_H
#define QCC_CODEGEN_JIT_H

#include "ir/diag.h"
#include "ir/interp.h"

/* NULL, or why there is no JIT in this build of qcc. */
const char *jit_missing(void);

/* What became of a graph. */
typedef struct {
  const char
      *refused;   /* why the interpreter runs it, or runs it where tensors are watched; NULL: it does not */
  int kernels;    /* functions that were compiled */
  int left;       /* nodes that the interpreter's kernels evaluate */
  double seconds; /* that compiling took */
} JitFacts;

/* What vector operations become: instructions of this machine where there is a row for them, then expressions
 * of libgccjit, then calls. The others are for tests: what machines get that have no rows. */
typedef enum {
  JIT_BEST,
  JIT_OLDER,
  JIT_PORTABLE,
  JIT_CALLS,
  JIT_ROWS
} JitRows; /* older: no newer ones than AVX2 */

typedef struct {
  bool watched; /* run is called with a watch */
  JitRows rows;
} JitOptions;

/* An executor for `g`, which must not change while it lives; executor_free gives back what is not the
 * arena's. What code generation does not have is left to the interpreter, and said in `facts`. NULL after a
 * diagnostic, where libgccjit fails. */
Executor *jit_new(Diag *d, Arena *a, const Graph *g, const JitOptions *o, JitFacts *facts);

#endif
