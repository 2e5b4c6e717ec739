/* Layer, group and instance normalisation. */
#include "compiler/onnx_ops.h"

#include <string.h>

static Tensor *expanded(OnnxNode *n, Tensor *t, const Shape *to) {
  ReshapeAttrs attrs = {{.n = to->rank}};
  if (!t || shape_equal(&t->type.shape, to)) return t;
  memcpy(attrs.shape.v, to->dim, sizeof *to->dim * (size_t)to->rank);
  return onnx_emit1(n, OP_expand, NULL, t, &attrs);
}

/* Input i, where it is given. False after a diagnostic. */
static bool optional_operand(OnnxNode *n, int i, Tensor **t) {
  *t = NULL;
  if (!onnx_has_input(n, i)) return true;
  *t = onnx_operand(n, i, false);
  return *t != NULL;
}

static bool emit_norm(OnnxNode *n, OpId op, Tensor *x, Tensor *scale, Tensor *bias, const void *attrs) {
  Tensor *operands[] = {x, scale, bias};
  return onnx_set_output(n, 0, onnx_emit(n, op, onnx_output_name(n, 0), operands, bias ? 3 : 2, attrs));
}

bool onnx_import_layer_norm(OnnxNode *n) {
  LayerNormAttrs attrs = {0, onnx_attr_float(n, "epsilon", 1e-5f)};
  Tensor *x = onnx_operand(n, 0, false), *scale = x ? onnx_operand(n, 1, false) : NULL, *bias;
  int axis;
  if (!scale || !optional_operand(n, 2, &bias) ||
      !onnx_axis(n, onnx_attr_int(n, "axis", -1), x->type.shape.rank, &axis))
    return false;
  for (int i = 1; i < 3; i++)
    if (onnx_output_used(n, i))
      return onnx_error(n, "the output '%s' is not supported", i == 1 ? "Mean" : "InvStdDev");
  Shape normalized = {0};
  for (int i = axis; i < x->type.shape.rank; i++) normalized.dim[normalized.rank++] = x->type.shape.dim[i];
  attrs.axis = axis;
  scale = expanded(n, scale, &normalized);
  if (bias && !(bias = expanded(n, bias, &normalized))) return false;
  return scale && emit_norm(n, OP_layer_norm, x, scale, bias, &attrs);
}

/* One value for each group, as opset 18 has them, or for each channel. */
static Tensor *per_channel(OnnxNode *n, Tensor *t, int64_t channels, int64_t groups) {
  const Shape *s = &t->type.shape;
  if (n->opset >= 21 || groups < 1 || channels % groups || s->rank != 1 || s->dim[0] != groups) return t;
  Shape each = shape_of(2, groups, (int64_t)1), all = shape_of(2, groups, channels / groups);
  Shape flat = shape_of(1, channels);
  Tensor *y = expanded(n, onnx_reshape(n, NULL, t, &each), &all);
  return onnx_reshape(n, NULL, y, &flat);
}

bool onnx_import_group_norm(OnnxNode *n) {
  GroupNormAttrs attrs = {onnx_attr_int(n, "num_groups", 0), onnx_attr_float(n, "epsilon", 1e-5f)};
  Tensor *x = onnx_operand(n, 0, false), *scale = x ? onnx_operand(n, 1, false) : NULL,
         *bias = scale ? onnx_operand(n, 2, false) : NULL;
  if (!bias) return false;
  if (!onnx_has_attr(n, "num_groups")) return onnx_error(n, "attribute 'num_groups' is missing");
  if (x->type.shape.rank >= 2) {
    scale = per_channel(n, scale, x->type.shape.dim[1], attrs.groups);
    bias = per_channel(n, bias, x->type.shape.dim[1], attrs.groups);
  }
  return scale && bias && emit_norm(n, OP_group_norm, x, scale, bias, &attrs);
}

bool onnx_import_instance_norm(OnnxNode *n) {
  GroupNormAttrs attrs = {1, onnx_attr_float(n, "epsilon", 1e-5f)};
  Tensor *x = onnx_operand(n, 0, false), *scale = x ? onnx_operand(n, 1, false) : NULL,
         *bias = scale ? onnx_operand(n, 2, false) : NULL;
  if (!bias) return false;
  if (x->type.shape.rank >= 2) attrs.groups = x->type.shape.dim[1];
  return emit_norm(n, OP_group_norm, x, scale, bias, &attrs);
}
