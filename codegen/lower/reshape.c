/* reshape: nothing where the result can be a view of the operand; otherwise a copy through the dims that both
 * shapes share, or through a row-major scratch tensor where they share none. */
#include "codegen/copy.h"
#include "codegen/layout.h"

/* Splits both shapes into common factors. False where they have none, as [2, 3] and [3, 2]. */
static bool common_dims(const Shape *sx, const Storage *x, const Shape *sy, const Storage *y, CopyBlock *k) {
  int i = 0, j = 0;
  int64_t left_x = sx->rank ? sx->dim[0] : 1,
          left_y = sy->rank ? sy->dim[0] : 1; /* what is left of the dims */
  while (i < sx->rank && j < sy->rank) {
    if (left_x == 1) {
      if (++i < sx->rank) left_x = sx->dim[i];
      continue;
    }
    if (left_y == 1) {
      if (++j < sy->rank) left_y = sy->dim[j];
      continue;
    }
    int64_t f = left_x < left_y ? left_x : left_y;
    if (left_x % f || left_y % f || k->rank == MAX_RANK) return false;
    left_x /= f;
    left_y /= f;
    k->dim[k->rank] = f;
    k->stride_x[k->rank] = x->stride[i] * left_x;
    k->stride_y[k->rank++] = y->stride[j] * left_y;
  }
  return true;
}

static int64_t reshape_scratch(const Cg *cg, const Node *n) {
  if (cg_lies_in_place(cg, n, 0)) return 0;
  const Tensor *x = n->operands[0], *y = n->results[0];
  CopyBlock k = {0};
  if (common_dims(&x->type.shape, cg_storage(cg, x), &y->type.shape, cg_storage(cg, y), &k)) return 0;
  return type_bytes(&y->type);
}

static CopyBlock between(const Shape *shape, const Storage *x, const Storage *y) {
  CopyBlock k = {.rank = shape->rank, .offset_x = x->offset, .offset_y = y->offset};
  for (int i = 0; i < shape->rank; i++) {
    k.dim[i] = shape->dim[i];
    k.stride_x[i] = x->stride[i];
    k.stride_y[i] = y->stride[i];
  }
  return k;
}

static bool reshape_emit(Cg *cg, const Node *n, Buffer *scratch) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Shape *shape_x = &x->type.shape, *shape_y = &y->type.shape;
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  if (cg_lies_in_place(cg, n, 0)) return true;
  VirBuilder b;
  cg_kernel(cg, &b, n, "", "%s -> %s", type_text(cg->arena, &x->type), type_text(cg->arena, &y->type));
  const VirBase *base_x = cg_read(cg, &b, x, "x"), *base_y = cg_write(cg, &b, y, "y");
  bool flip = copy_flips(sx, sy);
  CopyBlock k = {.offset_x = sx->offset, .offset_y = sy->offset};
  if (!scratch && common_dims(shape_x, sx, shape_y, sy, &k)) {
    copy_block(cg, &b, base_x, base_y, &k, flip);
  } else {
    Storage in = {.elem = sx->elem},
            out = {.elem = sx->elem}; /* the same bytes, row-major, by either shape */
    storage_layout(&in, shape_x, false, (Halo){.before = {0}});
    storage_layout(&out, shape_y, false, (Halo){.before = {0}});
    const VirBase *rows = cg_scratch(cg, &b, scratch, "rows", sx->elem);
    k = between(shape_x, sx, &in);
    copy_block(cg, &b, base_x, rows, &k, false);
    k = between(shape_y, &out, sy);
    copy_block(cg, &b, rows, base_y, &k, flip);
  }
  cg_done(cg, &b);
  return true;
}

const Lowering lower_reshape = {.any_strides = true, .scratch = reshape_scratch, .emit = reshape_emit};
