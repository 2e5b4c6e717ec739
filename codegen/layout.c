#include "codegen/layout.h"

#include <string.h>

bool halo_is_none(Halo h) {
  int64_t any = 0;
  for (int i = 0; i < HALO_DIMS; i++) any |= h.before[i] | h.after[i];
  return !any;
}

int halo_index(int rank, int dim) {
  return (rank == 4 || rank == 5) && dim >= 2 ? dim + HALO_DIMS - rank : -1;
}

void storage_layout(Storage *s, const Shape *shape, bool channels_last, Halo halo) {
  int order[MAX_RANK], rank = shape->rank; /* the logical dims, outermost first */
  for (int i = 0; i < rank; i++) order[i] = i;
  if (channels_last && rank >= 3) {
    for (int i = 1; i + 1 < rank; i++) order[i] = i + 1;
    order[rank - 1] = 1;
  }
  int64_t step = 1;
  s->offset = 0;
  s->halo = halo;
  for (int i = rank - 1; i >= 0; i--) {
    int dim = order[i];
    int at = halo_index(rank, dim);
    int64_t before = at < 0 ? 0 : halo.before[at], after = at < 0 ? 0 : halo.after[at];
    s->stride[dim] = step;
    s->offset += before * step;
    step *= shape->dim[dim] + before + after;
  }
  s->size = step;
}

/* Dims of 1 dropped, neighbours that step evenly merged: the same for all shapes that walk memory alike. */
static int normal_form(const Storage *s, const Shape *shape, int64_t *dim, int64_t *stride) {
  int n = 0;
  for (int i = 0; i < shape->rank; i++) {
    if (shape->dim[i] == 1) continue;
    if (n && stride[n - 1] == shape->dim[i] * s->stride[i]) {
      dim[n - 1] *= shape->dim[i];
      stride[n - 1] = s->stride[i];
    } else {
      dim[n] = shape->dim[i];
      stride[n++] = s->stride[i];
    }
  }
  return n;
}

bool storage_same_order(const Storage *a, const Shape *sa, const Storage *b, const Shape *sb) {
  int64_t dim_a[MAX_RANK], stride_a[MAX_RANK], dim_b[MAX_RANK], stride_b[MAX_RANK];
  int n = normal_form(a, sa, dim_a, stride_a);
  if (n != normal_form(b, sb, dim_b, stride_b)) return false;
  size_t bytes = sizeof(int64_t) * (size_t)n;
  return a->offset == b->offset && a->size == b->size && !memcmp(dim_a, dim_b, bytes) &&
         !memcmp(stride_a, stride_b, bytes);
}

bool storage_alike(const Storage *a, const Storage *b) {
  return a->elem == b->elem && a->bias == b->bias && a->offset == b->offset && a->size == b->size &&
         !memcmp(a->stride, b->stride, sizeof a->stride) && !memcmp(&a->halo, &b->halo, sizeof a->halo);
}
