/* Checks a C file against what qcc promises of those that it writes: clang has nothing to say of it, for each
 * of its targets, and it is what compiler/promises.h lists. */
#ifndef QCC_COMPILER_CHECK_C_H
#define QCC_COMPILER_CHECK_C_H

#include "codegen/target.h"
#include "compiler/c_facts.h"
#include "ir/ops/custom.h"

typedef struct {
  const Source *c;              /* its path tells where its headers are looked for */
  const Source *h;              /* beside it; NULL: read from disk where it is included */
  const Target *const *targets; /* ends with NULL */
  const CustomOps *customs;     /* functions elsewhere that it may call; NULL: none */
} CheckInput;

/* False after errors that show the places. `stack` gets the deepest use of it; NULL: nobody asks. */
bool check_c(Diag *d, Arena *a, const CheckInput *in, CStack *stack);

/* What a file says of itself in its first lines: its targets, as for -target. NULL: nothing. */
char *check_c_targets(Arena *a, const Source *c);

#endif
