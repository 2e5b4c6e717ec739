#include "compiler/onnx_quant.h"
#include "ir/quant.h"

#include <string.h>

static bool has_zero(const OnnxNode *n, const OnnxParams *p) {
  return p->zero >= 0 && onnx_has_input(n, p->zero);
}

static int32_t read_zero(const OnnxValue *v, int64_t i) {
  switch (v->type.dtype) {
  case DT_U8:
    return ((const uint8_t *)v->data)[i];
  case DT_S8:
    return ((const int8_t *)v->data)[i];
  default:
    return ((const int32_t *)v->data)[i];
  }
}

static bool check_scales(const OnnxNode *n, const OnnxParams *p, const OnnxValue *scale) {
  const float *s = scale->data;
  for (int64_t i = 0, count = shape_count(&scale->type.shape); i < count; i++)
    if (!scale_is_valid(s[i]))
      return onnx_error(
          n, "the scale of %s, '%s', is %g at element %lld: it must be positive, finite and normal", p->what,
          onnx_shown(n->im->arena, scale->name), (double)s[i], (long long)i);
  return true;
}

/* The parameters of a tensor of this type and shape. One scale: per tensor. A list: along `axis`. NULL after
 * a diagnostic. */
static const Quant *read_params(const OnnxNode *n, const OnnxParams *p, DType dtype, const Shape *shape,
                                int64_t axis) {
  const OnnxValue *scale = onnx_const_input(n, p->scale, "the scale");
  const OnnxValue *zero = scale && has_zero(n, p) ? onnx_const_input(n, p->zero, "the zero point") : NULL;
  Arena *a = n->im->arena;
  if (!scale || (has_zero(n, p) && !zero)) return NULL;
  int64_t count = shape_count(&scale->type.shape);
  int at = -1;
  if (scale->type.dtype != DT_F32 || scale->type.shape.rank > 1 || !count) {
    onnx_error(n, "the scale of %s must be FLOAT, a scalar or a list, not %s", p->what,
               type_text(a, &scale->type));
    return NULL;
  }
  if (zero && (zero->type.dtype != dtype || shape_count(&zero->type.shape) != count)) {
    onnx_error(n, "the zero point of %s is %s; %lld of %s are needed", p->what, type_text(a, &zero->type),
               (long long)count, dtype_info[dtype].name);
    return NULL;
  }
  if (!check_scales(n, p, scale)) return NULL;
  /* a list of one is along an axis where that is said of a constant, and else the tensor's */
  const OnnxValue *of = onnx_input(n, 0);
  bool list_of_one = scale->type.shape.rank == 1 && of && of->data && onnx_has_attr(n, "axis");
  if (count > 1 || (list_of_one && axis < shape->rank && axis >= 0 && shape->dim[axis] == 1)) {
    if (!onnx_axis(n, axis, shape->rank, &at)) return NULL;
    if (shape->dim[at] != count) {
      onnx_error(n, "%lld scales for axis %d of %s, %s", (long long)count, at, p->what, shape_text(a, shape));
      return NULL;
    }
  }
  int32_t *zeros = ARENA_NEW_ARRAY(a, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) {
    zeros[i] = zero ? read_zero(zero, i) : 0;
    if (dtype == DT_S32 && zeros[i]) {
      onnx_error(n, "the zero point of %s, an INT32 tensor, must be 0", p->what);
      return NULL;
    }
  }
  return quant_new(a, at, count, scale->data, zeros);
}

static bool check_axis_attrs(const OnnxNode *n) {
  if (onnx_attr_int(n, "block_size", 0))
    return onnx_error(n, "attribute 'block_size': blocks are not supported");
  return true;
}

/* ---- quantized operands ---- */

/* The same integers with other parameters: a table that maps each value to itself, so nothing is rounded. */
static Tensor *reinterpreted(OnnxNode *n, Tensor *t, const Quant *quant) {
  DType dtype = t->type.dtype;
  if (dtype == DT_S32 || t->type.quant->axis >= 0 || quant->axis >= 0) {
    onnx_error(n, "'%s' is quantized with other parameters, which is supported per tensor only",
               onnx_shown(n->im->arena, t->name));
    return NULL;
  }
  uint8_t *table = arena_alloc(n->im->arena, 256);
  for (int i = 0; i < 256; i++) table[i] = (uint8_t)(dtype_info[dtype].min + i);
  Tensor *k =
      onnx_constant(n, onnx_temp_name(n, "table"), (Type){dtype, shape_of(1, (int64_t)256), NULL}, table);
  return onnx_emit_typed(n, OP_lut, NULL, (Tensor *[]){t, k}, 2, NULL, (Type){dtype, t->type.shape, quant});
}

static const Type *type_of(const OnnxValue *v) { return v->tensor ? &v->tensor->type : &v->type; }

