/* Convolutions and pools. */
#include "compiler/onnx_export_ops.h"

#include <float.h>

bool onnx_export_check_bias(OnnxExport *e, const Node *n) {
  const Tensor *bias = n->n_operands > 2 ? n->operands[2] : NULL;
  if (!bias || !n->results[0]->type.quant || bias->type.quant) return true;
  return onnx_export_error(e, n, "the scale of its bias, %g * that of the weight, is not a normal number",
                           (double)tensor_scale(n->operands[0]));
}

bool onnx_export_conv(OnnxExport *e, const Node *n, const char *name) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  if (!onnx_export_check_bias(e, n)) return false;
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_export_operands(e, p, n, n->n_operands);
  onnx_build_ints(&e->build, p, "kernel_shape", n->operands[1]->type.shape.dim + 2, a->stride.n);
  onnx_build_ints(&e->build, p, "strides", a->stride.v, a->stride.n);
  onnx_build_ints(&e->build, p, "pads", a->pad.v, a->pad.n);
  onnx_build_ints(&e->build, p, "dilations", a->dilation.v, a->dilation.n);
  onnx_build_int(&e->build, p, "group", a->groups);
  onnx_export_result(e, n, p);
  return true;
}

/* ---- pools ---- */

/* ONNX Runtime wants each pad to be smaller than the kernel. */
static bool pads_are_small(const PoolAttrs *a) {
  for (int i = 0; i < a->pad.n; i++)
    if (a->pad.v[i] && a->pad.v[i] >= a->kernel.v[i % a->kernel.n]) return false;
  return true;
}

static bool any(const IntList *l, int64_t usual) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i] != usual) return true;
  return false;
}

/* Larger pads become a node of their own, which the importer folds into the pool again. */
static const char *padded(OnnxExport *e, const Node *n, const char *x, DType dtype, const void *fill) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  Shape shape = n->operands[0]->type.shape;
  int spatial = a->kernel.n;
  int64_t pads[2 * MAX_RANK] = {0};
  for (int i = 0; i < spatial; i++) {
    pads[2 + i] = a->pad.v[i];
    pads[shape.rank + 2 + i] = a->pad.v[spatial + i];
    shape.dim[2 + i] += a->pad.v[i] + a->pad.v[spatial + i];
  }
  Onnx__NodeProto *p = onnx_build_node(&e->build, "Pad", "");
  onnx_build_input(&e->build, p, x);
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "pads", pads, 2 * shape.rank));
  onnx_build_input(&e->build, p, onnx_export_scalar(e, n, "fill", dtype, fill));
  onnx_build_string(&e->build, p, "mode", "constant");
  return onnx_export_step(e, p, n->results[0]->name, "padded", onnx_elem_of(dtype), &shape);
}

/* The attributes of both pools; of the pads those that ceil_mode does not add. */
static Onnx__NodeProto *pool(OnnxExport *e, const Node *n, const char *name, const char *x, bool has_pads) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  int spatial = a->kernel.n;
  int64_t pads[2 * MAX_RANK] = {0};
  for (int i = 0; i < spatial && has_pads; i++) {
    pads[i] = a->pad.v[i];
    pads[spatial + i] = a->pad.v[spatial + i] - a->pad_extra.v[i];
  }
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, x);
  onnx_build_ints(&e->build, p, "kernel_shape", a->kernel.v, spatial);
  onnx_build_ints(&e->build, p, "strides", a->stride.v, spatial);
  onnx_build_ints(&e->build, p, "pads", pads, 2 * spatial);
  if (any(&a->pad_extra, 0)) onnx_build_int(&e->build, p, "ceil_mode", 1);
  return p;
}

/* Maxima are taken of the integers as they are. */
bool onnx_export_max_pool(OnnxExport *e, const Node *n, const char *name) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  DType dtype = n->operands[0]->type.dtype;
  const char *x = onnx_export_tensor(e, n->operands[0]);
  bool small = pads_are_small(a);
  float lowest = -FLT_MAX;
  int8_t least = (int8_t)dtype_info[dtype].min;
  if (!small) x = padded(e, n, x, dtype, dtype == DT_F32 ? (void *)&lowest : (void *)&least);
  Onnx__NodeProto *p = pool(e, n, name, x, small);
  onnx_build_ints(&e->build, p, "dilations", a->dilation.v, a->dilation.n);
  onnx_export_raw_result(e, n, p);
  return true;
}

/* Does ceil_mode, over the pads without pad_extra, make as many windows as the result has? It applies to all
 * dims: the number of windows is rounded up, but none begins behind the image. */
static bool is_of_ceil_mode(const Node *n) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  const Shape *x = &n->operands[0]->type.shape, *y = &n->results[0]->type.shape;
  for (int i = 0; i < a->kernel.n; i++) {
    int64_t stride = a->stride.v[i], before = x->dim[2 + i] + a->pad.v[i];
    int64_t room = before + a->pad.v[a->kernel.n + i] - a->pad_extra.v[i] - a->kernel.v[i];
    int64_t windows = room < 0 ? 0 : (room + stride - 1) / stride + 1;
    if (windows && (windows - 1) * stride >= before) windows--;
    if (windows != y->dim[2 + i]) return false;
  }
  return true;
}

bool onnx_export_average_pool(OnnxExport *e, const Node *n, const char *name) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  const float zero = 0;
  bool small = pads_are_small(a), rounded_up = any(&a->pad_extra, 0);
  if (any(&a->dilation, 1))
    return onnx_export_error(e, n, "AveragePool of ONNX opset %d has no dilations", ONNX_WRITTEN_OPSET);
  if (a->divisor) return onnx_export_error(e, n, "AveragePool of ONNX has no divisor");
  if (rounded_up && !is_of_ceil_mode(n))
    return onnx_export_error(e, n, "ONNX's ceil_mode does not add the pads of pad_extra");
  if (!small && (!a->count_include_pad || rounded_up))
    return onnx_export_error(e, n, "its pads are as large as the kernel, which ONNX Runtime does not take");
  const char *x = onnx_export_view(e, n->operands[0]);
  if (!small) x = padded(e, n, x, DT_F32, &zero);
  Onnx__NodeProto *p = pool(e, n, name, x, small);
  onnx_build_int(&e->build, p, "count_include_pad", a->count_include_pad);
  onnx_export_result(e, n, p);
  return true;
}
