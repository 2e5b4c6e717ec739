#include "codegen/layout.h"

#include <string.h>

bool halo_is_none(Halo h) {
  int64_t any = 0;
  for (int i = 0; i < HALO_DIMS; i++) any |= h.before[i] | h.after[i];
  return !any;
}

Halo halo_union(Halo a, Halo b) {
  for (int i = 0; i < HALO_DIMS; i++) {
    if (b.before[i] > a.before[i]) a.before[i] = b.before[i];
    if (b.after[i] > a.after[i]) a.after[i] = b.after[i];
  }
  return a;
}

bool halo_contains(Halo outer, Halo inner) {
  Halo u = halo_union(outer, inner);
  return !memcmp(&u, &outer, sizeof u);
}

bool halo_fits(const Shape *s, Halo h) {
  double elements = 1;
  for (int i = 0; i < s->rank; i++) {
    int at = halo_index(s->rank, i);
    elements *= (double)s->dim[i] + (at < 0 ? 0 : (double)(h.before[at] + h.after[at]));
  }
  return elements <= (double)MAX_ELEMENTS;
}

int halo_index(int rank, int dim) {
  return (rank == 4 || rank == 5) && dim >= 2 ? dim + HALO_DIMS - rank : -1;
}

/* The logical dims in the order of memory, outermost first. */
static void dim_order(int rank, bool channels_last, int *order) {
  for (int i = 0; i < rank; i++) order[i] = i;
  if (!channels_last || rank < 3) return;
  for (int i = 1; i + 1 < rank; i++) order[i] = i + 1;
  order[rank - 1] = 1;
}

void storage_layout(Storage *s, const Shape *shape, bool channels_last, Halo halo) {
  int order[MAX_RANK], rank = shape->rank;
  dim_order(rank, channels_last, order);
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

/* From the innermost dim on: each dim of `to` takes its part of what is left of a dim in normal form. */
bool storage_reshape(const Storage *s, const Shape *from, const Shape *to, int64_t *stride) {
  int64_t dim[MAX_RANK], step[MAX_RANK], left = 1, at = 1;
  int n = normal_form(s, from, dim, step);
  for (int i = to->rank - 1; i >= 0; i--) {
    if (left == 1 && n && to->dim[i] > 1) {
      left = dim[--n];
      at = step[n];
    }
    stride[i] = at;
    if (left % to->dim[i]) return false;
    left /= to->dim[i];
    at *= to->dim[i];
  }
  return true;
}

bool storage_is_ordered(const Storage *s, const Shape *shape, bool channels_last) {
  int order[MAX_RANK];
  int64_t least = 1;
  dim_order(shape->rank, channels_last, order);
  for (int i = shape->rank - 1; i >= 0; i--) {
    int64_t dim = shape->dim[order[i]], stride = s->stride[order[i]];
    if (dim == 1) continue;
    if (stride < least || (i == shape->rank - 1 && stride != 1)) return false;
    least = stride * dim;
  }
  return true;
}

void storage_unit_strides(Storage *s, const Shape *shape, bool channels_last) {
  int order[MAX_RANK];
  int64_t step = 1;
  dim_order(shape->rank, channels_last, order);
  for (int i = shape->rank - 1; i >= 0; i--) {
    int dim = order[i];
    if (shape->dim[dim] == 1) s->stride[dim] = step;
    step = s->stride[dim] * shape->dim[dim];
  }
}

bool storage_is_plain(const Storage *s, const Shape *shape) {
  int64_t step = 1;
  for (int i = shape->rank - 1; i >= 0; i--) {
    if (shape->dim[i] > 1 && s->stride[i] != step) return false;
    step *= shape->dim[i];
  }
  return !s->bias;
}

bool storage_has_rows(const Storage *s, const Shape *shape, int64_t *step) {
  int last = shape->rank - 1;
  Shape rows = *shape;
  int64_t dim[MAX_RANK], stride[MAX_RANK];
  if (last < 0) return true;
  rows.rank = last;
  int n = normal_form(s, &rows, dim, stride);
  *step = n ? stride[0] : shape->dim[last];
  return n < 2 && (shape->dim[last] == 1 || s->stride[last] == 1);
}

bool storage_alike(const Storage *a, const Storage *b) {
  return a->elem == b->elem && a->bias == b->bias && a->base == b->base && a->offset == b->offset &&
         a->size == b->size && !memcmp(a->stride, b->stride, sizeof a->stride) &&
         !memcmp(&a->halo, &b->halo, sizeof a->halo);
}
