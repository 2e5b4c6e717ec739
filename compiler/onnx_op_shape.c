#include "compiler/onnx_ops.h"
#include "ir/quant.h"

#include <string.h>

/* ---- shapes of results ---- */

static bool check_result(const OnnxNode *n, const Shape *s) {
  return shape_check(s) || onnx_error(n, "the result %s is larger than the limit of %lld elements",
                                      shape_text(n->im->arena, s), (long long)MAX_ELEMENTS);
}

/* The list that newer opsets take as input `i` and older ones as an attribute. *given: whether it is there.
 */
static bool read_list(const OnnxNode *n, int i, const char *name, OnnxInts *v, bool *given) {
  *given = onnx_attr_ints(n, name, v);
  if (*given || !onnx_has_input(n, i)) return true;
  *given = true;
  return onnx_ints_input(n, i, name, v);
}

bool onnx_reshaped(const OnnxNode *n, const Shape *from, Shape *to) {
  OnnxInts want;
  bool given, allowzero;
  int unknown = -1;
  int64_t known = 1, count = shape_count(from);
  if (!read_list(n, 1, "shape", &want, &given) || !onnx_attr_flag(n, "allowzero", false, &allowzero))
    return false;
  if (!given) return onnx_error(n, "the shape is missing");
  if (want.n > MAX_RANK)
    return onnx_error(n, "a shape of %lld dimensions; at most %d are supported", (long long)want.n, MAX_RANK);
  if (onnx_has_input(n, 1) && onnx_input(n, 1)->type.shape.rank != 1)
    return onnx_error(n, "the shape, '%s', must be a list, not a scalar",
                      onnx_shown(n->im->arena, n->proto->input[1]));
  *to = (Shape){.rank = (int)want.n};
  for (int i = 0; i < to->rank; i++) {
    int64_t dim = want.v[i];
    if (dim == 0 && !allowzero) {
      if (i >= from->rank)
        return onnx_error(n, "dimension %d copies one that %s has not", i, shape_text(n->im->arena, from));
      dim = from->dim[i];
    }
    if (dim < -1) return onnx_error(n, "dimension %d is %lld", i, (long long)dim);
    if (dim == -1 && unknown >= 0) return onnx_error(n, "more than one dimension is -1");
    if (dim == -1) {
      unknown = i;
    } else if (dim > MAX_DIM || !size_mul(known, dim, &known)) {
      return onnx_error(n, "dimension %d is %lld, above the limit of %lld", i, (long long)dim,
                        (long long)MAX_DIM);
    }
    to->dim[i] = dim == -1 ? 1 : dim;
  }
  if (unknown >= 0 && known && count % known == 0) to->dim[unknown] = count / known;
  if (!shape_check(to) || shape_count(to) != count || (unknown >= 0 && !known)) {
    if (unknown >= 0) to->dim[unknown] = -1;
    return onnx_error(n, "%s, of %lld elements, cannot be made into %s", shape_text(n->im->arena, from),
                      (long long)count, shape_text(n->im->arena, to));
  }
  return true;
}

bool onnx_squeezed(const OnnxNode *n, const Shape *from, Shape *to) {
  OnnxInts axes;
  bool given, mask[MAX_RANK];
  if (!read_list(n, 1, "axes", &axes, &given)) return false;
  if (given && !onnx_axes(n, &axes, from->rank, mask)) return false;
  *to = (Shape){0};
  for (int i = 0; i < from->rank; i++) {
    bool drop = given ? mask[i] : from->dim[i] == 1;
    if (drop && from->dim[i] != 1)
      return onnx_error(n, "dimension %d of %s is not 1", i, shape_text(n->im->arena, from));
    if (!drop) to->dim[to->rank++] = from->dim[i];
  }
  return true;
}

