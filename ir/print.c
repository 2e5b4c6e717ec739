#include "ir/half.h"
#include "ir/lex.h"
#include "ir/ops/custom.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  StrBuf *out;
  const Graph *graph;
  const PrintOptions *options;
  Arena *scratch;
  StrMap *printed; /* constants that have been declared */
  NpyArray *arrays;
  int n_arrays, cap_arrays;
} Printer;

static void put_float(StrBuf *out, float v) {
  char text[32];
  float_text(text, v);
  strbuf_puts(out, text);
}

static void put_element(StrBuf *out, DType dtype, const void *data, int64_t i) {
  const char *at = (const char *)data + i * dtype_info[dtype].bytes;
  int32_t word;
  int64_t longer;
  switch (dtype) {
  case DT_F32:
    put_float(out, ((const float *)data)[i]);
    break;
  case DT_F16:
    put_float(out, half_to_float(((const uint16_t *)data)[i]));
    break;
  case DT_S8:
    strbuf_printf(out, "%d", *(const signed char *)at);
    break;
  case DT_S32:
    memcpy(&word, at, sizeof word);
    strbuf_printf(out, "%d", word);
    break;
  case DT_S64:
    memcpy(&longer, at, sizeof longer);
    strbuf_printf(out, "%lld", (long long)longer);
    break;
  default:
    strbuf_printf(out, "%d", *(const unsigned char *)at);
    break; /* u8, bool */
  }
}

/* The nested lists of dimension `depth` and below; *i is the next element. */
static void put_literal(StrBuf *out, const Tensor *t, int depth, int64_t *i) {
  if (depth == t->type.shape.rank) {
    put_element(out, t->type.dtype, t->data, (*i)++);
    return;
  }
  strbuf_puts(out, "[");
  for (int64_t k = 0; k < t->type.shape.dim[depth]; k++) {
    if (k) strbuf_puts(out, ", ");
    put_literal(out, t, depth + 1, i);
  }
  strbuf_puts(out, "]");
}

static void hand_out_array(Printer *p, const Tensor *t) {
  Arena *a = p->out->arena;
  if (p->n_arrays == p->cap_arrays) {
    int cap = p->cap_arrays ? p->cap_arrays * 2 : 16;
    NpyArray *bigger = ARENA_NEW_ARRAY(a, NpyArray, (size_t)cap);
    if (p->n_arrays) memcpy(bigger, p->arrays, sizeof *bigger * (size_t)p->n_arrays);
    p->arrays = bigger;
    p->cap_arrays = cap;
  }
  p->arrays[p->n_arrays++] = (NpyArray){t->name, t->type.dtype, t->type.shape, t->data};
}

static void put_const(Printer *p, const Tensor *t) {
  int64_t limit = p->options->inline_limit, first = 0;
  if (!t || !tensor_is_const(t) || strmap_get(p->printed, t->name)) return;
  strmap_put(p->printed, t->name, (void *)t);
  strbuf_puts(p->out, "  const ");
  put_name(p->out, '@', t->name);
  strbuf_printf(p->out, " : %s", type_text(p->scratch, &t->type));
  if (limit < 0 || shape_count(&t->type.shape) <= limit) {
    strbuf_puts(p->out, " = ");
    put_literal(p->out, t, 0, &first);
  } else {
    hand_out_array(p, t);
  }
  strbuf_puts(p->out, "\n");
}

/* The path as it reads from the folder of the printed text. */
static const char *path_from(Arena *a, const char *folder, const char *path) {
  while (folder && !strncmp(folder, "./", 2)) folder += 2;
  while (!strncmp(path, "./", 2)) path += 2;
  size_t n = folder ? strlen(folder) : 0;
  while (n > 1 && folder[n - 1] == '/') n--;
  if (!n || *path == '/' || (n == 1 && *folder == '.')) return path;
  if (!strncmp(path, folder, n) && path[n] == '/') return path + n + 1;
  if (*folder == '/' || strstr(folder, "..")) { /* no way to say it relative to there */
    char *here = getcwd(NULL, 0);
    const char *absolute = here ? arena_printf(a, "%s/%s", here, path) : path;
    free(here);
    return absolute;
  }
  StrBuf b;
  strbuf_init(&b, a);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || (folder[i] != '/' && folder[i - 1] == '/')) strbuf_puts(&b, "../");
  strbuf_puts(&b, path);
  return b.text;
}

