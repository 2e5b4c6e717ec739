/* Constants moved and reshaped at import, whatever their element type: what shape arithmetic is made of.
 * Quantized constants with an axis are left to the ops of the IR, which carry the axis along. */
#include "compiler/onnx_ops.h"

#include <string.h>

static const Type *type_of(const OnnxValue *v) { return v->tensor ? &v->tensor->type : &v->type; }

static bool movable(const OnnxValue *v) { return !v->type.quant || v->type.quant->axis < 0; }

static size_t elem_bytes(const OnnxValue *v) { return (size_t)dtype_info[v->type.dtype].bytes; }

static OnnxFold done(OnnxNode *n, Type type, const void *data) {
  onnx_set_const(n, 0, type, data);
  return FOLD_DONE;
}

static OnnxFold check_result(OnnxNode *n, const Shape *s) {
  if (shape_check(s)) return FOLD_DONE;
  onnx_error(n, "the result %s is larger than the limit of %lld elements", shape_text(n->im->arena, s),
             (long long)MAX_ELEMENTS);
  return FOLD_ERROR;
}

/* Memory for a constant; never of no bytes, because NULL means that a value is not constant. */
static char *new_data(OnnxNode *n, const Type *t) {
  return arena_alloc(n->im->arena, (size_t)type_bytes(t) + 1);
}

/* to[i...] = from[offset + i0 * stride0 + ...], in elements. */
static void gather_strided(char *to, const char *from, size_t bytes, const Shape *shape, int64_t offset,
                           const int64_t stride[MAX_RANK]) {
  int64_t index[MAX_RANK] = {0}, at = offset;
  for (int64_t i = 0, count = shape_count(shape); i < count; i++) {
    memcpy(to + (size_t)i * bytes, from + (size_t)at * bytes, bytes);
    for (int d = shape->rank - 1; d >= 0; d--) {
      at += stride[d];
      if (++index[d] < shape->dim[d]) break;
      at -= stride[d] * shape->dim[d];
      index[d] = 0;
    }
  }
}

static void strides_of(const Shape *s, int64_t stride[MAX_RANK]) {
  int64_t step = 1;
  for (int i = s->rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= s->dim[i];
  }
}

/* ---- sources ---- */

static OnnxFold constant_list(OnnxNode *n, DType dtype, const void *data, int64_t count, bool scalar) {
  Shape shape = scalar ? (Shape){0} : shape_of(1, count);
  Type type = {dtype, shape, NULL};
  if (check_result(n, &shape) == FOLD_ERROR) return FOLD_ERROR;
  char *copy = new_data(n, &type);
  if (count) memcpy(copy, data, (size_t)type_bytes(&type));
  return done(n, type, copy);
}

static OnnxFold constant_tensor(OnnxNode *n, const Onnx__TensorProto *t) {
  Type type;
  const void *data;
  if (!onnx_read_tensor(n->im, n->loc, t, &type, &data)) return FOLD_ERROR;
  OnnxValue *v = strmap_get(n->im->values, onnx_output_name(n, 0));
  if (v) v->elem = t->data_type; /* a type that the IR has not is an error only where it is used */
  if (v) v->doubles = onnx_is_double(t) ? t : NULL;
  return done(n, type, data);
}

OnnxFold onnx_fold_constant(OnnxNode *n) {
  if (n->proto->n_attribute != 1) {
    onnx_error(n, "takes one attribute with the value, not %zu", n->proto->n_attribute);
    return FOLD_ERROR;
  }
  const Onnx__AttributeProto *a = n->proto->attribute[0];
  switch ((int)a->type) {
  case ONNX_TENSOR:
    return constant_tensor(n, a->t);
  case ONNX_FLOAT:
    return constant_list(n, DT_F32, &a->f, 1, true);
  case ONNX_FLOATS:
    return constant_list(n, DT_F32, a->floats, (int64_t)a->n_floats, false);
  case ONNX_INT:
    return constant_list(n, DT_S64, &a->i, 1, true);
  default:
    return constant_list(n, DT_S64, a->ints, (int64_t)a->n_ints, false);
  }
}

/* A list of dimensions from input i. */
static bool read_dims(OnnxNode *n, int i, Shape *s) {
  OnnxInts dims;
  if (!onnx_ints_input(n, i, "the shape", &dims)) return false;
  if (dims.n > MAX_RANK)
    return onnx_error(n, "a shape of %lld dimensions; at most %d are supported", (long long)dims.n, MAX_RANK);
  *s = (Shape){.rank = (int)dims.n};
  for (int k = 0; k < s->rank; k++) {
    s->dim[k] = dims.v[k];
    if (dims.v[k] < 0) return onnx_error(n, "dimension %d is %lld", k, (long long)dims.v[k]);
  }
  return check_result(n, s) == FOLD_DONE;
}

