#include "compiler/onnx_build.h"
#include "compiler/onnx_import.h"

#include <math.h>
#include <string.h>

/* ---- diagnostics ---- */

const char *onnx_shown(Arena *a, const char *name) {
  enum { SHOWN = 60 };
  name = onnx_str(name);
  return strlen(name) <= SHOWN ? name : arena_printf(a, "%.*s...", SHOWN, name);
}

bool onnx_error(const OnnxNode *n, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(n->im->arena, fmt, ap);
  va_end(ap);
  return diag_error(n->im->diag, n->loc, "%s", text);
}

/* ---- inputs and outputs ---- */

bool onnx_has_input(const OnnxNode *n, int i) {
  return i < (int)n->proto->n_input && *onnx_str(n->proto->input[i]);
}

OnnxValue *onnx_input(const OnnxNode *n, int i) { return strmap_get(n->im->values, n->proto->input[i]); }

static const char *input_name(const OnnxNode *n, int i) {
  return onnx_shown(n->im->arena, n->proto->input[i]);
}

static const char *value_type_text(const OnnxNode *n, const OnnxValue *v) {
  const Type *t = v->tensor ? &v->tensor->type : &v->type;
  return t->dtype == DT_NONE && v->elem ? onnx_elem_name(v->elem) : type_text(n->im->arena, t);
}

static bool check_finite(const OnnxNode *n, const OnnxValue *v) {
  const float *x = v->data;
  int64_t count = shape_count(&v->type.shape);
  for (int64_t i = 0; i < count; i++)
    if (!isfinite(x[i]))
      return onnx_error(n, "the constant '%s' holds %s at element %lld", onnx_shown(n->im->arena, v->name),
                        isnan(x[i]) ? "NaN" : "an infinity", (long long)i);
  return true;
}

/* The value of input i as a tensor of the graph; `needed` says what fits. */
static Tensor *operand(const OnnxNode *n, int i, bool fits, const char *needed) {
  OnnxValue *v = onnx_input(n, i);
  const Type *t = v->tensor ? &v->tensor->type : &v->type;
  if (!fits) {
    onnx_error(n, "input %d, '%s', is %s; %s is needed", i, input_name(n, i), value_type_text(n, v), needed);
    return NULL;
  }
  if (!shape_count(&t->shape)) {
    onnx_error(n, "input %d, '%s', has no elements: %s", i, input_name(n, i), value_type_text(n, v));
    return NULL;
  }
  if (v->data && !v->tensor) {
    if (t->dtype == DT_F32 && !check_finite(n, v)) return NULL;
    const char *name = v->from_half ? v->from_half : v->name; /* the weight's, not that of its cast */
    v->tensor = graph_constant(n->im->graph, name, v->type, v->data, v->loc);
    v->tensor->from_half = v->from_half != NULL;
  }
  return v->tensor;
}

static const Type *input_type(const OnnxNode *n, int i) {
  const OnnxValue *v = onnx_input(n, i);
  return v->tensor ? &v->tensor->type : &v->type;
}

Tensor *onnx_operand(const OnnxNode *n, int i, bool quantized_too) {
  const Type *t = input_type(n, i);
  return operand(n, i, t->dtype == DT_F32 || (quantized_too && t->quant),
                 quantized_too ? "FLOAT or a quantized tensor" : "FLOAT");
}

Tensor *onnx_integer_operand(const OnnxNode *n, int i) {
  const Type *t = input_type(n, i);
  return operand(n, i, t->dtype == DT_U8 || t->dtype == DT_S8, "UINT8 or INT8");
}

const OnnxValue *onnx_const_input(const OnnxNode *n, int i, const char *what) {
  const OnnxValue *v = onnx_input(n, i);
  if (!v->data && !v->elem) {
    onnx_error(n, "%s, input '%s', must be a constant", what, input_name(n, i));
    return NULL;
  }
  if (v->type.dtype == DT_NONE) {
    onnx_error(n, "%s, input '%s', has the unsupported type %s", what, input_name(n, i),
               value_type_text(n, v));
    return NULL;
  }
  return v;
}

bool onnx_scalar_input(const OnnxNode *n, int i, const char *what, float *out) {
  const OnnxValue *v = onnx_const_input(n, i, what);
  if (!v) return false;
  if (v->type.dtype != DT_F32 || shape_count(&v->type.shape) != 1)
    return onnx_error(n, "%s, input '%s', is %s; one FLOAT is needed", what, input_name(n, i),
                      value_type_text(n, v));
  *out = *(const float *)v->data;
  return !isnan(*out) || onnx_error(n, "%s, input '%s', is NaN", what, input_name(n, i));
}

