/* Operators that make one value of many. */
#include "compiler/onnx_ops.h"

#include <string.h>

/* ---- Softmax, LogSoftmax ---- */

/* Before opset 13 softmax ran over everything from `axis` on, seen as one row. */
static Tensor *old_softmax(OnnxNode *n, OpId op, const char *name, Tensor *x) {
  Shape shape = x->type.shape, rows = {.rank = 2, .dim = {1, 1}};
  AxisAttrs attrs = {1};
  int axis = 0;
  /* the axis may be the rank: rows of one element */
  int64_t given = onnx_attr_int(n, "axis", 1);
  if (given == shape.rank) {
    axis = shape.rank;
  } else if (!onnx_axis(n, given, shape.rank, &axis)) {
    return NULL;
  }
  for (int i = 0; i < shape.rank; i++) rows.dim[i >= axis] *= shape.dim[i];
  Tensor *y = onnx_emit1(n, op, NULL, onnx_reshape(n, NULL, x, &rows), &attrs);
  return onnx_reshape(n, name, y, &shape);
}

Tensor *onnx_emit_softmax(OnnxNode *n, OpId op, const char *name, Tensor *x, int64_t opset) {
  int rank = x->type.shape.rank, axis;
  int64_t given = onnx_attr_int(n, "axis", opset < 13 ? 1 : -1);
  if (opset < 13 && !(given == rank - 1 && rank > 1)) return old_softmax(n, op, name, x);
  if (!onnx_axis(n, given, rank, &axis)) return NULL;
  AxisAttrs attrs = {axis};
  return onnx_emit1(n, op, name, x, &attrs);
}

bool onnx_import_softmax(OnnxNode *n) {
  OpId op = strcmp(n->op->name, "LogSoftmax") ? OP_softmax : OP_log_softmax;
  Tensor *x = onnx_operand(n, 0, false);
  return x && onnx_set_output(n, 0, onnx_emit_softmax(n, op, onnx_output_name(n, 0), x, n->opset));
}

/* ---- reductions ---- */

/* What is done before and behind the IR's reduction; OP_COUNT: nothing. */
typedef struct {
  const char *name;
  OpId before, op, behind;
} Reduction;

static const Reduction reductions[] = {
    {"ReduceMean", OP_COUNT, OP_reduce_mean, OP_COUNT},   {"ReduceSum", OP_COUNT, OP_reduce_sum, OP_COUNT},
    {"ReduceMax", OP_COUNT, OP_reduce_max, OP_COUNT},     {"ReduceMin", OP_COUNT, OP_reduce_min, OP_COUNT},
    {"ReduceL1", OP_abs, OP_reduce_sum, OP_COUNT},        {"ReduceL2", OP_mul, OP_reduce_sum, OP_sqrt},
    {"ReduceSumSquare", OP_mul, OP_reduce_sum, OP_COUNT}, {"ReduceLogSum", OP_COUNT, OP_reduce_sum, OP_log},
    {"ReduceLogSumExp", OP_exp, OP_reduce_sum, OP_log},
};

static const Reduction *reduction_of(const OnnxNode *n) {
  for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
    if (!strcmp(reductions[i].name, n->op->name)) return &reductions[i];
  BUG("%s is no reduction", n->op->name);
}

/* The axes as an attribute or an input; none: all, or with noop_with_empty_axes really none. */
static bool read_reduction(const OnnxNode *n, const Shape *x, ReduceAttrs *attrs) {
  OnnxInts axes = {0};
  bool mask[MAX_RANK], noop;
  *attrs = (ReduceAttrs){0};
  if (!onnx_attr_flag(n, "keepdims", true, &attrs->keepdims) ||
      !onnx_attr_flag(n, "noop_with_empty_axes", false, &noop))
    return false;
  onnx_attr_ints(n, "axes", &axes);
  if (onnx_has_input(n, 1) && !onnx_ints_input(n, 1, "axes", &axes)) return false;
  if (!onnx_axes(n, &axes, x->rank, mask)) return false;
  bool all = !axes.n && !noop;
  for (int i = 0; i < x->rank; i++)
    if (mask[i] || all) attrs->axes.v[attrs->axes.n++] = i;
  return true;
}

