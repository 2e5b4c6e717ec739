/* The same graphs through the JIT. */
#ifndef QCC_TESTS_DIFF_RUN_JIT_H
#define QCC_TESTS_DIFF_RUN_JIT_H

#include "tests/diff/emit.h"

/* What --targets calls the JIT: it has no row in targets.def, since nothing is emitted for it. */
extern const Target diff_jit;
/* Its flags: which rows operations become (codegen/jit.h). */
enum { DIFF_JIT_FLAGS = 4 };
extern const char *const diff_jit_flags[DIFF_JIT_FLAGS];

/* As emit_run. What the interpreter computes between the layers is compared, too. `refused`: the graph is
 * left to the interpreter. */
const char *run_jit(Arena *a, const Toolchain *tc, EmitCase *cases, int n);

#endif
