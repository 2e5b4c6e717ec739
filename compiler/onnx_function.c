#include "compiler/onnx_function.h"
#include "compiler/onnx_build.h"
#include "compiler/onnx_function_bodies.h"
#include "ir/diag.h"

#include <string.h>

static const OnnxFunctionBody *find(const char *name) {
  for (const OnnxFunctionBody *f = onnx_function_bodies; f->name; f++)
    if (!strcmp(f->name, name)) return f;
  return NULL;
}

/* ---- the steps ---- */

static int type_of(const OnnxFunctionBody *f, const char *attr) {
  for (const OnnxFunctionAttr *a = f->attrs; a && a->name; a++)
    if (!strcmp(a->name, attr)) return a->type;
  BUG("%s has no attribute %s", f->name, attr);
}

static void add_attr(OnnxBuild *b, const OnnxFunctionBody *f, Onnx__NodeProto *n, const OnnxStep *s) {
  if (!s->attr.name) return;
  if (s->attr.of)
    onnx_build_reference(b, n, s->attr.name, type_of(f, s->attr.of), s->attr.of);
  else
    onnx_build_int(b, n, s->attr.name, s->attr.value);
}

static Onnx__NodeProto *constant(OnnxBuild *b, const OnnxStep *s) {
  Onnx__NodeProto *n = onnx_build_node(b, "Constant", "");
  if (!strcmp(s->op, ONNX_STEP_FLOAT)) onnx_build_float(b, n, "value_float", (float)s->value);
  if (!strcmp(s->op, ONNX_STEP_DOUBLE)) onnx_build_double(b, n, "value", s->value);
  if (!strcmp(s->op, ONNX_STEP_INT64S)) onnx_build_ints(b, n, "value_ints", s->ints, s->n_ints);
  return n;
}

static bool is_constant(const OnnxStep *s) {
  return !strcmp(s->op, ONNX_STEP_FLOAT) || !strcmp(s->op, ONNX_STEP_DOUBLE) ||
         !strcmp(s->op, ONNX_STEP_INT64S);
}

static Onnx__NodeProto *step_node(OnnxBuild *b, const OnnxFunctionBody *f, const OnnxStep *s) {
  Onnx__NodeProto *n = is_constant(s) ? constant(b, s) : onnx_build_node(b, s->op, "");
  for (int i = 0; i < ONNX_STEP_INPUTS && s->in[i]; i++) onnx_build_input(b, n, s->in[i]);
  onnx_build_output(b, n, s->result);
  add_attr(b, f, n, s);
  return n;
}

/* ---- the function ---- */

/* "a b c" as three strings. */
static char **split(Arena *a, const char *names, size_t *n) {
  char **list = ARENA_NEW_ARRAY(a, char *, strlen(names) / 2 + 1);
  for (*n = 0; *names; names += strspn(names, " ")) {
    size_t length = strcspn(names, " ");
    list[(*n)++] = arena_strndup(a, names, length);
    names += length;
  }
  return list;
}

static const char *attr_names(Arena *a, const OnnxFunctionBody *f) {
  const char *names = "";
  for (const OnnxFunctionAttr *t = f->attrs; t && t->name; t++)
    names = arena_printf(a, "%s %s", names, t->name);
  return names + strspn(names, " ");
}

Onnx__FunctionProto *onnx_function_new(Arena *a, const char *name) {
  const OnnxFunctionBody *f = find(name);
  if (!f) return NULL;
  OnnxBuild b; /* the messages of a function are built as a graph's are */
  onnx_build_init(&b, a, "body");
  for (const OnnxStep *s = f->steps; s->op; s++) onnx_build_append(&b, step_node(&b, f, s));
  Onnx__FunctionProto *p = ARENA_NEW(a, Onnx__FunctionProto);
  onnx__function_proto__init(p);
  p->domain = arena_strdup(a, ONNX_FUNCTION_DOMAIN);
  p->name = arena_strdup(a, name);
  p->doc_string = arena_strdup(a, f->what);
  p->input = split(a, f->inputs, &p->n_input);
  p->output = split(a, f->outputs, &p->n_output);
  p->attribute = split(a, attr_names(a, f), &p->n_attribute);
  p->node = b.graph->node;
  p->n_node = b.graph->n_node;
  p->opset_import = b.model->opset_import;
  p->n_opset_import = b.model->n_opset_import;
  return p;
}

bool onnx_function_is_ours(Arena *a, const Onnx__FunctionProto *f) {
  const char *domain = f->domain ? f->domain : "", *name = f->name ? f->name : "";
  const Onnx__FunctionProto *ours = strcmp(domain, ONNX_FUNCTION_DOMAIN) ? NULL : onnx_function_new(a, name);
  size_t size = ours ? onnx__function_proto__get_packed_size(ours) : 0;
  if (!ours || onnx__function_proto__get_packed_size(f) != size) return false;
  uint8_t *x = arena_alloc(a, size), *y = arena_alloc(a, size);
  onnx__function_proto__pack(ours, x);
  onnx__function_proto__pack(f, y);
  return !memcmp(x, y, size);
}