bool onnx_unsqueezed(const OnnxNode *n, const Shape *from, Shape *to) {
  OnnxInts axes;
  bool given, mask[MAX_RANK];
  if (!read_list(n, 1, "axes", &axes, &given)) return false;
  if (!given) return onnx_error(n, "the axes are missing");
  if (axes.n > MAX_RANK - from->rank)
    return onnx_error(n, "the result has %lld dimensions; at most %d are supported",
                      (long long)(from->rank + axes.n), MAX_RANK);
  *to = (Shape){.rank = from->rank + (int)axes.n};
  if (!onnx_axes(n, &axes, to->rank, mask)) return false;
  for (int i = 0, k = 0; i < to->rank; i++) to->dim[i] = mask[i] ? 1 : from->dim[k++];
  return true;
}

bool onnx_flattened(const OnnxNode *n, const Shape *from, Shape *to) {
  int64_t given = onnx_attr_int(n, "axis", 1);
  int axis = from->rank; /* the axis may be the rank */
  if (given != from->rank && !onnx_axis(n, given, from->rank, &axis)) return false;
  *to = (Shape){.rank = 2, .dim = {1, 1}};
  for (int i = 0; i < from->rank; i++) to->dim[i >= axis] *= from->dim[i];
  return check_result(n, to);
}

bool onnx_permutation(const OnnxNode *n, int rank, int perm[MAX_RANK]) {
  OnnxInts given;
  bool seen[MAX_RANK] = {false};
  for (int i = 0; i < rank; i++) perm[i] = rank - 1 - i;
  if (!onnx_attr_ints(n, "perm", &given)) return true;
  if (given.n != rank)
    return onnx_error(n, "attribute 'perm' has %lld entries for a rank of %d", (long long)given.n, rank);
  for (int i = 0; i < rank; i++) {
    if (given.v[i] < 0 || given.v[i] >= rank || seen[given.v[i]])
      return onnx_error(n, "attribute 'perm' is not a permutation of 0 to %d", rank - 1);
    seen[given.v[i]] = true;
    perm[i] = (int)given.v[i];
  }
  return true;
}

