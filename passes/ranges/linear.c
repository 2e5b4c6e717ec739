/* Sums of products: for each output channel the signs of its weights say which ends of the operand's
 * intervals make the least and the greatest sum. */
#include <math.h>

#include "ir/quant.h"
#include "passes/layers.h"
#include "passes/ranges/linear.h"
#include "passes/ranges/rules.h"

LinearWeights linear_weights(const Node *n) {
  const Tensor *w = n->operands[1];
  const int64_t *dim = w->type.shape.dim;
  LinearWeights l = {.weight = w, .oc = dim[0], .ic = dim[1], .groups = 1, .taps = 1};
  if (n->op == OP_linear) return l;
  l.groups = ATTRS(n, ConvAttrs)->groups;
  for (int i = 2; i < w->type.shape.rank; i++) l.taps *= dim[i];
  return l;
}

bool linear_is_constant(const Node *n) {
  const Tensor *bias = node_operand(n, 2);
  return tensor_is_const(n->operands[1]) && (!bias || tensor_is_const(bias));
}

bool linear_sees_padding(const Node *n) {
  if (n->op == OP_linear) return false;
  if (n->op == OP_conv_transpose2d || n->op == OP_conv_transpose3d) return true;
  const IntList *pad = &ATTRS(n, ConvAttrs)->pad;
  for (int i = 0; i < pad->n; i++)
    if (pad->v[i]) return true;
  return false;
}

static Interval taps_s8(const int8_t *w, int64_t n, int32_t zero) {
  Interval sum = {0, 0};
  for (int64_t i = 0; i < n; i++) {
    int32_t v = w[i] - zero;
    sum.lo += v < 0 ? v : 0;
    sum.hi += v > 0 ? v : 0;
  }
  return sum;
}

static Interval taps_u8(const uint8_t *w, int64_t n, int32_t zero) {
  Interval sum = {0, 0};
  for (int64_t i = 0; i < n; i++) {
    int32_t v = w[i] - zero;
    sum.lo += v < 0 ? v : 0;
    sum.hi += v > 0 ? v : 0;
  }
  return sum;
}

Interval linear_tap_sums(const LinearWeights *l, int64_t oc, int64_t ic) {
  const Quant *q = l->weight->type.quant;
  int64_t at = (oc * l->ic + ic) * l->taps;
  int32_t zero = q->zero[q->count > 1 ? oc : 0];
  return l->weight->type.dtype == DT_U8 ? taps_u8((const uint8_t *)l->weight->data + at, l->taps, zero)
                                        : taps_s8((const int8_t *)l->weight->data + at, l->taps, zero);
}

/* Products of x in [lo, hi] with weights whose negative ones sum to w.lo and positive ones to w.hi. */
static Interval products(Interval w, Interval x) {
  return (Interval){w.hi * x.lo + w.lo * x.hi, w.hi * x.hi + w.lo * x.lo};
}

/* x minus its zero point, by channel; where a tap may miss the operand, 0 too. */
static ChannelRanges differences(Ranges *r, const Tensor *x, int axis, bool with_zero) {
  ChannelRanges from = range_of_operand(r, x, axis), d = from;
  d.channel = ARENA_NEW_ARRAY(r->arena, Interval, (size_t)from.count);
  for (int64_t c = 0; c < from.count; c++) {
    d.channel[c] = interval_moved(from.channel[c], -tensor_zero(x));
    if (with_zero) d.channel[c] = interval_hull(d.channel[c], (Interval){0, 0});
  }
  return d;
}

static ChannelRanges linear_sums(Ranges *r, const Node *n) {
  const Tensor *x = n->operands[0], *bias = node_operand(n, 2), *y = n->results[0];
  LinearWeights l = linear_weights(n);
  int axis = n->op == OP_linear ? y->type.shape.rank - 1 : 1;
  ChannelRanges d = differences(r, x, axis, linear_sees_padding(n)),
                sums = range_new(r->arena, &y->type.shape, axis);
  for (int64_t oc = 0; oc < l.oc; oc++) {
    int64_t b = bias ? ((const int32_t *)bias->data)[oc] : 0, first = oc / (l.oc / l.groups) * l.ic;
    Interval sum = {b, b};
    for (int64_t ic = 0; ic < l.ic; ic++)
      sum = interval_sum(sum, products(linear_tap_sums(&l, oc, ic), range_of_channel(&d, first + ic)));
    sums.channel[oc] = sum;
  }
  return sums;
}

