#include "compiler/onnx_ops.h"

#include <math.h>
#include <string.h>

static const float *floats(const Tensor *t) { return t->data; }

/* t * factor; for constants at once, and for a dequantized constant in its scales. NULL after a diagnostic.
 */
static Tensor *scaled(OnnxNode *n, Tensor *t, float factor) {
  if (!t || factor == 1) return t;
  Arena *a = n->im->arena;
  bool dequantized = !tensor_is_const(t) && onnx_is_weight(t);
  if (dequantized && factor > 0) {
    Tensor *q = t->producer->operands[0];
    const Quant *old = q->type.quant;
    float *scale = arena_memdup(a, old->scale, sizeof(float) * (size_t)old->count);
    Type type = q->type;
    for (int64_t i = 0; i < old->count; i++) scale[i] *= factor;
    type.quant = quant_new(a, old->axis, old->count, scale, old->zero);
    return onnx_emit1(n, OP_dequantize, NULL, onnx_constant(n, onnx_temp_name(n, "weight"), type, q->data),
                      NULL);
  }
  float *one = arena_memdup(a, &factor, sizeof factor);
  return onnx_emit2(n, OP_mul, NULL, t, onnx_constant(n, NULL, (Type){DT_F32, {0}, NULL}, one), NULL);
}

/* The weight as linear wants it, [OC, IC]. */
static Tensor *as_weight(OnnxNode *n, Tensor *w, bool transposed) {
  return transposed ? w : onnx_transpose_weight(n, w);
}

/* ---- Gemm: alpha * A' * B' + beta * C ---- */

/* C as the bias of linear: a constant (or dequantized one) that has one value a column. NULL: it is not that.
 */
static Tensor *as_bias(OnnxNode *n, Tensor *c, int64_t columns) {
  Shape row = shape_of(1, columns);
  const Shape *s = &c->type.shape;
  int64_t count = shape_count(s);
  if (!onnx_is_weight(c)) return NULL;
  if (count == columns && (!s->rank || s->dim[s->rank - 1] == columns)) return onnx_reshape(n, NULL, c, &row);
  if (count != 1 || !tensor_is_const(c)) return NULL;
  float *v = ARENA_NEW_ARRAY(n->im->arena, float, (size_t)columns);
  for (int64_t i = 0; i < columns; i++) v[i] = floats(c)[0];
  return onnx_constant(n, onnx_temp_name(n, "bias"), (Type){DT_F32, row, NULL}, v);
}

bool onnx_gemm_shapes(const OnnxNode *n, const Shape *a, const Shape *b, bool trans_a, bool trans_b) {
  Arena *arena = n->im->arena;
  if (a->rank != 2 || b->rank != 2)
    return onnx_error(n, "the inputs must be matrices, not %s and %s", shape_text(arena, a),
                      shape_text(arena, b));
  if (a->dim[!trans_a] != b->dim[trans_b])
    return onnx_error(n, "%s%s and %s%s cannot be multiplied", shape_text(arena, a),
                      trans_a ? " transposed" : "", shape_text(arena, b), trans_b ? " transposed" : "");
  return true;
}

Tensor *onnx_gemm_weight(OnnxNode *n, Tensor *b, bool trans_b, float alpha) {
  return scaled(n, as_weight(n, b, trans_b), alpha);
}

static bool check_gemm(const OnnxNode *n, const Shape *a, const Shape *b, const Tensor *c, bool trans_a,
                       bool trans_b, Shape *result) {
  Arena *arena = n->im->arena;
  if (!onnx_gemm_shapes(n, a, b, trans_a, trans_b)) return false;
  *result = shape_of(2, a->dim[trans_a], b->dim[!trans_b]);
  Shape joint;
  if (c && (!shape_broadcast(&c->type.shape, result, &joint) || !shape_equal(&joint, result)))
    return onnx_error(n, "C, %s, does not broadcast to %s", shape_text(arena, &c->type.shape),
                      shape_text(arena, result));
  return true;
}

/* opset 6: C broadcasts only where the attribute says so */
static bool check_old_broadcast(const OnnxNode *n, const Tensor *c, const Shape *result) {
  bool broadcast;
  if (!onnx_attr_flag(n, "broadcast", false, &broadcast)) return false;
  if (n->opset >= 7 || broadcast || !c || shape_equal(&c->type.shape, result)) return true;
  return onnx_error(n, "C, %s, is not %s, and attribute 'broadcast' is not set",
                    shape_text(n->im->arena, &c->type.shape), shape_text(n->im->arena, result));
}

static Tensor *transposed_activation(OnnxNode *n, Tensor *t) {
  TransposeAttrs attrs = {{2, {1, 0}}};
  return onnx_emit1(n, OP_transpose, NULL, t, &attrs);
}

