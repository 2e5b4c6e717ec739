/* reduce_mean(%x) { axes, keepdims }: axes = [] means all. Float: rule 12's sum of the reduced elements in C
 * order, then a true division. Quantized: the average of rule 11. */
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
      return diag_error(d, node_loc(n), "reduce_mean: axis %lld is given twice", (long long)axes->v[i]);
    chosen[axes->v[i]] = true;
  }
  axes->n = 0;
  for (int i = 0; i < rank; i++)
    if (chosen[i]) axes->v[axes->n++] = i;
  return true;
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
  if (reduced == 0) return diag_error(d, node_loc(n), "reduce_mean: the mean of no elements");
  if (x->quant && reduced > INT32_MAX / 255)
    return diag_error(d, node_loc(n), "reduce_mean: %lld quantized elements cannot be summed in 32 bits",
                      (long long)reduced);
  if (!infer_real_result(d, n, &results[0])) return false;
  float m;
  const Tensor *y = n->results[0];
  if (y->type.quant && x->quant && !pool_multiplier(x->quant->scale[0], y->type.quant->scale[0], reduced, &m))
    return diag_error(d, node_loc(n), "reduce_mean: the scales of '%s' and '%s' are too far apart",
                      n->operands[0]->name, y->name);
  return true;
}

/* The mean over `count` rows of `n` elements. */
static void mean_float(const float *rows, int64_t count, int64_t n, float *y) {
  for (int64_t i = 0; i < count; i++) y[i] = ref_sum16(rows + i * n, (long)n, 1) / (float)n;
}

static void mean_quantized(const Node *node, const uint8_t *rows, int64_t count, int64_t n, uint8_t *y) {
  const Type *tx = &node->operands[0]->type, *ty = &node->results[0]->type;
  int32_t zero = tx->quant->zero[0], lo, hi;
  float m;
  if (!pool_multiplier(tx->quant->scale[0], ty->quant->scale[0], n, &m))
    BUG("'%s' was not verified", node->results[0]->name);
  activation_range(ty, -INFINITY, INFINITY, &lo, &hi);
  for (int64_t i = 0; i < count; i++) {
    int32_t acc = 0;
    for (int64_t k = 0; k < n; k++) {
      uint8_t byte = rows[i * n + k];
      acc += (tx->dtype == DT_S8 ? (int8_t)byte : byte) - zero;
    }
    y[i] = (uint8_t)requantize_value(acc, m, ty->quant->zero[0], lo, hi);
  }
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
  if (x->quant) {
    mean_quantized(n, moved, count, reduced, out[0]);
  } else {
    mean_float(moved, count, reduced, out[0]);
  }
}

static const ReduceAttrs reduce_defaults = {.keepdims = true};
static const AttrDesc reduce_attrs[] = {{"axes", ATTR_INTS, offsetof(ReduceAttrs, axes)},
                                        {"keepdims", ATTR_BOOL, offsetof(ReduceAttrs, keepdims)},
                                        {0}};

const OpInfo op_reduce_mean = {.name = "reduce_mean",
                               .min_operands = 1,
                               .max_operands = 1,
                               .n_results = 1,
                               .attrs_size = sizeof(ReduceAttrs),
                               .attr_defaults = &reduce_defaults,
                               .attrs = reduce_attrs,
                               .quant = QUANT_POOL,
                               .infer = infer_reduce,
                               .eval = eval_reduce};
