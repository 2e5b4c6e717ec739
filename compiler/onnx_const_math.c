/* Arithmetic on integer constants, as exporters use it to compute shapes. Everything is computed in 64 bits
 * and checked: what would overflow, divide by zero or lose digits is an error, not a value. Floating point is
 * left to the reference kernels of the IR. */
#include "compiler/onnx_ops.h"
#include "ir/half.h"

#include <math.h>
#include <string.h>

static bool is_integer(DType t) { return t != DT_NONE && t != DT_F32 && t != DT_F16; }

static int64_t load(const OnnxValue *v, int64_t i) {
  switch (v->type.dtype) {
  case DT_S64:
    return ((const int64_t *)v->data)[i];
  case DT_S32:
    return ((const int32_t *)v->data)[i];
  case DT_S8:
    return ((const int8_t *)v->data)[i];
  default:
    return ((const uint8_t *)v->data)[i];
  }
}

static bool store(const OnnxNode *n, DType t, void *data, int64_t i, int64_t v) {
  if (v < dtype_info[t].min || v > dtype_info[t].max)
    return onnx_error(n, "the constant result %lld is out of the range of %s", (long long)v,
                      dtype_info[t].name);
  switch (t) {
  case DT_S64:
    ((int64_t *)data)[i] = v;
    break;
  case DT_S32:
    ((int32_t *)data)[i] = (int32_t)v;
    break;
  case DT_S8:
    ((int8_t *)data)[i] = (int8_t)v;
    break;
  default:
    ((uint8_t *)data)[i] = (uint8_t)v;
  }
  return true;
}

static void *new_data(OnnxNode *n, const Type *t) {
  return arena_alloc(n->im->arena, (size_t)type_bytes(t) + 1);
}

/* ---- Cast ---- */

static bool float_to_int(const OnnxNode *n, float v, int64_t *out) {
  /* 2^63 is a float32, the values below it are not within one of it */
  if (!(v >= -9223372036854775808.0f && v < 9223372036854775808.0f))
    return onnx_error(n, "the constant %g cannot be cast to an integer", (double)v);
  *out = (int64_t)v;
  return true;
}

static bool cast_one(const OnnxNode *n, const OnnxValue *x, const Type *to, void *data, int64_t i) {
  bool from_half = x->type.dtype == DT_F16, from_float = x->type.dtype == DT_F32 || from_half;
  float f = from_half    ? half_to_float(((const uint16_t *)x->data)[i])
            : from_float ? ((const float *)x->data)[i]
                         : 0;
  int64_t v = 0;
  if (to->dtype == DT_F16) {
    ((uint16_t *)data)[i] =
        from_half ? ((const uint16_t *)x->data)[i] : half_from_float(from_float ? f : (float)load(x, i));
    return true;
  }
  if (to->dtype == DT_F32) {
    ((float *)data)[i] = from_float ? f : (float)load(x, i);
    return true;
  }
  if (to->dtype == DT_BOOL) return store(n, DT_BOOL, data, i, from_float ? f != 0 : load(x, i) != 0);
  if (from_float && !float_to_int(n, f, &v)) return false;
  return store(n, to->dtype, data, i, from_float ? v : load(x, i));
}

/* PyTorch exports scales as DOUBLE with a cast behind them. */
static OnnxFold cast_doubles(OnnxNode *n, const OnnxValue *x, int64_t elem) {
  if (onnx_dtype(elem > 0 && elem < 64 ? (int)elem : 0) != DT_F32) {
    onnx_error(n, "input 0, '%s', has element type DOUBLE, which is supported in casts to FLOAT only",
               onnx_shown(n->im->arena, x->name));
    return FOLD_ERROR;
  }
  Type type = {DT_F32, x->type.shape, NULL};
  float *data = new_data(n, &type);
  if (!onnx_read_doubles(n, x->doubles, shape_count(&type.shape), data)) return FOLD_ERROR;
  onnx_set_const(n, 0, type, data);
  return FOLD_DONE;
}

int64_t onnx_cast_target(const OnnxNode *n) {
  if (strcmp(n->op->name, "CastLike")) return onnx_attr_int(n, "to", 0);
  const OnnxValue *like = onnx_input(n, 1);
  return onnx_elem_of(like->tensor ? like->tensor->type.dtype : like->type.dtype);
}

OnnxFold onnx_fold_cast_like(OnnxNode *n) { return onnx_input(n, 0)->data ? onnx_fold_cast(n) : FOLD_NO; }

