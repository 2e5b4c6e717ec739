#include "compiler/onnx_import.h"

#include <math.h>
#include <string.h>

static const char *const type_names[] = {
    "none",    "FLOAT",   "INT",    "STRING",        "TENSOR",         "GRAPH",      "FLOATS",     "INTS",
    "STRINGS", "TENSORS", "GRAPHS", "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};

static const char *type_name(int type) {
  int count = (int)(sizeof type_names / sizeof *type_names);
  return type >= 0 && type < count ? type_names[type] : "unknown";
}

static const OnnxAttr *find_row(const OnnxNode *n, const char *name) {
  for (const OnnxAttr *a = n->op->attrs; a && a->name; a++)
    if (!strcmp(a->name, name) && (!a->until || n->opset <= a->until)) return a;
  return NULL;
}

static bool check_floats(const OnnxNode *n, const OnnxAttr *row, const char *name, const float *v,
                         size_t count) {
  for (size_t i = 0; i < count; i++)
    if (isnan(v[i]) || (isinf(v[i]) && !row->infinite))
      return onnx_error(n, "attribute '%s' is %s", name, isnan(v[i]) ? "NaN" : "infinite");
  return true;
}

static bool check_attr(const OnnxNode *n, const Onnx__AttributeProto *a, const char *shown) {
  const OnnxAttr *row = find_row(n, onnx_str(a->name));
  if (a->ref_attr_name && *a->ref_attr_name)
    return onnx_error(n, "attribute '%s' refers to an attribute of a function, but is not in one", shown);
  if (!row) return onnx_error(n, "attribute '%s' of %s is not supported", shown, n->op->name);
  if (!a->has_type) return onnx_error(n, "attribute '%s' has no type", shown);
  if ((int)a->type != row->type)
    return onnx_error(n, "attribute '%s' has type %s; %s is needed", shown, type_name((int)a->type),
                      type_name(row->type));
  if (row->type == ONNX_STRING && a->s.len && memchr(a->s.data, 0, a->s.len))
    return onnx_error(n, "attribute '%s' holds a NUL byte", shown);
  if (row->type == ONNX_TENSOR && !a->t) return onnx_error(n, "attribute '%s' has no value", shown);
  if (row->type == ONNX_FLOAT) return check_floats(n, row, shown, &a->f, 1);
  if (row->type == ONNX_FLOATS) return check_floats(n, row, shown, a->floats, a->n_floats);
  return true;
}

bool onnx_check_attrs(OnnxNode *n) {
  for (size_t i = 0; i < n->proto->n_attribute; i++) {
    const Onnx__AttributeProto *a = n->proto->attribute[i];
    const char *shown = onnx_shown(n->im->arena, a->name);
    if (!check_attr(n, a, shown)) return false;
    /* names are known ones here, so there are few before a repetition ends the loop */
    for (size_t j = 0; j < i; j++)
      if (!strcmp(n->proto->attribute[j]->name, a->name))
        return onnx_error(n, "attribute '%s' is given twice", shown);
  }
  return true;
}

const Onnx__AttributeProto *onnx_attr(const OnnxNode *n, const char *name) {
  for (size_t i = 0; i < n->proto->n_attribute; i++)
    if (!strcmp(onnx_str(n->proto->attribute[i]->name), name)) return n->proto->attribute[i];
  return NULL;
}

bool onnx_has_attr(const OnnxNode *n, const char *name) { return onnx_attr(n, name) != NULL; }

int64_t onnx_attr_int(const OnnxNode *n, const char *name, int64_t absent) {
  const Onnx__AttributeProto *a = onnx_attr(n, name);
  return a ? a->i : absent;
}

float onnx_attr_float(const OnnxNode *n, const char *name, float absent) {
  const Onnx__AttributeProto *a = onnx_attr(n, name);
  return a ? a->f : absent;
}

const char *onnx_attr_string(const OnnxNode *n, const char *name, const char *absent) {
  const Onnx__AttributeProto *a = onnx_attr(n, name);
  return a ? arena_strndup(n->im->arena, (const char *)a->s.data, a->s.len) : absent;
}

bool onnx_attr_ints(const OnnxNode *n, const char *name, OnnxInts *ints) {
  const Onnx__AttributeProto *a = onnx_attr(n, name);
  if (!a) return false;
  *ints = (OnnxInts){(int64_t)a->n_ints, a->ints};
  return true;
}

bool onnx_attr_flag(const OnnxNode *n, const char *name, bool absent, bool *v) {
  int64_t i = onnx_attr_int(n, name, absent);
  *v = i != 0;
  if (i != 0 && i != 1) return onnx_error(n, "attribute '%s' is %lld; it must be 0 or 1", name, (long long)i);
  return true;
}

bool onnx_axis(const OnnxNode *n, int64_t axis, int rank, int *out) {
  if (axis < -rank || axis >= rank)
    return onnx_error(n, "axis %lld is out of range for a rank of %d", (long long)axis, rank);
  *out = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

bool onnx_axes(const OnnxNode *n, const OnnxInts *axes, int rank, bool mask[MAX_RANK]) {
  memset(mask, 0, sizeof *mask * MAX_RANK);
  for (int64_t i = 0; i < axes->n; i++) {
    int axis;
    if (!onnx_axis(n, axes->v[i], rank, &axis)) return false;
    if (mask[axis]) return onnx_error(n, "axis %d is given twice", axis);
    mask[axis] = true;
  }
  return true;
}
