#include "compiler/onnx_import.h"

#include <string.h>

/* Which field of a TensorProto holds the elements when raw_data does not. */
typedef enum { IN_NONE, IN_FLOAT, IN_INT32, IN_INT64, IN_DOUBLE, IN_UINT64, IN_STRING } DataField;

typedef struct {
  const char *name;
  int bytes; /* of one element in raw_data; 0: packed or of no fixed size */
  DType dtype;
  DataField field;
  int64_t min, max; /* what IN_INT32 may hold */
} ElemInfo;

static const ElemInfo elems[] = {
    [1] = {"FLOAT", 4, DT_F32, IN_FLOAT, 0, 0},
    [2] = {"UINT8", 1, DT_U8, IN_INT32, 0, UINT8_MAX},
    [3] = {"INT8", 1, DT_S8, IN_INT32, INT8_MIN, INT8_MAX},
    [4] = {"UINT16", 2, DT_NONE, IN_INT32, 0, UINT16_MAX},
    [5] = {"INT16", 2, DT_NONE, IN_INT32, INT16_MIN, INT16_MAX},
    [6] = {"INT32", 4, DT_S32, IN_INT32, INT32_MIN, INT32_MAX},
    [7] = {"INT64", 8, DT_S64, IN_INT64, 0, 0},
    [8] = {"STRING", 0, DT_NONE, IN_STRING, 0, 0},
    [9] = {"BOOL", 1, DT_BOOL, IN_INT32, 0, 1},
    [10] = {"FLOAT16", 2, DT_F16, IN_INT32, 0, UINT16_MAX},
    [11] = {"DOUBLE", 8, DT_NONE, IN_DOUBLE, 0, 0},
    [12] = {"UINT32", 4, DT_NONE, IN_UINT64, 0, 0},
    [13] = {"UINT64", 8, DT_NONE, IN_UINT64, 0, 0},
    [14] = {"COMPLEX64", 8, DT_NONE, IN_FLOAT, 0, 0},
    [15] = {"COMPLEX128", 16, DT_NONE, IN_DOUBLE, 0, 0},
    [16] = {"BFLOAT16", 2, DT_NONE, IN_INT32, 0, UINT16_MAX},
    [17] = {"FLOAT8E4M3FN", 1, DT_NONE, IN_INT32, 0, UINT8_MAX},
    [18] = {"FLOAT8E4M3FNUZ", 1, DT_NONE, IN_INT32, 0, UINT8_MAX},
    [19] = {"FLOAT8E5M2", 1, DT_NONE, IN_INT32, 0, UINT8_MAX},
    [20] = {"FLOAT8E5M2FNUZ", 1, DT_NONE, IN_INT32, 0, UINT8_MAX},
    [21] = {"UINT4", 0, DT_NONE, IN_INT32, 0, UINT8_MAX},
    [22] = {"INT4", 0, DT_NONE, IN_INT32, 0, UINT8_MAX},
    [23] = {"FLOAT4E2M1", 0, DT_NONE, IN_INT32, 0, UINT8_MAX},
};

static const ElemInfo *elem_info(int elem) {
  int count = (int)(sizeof elems / sizeof *elems);
  return elem > 0 && elem < count ? &elems[elem] : NULL;
}

DType onnx_dtype(int elem) { return elem_info(elem) ? elem_info(elem)->dtype : DT_NONE; }

const char *onnx_elem_name(int elem) { return elem_info(elem) ? elem_info(elem)->name : NULL; }

int onnx_elem_of(DType t) {
  for (int i = 1; i < (int)(sizeof elems / sizeof *elems); i++)
    if (elems[i].dtype == t) return i;
  BUG("no ONNX element type is %s", dtype_info[t].name);
}

static bool read_shape(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, Shape *s) {
  if (t->n_dims > MAX_RANK)
    return diag_error(im->diag, loc, "has %zu dimensions; at most %d are supported", t->n_dims, MAX_RANK);
  *s = (Shape){.rank = (int)t->n_dims};
  for (int i = 0; i < s->rank; i++) {
    s->dim[i] = t->dims[i];
    if (s->dim[i] < 0)
      return diag_error(im->diag, loc, "dimension %d is negative: %lld", i, (long long)s->dim[i]);
  }
  if (!shape_check(s))
    return diag_error(im->diag, loc, "the shape %s is larger than the limit of %lld elements",
                      shape_text(im->arena, s), (long long)MAX_ELEMENTS);
  return true;
}

static const size_t *field_count(const Onnx__TensorProto *t, DataField f) {
  switch (f) {
  case IN_FLOAT:
    return &t->n_float_data;
  case IN_INT32:
    return &t->n_int32_data;
  case IN_INT64:
    return &t->n_int64_data;
  case IN_DOUBLE:
    return &t->n_double_data;
  case IN_UINT64:
    return &t->n_uint64_data;
  case IN_STRING:
    return &t->n_string_data;
  default:
    return NULL;
  }
}

/* Data in a field that is not this element type's would be ignored by one reader and believed by another. */
static bool check_fields(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, const ElemInfo *e,
                         bool elsewhere) {
  for (int f = IN_FLOAT; f <= IN_STRING; f++)
    if (*field_count(t, (DataField)f) && ((DataField)f != e->field || elsewhere))
      return diag_error(im->diag, loc, "has data in more than one place, or in a field that is not for %s",
                        e->name);
  return true;
}