OnnxFold onnx_fold_cast(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  int64_t elem = onnx_cast_target(n);
  if (x->doubles) return cast_doubles(n, x, elem);
  const char *name = elem > 0 && elem < 64 ? onnx_elem_name((int)elem) : NULL;
  if (x->type.quant) return FOLD_NO;
  Type type = {name ? onnx_dtype((int)elem) : DT_NONE, x->type.shape, NULL};
  if (type.dtype == DT_NONE) {
    if (name) {
      onnx_error(n, "a cast to %s is not supported", name);
    } else {
      onnx_error(n, "attribute 'to' is %lld, which is no element type", (long long)elem);
    }
    return FOLD_ERROR;
  }
  void *data = new_data(n, &type);
  for (int64_t i = 0, count = shape_count(&type.shape); i < count; i++)
    if (!cast_one(n, x, &type, data, i)) return FOLD_ERROR;
  onnx_set_const(n, 0, type, data);
  if (x->type.dtype == DT_F16 && type.dtype == DT_F32) onnx_mark_halves(n, 0);
  return FOLD_DONE;
}

/* ---- element by element ---- */

typedef bool (*IntOp)(const OnnxNode *n, int64_t a, int64_t b, int64_t *r);

static bool overflow(const OnnxNode *n) { return onnx_error(n, "an integer constant overflows 64 bits"); }

static bool int_add(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  return !__builtin_add_overflow(a, b, r) || overflow(n);
}
static bool int_sub(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  return !__builtin_sub_overflow(a, b, r) || overflow(n);
}
static bool int_mul(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  return !__builtin_mul_overflow(a, b, r) || overflow(n);
}
static bool int_div(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  if (!b) return onnx_error(n, "an integer constant is divided by zero");
  if (a == INT64_MIN && b == -1) return overflow(n);
  *r = a / b;
  return true;
}
/* Attribute fmod: the sign is the dividend's, as in C; without it the divisor's, as in Python. */
static bool int_mod(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  if (!b) return onnx_error(n, "an integer constant is divided by zero");
  *r = b == -1 ? 0 : a % b;
  if (!onnx_attr_int(n, "fmod", 0) && *r && (*r < 0) != (b < 0)) *r += b;
  return true;
}
static bool int_min(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  (void)n;
  *r = a < b ? a : b;
  return true;
}
static bool int_max(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  (void)n;
  *r = a > b ? a : b;
  return true;
}
static bool int_equal(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  (void)n;
  *r = a == b;
  return true;
}
static bool int_less(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  (void)n;
  *r = a < b;
  return true;
}
static bool int_greater(const OnnxNode *n, int64_t a, int64_t b, int64_t *r) {
  (void)n;
  *r = a > b;
  return true;
}

typedef struct {
  const char *op;
  IntOp f;
  bool compares;
} IntRow;

static const IntRow int_rows[] = {
    {"Add", int_add, false},        {"Sub", int_sub, false},       {"Mul", int_mul, false},
    {"Div", int_div, false},        {"Mod", int_mod, false},       {"Min", int_min, false},
    {"Max", int_max, false},        {"Equal", int_equal, true},    {"Less", int_less, true},
    {"Greater", int_greater, true}, {"ReduceSum", int_add, false}, {"ReduceProd", int_mul, false},
    {"ReduceMin", int_min, false},  {"ReduceMax", int_max, false},
};

static const IntRow *int_row(const OnnxNode *n) {
  for (size_t i = 0; i < sizeof int_rows / sizeof *int_rows; i++)
    if (!strcmp(int_rows[i].op, n->op->name)) return &int_rows[i];
  BUG("%s has no integer form", n->op->name);
}

/* The offset in an operand of shape `s` of element i of the broadcast result. */
static int64_t broadcast_offset(const Shape *result, const Shape *s, int64_t i) {
  int64_t offset = 0, step = 1;
  for (int d = result->rank - 1, k = s->rank - 1; k >= 0; d--, k--) {
    int64_t at = i % result->dim[d];
    i /= result->dim[d];
    if (s->dim[k] != 1) offset += at * step;
    step *= s->dim[k];
  }
  return offset;
}

OnnxFold onnx_fold_binary(OnnxNode *n) {
  const IntRow *row = int_row(n);
  const OnnxValue *a = onnx_input(n, 0), *b = onnx_input(n, n->proto->n_input > 1);
  Arena *arena = n->im->arena;
  Type type = {row->compares ? DT_BOOL : a->type.dtype, {0}, NULL};
  if (!is_integer(a->type.dtype) || a->type.dtype != b->type.dtype || a->type.quant || b->type.quant)
    return FOLD_NO;
  if (n->proto->n_input != 2) {
    onnx_error(n, "%zu integer constants are not supported, 2 are", n->proto->n_input);
    return FOLD_ERROR;
  }
  if (!shape_broadcast(&a->type.shape, &b->type.shape, &type.shape) || !shape_check(&type.shape)) {
    onnx_error(n, "the shapes %s and %s do not broadcast", shape_text(arena, &a->type.shape),
               shape_text(arena, &b->type.shape));
    return FOLD_ERROR;
  }
  void *data = new_data(n, &type);
  for (int64_t i = 0, count = shape_count(&type.shape); i < count; i++) {
    int64_t r, x = load(a, broadcast_offset(&type.shape, &a->type.shape, i));
    if (!row->f(n, x, load(b, broadcast_offset(&type.shape, &b->type.shape, i)), &r) ||
        !store(n, type.dtype, data, i, r))
      return FOLD_ERROR;
  }
  onnx_set_const(n, 0, type, data);
  return FOLD_DONE;
}