bool onnx_concat_axis(const OnnxNode *n, int rank, int *axis) {
  if (!onnx_has_attr(n, "axis") && n->opset >= 4) return onnx_error(n, "attribute 'axis' is missing");
  return onnx_axis(n, onnx_attr_int(n, "axis", 1), rank, axis);
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* The spec's rule: negative bounds count from the end, then everything is clamped to the dimension. */
static void slice_dim(int64_t dim, int64_t start, int64_t end, int64_t step, SliceAttrs *s, int i) {
  if (start < 0) start += dim;
  if (end < 0) end += dim;
  step = clamp(step, -MAX_DIM - 1, MAX_DIM + 1); /* beyond that it takes one element anyway */
  if (step > 0) {
    start = clamp(start, 0, dim);
    end = clamp(end, start, dim);
    if (end < start) end = start;
  } else {
    start = clamp(start, 0, dim - 1);
    end = clamp(end, -1, start);
  }
  s->start.v[i] = start;
  s->stop.v[i] = end;
  s->step.v[i] = step;
}

bool onnx_slice_ranges(const OnnxNode *n, const Shape *from, SliceAttrs *s, Shape *to) {
  OnnxInts starts, ends, axes, steps;
  bool have_starts, have_ends, have_axes, have_steps, mask[MAX_RANK];
  int rank = from->rank;
  if (!read_list(n, 1, "starts", &starts, &have_starts) || !read_list(n, 2, "ends", &ends, &have_ends) ||
      !read_list(n, 3, "axes", &axes, &have_axes) || !read_list(n, 4, "steps", &steps, &have_steps))
    return false;
  if (!have_starts || !have_ends) return onnx_error(n, "starts or ends are missing");
  if (ends.n != starts.n || (have_axes && axes.n != starts.n) || (have_steps && steps.n != starts.n))
    return onnx_error(n, "starts, ends, axes and steps differ in length");
  if (!have_axes && starts.n > rank)
    return onnx_error(n, "%lld starts for a rank of %d", (long long)starts.n, rank);
  if (have_axes && !onnx_axes(n, &axes, rank, mask)) return false;
  s->start.n = s->stop.n = s->step.n = rank;
  for (int i = 0; i < rank; i++) slice_dim(from->dim[i], 0, from->dim[i], 1, s, i);
  for (int64_t k = 0; k < starts.n; k++) {
    int axis = (int)k;
    if (have_axes && !onnx_axis(n, axes.v[k], rank, &axis)) return false;
    int64_t step = have_steps ? steps.v[k] : 1;
    if (!step) return onnx_error(n, "the step of axis %d is 0", axis);
    if (from->dim[axis]) slice_dim(from->dim[axis], starts.v[k], ends.v[k], step, s, axis);
  }
  *to = *from;
  for (int i = 0; i < rank; i++) {
    int64_t span = s->stop.v[i] - s->start.v[i], step = s->step.v[i];
    to->dim[i] = step > 0 ? (span + step - 1) / step : (-span - step - 1) / -step;
  }
  return true;
}

bool onnx_split_sizes(const OnnxNode *n, const Shape *from, int *axis, int64_t **sizes) {
  OnnxInts given;
  bool have;
  int64_t parts = (int64_t)n->proto->n_output, sum = 0;
  if (!onnx_axis(n, onnx_attr_int(n, "axis", 0), from->rank, axis) ||
      !read_list(n, 1, "split", &given, &have))
    return false;
  int64_t dim = from->dim[*axis];
  if (onnx_has_attr(n, "num_outputs")) {
    if (have) return onnx_error(n, "'split' and 'num_outputs' exclude each other");
    if (onnx_attr_int(n, "num_outputs", 0) != parts)
      return onnx_error(n, "attribute 'num_outputs' is %lld, the node has %lld outputs",
                        (long long)onnx_attr_int(n, "num_outputs", 0), (long long)parts);
  }
  if (have && given.n != parts)
    return onnx_error(n, "%lld sizes for %lld outputs", (long long)given.n, (long long)parts);
  if (!have && n->opset < 18 && dim % parts)
    return onnx_error(n, "dimension %d, of %lld, cannot be split into %lld equal parts", *axis,
                      (long long)dim, (long long)parts);
  *sizes = ARENA_NEW_ARRAY(n->im->arena, int64_t, (size_t)parts);
  int64_t each = (dim + parts - 1) / parts; /* the last one may be smaller */
  for (int64_t i = 0; i < parts; i++) {
    (*sizes)[i] = have ? given.v[i] : clamp(dim - sum, 0, each);
    if ((*sizes)[i] < 0 || (*sizes)[i] > dim - sum)
      return onnx_error(n, "the sizes do not add up to dimension %d, of %lld", *axis, (long long)dim);
    sum += (*sizes)[i];
  }
  return sum == dim ||
         onnx_error(n, "the sizes do not add up to dimension %d, of %lld", *axis, (long long)dim);
}

/* ---- import ---- */

bool onnx_import_identity(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, true);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_identity, onnx_output_name(n, 0), x, NULL));
}

bool onnx_import_dropout(OnnxNode *n) {
  bool is_test = true;
  if (onnx_output_used(n, 1)) return onnx_error(n, "the output 'mask' is not supported");
  if (n->opset < 7 && !onnx_attr_flag(n, "is_test", false, &is_test)) return false;
  if (onnx_has_input(n, 2)) {
    const OnnxValue *mode = onnx_const_input(n, 2, "training_mode");
    if (!mode) return false;
    if (mode->type.dtype != DT_BOOL || shape_count(&mode->type.shape) != 1)
      return onnx_error(n, "training_mode must be one BOOL");
    is_test = !*(const uint8_t *)mode->data;
  }
  if (!is_test) return onnx_error(n, "is in training mode, which is not supported");
  return onnx_import_identity(n);
}

bool onnx_import_cast(OnnxNode *n) {
  int64_t to = onnx_cast_target(n);
  const Tensor *computed = onnx_input(n, 0)->tensor;
  bool integers = computed && computed->type.dtype != DT_F32 && !computed->type.quant;
  if (to == 1 && integers) { /* the op says which integers it takes */
    Tensor *x = onnx_input(n, 0)->tensor;
    return onnx_set_output(n, 0, onnx_emit1(n, OP_cast, onnx_output_name(n, 0), x, NULL));
  }
  if (to == 1) {
    Tensor *x = onnx_operand(n, 0, false);
    return onnx_set_output(n, 0, onnx_emit1(n, OP_identity, onnx_output_name(n, 0), x, NULL));
  }
  DType dtype = onnx_dtype(to > 0 && to < 64 ? (int)to : 0);
  if (dtype == DT_S32 || dtype == DT_S64) return onnx_import_index_cast(n, dtype);
  const char *name = to > 0 && to < 64 ? onnx_elem_name((int)to) : NULL;
  if (name) return onnx_error(n, "a cast of a computed value to %s is not supported", name);
  return onnx_error(n, "attribute 'to' is %lld, which is no element type", (long long)to);
}