/* ---- statements ---- */

static bool same_float(float a, float b) { return !memcmp(&a, &b, sizeof a); }

static bool is_default(const AttrDesc *a, const void *field, const void *def) {
  const IntList *x = field, *y = def;
  const RealList *r = field, *s = def;
  switch (a->kind) {
  case ATTR_INT:
    return *(const int64_t *)field == *(const int64_t *)def;
  case ATTR_INTS:
    return x->n == y->n && !memcmp(x->v, y->v, sizeof *x->v * (size_t)x->n);
  case ATTR_FLOAT:
    return same_float(*(const float *)field, *(const float *)def);
  case ATTR_REALS:
    return r->n == s->n && !memcmp(r->v, s->v, sizeof *r->v * (size_t)r->n);
  case ATTR_BOOL:
    return *(const bool *)field == *(const bool *)def;
  case ATTR_ENUM:
    return *(const int *)field == *(const int *)def;
  }
  return false;
}

static void put_attr(StrBuf *out, const AttrDesc *a, const void *field) {
  const IntList *list = field;
  const RealList *reals = field;
  strbuf_printf(out, "%s = ", a->name);
  switch (a->kind) {
  case ATTR_INT:
    strbuf_printf(out, "%lld", (long long)*(const int64_t *)field);
    break;
  case ATTR_INTS:
    strbuf_puts(out, "[");
    for (int i = 0; i < list->n; i++) strbuf_printf(out, "%s%lld", i ? ", " : "", (long long)list->v[i]);
    strbuf_puts(out, "]");
    break;
  case ATTR_FLOAT:
    put_float(out, *(const float *)field);
    break;
  case ATTR_REALS:
    strbuf_puts(out, "[");
    for (int i = 0; i < reals->n; i++) {
      strbuf_puts(out, i ? ", " : "");
      put_float(out, reals->v[i]);
    }
    strbuf_puts(out, "]");
    break;
  case ATTR_BOOL:
    strbuf_puts(out, *(const bool *)field ? "true" : "false");
    break;
  case ATTR_ENUM:
    strbuf_puts(out, a->values[*(const int *)field]);
    break;
  }
}

static void put_attrs(StrBuf *out, const Node *n) {
  const OpInfo *info = op_info[n->op];
  const CustomOp *custom = n->op == OP_custom ? custom_op(n) : NULL;
  const void *defaults = custom ? custom->defaults : info->attr_defaults;
  bool any = false;
  for (const AttrDesc *a = custom ? custom->attrs : info->attrs; a && a->name; a++) {
    const char *field = (const char *)n->attrs + a->offset;
    if (is_default(a, field, (const char *)defaults + a->offset)) continue;
    strbuf_puts(out, any ? ", " : " { ");
    put_attr(out, a, field);
    any = true;
  }
  if (any) strbuf_puts(out, " }");
}

/* Types are written where inference may not find them alone: wherever quantization is in play. */
static bool needs_types(const Printer *p, const Node *n) {
  bool needed = p->options->types;
  for (int i = 0; i < n->n_results; i++)
    needed |= n->results[i]->type.dtype != DT_F32 || tensor_is_quantized(n->results[i]);
  for (int i = 0; i < n->n_operands; i++) needed |= n->operands[i] && tensor_is_quantized(n->operands[i]);
  return needed;
}

static void put_ref(StrBuf *out, const Tensor *t) {
  if (t) {
    put_name(out, tensor_is_const(t) ? '@' : '%', t->name);
  } else {
    strbuf_puts(out, "_");
  }
}

