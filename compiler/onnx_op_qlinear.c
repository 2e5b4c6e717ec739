/* Operators over quantized tensors, as ONNX has them and as ONNX Runtime's quantizer makes them: each is
 * imported as what it stands for, the float operator between dequantize and quantize. */
#include "compiler/onnx_quant.h"
#include "ir/quant.h"

#include <string.h>

/* ---- checks ---- */

/* Inputs between which optional ones lie. */
static bool has_inputs(const OnnxNode *n, const int *inputs, int count) {
  for (int i = 0; i < count; i++)
    if (!onnx_has_input(n, inputs[i]))
      return onnx_error(n, "input %d of %s is missing", inputs[i], n->op->name);
  return true;
}

static bool is_channels_first(const OnnxNode *n) {
  bool last;
  return onnx_attr_flag(n, "channels_last", false, &last) &&
         (!last || onnx_error(n, "attribute 'channels_last' of 1 is not supported"));
}

/* ---- results ---- */

/* y, quantized by `params`; without a zero point it has the element type of input `like`. */
static bool set_result(OnnxNode *n, Tensor *y, OnnxParams params, int like) {
  const OnnxValue *v = onnx_input(n, like);
  params.absent = v->tensor ? v->tensor->type.dtype : v->type.dtype;
  return onnx_set_output(n, 0, onnx_emit_quantize(n, onnx_output_name(n, 0), y, &params, 0));
}

/* ---- one operand: X, X_scale, X_zero_point, Y_scale, Y_zero_point ---- */

static Tensor *unary_operand(OnnxNode *n) {
  static const OnnxParams params = {"x", 1, 2};
  static const int needed[] = {0, 1, 3};
  return has_inputs(n, needed, 3) ? onnx_dequantized_operand(n, NULL, 0, &params, 0, false) : NULL;
}

static bool unary_result(OnnxNode *n, Tensor *y) { return y && set_result(n, y, (OnnxParams){"y", 3, 4}, 0); }

bool onnx_import_qlinear_sigmoid(OnnxNode *n) {
  return unary_result(n, onnx_emit1(n, OP_sigmoid, NULL, unary_operand(n), NULL));
}

bool onnx_import_qlinear_leaky_relu(OnnxNode *n) {
  AlphaBetaAttrs attrs = {.alpha = onnx_attr_float(n, "alpha", 0.01f)};
  return unary_result(n, onnx_emit1(n, OP_leaky_relu, NULL, unary_operand(n), &attrs));
}

bool onnx_import_qlinear_global_average_pool(OnnxNode *n) {
  if (!is_channels_first(n)) return false;
  return unary_result(n, onnx_emit1(n, OP_global_avg_pool, NULL, unary_operand(n), NULL));
}

bool onnx_import_qlinear_average_pool(OnnxNode *n) {
  Tensor *x = is_channels_first(n) ? unary_operand(n) : NULL;
  return x && unary_result(n, onnx_emit_pool(n, NULL, x, false));
}

bool onnx_import_qlinear_reduce_mean(OnnxNode *n) {
  Tensor *x = unary_operand(n);
  OnnxInts axes = {0};
  bool mask[MAX_RANK];
  ReduceAttrs attrs = {0};
  onnx_attr_ints(n, "axes", &axes);
  if (!x || !onnx_attr_flag(n, "keepdims", true, &attrs.keepdims) ||
      !onnx_axes(n, &axes, x->type.shape.rank, mask))
    return false;
  for (int i = 0; i < x->type.shape.rank; i++)
    if (mask[i] || !axes.n) attrs.axes.v[attrs.axes.n++] = i;
  return unary_result(n, onnx_emit1(n, OP_reduce_mean, NULL, x, &attrs));
}

