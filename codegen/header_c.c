/* The text of the emitted header: the interface, with all that is known of it as macros; and the tables that
 * say the same at run time. */
#include <string.h>

#include "codegen/module.h"
#include "codegen/names.h"
#include "codegen/runtime_text.h"

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

void module_define_info(const Module *m, StrBuf *c) {
  const Graph *g = m->cg->graph;
  define_info(m, c, "input", g->inputs, (const Tensor *const *)g->inputs, g->n_inputs);
  define_info(m, c, "output", g->outputs, m->cg->public_outputs, g->n_outputs);
}

static void put_sizes(const Module *m, StrBuf *h) {
  strbuf_printf(h, "#define %s_WORKSPACE_SIZE %lld /* bytes%s */\n#define %s_WORKSPACE_ALIGN 64\n", m->upper,
                (long long)module_memory(m).workspace, module_is_list(m) ? ", enough for each variant" : "",
                m->upper);
  for (int i = 0; i < m->n_variants && module_is_list(m); i++)
    strbuf_printf(h, "#define %s_WORKSPACE_SIZE%s %lld\n", m->upper,
                  c_upper(h->arena, module_suffix(m, m->variants[i])),
                  (long long)m->variants[i]->memory.workspace);
  strbuf_printf(h, "#define %s_CONSTANTS_SIZE %lld /* bytes of weights and tables */\n", m->upper,
                (long long)module_constant_bytes(m));
}

static void declare_run(const Module *m, StrBuf *h) {
  strbuf_puts(h, "\n");
  module_declare_run_types(m, h);
  if (module_is_list(m)) module_declare_select(m, h);
  strbuf_printf(
      h,
      "/* Runs the network once. `workspace`: %s_WORKSPACE_SIZE bytes, aligned to %s_WORKSPACE_ALIGN; what "
      "is in\n"
      " * it before and after means nothing. Inputs and outputs may not overlap it or each other. The\n"
      " * rounding mode must be to nearest. Returns 0 when done, 1 where the workspace is not aligned. */\n",
      m->upper, m->upper);
  for (int i = 0; i < m->n_variants; i++) {
    bool guarded = runtime_guard(h, module_group(m, m->variants[i]));
    module_declare_runs(m, m->variants[i], h);
    if (guarded) strbuf_puts(h, "#endif\n");
  }
  strbuf_puts(h, "\n");
}

void module_write_header(const Module *m, StrBuf *h) {
  const Cg *cg = m->cg;
  const Graph *g = cg->graph;
  strbuf_printf(h, "/* %s: the interface of a neural network, generated by %s",
                comment_text(cg->arena, m->name), GENERATED_BY);
  strbuf_printf(h, " from %s\n", comment_text(cg->arena, cg->options->model_file));
  module_put_targets(m, h);
  strbuf_puts(h, " * No state, no allocation: distinct calls may run at once with a workspace each. */\n");
  strbuf_printf(h, "#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n", m->upper,
                m->upper);
  strbuf_puts(h, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  put_sizes(m, h);
  for (int i = 0; i < g->n_inputs; i++) put_tensor_macros(m, h, m->inputs[i], g->inputs[i]);
  for (int i = 0; i < g->n_outputs; i++) put_tensor_macros(m, h, m->outputs[i], g->outputs[i]);
  strbuf_puts(h, "\n");
  put_struct(m, h, "inputs", g->inputs, m->inputs, g->n_inputs, "const ");
  strbuf_puts(h, "\n");
  put_struct(m, h, "outputs", g->outputs, m->outputs, g->n_outputs, "");
  declare_run(m, h);
  declare_info(m, h);
  strbuf_puts(h, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}
