#include <math.h>

#include "ir/quant.h"
#include "passes/ranges/axis.h"
#include "passes/ranges/rules.h"
#include "passes/rewrite.h"

/* ---- two operands ---- */

/* The result's axis along which one of the operands has intervals; -1: neither has. */
static int joint_axis(const Ranges *r, const Node *n) {
  const Tensor *y = n->results[0];
  for (int i = 0; i < 2; i++) {
    const Tensor *t = n->operands[i];
    int axis = range_axis(r, t), at = axis + y->type.shape.rank - t->type.shape.rank;
    if (axis >= 0 && t->type.shape.dim[axis] == y->type.shape.dim[at]) return at;
  }
  return -1;
}

/* An operand's intervals along the result's axis. */
static ChannelRanges operand_along(Ranges *r, const Node *n, int i, int axis) {
  const Tensor *t = n->operands[i], *y = n->results[0];
  int at = axis_of_operand(t, y, axis);
  if (at < 0 || t->type.shape.dim[at] != y->type.shape.dim[axis]) return range_of_operand(r, t, -1);
  ChannelRanges x = range_of_operand(r, t, at);
  if (x.axis >= 0) x.axis = axis;
  return x;
}

/* The result over one pair of values, before any clamp. */
typedef struct {
  const Node *node;
  int32_t zero_a, zero_b, zero;
  FixedAdd fixed;
  float multiplier;
} Arith;

static int64_t arith_value(const Arith *f, int64_t a, int64_t b) {
  int32_t da = (int32_t)a - f->zero_a, db = (int32_t)b - f->zero_b;
  return f->node->op == OP_mul
             ? requantize_value(da * db, f->multiplier, f->zero, -RANGE_UNCLAMPED, RANGE_UNCLAMPED)
             : fixed_add_value(&f->fixed, da, db, f->zero, -RANGE_UNCLAMPED, RANGE_UNCLAMPED);
}

/* Monotone in each operand by itself, so the corners are the extremes. */
static Interval arith_interval(const Arith *f, Interval a, Interval b) {
  const int64_t v[4] = {arith_value(f, a.lo, b.lo), arith_value(f, a.lo, b.hi), arith_value(f, a.hi, b.lo),
                        arith_value(f, a.hi, b.hi)};
  Interval all = {v[0], v[0]};
  for (int i = 1; i < 4; i++) all = interval_hull(all, (Interval){v[i], v[i]});
  return all;
}

static Arith arith_of(const Node *n) {
  const Tensor *a = n->operands[0], *b = n->operands[1], *y = n->results[0];
  Arith f = {.node = n, .zero_a = tensor_zero(a), .zero_b = tensor_zero(b), .zero = tensor_zero(y)};
  float s_a = tensor_scale(a), s_b = tensor_scale(b), s_y = tensor_scale(y);
  if (!(n->op == OP_mul ? requant_multiplier(s_a, s_b, s_y, &f.multiplier)
                        : fixed_add_derive(s_a, s_b, s_y, n->op == OP_sub, &f.fixed)))
    BUG("the factors of '%s'", y->name);
  return f;
}

ChannelRanges range_arith(Ranges *r, const Node *n) {
  Arith f = arith_of(n);
  const Tensor *y = n->results[0];
  const ActAttrs *act = ATTRS(n, ActAttrs);
  int axis = joint_axis(r, n);
  ChannelRanges a = operand_along(r, n, 0, axis), b = operand_along(r, n, 1, axis),
                result = range_new(r->arena, &y->type.shape, axis);
  NodeRanges *node = range_node(r, n);
  int32_t lo, hi;
  activation_range(&y->type, act->act_min, act->act_max, &lo, &hi);
  for (int64_t c = 0; c < result.count; c++) {
    Interval all = arith_interval(&f, range_of_channel(&a, c), range_of_channel(&b, c));
    node->unclamped = c ? interval_hull(node->unclamped, all) : all;
    result.channel[c] = interval_clamped(all, lo, hi);
  }
  node->has_unclamped = true;
  return result;
}

