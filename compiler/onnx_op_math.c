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
    {"Sum", OP_add, 0, 0},
    {"Mean", OP_add, 0, 0},
    {"Max", OP_max, 0, 0},
    {"Min", OP_min, 0, 0},
};

static const SameOp *same_op(const OnnxNode *n) {
  for (size_t i = 0; i < sizeof same_ops / sizeof *same_ops; i++)
    if (!strcmp(same_ops[i].name, n->op->name)) return &same_ops[i];
  BUG("%s is not one IR op", n->op->name);
}

bool onnx_import_unary(OnnxNode *n) {
  if (same_op(n)->op == OP_relu && onnx_import_own_clamp(n, 0, INFINITY)) return true;
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
  const char *mode = onnx_attr_string(n, "approximate", strcmp(n->op->name, "GeluTanh") ? "none" : "tanh");
  GeluAttrs attrs = {!strcmp(mode, "tanh")};
  if (!attrs.approximate && strcmp(mode, "none"))
    return onnx_error(n, "attribute 'approximate' is '%s'; none or tanh are known",
                      onnx_shown(n->im->arena, mode));
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_gelu, onnx_output_name(n, 0), x, &attrs));
}

/* The bound of a Clip over integers, where it is given. */
static bool integer_bound(const OnnxNode *n, int i, const char *what, DType dtype, int64_t *bound) {
  if (!onnx_has_input(n, i)) return true;
  const OnnxValue *v = onnx_const_input(n, i, what);
  if (!v) return false;
  if (v->type.dtype != dtype || shape_count(&v->type.shape) != 1)
    return onnx_error(n, "%s, input '%s', is %s; one %s is needed", what,
                      onnx_shown(n->im->arena, n->proto->input[i]), type_text(n->im->arena, &v->type),
                      dtype_info[dtype].name);
  *bound = dtype == DT_S8 ? *(const int8_t *)v->data : *(const uint8_t *)v->data;
  return true;
}

/* Between QuantizeLinear and DequantizeLinear: what PyTorch makes of quantization to less than the type. */
static bool import_clamp(OnnxNode *n, Tensor *q) {
  DType dtype = q->type.dtype;
  ClampAttrs attrs = {dtype_info[dtype].min, dtype_info[dtype].max};
  if (!integer_bound(n, 1, "min", dtype, &attrs.min) || !integer_bound(n, 2, "max", dtype, &attrs.max))
    return false;
  if (attrs.min > attrs.max) attrs.min = attrs.max;
  return onnx_set_output(n, 0, onnx_emit1(n, OP_clamp, onnx_output_name(n, 0), q, &attrs));
}

/* A bound that is computed, or an infinity: max or min of two. */
static Tensor *computed_bound(OnnxNode *n, OpId op, const char *name, Tensor *x, int i) {
  Tensor *bound = onnx_operand(n, i, false);
  if (bound && shape_count(&bound->type.shape) != 1) {
    onnx_error(n, "%s, input '%s', is %s; one FLOAT is needed", i == 1 ? "min" : "max",
               onnx_shown(n->im->arena, n->proto->input[i]), type_text(n->im->arena, &bound->type));
    return NULL;
  }
  Shape scalar = {0};
  return bound ? onnx_emit2(n, op, name, x, onnx_reshape(n, NULL, bound, &scalar), NULL) : NULL;
}

static bool is_computed(const OnnxNode *n, int i) {
  return onnx_has_input(n, i) && !onnx_input(n, i)->data && !onnx_input(n, i)->elem;
}

static bool import_computed_clip(OnnxNode *n, Tensor *x) {
  bool max = onnx_has_input(n, 2);
  const char *name = onnx_output_name(n, 0);
  if (onnx_has_input(n, 1)) x = computed_bound(n, OP_max, max ? NULL : name, x, 1);
  if (max && x) x = computed_bound(n, OP_min, name, x, 2);
  return onnx_set_output(n, 0, x);
}

bool onnx_import_clip(OnnxNode *n) {
  ClipAttrs attrs = {onnx_attr_float(n, "min", -INFINITY), onnx_attr_float(n, "max", INFINITY)};
  Tensor *x = onnx_operand(n, 0, true);
  if (x && x->type.quant) return import_clamp(n, x);
  if (x && (is_computed(n, 1) || is_computed(n, 2))) return import_computed_clip(n, x);
  if (!x || (onnx_has_input(n, 1) && !onnx_scalar_input(n, 1, "min", &attrs.min)) ||
      (onnx_has_input(n, 2) && !onnx_scalar_input(n, 2, "max", &attrs.max)))
    return false;
  /* how exporters write that there is no bound */
  if (attrs.min == -FLT_MAX && !n->im->own) attrs.min = -INFINITY;
  if (attrs.max == FLT_MAX && !n->im->own) attrs.max = INFINITY;
  if (attrs.min > attrs.max) attrs.min = attrs.max; /* min(max(x, min), max): everything becomes max */
  if (onnx_import_own_clamp(n, attrs.min, attrs.max)) return true;
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
  bool done;
  if (onnx_is_index_add(n)) return onnx_import_index_add(n);
  if (same_op(n)->op == OP_mul && onnx_is_own_silu(n)) return onnx_import_own_silu(n);
  if (n->opset >= 7 && same_op(n)->op == OP_add && (!onnx_import_bias(n, &done) || done)) return done;
  Tensor *a = onnx_operand(n, 0, false), *b = a ? onnx_operand(n, 1, false) : NULL;
  if (b && n->opset < 7) b = old_broadcast(n, a, b);
  return onnx_set_output(n, 0, onnx_emit2(n, same_op(n)->op, onnx_output_name(n, 0), a, b, NULL));
}

