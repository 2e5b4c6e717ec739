/* What quantizes at run time: DynamicQuantizeLinear, the integer products behind it, and ONNX Runtime's
 * fusions of these. They are imported one by one; the pass qdq puts them together. */
#include "compiler/onnx_function.h"
#include "compiler/onnx_ops.h"
#include "compiler/onnx_window.h"
#include "ir/quant.h"

#include <string.h>

/* ---- operands ---- */

/* The zero point in input i: one, or a list; *ok = false after a diagnostic, NULL where there is none. */
static Tensor *zero_point(OnnxNode *n, int i, bool *ok) {
  if (!onnx_has_input(n, i)) return NULL;
  Tensor *t = onnx_integer_operand(n, i);
  *ok &= t != NULL;
  if (!t) return NULL;
  int64_t count = shape_count(&t->type.shape);
  Shape list = count == 1 ? (Shape){0} : shape_of(1, count);
  return t->type.shape.rank > 1 ? onnx_reshape(n, NULL, t, &list) : t;
}

/* A float scale: one, or a list of constants. */
static Tensor *scale_input(OnnxNode *n, int i) { return onnx_operand(n, i, false); }

/* ---- DynamicQuantizeLinear ---- */

static Node *emit_dynamic_quantize(OnnxNode *n, Tensor *x, const char *const names[3]) {
  if (!x) return NULL;
  Node *q = graph_node(n->im->graph, OP_dynamic_quantize, &x, 1, names, 3, n->loc, NULL);
  bool aten = !strcmp(n->op->domain, ONNX_FUNCTION_DOMAIN); /* our function of that name */
  onnx_label_node(n, q);
  *ATTRS(q, DynamicQuantizeAttrs) =
      (DynamicQuantizeAttrs){aten ? DYNAMIC_ATEN : DYNAMIC_ONNX, aten ? onnx_attr_int(n, "qmax", 0) : 255};
  return node_infer(n->im->diag, q) ? q : NULL;
}

bool onnx_import_dynamic_quantize_linear(OnnxNode *n) {
  static const char *const suffixes[] = {"q", "scale", "zero"};
  const char *names[3];
  for (int i = 0; i < 3; i++) {
    const char *name = onnx_output_name(n, i);
    names[i] = *name ? name : onnx_temp_name(n, suffixes[i]);
  }
  Node *q = emit_dynamic_quantize(n, onnx_operand(n, 0, false), names);
  for (int i = 0; q && i < 3; i++)
    if (*onnx_output_name(n, i) && !onnx_set_output(n, i, q->results[i])) return false;
  return q != NULL;
}

/* ---- ConvInteger ---- */

bool onnx_import_conv_integer(OnnxNode *n) {
  bool ok = true;
  Tensor *x = onnx_integer_operand(n, 0), *w = x ? onnx_integer_operand(n, 1) : NULL;
  Tensor *x_zero = w ? zero_point(n, 2, &ok) : NULL, *w_zero = w ? zero_point(n, 3, &ok) : NULL;
  ConvAttrs attrs;
  if (!w || !ok || !onnx_conv_attrs(n, x, w, NULL, &attrs)) return false;
  int rank = x->type.shape.rank;
  if (rank > 4) return onnx_error(n, "ConvInteger over three dimensions is not supported");
  Shape flat_x = onnx_with_height(&x->type.shape), flat_w = onnx_with_height(&w->type.shape);
  Tensor *operands[] = {onnx_reshape(n, NULL, x, &flat_x), onnx_reshape(n, NULL, w, &flat_w), x_zero, w_zero};
  if (!operands[0] || !operands[1]) return false;
  const char *name = onnx_output_name(n, 0);
  Tensor *y = onnx_emit(n, OP_conv_integer, rank == 3 ? NULL : name, operands, 4, &attrs);
  return onnx_set_output(n, 0, onnx_without_height(n, name, y, rank));
}

/* ---- MatMulInteger ---- */

static Tensor *as_matrix(OnnxNode *n, Tensor *t, bool left) {
  const Shape *s = &t->type.shape;
  Shape matrix = left ? shape_of(2, (int64_t)1, s->dim[0]) : shape_of(2, s->dim[0], (int64_t)1);
  return s->rank == 1 ? onnx_reshape(n, NULL, t, &matrix) : t;
}

