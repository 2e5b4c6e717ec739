#include "ir/ops/gather.h"

#include <string.h>

void shape_strides(const Shape *s, int64_t stride[MAX_RANK]) {
  int64_t n = 1;
  for (int i = s->rank - 1; i >= 0; i--) {
    stride[i] = n;
    n *= s->dim[i];
  }
}

int64_t *gather_line(Arena *a, int64_t count, int64_t start, int64_t step) {
  int64_t *line = ARENA_NEW_ARRAY(a, int64_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) line[i] = start + i * step;
  return line;
}

typedef struct {
  size_t bytes;
  const Shape *shape;
  const GatherMap *map;
  const char *in, *fill;
  char *out; /* advances */
} Gather;

/* The innermost dim; constant sizes let the copies become single moves. */
static void put_row(Gather *g, const int64_t *offset, int64_t n, int64_t base) {
  size_t bytes = g->bytes;
  for (int64_t i = 0; i < n; i++, g->out += bytes) {
    const char *from = offset[i] < 0 ? g->fill : g->in + (size_t)(base + offset[i]) * bytes;
    if (bytes == 1) {
      *g->out = *from;
    } else if (bytes == 4) {
      memcpy(g->out, from, 4);
    } else {
      memcpy(g->out, from, bytes);
    }
  }
}

static void put_fill(Gather *g, int64_t n) {
  for (int64_t i = 0; i < n; i++, g->out += g->bytes) memcpy(g->out, g->fill, g->bytes);
}

static void put_dim(Gather *g, int dim, int64_t base) {
  const int64_t *offset = g->map->offset[dim];
  if (dim == g->shape->rank - 1) {
    put_row(g, offset, g->shape->dim[dim], base);
    return;
  }
  int64_t inner = 1;
  for (int i = dim + 1; i < g->shape->rank; i++) inner *= g->shape->dim[i];
  for (int64_t i = 0; i < g->shape->dim[dim]; i++)
    if (offset[i] < 0) {
      put_fill(g, inner);
    } else {
      put_dim(g, dim + 1, base + offset[i]);
    }
}

void gather(int bytes, const Shape *result, const GatherMap *map, const void *in, const void *fill,
            void *out) {
  if (result->rank == 0) {
    memcpy(out, in, (size_t)bytes);
    return;
  }
  Gather g = {(size_t)bytes, result, map, in, fill, out};
  if (shape_count(result)) put_dim(&g, 0, 0);
}
