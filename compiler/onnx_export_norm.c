/* Normalisations, in float32 always. */
#include "compiler/onnx_export_ops.h"

/* Operand i, or a constant of its shape that changes nothing: the importer drops it again. */
static const char *factor_or(OnnxExport *e, const Node *n, int i, const char *what, float idle,
                             const Shape *shape) {
  const Tensor *t = i < n->n_operands ? n->operands[i] : NULL;
  if (t) return onnx_export_tensor(e, t);
  int64_t count = shape_count(shape);
  float *v = ARENA_NEW_ARRAY(e->arena, float, (size_t)count);
  for (int64_t k = 0; k < count; k++) v[k] = idle;
  const char *name = onnx_build_fresh(&e->build, n->results[0]->name, what);
  onnx_build_initializer(&e->build, name, onnx_elem_of(DT_F32), shape, v, (int64_t)sizeof *v * count);
  return name;
}

bool onnx_export_layer_norm(OnnxExport *e, const Node *n, const char *name) {
  const LayerNormAttrs *a = ATTRS(n, LayerNormAttrs);
  const Shape *x = &n->operands[0]->type.shape;
  Shape normalized = {0};
  for (int i = (int)a->axis; i < x->rank; i++) normalized.dim[normalized.rank++] = x->dim[i];
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[0]));
  onnx_build_input(&e->build, p, factor_or(e, n, 1, "ones", 1, &normalized));
  if (n->n_operands > 2 && n->operands[2])
    onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[2]));
  onnx_build_int(&e->build, p, "axis", a->axis);
  onnx_build_float(&e->build, p, "epsilon", a->eps);
  onnx_export_raw_result(e, n, p);
  return true;
}

/* InstanceNormalization where each channel is a group; else a function. */
bool onnx_export_group_norm(OnnxExport *e, const Node *n, const char *name) {
  const GroupNormAttrs *a = ATTRS(n, GroupNormAttrs);
  const Shape *x = &n->operands[0]->type.shape;
  Shape channels = shape_of(1, x->dim[1]);
  bool instance = a->groups == x->dim[1] && x->rank > 2;
  Onnx__NodeProto *p = onnx_export_node(e, n, instance ? "InstanceNormalization" : name);
  onnx_build_input(&e->build, p, onnx_export_tensor(e, n->operands[0]));
  onnx_build_input(&e->build, p, factor_or(e, n, 1, "ones", 1, &channels));
  onnx_build_input(&e->build, p, factor_or(e, n, 2, "zeros", 0, &channels));
  onnx_build_float(&e->build, p, "epsilon", a->eps);
  if (!instance) {
    onnx_build_int(&e->build, p, "num_groups", a->groups);
    onnx_build_call(&e->build, p);
  }
  onnx_export_raw_result(e, n, p);
  return true;
}