/* Reshape, Flatten, Squeeze, Unsqueeze */
static bool import_reshaped(OnnxNode *n, bool (*result)(const OnnxNode *, const Shape *, Shape *)) {
  Tensor *x = onnx_operand(n, 0, true);
  Shape to;
  if (!x || !result(n, &x->type.shape, &to)) return false;
  return onnx_set_output(n, 0, onnx_reshape(n, onnx_output_name(n, 0), x, &to));
}

bool onnx_import_flatten(OnnxNode *n) { return import_reshaped(n, onnx_flattened); }
bool onnx_import_reshape(OnnxNode *n) { return import_reshaped(n, onnx_reshaped); }
bool onnx_import_squeeze(OnnxNode *n) { return import_reshaped(n, onnx_squeezed); }
bool onnx_import_unsqueeze(OnnxNode *n) { return import_reshaped(n, onnx_unsqueezed); }

bool onnx_import_transpose(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, true);
  int perm[MAX_RANK];
  if (!x || !onnx_permutation(n, x->type.shape.rank, perm)) return false;
  TransposeAttrs attrs = {{.n = x->type.shape.rank}};
  for (int i = 0; i < attrs.perm.n; i++) attrs.perm.v[i] = perm[i];
  if (onnx_is_weight(x) && attrs.perm.n == 2 && perm[0])
    return onnx_set_output(n, 0, onnx_transpose_weight(n, x));
  return onnx_set_output(n, 0, onnx_emit1(n, OP_transpose, onnx_output_name(n, 0), x, &attrs));
}

/* Joins integers: they are of one type, with the parameters of those that are computed. */
static const Type *joined_type(const OnnxNode *n) {
  for (int i = 0; i < (int)n->proto->n_input; i++) {
    const Tensor *t = onnx_input(n, i)->tensor;
    if (t && t->type.quant) return &t->type;
  }
  return NULL;
}

static Tensor *joined_operand(OnnxNode *n, int i, const Type *joined) {
  const OnnxValue *v = onnx_input(n, i);
  if (joined && v->data && v->type.dtype == joined->dtype && joined->quant->axis < 0 &&
      shape_count(&v->type.shape))
    return onnx_shared_constant(n, v->name, (Type){v->type.dtype, v->type.shape, joined->quant}, v->data);
  Tensor *t = onnx_operand(n, i, true);
  if (!t || !joined || (t->type.dtype == joined->dtype && quant_equal(t->type.quant, joined->quant)))
    return t;
  onnx_error(n, "the inputs are integers with different scales or zero points, %s and %s",
             type_text(n->im->arena, joined), type_text(n->im->arena, &t->type));
  return NULL;
}

bool onnx_import_concat(OnnxNode *n) {
  int count = (int)n->proto->n_input, axis;
  Tensor **x = ARENA_NEW_ARRAY(n->im->arena, Tensor *, (size_t)count);
  const Type *joined = joined_type(n);
  for (int i = 0; i < count; i++)
    if (!(x[i] = joined_operand(n, i, joined))) return false;
  if (!onnx_concat_axis(n, x[0]->type.shape.rank, &axis)) return false;
  AxisAttrs attrs = {axis};
  const char *name = onnx_output_name(n, 0);
  if (count == 1) return onnx_set_output(n, 0, onnx_emit(n, OP_identity, name, x, 1, NULL));
  Type result = joined ? (Type){joined->dtype, {0}, joined->quant} : (Type){0};
  return onnx_set_output(n, 0, onnx_emit_typed(n, OP_concat, name, x, count, &attrs, result));
}