/* The attribute `opset` says which of softmax's two meanings is meant. */
bool onnx_import_qlinear_softmax(OnnxNode *n) {
  Tensor *x = unary_operand(n);
  if (!onnx_has_attr(n, "opset")) return onnx_error(n, "attribute 'opset' is missing");
  return x && unary_result(n, onnx_emit_softmax(n, OP_softmax, NULL, x, onnx_attr_int(n, "opset", 0)));
}

/* ---- two operands: A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point ---- */

static const OnnxParams params_a = {"a", 1, 2}, params_b = {"b", 4, 5};

static bool import_binary(OnnxNode *n, OpId op) {
  static const int needed[] = {0, 1, 3, 4, 6};
  if (!has_inputs(n, needed, 5)) return false;
  Tensor *a = onnx_dequantized_operand(n, NULL, 0, &params_a, 0, false);
  Tensor *b = a ? onnx_dequantized_operand(n, NULL, 3, &params_b, 0, false) : NULL;
  Tensor *c = onnx_emit2(n, op, NULL, a, b, NULL);
  return c && set_result(n, c, (OnnxParams){"c", 6, 7}, 0);
}

bool onnx_import_qlinear_add(OnnxNode *n) { return import_binary(n, OP_add); }
bool onnx_import_qlinear_mul(OnnxNode *n) { return import_binary(n, OP_mul); }

/* ---- QLinearConcat: Y_scale, Y_zero_point, then X, X_scale, X_zero_point for each operand ---- */

bool onnx_import_qlinear_concat(OnnxNode *n) {
  int count = ((int)n->proto->n_input - 2) / 3, axis;
  if (count < 1 || (int)n->proto->n_input != 2 + 3 * count)
    return onnx_error(n, "%d inputs: two, and three for each operand, are needed", (int)n->proto->n_input);
  Tensor **x = ARENA_NEW_ARRAY(n->im->arena, Tensor *, (size_t)count);
  for (int i = 0; i < count; i++) {
    const OnnxParams params = {arena_printf(n->im->arena, "operand %d", i), 3 + 3 * i, 4 + 3 * i};
    if (!has_inputs(n, (const int[]){0, 2 + 3 * i, 3 + 3 * i}, 3)) return false;
    x[i] = onnx_dequantized_operand(n, NULL, 2 + 3 * i, &params, 0, false);
    if (!x[i]) return false;
  }
  if (!onnx_has_attr(n, "axis")) return onnx_error(n, "attribute 'axis' is missing");
  if (!onnx_axis(n, onnx_attr_int(n, "axis", 0), x[0]->type.shape.rank, &axis)) return false;
  AxisAttrs attrs = {axis};
  Tensor *y = onnx_emit(n, OP_concat, NULL, x, count, &attrs);
  return y && set_result(n, y, (OnnxParams){"y", 0, 1}, 2);
}

/* ---- QLinearConv, QLinearMatMul, QGemm ---- */

static const Quant *quant_under(const Tensor *view) { return view->producer->operands[0]->type.quant; }

/* The bias has no parameters of its own: its scale is that of the accumulator. */
static Tensor *layer_bias(OnnxNode *n, int i, const char *what, const Tensor *x, const Tensor *w) {
  const OnnxValue *b = onnx_const_input(n, i, what);
  const Quant *wq = quant_under(w);
  float s_x = quant_under(x)->scale[0];
  Arena *a = n->im->arena;
  if (!b) return NULL;
  if (b->type.dtype != DT_S32 || b->type.shape.rank != 1 || b->type.shape.dim[0] != w->type.shape.dim[0]) {
    onnx_error(n, "%s is %s; INT32[%lld] is needed", what, type_text(a, &b->type),
               (long long)w->type.shape.dim[0]);
    return NULL;
  }
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)wq->count);
  for (int64_t k = 0; k < wq->count; k++) {
    scale[k] = s_x * wq->scale[k];
    if (scale_is_valid(scale[k])) continue;
    onnx_error(n, "the product of the scales of x and w is %g for channel %lld", (double)scale[k],
               (long long)k);
    return NULL;
  }
  const Quant *quant =
      quant_new(a, wq->axis, wq->count, scale, ARENA_NEW_ARRAY(a, int32_t, (size_t)wq->count));
  return onnx_emit1(n, OP_dequantize, NULL, onnx_quantized_operand(n, i, quant), NULL);
}