static Tensor *float_scalar(OnnxNode *n, float v) {
  return onnx_constant(n, NULL, (Type){DT_F32, {0}, NULL}, arena_memdup(n->im->arena, &v, sizeof v));
}

/* Sum, Max, Min, Mean: of any number of inputs, two at a time. */
bool onnx_import_variadic(OnnxNode *n) {
  const SameOp *s = same_op(n);
  int count = (int)n->proto->n_input;
  bool mean = !strcmp(n->op->name, "Mean") && count > 1;
  Tensor *all = onnx_operand(n, 0, false);
  if (count == 1) all = onnx_emit1(n, OP_identity, onnx_output_name(n, 0), all, NULL);
  for (int i = 1; i < count && all; i++)
    all = onnx_emit2(n, s->op, i + 1 == count && !mean ? onnx_output_name(n, 0) : NULL, all,
                     onnx_operand(n, i, false), NULL);
  if (mean && all)
    all = onnx_emit2(n, OP_div, onnx_output_name(n, 0), all, float_scalar(n, (float)count), NULL);
  return onnx_set_output(n, 0, all);
}

/* The exponent: one constant of any type that a float can hold, whatever its shape. */
static bool exponent_input(const OnnxNode *n, float *e, Shape *shape) {
  const OnnxValue *v = onnx_const_input(n, 1, "the exponent");
  if (!v) return false;
  *shape = v->type.shape;
  for (int64_t i = 0, count = shape_count(shape); i < count; i++) {
    float x = v->type.dtype == DT_F32   ? ((const float *)v->data)[i]
              : v->type.dtype == DT_S64 ? (float)((const int64_t *)v->data)[i]
              : v->type.dtype == DT_S32 ? (float)((const int32_t *)v->data)[i]
                                        : NAN;
    if (isfinite(x) && (i == 0 || x == *e)) {
      *e = x;
      continue;
    }
    return onnx_error(n, "the exponent, '%s', must be one finite number",
                      onnx_shown(n->im->arena, n->proto->input[1]));
  }
  return shape_count(shape) > 0 || onnx_error(n, "the exponent has no elements");
}

bool onnx_import_pow(OnnxNode *n) {
  const char *name = onnx_output_name(n, 0);
  Tensor *x = onnx_operand(n, 0, false), *y;
  float exponent = 0;
  Shape shape, joint;
  if (!x || !exponent_input(n, &exponent, &shape)) return false;
  if (n->opset >= 7 &&
      (!shape_broadcast(&x->type.shape, &shape, &joint) || !shape_equal(&joint, &x->type.shape)))
    return onnx_error(n, "the exponent, %s, does not broadcast to %s", shape_text(n->im->arena, &shape),
                      shape_text(n->im->arena, &x->type.shape));
  PowAttrs attrs = {exponent};
  if (n->im->own)
    y = onnx_emit1(n, OP_pow, name, x, &attrs);
  else if (exponent == 1)
    y = onnx_emit1(n, OP_identity, name, x, NULL);
  else if (exponent == 2)
    y = onnx_emit2(n, OP_mul, name, x, x, NULL);
  else if (exponent == 0.5f)
    y = onnx_emit1(n, OP_sqrt, name, x, NULL);
  else
    y = onnx_emit1(n, OP_pow, name, x, &attrs);
  return onnx_set_output(n, 0, y);
}

/* 1 where the condition is `want`, else 0. */
static Tensor *mask_of(OnnxNode *n, const OnnxValue *condition, bool want) {
  int64_t count = shape_count(&condition->type.shape);
  float *m = ARENA_NEW_ARRAY(n->im->arena, float, (size_t)count);
  for (int64_t i = 0; i < count; i++) m[i] = (((const uint8_t *)condition->data)[i] != 0) == want;
  return onnx_constant(n, onnx_temp_name(n, want ? "chosen" : "left"),
                       (Type){DT_F32, condition->type.shape, NULL}, m);
}

/* A condition that is constant: x times a mask of ones and zeros, plus y times the opposite. */
bool onnx_import_where(OnnxNode *n) {
  const OnnxValue *condition = onnx_const_input(n, 0, "the condition");
  if (!condition) return false;
  if (condition->type.dtype != DT_BOOL)
    return onnx_error(n, "the condition is %s; BOOL is needed", type_text(n->im->arena, &condition->type));
  Tensor *x = onnx_operand(n, 1, false), *y = x ? onnx_operand(n, 2, false) : NULL;
  if (!y) return false;
  Tensor *chosen = onnx_emit2(n, OP_mul, NULL, x, mask_of(n, condition, true), NULL);
  Tensor *left = chosen ? onnx_emit2(n, OP_mul, NULL, y, mask_of(n, condition, false), NULL) : NULL;
  return onnx_set_output(n, 0, onnx_emit2(n, OP_add, onnx_output_name(n, 0), chosen, left, NULL));
}

/* Before opset 7 a slope of several elements has one for each channel. */
bool onnx_import_prelu(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false), *slope = x ? onnx_operand(n, 1, false) : NULL;
  if (!slope) return false;
  const Shape *s = &slope->type.shape;
  if (n->opset < 7 && s->rank == 1 && s->dim[0] > 1 && x->type.shape.rank > 2) {
    Shape channels = {.rank = x->type.shape.rank - 1, .dim = {s->dim[0], 1, 1, 1, 1, 1, 1}};
    slope = onnx_reshape(n, NULL, slope, &channels);
  }
  return onnx_set_output(n, 0, onnx_emit2(n, OP_prelu, onnx_output_name(n, 0), x, slope, NULL));
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