ChannelRanges range_minmax(Ranges *r, const Node *n) {
  const Tensor *y = n->results[0];
  int32_t table[2][256], least[2];
  int axis = joint_axis(r, n);
  ChannelRanges x[2], result = range_new(r->arena, &y->type.shape, axis);
  for (int i = 0; i < 2; i++) {
    x[i] = operand_along(r, n, i, axis);
    least[i] = (int32_t)dtype_info[n->operands[i]->type.dtype].min;
    rescale_table(&n->operands[i]->type, &y->type, table[i]);
  }
  for (int64_t c = 0; c < result.count; c++) {
    Interval v[2];
    for (int i = 0; i < 2; i++) {
      Interval q = range_of_channel(&x[i], c); /* rescaling is monotone */
      v[i] = (Interval){table[i][q.lo - least[i]], table[i][q.hi - least[i]]};
    }
    bool low = (v[0].lo > v[1].lo) == (n->op == OP_max), high = (v[0].hi > v[1].hi) == (n->op == OP_max);
    result.channel[c] = (Interval){low ? v[0].lo : v[1].lo, high ? v[0].hi : v[1].hi};
  }
  return result;
}

/* ---- one operand ---- */

/* The values of table[q - least] for all q of an interval. */
static Interval image(const int32_t table[256], int32_t least, Interval q) {
  Interval all = {INT64_MAX, INT64_MIN};
  for (int64_t i = q.lo; i <= q.hi; i++)
    all = interval_hull(all, (Interval){table[i - least], table[i - least]});
  return all;
}

static ChannelRanges through_table(Ranges *r, const Node *n, const int32_t table[256]) {
  const Tensor *x = n->operands[0];
  ChannelRanges from = range_of_operand(r, x, range_axis(r, x)),
                result = range_new(r->arena, &x->type.shape, from.axis);
  for (int64_t c = 0; c < result.count; c++)
    result.channel[c] = image(table, (int32_t)dtype_info[x->type.dtype].min, from.channel[c]);
  return result;
}

ChannelRanges range_lut(Ranges *r, const Node *n) {
  const Tensor *t = n->operands[1];
  int32_t table[256] = {0};
  if (t->type.dtype == DT_F32) return range_same(r->arena, (Interval){0, 0}); /* the result is f32 */
  for (int i = 0; i < 256; i++)
    table[i] = t->type.dtype == DT_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
  return through_table(r, n, table);
}

ChannelRanges range_unary(Ranges *r, const Node *n) {
  int32_t table[256];
  unary_table(n, &n->operands[0]->type, &n->results[0]->type, table);
  return through_table(r, n, table);
}

/* Rule 10 with the slope of a channel. */
static Interval prelu_image(const Type *x, const Type *y, float slope, Interval q) {
  Interval all = {INT64_MAX, INT64_MIN};
  for (int64_t i = q.lo; i <= q.hi; i++) {
    float v = dequantize_value((int32_t)i, x->quant->scale[0], x->quant->zero[0]);
    int64_t to = quantize_value(v < 0 ? slope * v : v, y->quant->scale[0], y->quant->zero[0],
                                (int32_t)dtype_info[y->dtype].min, (int32_t)dtype_info[y->dtype].max);
    all = interval_hull(all, (Interval){to, to});
  }
  return all;
}

ChannelRanges range_prelu(Ranges *r, const Node *n) {
  const Tensor *x = n->operands[0], *slope = n->operands[1], *y = n->results[0];
  ChannelRanges from = range_of_operand(r, x, range_axis(r, x)),
                result = range_new(r->arena, &x->type.shape, from.axis);
  bool known = tensor_is_const(slope) && is_per_channel(slope, &x->type.shape, from.axis);
  bool one = shape_count(&slope->type.shape) == 1;
  for (int64_t c = 0; c < result.count; c++)
    result.channel[c] = known
                            ? prelu_image(&x->type, &y->type, const_f32(slope)[one ? 0 : c], from.channel[c])
                            : range_of_type(&y->type);
  return result;
}

ChannelRanges range_clamp(Ranges *r, const Node *n) {
  const ClampAttrs *a = ATTRS(n, ClampAttrs);
  const Tensor *x = n->operands[0];
  ChannelRanges from = range_of_operand(r, x, range_axis(r, x)),
                result = range_new(r->arena, &x->type.shape, from.axis);
  for (int64_t c = 0; c < result.count; c++)
    result.channel[c] = interval_clamped(from.channel[c], a->min, a->max);
  range_node(r, n)->unclamped = range_of_all(&from);
  range_node(r, n)->has_unclamped = true;
  return result;
}

ChannelRanges range_dynamic(Ranges *r, const Node *n) {
  return range_same(r->arena, (Interval){0, ATTRS(n, DynamicQuantizeAttrs)->qmax});
}
