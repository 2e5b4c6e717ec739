#include "compiler/onnx_build.h"
#include "compiler/onnx_function.h"
#include "ir/diag.h"

#include <string.h>

/* Room for one more pointer behind `n`: capacities are powers of two. */
static void *grown(Arena *a, void *array, size_t n) {
  if (n && (n & (n - 1))) return array;
  void **bigger = arena_array(a, n ? n * 2 : 1, sizeof(void *));
  if (n) memcpy(bigger, array, n * sizeof(void *));
  return bigger;
}
#define APPEND(b, list, n, item) ((list) = grown((b)->arena, (list), (n)), (list)[(n)++] = (item))

/* The strings of a message are the arena's, or live as long: nothing in a message is written to or freed. */
static char *text(OnnxBuild *b, const char *s) { return arena_strdup(b->arena, s); }

static void import_opset(OnnxBuild *b, const char *domain, int64_t version) {
  Onnx__OperatorSetIdProto *opset = ARENA_NEW(b->arena, Onnx__OperatorSetIdProto);
  onnx__operator_set_id_proto__init(opset);
  opset->domain = text(b, domain);
  opset->has_version = true;
  opset->version = version;
  APPEND(b, b->model->opset_import, b->model->n_opset_import, opset);
}

void onnx_build_init(OnnxBuild *b, Arena *a, const char *graph_name) {
  *b = (OnnxBuild){.arena = a,
                   .model = ARENA_NEW(a, Onnx__ModelProto),
                   .graph = ARENA_NEW(a, Onnx__GraphProto),
                   .values = strmap_new(a),
                   .nodes = strmap_new(a),
                   .functions = strmap_new(a)};
  onnx__model_proto__init(b->model);
  onnx__graph_proto__init(b->graph);
  b->model->has_ir_version = true;
  b->model->ir_version = ONNX_WRITTEN_IR_VERSION;
  b->model->producer_name = text(b, "qcc");
  b->model->producer_version = text(b, QCC_VERSION);
  b->model->graph = b->graph;
  b->graph->name = text(b, graph_name);
  import_opset(b, "", ONNX_WRITTEN_OPSET);
}

bool onnx_build_claim(OnnxBuild *b, const char *name) {
  if (strmap_get(b->values, name)) return false;
  strmap_put(b->values, name, b);
  return true;
}

const char *onnx_build_fresh(OnnxBuild *b, const char *base, const char *suffix) {
  const char *name = arena_printf(b->arena, "%s.%s", base, suffix);
  for (int i = 2; !onnx_build_claim(b, name); i++) name = arena_printf(b->arena, "%s.%s.%d", base, suffix, i);
  return name;
}

/* ---- nodes ---- */

Onnx__NodeProto *onnx_build_node(OnnxBuild *b, const char *op_type, const char *name) {
  Onnx__NodeProto *n = ARENA_NEW(b->arena, Onnx__NodeProto);
  const char *unique = name;
  onnx__node_proto__init(n);
  for (int i = 2; *name && strmap_get(b->nodes, unique); i++)
    unique = arena_printf(b->arena, "%s.%d", name, i);
  if (*name) strmap_put(b->nodes, unique, n);
  if (unique != name) n->doc_string = arena_printf(b->arena, ONNX_NAME_NOTE "%s", name);
  n->op_type = text(b, op_type);
  n->name = text(b, unique);
  return n;
}

void onnx_build_input(OnnxBuild *b, Onnx__NodeProto *n, const char *value) {
  APPEND(b, n->input, n->n_input, text(b, value));
}

void onnx_build_output(OnnxBuild *b, Onnx__NodeProto *n, const char *value) {
  APPEND(b, n->output, n->n_output, text(b, value));
}

static Onnx__AttributeProto *attribute(OnnxBuild *b, Onnx__NodeProto *n, const char *name,
                                       Onnx__AttributeProto__AttributeType type) {
  Onnx__AttributeProto *a = ARENA_NEW(b->arena, Onnx__AttributeProto);
  onnx__attribute_proto__init(a);
  a->name = text(b, name);
  a->has_type = true;
  a->type = type;
  APPEND(b, n->attribute, n->n_attribute, a);
  return a;
}

