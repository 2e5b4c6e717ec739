/* Which order the dims of each tensor have in memory, and what storages have in common. */
#ifndef QCC_CODEGEN_LAYOUT_H
#define QCC_CODEGEN_LAYOUT_H

#include "codegen/lower.h"

/* The strides of `shape` with `halo`, row-major or channels-last ([N, C, ...] stored N, ..., C). Sets stride,
 * offset, size and halo of `s`. */
void storage_layout(Storage *s, const Shape *shape, bool channels_last, Halo halo);

/* The strides of the shape `to` over the elements of `s`, which has the shape `from`, in the same logical
 * order (dims of 1: any). False where they are not even. */
bool storage_reshape(const Storage *s, const Shape *from, const Shape *to, int64_t *stride);

/* True where the dims lie in the order of the layout, each with its elements apart from each other's, the
 * innermost dim without gaps. Dims of 1 do not count. */
bool storage_is_ordered(const Storage *s, const Shape *shape, bool channels_last);

/* Sets the strides of dims of 1, over which nothing steps, to what is inside of them. */
void storage_unit_strides(Storage *s, const Shape *shape, bool channels_last);

/* True where the elements of the tensor lie row-major without gaps, as they are: not biased. */
bool storage_is_plain(const Storage *s, const Shape *shape);

/* True where the last dim has no gaps and all before it step evenly: by *step. */
bool storage_has_rows(const Storage *s, const Shape *shape, int64_t *step);

/* Element type, strides, halo and bias all equal: one kernel can read the one and write the other in place.
 */
bool storage_alike(const Storage *a, const Storage *b);

bool halo_is_none(Halo h);
Halo halo_union(Halo a, Halo b);
bool halo_contains(Halo outer, Halo inner);
/* False where the tensor with its halo has more elements than the limit: indices are 32-bit. */
bool halo_fits(const Shape *s, Halo h);
/* The index into a halo of dim `dim` of a tensor of this rank; -1: it has none. */
int halo_index(int rank, int dim);

#endif
