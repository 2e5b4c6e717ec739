#include "codegen/jit_tensor.h"

#include <string.h>

char *jit_tensor_at(const JitPlaces *p, const Storage *s) {
  const Buffer *b = s->buffer;
  const int64_t at = (s->base + s->offset) * dtype_info[s->elem].bytes;
  if (b->kind == BUFFER_INPUT) return (char *)p->in[b->index] + at;
  if (b->kind == BUFFER_OUTPUT) return (char *)p->out[b->index] + at;
  return (char *)p->workspace + b->offset + at;
}

/* One row along the last dim: `step` elements apart there, without gaps in C order. */
static void copy_row(int64_t n, int bytes, int64_t step, int32_t bias, char *stored, char *plain,
                     bool gather) {
  uint8_t *s1 = (uint8_t *)stored, *p1 = (uint8_t *)plain;
  if (bytes == 1 && gather)
    for (int64_t i = 0; i < n; i++) p1[i] = (uint8_t)(s1[i * step] + bias);
  else if (bytes == 1)
    for (int64_t i = 0; i < n; i++) s1[i * step] = (uint8_t)(p1[i] - bias);
  else if (gather)
    for (int64_t i = 0; i < n; i++) memcpy(plain + 4 * i, stored + 4 * i * step, 4);
  else
    for (int64_t i = 0; i < n; i++) memcpy(stored + 4 * i * step, plain + 4 * i, 4);
}

static void copy_tensor(const Storage *s, const Type *t, char *stored, char *plain, bool gather) {
  const Shape *shape = &t->shape;
  int last = shape->rank - 1, bytes = dtype_info[t->dtype].bytes;
  int64_t n = shape->rank ? shape->dim[last] : 1, step = shape->rank ? s->stride[last] : 1,
          index[MAX_RANK] = {0};
  for (int64_t left = shape_count(shape); left > 0; left -= n, plain += n * bytes) {
    int64_t at = 0;
    for (int d = 0; d < last; d++) at += index[d] * s->stride[d];
    copy_row(n, bytes, step, s->bias, stored + at * bytes, plain, gather);
    for (int d = last - 1; d >= 0 && ++index[d] == shape->dim[d]; d--) index[d] = 0;
  }
}

void jit_gather(const JitPlaces *p, const Storage *s, const Type *t, void *to) {
  copy_tensor(s, t, jit_tensor_at(p, s), to, true);
}

void jit_scatter(const JitPlaces *p, const Storage *s, const Type *t, const void *from) {
  copy_tensor(s, t, jit_tensor_at(p, s), (char *)from, false);
}
