/* Transposed convolutions and resizes. */
#include "compiler/onnx_export_ops.h"
#include "ir/resize.h"

#include <string.h>

/* ---- ConvTranspose: its weight is [C, M / group, ...], the IR's [M, C / group, ...] ---- */

/* One scale a channel of the result is one along axis 1 where the groups' channels have the same ones, and
 * one along axis 0 where each group has one channel before and behind. */
static bool swapped_quant(Arena *a, const Type *w, int64_t groups, const Quant **out) {
  const Quant *q = *out = w->quant;
  if (!q || q->axis < 0) return true;
  int64_t per_group = q->count / groups;
  if (per_group == 1 && w->shape.dim[1] == 1 && groups > 1) return true;
  for (int64_t m = per_group; m < q->count; m++)
    if (q->scale[m] != q->scale[m - per_group] || q->zero[m] != q->zero[m - per_group]) return false;
  *out = quant_new(a, 1, per_group, q->scale, q->zero);
  return true;
}

static const void *swapped_data(Arena *a, const Tensor *w, int64_t groups) {
  const Shape *s = &w->type.shape;
  int64_t m = s->dim[0] / groups, c = s->dim[1];
  size_t run = (size_t)dtype_info[w->type.dtype].bytes;
  for (int i = 2; i < s->rank; i++) run *= (size_t)s->dim[i];
  const char *from = w->data;
  char *data = arena_alloc(a, (size_t)type_bytes(&w->type) + 1);
  for (int64_t g = 0; g < groups; g++)
    for (int64_t k = 0; k < m; k++)
      for (int64_t i = 0; i < c; i++, from += run)
        memcpy(data + (size_t)((g * c + i) * m + k) * run, from, run);
  return data;
}

/* All nodes that use the weight want it swapped in the same way. */
static bool is_swapped_everywhere(const Tensor *w, int64_t groups) {
  for (int i = 0; i < w->n_uses; i++) {
    const Node *user = w->uses[i].node;
    bool same = user->op == OP_conv_transpose2d || user->op == OP_conv_transpose3d;
    if (!same || w->uses[i].operand != 1 || ATTRS(user, ConvAttrs)->groups != groups) return false;
  }
  return true;
}

bool onnx_export_conv_transpose(OnnxExport *e, const Node *n, const char *name) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  Tensor *w = n->operands[1], swapped = *w;
  if (!onnx_export_check_bias(e, n)) return false;
  if (!swapped_quant(e->arena, &w->type, a->groups, &swapped.type.quant))
    return onnx_export_error(e, n, "ONNX has no scales of weights that differ from group to group");
  for (int i = 0; i < a->output_pad.n; i++)
    if (a->output_pad.v[i] && a->output_pad.v[i] >= a->stride.v[i] && a->output_pad.v[i] >= a->dilation.v[i])
      return onnx_export_error(e, n, "ONNX's output_padding must be less than the stride or the dilation");
  swapped.type.shape.dim[0] = w->type.shape.dim[1] * a->groups;
  swapped.type.shape.dim[1] = w->type.shape.dim[0] / a->groups;
  swapped.data = swapped_data(e->arena, w, a->groups);
  if (!is_swapped_everywhere(w, a->groups))
    swapped.name = onnx_build_fresh(&e->build, n->results[0]->name, "weight");
  const char *x = onnx_export_view(e, n->operands[0]), *weight = onnx_export_view(e, &swapped);
  const char *bias = n->n_operands > 2 && n->operands[2] ? onnx_export_view(e, n->operands[2]) : "";
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, x);
  onnx_build_input(&e->build, p, weight);
  if (*bias) onnx_build_input(&e->build, p, bias);
  onnx_build_ints(&e->build, p, "kernel_shape", w->type.shape.dim + 2, a->stride.n);
  onnx_build_ints(&e->build, p, "strides", a->stride.v, a->stride.n);
  onnx_build_ints(&e->build, p, "pads", a->pad.v, a->pad.n);
  onnx_build_ints(&e->build, p, "dilations", a->dilation.v, a->dilation.n);
  onnx_build_ints(&e->build, p, "output_padding", a->output_pad.v, a->output_pad.n);
  onnx_build_int(&e->build, p, "group", a->groups);
  onnx_export_result(e, n, p);
  return true;
}

/* ---- Resize ---- */

/* Factors for all dims, where they give the sizes as ONNX computes them; NULL after a diagnostic. */
static const char *factors(OnnxExport *e, const Node *n) {
  const ResizeAttrs *a = ATTRS(n, ResizeAttrs);
  const Shape *x = &n->operands[0]->type.shape;
  float *v = ARENA_NEW_ARRAY(e->arena, float, (size_t)x->rank);
  for (int i = 0; i < x->rank; i++) {
    bool same = a->size.v[i] == x->dim[i];
    v[i] = a->scale.v[i] == 0 && same ? 1 : a->scale.v[i];
    float size = v[i] * (float)x->dim[i];
    if (v[i] > 0 && (int64_t)size == a->size.v[i]) continue;
    onnx_export_error(e, n, "dim %d is not resized by its scale alone, as ONNX has it", i);
    return NULL;
  }
  const char *name = onnx_build_fresh(&e->build, n->results[0]->name, "scales");
  Shape shape = shape_of(1, (int64_t)x->rank);
  onnx_build_initializer(&e->build, name, onnx_elem_of(DT_F32), &shape, v, (int64_t)sizeof *v * x->rank);
  return name;
}

/* The word of an enumeration. */
static const char *word(const Node *n, const char *attr) {
  const AttrDesc *d = op_attr(n->op, attr, strlen(attr));
  return d->values[*(const int *)((const char *)n->attrs + d->offset)];
}

bool onnx_export_resize(OnnxExport *e, const Node *n, const char *name) {
  const ResizeAttrs *a = ATTRS(n, ResizeAttrs);
  bool nearest = n->op == OP_resize_nearest;
  if (a->coordinates == RESIZE_HALF_PIXEL_SYMMETRIC || a->coordinates == RESIZE_TF_HALF_PIXEL_FOR_NN)
    return onnx_export_error(e, n, "Resize of ONNX opset %d has no %s", ONNX_WRITTEN_OPSET,
                             word(n, "coordinates"));
  const char *x = nearest ? onnx_export_tensor(e, n->operands[0]) : onnx_export_view(e, n->operands[0]);
  const char *scales = a->scale.n ? factors(e, n) : "";
  if (!scales) return false;
  const char *sizes = *scales ? "" : onnx_export_ints(e, n, "sizes", a->size.v, a->size.n);
  Onnx__NodeProto *p = onnx_export_node(e, n, name);
  onnx_build_input(&e->build, p, x);
  onnx_build_input(&e->build, p, "");
  onnx_build_input(&e->build, p, scales);
  if (*sizes) onnx_build_input(&e->build, p, sizes);
  onnx_build_string(&e->build, p, "mode", op_info[n->op]->name + strlen("resize_"));
  onnx_build_string(&e->build, p, "coordinate_transformation_mode", word(n, "coordinates"));
  if (n->op == OP_resize_cubic) {
    onnx_build_float(&e->build, p, "cubic_coeff_a", a->a);
    onnx_build_int(&e->build, p, "exclude_outside", a->exclude_outside);
  }
  if (!nearest) {
    onnx_export_result(e, n, p);
    return true;
  }
  onnx_build_string(&e->build, p, "nearest_mode", word(n, "rounding"));
  onnx_export_raw_result(e, n, p);
  return true;
}
