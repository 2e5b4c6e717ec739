/* Moving elements without looking at them: what transpose, slice, pad and the reductions have in common. */
#ifndef QCC_IR_OPS_GATHER_H
#define QCC_IR_OPS_GATHER_H

#include "ir/type.h"

/* For each dim of the result, the operand's element offset that each index adds: [dim[i]] entries. */
typedef struct {
  const int64_t *offset[MAX_RANK];
} GatherMap;

enum { GATHER_FILL = -1 }; /* an offset: elements with this index are filled */

/* C-order strides in elements. */
void shape_strides(const Shape *s, int64_t stride[MAX_RANK]);
/* start, start + step, ... : `count` entries. */
int64_t *gather_line(Arena *a, int64_t count, int64_t start, int64_t step);
/* out[i0, i1, ...] = in[offset[0][i0] + offset[1][i1] + ...] for elements of 1, 4 or 8 bytes in C order;
 * `fill` points to one element, NULL where no offset is GATHER_FILL. */
void gather(int bytes, const Shape *result, const GatherMap *map, const void *in, const void *fill,
            void *out);

#endif