/* The value that fills: opset 11 and later as an input of the operand's type, integers for quantized
 * operands. */
static bool pad_value(const OnnxNode *n, const Tensor *x, float *value) {
  *value = onnx_attr_float(n, "value", 0);
  if (x->type.quant) *value = dequantize_value(0, tensor_scale(x), tensor_zero(x));
  if (!onnx_has_input(n, 2)) return true;
  if (!x->type.quant) return onnx_scalar_input(n, 2, "constant_value", value);
  const OnnxValue *v = onnx_const_input(n, 2, "constant_value");
  if (!v) return false;
  if (v->type.dtype != x->type.dtype || shape_count(&v->type.shape) != 1)
    return onnx_error(n, "constant_value must be one element of the input's type");
  int32_t q = v->type.dtype == DT_S8 ? *(const int8_t *)v->data : *(const uint8_t *)v->data;
  *value = dequantize_value(q, tensor_scale(x), tensor_zero(x));
  return true;
}

bool onnx_import_pad(OnnxNode *n) {
  static const char *const modes[] = {"constant", "reflect", "edge"};
  const char *mode = onnx_attr_string(n, "mode", "constant");
  Tensor *x = onnx_operand(n, 0, true);
  PadAttrs attrs = {.mode = -1};
  OnnxInts pads, axes = {0};
  bool given, have_axes, mask[MAX_RANK];
  for (int i = 0; i < 3; i++)
    if (!strcmp(mode, modes[i])) attrs.mode = i;
  if (!x) return false;
  if (attrs.mode < 0)
    return onnx_error(n, "attribute 'mode' is '%s'; constant, reflect and edge are supported",
                      onnx_shown(n->im->arena, mode));
  if (x->type.quant && x->type.quant->axis >= 0)
    return onnx_error(n, "an input quantized along an axis is not supported");
  if (!read_list(n, 1, "pads", &pads, &given) || !read_list(n, 3, "axes", &axes, &have_axes) ||
      !pad_value(n, x, &attrs.value))
    return false;
  int rank = x->type.shape.rank;
  int64_t count = have_axes ? axes.n : rank;
  if (!given) return onnx_error(n, "the pads are missing");
  if (have_axes && !onnx_axes(n, &axes, rank, mask)) return false;
  if (pads.n != 2 * count)
    return onnx_error(n, "%lld pads are given; %lld are needed", (long long)pads.n, (long long)(2 * count));
  attrs.pads.n = 2 * rank;
  for (int64_t i = 0; i < count; i++) {
    int axis = (int)i;
    if (have_axes && !onnx_axis(n, axes.v[i], rank, &axis)) return false;
    attrs.pads.v[axis] = pads.v[i];
    attrs.pads.v[rank + axis] = pads.v[count + i];
  }
  return onnx_set_output(n, 0, onnx_emit1(n, OP_pad, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_slice(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, true);
  SliceAttrs attrs = {0};
  Shape to;
  if (!x || !onnx_slice_ranges(n, &x->type.shape, &attrs, &to)) return false;
  return onnx_set_output(n, 0, onnx_emit1(n, OP_slice, onnx_output_name(n, 0), x, &attrs));
}

bool onnx_import_split(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, true);
  SliceAttrs attrs = {0};
  int64_t *sizes;
  int axis;
  if (!x || !onnx_split_sizes(n, &x->type.shape, &axis, &sizes)) return false;
  const Shape *s = &x->type.shape;
  attrs.start.n = attrs.stop.n = attrs.step.n = s->rank;
  for (int i = 0; i < s->rank; i++) {
    attrs.stop.v[i] = s->dim[i];
    attrs.step.v[i] = 1;
  }
  attrs.stop.v[axis] = 0;
  for (int i = 0; i < (int)n->proto->n_output; i++) {
    attrs.start.v[axis] = attrs.stop.v[axis];
    attrs.stop.v[axis] += sizes[i];
    if (!onnx_output_used(n, i)) continue;
    if (!onnx_set_output(n, i, onnx_emit1(n, OP_slice, onnx_output_name(n, i), x, &attrs))) return false;
  }
  return true;
}
