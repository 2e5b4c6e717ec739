/* What is quantized while the model runs, and products of plain integers: the operators that ONNX has for
 * them, one after the other, which the pass qdq puts together again. */
#include "compiler/onnx_export_ops.h"
#include "ir/quant.h"

#include <string.h>

/* ---- single operators ---- */

bool onnx_export_dynamic_quantize(OnnxExport *e, const Node *n, const char *name) {
  const DynamicQuantizeAttrs *a = ATTRS(n, DynamicQuantizeAttrs);
  if (a->rule == DYNAMIC_ONNX && a->qmax != 255)
    return onnx_export_error(e, n, "DynamicQuantizeLinear of ONNX has no other qmax than 255");
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[0]));
  if (a->rule == DYNAMIC_ATEN) {
    onnx_build_int(&e->build, p, "qmax", a->qmax);
    onnx_build_call(&e->build, p);
  }
  onnx_export_raw_result(e, n, p);
  return true;
}

bool onnx_export_cast(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[0]));
  onnx_build_int(&e->build, p, "to", onnx_elem_of(n->results[0]->type.dtype));
  onnx_export_raw_result(e, n, p);
  return true;
}

static void add_window(OnnxExport *e, const Node *n, Onnx__NodeProto *p, const Shape *w) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  onnx_build_ints(&e->build, p, "kernel_shape", w->dim + 2, a->stride.n);
  onnx_build_ints(&e->build, p, "strides", a->stride.v, a->stride.n);
  onnx_build_ints(&e->build, p, "pads", a->pad.v, a->pad.n);
  onnx_build_ints(&e->build, p, "dilations", a->dilation.v, a->dilation.n);
  onnx_build_int(&e->build, p, "group", a->groups);
}

bool onnx_export_integer_product(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  int count = n->n_operands;
  while (count > 2 && !n->operands[count - 1]) count--;
  for (int i = 0; i < count; i++)
    onnx_build_input(&e->build, p, n->operands[i] ? onnx_export_tensor(e, n->operands[i]) : "");
  if (n->op == OP_conv_integer) add_window(e, n, p, &n->operands[1]->type.shape);
  onnx_export_raw_result(e, n, p);
  return true;
}

/* ---- dynamic_linear, dynamic_conv2d ---- */

enum { X, SCALE, ZERO, WEIGHT, BIAS };

/* A list for each channel of the result: [OC], of a convolution [OC, 1, 1]. */
static Shape channel_shape(const Node *n, int64_t count) {
  if (count == 1) return (Shape){0};
  return n->op == OP_dynamic_conv2d ? shape_of(3, count, (int64_t)1, (int64_t)1) : shape_of(1, count);
}

/* One scale for each channel keeps its list, even where there is one channel. */
static Shape scale_shape(const Node *n, const Quant *q) {
  Shape s = channel_shape(n, q->count);
  return q->axis >= 0 && q->count == 1 ? shape_of(1, (int64_t)1) : s;
}

static const char *list(OnnxExport *e, const Node *n, const char *what, DType dtype, Shape shape,
                        const void *data) {
  const char *name = onnx_build_fresh(&e->build, n->results[0]->name, what);
  onnx_build_initializer(&e->build, name, onnx_elem_of(dtype), &shape, data,
                         shape_count(&shape) * dtype_info[dtype].bytes);
  return name;
}

static bool all_zero(const Quant *q) {
  for (int64_t i = 0; i < q->count; i++)
    if (q->zero[i]) return false;
  return true;
}

/* NULL where all are zero. */
static const char *weight_zero(OnnxExport *e, const Node *n, const Type *w) {
  const Quant *q = w->quant;
  if (all_zero(q)) return NULL;
  uint8_t *bytes = arena_alloc(e->arena, (size_t)q->count);
  for (int64_t i = 0; i < q->count; i++) bytes[i] = (uint8_t)q->zero[i];
  Shape shape = {.rank = q->count > 1, .dim = {q->count}};
  return list(e, n, "weight_zero_point", w->dtype, shape, bytes);
}

/* The weight under its own name: as it is, or for MatMulInteger as [IC, OC]. */
static const char *weight(OnnxExport *e, const Node *n) {
  const Tensor *w = n->operands[WEIGHT];
  if (n->op == OP_dynamic_conv2d) return onnx_export_tensor(e, w);
  Tensor t = onnx_export_transposed(e, w);
  bool alone = true; /* no other node wants it in the form that it has */
  for (int i = 0; i < w->n_uses; i++) alone &= w->uses[i].node->op == OP_dynamic_linear;
  if (!alone) t.name = onnx_build_fresh(&e->build, n->results[0]->name, "weight");
  return onnx_export_tensor(e, &t);
}

static Onnx__NodeProto *step(OnnxExport *e, const char *op, const char *x, const char *y) {
  Onnx__NodeProto *p = onnx_build_node(&e->build, op, "");
  onnx_build_input(&e->build, p, x);
  if (y) onnx_build_input(&e->build, p, y);
  return p;
}

/* The sums of the integers, as float32. */
static const char *product(OnnxExport *e, const Node *n) {
  const Tensor *w = n->operands[WEIGHT], *r = n->results[0];
  bool conv = n->op == OP_dynamic_conv2d;
  const char *weights = weight(e, n), *w_zero = weight_zero(e, n, &w->type);
  Onnx__NodeProto *p = onnx_export_node(e, n, conv ? "ConvInteger" : "MatMulInteger");
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[X]));
  onnx_build_input(&e->build, p, weights);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[ZERO]));
  if (w_zero) onnx_build_input(&e->build, p, w_zero);
  if (conv) add_window(e, n, p, &w->type.shape);
  const char *sums = onnx_export_step(e, p, r->name, "integer", onnx_elem_of(DT_S32), &r->type.shape);
  Onnx__NodeProto *cast = step(e, "Cast", sums, NULL);
  onnx_build_int(&e->build, cast, "to", onnx_elem_of(DT_F32));
  return onnx_export_step(e, cast, r->name, "sums", onnx_elem_of(DT_F32), &r->type.shape);
}

static const char *bias(OnnxExport *e, const Node *n) {
  Tensor t = *n->operands[BIAS];
  t.type.shape = channel_shape(n, shape_count(&t.type.shape));
  bool one_form = true;
  for (int i = 0; i < t.n_uses; i++) one_form &= t.uses[i].node->op == n->op;
  if (!one_form) t.name = onnx_build_fresh(&e->build, n->results[0]->name, "bias");
  return onnx_export_tensor(e, &t);
}

bool onnx_export_dynamic_layer(OnnxExport *e, const Node *n, const char *name) {
  (void)name;
  const Quant *q = n->operands[WEIGHT]->type.quant;
  const Tensor *r = n->results[0];
  int f32 = onnx_elem_of(DT_F32);
  Shape scales_shape = scale_shape(n, q);
  const char *sums = product(e, n);
  const char *w_scale = list(e, n, "weight_scale", DT_F32, scales_shape, q->scale);
  Onnx__NodeProto *p = step(e, "Mul", onnx_export_tensor(e, n->operands[SCALE]), w_scale);
  const char *scales = onnx_export_step(e, p, r->name, "scales", f32, &scales_shape);
  p = step(e, "Mul", sums, scales);
  if (n->n_operands > BIAS && n->operands[BIAS]) {
    const char *scaled = onnx_export_step(e, p, r->name, "scaled", f32, &r->type.shape);
    p = step(e, "Add", scaled, bias(e, n));
  }
  onnx_export_result(e, n, p);
  return true;
}