/* a x b with their zero points, as s32. */
static Tensor *emit_matmul_integer(OnnxNode *n, const char *name, Tensor *a, Tensor *b, Tensor *a_zero,
                                   Tensor *b_zero) {
  int rank_a = a->type.shape.rank, rank_b = b->type.shape.rank;
  if (!rank_a || !rank_b) {
    onnx_error(n, "the inputs must have dimensions, not be scalars");
    return NULL;
  }
  Tensor *operands[] = {as_matrix(n, a, true), as_matrix(n, b, false), a_zero, b_zero};
  if (!operands[0] || !operands[1]) return NULL;
  bool vectors = rank_a == 1 || rank_b == 1;
  Tensor *y = onnx_emit(n, OP_matmul_integer, vectors ? NULL : name, operands, 4, NULL);
  if (!y || !vectors) return y;
  Shape s = y->type.shape;
  if (rank_b == 1) s.rank--;
  if (rank_a == 1) { /* the row is the last dim, or the one before the columns */
    int row = rank_b == 1 ? s.rank - 1 : s.rank - 2;
    for (int i = row; i + 1 < s.rank; i++) s.dim[i] = s.dim[i + 1];
    s.rank--;
  }
  return onnx_reshape(n, name, y, &s);
}

bool onnx_import_matmul_integer(OnnxNode *n) {
  bool ok = true;
  Tensor *a = onnx_integer_operand(n, 0), *b = a ? onnx_integer_operand(n, 1) : NULL;
  Tensor *a_zero = b ? zero_point(n, 2, &ok) : NULL, *b_zero = b ? zero_point(n, 3, &ok) : NULL;
  if (!b || !ok) return false;
  return onnx_set_output(n, 0, emit_matmul_integer(n, onnx_output_name(n, 0), a, b, a_zero, b_zero));
}

/* ---- com.microsoft ---- */

/* The product as float: (float)acc * (a_scale * b_scale) + bias. */
static bool emit_scaled(OnnxNode *n, Tensor *acc, Tensor *a_scale, Tensor *b_scale, int bias_input) {
  const char *name = onnx_output_name(n, 0);
  bool with_bias = onnx_has_input(n, bias_input);
  Tensor *bias = with_bias ? onnx_operand(n, bias_input, false) : NULL;
  Tensor *scale = onnx_emit2(n, OP_mul, NULL, a_scale, b_scale, NULL);
  if (!acc || !scale || (with_bias && !bias)) return false;
  Tensor *y =
      onnx_emit2(n, OP_mul, with_bias ? NULL : name, onnx_emit1(n, OP_cast, NULL, acc, NULL), scale, NULL);
  if (with_bias) y = onnx_emit2(n, OP_add, name, y, bias, NULL);
  return onnx_set_output(n, 0, y);
}

/* MatMulIntegerToFloat(A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias) */
bool onnx_import_matmul_integer_to_float(OnnxNode *n) {
  bool ok = true;
  Tensor *a = onnx_integer_operand(n, 0), *b = a ? onnx_integer_operand(n, 1) : NULL;
  Tensor *a_scale = b ? scale_input(n, 2) : NULL, *b_scale = a_scale ? scale_input(n, 3) : NULL;
  Tensor *a_zero = b_scale ? zero_point(n, 4, &ok) : NULL, *b_zero = b_scale ? zero_point(n, 5, &ok) : NULL;
  if (!b_scale || !ok) return false;
  return emit_scaled(n, emit_matmul_integer(n, NULL, a, b, a_zero, b_zero), a_scale, b_scale, 6);
}

/* DynamicQuantizeMatMul(A, B, b_scale, b_zero_point, bias) */
bool onnx_import_dynamic_quantize_matmul(OnnxNode *n) {
  bool ok = true;
  Tensor *x = onnx_operand(n, 0, false), *b = x ? onnx_integer_operand(n, 1) : NULL;
  Tensor *b_scale = b ? scale_input(n, 2) : NULL, *b_zero = b_scale ? zero_point(n, 3, &ok) : NULL;
  if (!b_scale || !ok) return false;
  const char *names[] = {onnx_temp_name(n, "q"), onnx_temp_name(n, "scale"), onnx_temp_name(n, "zero")};
  Node *q = emit_dynamic_quantize(n, x, names);
  if (!q) return false;
  Tensor *acc = emit_matmul_integer(n, NULL, q->results[0], b, q->results[2], b_zero);
  return emit_scaled(n, acc, q->results[1], b_scale, 4);
}