static void put_node(Printer *p, const Node *n) {
  StrBuf *out = p->out;
  strbuf_puts(out, "  ");
  for (int i = 0; i < n->n_results; i++) {
    if (i) strbuf_puts(out, ", ");
    put_ref(out, n->results[i]);
  }
  if (n->op == OP_custom)
    strbuf_printf(out, " = " CUSTOM_PREFIX "%s(", custom_op(n)->name);
  else
    strbuf_printf(out, " = %s(", op_info[n->op]->name);
  for (int i = 0; i < n->n_operands; i++) {
    if (i) strbuf_puts(out, ", ");
    put_ref(out, n->operands[i]);
  }
  strbuf_puts(out, ")");
  put_attrs(out, n);
  for (int i = 0; i < n->n_results && needs_types(p, n); i++)
    strbuf_printf(out, "%s%s", i ? ", " : " : ", type_text(p->scratch, &n->results[i]->type));
  if (*n->name && strcmp(n->name, n->results[0]->name)) {
    strbuf_puts(out, " from ");
    put_string(out, n->name);
  }
  if (n->in_float) strbuf_puts(out, " in_float");
  strbuf_puts(out, "\n");
}

void ir_print(StrBuf *out, const Graph *g, const PrintOptions *o, NpyArray **arrays, int *n_arrays) {
  Printer p = {.out = out, .graph = g, .options = o, .scratch = arena_new()};
  p.printed = strmap_new(p.scratch);
  strbuf_puts(out, "model ");
  put_word(out, g->name);
  strbuf_puts(out, " {\n");
  if (o->weights_name) {
    strbuf_puts(out, "  weights ");
    put_string(out, o->weights_name);
    strbuf_puts(out, "\n");
  }
  if (g->calibrate_path) {
    strbuf_puts(out, "  calibrate ");
    put_string(out, path_from(p.scratch, o->folder, g->calibrate_path));
    strbuf_puts(out, "\n");
  }
  for (int i = 0; i < g->n_inputs; i++) {
    strbuf_puts(out, "  input ");
    put_ref(out, g->inputs[i]);
    strbuf_printf(out, " : %s\n", type_text(p.scratch, &g->inputs[i]->type));
  }
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_operands; i++) put_const(&p, n->operands[i]);
  for (int i = 0; i < g->n_outputs; i++) put_const(&p, g->outputs[i]);
  for (const Node *n = g->first; n; n = n->next) put_node(&p, n);
  for (int i = 0; i < g->n_outputs; i++) {
    strbuf_puts(out, i ? ", " : "  output ");
    put_ref(out, g->outputs[i]);
  }
  strbuf_puts(out, g->n_outputs ? "\n}\n" : "}\n");
  arena_free(p.scratch);
  if (arrays) {
    *arrays = p.arrays;
    *n_arrays = p.n_arrays;
  }
}

static void put_attr_default(StrBuf *out, const OpInfo *info, const AttrDesc *a) {
  put_attr(out, a, (const char *)info->attr_defaults + a->offset);
  if (a->kind != ATTR_ENUM) return;
  for (int i = 0; a->values[i]; i++) strbuf_printf(out, "%s%s", i ? ", " : " (of ", a->values[i]);
  strbuf_puts(out, ")");
}

void ir_print_ops(StrBuf *out) {
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = op_info[op];
    strbuf_printf(out, "%s(%d", info->name, info->min_operands);
    if (info->max_operands < 0) {
      strbuf_puts(out, " or more");
    } else if (info->max_operands > info->min_operands) {
      strbuf_printf(out, " to %d", info->max_operands);
    }
    strbuf_puts(out, info->max_operands == 1 ? " operand)" : " operands)");
    for (const AttrDesc *a = info->attrs; a && a->name; a++) {
      strbuf_puts(out, a == info->attrs ? " { " : ", ");
      put_attr_default(out, info, a);
    }
    strbuf_puts(out, info->attrs ? " }\n" : "\n");
  }
}
