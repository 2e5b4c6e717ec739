/* Normalisation: by layer, group and instance, and what is written out in smaller ops: by neighbouring
 * channels, by a norm, by moments. */
#include "compiler/onnx_ops.h"

#include <float.h>
#include <math.h>
#include <string.h>

static Tensor *expanded(OnnxNode *n, Tensor *t, const Shape *to) {
  ReshapeAttrs attrs = {{.n = to->rank}};
  if (!t || shape_equal(&t->type.shape, to)) return t;
  memcpy(attrs.shape.v, to->dim, sizeof *to->dim * (size_t)to->rank);
  return onnx_emit1(n, OP_expand, NULL, t, &attrs);
}

static Tensor *scalar(OnnxNode *n, float v) {
  return onnx_constant(n, NULL, (Type){DT_F32, {0}, NULL}, arena_memdup(n->im->arena, &v, sizeof v));
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

/* The outputs Mean and InvStdDev, where they are used. */
static bool emit_moments(OnnxNode *n, Tensor *x, const LayerNormAttrs *a) {
  ReduceAttrs axes = {.keepdims = true};
  if (!onnx_output_used(n, 1) && !onnx_output_used(n, 2)) return true;
  for (int64_t i = a->axis; i < x->type.shape.rank; i++) axes.axes.v[axes.axes.n++] = i;
  const char *name = onnx_output_used(n, 1) ? onnx_output_name(n, 1) : NULL;
  Tensor *mean = onnx_emit1(n, OP_reduce_mean, name, x, &axes);
  if (!onnx_set_output(n, 1, mean) || !onnx_output_used(n, 2)) return mean != NULL;
  Tensor *d = onnx_emit2(n, OP_sub, NULL, x, mean, NULL);
  Tensor *v = onnx_emit1(n, OP_reduce_mean, NULL, onnx_emit2(n, OP_mul, NULL, d, d, NULL), &axes);
  v = v ? onnx_emit2(n, OP_add, NULL, v, scalar(n, a->eps), NULL) : NULL;
  v = onnx_emit1(n, OP_reciprocal, onnx_output_name(n, 2), onnx_emit1(n, OP_sqrt, NULL, v, NULL), NULL);
  return onnx_set_output(n, 2, v);
}

bool onnx_import_layer_norm(OnnxNode *n) {
  LayerNormAttrs attrs = {0, onnx_attr_float(n, "epsilon", 1e-5f)};
  Tensor *x = onnx_operand(n, 0, false), *scale = x ? onnx_operand(n, 1, false) : NULL, *bias;
  int axis;
  if (!scale || !optional_operand(n, 2, &bias) ||
      !onnx_axis(n, onnx_attr_int(n, "axis", -1), x->type.shape.rank, &axis))
    return false;
  Shape normalized = {0};
  for (int i = axis; i < x->type.shape.rank; i++) normalized.dim[normalized.rank++] = x->type.shape.dim[i];
  attrs.axis = axis;
  scale = expanded(n, scale, &normalized);
  if (bias && !(bias = expanded(n, bias, &normalized))) return false;
  return scale && emit_norm(n, OP_layer_norm, x, scale, bias, &attrs) && emit_moments(n, x, &attrs);
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
  if (x->type.shape.rank >= 2 && !n->im->own) { /* our function has them for each channel */
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

/* ---- in smaller ops ---- */

static Tensor *channels_from(OnnxNode *n, Tensor *t, int64_t first, int64_t count) {
  SliceAttrs a = {0};
  const Shape *s = &t->type.shape;
  a.start.n = a.stop.n = a.step.n = s->rank;
  for (int i = 0; i < s->rank; i++) {
    a.stop.v[i] = s->dim[i];
    a.step.v[i] = 1;
  }
  a.start.v[1] = first;
  a.stop.v[1] = first + count;
  return onnx_emit1(n, OP_slice, NULL, t, &a);
}

/* The sum over `size` channels about each one, with zeros beside the first and the last. */
static Tensor *channel_sums(OnnxNode *n, Tensor *t, int64_t size) {
  const Shape *s = &t->type.shape;
  PadAttrs pad = {.pads = {.n = 2 * s->rank}, .mode = PAD_CONSTANT};
  int64_t channels = s->dim[1];
  pad.pads.v[1] = (size - 1) / 2;
  pad.pads.v[s->rank + 1] = size - 1 - (size - 1) / 2;
  Tensor *padded = onnx_emit1(n, OP_pad, NULL, t, &pad), *sum = NULL;
  if (!padded) return NULL;
  for (int64_t i = 0; i < size; i++) {
    Tensor *part = channels_from(n, padded, i, channels);
    sum = i ? onnx_emit2(n, OP_add, NULL, sum, part, NULL) : part;
  }
  return sum;
}

bool onnx_import_lrn(OnnxNode *n) {
  enum { MAX_SIZE = 64 }; /* each channel of the window is an addition */
  int64_t size = onnx_attr_int(n, "size", 0);
  float alpha = onnx_attr_float(n, "alpha", 1e-4f), bias = onnx_attr_float(n, "bias", 1);
  PowAttrs power = {-onnx_attr_float(n, "beta", 0.75f)};
  Tensor *x = onnx_operand(n, 0, false);
  if (!x) return false;
  if (x->type.shape.rank < 2)
    return onnx_error(n, "the input must be [N, C, ...], not %s", shape_text(n->im->arena, &x->type.shape));
  if (size < 1 || size > MAX_SIZE)
    return onnx_error(n, "attribute 'size' is %lld; it must be from 1 to %d", (long long)size, MAX_SIZE);
  Tensor *sum = channel_sums(n, onnx_emit2(n, OP_mul, NULL, x, x, NULL), size);
  Tensor *v = sum ? onnx_emit2(n, OP_mul, NULL, sum, scalar(n, alpha / (float)size), NULL) : NULL;
  v = v ? onnx_emit2(n, OP_add, NULL, v, scalar(n, bias), NULL) : NULL;
  v = onnx_emit1(n, OP_pow, NULL, v, &power);
  return onnx_set_output(n, 0, onnx_emit2(n, OP_mul, onnx_output_name(n, 0), x, v, NULL));
}

/* x divided by its norm; where that is 0, so is the result. */
bool onnx_import_lp_normalization(OnnxNode *n) {
  int64_t p = onnx_attr_int(n, "p", 2);
  Tensor *x = onnx_operand(n, 0, false);
  int axis;
  if (!x || !onnx_axis(n, onnx_attr_int(n, "axis", -1), x->type.shape.rank, &axis)) return false;
  if (p != 1 && p != 2) return onnx_error(n, "attribute 'p' is %lld; it must be 1 or 2", (long long)p);
  ReduceAttrs attrs = {{1, {axis}}, true};
  ClipAttrs least = {FLT_MIN, INFINITY};
  Tensor *v = p == 1 ? onnx_emit1(n, OP_abs, NULL, x, NULL) : onnx_emit2(n, OP_mul, NULL, x, x, NULL);
  v = onnx_emit1(n, OP_reduce_sum, NULL, v, &attrs);
  if (p == 2) v = onnx_emit1(n, OP_sqrt, NULL, v, NULL);
  v = onnx_emit1(n, OP_clip, NULL, v, &least);
  return onnx_set_output(n, 0, onnx_emit2(n, OP_div, onnx_output_name(n, 0), x, v, NULL));
}

/* (x - mean) / (deviation + 1e-9) over `axes`, by default all but the channels. */
bool onnx_import_mean_variance(OnnxNode *n) {
  static const int64_t usual[] = {0, 2, 3};
  OnnxInts axes = {3, usual};
  Tensor *x = onnx_operand(n, 0, false);
  bool mask[MAX_RANK];
  ReduceAttrs attrs = {.keepdims = true};
  onnx_attr_ints(n, "axes", &axes);
  if (!x || !onnx_axes(n, &axes, x->type.shape.rank, mask)) return false;
  for (int i = 0; i < x->type.shape.rank; i++)
    if (mask[i]) attrs.axes.v[attrs.axes.n++] = i;
  if (!attrs.axes.n) return onnx_error(n, "attribute 'axes' is empty");
  Tensor *d = onnx_emit2(n, OP_sub, NULL, x, onnx_emit1(n, OP_reduce_mean, NULL, x, &attrs), NULL);
  Tensor *v = onnx_emit1(n, OP_reduce_mean, NULL, onnx_emit2(n, OP_mul, NULL, d, d, NULL), &attrs);
  v = onnx_emit1(n, OP_sqrt, NULL, v, NULL);
  v = v ? onnx_emit2(n, OP_add, NULL, v, scalar(n, 1e-9f), NULL) : NULL;
  return onnx_set_output(n, 0, onnx_emit2(n, OP_div, onnx_output_name(n, 0), d, v, NULL));
}
