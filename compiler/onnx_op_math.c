#include "compiler/onnx_ops.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ONNX operators that are one IR op, without parameters or with `alpha` and `beta`. */
typedef struct {
  const char *name;
  OpId op;
  float alpha, beta; /* the defaults of the attributes */
} SameOp;

static const SameOp same_ops[] = {
    {"Relu", OP_relu, 0, 0},
    {"Sigmoid", OP_sigmoid, 0, 0},
    {"Tanh", OP_tanh, 0, 0},
    {"Exp", OP_exp, 0, 0},
    {"Log", OP_log, 0, 0},
    {"Sqrt", OP_sqrt, 0, 0},
    {"Reciprocal", OP_reciprocal, 0, 0},
    {"Neg", OP_neg, 0, 0},
    {"Abs", OP_abs, 0, 0},
    {"Sign", OP_sign, 0, 0},
    {"Floor", OP_floor, 0, 0},
    {"Ceil", OP_ceil, 0, 0},
    {"Round", OP_round, 0, 0},
    {"Erf", OP_erf, 0, 0},
    {"Softplus", OP_softplus, 0, 0},
    {"Softsign", OP_softsign, 0, 0},
    {"Mish", OP_mish, 0, 0},
    {"HardSwish", OP_hard_swish, 0, 0},
    {"LeakyRelu", OP_leaky_relu, 0.01f, 0},
    {"Elu", OP_elu, 1, 0},
    {"Celu", OP_celu, 1, 0},
    {"ThresholdedRelu", OP_thresholded_relu, 1, 0},
    {"HardSigmoid", OP_hard_sigmoid, 0.2f, 0.5f},
    {"Add", OP_add, 0, 0},
    {"Sub", OP_sub, 0, 0},
    {"Mul", OP_mul, 0, 0},
    {"Div", OP_div, 0, 0},
};

static const SameOp *same_op(const OnnxNode *n) {
  for (size_t i = 0; i < sizeof same_ops / sizeof *same_ops; i++)
    if (!strcmp(same_ops[i].name, n->op->name)) return &same_ops[i];
  BUG("%s is not one IR op", n->op->name);
}

bool onnx_import_unary(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(n, 0, onnx_emit1(n, same_op(n)->op, onnx_output_name(n, 0), x, NULL));
}

