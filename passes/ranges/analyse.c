#include "passes/ranges/rules.h"

#include <math.h>

#include "ir/quant.h"
#include "passes/rewrite.h"

static const RangeRule rules[OP_COUNT] = {
    [OP_conv2d] = range_linear,
    [OP_conv3d] = range_linear,
    [OP_conv_transpose2d] = range_linear,
    [OP_conv_transpose3d] = range_linear,
    [OP_linear] = range_linear,
    [OP_matmul] = range_matmul,
    [OP_add] = range_arith,
    [OP_sub] = range_arith,
    [OP_mul] = range_arith,
    [OP_max] = range_minmax,
    [OP_min] = range_minmax,
    [OP_lut] = range_lut,
    [OP_requantize] = range_unary,
    [OP_prelu] = range_prelu,
    [OP_clamp] = range_clamp,
    [OP_max_pool2d] = range_max_pool,
    [OP_max_pool3d] = range_max_pool,
    [OP_adaptive_max_pool] = range_max_pool,
    [OP_avg_pool2d] = range_avg_pool,
    [OP_avg_pool3d] = range_avg_pool,
    [OP_adaptive_avg_pool] = range_avg_pool,
    [OP_global_avg_pool] = range_mean,
    [OP_reduce_mean] = range_mean,
    [OP_reduce_sum] = range_mean,
    [OP_resize_linear] = range_interpolated,
    [OP_resize_cubic] = range_interpolated,
    [OP_dynamic_quantize] = range_dynamic,
    [OP_reduce_max] = range_moved,
    [OP_reduce_min] = range_moved,
    [OP_resize_nearest] = range_moved,
    [OP_transpose] = range_moved,
    [OP_identity] = range_moved,
    [OP_pad] = range_pad,
    [OP_slice] = range_slice,
    [OP_concat] = range_concat,
    [OP_reshape] = range_reshape,
    [OP_flatten] = range_reshape,
    [OP_expand] = range_expand,
};

static bool holds_integers(const Type *t) { return t->dtype != DT_F32 && t->dtype != DT_F16; }

Interval range_of_type(const Type *t) {
  return (Interval){dtype_info[t->dtype].min, dtype_info[t->dtype].max};
}

ChannelRanges range_new(Arena *a, const Shape *s, int axis) {
  int64_t count = axis < 0 ? 1 : s->dim[axis];
  return (ChannelRanges){axis, count, ARENA_NEW_ARRAY(a, Interval, (size_t)count + 1)};
}

ChannelRanges range_same(Arena *a, Interval all) {
  ChannelRanges r = range_new(a, NULL, -1);
  r.channel[0] = all;
  return r;
}

Interval range_of_all(const ChannelRanges *r) {
  Interval all = r->channel[0];
  for (int64_t c = 1; c < r->count; c++) all = interval_hull(all, r->channel[c]);
  return all;
}

ChannelRanges range_along(Arena *a, const ChannelRanges *r, int axis) {
  return r->axis == axis ? *r : range_same(a, range_of_all(r));
}

static int64_t element(const Tensor *t, int64_t i) {
  if (t->type.dtype == DT_U8) return ((const uint8_t *)t->data)[i];
  if (t->type.dtype == DT_S8) return ((const int8_t *)t->data)[i];
  return ((const int32_t *)t->data)[i];
}

static ChannelRanges range_of_constant(Arena *a, const Tensor *t, int axis) {
  const Shape *s = &t->type.shape;
  int64_t count = shape_count(s), inner = 1, channels = 1;
  if (axis >= 0) {
    for (int i = axis + 1; i < s->rank; i++) inner *= s->dim[i];
    channels = s->dim[axis];
  }
  ChannelRanges r = range_new(a, s, axis);
  for (int64_t c = 0; c < r.count; c++) r.channel[c] = (Interval){INT64_MAX, INT64_MIN};
  for (int64_t i = 0; i < count; i++) {
    Interval v = {element(t, i), element(t, i)}, *at = &r.channel[axis < 0 ? 0 : i / inner % channels];
    *at = interval_hull(*at, v);
  }
  return r;
}