bool onnx_ints_input(const OnnxNode *n, int i, const char *what, OnnxInts *ints) {
  const OnnxValue *v = onnx_const_input(n, i, what);
  if (!v) return false;
  if ((v->type.dtype != DT_S64 && v->type.dtype != DT_S32) || v->type.shape.rank > 1)
    return onnx_error(n, "%s, input '%s', is %s; a list of INT64 is needed", what, input_name(n, i),
                      value_type_text(n, v));
  int64_t count = shape_count(&v->type.shape);
  if (v->type.dtype == DT_S64) {
    *ints = (OnnxInts){count, v->data};
    return true;
  }
  int64_t *wide = ARENA_NEW_ARRAY(n->im->arena, int64_t, (size_t)count);
  for (int64_t k = 0; k < count; k++) wide[k] = ((const int32_t *)v->data)[k];
  *ints = (OnnxInts){count, wide};
  return true;
}

const char *onnx_output_name(const OnnxNode *n, int i) {
  return i < (int)n->proto->n_output ? onnx_str(n->proto->output[i]) : "";
}

static OnnxValue *output_value(const OnnxNode *n, int i) {
  const char *name = onnx_output_name(n, i);
  return *name ? strmap_get(n->im->values, name) : NULL;
}

bool onnx_output_used(const OnnxNode *n, int i) {
  const OnnxValue *v = output_value(n, i);
  return v && v->used;
}

bool onnx_set_output(OnnxNode *n, int i, Tensor *t) {
  OnnxValue *v = output_value(n, i);
  if (!t) return false;
  if (!v) return true;
  v->tensor = t;
  v->data = t->data;
  v->type = t->type;
  return true;
}

void onnx_set_const(OnnxNode *n, int i, Type type, const void *data) {
  OnnxValue *v = output_value(n, i);
  if (!v) return;
  v->type = type;
  v->data = data;
}

void onnx_mark_halves(OnnxNode *n, int i) {
  OnnxValue *v = output_value(n, i);
  if (v) v->from_half = onnx_str(n->proto->input[0]);
}

/* ---- emission ---- */

const char *onnx_temp_name(const OnnxNode *n, const char *suffix) {
  Arena *a = n->im->arena;
  const char *base = "";
  for (int i = 0; i < (int)n->proto->n_output && !*base; i++) base = onnx_output_name(n, i);
  const char *name = arena_printf(a, "%s.%s", base, suffix);
  for (int i = 2; strmap_get(n->im->values, name) || graph_find(n->im->graph, name); i++)
    name = arena_printf(a, "%s.%s.%d", base, suffix, i);
  return name;
}

void onnx_rename(OnnxNode *n, Tensor *t) {
  Graph *g = n->im->graph;
  const char *name = onnx_output_name(n, 0);
  if (graph_find(g, name)) return;
  strmap_put(g->tensors, t->name, NULL);
  t->name = name;
  strmap_put(g->tensors, name, t);
}

Tensor *onnx_constant(OnnxNode *n, const char *name, Type type, const void *data) {
  return graph_constant(n->im->graph, name ? name : onnx_temp_name(n, "const"), type, data, n->loc);
}

Tensor *onnx_shared_constant(OnnxNode *n, const char *name, Type type, const void *data) {
  Tensor *t = graph_find(n->im->graph, name);
  return t && t->data == data && type_equal(&t->type, &type) ? t : onnx_constant(n, name, type, data);
}

/* Replaces a node of constants by its value. */
static Tensor *fold(OnnxNode *n, Node *node) {
  Tensor *result = node->results[0];
  const OpInfo *info = op_info[node->op];
  Type type = result->type;
  const char *name = result->name;
  const void **in = ARENA_NEW_ARRAY(n->im->arena, const void *, (size_t)node->n_operands);
  void *out = arena_alloc(n->im->arena, (size_t)type_bytes(&type));
  EvalCtx ctx = {.scratch = arena_new()};
  for (int i = 0; i < node->n_operands; i++) in[i] = node->operands[i] ? node->operands[i]->data : NULL;
  info->eval(&ctx, node, in, &out);
  arena_free(ctx.scratch);
  node_remove(node);
  if (type.dtype == DT_F32)
    for (int64_t i = 0, count = shape_count(&type.shape); i < count; i++)
      if (!isfinite(((const float *)out)[i])) {
        onnx_error(n, "the constant result holds %s at element %lld",
                   isnan(((const float *)out)[i]) ? "NaN" : "an infinity", (long long)i);
        return NULL;
      }
  return graph_constant(n->im->graph, name, type, out, n->loc);
}

static bool is_in_float(const Onnx__NodeProto *p) {
  return !strncmp(onnx_str(p->doc_string), ONNX_FLOAT_NOTE, strlen(ONNX_FLOAT_NOTE));
}

/* A name that several nodes have is unique only in the description that -emit onnx gives all but the first.
 */
void onnx_label_node(const OnnxNode *n, Node *node) {
  const char *note = onnx_str(n->proto->doc_string);
  size_t length = strlen(ONNX_NAME_NOTE);
  node->in_float = is_in_float(n->proto);
  if (node->in_float) note += strlen(ONNX_FLOAT_NOTE);
  node->name = strncmp(note, ONNX_NAME_NOTE, length) ? onnx_str(n->proto->name) : note + length;
}

