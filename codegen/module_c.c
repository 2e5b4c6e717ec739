/* The text of the emitted pair: header with the interface, C file with the vector operations that are used,
 * constants, kernels and the run function. */
#include <string.h>

#include "codegen/lower.h"
#include "codegen/names.h"
#include "codegen/runtime_text.h"

typedef struct {
  Cg *cg;
  const char *name, *upper;
  char **inputs, **outputs; /* member names */
} Module;

static const char *const generated_by = "qcc " QCC_VERSION;

/* Members named after the caller's graph: the clone's outputs may be copies with other names. */
static void name_members(Module *m) {
  const Cg *cg = m->cg;
  int n_in = cg->graph->n_inputs, n = n_in + cg->graph->n_outputs;
  const char **names = ARENA_NEW_ARRAY(cg->arena, const char *, (size_t)n + 1);
  for (int i = 0; i < n; i++)
    names[i] = i < n_in ? cg->graph->inputs[i]->name : cg->public_outputs[i - n_in]->name;
  m->inputs = c_member_names(cg->arena, names, n, n_in);
  m->outputs = m->inputs + n_in;
}

/* The dims of a public tensor in the order of memory. */
static Shape public_shape(const Cg *cg, const Tensor *t) {
  Shape s = t->type.shape;
  if (!cg->options->nhwc_io || (s.rank != 3 && s.rank != 4)) return s;
  for (int i = 1; i < s.rank; i++) s.dim[i] = t->type.shape.dim[i == s.rank - 1 ? 1 : i + 1];
  return s;
}

/* "[1][49][10]". */
static char *c_dims(const Cg *cg, const Tensor *t) {
  Shape s = public_shape(cg, t);
  StrBuf b;
  strbuf_init(&b, cg->arena);
  for (int i = 0; i < s.rank; i++) strbuf_printf(&b, "[%lld]", (long long)s.dim[i]);
  return *b.text ? b.text : "[1]";
}

/* A string literal of any bytes: what is not plain becomes an octal escape of three digits. A long one goes
 * on in the next line. */
static void put_c_string(StrBuf *c, const char *text) {
  enum { LINE = 80 };
  size_t start = c->len;
  strbuf_puts(c, "\"");
  for (const char *p = text; *p; p++) {
    unsigned char byte = (unsigned char)*p;
    bool plain = byte >= 32 && byte < 127 && !strchr("\"\\?*", byte);
    if (c->len - start > LINE) {
      strbuf_puts(c, "\"\n     \"");
      start = c->len;
    }
    strbuf_printf(c, plain ? "%c" : "\\%03o", byte);
  }
  strbuf_puts(c, "\"");
}

static void put_tensor_macros(const Module *m, StrBuf *h, const char *member, const Tensor *t) {
  const char *upper = c_upper(m->cg->arena, member);
  strbuf_printf(h, "#define %s_%s_SIZE %lld /* elements */\n", m->upper, upper,
                (long long)shape_count(&t->type.shape));
  if (!t->type.quant) return;
  strbuf_printf(h, "#define %s_%s_SCALE ", m->upper, upper);
  vir_print_float(h, tensor_scale(t));
  strbuf_puts(h, " /* real = scale * (q - zero) */\n");
  strbuf_printf(h, "#define %s_%s_ZERO %d\n", m->upper, upper, tensor_zero(t));
}

static void put_struct(const Module *m, StrBuf *h, const char *kind, Tensor *const *tensors, char **members,
                       int n, const char *qualifier) {
  strbuf_puts(h, "typedef struct {\n");
  for (int i = 0; i < n; i++)
    strbuf_printf(h, "  %s%s *%s; /* %s */\n", qualifier, dtype_info[tensors[i]->type.dtype].c_name,
                  members[i], c_dims(m->cg, tensors[i]));
  if (!n) strbuf_puts(h, "  const void *none; /* the model has none */\n");
  strbuf_printf(h, "} %s_%s;\n", m->name, kind);
}

