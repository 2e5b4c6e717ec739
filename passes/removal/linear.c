/* Layers make a channel for each row of their weight, and read one for each column. */
#include <string.h>

#include "passes/layers.h"
#include "passes/ranges/linear.h"
#include "passes/removal/removal.h"

static bool is_depthwise(const Node *n, const LinearWeights *l) {
  return l->groups > 1 && l->ic == 1 && l->oc == l->groups && n->op != OP_linear;
}

/* The sum of the weights of a column in a row. */
static int64_t weight_sum(const LinearWeights *l, int64_t row, int64_t column) {
  Interval sums = linear_tap_sums(l, row, column);
  return sums.lo + sums.hi;
}

static bool is_column_of_zeros(const LinearWeights *l, int64_t column) {
  for (int64_t row = 0; row < l->oc; row++) {
    Interval sums = linear_tap_sums(l, row, column);
    if (sums.lo || sums.hi) return false;
  }
  return true;
}

/* What channel c of the operand adds to every product with a weight, where that is one value. */
static int64_t constant_difference(const Node *n, const ChannelSet *x, int64_t c) {
  return x->ranges->channel[c].lo - tensor_zero(n->operands[0]);
}

/* Can the layer do without channel c? At the border, padding takes the place of a value: it is the zero
 * point.
 */
static bool can_miss(const Node *n, const LinearWeights *l, const ChannelSet *x, int64_t c) {
  if (interval_is_value(x->ranges->channel[c]) && (!linear_sees_padding(n) || !constant_difference(n, x, c)))
    return true;
  return is_column_of_zeros(l, c);
}

/* The operand's channels, where the columns of the weight are for them. */
static const ChannelSet *columns_of(const Removal *r, const Node *n) {
  const ChannelSet *x = removal_set(r, n->operands[0]);
  return x && x->axis == (n->op == OP_linear ? x->tensor->type.shape.rank - 1 : 1) ? x : NULL;
}

static void constrain_linear(Removal *r, const Node *n) {
  const Tensor *y = n->results[0];
  const ChannelSet *sx = columns_of(r, n), *sy = removal_set(r, y);
  if (!tensor_is_quantized(n->operands[0])) return;
  LinearWeights l = linear_weights(n);
  bool known = linear_is_constant(n), depthwise = known && is_depthwise(n, &l);
  if (depthwise && sx && sy) {
    for (int64_t c = 0; c < l.oc; c++) unite(r, sx, c, sy, c);
    return;
  }
  for (int i = 1; i < n->n_operands; i++) keep_all(r, n->operands[i]); /* computed weights */
  if (!known || l.groups > 1) keep_all(r, y);
  if (!known || l.groups > 1 || !sx) {
    keep_all(r, n->operands[0]);
    return;
  }
  for (int64_t c = 0; c < l.ic; c++)
    if (!can_miss(n, &l, sx, c)) keep_channel(r, sx, c);
}

/* ---- the bias takes over what constant channels add ---- */

static int64_t old_bias(const Node *n, int64_t row) {
  const Tensor *bias = node_operand(n, 2);
  return bias ? ((const int32_t *)bias->data)[row] : 0;
}

/* Of channel c, which goes. */
static int64_t taken_over(const Node *n, const LinearWeights *l, const ChannelSet *x, int64_t row,
                          int64_t c) {
  if (!interval_is_value(x->ranges->channel[c])) return 0;
  int64_t value = constant_difference(n, x, c);
  return value ? weight_sum(l, row, c) * value : 0;
}

static int64_t new_bias(const Removal *r, const Node *n, const LinearWeights *l, const ChannelSet *x,
                        int64_t row) {
  int64_t b = old_bias(n, row);
  for (int64_t c = 0; x && c < x->count; c++)
    if (channel_goes(r, x, c)) b += taken_over(n, l, x, row, c);
  return b;
}

static bool is_reader(const Removal *r, const Node *n, const ChannelSet **x, LinearWeights *l) {
  if (!layer_is_conv(n) && n->op != OP_linear) return false;
  *x = columns_of(r, n);
  if (!*x || !linear_is_constant(n)) return false;
  *l = linear_weights(n);
  return l->groups == 1;
}