bool onnx_import_qlinear_conv(OnnxNode *n) {
  static const OnnxParams px = {"x", 1, 2}, pw = {"w", 4, 5};
  if (!is_channels_first(n)) return false;
  Tensor *x = onnx_dequantized_operand(n, NULL, 0, &px, 0, false);
  if (!onnx_input(n, 3)->data) return onnx_error(n, "w must be a constant");
  Tensor *w = x ? onnx_dequantized_operand(n, NULL, 3, &pw, 0, false) : NULL;
  bool with_bias = onnx_has_input(n, 8);
  if (x && quant_under(x)->axis >= 0) return onnx_error(n, "x must have one scale");
  Tensor *bias = w && with_bias ? layer_bias(n, 8, "B", x, w) : NULL;
  if (!w || (with_bias && !bias)) return false;
  Tensor *y = onnx_emit_conv(n, NULL, x, w, bias);
  return y && set_result(n, y, (OnnxParams){"y", 6, 7}, 0);
}

bool onnx_import_qlinear_matmul(OnnxNode *n) {
  Tensor *a = onnx_dequantized_operand(n, NULL, 0, &params_a, -1, false);
  Tensor *b = a ? onnx_dequantized_operand(n, NULL, 3, &params_b, -1, false) : NULL;
  Tensor *y = b ? onnx_emit_matmul(n, NULL, a, b) : NULL;
  return y && set_result(n, y, (OnnxParams){"y", 6, 7}, 0);
}

/* alpha * A' * B' + C; without a scale of y the result is float32. */
bool onnx_import_qgemm(OnnxNode *n) {
  static const int needed[] = {0, 1, 3, 4};
  bool trans_a, trans_b, quantized = onnx_has_input(n, 7);
  float alpha = onnx_attr_float(n, "alpha", 1);
  if (!has_inputs(n, needed, 4) || !onnx_attr_flag(n, "transA", false, &trans_a) ||
      !onnx_attr_flag(n, "transB", false, &trans_b))
    return false;
  Tensor *a = onnx_dequantized_operand(n, NULL, 0, &params_a, 0, false);
  if (a && quant_under(a)->axis >= 0) return onnx_error(n, "a must have one scale");
  if (!onnx_input(n, 3)->data) return onnx_error(n, "b must be a constant");
  Tensor *b = a ? onnx_dequantized_operand(n, NULL, 3, &params_b, trans_b ? 0 : 1, false) : NULL;
  if (!b || !onnx_gemm_shapes(n, &a->type.shape, &b->type.shape, trans_a, trans_b)) return false;
  if (!(alpha > 0)) return onnx_error(n, "attribute 'alpha' is %g; it must be positive", (double)alpha);
  Tensor *w = onnx_gemm_weight(n, b, trans_b, alpha);
  Tensor *bias = w && onnx_has_input(n, 6) ? layer_bias(n, 6, "C", a, w) : NULL;
  if (!w || (onnx_has_input(n, 6) && !bias)) return false;
  TransposeAttrs turn = {{2, {1, 0}}};
  if (trans_a) a = onnx_emit1(n, OP_transpose, NULL, a, &turn);
  if (!a) return false;
  const char *name = onnx_output_name(n, 0);
  Tensor *y = onnx_emit(n, OP_linear, quantized ? NULL : name, (Tensor *[]){a, w, bias}, bias ? 3 : 2, NULL);
  if (!quantized) return onnx_set_output(n, 0, y);
  return y && set_result(n, y, (OnnxParams){"y", 7, 8}, 0);
}