static int64_t constant_bytes(const VirModule *m) {
  int64_t bytes = 0;
  for (int i = 0; i < m->n_constants; i++)
    bytes += m->constants[i]->count * (m->constants[i]->elem16 ? 2 : dtype_info[m->constants[i]->elem].bytes);
  return bytes;
}

/* An array has at least one element in C. */
static int info_count(int n) { return n ? n : 1; }

static void declare_info(const Module *m, StrBuf *h) {
  const Graph *g = m->cg->graph;
  strbuf_puts(h, "/* What the inputs and outputs are, for programs that handle several models; nothing here "
                 "uses it. */\n"
                 "typedef struct {\n"
                 "  const char *name; /* in the model */\n"
                 "  const char *type; /* of an element, in C */\n"
                 "  int rank, shape[8]; /* in the order of memory */\n"
                 "  float scale; /* real = scale * (q - zero); 1 and 0 for floats */\n"
                 "  int zero;\n");
  strbuf_printf(h, "} %s_tensor_info;\n", m->name);
  strbuf_printf(h, "extern const %s_tensor_info %s_input_info[%d], %s_output_info[%d];\n\n", m->name, m->name,
                info_count(g->n_inputs), m->name, info_count(g->n_outputs));
}

static void define_info(const Module *m, StrBuf *c, const char *kind, Tensor *const *tensors,
                        const Tensor *const *named_after, int n) {
  strbuf_printf(c, "const %s_tensor_info %s_%s_info[%d] = {\n", m->name, m->name, kind, info_count(n));
  for (int i = 0; i < n; i++) {
    const Type *t = &tensors[i]->type;
    Shape s = public_shape(m->cg, tensors[i]);
    strbuf_puts(c, "    {");
    put_c_string(c, named_after[i]->name);
    strbuf_printf(c, ", \"%s\", %d, {", dtype_info[t->dtype].c_name, s.rank);
    for (int k = 0; k < s.rank; k++) strbuf_printf(c, "%s%lld", k ? ", " : "", (long long)s.dim[k]);
    strbuf_puts(c, s.rank ? "}, " : "0}, ");
    vir_print_float(c, t->quant ? t->quant->scale[0] : 1);
    strbuf_printf(c, ", %d},\n", t->quant ? t->quant->zero[0] : 0);
  }
  if (!n) strbuf_puts(c, "    {\"\", \"\", 0, {0}, 1.0f, 0},\n");
  strbuf_puts(c, "};\n");
}

