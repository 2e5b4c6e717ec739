/* Resize and Upsample: sizes or factors must be constants. */
#include "compiler/onnx_ops.h"
#include "ir/quant.h"

#include <math.h>
#include <string.h>

/* An index into the list of names; -1 after a diagnostic. */
static int choice(const OnnxNode *n, const char *attr, const char *absent, const char *const *names) {
  const char *v = onnx_attr_string(n, attr, absent);
  for (int i = 0; names[i]; i++)
    if (!strcmp(v, names[i])) return i;
  onnx_error(n, "attribute '%s' is '%s', which is not supported", attr, onnx_shown(n->im->arena, v));
  return -1;
}

/* Upsample and Resize of opset 10 have one way to find positions. */
static bool read_positions(const OnnxNode *n, ResizeAttrs *a) {
  static const char *const coordinates[] = {"half_pixel",
                                            "half_pixel_symmetric",
                                            "pytorch_half_pixel",
                                            "align_corners",
                                            "asymmetric",
                                            "tf_half_pixel_for_nn",
                                            NULL};
  static const char *const rounding[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
  if (n->opset < 11) {
    a->coordinates = RESIZE_ASYMMETRIC;
    a->rounding = RESIZE_FLOOR;
    return true;
  }
  a->coordinates = choice(n, "coordinate_transformation_mode", "half_pixel", coordinates);
  if (a->coordinates < 0) return false;
  a->rounding = choice(n, "nearest_mode", "round_prefer_floor", rounding);
  return a->rounding >= 0;
}

/* exclude_outside changes nothing where a position has no element beyond the ends. */
static bool read_kernel(const OnnxNode *n, ResizeAttrs *a) {
  bool antialias;
  a->a = onnx_attr_float(n, "cubic_coeff_a", -0.75f);
  if (!onnx_attr_flag(n, "antialias", false, &antialias) ||
      !onnx_attr_flag(n, "exclude_outside", false, &a->exclude_outside))
    return false;
  return !antialias || onnx_error(n, "attribute 'antialias' is not supported");
}

/* ---- factors and sizes ---- */

/* One factor for each of `count` axes; *given: whether there are any. */
static bool read_factors(const OnnxNode *n, int input, const float **v, int64_t *count, bool *given) {
  const Onnx__AttributeProto *attr = onnx_attr(n, "scales");
  *given = attr != NULL;
  if (attr) {
    *v = attr->floats;
    *count = (int64_t)attr->n_floats;
    return true;
  }
  if (!onnx_has_input(n, input)) return true;
  const OnnxValue *value = onnx_const_input(n, input, "scales");
  if (!value) return false;
  *count = shape_count(&value->type.shape);
  *given = *count > 0; /* an empty list is none */
  if (!*given) return true;
  if (value->type.dtype != DT_F32 || value->type.shape.rank != 1)
    return onnx_error(n, "scales are %s; a list of FLOAT is needed", type_text(n->im->arena, &value->type));
  *v = value->data;
  return true;
}

/* The axes that factors or sizes are for: all of them, or those of attribute 'axes' in its order. */
static bool read_axes(const OnnxNode *n, int rank, int64_t count, int axes[MAX_RANK]) {
  OnnxInts given;
  bool mask[MAX_RANK];
  int64_t want = rank;
  for (int i = 0; i < rank; i++) axes[i] = i;
  if (onnx_attr_ints(n, "axes", &given)) {
    if (!onnx_axes(n, &given, rank, mask)) return false;
    want = given.n;
    for (int64_t i = 0; i < given.n; i++)
      if (!onnx_axis(n, given.v[i], rank, &axes[i])) return false;
  }
  return count == want ||
         onnx_error(n, "%lld factors or sizes for %lld axes", (long long)count, (long long)want);
}

static bool set_size(const OnnxNode *n, ResizeAttrs *a, int axis, double size) {
  if (!(size >= 1 && size <= (double)MAX_DIM))
    return onnx_error(n, "axis %d would have %.0f elements; it must have from 1 to %lld", axis, size,
                      (long long)MAX_DIM);
  a->size.v[axis] = (int64_t)size;
  return true;
}

static bool set_factor(const OnnxNode *n, ResizeAttrs *a, int rank, int axis, float factor) {
  if (!scale_is_valid(factor)) return onnx_error(n, "the factor of axis %d is %g", axis, (double)factor);
  a->scale.n = rank;
  a->scale.v[axis] = factor;
  return true;
}

static bool by_factors(const OnnxNode *n, ResizeAttrs *a, const Shape *x, const float *v, int64_t count) {
  int axes[MAX_RANK];
  if (!read_axes(n, x->rank, count, axes)) return false;
  for (int64_t i = 0; i < count; i++) {
    float size = v[i] * (float)x->dim[axes[i]]; /* in single precision, as other implementations have it */
    if (!set_factor(n, a, x->rank, axes[i], v[i]) || !set_size(n, a, axes[i], floor((double)size)))
      return false;
  }
  return true;
}

/* keep_aspect_ratio_policy: one factor, the least or the greatest that the sizes ask for. */
static bool by_sizes(const OnnxNode *n, ResizeAttrs *a, const Shape *x, const OnnxInts *sizes) {
  static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
  int axes[MAX_RANK], policy = choice(n, "keep_aspect_ratio_policy", "stretch", policies);
  if (policy < 0 || !read_axes(n, x->rank, sizes->n, axes)) return false;
  float one = 0;
  for (int64_t i = 0; i < sizes->n; i++) {
    if (!set_size(n, a, axes[i], (double)sizes->v[i])) return false;
    float factor = (float)sizes->v[i] / (float)x->dim[axes[i]];
    if (i == 0 || (policy == 1 ? factor < one : factor > one)) one = factor;
  }
  for (int64_t i = 0; policy && i < sizes->n; i++) {
    float size = one * (float)x->dim[axes[i]];
    if (!set_factor(n, a, x->rank, axes[i], one) || !set_size(n, a, axes[i], floor((double)size + 0.5)))
      return false;
  }
  return true;
}

static bool read_size(const OnnxNode *n, const Shape *x, ResizeAttrs *a) {
  bool resize = !strcmp(n->op->name, "Resize") && n->opset >= 11, given;
  const float *factors = NULL;
  OnnxInts sizes = {0, NULL};
  int64_t count = 0;
  a->size.n = x->rank;
  for (int i = 0; i < x->rank; i++) a->size.v[i] = x->dim[i];
  if (!read_factors(n, resize ? 2 : 1, &factors, &count, &given)) return false;
  if (resize && onnx_has_input(n, 3) && !onnx_ints_input(n, 3, "sizes", &sizes)) return false;
  if (given && sizes.n) return onnx_error(n, "scales and sizes exclude each other");
  if (given) return by_factors(n, a, x, factors, count);
  return sizes.n ? by_sizes(n, a, x, &sizes) : onnx_error(n, "neither scales nor sizes are given");
}

bool onnx_import_resize(OnnxNode *n) {
  /* bilinear: of old exporters */
  static const char *const modes[] = {"nearest", "linear", "bilinear", "cubic", NULL};
  static const OpId ops[] = {OP_resize_nearest, OP_resize_linear, OP_resize_linear, OP_resize_cubic};
  int mode = choice(n, "mode", "nearest", modes);
  ResizeAttrs attrs = {0};
  Tensor *x = mode >= 0 ? onnx_operand(n, 0, mode == 0) : NULL;
  if (!x || !read_kernel(n, &attrs) || !read_positions(n, &attrs) || !read_size(n, &x->type.shape, &attrs))
    return false;
  if (mode != 3) attrs.exclude_outside = false;
  return onnx_set_output(n, 0, onnx_emit1(n, ops[mode], onnx_output_name(n, 0), x, &attrs));
}