OnnxFold onnx_fold_constant_of_shape(OnnxNode *n) {
  static const float zero;
  const Onnx__AttributeProto *a = onnx_attr(n, "value");
  Type type = {DT_F32, {0}, NULL};
  const void *value = &zero;
  Shape shape;
  if (a && !onnx_read_tensor(n->im, n->loc, a->t, &type, &value)) return FOLD_ERROR;
  if (type.dtype == DT_NONE || shape_count(&type.shape) != 1) {
    onnx_error(n, "attribute 'value' must have one element, of a type that is supported");
    return FOLD_ERROR;
  }
  if (!read_dims(n, 0, &shape)) return FOLD_ERROR;
  type.shape = shape;
  char *data = new_data(n, &type);
  size_t bytes = (size_t)dtype_info[type.dtype].bytes;
  for (int64_t i = 0, count = shape_count(&shape); i < count; i++)
    memcpy(data + (size_t)i * bytes, value, bytes);
  return done(n, type, data);
}

static int64_t clamp_dim(int64_t v, int rank) {
  if (v < 0) v += rank;
  return v < 0 ? 0 : v > rank ? rank : v;
}

OnnxFold onnx_fold_shape(OnnxNode *n) {
  const Shape *s = &type_of(onnx_input(n, 0))->shape;
  int64_t start = clamp_dim(onnx_attr_int(n, "start", 0), s->rank);
  int64_t end = clamp_dim(onnx_attr_int(n, "end", s->rank), s->rank);
  return constant_list(n, DT_S64, s->dim + start, end > start ? end - start : 0, false);
}

OnnxFold onnx_fold_size(OnnxNode *n) {
  int64_t count = shape_count(&type_of(onnx_input(n, 0))->shape);
  return constant_list(n, DT_S64, &count, 1, true);
}

/* ---- movement ---- */

typedef bool (*ReshapeRule)(const OnnxNode *, const Shape *, Shape *);

static bool keep_shape(const OnnxNode *n, const Shape *from, Shape *to) {
  (void)n;
  *to = *from;
  return true;
}

static ReshapeRule reshape_rule(const OnnxNode *n) {
  static const struct {
    const char *op;
    ReshapeRule rule;
  } rules[] = {{"Reshape", onnx_reshaped},
               {"Flatten", onnx_flattened},
               {"Squeeze", onnx_squeezed},
               {"Unsqueeze", onnx_unsqueezed}};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
    if (!strcmp(rules[i].op, n->op->name)) return rules[i].rule;
  return keep_shape;
}

OnnxFold onnx_fold_same_data(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  Type type = x->type;
  if (!movable(x)) return FOLD_NO;
  return reshape_rule(n)(n, &x->type.shape, &type.shape) ? done(n, type, x->data) : FOLD_ERROR;
}

OnnxFold onnx_fold_transpose(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  Type type = x->type;
  int perm[MAX_RANK];
  int64_t stride[MAX_RANK], from[MAX_RANK];
  if (!movable(x)) return FOLD_NO;
  if (!onnx_permutation(n, type.shape.rank, perm)) return FOLD_ERROR;
  strides_of(&x->type.shape, from);
  for (int i = 0; i < type.shape.rank; i++) {
    type.shape.dim[i] = x->type.shape.dim[perm[i]];
    stride[i] = from[perm[i]];
  }
  char *data = new_data(n, &type);
  gather_strided(data, x->data, elem_bytes(x), &type.shape, 0, stride);
  return done(n, type, data);
}

static bool concat_shape(OnnxNode *n, int *axis, Shape *s) {
  const OnnxValue *first = onnx_input(n, 0);
  *s = first->type.shape;
  if (!onnx_concat_axis(n, s->rank, axis)) return false;
  for (int i = 1; i < (int)n->proto->n_input; i++) {
    const OnnxValue *x = onnx_input(n, i);
    Shape same = x->type.shape;
    if (same.rank == s->rank) same.dim[*axis] = s->dim[*axis];
    if (x->type.dtype != first->type.dtype || !shape_equal(&same, s))
      return onnx_error(n, "%s and %s cannot be joined at axis %d", type_text(n->im->arena, &first->type),
                        type_text(n->im->arena, &x->type), *axis);
    s->dim[*axis] += x->type.shape.dim[*axis];
  }
  return check_result(n, s) == FOLD_DONE;
}

OnnxFold onnx_fold_concat(OnnxNode *n) {
  int axis;
  Type type = onnx_input(n, 0)->type;
  for (int i = 0; i < (int)n->proto->n_input; i++)
    if (onnx_input(n, i)->type.quant) return FOLD_NO;
  if (!concat_shape(n, &axis, &type.shape)) return FOLD_ERROR;
  char *data = new_data(n, &type), *to = data;
  int64_t outer = 1, inner = (int64_t)dtype_info[type.dtype].bytes;
  for (int i = 0; i < axis; i++) outer *= type.shape.dim[i];
  for (int i = axis + 1; i < type.shape.rank; i++) inner *= type.shape.dim[i];
  for (int64_t o = 0; o < outer; o++)
    for (int i = 0; i < (int)n->proto->n_input; i++) {
      const OnnxValue *x = onnx_input(n, i);
      size_t run = (size_t)(x->type.shape.dim[axis] * inner);
      memcpy(to, (const char *)x->data + (size_t)o * run, run);
      to += run;
    }
  return done(n, type, data);
}

