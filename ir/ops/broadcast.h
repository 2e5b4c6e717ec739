/* NumPy broadcasting, for kernels. */
#ifndef QCC_IR_OPS_BROADCAST_H
#define QCC_IR_OPS_BROADCAST_H

#include "ir/type.h"

/* The operand's step, in elements, along each dim of the result; 0 where it is broadcast. */
void broadcast_strides(const Shape *operand, const Shape *result, int64_t stride[MAX_RANK]);
/* The operand's element for element `index` of the result, in C order. */
int64_t broadcast_offset(const Shape *result, const int64_t *stride, int64_t index);

#endif