static void write_header(const Module *m, StrBuf *h) {
  const Cg *cg = m->cg;
  const Graph *g = cg->graph;
  strbuf_printf(h, "/* %s: the interface of a neural network, generated by %s",
                comment_text(cg->arena, m->name), generated_by);
  strbuf_printf(h, " from %s\n * for %s (%s). Do not edit.\n *\n",
                comment_text(cg->arena, cg->options->model_file), cg->target->name, cg->target->what);
  strbuf_puts(h, " * No state, no allocation: distinct calls may run at once with a workspace each. */\n");
  strbuf_printf(h, "#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n", m->upper,
                m->upper);
  strbuf_puts(h, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  strbuf_printf(h, "#define %s_WORKSPACE_SIZE %lld /* bytes */\n#define %s_WORKSPACE_ALIGN 64\n", m->upper,
                (long long)cg->workspace, m->upper);
  strbuf_printf(h, "#define %s_CONSTANTS_SIZE %lld /* bytes of weights and tables */\n", m->upper,
                (long long)constant_bytes(cg->module));
  for (int i = 0; i < g->n_inputs; i++) put_tensor_macros(m, h, m->inputs[i], g->inputs[i]);
  for (int i = 0; i < g->n_outputs; i++) put_tensor_macros(m, h, m->outputs[i], g->outputs[i]);
  strbuf_puts(h, "\n");
  put_struct(m, h, "inputs", g->inputs, m->inputs, g->n_inputs, "const ");
  strbuf_puts(h, "\n");
  put_struct(m, h, "outputs", g->outputs, m->outputs, g->n_outputs, "");
  strbuf_printf(
      h,
      "\n/* Runs the network once. `workspace`: %s_WORKSPACE_SIZE bytes, aligned to %s_WORKSPACE_ALIGN; what "
      "is in\n"
      " * it before and after means nothing. Inputs and outputs may not overlap it or each other. The\n"
      " * rounding mode must be to nearest. Returns 0 when done, 1 where the workspace is not aligned. */\n",
      m->upper, m->upper);
  strbuf_printf(h, "int %s_run(const %s_inputs *in, const %s_outputs *out, void *workspace);\n\n", m->name,
                m->name, m->name);
  declare_info(m, h);
  strbuf_puts(h, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

static void put_arg(const Module *m, StrBuf *c, const KernelArg *a) {
  const char *type = dtype_info[a->elem].c_name, *constant = a->writable ? "" : "const ";
  switch (a->buffer->kind) {
  case BUFFER_WORKSPACE:
    if (a->elem == DT_U8) {
      strbuf_printf(c, "ws + %lld", (long long)a->buffer->offset);
    } else {
      strbuf_printf(c, "(%s%s *)(%svoid *)(ws + %lld)", constant, type, constant,
                    (long long)a->buffer->offset);
    }
    break;
  case BUFFER_INPUT:
    strbuf_printf(c, "in->%s", m->inputs[a->buffer->index]);
    break;
  case BUFFER_OUTPUT:
    strbuf_printf(c, "out->%s", m->outputs[a->buffer->index]);
    break;
  }
}

/* What some of the calls use. */
typedef struct {
  bool in, out, workspace;
} Uses;

static Uses uses_of(const Kernel *k, const Kernel *end) {
  Uses u = {0};
  for (; k != end; k = k->next)
    for (int i = 0; i < k->n_args; i++) {
      u.in |= k->args[i].buffer->kind == BUFFER_INPUT;
      u.out |= k->args[i].buffer->kind == BUFFER_OUTPUT;
      u.workspace |= k->args[i].buffer->kind == BUFFER_WORKSPACE;
    }
  return u;
}

static void write_calls(const Module *m, StrBuf *c, const Kernel *k, const Kernel *end) {
  enum { LINE = 108 }; /* columns, before the last bracket */
  StrBuf arg;
  strbuf_init(&arg, c->arena);
  for (; k != end; k = k->next) {
    size_t line = c->len;
    strbuf_printf(c, "  %s(", k->func->name);
    for (int i = 0; i < k->n_args; i++) {
      arg.len = 0;
      put_arg(m, &arg, &k->args[i]);
      bool fits = c->len + arg.len + 2 - line <= LINE;
      strbuf_puts(c, !i ? "" : fits ? ", " : ",");
      if (!fits) {
        strbuf_puts(c, "\n");
        line = c->len;
        strbuf_puts(c, "      ");
      }
      strbuf_put(c, arg.text, arg.len);
    }
    strbuf_puts(c, ");\n");
  }
}

/* The calls of a deep network stand in several functions. */
enum { CALLS_PER_FUNCTION = 200 };

static const Kernel *part_end(const Kernel *k) {
  for (int i = 0; i < CALLS_PER_FUNCTION && k; i++) k = k->next;
  return k;
}

static void write_part(const Module *m, StrBuf *c, int number, const Kernel *k, const Kernel *end) {
  Uses u = uses_of(k, end);
  strbuf_printf(c, "static void run_part%d(const %s_inputs *in, const %s_outputs *out, uint8_t *ws) {\n",
                number, m->name, m->name);
  if (!u.in) strbuf_puts(c, "  (void)in;\n");
  if (!u.out) strbuf_puts(c, "  (void)out;\n");
  if (!u.workspace) strbuf_puts(c, "  (void)ws;\n");
  write_calls(m, c, k, end);
  strbuf_puts(c, "}\n\n");
}

static void write_run(const Module *m, StrBuf *c) {
  const Kernel *all = m->cg->kernels;
  int parts = 0;
  if (part_end(all))
    for (const Kernel *k = all; k; k = part_end(k)) write_part(m, c, ++parts, k, part_end(k));
  Uses u = uses_of(all, NULL);
  strbuf_printf(c, "int %s_run(const %s_inputs *in, const %s_outputs *out, void *workspace) {\n", m->name,
                m->name, m->name);
  if (u.workspace) {
    strbuf_puts(c, "  uint8_t *ws = (uint8_t *)workspace;\n");
    strbuf_printf(c, "  if (((uintptr_t)workspace & (%s_WORKSPACE_ALIGN - 1)) != 0) return 1;\n", m->upper);
  } else {
    strbuf_puts(c, "  (void)workspace;\n");
  }
  if (!u.in && !parts) strbuf_puts(c, "  (void)in;\n");
  if (!u.out && !parts) strbuf_puts(c, "  (void)out;\n");
  for (int i = 1; i <= parts; i++)
    strbuf_printf(c, "  run_part%d(in, out, %s);\n", i, u.workspace ? "ws" : "NULL");
  if (!parts) write_calls(m, c, all, NULL);
  strbuf_puts(c, "  return 0;\n}\n");
}

static void write_c(const Module *m, StrBuf *c, const char *header) {
  Cg *cg = m->cg;
  strbuf_printf(c, "/* %s: a neural network, generated by %s from %s\n * for %s (%s). Do not edit.\n *\n",
                m->name, generated_by, comment_text(cg->arena, cg->options->model_file), cg->target->name,
                cg->target->what);
  strbuf_printf(
      c, " * %lld multiply-accumulates, %lld bytes of weights and tables, %lld bytes of workspace.\n",
      (long long)graph_macs(cg->graph), (long long)constant_bytes(cg->module), (long long)cg->workspace);
  strbuf_puts(
      c,
      " *\n"
      " * Read it from the end: the run function calls one kernel per layer, in order, on places in the\n"
      " * workspace. Tensors lie channels-last there. A kernel is loops over register tiles, and a tile is "
      "an\n"
      " * inline function of the vector operations at the top: the target's intrinsics, or C where it has "
      "none.\n"
      " * Results are the same bits on every target and with every compiler (but for the sign of a NaN). "
      "*/\n");
  if (cg->options->header_name) {
    strbuf_printf(c, "#include \"%s\"\n\n", cg->options->header_name);
  } else {
    strbuf_printf(c, "\n%s\n", header);
  }
  runtime_extract(c, cg->target->isa, cg->module->used);
  strbuf_puts(
      c,
      "\n/* Constants: weights in the order in which they are read, biases with the zero points folded in,\n"
      " * requantization multipliers, tables. */\n\n");
  vir_print_constants(c, cg->module);
  vir_print_functions(c, cg->module, cg->target->attribute);
  strbuf_puts(c, "\n");
  write_run(m, c);
  strbuf_puts(c, "\n");
  const Graph *g = cg->graph;
  define_info(m, c, "input", g->inputs, (const Tensor *const *)g->inputs, g->n_inputs);
  define_info(m, c, "output", g->outputs, cg->public_outputs, g->n_outputs);
  runtime_end(c);
}

void cg_write_module(Cg *cg, StrBuf *c, StrBuf *h) {
  Module m = {.cg = cg, .name = cg->options->name, .upper = c_upper(cg->arena, cg->options->name)};
  name_members(&m);
  size_t start = h->len;
  write_header(&m, h);
  write_c(&m, c, h->text + start);
}
