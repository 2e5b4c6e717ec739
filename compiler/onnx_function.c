#include "compiler/onnx_function.h"
#include "compiler/onnx_build.h"

#include <string.h>

enum { MAX_STEPS = 16, MAX_INPUTS = 3 };

/* One operator of a body. */
typedef struct {
  const char *op; /* NULL ends the list; "": a constant */
  const char *result;
  float value; /* of a constant */
  const char *in[MAX_INPUTS];
} Step;

typedef struct {
  const char *name, *what;
  Step steps[MAX_STEPS]; /* of X; the last result is Y */
} Function;

static const Function functions[] = {
    {"Gelu",
     "X / 2 * (1 + erf(X / sqrt(2)))",
     {{"", "half", 0.5f},
      {"", "one", 1},
      {"", "reciprocal_of_root", 0.7071067812f},
      {"Mul", "scaled", 0, {"X", "reciprocal_of_root"}},
      {"Erf", "erf", 0, {"scaled"}},
      {"Add", "sum", 0, {"one", "erf"}},
      {"Mul", "half_of_X", 0, {"half", "X"}},
      {"Mul", "Y", 0, {"half_of_X", "sum"}}}},
    {"GeluTanh",
     "X / 2 * (1 + tanh(sqrt(2 / pi) * (X + 0.044715 * X^3)))",
     {{"", "half", 0.5f},
      {"", "one", 1},
      {"", "factor", 0.044715f},
      {"", "root", 0.7978845608f},
      {"Mul", "square", 0, {"X", "X"}},
      {"Mul", "cube", 0, {"square", "X"}},
      {"Mul", "third", 0, {"factor", "cube"}},
      {"Add", "inner", 0, {"X", "third"}},
      {"Mul", "scaled", 0, {"root", "inner"}},
      {"Tanh", "tanh", 0, {"scaled"}},
      {"Add", "sum", 0, {"one", "tanh"}},
      {"Mul", "half_of_X", 0, {"half", "X"}},
      {"Mul", "Y", 0, {"half_of_X", "sum"}}}},
    {"Mish",
     "X * tanh(softplus(X))",
     {{"Softplus", "softplus", 0, {"X"}}, {"Tanh", "tanh", 0, {"softplus"}}, {"Mul", "Y", 0, {"X", "tanh"}}}},
};

/* The messages of one function are built as a graph's are. */
static Onnx__NodeProto *step_node(OnnxBuild *b, const Step *s) {
  Onnx__NodeProto *n = onnx_build_node(b, *s->op ? s->op : "Constant", "");
  for (int i = 0; i < MAX_INPUTS && s->in[i]; i++) onnx_build_input(b, n, s->in[i]);
  onnx_build_output(b, n, s->result);
  if (!*s->op) onnx_build_float(b, n, "value_float", s->value);
  return n;
}

static char **one_string(Arena *a, const char *s) {
  char **list = ARENA_NEW(a, char *);
  *list = arena_strdup(a, s);
  return list;
}

Onnx__FunctionProto *onnx_function_new(Arena *a, const char *name) {
  const Function *f = NULL;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (!strcmp(functions[i].name, name)) f = &functions[i];
  if (!f) return NULL;
  OnnxBuild b;
  onnx_build_init(&b, a, "body");
  for (const Step *s = f->steps; s < f->steps + MAX_STEPS && s->op; s++)
    onnx_build_append(&b, step_node(&b, s));
  Onnx__FunctionProto *p = ARENA_NEW(a, Onnx__FunctionProto);
  onnx__function_proto__init(p);
  p->domain = arena_strdup(a, ONNX_FUNCTION_DOMAIN);
  p->name = arena_strdup(a, name);
  p->doc_string = arena_strdup(a, f->what);
  p->n_input = p->n_output = 1;
  p->input = one_string(a, "X");
  p->output = one_string(a, "Y");
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