/* Output `out` of the range of x. */
static void take_range(OnnxNode *n, int out, const OnnxValue *x, const SliceAttrs *s, const Shape *shape) {
  Type type = {x->type.dtype, *shape, x->type.quant};
  int64_t stride[MAX_RANK], offset = 0;
  strides_of(&x->type.shape, stride);
  for (int i = 0; i < shape->rank; i++) {
    offset += s->start.v[i] * stride[i];
    stride[i] *= s->step.v[i];
  }
  char *data = new_data(n, &type);
  gather_strided(data, x->data, elem_bytes(x), shape, offset, stride);
  onnx_set_const(n, out, type, data);
}

OnnxFold onnx_fold_slice(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  SliceAttrs s = {0};
  Shape to;
  if (!movable(x)) return FOLD_NO;
  if (!onnx_slice_ranges(n, &x->type.shape, &s, &to)) return FOLD_ERROR;
  take_range(n, 0, x, &s, &to);
  return FOLD_DONE;
}

OnnxFold onnx_fold_split(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  SliceAttrs s = {0};
  int64_t *sizes;
  int axis;
  if (!movable(x)) return FOLD_NO;
  if (!onnx_split_sizes(n, &x->type.shape, &axis, &sizes)) return FOLD_ERROR;
  for (int i = 0; i < x->type.shape.rank; i++) s.step.v[i] = 1;
  for (int i = 0; i < (int)n->proto->n_output; i++) {
    Shape to = x->type.shape;
    to.dim[axis] = sizes[i];
    take_range(n, i, x, &s, &to);
    s.start.v[axis] += sizes[i];
  }
  return FOLD_DONE;
}

OnnxFold onnx_fold_gather(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0), *index = onnx_input(n, 1);
  const Shape *xs = &x->type.shape, *is = &index->type.shape;
  int axis;
  if (x->type.quant) return FOLD_NO;
  bool wide = index->type.dtype == DT_S64;
  if (!wide && index->type.dtype != DT_S32) {
    onnx_error(n, "the indices are %s; INT64 or INT32 is needed", type_text(n->im->arena, &index->type));
    return FOLD_ERROR;
  }
  if (!onnx_axis(n, onnx_attr_int(n, "axis", 0), xs->rank, &axis)) return FOLD_ERROR;
  if (xs->rank - 1 + is->rank > MAX_RANK) {
    onnx_error(n, "the result has %d dimensions; at most %d are supported", xs->rank - 1 + is->rank,
               MAX_RANK);
    return FOLD_ERROR;
  }
  Type type = {x->type.dtype, {0}, NULL};
  int64_t outer = 1, inner = (int64_t)elem_bytes(x), count = shape_count(is), dim = xs->dim[axis];
  for (int i = 0; i < axis; i++) outer *= type.shape.dim[type.shape.rank++] = xs->dim[i];
  for (int i = 0; i < is->rank; i++) type.shape.dim[type.shape.rank++] = is->dim[i];
  for (int i = axis + 1; i < xs->rank; i++) inner *= type.shape.dim[type.shape.rank++] = xs->dim[i];
  if (check_result(n, &type.shape) == FOLD_ERROR) return FOLD_ERROR;
  char *data = new_data(n, &type), *to = data;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < count; i++, to += inner) {
      int64_t k = wide ? ((const int64_t *)index->data)[i] : ((const int32_t *)index->data)[i];
      if (k < -dim || k >= dim) {
        onnx_error(n, "index %lld is out of range for a dimension of %lld", (long long)k, (long long)dim);
        return FOLD_ERROR;
      }
      if (k < 0) k += dim;
      memcpy(to, (const char *)x->data + (o * dim + k) * inner, (size_t)inner);
    }
  return done(n, type, data);
}

OnnxFold onnx_fold_expand(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  Type type = {x->type.dtype, {0}, x->type.quant};
  Shape want;
  int64_t stride[MAX_RANK] = {0}, from[MAX_RANK];
  if (!movable(x)) return FOLD_NO;
  if (!read_dims(n, 1, &want)) return FOLD_ERROR;
  if (!shape_broadcast(&x->type.shape, &want, &type.shape)) {
    onnx_error(n, "%s does not broadcast to %s", shape_text(n->im->arena, &x->type.shape),
               shape_text(n->im->arena, &want));
    return FOLD_ERROR;
  }
  if (check_result(n, &type.shape) == FOLD_ERROR) return FOLD_ERROR;
  int lead = type.shape.rank - x->type.shape.rank;
  strides_of(&x->type.shape, from);
  for (int i = 0; i < x->type.shape.rank; i++) stride[lead + i] = x->type.shape.dim[i] == 1 ? 0 : from[i];
  char *data = new_data(n, &type);
  gather_strided(data, x->data, elem_bytes(x), &type.shape, 0, stride);
  return done(n, type, data);
}