ChannelRanges range_of_operand(Ranges *r, const Tensor *t, int axis) {
  if (!tensor_is_const(t)) return range_along(r->arena, ranges_tensor(r, t), axis);
  bool known = t->type.dtype == DT_U8 || t->type.dtype == DT_S8 || t->type.dtype == DT_S32;
  if (!known || !shape_count(&t->type.shape)) return range_same(r->arena, range_of_type(&t->type));
  return range_of_constant(r->arena, t, axis);
}

int range_axis(const Ranges *r, const Tensor *t) {
  return tensor_is_const(t) ? -1 : ranges_tensor(r, t)->axis;
}

NodeRanges *range_node(Ranges *r, const Node *n) {
  NodeRanges *found = strmap_get(r->nodes, n->results[0]->name);
  if (found) return found;
  found = ARENA_NEW(r->arena, NodeRanges);
  strmap_put(r->nodes, n->results[0]->name, found);
  return found;
}

static void put(Ranges *r, const Tensor *t, ChannelRanges value) {
  if (!holds_integers(&t->type)) return;
  strmap_put(r->tensors, t->name, arena_memdup(r->arena, &value, sizeof value));
}

static bool reads_integers(const Node *n) {
  return n->n_operands && n->operands[0] && holds_integers(&n->operands[0]->type);
}

const Ranges *ranges_analyse(Arena *a, const Graph *g) {
  Ranges *r = ARENA_NEW(a, Ranges);
  *r = (Ranges){a, strmap_new(a), strmap_new(a)};
  for (int i = 0; i < g->n_inputs; i++)
    put(r, g->inputs[i], range_same(a, range_of_type(&g->inputs[i]->type)));
  for (const Node *n = g->first; n; n = n->next) {
    for (int i = 0; i < n->n_results; i++)
      put(r, n->results[i], range_same(a, range_of_type(&n->results[i]->type)));
    RangeRule rule = op_info[n->op]->quant == QUANT_UNARY ? range_unary : rules[n->op];
    bool any = shape_count(&n->results[0]->type.shape) > 0;
    if (rule && any && (reads_integers(n) || n->op == OP_dynamic_quantize)) put(r, n->results[0], rule(r, n));
  }
  return r;
}

const ChannelRanges *ranges_tensor(const Ranges *r, const Tensor *t) {
  return strmap_get(r->tensors, t->name);
}

const ChannelRanges *ranges_sums(const Ranges *r, const Node *n) {
  const NodeRanges *found = strmap_get(r->nodes, n->results[0]->name);
  return found && found->sums.count ? &found->sums : NULL;
}

bool ranges_unclamped(const Ranges *r, const Node *n, Interval *all) {
  const NodeRanges *found = strmap_get(r->nodes, n->results[0]->name);
  if (!found || !found->has_unclamped) return false;
  *all = found->unclamped;
  return true;
}

bool ranges_clamp(const Ranges *r, const Node *n, ClampFacts *f) {
  const Tensor *y = n->results[0];
  float *lo, *hi;
  if (!tensor_is_quantized(y) || !ranges_unclamped(r, n, &f->unclamped)) return false;
  if (n->op == OP_clamp) {
    f->bounds = (Interval){ATTRS(n, ClampAttrs)->min, ATTRS(n, ClampAttrs)->max};
  } else {
    int32_t q_lo, q_hi;
    if (!node_clamp(n, &lo, &hi)) return false;
    activation_range(&y->type, *lo, *hi, &q_lo, &q_hi);
    f->bounds = (Interval){q_lo, q_hi};
  }
  f->idle_min = f->unclamped.lo >= f->bounds.lo;
  f->idle_max = f->unclamped.hi <= f->bounds.hi;
  return true;
}
