/* What operations become, one row each. Integers wrap and pointers may overlap: libgccjit is told so. */
#include "codegen/jit_build.h"

const JitRow jit_rows[VIR_OP_COUNT] = {0};
