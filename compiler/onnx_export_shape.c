/* Ops that only move values. Quantized tensors are moved as integers. */
#include "compiler/onnx_export_ops.h"
#include "ir/quant.h"

#include <string.h>

static Onnx__NodeProto *with_tensors(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  for (int i = 0; i < n->n_operands; i++)
    onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[i]));
  return p;
}

bool onnx_export_move(OnnxExport *e, const Node *n, const char *name) {
  onnx_export_raw_result(e, n, with_tensors(e, n, name));
  return true;
}

bool onnx_export_move_axis(OnnxExport *e, const Node *n, const char *name) {
  Onnx__NodeProto *p = with_tensors(e, n, name);
  const Tensor *r = n->results[0];
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i]->type.dtype != r->type.dtype ||
        (n->op == OP_concat && !quant_equal(n->operands[i]->type.quant, r->type.quant)))
      return onnx_export_error(
          e, n, "operand '%s' has other parameters than the result: the pass tables rescales it",
          n->operands[i]->name);
  onnx_build_int(&e->build, p, "axis", ATTRS(n, AxisAttrs)->axis);
  onnx_export_raw_result(e, n, p);
  return true;
}

bool onnx_export_integer_clip(OnnxExport *e, const Node *n, const char *name) {
  const ClampAttrs *a = ATTRS(n, ClampAttrs);
  DType dtype = n->results[0]->type.dtype;
  Onnx__NodeProto *p = with_tensors(e, n, name);
  uint8_t lo = (uint8_t)a->min, hi = (uint8_t)a->max; /* s8 in two's complement */
  onnx_build_input(&e->build, p, onnx_export_scalar(e, n, "min", dtype, &lo));
  onnx_build_input(&e->build, p, onnx_export_scalar(e, n, "max", dtype, &hi));
  onnx_export_raw_result(e, n, p);
  return true;
}

bool onnx_export_reshape(OnnxExport *e, const Node *n, const char *name) {
  const IntList *shape = &ATTRS(n, ReshapeAttrs)->shape;
  Onnx__NodeProto *p = with_tensors(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "shape", shape->v, shape->n));
  onnx_export_raw_result(e, n, p);
  return true;
}

bool onnx_export_transpose(OnnxExport *e, const Node *n, const char *name) {
  const IntList *perm = &ATTRS(n, TransposeAttrs)->perm;
  Onnx__NodeProto *p = with_tensors(e, n, name);
  onnx_build_ints(&e->build, p, "perm", perm->v, perm->n);
  onnx_export_raw_result(e, n, p);
  return true;
}

/* Dims of which all is taken are left out. Backwards, the end before the first element is -dim - 1, because
 * -1 is the last one. */
bool onnx_export_slice(OnnxExport *e, const Node *n, const char *name) {
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  const Shape *x = &n->operands[0]->type.shape;
  int64_t start[MAX_RANK], stop[MAX_RANK], axis[MAX_RANK], step[MAX_RANK];
  int count = 0;
  for (int i = 0; i < x->rank; i++) {
    if (a->start.v[i] == 0 && a->stop.v[i] == x->dim[i] && a->step.v[i] == 1) continue;
    start[count] = a->start.v[i];
    stop[count] = a->stop.v[i] < 0 ? -x->dim[i] - 1 : a->stop.v[i];
    axis[count] = i;
    step[count++] = a->step.v[i];
  }
  Onnx__NodeProto *p = with_tensors(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "starts", start, count));
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "ends", stop, count));
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "axes", axis, count));
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "steps", step, count));
  onnx_export_raw_result(e, n, p);
  return true;
}

/* The value that fills, in the tensor's own type. */
static const char *fill(OnnxExport *e, const Node *n) {
  const PadAttrs *a = ATTRS(n, PadAttrs);
  const Type *t = &n->operands[0]->type;
  if (!t->quant) return onnx_export_scalar(e, n, "fill", DT_F32, &a->value);
  uint8_t q = (uint8_t)quantize_value(a->value, t->quant->scale[0], t->quant->zero[0],
                                      (int32_t)dtype_info[t->dtype].min, (int32_t)dtype_info[t->dtype].max);
  return onnx_export_scalar(e, n, "fill", t->dtype, &q);
}

bool onnx_export_pad(OnnxExport *e, const Node *n, const char *name) {
  static const char *const modes[] = {
      [PAD_CONSTANT] = "constant", [PAD_REFLECT] = "reflect", [PAD_EDGE] = "edge"};
  const PadAttrs *a = ATTRS(n, PadAttrs);
  Onnx__NodeProto *p = with_tensors(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_ints(e, n, "pads", a->pads.v, a->pads.n));
  if (a->mode == PAD_CONSTANT) onnx_build_input(&e->build, p, fill(e, n));
  onnx_build_string(&e->build, p, "mode", modes[a->mode]);
  onnx_export_raw_result(e, n, p);
  return true;
}
