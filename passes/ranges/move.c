/* Ops that only move values. */
#include "ir/quant.h"
#include "passes/ranges/axis.h"
#include "passes/ranges/rules.h"

ChannelRanges range_moved(Ranges *r, const Node *n) {
  const Tensor *x = n->operands[0];
  int from = range_axis(r, x), axis = axis_through(n, from);
  ChannelRanges result = range_of_operand(r, x, axis < 0 ? -1 : from);
  result.axis = axis;
  return result;
}

/* What a pad fills with, where that is one value. */
static Interval filler(const Node *n) {
  const PadAttrs *a = ATTRS(n, PadAttrs);
  const Type *t = &n->operands[0]->type;
  Interval type = range_of_type(t);
  if (!t->quant || t->dtype == DT_S32) return type;
  int64_t v =
      quantize_value(a->value, t->quant->scale[0], t->quant->zero[0], (int32_t)type.lo, (int32_t)type.hi);
  return (Interval){v, v};
}

ChannelRanges range_pad(Ranges *r, const Node *n) {
  const PadAttrs *a = ATTRS(n, PadAttrs);
  ChannelRanges x = range_moved(r, n), result = range_new(r->arena, &n->results[0]->type.shape, x.axis);
  bool any = false;
  for (int i = 0; i < a->pads.n; i++) any |= a->pads.v[i] != 0;
  for (int64_t c = 0; c < result.count; c++)
    result.channel[c] =
        any && a->mode == PAD_CONSTANT ? interval_hull(x.channel[c], filler(n)) : x.channel[c];
  return result;
}

ChannelRanges range_slice(Ranges *r, const Node *n) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  ChannelRanges x = range_moved(r, n), result = range_new(r->arena, &n->results[0]->type.shape, x.axis);
  for (int64_t c = 0; c < result.count; c++)
    result.channel[c] = x.axis < 0 ? x.channel[0] : x.channel[a->start.v[x.axis] + c * a->step.v[x.axis]];
  return result;
}

/* Along which axis a concat has intervals: its own where an operand has, else that of an operand. */
static int concat_axis(const Ranges *r, const Node *n) {
  int64_t own = ATTRS(n, AxisAttrs)->axis;
  int axis = -1;
  for (int i = 0; i < n->n_operands; i++) {
    int of = range_axis(r, n->operands[i]);
    if (of == own) return of;
    if (axis < 0) axis = of;
  }
  return axis < 0 ? (int)own : axis;
}

/* q of an operand as the result has it. */
static Interval joined(const Type *x, const Type *y, Interval q) {
  if (x->dtype == y->dtype && quant_equal(x->quant, y->quant)) return q;
  int32_t table[256], least = (int32_t)dtype_info[x->dtype].min;
  rescale_table(x, y, table);
  return (Interval){table[q.lo - least], table[q.hi - least]};
}

ChannelRanges range_concat(Ranges *r, const Node *n) {
  int axis = concat_axis(r, n);
  const Type *y = &n->results[0]->type;
  bool side_by_side = axis == ATTRS(n, AxisAttrs)->axis;
  ChannelRanges result = range_new(r->arena, &y->shape, axis);
  int64_t first = 0;
  for (int64_t c = 0; c < result.count; c++) result.channel[c] = (Interval){INT64_MAX, INT64_MIN};
  for (int i = 0; i < n->n_operands; i++) {
    const Type *x = &n->operands[i]->type;
    ChannelRanges from = range_of_operand(r, n->operands[i], axis);
    if (!shape_count(&x->shape)) continue;
    for (int64_t c = 0; c < x->shape.dim[axis]; c++) {
      Interval v = joined(x, y, range_of_channel(&from, c)), *to = &result.channel[first + c];
      *to = interval_hull(*to, v);
    }
    if (side_by_side) first += x->shape.dim[axis];
  }
  return result;
}

ChannelRanges range_reshape(Ranges *r, const Node *n) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  ChannelRanges from = range_of_operand(r, x, range_axis(r, x));
  ReshapedAxis to;
  if (!axis_reshaped(&x->type.shape, from.axis, &y->type.shape, &to))
    return range_same(r->arena, range_of_all(&from));
  ChannelRanges result = range_new(r->arena, &y->type.shape, to.axis);
  for (int64_t c = 0; c < result.count; c++) {
    int64_t first = c * to.stride / to.inner, last = (c * to.stride + to.stride - 1) / to.inner;
    Interval all = from.channel[first];
    for (int64_t i = first + 1; i <= last; i++) all = interval_hull(all, from.channel[i]);
    result.channel[c] = all;
  }
  return result;
}

ChannelRanges range_expand(Ranges *r, const Node *n) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  int from = range_axis(r, x), axis = from < 0 ? -1 : from + y->type.shape.rank - x->type.shape.rank;
  if (axis >= 0 && x->type.shape.dim[from] != y->type.shape.dim[axis]) axis = -1;
  ChannelRanges result = range_of_operand(r, x, axis < 0 ? -1 : from);
  result.axis = axis;
  return result;
}