static bool any_goes(const Removal *r, const ChannelSet *x) {
  for (int64_t c = 0; c < x->count; c++)
    if (channel_goes(r, x, c)) return true;
  return false;
}

bool keep_what_no_bias_holds(Removal *r) {
  bool changed = false;
  for (const Node *n = r->graph->first; n; n = n->next) {
    const ChannelSet *x;
    LinearWeights l;
    if (!is_reader(r, n, &x, &l) || !any_goes(r, x)) continue;
    for (int64_t row = 0; row < l.oc; row++) {
      int64_t b = new_bias(r, n, &l, x, row);
      if (b >= INT32_MIN && b <= INT32_MAX) continue;
      for (int64_t c = 0; c < x->count; c++)
        if (channel_goes(r, x, c) && taken_over(n, &l, x, row, c)) keep_channel(r, x, c);
      changed = true;
    }
  }
  return changed;
}

/* ---- shrinking ---- */

typedef struct {
  int64_t *row, rows, *column, columns;
} Left;

/* The parameters of the rows that are left. */
static const Quant *rows_of(Arena *a, const Quant *q, const Left *left) {
  if (q->axis < 0) return q;
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)left->rows);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)left->rows);
  for (int64_t i = 0; i < left->rows; i++) {
    scale[i] = q->scale[left->row[i]];
    zero[i] = q->zero[left->row[i]];
  }
  return quant_new(a, q->axis, left->rows, scale, zero);
}

static void shrink_weight(Arena *a, Node *n, const LinearWeights *l, const Left *left) {
  Type t = n->operands[1]->type;
  const uint8_t *from = l->weight->data;
  uint8_t *to = arena_alloc(a, (size_t)(left->rows * left->columns * l->taps) + 1);
  for (int64_t i = 0; i < left->rows; i++)
    for (int64_t k = 0; k < left->columns; k++)
      memcpy(to + (i * left->columns + k) * l->taps,
             from + (left->row[i] * l->ic + left->column[k]) * l->taps, (size_t)l->taps);
  t.shape.dim[0] = left->rows;
  t.shape.dim[1] = left->columns;
  t.quant = rows_of(a, t.quant, left);
  set_const_operand(n, 1, t, to);
}

/* Where there was no bias and none is needed, there is none. */
static void shrink_bias(Removal *r, Node *n, const LinearWeights *l, const ChannelSet *columns,
                        const Left *left) {
  Arena *a = n->graph->arena;
  const Tensor *old = node_operand(n, 2);
  int32_t *bias = ARENA_NEW_ARRAY(a, int32_t, (size_t)left->rows);
  bool any = old != NULL;
  for (int64_t i = 0; i < left->rows; i++) {
    bias[i] = (int32_t)new_bias(r, n, l, columns, left->row[i]);
    any |= bias[i] != 0;
  }
  if (!any) return;
  Type t = bias_type(a, tensor_scale(n->operands[0]), rows_of(a, l->weight->type.quant, left), left->rows);
  if (old) t = (Type){DT_S32, t.shape, old->type.quant ? rows_of(a, old->type.quant, left) : NULL};
  if (n->n_operands < 3) node_set_operands(n, (Tensor *[]){n->operands[0], n->operands[1], NULL}, 3);
  set_const_operand(n, 2, t, bias);
}

static void shrink_linear(Removal *r, Node *n) {
  LinearWeights l = linear_weights(n);
  Tensor before = *n->operands[1]; /* the weight may be changed in place */
  l.weight = &before;
  bool depthwise = is_depthwise(n, &l);
  const ChannelSet *columns = depthwise ? NULL : columns_of(r, n);
  Left left;
  left.row = channels_left(r, removal_set(r, n->results[0]), l.oc, &left.rows);
  left.column = channels_left(r, columns, l.ic, &left.columns);
  shrink_bias(r, n, &l, columns, &left);
  shrink_weight(n->graph->arena, n, &l, &left);
  if (depthwise) ATTRS(n, ConvAttrs)->groups = left.rows;
}

const ChannelRule rule_linear = {constrain_linear, shrink_linear};
