#include "ir/ops/broadcast.h"

void broadcast_strides(const Shape *operand, const Shape *result, int64_t stride[MAX_RANK]) {
  int64_t step = 1;
  for (int i = result->rank - 1; i >= 0; i--) {
    int own = i - (result->rank - operand->rank);
    int64_t dim = own < 0 ? 1 : operand->dim[own];
    stride[i] = dim == 1 ? 0 : step;
    step *= dim;
  }
}

int64_t broadcast_offset(const Shape *result, const int64_t *stride, int64_t index) {
  int64_t offset = 0;
  for (int i = result->rank - 1; i >= 0; i--) {
    offset += index % result->dim[i] * stride[i];
    index /= result->dim[i];
  }
  return offset;
}
