/* reduce_mean, reduce_sum, reduce_max, reduce_min(%x) { axes, keepdims }: axes = [] means all. The reduced
 * elements are taken in C order. Mean and sum: rule 12's sum, for the mean a true division; quantized by rule
 * 11, where a sum is an average over one element. Max and min keep the quantization. */
#include "ir/ops/attrs.h"
#include "ir/ops/gather.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"
#include "ir/refmath.h"

#include <math.h>

static bool normalize_axes(Diag *d, Node *n, IntList *axes, int rank) {
  if (axes->n == 0)
    while (axes->n < rank) {
      axes->v[axes->n] = axes->n;
      axes->n++;
    }
  bool chosen[MAX_RANK] = {false};
  for (int i = 0; i < axes->n; i++) {
    if (!infer_axis(d, n, &axes->v[i], rank, rank)) return false;
    if (chosen[axes->v[i]])
      return diag_error(d, node_loc(n), "%s: axis %lld is given twice", op_info[n->op]->name,
                        (long long)axes->v[i]);
    chosen[axes->v[i]] = true;
  }
  axes->n = 0;
  for (int i = 0; i < rank; i++)
    if (chosen[i]) axes->v[axes->n++] = i;
  return true;
}

/* What the quantized sum is divided by, in rule 11's multiplier. */
static int64_t divisor(const Node *n, int64_t reduced) { return n->op == OP_reduce_mean ? reduced : 1; }

static bool check_sum(Diag *d, const Node *n, int64_t reduced) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  float m;
  if (!x->type.quant) return true;
  if (reduced > INT32_MAX / 255)
    return diag_error(d, node_loc(n), "%s: %lld quantized elements cannot be summed in 32 bits",
                      op_info[n->op]->name, (long long)reduced);
  if (!y->type.quant || pool_multiplier(tensor_scale(x), tensor_scale(y), divisor(n, reduced), &m))
    return true;
  return diag_error(d, node_loc(n), "%s: the scales of '%s' and '%s' are too far apart", op_info[n->op]->name,
                    x->name, y->name);
}

static bool infer_reduce(Diag *d, Node *n, Type *results) {
  ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  const Type *x = &n->operands[0]->type;
  if (!infer_real_operand(d, n, 0) || !normalize_axes(d, n, &a->axes, x->shape.rank)) return false;
  Shape *r = &results[0].shape;
  int64_t reduced = 1;
  for (int i = 0, k = 0; i < x->shape.rank; i++) {
    bool out = k < a->axes.n && a->axes.v[k] == i;
    k += out;
    if (out) reduced *= x->shape.dim[i];
    if (!out || a->keepdims) r->dim[r->rank++] = out ? 1 : x->shape.dim[i];
  }
  if (reduced == 0)
    return diag_error(d, node_loc(n), "%s of no elements: %s", op_info[n->op]->name, type_text(d->arena, x));
  if (op_info[n->op]->quant == QUANT_MOVE) {
    results[0].dtype = x->dtype;
    results[0].quant = x->quant;
    return true;
  }
  return check_sum(d, n, reduced) && infer_real_result(d, n, &results[0]);
}

/* The reduction of one row of n elements. */
static float reduce_float(const Node *node, const float *row, int64_t n) {
  if (node->op == OP_reduce_sum) return ref_sum16(row, (long)n, 1);
  if (node->op == OP_reduce_mean) return ref_sum16(row, (long)n, 1) / (float)n;
  float v = row[0];
  for (int64_t i = 1; i < n; i++) v = node->op == OP_reduce_max ? ref_max(v, row[i]) : ref_min(v, row[i]);
  return v;
}

static int32_t element(DType dtype, uint8_t byte) { return dtype == DT_S8 ? (int8_t)byte : byte; }

static uint8_t choose_quantized(const Node *node, const uint8_t *row, int64_t n) {
  DType dtype = node->operands[0]->type.dtype;
  uint8_t best = row[0];
  for (int64_t i = 1; i < n; i++)
    if ((node->op == OP_reduce_max) == (element(dtype, row[i]) > element(dtype, best))) best = row[i];
  return best;
}

static void sum_quantized(const Node *node, const uint8_t *rows, int64_t count, int64_t n, uint8_t *y) {
  const Type *tx = &node->operands[0]->type, *ty = &node->results[0]->type;
  int32_t zero = tx->quant->zero[0], lo, hi;
  float m;
  if (!pool_multiplier(tx->quant->scale[0], ty->quant->scale[0], divisor(node, n), &m))
    BUG("'%s' was not verified", node->results[0]->name);
  activation_range(ty, -INFINITY, INFINITY, &lo, &hi);
  for (int64_t i = 0; i < count; i++) {
    int32_t acc = 0;
    for (int64_t k = 0; k < n; k++) acc += element(tx->dtype, rows[i * n + k]) - zero;
    y[i] = (uint8_t)requantize_value(acc, m, ty->quant->zero[0], lo, hi);
  }
}

static void reduce_rows(const Node *node, const void *rows, int64_t count, int64_t n, void *y) {
  bool quantized = tensor_is_quantized(node->operands[0]);
  if (quantized && op_info[node->op]->quant == QUANT_POOL) {
    sum_quantized(node, rows, count, n, y);
    return;
  }
  for (int64_t i = 0; i < count; i++)
    if (quantized)
      ((uint8_t *)y)[i] = choose_quantized(node, (const uint8_t *)rows + i * n, n);
    else
      ((float *)y)[i] = reduce_float(node, (const float *)rows + i * n, n);
}

static void eval_reduce(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const IntList *axes = &ATTRS(n, ReduceAttrs)->axes;
  const Type *x = &n->operands[0]->type;
  int64_t stride[MAX_RANK], reduced = 1;
  shape_strides(&x->shape, stride);
  Shape rows = {.rank = x->shape.rank}; /* the reduced dims last, in their order */
  GatherMap map;
  for (int i = 0, k = 0; i < x->shape.rank; i++) {
    bool gone = k < axes->n && axes->v[k] == i;
    int to = gone ? x->shape.rank - axes->n + k : i - k;
    k += gone;
    if (gone) reduced *= x->shape.dim[i];
    rows.dim[to] = x->shape.dim[i];
    map.offset[to] = gather_line(ctx->scratch, x->shape.dim[i], 0, stride[i]);
  }
  int64_t count = shape_count(&n->results[0]->type.shape);
  void *moved = arena_alloc(ctx->scratch, (size_t)type_bytes(x));
  gather(dtype_info[x->dtype].bytes, &rows, &map, in[0], NULL, moved);
  reduce_rows(n, moved, count, reduced, out[0]);
}

static const ReduceAttrs reduce_defaults = {.keepdims = true};
static const AttrDesc reduce_attrs[] = {{"axes", ATTR_INTS, offsetof(ReduceAttrs, axes)},
                                        {"keepdims", ATTR_BOOL, offsetof(ReduceAttrs, keepdims)},
                                        {0}};

#define REDUCE(op, rule)                                                                                     \
  .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .attrs_size = sizeof(ReduceAttrs),      \
  .attr_defaults = &reduce_defaults, .attrs = reduce_attrs, .quant = (rule), .infer = infer_reduce,          \
  .eval = eval_reduce

const OpInfo op_reduce_mean = {REDUCE(reduce_mean, QUANT_POOL)};
const OpInfo op_reduce_sum = {REDUCE(reduce_sum, QUANT_POOL)};
const OpInfo op_reduce_max = {REDUCE(reduce_max, QUANT_MOVE)};
const OpInfo op_reduce_min = {REDUCE(reduce_min, QUANT_MOVE)};