void onnx_build_int(OnnxBuild *b, Onnx__NodeProto *n, const char *name, int64_t v) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  a->has_i = true;
  a->i = v;
}

void onnx_build_float(OnnxBuild *b, Onnx__NodeProto *n, const char *name, float v) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
  a->has_f = true;
  a->f = v;
}

void onnx_build_string(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const char *v) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
  a->has_s = true;
  a->s = (ProtobufCBinaryData){strlen(v), (uint8_t *)text(b, v)};
}

void onnx_build_ints(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const int64_t *v, int count) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  a->n_ints = (size_t)count;
  a->ints = arena_memdup(b->arena, v, sizeof *v * (size_t)count);
}

void onnx_build_floats(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const float *v, int count) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
  a->n_floats = (size_t)count;
  a->floats = arena_memdup(b->arena, v, sizeof *v * (size_t)count);
}

void onnx_build_strings(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const char *const *v, int count) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
  a->n_strings = (size_t)count;
  a->strings = ARENA_NEW_ARRAY(b->arena, ProtobufCBinaryData, (size_t)count);
  for (int i = 0; i < count; i++)
    a->strings[i] = (ProtobufCBinaryData){strlen(v[i]), (uint8_t *)text(b, v[i])};
}

void onnx_build_domain(OnnxBuild *b, Onnx__NodeProto *n, const char *domain, int64_t opset) {
  n->domain = text(b, domain);
  for (size_t i = 0; i < b->model->n_opset_import; i++)
    if (!strcmp(b->model->opset_import[i]->domain, domain)) return;
  import_opset(b, domain, opset);
}

void onnx_build_double(OnnxBuild *b, Onnx__NodeProto *n, const char *name, double v) {
  Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
  a->t = ARENA_NEW(b->arena, Onnx__TensorProto);
  onnx__tensor_proto__init(a->t);
  a->t->has_data_type = true;
  a->t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
  a->t->n_double_data = 1;
  a->t->double_data = arena_memdup(b->arena, &v, sizeof v);
}

void onnx_build_reference(OnnxBuild *b, Onnx__NodeProto *n, const char *name, int type, const char *of) {
  Onnx__AttributeProto *a = attribute(b, n, name, (Onnx__AttributeProto__AttributeType)type);
  a->ref_attr_name = text(b, of);
}

void onnx_build_append(OnnxBuild *b, Onnx__NodeProto *n) { APPEND(b, b->graph->node, b->graph->n_node, n); }

void onnx_build_call(OnnxBuild *b, Onnx__NodeProto *n) {
  n->domain = text(b, ONNX_FUNCTION_DOMAIN);
  if (strmap_get(b->functions, n->op_type)) return;
  Onnx__FunctionProto *f = onnx_function_new(b->arena, n->op_type);
  if (!f) BUG("there is no function %s", n->op_type);
  if (!b->model->n_functions) import_opset(b, ONNX_FUNCTION_DOMAIN, 1);
  strmap_put(b->functions, f->name, f);
  APPEND(b, b->model->functions, b->model->n_functions, f);
}

/* ---- values ---- */

/* raw_data is little-endian. */
static uint8_t *raw(OnnxBuild *b, const void *data, int64_t bytes, int64_t elements) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  int64_t size = elements ? bytes / elements : 1;
  uint8_t *out = arena_alloc(b->arena, (size_t)bytes + 1);
  for (int64_t i = 0; i < bytes; i++)
    out[i] = ((const uint8_t *)data)[i / size * size + (size - 1 - i % size)];
  return out;
#else
  (void)b, (void)bytes, (void)elements;
  return (uint8_t *)data;
#endif
}

