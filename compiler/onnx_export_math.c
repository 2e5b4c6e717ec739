/* Ops that compute element by element, reductions, matrix products: in float32, between DequantizeLinear and
 * QuantizeLinear where their tensors are quantized. */
#include "compiler/onnx_export_ops.h"

#include <math.h>
#include <string.h>

static Onnx__NodeProto *with_operands(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_export_operands(e, p, n, n->n_operands);
  return p;
}

bool onnx_export_plain(OnnxExport *e, const Node *n, const char *name) {
  onnx_export_result(e, n, with_operands(e, n, name));
  return true;
}

bool onnx_export_floats(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_operands(e, n, name);
  for (const AttrDesc *a = op_info[n->op]->attrs; a->name; a++)
    onnx_build_float(&e->build, p, a->name, *(const float *)((const char *)n->attrs + a->offset));
  onnx_export_result(e, n, p);
  return true;
}

/* ---- clamps ---- */

static void add_bounds(OnnxExport *e, Onnx__NodeProto *p, const Node *n, float lo, float hi) {
  if (lo > -INFINITY || hi < INFINITY)
    onnx_build_input(&e->build, p, lo > -INFINITY ? onnx_export_scalar(e, n, "min", DT_F32, &lo) : "");
  if (hi < INFINITY) onnx_build_input(&e->build, p, onnx_export_scalar(e, n, "max", DT_F32, &hi));
}

Onnx__NodeProto *onnx_export_clamp(OnnxExport *e, const Node *n, const char *x, float lo, float hi) {
  bool relu = lo == 0 && !signbit(lo) && hi == INFINITY;
  Onnx__NodeProto *p = onnx_build_node(&e->build, relu ? "Relu" : "Clip", "");
  onnx_build_input(&e->build, p, x);
  if (!relu) add_bounds(e, p, n, lo, hi);
  return p;
}

bool onnx_export_clip(OnnxExport *e, const Node *n, const char *name) {
  const ClipAttrs *a = ATTRS(n, ClipAttrs);
  Onnx__NodeProto *p = with_operands(e, n, name);
  add_bounds(e, p, n, a->min, a->max);
  onnx_export_result(e, n, p);
  return true;
}

/* ---- functions that opset 17 lacks ---- */

/* x * sigmoid(x) */
bool onnx_export_silu(OnnxExport *e, const Node *n, const char *name) {
  const char *x = onnx_export_view(e, n->operands[0]);
  Onnx__NodeProto *sigmoid = onnx_build_node(&e->build, "Sigmoid", "");
  onnx_build_input(&e->build, sigmoid, x);
  const char *s = onnx_export_step(e, sigmoid, n->results[0]->name, "sigmoid", onnx_elem_of(DT_F32),
                                   &n->results[0]->type.shape);
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, x);
  onnx_build_input(&e->build, p, s);
  onnx_export_result(e, n, p);
  return true;
}

bool onnx_export_call(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_operands(e, n, name);
  onnx_build_call(&e->build, p);
  onnx_export_result(e, n, p);
  return true;
}

bool onnx_export_gelu(OnnxExport *e, const Node *n, const char *name) {
  return onnx_export_call(e, n, ATTRS(n, GeluAttrs)->approximate == GELU_TANH ? "GeluTanh" : name);
}

bool onnx_export_pow(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_operands(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_scalar(e, n, "exponent", DT_F32, &ATTRS(n, PowAttrs)->exponent));
  onnx_export_result(e, n, p);
  return true;
}

bool onnx_export_batch_norm(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_operands(e, n, name);
  onnx_build_float(&e->build, p, "epsilon", ATTRS(n, BatchNormAttrs)->eps);
  onnx_export_result(e, n, p);
  return true;
}

bool onnx_export_axis(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_operands(e, n, name);
  onnx_build_int(&e->build, p, "axis", ATTRS(n, AxisAttrs)->axis);
  onnx_export_result(e, n, p);
  return true;
}

static void add_axes(OnnxExport *e, Onnx__NodeProto *p, const Node *n) {
  const ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  onnx_build_ints(&e->build, p, "axes", a->axes.v, a->axes.n);
  onnx_build_int(&e->build, p, "keepdims", a->keepdims);
}

