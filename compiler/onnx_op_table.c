/* Tables over quantized values, as -emit onnx writes them: Gather(table of 256, Cast(q)), with an Add of 128
 * between where q is signed. The integers between exist in the importer only. */
#include "compiler/onnx_ops.h"

#include <string.h>

enum { ENTRIES = 256 };

static OnnxValue *index_input(const OnnxNode *n, int i) {
  OnnxValue *v = onnx_has_input(n, i) ? onnx_input(n, i) : NULL;
  return v && v->index_of ? v : NULL;
}

static bool set_index(OnnxNode *n, Tensor *q, int64_t offset, DType dtype) {
  OnnxValue *v = strmap_get(n->im->values, onnx_output_name(n, 0));
  v->index_of = q;
  v->index_offset = offset;
  v->type = (Type){dtype, q->type.shape, NULL};
  return true;
}

bool onnx_check_index_inputs(const OnnxNode *n) {
  for (int i = 0; i < (int)n->proto->n_input; i++) {
    bool taken = n->op->import == onnx_import_gather ? i == 1 : n->op->import == onnx_import_binary;
    if (index_input(n, i) && (!taken || (n->op->import == onnx_import_binary && strcmp(n->op->name, "Add"))))
      return onnx_error(
          n,
          "input '%s' is an integer made of a quantized value; such integers may only be added to "
          "a constant and look up a table (Gather)",
          onnx_shown(n->im->arena, n->proto->input[i]));
  }
  return true;
}

bool onnx_import_index_cast(OnnxNode *n, DType to) {
  const OnnxValue *v = onnx_input(n, 0);
  Tensor *q = v->tensor;
  if (q && (q->type.dtype == DT_U8 || q->type.dtype == DT_S8)) return set_index(n, q, 0, to);
  return onnx_error(n, "a cast of a computed value to %s is not supported", onnx_elem_name(onnx_elem_of(to)));
}

bool onnx_is_index_add(const OnnxNode *n) {
  return !strcmp(n->op->name, "Add") && (index_input(n, 0) || index_input(n, 1));
}

bool onnx_import_index_add(OnnxNode *n) {
  int at = index_input(n, 0) ? 0 : 1;
  OnnxInts k;
  const OnnxValue *v = index_input(n, at);
  if (index_input(n, 1 - at)) return onnx_error(n, "a sum of two computed integers is not supported");
  if (!onnx_ints_input(n, 1 - at, "what is added to an integer", &k)) return false;
  if (k.n != 1 || k.v[0] < -ENTRIES || k.v[0] > ENTRIES)
    return onnx_error(n, "what is added to the index of a table must be one number from %d to %d", -ENTRIES,
                      ENTRIES);
  int64_t offset = v->index_offset + k.v[0];
  if (offset < -ENTRIES || offset > ENTRIES) return onnx_error(n, "the index of a table is out of its range");
  return set_index(n, v->index_of, offset, v->type.dtype);
}

/* The table's entry for each value of q, from the least on. NULL after a diagnostic: an index is out of
 * range. */
static const void *entries(const OnnxNode *n, const OnnxValue *table, const OnnxValue *index, int64_t count) {
  int64_t first = dtype_info[index->index_of->type.dtype].min + index->index_offset;
  if (first == 0 && count == ENTRIES) return table->data;
  size_t bytes = (size_t)dtype_info[table->type.dtype].bytes;
  char *out = arena_alloc(n->im->arena, ENTRIES * bytes);
  for (int64_t i = 0; i < ENTRIES; i++) {
    int64_t at = first + i < 0 ? first + i + count : first + i; /* negative indices count from the end */
    if (at < 0 || at >= count) {
      onnx_error(n, "the index %lld that a quantized value may give is out of range for a table of %lld",
                 (long long)(first + i), (long long)count);
      return NULL;
    }
    memcpy(out + (size_t)i * bytes, (const char *)table->data + (size_t)at * bytes, bytes);
  }
  return out;
}

bool onnx_is_lookup(const OnnxNode *n) { return index_input(n, 1) != NULL; }

bool onnx_import_lookup(OnnxNode *n) {
  const OnnxValue *index = index_input(n, 1), *table = onnx_input(n, 0);
  if (!table->data || onnx_attr_int(n, "axis", 0) != 0)
    return onnx_error(n, "computed indices are supported for a constant list of UINT8, INT8 or FLOAT alone");
  const Shape *s = &table->type.shape;
  DType dtype = table->type.dtype;
  if (s->rank != 1 || (dtype != DT_U8 && dtype != DT_S8 && dtype != DT_F32))
    return onnx_error(n, "the table is %s; a list of UINT8, INT8 or FLOAT is needed",
                      dtype ? type_text(n->im->arena, &table->type) : onnx_elem_name(table->elem));
  Tensor *q = index->index_of;
  if (!q->type.quant)
    return onnx_error(n, "the index '%s' is not quantized: no scale is known",
                      onnx_shown(n->im->arena, q->name));
  const void *data = entries(n, table, index, s->dim[0]);
  const Quant *quant = NULL; /* of float32: none */
  if (data && dtype != DT_F32) quant = onnx_result_quant(n, onnx_output_name(n, 0), dtype);
  if (!data || (dtype != DT_F32 && !quant)) return false;
  Type type = {dtype, shape_of(1, (int64_t)ENTRIES), NULL};
  Tensor *k = data == table->data ? onnx_shared_constant(n, table->name, type, data)
                                  : onnx_constant(n, onnx_temp_name(n, "table"), type, data);
  Type result = {dtype, q->type.shape, quant};
  return onnx_set_output(
      n, 0, onnx_emit_typed(n, OP_lut, onnx_output_name(n, 0), (Tensor *[]){q, k}, 2, NULL, result));
}