void onnx_build_initializer(OnnxBuild *b, const char *name, int elem, const Shape *shape, const void *data,
                            int64_t bytes) {
  Onnx__TensorProto *t = ARENA_NEW(b->arena, Onnx__TensorProto);
  onnx__tensor_proto__init(t);
  t->name = text(b, name);
  t->has_data_type = true;
  t->data_type = elem;
  t->n_dims = (size_t)shape->rank;
  t->dims = arena_memdup(b->arena, shape->dim, sizeof *shape->dim * (size_t)shape->rank);
  t->has_raw_data = true;
  t->raw_data = (ProtobufCBinaryData){(size_t)bytes, raw(b, data, bytes, shape_count(shape))};
  APPEND(b, b->graph->initializer, b->graph->n_initializer, t);
}

static Onnx__ValueInfoProto *value_info(OnnxBuild *b, const char *name, int elem, const Shape *shape) {
  Onnx__ValueInfoProto *v = ARENA_NEW(b->arena, Onnx__ValueInfoProto);
  Onnx__TypeProto__Tensor *tensor = ARENA_NEW(b->arena, Onnx__TypeProto__Tensor);
  onnx__value_info_proto__init(v);
  onnx__type_proto__tensor__init(tensor);
  v->name = text(b, name);
  v->type = ARENA_NEW(b->arena, Onnx__TypeProto);
  onnx__type_proto__init(v->type);
  v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  v->type->tensor_type = tensor;
  tensor->has_elem_type = true;
  tensor->elem_type = elem;
  tensor->shape = ARENA_NEW(b->arena, Onnx__TensorShapeProto);
  onnx__tensor_shape_proto__init(tensor->shape);
  for (int i = 0; i < shape->rank; i++) {
    Onnx__TensorShapeProto__Dimension *d = ARENA_NEW(b->arena, Onnx__TensorShapeProto__Dimension);
    onnx__tensor_shape_proto__dimension__init(d);
    d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    d->dim_value = shape->dim[i];
    APPEND(b, tensor->shape->dim, tensor->shape->n_dim, d);
  }
  return v;
}

void onnx_build_value(OnnxBuild *b, const char *name, int elem, const Shape *shape) {
  APPEND(b, b->graph->value_info, b->graph->n_value_info, value_info(b, name, elem, shape));
}

void onnx_build_graph_input(OnnxBuild *b, const char *name, int elem, const Shape *shape) {
  APPEND(b, b->graph->input, b->graph->n_input, value_info(b, name, elem, shape));
}

void onnx_build_graph_output(OnnxBuild *b, const char *name, int elem, const Shape *shape) {
  APPEND(b, b->graph->output, b->graph->n_output, value_info(b, name, elem, shape));
}

static void annotate(OnnxBuild *b, Onnx__TensorAnnotation *a, const char *key, const char *value) {
  Onnx__StringStringEntryProto *e = ARENA_NEW(b->arena, Onnx__StringStringEntryProto);
  onnx__string_string_entry_proto__init(e);
  e->key = text(b, key);
  e->value = text(b, value);
  APPEND(b, a->quant_parameter_tensor_names, a->n_quant_parameter_tensor_names, e);
}

void onnx_build_annotation(OnnxBuild *b, const char *tensor, const char *scale, const char *zero) {
  Onnx__TensorAnnotation *a = ARENA_NEW(b->arena, Onnx__TensorAnnotation);
  onnx__tensor_annotation__init(a);
  a->tensor_name = text(b, tensor);
  annotate(b, a, "SCALE_TENSOR", scale);
  annotate(b, a, "ZERO_POINT_TENSOR", zero);
  APPEND(b, b->graph->quantization_annotation, b->graph->n_quantization_annotation, a);
}

bool onnx_build_pack(OnnxBuild *b, int64_t limit, const void **bytes, int64_t *size) {
  *size = (int64_t)onnx__model_proto__get_packed_size(b->model);
  if (*size > limit) return false;
  uint8_t *out = arena_alloc(b->arena, (size_t)*size + 1);
  onnx__model_proto__pack(b->model, out);
  *bytes = out;
  return true;
}
