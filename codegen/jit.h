/* The JIT: an executor whose kernels libgccjit compiles in this process, of the same VIR that is printed as
 * C. Its results are the interpreter's bit for bit. */
#ifndef QCC_CODEGEN_JIT_H
#define QCC_CODEGEN_JIT_H

#include "ir/diag.h"
#include "ir/interp.h"

/* NULL, or why there is no JIT in this build of qcc. */
const char *jit_missing(void);

/* What became of a graph. `refused`: why the interpreter runs it; NULL: it does not. */
typedef struct {
  const char *refused;
  int kernels;    /* functions that were compiled */
  int left;       /* nodes that the interpreter's kernels evaluate */
  double seconds; /* that compiling took */
} JitFacts;

/* What vector operations become: instructions of this machine where there is a row for them, else expressions
 * of libgccjit, else calls. The others are what machines get that have less; tests take them. */
typedef enum {
  JIT_BEST,
  JIT_OLDER,    /* no instructions that are newer than AVX2 */
  JIT_PORTABLE, /* none at all */
  JIT_CALLS,    /* calls alone */
  JIT_ROWS
} JitRows;

typedef struct {
  bool watched; /* run is called with a watch */
  JitRows rows;
} JitOptions;

/* An executor for `g`, which must not change while it lives; executor_free gives back what is not the
 * arena's. What code generation does not have is left to the interpreter, and said in `facts`. NULL after a
 * diagnostic, where libgccjit fails. */
Executor *jit_new(Diag *d, Arena *a, const Graph *g, const JitOptions *o, JitFacts *facts);

#endif