bool onnx_import_alpha_beta(OnnxNode *n) {
  const SameOp *s = same_op(n);
  Tensor *x = onnx_operand(n, 0, false);
  AlphaBetaAttrs attrs = {onnx_attr_float(n, "alpha", s->alpha), onnx_attr_float(n, "beta", s->beta)};
  return onnx_set_output(n, 0, onnx_emit1(n, s->op, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_selu(OnnxNode *n) {
  bool old = n->opset < 6; /* with fewer digits */
  SeluAttrs attrs = {onnx_attr_float(n, "alpha", old ? 1.6732f : 1.67326319217681884765625f),
                     onnx_attr_float(n, "gamma", old ? 1.0507f : 1.05070102214813232421875f)};
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_selu, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_gelu(OnnxNode *n) {
  const char *mode = onnx_attr_string(n, "approximate", "none");
  GeluAttrs attrs = {!strcmp(mode, "tanh")};
  if (!attrs.approximate && strcmp(mode, "none"))
    return onnx_error(n, "attribute 'approximate' is '%s'; none or tanh are known",
                      onnx_shown(n->im->arena, mode));
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_gelu, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_clip(OnnxNode *n) {
  ClipAttrs attrs = {onnx_attr_float(n, "min", -INFINITY), onnx_attr_float(n, "max", INFINITY)};
  Tensor *x = onnx_operand(n, 0, false);
  if (!x || (onnx_has_input(n, 1) && !onnx_scalar_input(n, 1, "min", &attrs.min)) ||
      (onnx_has_input(n, 2) && !onnx_scalar_input(n, 2, "max", &attrs.max)))
    return false;
  /* how exporters write that there is no bound */
  if (attrs.min == -FLT_MAX) attrs.min = -INFINITY;
  if (attrs.max == FLT_MAX) attrs.max = INFINITY;
  if (attrs.min > attrs.max) attrs.min = attrs.max; /* min(max(x, min), max): everything becomes max */
  return onnx_set_output(n, 0, onnx_emit1(n, OP_clip, onnx_output_name(n, 0), x, &attrs));
}

/* Before opset 7 the second operand broadcast only on demand, and stood at `axis` of the first. */
static Tensor *old_broadcast(OnnxNode *n, const Tensor *a, Tensor *b) {
  bool broadcast;
  const Shape *sa = &a->type.shape, *sb = &b->type.shape;
  if (!onnx_attr_flag(n, "broadcast", false, &broadcast)) return NULL;
  if (!broadcast && !shape_equal(sa, sb)) {
    onnx_error(n, "the shapes %s and %s differ, and attribute 'broadcast' is not set",
               shape_text(n->im->arena, sa), shape_text(n->im->arena, sb));
    return NULL;
  }
  int axis = sa->rank - sb->rank;
  if (broadcast && onnx_has_attr(n, "axis") && !onnx_axis(n, onnx_attr_int(n, "axis", 0), sa->rank, &axis))
    return NULL;
  if (axis < 0 || axis + sb->rank > sa->rank) {
    onnx_error(n, "%s at axis %d does not fit %s", shape_text(n->im->arena, sb), axis,
               shape_text(n->im->arena, sa));
    return NULL;
  }
  Shape padded = *sb; /* with ones behind, which is what today's rule needs */
  while (padded.rank < sa->rank - axis) padded.dim[padded.rank++] = 1;
  return onnx_reshape(n, NULL, b, &padded);
}

bool onnx_import_binary(OnnxNode *n) {
  Tensor *a = onnx_operand(n, 0, false), *b = a ? onnx_operand(n, 1, false) : NULL;
  if (b && n->opset < 7) b = old_broadcast(n, a, b);
  return onnx_set_output(n, 0, onnx_emit2(n, same_op(n)->op, onnx_output_name(n, 0), a, b, NULL));
}

bool onnx_import_sum(OnnxNode *n) {
  int count = (int)n->proto->n_input;
  Tensor *sum = onnx_operand(n, 0, false);
  if (count == 1) sum = onnx_emit1(n, OP_identity, onnx_output_name(n, 0), sum, NULL);
  for (int i = 1; i < count && sum; i++)
    sum = onnx_emit2(n, OP_add, i + 1 == count ? onnx_output_name(n, 0) : NULL, sum,
                     onnx_operand(n, i, false), NULL);
  return onnx_set_output(n, 0, sum);
}

/* ---- BatchNormalization ---- */

static bool check_variance(const OnnxNode *n, const Tensor *var, float eps) {
  const float *v = var->data;
  for (int64_t i = 0, count = shape_count(&var->type.shape); i < count; i++) {
    float sum = v[i] + eps;
    if (v[i] < 0 || !isnormal(sum))
      return onnx_error(n, "the variance of channel %lld is %g: its root with epsilon %g is no use",
                        (long long)i, (double)v[i], (double)eps);
  }
  return true;
}

bool onnx_import_batch_norm(OnnxNode *n) {
  static const char *const what[] = {"input", "scale", "B", "mean", "var"};
  BatchNormAttrs attrs = {onnx_attr_float(n, "epsilon", 1e-5f)};
  Tensor *operands[5];
  bool training, is_test, spatial;
  if (!onnx_attr_flag(n, "training_mode", false, &training) ||
      !onnx_attr_flag(n, "is_test", false, &is_test) || !onnx_attr_flag(n, "spatial", true, &spatial))
    return false;
  if (training || (n->opset < 7 && !is_test))
    return onnx_error(n, "is in training mode, which is not supported");
  if (!spatial) return onnx_error(n, "attribute 'spatial' of 0 is not supported");
  for (int i = 1; i < 5; i++)
    if (onnx_output_used(n, i)) return onnx_error(n, "output %d exists only in training mode", i);
  for (int i = 0; i < 5; i++) {
    if (!(operands[i] = onnx_operand(n, i, false))) return false;
    if (i && !tensor_is_const(operands[i])) return onnx_error(n, "%s must be a constant", what[i]);
  }
  if (!check_variance(n, operands[4], attrs.eps)) return false;
  return onnx_set_output(n, 0, onnx_emit(n, OP_batch_norm, onnx_output_name(n, 0), operands, 5, &attrs));
}

/* ---- reductions ---- */

/* Before opset 13 softmax ran over everything from `axis` on, seen as one row. */
static Tensor *old_softmax(OnnxNode *n, Tensor *x) {
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
  Tensor *y = onnx_emit1(n, OP_softmax, NULL, onnx_reshape(n, NULL, x, &rows), &attrs);
  return onnx_reshape(n, onnx_output_name(n, 0), y, &shape);
}

bool onnx_import_softmax(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  if (!x) return false;
  int rank = x->type.shape.rank, axis;
  bool last = onnx_attr_int(n, "axis", n->opset < 13 ? 1 : -1) == rank - 1 && rank > 1;
  if (n->opset < 13 && !last) return onnx_set_output(n, 0, old_softmax(n, x));
  if (!onnx_axis(n, onnx_attr_int(n, "axis", n->opset < 13 ? 1 : -1), rank, &axis)) return false;
  AxisAttrs attrs = {axis};
  return onnx_set_output(n, 0, onnx_emit1(n, OP_softmax, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_reduce_mean(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  OnnxInts axes = {0};
  bool mask[MAX_RANK], keepdims, noop;
  ReduceAttrs attrs = {0};
  if (!x || !onnx_attr_flag(n, "keepdims", true, &keepdims) ||
      !onnx_attr_flag(n, "noop_with_empty_axes", false, &noop))
    return false;
  onnx_attr_ints(n, "axes", &axes);
  if (onnx_has_input(n, 1) && !onnx_ints_input(n, 1, "axes", &axes)) return false;
  if (!onnx_axes(n, &axes, x->type.shape.rank, mask)) return false;
  bool all = !axes.n && !noop;
  for (int i = 0; i < x->type.shape.rank; i++)
    if (mask[i] || all) attrs.axes.v[attrs.axes.n++] = i;
  attrs.keepdims = keepdims;
  OpId op = attrs.axes.n ? OP_reduce_mean : OP_identity;
  return onnx_set_output(n, 0, onnx_emit1(n, op, onnx_output_name(n, 0), x, attrs.axes.n ? &attrs : NULL));
}

bool onnx_import_global_average_pool(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_global_avg_pool, onnx_output_name(n, 0), x, NULL));
}