bool onnx_import_gemm(OnnxNode *n) {
  const char *name = onnx_output_name(n, 0);
  bool trans_a, trans_b, with_c = onnx_has_input(n, 2);
  float alpha = onnx_attr_float(n, "alpha", 1), beta = onnx_attr_float(n, "beta", 1);
  Tensor *a = onnx_operand(n, 0, false), *b = a ? onnx_operand(n, 1, false) : NULL;
  Tensor *c = b && with_c ? onnx_operand(n, 2, false) : NULL;
  Shape result;
  if (!b || (with_c && !c) || !onnx_attr_flag(n, "transA", false, &trans_a) ||
      !onnx_attr_flag(n, "transB", false, &trans_b) ||
      !check_gemm(n, &a->type.shape, &b->type.shape, c, trans_a, trans_b, &result) ||
      !check_old_broadcast(n, c, &result))
    return false;
  if (beta == 0) c = NULL;
  if (trans_a) a = transposed_activation(n, a);
  bool weight = onnx_is_weight(b), had_c = c != NULL;
  if (c && !(c = scaled(n, c, beta))) return false;
  Tensor *bias = c && weight ? as_bias(n, c, result.dim[1]) : NULL;
  bool last = bias || !had_c, scale_after = !weight && alpha != 1;
  Tensor *y;
  if (weight) {
    Tensor *w = onnx_gemm_weight(n, b, trans_b, alpha);
    if (!a || !w) return false;
    y = onnx_emit(n, OP_linear, last ? name : NULL, (Tensor *[]){a, w, bias}, bias ? 3 : 2, NULL);
  } else {
    y = onnx_emit2(n, OP_matmul, last && !scale_after ? name : NULL, a,
                   trans_b ? transposed_activation(n, b) : b, NULL);
    if (scale_after) {
      float *one = arena_memdup(n->im->arena, &alpha, sizeof alpha);
      y = onnx_emit2(n, OP_mul, last ? name : NULL, y, onnx_constant(n, NULL, (Type){DT_F32, {0}, NULL}, one),
                     NULL);
    }
  }
  if (!last) y = onnx_emit2(n, OP_add, name, y, c, NULL);
  return onnx_set_output(n, 0, y);
}

/* ---- an addition that is the bias of a MatMul ---- */

/* The input that a linear layer without a bias makes for this node alone; NULL: there is none. */
static Node *open_layer(const OnnxNode *n, int i) {
  const OnnxValue *v = onnx_input(n, i);
  Node *p = v->tensor ? v->tensor->producer : NULL;
  return p && p->op == OP_linear && p->n_operands == 2 && v->uses == 1 ? p : NULL;
}

bool onnx_import_bias(OnnxNode *n, bool *done) {
  *done = false;
  for (int i = 0; i < 2; i++) {
    Node *layer = open_layer(n, i);
    const OnnxValue *v = onnx_input(n, 1 - i);
    bool constant = v->data || (v->tensor && onnx_is_weight(v->tensor));
    if (!layer || !constant) continue;
    Tensor *b = onnx_operand(n, 1 - i, false);
    if (!b) return false;
    if (b->type.shape.rank != 1 || b->type.shape.dim[0] != layer->operands[1]->type.shape.dim[0]) continue;
    node_move_before(layer, NULL); /* the bias may stand behind it */
    node_set_operands(layer, (Tensor *[]){layer->operands[0], layer->operands[1], b}, 3);
    onnx_rename(n, layer->results[0]);
    *done = true;
    return onnx_set_output(n, 0, layer->results[0]);
  }
  return true;
}

/* ---- MatMul ---- */

/* A vector counts as a matrix with one row (left) or one column (right); the result loses that dim again. */
static Tensor *as_matrix(OnnxNode *n, Tensor *t, bool left) {
  const Shape *s = &t->type.shape;
  Shape matrix = left ? shape_of(2, (int64_t)1, s->dim[0]) : shape_of(2, s->dim[0], (int64_t)1);
  return s->rank == 1 ? onnx_reshape(n, NULL, t, &matrix) : t;
}

Tensor *onnx_emit_matmul(OnnxNode *n, const char *name, Tensor *a, Tensor *b) {
  int rank_a = a->type.shape.rank, rank_b = b->type.shape.rank;
  bool vectors = rank_a == 1 || rank_b == 1;
  Arena *arena = n->im->arena;
  if (!rank_a || !rank_b) {
    onnx_error(n, "the inputs must have dimensions, not be scalars");
    return NULL;
  }
  int64_t k = a->type.shape.dim[rank_a - 1], rows = b->type.shape.dim[rank_b == 1 ? 0 : rank_b - 2];
  if (k != rows) {
    onnx_error(n, "%s and %s cannot be multiplied", shape_text(arena, &a->type.shape),
               shape_text(arena, &b->type.shape));
    return NULL;
  }
  if (rank_a == 1 && rank_b == 2 && onnx_is_weight(b)) /* linear takes a vector as it is */
    return onnx_emit2(n, OP_linear, name, a, onnx_transpose_weight(n, b), NULL);
  a = as_matrix(n, a, true);
  b = as_matrix(n, b, false);
  if (!a || !b) return NULL;
  const char *inner = vectors ? NULL : name;
  Tensor *y = !onnx_is_weight(b) || b->type.shape.rank != 2
                  ? onnx_emit2(n, OP_matmul, inner, a, b, NULL)
                  : onnx_emit2(n, OP_linear, inner, a, onnx_transpose_weight(n, b), NULL);
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

bool onnx_import_matmul(OnnxNode *n) {
  Tensor *a = onnx_operand(n, 0, false), *b = a ? onnx_operand(n, 1, false) : NULL;
  return b && onnx_set_output(n, 0, onnx_emit_matmul(n, onnx_output_name(n, 0), a, b));
}
