/* Conversions between integers and float32, and tables. */
#include "compiler/onnx_export_ops.h"

#include <string.h>

/* Zero points are stored in the tensor's own element type. */
static void *zeros_as(Arena *a, DType dtype, const int32_t *zero, int64_t count) {
  uint8_t *out = arena_array(a, (size_t)count + 1, (size_t)dtype_info[dtype].bytes);
  for (int64_t i = 0; i < count; i++) {
    if (dtype == DT_S32)
      ((int32_t *)(void *)out)[i] = zero[i];
    else
      out[i] = (uint8_t)zero[i];
  }
  return out;
}

const QuantNames *onnx_export_parameters(OnnxExport *e, const Tensor *t) {
  const Quant *q = t->type.quant;
  DType dtype = t->type.dtype;
  char scale[32];
  float_text(scale, q->scale[0]);
  const char *key = q->axis < 0
                        ? arena_printf(e->arena, "%s %s %d", dtype_info[dtype].name, scale, q->zero[0])
                        : arena_printf(e->arena, "of %s", t->name);
  QuantNames *p = strmap_get(e->parameters, key);
  if (p) return p;
  p = ARENA_NEW(e->arena, QuantNames);
  p->scale = onnx_build_fresh(&e->build, t->name, "scale");
  p->zero = onnx_build_fresh(&e->build, t->name, "zero_point");
  Shape shape = {.rank = q->axis >= 0, .dim = {q->count}};
  onnx_build_initializer(&e->build, p->scale, onnx_elem_of(DT_F32), &shape, q->scale,
                         (int64_t)sizeof *q->scale * q->count);
  onnx_build_initializer(&e->build, p->zero, onnx_elem_of(dtype), &shape,
                         zeros_as(e->arena, dtype, q->zero, q->count), dtype_info[dtype].bytes * q->count);
  strmap_put(e->parameters, key, p);
  return p;
}

static void add_parameters(OnnxExport *e, Onnx__NodeProto *p, const Tensor *t) {
  const QuantNames *names = onnx_export_parameters(e, t);
  onnx_build_input(&e->build, p, names->scale);
  onnx_build_input(&e->build, p, names->zero);
  if (t->type.quant->axis >= 0) onnx_build_int(&e->build, p, "axis", t->type.quant->axis);
}

Onnx__NodeProto *onnx_export_dequantize(OnnxExport *e, const char *name, const Tensor *t) {
  Onnx__NodeProto *p = onnx_build_node(&e->build, "DequantizeLinear", name);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, t));
  add_parameters(e, p, t);
  return p;
}

static void finish(OnnxExport *e, Onnx__NodeProto *p, const Tensor *result) {
  onnx_build_output(&e->build, p, result->name);
  onnx_build_append(&e->build, p);
  if (!result->is_output)
    onnx_build_value(&e->build, result->name, onnx_elem_of(result->type.dtype), &result->type.shape);
}

void onnx_export_quantize(OnnxExport *e, const char *name, const char *real, const Tensor *result) {
  Onnx__NodeProto *p = onnx_build_node(&e->build, "QuantizeLinear", name);
  onnx_build_input(&e->build, p, real);
  add_parameters(e, p, result);
  finish(e, p, result);
}

bool onnx_export_convert(OnnxExport *e, const Node *n, const char *name) {
  (void)name;
  if (n->op == OP_dequantize)
    finish(e, onnx_export_dequantize(e, n->name, n->operands[0]), n->results[0]);
  else
    onnx_export_quantize(e, n->name, onnx_export_view(e, n->operands[0]), n->results[0]);
  return true;
}

/* The table at q - qmin: Gather(table, Cast(q)), with 128 added where q is signed. Exact everywhere. */
bool onnx_export_lut(OnnxExport *e, const Node *n, const char *name) {
  const Tensor *q = n->operands[0], *r = n->results[0];
  int s32 = onnx_elem_of(DT_S32);
  Onnx__NodeProto *cast = onnx_build_node(&e->build, "Cast", "");
  onnx_build_input(&e->build, cast, onnx_export_tensor(e, q));
  onnx_build_int(&e->build, cast, "to", s32);
  const char *index = onnx_export_step(e, cast, r->name, "index", s32, &r->type.shape);
  if (q->type.dtype == DT_S8) {
    int32_t offset = 128;
    Onnx__NodeProto *add = onnx_build_node(&e->build, "Add", "");
    onnx_build_input(&e->build, add, index);
    onnx_build_input(&e->build, add, onnx_export_scalar(e, n, "offset", DT_S32, &offset));
    index = onnx_export_step(e, add, r->name, "index", s32, &r->type.shape);
  }
  Onnx__NodeProto *gather = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, gather, onnx_export_tensor(e, n->operands[1]));
  onnx_build_input(&e->build, gather, index);
  onnx_export_raw_result(e, n, gather);
  return true;
}