/* Input i as the integers that these parameters explain. NULL after a diagnostic. */
Tensor *onnx_quantized_operand(OnnxNode *n, int i, const Quant *quant) {
  OnnxValue *v = onnx_input(n, i);
  if (v->data) { /* constants: another pair of parameters is another constant over the same data */
    Type type = {v->type.dtype, v->type.shape, quant};
    return onnx_shared_constant(n, v->name, type, v->data);
  }
  Tensor *t = v->tensor;
  if (!t->type.quant && t->is_input) t->type.quant = quant; /* its first reader says what the numbers mean */
  if (!t->type.quant) {
    onnx_error(n, "input '%s' is not quantized", onnx_shown(n->im->arena, v->name));
    return NULL;
  }
  return quant_equal(t->type.quant, quant) ? t : reinterpreted(n, t, quant);
}

/* Reads the parameters of input i, and the input by them, as float32. */
Tensor *onnx_dequantized_operand(OnnxNode *n, const char *name, int i, const OnnxParams *p, int64_t axis,
                                 bool s32_too) {
  const Type *t = type_of(onnx_input(n, i));
  bool fits = t->dtype == DT_U8 || t->dtype == DT_S8 || (s32_too && t->dtype == DT_S32);
  if (!fits) {
    onnx_error(n, "%s is %s; UINT8 or INT8%s is needed", p->what, type_text(n->im->arena, t),
               s32_too ? " or INT32" : "");
    return NULL;
  }
  if (!shape_count(&t->shape)) {
    onnx_error(n, "%s has no elements: %s", p->what, type_text(n->im->arena, t));
    return NULL;
  }
  const Quant *quant = read_params(n, p, t->dtype, &t->shape, axis);
  Tensor *q = quant ? onnx_quantized_operand(n, i, quant) : NULL;
  return onnx_emit1(n, OP_dequantize, name, q, NULL);
}

/* ---- QuantizeLinear, DequantizeLinear ---- */

/* The type of the zero point; where there is none, that of attribute output_dtype, else what `p` says. */
static DType result_dtype(const OnnxNode *n, const OnnxParams *p) {
  int64_t elem = onnx_attr_int(n, "output_dtype", 0);
  DType dtype = has_zero(n, p) ? type_of(onnx_input(n, p->zero))->dtype
                : elem         ? onnx_dtype(elem > 0 && elem < 64 ? (int)elem : 0)
                : p->absent    ? p->absent
                               : DT_U8;
  if (dtype == DT_U8 || dtype == DT_S8) return dtype;
  onnx_error(n, "the result must be UINT8 or INT8, not %s", dtype ? dtype_info[dtype].name : "another type");
  return DT_NONE;
}

Tensor *onnx_emit_quantize(OnnxNode *n, const char *name, Tensor *x, const OnnxParams *p, int64_t axis) {
  if (!x) return NULL;
  DType dtype = result_dtype(n, p);
  const Quant *quant = dtype ? read_params(n, p, dtype, &x->type.shape, axis) : NULL;
  return quant ? onnx_emit_typed(n, OP_quantize, name, &x, 1, NULL, (Type){dtype, x->type.shape, quant})
               : NULL;
}

bool onnx_import_quantize_linear(OnnxNode *n) {
  static const OnnxParams params = {"y", 1, 2};
  if (!check_axis_attrs(n)) return false;
  Tensor *x = onnx_operand(n, 0, false);
  return onnx_set_output(
      n, 0, onnx_emit_quantize(n, onnx_output_name(n, 0), x, &params, onnx_attr_int(n, "axis", 1)));
}

bool onnx_import_dequantize_linear(OnnxNode *n) {
  static const OnnxParams params = {"x", 1, 2};
  if (!check_axis_attrs(n)) return false;
  return onnx_set_output(
      n, 0,
      onnx_dequantized_operand(n, onnx_output_name(n, 0), 0, &params, onnx_attr_int(n, "axis", 1), true));
}

const Quant *onnx_result_quant(const OnnxNode *n, const char *name, DType dtype) {
  static const OnnxParams params = {"x", 1, 2};
  const Quant *quant;
  if (!onnx_annotated_quant(n->im, n->loc, name, dtype, &quant) || quant) return quant;
  const Onnx__NodeProto *reader = strmap_get(n->im->readers, name);
  if (!reader) {
    onnx_error(n, "no DequantizeLinear says what the values of '%s' mean", onnx_shown(n->im->arena, name));
    return NULL;
  }
  const OnnxNode at = {.im = n->im, .proto = reader, .loc = onnx_node_loc(n->im, reader), .opset = n->opset};
  if (!onnx_has_input(&at, 1)) {
    onnx_error(&at, "input 1 of DequantizeLinear is missing");
    return NULL;
  }
  quant = read_params(&at, &params, dtype, &(Shape){0}, 0);
  return quant;
}