/* The reduction itself; over no axes it is the operand, or a copy of it under a name of its own. */
static Tensor *reduced(OnnxNode *n, OpId op, const char *name, Tensor *x, const ReduceAttrs *attrs) {
  if (!attrs->axes.n) return name ? onnx_emit1(n, OP_identity, name, x, NULL) : x;
  return onnx_emit1(n, op, name, x, attrs);
}

/* m + log(sum(exp(x - m))) with the maximum m, so that no exponential overflows. */
static Tensor *log_sum_exp(OnnxNode *n, const char *name, Tensor *x, const ReduceAttrs *attrs) {
  ReduceAttrs keep = *attrs;
  keep.keepdims = true;
  Tensor *max = reduced(n, OP_reduce_max, NULL, x, &keep);
  Tensor *e = onnx_emit1(n, OP_exp, NULL, onnx_emit2(n, OP_sub, NULL, x, max, NULL), NULL);
  Tensor *sum = onnx_emit1(n, OP_log, NULL, reduced(n, OP_reduce_sum, NULL, e, attrs), NULL);
  return sum ? onnx_emit2(n, OP_add, name, onnx_reshape(n, NULL, max, &sum->type.shape), sum, NULL) : NULL;
}

bool onnx_import_reduce(OnnxNode *n) {
  const Reduction *r = reduction_of(n);
  const char *name = onnx_output_name(n, 0);
  Tensor *x = onnx_operand(n, 0, op_info[r->op]->quant == QUANT_MOVE); /* integers are compared as such */
  ReduceAttrs attrs;
  if (!x || !read_reduction(n, &x->type.shape, &attrs)) return false;
  if (r->before == OP_exp) return onnx_set_output(n, 0, log_sum_exp(n, name, x, &attrs));
  if (r->before == OP_mul) x = onnx_emit2(n, OP_mul, NULL, x, x, NULL);
  if (r->before == OP_abs) x = onnx_emit1(n, OP_abs, NULL, x, NULL);
  if (!x) return false;
  x = reduced(n, r->op, r->behind == OP_COUNT ? name : NULL, x, &attrs);
  if (r->behind != OP_COUNT) x = onnx_emit1(n, r->behind, name, x, NULL);
  return onnx_set_output(n, 0, x);
}

bool onnx_import_global_average_pool(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_global_avg_pool, onnx_output_name(n, 0), x, NULL));
}

/* The axes behind [N, C]; false after a diagnostic. */
static bool spatial_axes(const OnnxNode *n, const Shape *x, ReduceAttrs *attrs) {
  *attrs = (ReduceAttrs){.keepdims = true};
  if (x->rank < 3) return onnx_error(n, "the input must be [N, C, ...], not %s", shape_text(n->im->arena, x));
  for (int i = 2; i < x->rank; i++) attrs->axes.v[attrs->axes.n++] = i;
  return true;
}

bool onnx_import_global_max_pool(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  ReduceAttrs attrs;
  return x && spatial_axes(n, &x->type.shape, &attrs) &&
         onnx_set_output(n, 0, onnx_emit1(n, OP_reduce_max, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_global_lp_pool(OnnxNode *n) {
  int64_t p = onnx_attr_int(n, "p", 2);
  const char *name = onnx_output_name(n, 0);
  Tensor *x = onnx_operand(n, 0, false);
  ReduceAttrs attrs;
  if (!x || !spatial_axes(n, &x->type.shape, &attrs)) return false;
  if (p != 1 && p != 2) return onnx_error(n, "attribute 'p' is %lld; it must be 1 or 2", (long long)p);
  x = p == 1 ? onnx_emit1(n, OP_abs, NULL, x, NULL) : onnx_emit2(n, OP_mul, NULL, x, x, NULL);
  x = onnx_emit1(n, OP_reduce_sum, p == 1 ? name : NULL, x, &attrs);
  return onnx_set_output(n, 0, p == 1 ? x : onnx_emit1(n, OP_sqrt, name, x, NULL));
}
