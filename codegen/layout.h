/* Which order the dims of each tensor have in memory, and whether two storages describe the same order of
 * elements. */
#ifndef QCC_CODEGEN_LAYOUT_H
#define QCC_CODEGEN_LAYOUT_H

#include "codegen/lower.h"

/* The strides of `shape` with `halo`, row-major or channels-last ([N, C, ...] stored N, ..., C). Sets stride,
 * offset, size and halo of `s`. */
void storage_layout(Storage *s, const Shape *shape, bool channels_last, Halo halo);

/* True where walking both shapes in row-major logical order visits the same addresses. */
bool storage_same_order(const Storage *a, const Shape *sa, const Storage *b, const Shape *sb);

/* Element type, strides, halo and bias all equal: one kernel can read the one and write the other in place.
 */
bool storage_alike(const Storage *a, const Storage *b);

bool halo_is_none(Halo h);
/* The index into a halo of dim `dim` of a tensor of this rank; -1: it has none. */
int halo_index(int rank, int dim);

#endif