Tensor *onnx_emit_typed(OnnxNode *n, OpId op, const char *name, Tensor *const *operands, int n_operands,
                        const void *attrs, Type result) {
  bool constant = n_operands > 0;
  while (n_operands > op_info[op]->min_operands && !operands[n_operands - 1]) n_operands--;
  for (int i = 0; i < n_operands; i++)
    if (operands[i]) constant &= tensor_is_const(operands[i]);
  Node *node = graph_node1(n->im->graph, op, operands, n_operands,
                           name ? name : onnx_temp_name(n, op_info[op]->name), n->loc, NULL);
  onnx_label_node(n, node);
  if (attrs) memcpy(node->attrs, attrs, op_info[op]->attrs_size);
  node->results[0]->type = result;
  if (!node_infer(n->im->diag, node)) return NULL;
  const Type *t = &node->results[0]->type;
  if (!shape_count(&t->shape)) {
    onnx_error(n, "the result has no elements: %s", type_text(n->im->arena, t));
    return NULL;
  }
  return constant && op != OP_dequantize ? fold(n, node) : node->results[0];
}

Tensor *onnx_emit(OnnxNode *n, OpId op, const char *name, Tensor *const *operands, int n_operands,
                  const void *attrs) {
  return onnx_emit_typed(n, op, name, operands, n_operands, attrs, (Type){0});
}

Tensor *onnx_emit1(OnnxNode *n, OpId op, const char *name, Tensor *x, const void *attrs) {
  return x ? onnx_emit(n, op, name, &x, 1, attrs) : NULL;
}

Tensor *onnx_emit2(OnnxNode *n, OpId op, const char *name, Tensor *x, Tensor *y, const void *attrs) {
  return x && y ? onnx_emit(n, op, name, (Tensor *[]){x, y}, 2, attrs) : NULL;
}

/* ---- weights ---- */

/* The constant integers under a dequantize, or NULL. */
static Tensor *dequantized_constant(const Tensor *t) {
  if (!t->producer || t->producer->op != OP_dequantize) return NULL;
  Tensor *q = t->producer->operands[0];
  return tensor_is_const(q) ? q : NULL;
}

bool onnx_is_weight(const Tensor *t) { return tensor_is_const(t) || dequantized_constant(t); }

/* The same elements in another shape, where the quantization's axis survives that: the quantized dim keeps
 * its extent and what lies before it its product. */
static bool reshaped_quant(Arena *a, const Type *t, const Shape *shape, const Quant **out) {
  const Quant *q = t->quant;
  *out = q;
  if (!q || q->axis < 0) return true;
  int64_t before = 1, here = 1;
  for (int i = 0; i < q->axis; i++) before *= t->shape.dim[i];
  for (int i = 0; i < shape->rank; here *= shape->dim[i++])
    if (here == before && shape->dim[i] == q->count) {
      *out = quant_new(a, i, q->count, q->scale, q->zero);
      return true;
    }
  return false;
}

Tensor *onnx_reshape(OnnxNode *n, const char *name, Tensor *t, const Shape *shape) {
  if (!t || (!name && shape_equal(&t->type.shape, shape))) return t;
  Tensor *q = dequantized_constant(t), *c = q ? q : t;
  const Quant *quant;
  if (tensor_is_const(c) && reshaped_quant(n->im->arena, &c->type, shape, &quant)) {
    Type type = {c->type.dtype, *shape, quant};
    Tensor *k = onnx_constant(n, q || !name ? c->name : name, type, c->data);
    k->from_half = c->from_half;
    return q ? onnx_emit1(n, OP_dequantize, name, k, NULL) : k;
  }
  ReshapeAttrs attrs = {{.n = shape->rank}};
  memcpy(attrs.shape.v, shape->dim, sizeof *shape->dim * (size_t)shape->rank);
  return onnx_emit1(n, OP_reshape, name, t, &attrs);
}

static void *transpose_data(Arena *a, const Type *t, const char *data) {
  int64_t rows = t->shape.dim[0], cols = t->shape.dim[1];
  size_t size = (size_t)dtype_info[t->dtype].bytes;
  char *out = arena_alloc(a, (size_t)type_bytes(t));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < cols; c++)
      memcpy(out + (size_t)(c * rows + r) * size, data + (size_t)(r * cols + c) * size, size);
  return out;
}

Tensor *onnx_transpose_weight(OnnxNode *n, Tensor *w) {
  Tensor *q = dequantized_constant(w), *c = q ? q : w;
  Type type = c->type;
  const Quant *old = type.quant;
  type.shape = shape_of(2, c->type.shape.dim[1], c->type.shape.dim[0]);
  if (old && old->axis >= 0)
    type.quant = quant_new(n->im->arena, 1 - old->axis, old->count, old->scale, old->zero);
  Tensor *k = onnx_constant(n, c->name, type, transpose_data(n->im->arena, &c->type, c->data));
  k->from_half = c->from_half;
  return q ? onnx_emit1(n, OP_dequantize, NULL, k, NULL) : k;
}