static const void *swap_to_host(OnnxImporter *im, const uint8_t *raw, int64_t bytes, int size) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  uint8_t *out = arena_alloc(im->arena, (size_t)bytes);
  for (int64_t i = 0; i < bytes; i++) out[i] = raw[i / size * size + (size - 1 - i % size)];
  return out;
#else
  (void)im, (void)bytes, (void)size;
  return raw;
#endif
}

static bool check_bools(OnnxImporter *im, SrcLoc loc, const uint8_t *v, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (v[i] > 1) return diag_error(im->diag, loc, "element %lld of a BOOL tensor is %d", (long long)i, v[i]);
  return true;
}

/* int32_data holds the narrow types too, one element an entry. */
static const void *from_int32(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, const ElemInfo *e) {
  for (size_t i = 0; i < t->n_int32_data; i++)
    if (t->int32_data[i] < e->min || t->int32_data[i] > e->max) {
      diag_error(im->diag, loc, "element %zu, %d, is out of the range of %s", i, t->int32_data[i], e->name);
      return NULL;
    }
  if (e->bytes == 4 || e->dtype == DT_NONE) return t->int32_data;
  uint8_t *out = arena_array(im->arena, t->n_int32_data + 1, (size_t)e->bytes);
  for (size_t i = 0; i < t->n_int32_data; i++) {
    uint16_t low = (uint16_t)t->int32_data[i];
    if (e->bytes == 2) {
      memcpy(out + 2 * i, &low, sizeof low);
    } else {
      out[i] = (uint8_t)low;
    }
  }
  return out;
}

static const void *from_field(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, const ElemInfo *e,
                              int64_t count) {
  bool complex = e->bytes == 8 && e->field == IN_FLOAT;
  int64_t have = (int64_t)*field_count(t, e->field);
  complex |= e->bytes == 16;
  if (have != (complex ? 2 * count : count)) {
    diag_error(im->diag, loc, "has %lld elements of data, but its shape has %lld", (long long)have,
               (long long)count);
    return NULL;
  }
  switch (e->field) {
  case IN_FLOAT:
    return t->float_data;
  case IN_INT32:
    return from_int32(im, loc, t, e);
  case IN_INT64:
    return t->int64_data;
  default:
    return t; /* of no use to the IR, and not NULL */
  }
}

bool onnx_read_tensor(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, Type *type,
                      const void **data) {
  static const int64_t nothing;
  const ElemInfo *e = elem_info(t->has_data_type ? t->data_type : 0);
  *type = (Type){0};
  *data = NULL;
  if (!e)
    return diag_error(im->diag, loc, "has the unknown element type %d", t->has_data_type ? t->data_type : 0);
  if (t->segment) return diag_error(im->diag, loc, "is split into segments, which is not supported");
  if (!read_shape(im, loc, t, &type->shape)) return false;
  int64_t count = shape_count(&type->shape), bytes = count * e->bytes;
  bool external = t->has_data_location && t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
  if (external && t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
    return diag_error(im->diag, loc, "has the unknown data location %d", (int)t->data_location);
  if (!check_fields(im, loc, t, e, external || t->has_raw_data)) return false;
  if (external) {
    if (t->has_raw_data) return diag_error(im->diag, loc, "has data in more than one place");
    if (e->dtype == DT_NONE) return true;
    *data = onnx_read_external(im, loc, t, bytes);
    if (*data) *data = swap_to_host(im, *data, bytes, e->bytes);
  } else if (t->has_raw_data) {
    if (e->field == IN_STRING) return diag_error(im->diag, loc, "has strings in raw_data");
    if (e->bytes && (int64_t)t->raw_data.len != bytes)
      return diag_error(im->diag, loc, "has %zu bytes of data, but %s%s takes %lld", t->raw_data.len, e->name,
                        shape_text(im->arena, &type->shape), (long long)bytes);
    *data = bytes ? swap_to_host(im, t->raw_data.data, bytes, e->bytes) : &nothing;
  } else {
    bool counted = e->bytes && (count || *field_count(t, e->field));
    *data = counted ? from_field(im, loc, t, e, count) : &nothing;
  }
  if (!*data) return false;
  type->dtype = e->dtype;
  if (e->dtype == DT_BOOL && !check_bools(im, loc, *data, count)) return false;
  if (e->dtype == DT_NONE) *data = NULL;
  return true;
}

bool onnx_is_double(const Onnx__TensorProto *t) {
  return t->has_data_type && t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

bool onnx_read_doubles(const OnnxNode *n, const Onnx__TensorProto *t, int64_t count, float *out) {
  const void *data = t->has_raw_data ? t->raw_data.data : (const void *)t->double_data;
  if (t->has_data_location && t->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT)
    return onnx_error(n, "a constant of DOUBLE in a file of its own is not supported");
  if (t->has_raw_data) data = swap_to_host(n->im, data, count * 8, 8);
  for (int64_t i = 0; i < count; i++) {
    double v;
    memcpy(&v, (const char *)data + i * 8, sizeof v); /* raw data need not be aligned */
    out[i] = (float)v;
  }
  return true;
}