/* Neg and Abs; for both the least integer has no result. */
OnnxFold onnx_fold_unary(OnnxNode *n) {
  const OnnxValue *x = onnx_input(n, 0);
  Type type = x->type;
  if (!is_integer(type.dtype) || type.quant) return FOLD_NO;
  bool abs = !strcmp(n->op->name, "Abs");
  void *data = new_data(n, &type);
  for (int64_t i = 0, count = shape_count(&type.shape); i < count; i++) {
    int64_t v = load(x, i), r = v;
    if ((!abs || v < 0) && !int_sub(n, 0, v, &r)) return FOLD_ERROR;
    if (!store(n, type.dtype, data, i, r)) return FOLD_ERROR;
  }
  onnx_set_const(n, 0, type, data);
  return FOLD_DONE;
}

/* ---- reductions, Range ---- */

OnnxFold onnx_fold_reduce(OnnxNode *n) {
  const IntRow *row = int_row(n);
  const OnnxValue *x = onnx_input(n, 0);
  OnnxInts axes = {0};
  bool mask[MAX_RANK], keepdims, noop;
  Shape kept = x->type.shape, dropped = {0};
  if (!is_integer(x->type.dtype) || x->type.quant) return FOLD_NO;
  onnx_attr_ints(n, "axes", &axes);
  if ((onnx_has_input(n, 1) && !onnx_ints_input(n, 1, "axes", &axes)) ||
      !onnx_axes(n, &axes, kept.rank, mask) || !onnx_attr_flag(n, "keepdims", true, &keepdims) ||
      !onnx_attr_flag(n, "noop_with_empty_axes", false, &noop))
    return FOLD_ERROR;
  if (!shape_count(&kept)) {
    onnx_error(n, "a reduction of no elements");
    return FOLD_ERROR;
  }
  for (int i = 0; i < kept.rank; i++) {
    bool reduced = mask[i] || (!axes.n && !noop);
    if (!reduced) dropped.dim[dropped.rank++] = kept.dim[i];
    if (reduced) kept.dim[i] = 1;
  }
  Type type = {x->type.dtype, kept, NULL};
  void *data = new_data(n, &type);
  int64_t *sum = ARENA_NEW_ARRAY(n->im->arena, int64_t, (size_t)shape_count(&kept));
  bool *begun = ARENA_NEW_ARRAY(n->im->arena, bool, (size_t)shape_count(&kept));
  for (int64_t i = 0, count = shape_count(&x->type.shape); i < count; i++) {
    int64_t at = broadcast_offset(&x->type.shape, &kept, i), v = load(x, i);
    if (begun[at] && !row->f(n, sum[at], v, &v)) return FOLD_ERROR;
    sum[at] = v;
    begun[at] = true;
  }
  for (int64_t i = 0, count = shape_count(&kept); i < count; i++)
    if (!store(n, type.dtype, data, i, sum[i])) return FOLD_ERROR;
  if (!keepdims) type.shape = dropped;
  onnx_set_const(n, 0, type, data);
  return FOLD_DONE;
}

OnnxFold onnx_fold_range(OnnxNode *n) {
  const OnnxValue *v[3];
  for (int i = 0; i < 3; i++) {
    v[i] = onnx_input(n, i);
    if (!is_integer(v[i]->type.dtype) || v[i]->type.dtype != v[0]->type.dtype ||
        shape_count(&v[i]->type.shape) != 1) {
      onnx_error(n, "start, limit and delta must be integers of one type; input %d is %s", i,
                 type_text(n->im->arena, &v[i]->type));
      return FOLD_ERROR;
    }
  }
  int64_t start = load(v[0], 0), limit = load(v[1], 0), delta = load(v[2], 0), span, count = 0;
  if (!delta) {
    onnx_error(n, "the delta is 0");
    return FOLD_ERROR;
  }
  if (!int_sub(n, limit, start, &span)) return FOLD_ERROR;
  if (span && (span < 0) == (delta < 0)) { /* one element for each step that begins before the limit */
    uint64_t way = span < 0 ? 0 - (uint64_t)span : (uint64_t)span;
    uint64_t step = delta < 0 ? 0 - (uint64_t)delta : (uint64_t)delta;
    if ((way - 1) / step >= (uint64_t)MAX_DIM) {
      onnx_error(n, "the result has more than %lld elements", (long long)MAX_DIM);
      return FOLD_ERROR;
    }
    count = (int64_t)((way - 1) / step) + 1;
  }
  Type type = {v[0]->type.dtype, shape_of(1, count), NULL};
  void *data = new_data(n, &type);
  for (int64_t i = 0; i < count; i++)
    if (!store(n, type.dtype, data, i, start + i * delta)) return FOLD_ERROR;
  onnx_set_const(n, 0, type, data);
  return FOLD_DONE;
}
