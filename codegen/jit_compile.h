/* The kernels of a graph as machine code. */
#ifndef QCC_CODEGEN_JIT_COMPILE_H
#define QCC_CODEGEN_JIT_COMPILE_H

#include "codegen/jit.h"
#include "codegen/lower.h"

/* All kernels of one node, on the buffers of a run. */
typedef void (*JitStepFunction)(const void *const *in, void *const *out, uint8_t *workspace);

/* The kernels from `first` to before `end`. */
typedef struct {
  const Kernel *first, *end;
  JitStepFunction run; /* set by jit_compile */
} JitCode;

/* Compiles the module and what calls its kernels. Returns what jit_release takes, or NULL after a diagnostic.
 */
void *jit_compile(Diag *d, Arena *a, const Cg *cg, JitRows rows, JitCode *code, int n);
void jit_release(void *compiled);

#endif
