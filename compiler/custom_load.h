/* Custom operators in this process: built with the system's C compiler, loaded, and called by the
 * interpreter. */
#ifndef QCC_COMPILER_CUSTOM_LOAD_H
#define QCC_COMPILER_CUSTOM_LOAD_H

#include "compiler/custom_trace.h"
#include "ir/ops/custom.h"

/* Sets each operator's `shim` and `call`. `files`: where the functions are. False after a
 * diagnostic. What happens while one of them runs is told by `trace`. */
bool custom_load(Diag *d, Arena *a, CustomOps *ops, const char *const *files, int n_files,
                 CustomTrace *trace);

#endif
