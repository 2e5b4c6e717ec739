#include "compiler/onnx_import.h"

#include <string.h>

/* One -shape entry, taken apart. */
typedef struct {
  const char *text, *name;
  Shape shape;
  bool matched;
} ShapeOption;

typedef struct {
  ShapeOption *v;
  int n;
} ShapeOptions;

/* "name=1,3,224,224". The name may hold a '=' itself. */
static bool parse_option(OnnxImporter *im, const char *text, ShapeOption *o) {
  const char *eq = strrchr(text, '='), *p = eq ? eq + 1 : "";
  *o = (ShapeOption){.text = text, .name = eq ? arena_strndup(im->arena, text, (size_t)(eq - text)) : text};
  while (*p >= '0' && *p <= '9' && o->shape.rank < MAX_RANK) {
    int64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
      if (v <= MAX_DIM) v = v * 10 + (*p - '0');
    o->shape.dim[o->shape.rank++] = v;
    if (v < 1 || v > MAX_DIM)
      return diag_error(im->diag, (SrcLoc){0}, "-shape %s: dimensions are from 1 to %lld", text,
                        (long long)MAX_DIM);
    if (*p == ',' && p[1]) p++;
  }
  if (o->shape.rank && !*p && *o->name) return true;
  return diag_error(im->diag, (SrcLoc){0},
                    "-shape %s: the form is NAME=1,3,224,224 with at most %d dimensions",
                    onnx_shown(im->arena, text), MAX_RANK);
}

static ShapeOption *find_option(ShapeOptions *o, const char *name) {
  for (int i = 0; i < o->n; i++)
    if (!strcmp(o->v[i].name, name)) return &o->v[i];
  return NULL;
}

const char *onnx_dim_text(Arena *a, const Onnx__TensorShapeProto__Dimension *d) {
  if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
    return arena_printf(a, "%lld", (long long)d->dim_value);
  const char *name =
      d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM ? onnx_str(d->dim_param) : "";
  return *name ? onnx_shown(a, name) : "?";
}

static const char *symbol_of(const Onnx__TensorShapeProto__Dimension *d) {
  return d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM ? onnx_str(d->dim_param) : "";
}

/* The dimension is unknown: say which option names it. */
static bool unknown_dim(OnnxImporter *im, SrcLoc loc, const char *input, const Onnx__TensorShapeProto *s,
                        int i) {
  const char *symbol = symbol_of(s->dim[i]), *shown = onnx_shown(im->arena, symbol);
  if (*symbol)
    return diag_error(im->diag, loc, "dimension %d is symbolic, '%s': give it with -shape %s=1", i, shown,
                      shown);
  StrBuf b;
  strbuf_init(&b, im->arena);
  for (size_t k = 0; k < s->n_dim; k++) {
    const char *text = onnx_dim_text(im->arena, s->dim[k]);
    strbuf_printf(&b, "%s%s", k ? "," : "", strspn(text, "0123456789") == strlen(text) ? text : "1");
  }
  return diag_error(im->diag, loc, "dimension %d is not known: give the shape with -shape %s=%s", i,
                    onnx_shown(im->arena, input), b.text);
}

static bool read_dims(OnnxImporter *im, SrcLoc loc, const char *name, const Onnx__TensorShapeProto *s,
                      ShapeOptions *options, Shape *shape) {
  ShapeOption *whole = find_option(options, name);
  if (whole) whole->matched = true;
  if (!s && !whole)
    return diag_error(im->diag, loc, "has no shape: give it with -shape %s=1,3,224,224",
                      onnx_shown(im->arena, name));
  if (s && s->n_dim > MAX_RANK)
    return diag_error(im->diag, loc, "has %zu dimensions; at most %d are supported", s->n_dim, MAX_RANK);
  if (whole && s && whole->shape.rank != (int)s->n_dim)
    return diag_error(im->diag, loc, "-shape %s gives %d dimensions, the model has %zu", whole->text,
                      whole->shape.rank, s->n_dim);
  *shape = whole ? whole->shape : (Shape){.rank = (int)s->n_dim};
  for (int i = 0; s && i < shape->rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = s->dim[i];
    bool fixed = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    ShapeOption *by_name = *symbol_of(dim) ? find_option(options, symbol_of(dim)) : NULL;
    if (fixed && whole && dim->dim_value != shape->dim[i])
      return diag_error(im->diag, loc, "-shape %s: the model fixes dimension %d to %lld", whole->text, i,
                        (long long)dim->dim_value);
    if (by_name && by_name->shape.rank != 1)
      return diag_error(im->diag, loc, "-shape %s: '%s' is a dimension, one number", by_name->text,
                        onnx_shown(im->arena, by_name->name));
    if (by_name) by_name->matched = true;
    if (fixed) {
      shape->dim[i] = dim->dim_value;
    } else if (by_name) {
      shape->dim[i] = by_name->shape.dim[0];
    } else if (!whole) {
      return unknown_dim(im, loc, name, s, i);
    }
    if (shape->dim[i] < 1 || shape->dim[i] > MAX_DIM)
      return diag_error(im->diag, loc, "dimension %d is %lld; it must be from 1 to %lld", i,
                        (long long)shape->dim[i], (long long)MAX_DIM);
  }
  if (shape_check(shape)) return true;
  return diag_error(im->diag, loc, "the shape %s is larger than the limit of %lld elements",
                    shape_text(im->arena, shape), (long long)MAX_ELEMENTS);
}