bool onnx_export_reduce(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_operands(e, n, name);
  add_axes(e, p, n);
  onnx_export_result(e, n, p);
  return true;
}

/* In opset 17 the one that takes its axes as an input. */
bool onnx_export_reduce_sum(OnnxExport *e, const Node *n, const char *name) {
  const ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  Onnx__NodeProto *p = with_operands(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "axes", a->axes.v, a->axes.n));
  onnx_build_int(&e->build, p, "keepdims", a->keepdims);
  onnx_export_result(e, n, p);
  return true;
}

/* The greatest and the least of integers are what they are. */
bool onnx_export_reduce_ends(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[0]));
  add_axes(e, p, n);
  onnx_export_raw_result(e, n, p);
  return true;
}

/* ---- linear ---- */

/* [OC, IC] as [IC, OC], the axis of the scales with it. */
Tensor onnx_export_transposed(OnnxExport *e, const Tensor *w) {
  Arena *a = e->arena;
  Tensor t = *w;
  int64_t rows = w->type.shape.dim[0], cols = w->type.shape.dim[1];
  size_t size = (size_t)dtype_info[w->type.dtype].bytes;
  const Quant *q = w->type.quant;
  char *data = arena_alloc(a, (size_t)type_bytes(&w->type) + 1);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < cols; c++)
      memcpy(data + (size_t)(c * rows + r) * size, (const char *)w->data + (size_t)(r * cols + c) * size,
             size);
  t.data = data;
  t.type.shape = shape_of(2, cols, rows);
  if (q && q->axis >= 0) t.type.quant = quant_new(a, 1 - q->axis, q->count, q->scale, q->zero);
  return t;
}

/* Gemm takes matrices; MatMul any rank, the weight transposed, and the bias is an addition behind it. */
static bool is_gemm(const Node *n) { return n->operands[0]->type.shape.rank == 2; }

/* No other node wants the weight in the form that it has. */
static bool may_transpose(const Tensor *w) {
  for (int i = 0; i < w->n_uses; i++) {
    const Node *user = w->uses[i].node;
    if (user->op != OP_linear || w->uses[i].operand != 1 || is_gemm(user)) return false;
  }
  return true;
}

static const char *matmul_weight(OnnxExport *e, const Node *n, const Tensor *w) {
  if (may_transpose(w)) {
    Tensor t = onnx_export_transposed(e, w);
    return onnx_export_view(e, &t);
  }
  static const int64_t perm[] = {1, 0};
  Shape shape = shape_of(2, w->type.shape.dim[1], w->type.shape.dim[0]);
  Onnx__NodeProto *p = onnx_build_node(&e->build, "Transpose", "");
  onnx_build_input(&e->build, p, onnx_export_view(e, w));
  onnx_build_ints(&e->build, p, "perm", perm, 2);
  return onnx_export_step(e, p, n->results[0]->name, "weight", onnx_elem_of(DT_F32), &shape);
}

bool onnx_export_linear(OnnxExport *e, const Node *n, const char *name) {
  (void)name;
  const Tensor *bias = n->n_operands > 2 ? n->operands[2] : NULL, *r = n->results[0];
  if (!onnx_export_check_bias(e, n)) return false;
  if (is_gemm(n)) {
    Onnx__NodeProto *p = with_operands(e, n, "Gemm");
    onnx_build_int(&e->build, p, "transB", 1);
    onnx_export_result(e, n, p);
    return true;
  }
  const char *x = onnx_export_view(e, n->operands[0]), *w = matmul_weight(e, n, n->operands[1]);
  Onnx__NodeProto *p = onnx_export_node(e, n, "MatMul");
  onnx_build_input(&e->build, p, x);
  onnx_build_input(&e->build, p, w);
  if (bias) {
    const char *product = onnx_export_step(e, p, r->name, "product", onnx_elem_of(DT_F32), &r->type.shape);
    p = onnx_build_node(&e->build, "Add", "");
    onnx_build_input(&e->build, p, product);
    onnx_build_input(&e->build, p, onnx_export_view(e, bias));
  }
  onnx_export_result(e, n, p);
  return true;
}
