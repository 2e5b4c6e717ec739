/* Output channels of a dense kernel whose plans differ much are planned apart: slices of whole vectors. */
#ifndef QCC_CODEGEN_PLAN_SLICES_H
#define QCC_CODEGEN_PLAN_SLICES_H

#include "codegen/dense_pack.h"

enum { MOST_SLICES = 3 };

/* The first channel of each slice, and behind the last one; returns how many there are. `s` is what
 * dense_pack takes. */
int plan_slices(const DensePack *s, int64_t first[MOST_SLICES + 1]);

#endif