static bool add_input(OnnxImporter *im, const Onnx__ValueInfoProto *info, ShapeOptions *options) {
  const char *name = onnx_str(info->name);
  SrcLoc loc = {.source = im->source,
                .path = arena_printf(im->arena, "input '%s'", onnx_shown(im->arena, name))};
  const Onnx__TypeProto *t = info->type;
  Type type = {0};
  if (!t) return diag_error(im->diag, loc, "has no type");
  if (t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
    return diag_error(im->diag, loc,
                      "is not a tensor; sequences, maps and optional inputs are not supported");
  int elem = t->tensor_type->elem_type;
  type.dtype = onnx_dtype(elem);
  if (!onnx_elem_name(elem)) return diag_error(im->diag, loc, "has the unknown element type %d", elem);
  if (type.dtype != DT_F32 && type.dtype != DT_U8 && type.dtype != DT_S8)
    return diag_error(im->diag, loc, "has element type %s; FLOAT is needed, or quantized UINT8 or INT8",
                      onnx_elem_name(elem));
  if (!read_dims(im, loc, name, t->tensor_type->shape, options, &type.shape)) return false;
  if (type.dtype != DT_F32 && !onnx_annotated_quant(im, loc, name, type.dtype, &type.quant)) return false;
  OnnxValue *v = ARENA_NEW(im->arena, OnnxValue);
  *v = (OnnxValue){.name = name, .loc = loc, .producer = -1, .type = type};
  v->tensor = graph_input(im->graph, name, type, loc);
  strmap_put(im->values, name, v);
  return true;
}

bool onnx_add_inputs(OnnxImporter *im) {
  const Onnx__GraphProto *g = im->proto;
  ShapeOptions options = {.n = im->options ? im->options->n_shapes : 0};
  StrMap *seen = strmap_new(im->arena);
  bool ok = true;
  options.v = ARENA_NEW_ARRAY(im->arena, ShapeOption, (size_t)options.n + 1);
  for (int i = 0; i < options.n; i++)
    if (!parse_option(im, im->options->shapes[i], &options.v[i])) return false;
  for (size_t i = 0; i < g->n_input && ok; i++) {
    const char *name = onnx_str(g->input[i]->name);
    if (!*name) return diag_error(im->diag, (SrcLoc){.source = im->source}, "input %zu has no name", i);
    if (strmap_get(seen, name))
      return diag_error(im->diag, (SrcLoc){.source = im->source}, "input '%s' is given twice",
                        onnx_shown(im->arena, name));
    strmap_put(seen, name, g->input[i]);
    /* an initializer of that name is its default, and constant for us */
    if (!strmap_get(im->values, name)) ok = add_input(im, g->input[i], &options);
  }
  for (int i = 0; i < options.n && ok; i++)
    if (!options.v[i].matched)
      ok = diag_error(im->diag, (SrcLoc){.source = im->source},
                      "-shape %s: no input and no symbolic dimension has this name", options.v[i].text);
  return ok;
}

/* The tensors that integer operators take as the numbers they are, directly or as movers bring them. */
static StrMap *plain_tensors(OnnxImporter *im) {
  StrMap *plain = strmap_new(im->arena);
  for (const Node *n = im->graph->last; n; n = n->prev) {
    bool takes = n->op == OP_conv_integer || n->op == OP_matmul_integer || n->op == OP_cast;
    for (int i = 0; i < n->n_results && op_info[n->op]->quant == QUANT_MOVE; i++)
      takes = takes || strmap_get(plain, n->results[i]->name);
    for (int i = 0; i < n->n_operands && takes; i++)
      if (n->operands[i]) strmap_put(plain, n->operands[i]->name, n->operands[i]);
  }
  return plain;
}

bool onnx_check_inputs_used(OnnxImporter *im) {
  StrMap *plain = plain_tensors(im);
  for (int i = 0; i < im->graph->n_inputs; i++) {
    const Tensor *t = im->graph->inputs[i];
    if (t->type.dtype != DT_F32 && !t->type.quant && !strmap_get(plain, t->name))
      return diag_error(im->diag, t->loc,
                        "has element type %s, and no DequantizeLinear says what its values mean",
                        dtype_info[t->type.dtype].name);
  }
  return true;
}