/* Rule 6 over the ends: it is monotone. `w` has the scales of the channels. */
static ChannelRanges requantized(Ranges *r, const Node *n, const ChannelRanges *sums, const Quant *w,
                                 float act_min, float act_max) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  Interval unclamped = {INT64_MAX, INT64_MIN};
  ChannelRanges result = *sums;
  int32_t lo, hi, zero = tensor_zero(y);
  activation_range(&y->type, act_min, act_max, &lo, &hi);
  result.channel = ARENA_NEW_ARRAY(r->arena, Interval, (size_t)sums->count);
  for (int64_t c = 0; c < sums->count; c++) {
    float m;
    if (!requant_multiplier(tensor_scale(x), w->scale[w->count > 1 ? c : 0], tensor_scale(y), &m))
      BUG("multiplier of '%s'", y->name);
    Interval all = {requantize_wide(sums->channel[c].lo, m, zero, -RANGE_UNCLAMPED, RANGE_UNCLAMPED),
                    requantize_wide(sums->channel[c].hi, m, zero, -RANGE_UNCLAMPED, RANGE_UNCLAMPED)};
    unclamped = interval_hull(unclamped, all);
    result.channel[c] = interval_clamped(all, lo, hi);
  }
  range_node(r, n)->unclamped = unclamped;
  range_node(r, n)->has_unclamped = true;
  return result;
}

ChannelRanges range_linear(Ranges *r, const Node *n) {
  const Tensor *y = n->results[0];
  if (!linear_is_constant(n)) return range_same(r->arena, range_of_type(&y->type));
  ChannelRanges sums = linear_sums(r, n);
  range_node(r, n)->sums = sums;
  if (!tensor_is_quantized(y)) return sums; /* of a float result, which has no interval */
  float act_min = -INFINITY, act_max = INFINITY;
  if (n->op == OP_linear) {
    act_min = ATTRS(n, ActAttrs)->act_min;
    act_max = ATTRS(n, ActAttrs)->act_max;
  } else {
    act_min = ATTRS(n, ConvAttrs)->act_min;
    act_max = ATTRS(n, ConvAttrs)->act_max;
  }
  return requantized(r, n, &sums, n->operands[1]->type.quant, act_min, act_max);
}

/* Of a constant [..., K, N] each column by itself, in whatever batch it is. */
static ChannelRanges column_sums(Ranges *r, const Node *n) {
  const Tensor *b = n->operands[1], *y = n->results[0];
  const Shape *s = &b->type.shape;
  int64_t k = s->dim[s->rank - 2], columns = s->dim[s->rank - 1], batches = shape_count(s) / (k * columns);
  int last = n->operands[0]->type.shape.rank - 1;
  ChannelRanges d = differences(r, n->operands[0], last, false),
                sums = range_new(r->arena, &y->type.shape, y->type.shape.rank - 1);
  for (int64_t i = 0; i < batches; i++)
    for (int64_t c = 0; c < columns; c++) {
      Interval sum = {0, 0};
      for (int64_t row = 0; row < k; row++) {
        int64_t at = (i * k + row) * columns + c;
        int32_t w = b->type.dtype == DT_U8 ? ((const uint8_t *)b->data)[at] : ((const int8_t *)b->data)[at];
        int64_t v = w - tensor_zero(b);
        sum = interval_sum(sum, interval_product((Interval){v, v}, range_of_channel(&d, row)));
      }
      sums.channel[c] = i ? interval_hull(sums.channel[c], sum) : sum;
    }
  return sums;
}

ChannelRanges range_matmul(Ranges *r, const Node *n) {
  const Tensor *a = n->operands[0], *b = n->operands[1];
  const ActAttrs *act = ATTRS(n, ActAttrs);
  ChannelRanges sums;
  if (tensor_is_const(b)) {
    sums = column_sums(r, n);
  } else {
    ChannelRanges da = differences(r, a, -1, false), db = differences(r, b, -1, false);
    int64_t k = a->type.shape.dim[a->type.shape.rank - 1];
    sums = range_same(r->arena, interval_times(interval_product(da.channel[0], db.channel[0]), k));
  }
  range_node(r, n)->sums = sums;
  return requantized(r, n, &sums, b->type.quant, act->act_min, act->act_max);
}
