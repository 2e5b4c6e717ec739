/* The long sum of rule 12: 16 partial sums by index mod 16, then a tree (8, 4, 2, 1). */
#ifndef QCC_CODEGEN_SUM16_H
#define QCC_CODEGEN_SUM16_H

#include "codegen/vir.h"

/* The sum of `count` floats from `at`, `step` elements apart: a new scalar variable. */
const VirVar *sum16(VirBuilder *b, VirAddr at, int64_t count, int64_t step);

#endif
