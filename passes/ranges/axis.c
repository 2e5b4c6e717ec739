#include "passes/ranges/axis.h"

#include "ir/ops/attrs.h"
#include "ir/resize.h"

typedef int (*AxisMap)(const Node *n, int axis);

static int same(const Node *n, int axis) {
  (void)n;
  return axis;
}

/* Pools look at everything behind [N, C]. */
static int pooled(const Node *n, int axis) {
  (void)n;
  return axis <= 1 ? axis : -1;
}

static int transposed(const Node *n, int axis) {
  const IntList *perm = &ATTRS(n, TransposeAttrs)->perm;
  for (int i = 0; i < perm->n; i++)
    if (perm->v[i] == axis) return i;
  return -1;
}

static int reduced(const Node *n, int axis) {
  const ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  int gone = 0;
  for (int i = 0; i < a->axes.n; i++) {
    if (a->axes.v[i] == axis) return -1;
    gone += a->axes.v[i] < axis;
  }
  return a->keepdims ? axis : axis - gone;
}

static int padded(const Node *n, int axis) {
  const IntList *pads = &ATTRS(n, PadAttrs)->pads;
  return pads->v[axis] || pads->v[pads->n / 2 + axis] ? -1 : axis;
}

static int resized(const Node *n, int axis) {
  Arena *tmp = arena_new();
  bool active = resize_dim(tmp, n, axis).active;
  arena_free(tmp);
  return active ? -1 : axis;
}

static const AxisMap maps[OP_COUNT] = {
    [OP_lut] = same,
    [OP_clamp] = same,
    [OP_requantize] = same,
    [OP_prelu] = same,
    [OP_identity] = same,
    [OP_slice] = same,
    [OP_max_pool2d] = pooled,
    [OP_max_pool3d] = pooled,
    [OP_avg_pool2d] = pooled,
    [OP_avg_pool3d] = pooled,
    [OP_adaptive_max_pool] = pooled,
    [OP_adaptive_avg_pool] = pooled,
    [OP_global_avg_pool] = pooled,
    [OP_reduce_mean] = reduced,
    [OP_reduce_sum] = reduced,
    [OP_reduce_max] = reduced,
    [OP_reduce_min] = reduced,
    [OP_transpose] = transposed,
    [OP_pad] = padded,
    [OP_resize_nearest] = resized,
    [OP_resize_linear] = resized,
    [OP_resize_cubic] = resized,
};

int axis_through(const Node *n, int axis) {
  AxisMap map = op_info[n->op]->quant == QUANT_UNARY ? same : maps[n->op];
  return axis < 0 || !map ? -1 : map(n, axis);
}

/* Both orders agree up to the operand's axis; behind it the blocks of elements are of one size. */
bool axis_reshaped(const Shape *from, int axis, const Shape *to, ReshapedAxis *r) {
  int64_t before = 1, prefix = 1, behind = shape_count(to);
  *r = (ReshapedAxis){.axis = -1, .inner = 1};
  if (axis < 0 || !behind) return false;
  for (int i = 0; i < axis; i++) before *= from->dim[i];
  for (int i = axis + 1; i < from->rank; i++) r->inner *= from->dim[i];
  for (int i = 0; i < to->rank; i++) {
    behind /= to->dim[i];
    if (prefix == before && (r->axis < 0 || to->dim[i] > to->dim[r->axis])) {
      r->axis = i;
      r->stride = behind;
    }
    prefix *= to->dim[i];
  }
  return r->axis >= 0;
}
