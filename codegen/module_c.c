/* The text of the emitted C file: the vector operations that are used, constants, kernels and the run
 * function of each target. */
#include <string.h>

#include "codegen/module.h"
#include "codegen/names.h"
#include "codegen/runtime_text.h"

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

char *module_suffix(const Module *m, const Cg *variant) {
  if (!module_is_list(m)) return arena_strdup(m->cg->arena, "");
  return arena_printf(m->cg->arena, "_%s", c_identifier(m->cg->arena, variant->target->name));
}

void module_put_targets(const Module *m, StrBuf *out) {
  const char *before = " * for ";
  for (int i = 0; i < m->n_variants; i++) {
    const Target *t = m->variants[i]->target;
    strbuf_printf(out, "%s%s (%s)", before, t->name, t->what);
    before = ",\n *     ";
  }
  strbuf_puts(out, ". Do not edit.\n *\n");
}

int64_t module_constant_bytes(const Module *m) {
  const VirModule *v = m->cg->module; /* the owner of all */
  int64_t bytes = 0;
  for (int i = 0; i < v->n_constants; i++)
    bytes += v->constants[i]->count * (v->constants[i]->elem16 ? 2 : dtype_info[v->constants[i]->elem].bytes);
  return bytes;
}

int64_t module_workspace(const Module *m) {
  int64_t bytes = 0;
  for (int i = 0; i < m->n_variants; i++)
    if (m->variants[i]->workspace > bytes) bytes = m->variants[i]->workspace;
  return bytes;
}

unsigned module_group(const Module *m, const Cg *variant) {
  return arch_set(1u << (module_is_list(m) ? variant->target->arch : ARCH_ANY));
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

static void write_part(const Module *m, StrBuf *c, const char *suffix, int number, const Kernel *k,
                       const Kernel *end) {
  Uses u = uses_of(k, end);
  strbuf_printf(c, "static void run%s_part%d(const %s_inputs *in, const %s_outputs *out, uint8_t *ws) {\n",
                suffix, number, m->name, m->name);
  if (!u.in) strbuf_puts(c, "  (void)in;\n");
  if (!u.out) strbuf_puts(c, "  (void)out;\n");
  if (!u.workspace) strbuf_puts(c, "  (void)ws;\n");
  write_calls(m, c, k, end);
  strbuf_puts(c, "}\n\n");
}

static void write_run(const Module *m, const Cg *variant, StrBuf *c) {
  const Kernel *all = variant->kernels;
  const char *suffix = module_suffix(m, variant);
  int parts = 0;
  if (part_end(all))
    for (const Kernel *k = all; k; k = part_end(k)) write_part(m, c, suffix, ++parts, k, part_end(k));
  Uses u = uses_of(all, NULL);
  strbuf_printf(c, "int %s_run%s(const %s_inputs *in, const %s_outputs *out, void *workspace) {\n", m->name,
                suffix, m->name, m->name);
  if (u.workspace) {
    strbuf_puts(c, "  uint8_t *ws = (uint8_t *)workspace;\n");
    strbuf_printf(c, "  if (((uintptr_t)workspace & (%s_WORKSPACE_ALIGN - 1)) != 0) return 1;\n", m->upper);
  } else {
    strbuf_puts(c, "  (void)workspace;\n");
  }
  if (!u.in && !parts) strbuf_puts(c, "  (void)in;\n");
  if (!u.out && !parts) strbuf_puts(c, "  (void)out;\n");
  for (int i = 1; i <= parts; i++)
    strbuf_printf(c, "  run%s_part%d(in, out, %s);\n", suffix, i, u.workspace ? "ws" : "NULL");
  if (!parts) write_calls(m, c, all, NULL);
  strbuf_puts(c, "  return 0;\n}\n");
}

static void write_comment(const Module *m, StrBuf *c) {
  const Cg *cg = m->cg;
  strbuf_printf(c, "/* %s: a neural network, generated by %s from %s\n", m->name, GENERATED_BY,
                comment_text(cg->arena, cg->options->model_file));
  module_put_targets(m, c);
  strbuf_printf(
      c, " * %lld multiply-accumulates, %lld bytes of weights and tables, %lld bytes of workspace.\n",
      (long long)graph_macs(cg->graph), (long long)module_constant_bytes(m), (long long)module_workspace(m));
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
}

static void write_runtime(const Module *m, StrBuf *c) {
  RuntimeUse *uses = ARENA_NEW_ARRAY(c->arena, RuntimeUse, (size_t)m->n_variants);
  for (int i = 0; i < m->n_variants; i++) {
    const Target *t = m->variants[i]->target;
    uses[i] = (RuntimeUse){t->isa, module_is_list(m) ? t->arch : ARCH_ANY, m->variants[i]->module->used};
  }
  const RuntimePlan *plan = runtime_plan(c->arena, uses, m->n_variants);
  runtime_put(c, plan);
  for (int i = 0; i < m->n_variants; i++) m->variants[i]->module->renamed = runtime_renamed(plan, i);
}

static bool uses_group(const VirModule *v, unsigned set) {
  for (int i = 0; i < v->n_constants; i++)
    if (arch_set(v->constants[i]->groups) == set) return true;
  return false;
}

static void write_constants(const Module *m, StrBuf *c) {
  const VirModule *v = m->cg->module;
  strbuf_puts(
      c,
      "\n/* Constants: weights in the order in which they are read, biases with the zero points folded in,\n"
      " * requantization multipliers, tables. */\n\n");
  for (unsigned set = arch_set_next(0); set; set = arch_set_next(set)) {
    if (!uses_group(v, set)) continue;
    bool guarded = runtime_guard(c, set);
    if (guarded) strbuf_puts(c, "\n");
    vir_print_group(c, v, set);
    if (guarded) strbuf_puts(c, "#endif\n\n");
  }
}

/* Its kernels and its run function. */
static void write_variant(const Module *m, const Cg *variant, StrBuf *c) {
  StrBuf attribute;
  strbuf_init(&attribute, c->arena);
  runtime_put_text(&attribute, variant->module->renamed, variant->target->attribute);
  if (module_is_list(m)) {
    strbuf_printf(c, "/* ---- %s ---- */\n\n", variant->target->name);
    if (runtime_guard(c, module_group(m, variant))) strbuf_puts(c, "\n");
  }
  vir_print_functions(c, variant->module, attribute.text);
  strbuf_puts(c, "\n");
  write_run(m, variant, c);
  strbuf_puts(c, "\n");
  if (module_group(m, variant) != 1u << ARCH_ANY) strbuf_puts(c, "#endif\n\n");
}

static void write_c(const Module *m, StrBuf *c, const char *header) {
  const char *header_name = m->cg->options->header_name;
  write_comment(m, c);
  if (header_name) {
    strbuf_printf(c, "#include \"%s\"\n\n", header_name);
  } else {
    strbuf_printf(c, "\n%s\n", header);
  }
  write_runtime(m, c);
  write_constants(m, c);
  for (int i = 0; i < m->n_variants; i++) write_variant(m, m->variants[i], c);
  if (module_is_list(m)) module_define_select(m, c);
  module_define_info(m, c);
  runtime_end(c);
}

void cg_write_module(Cg *const *variants, int n, StrBuf *c, StrBuf *h) {
  const CodegenOptions *o = variants[0]->options;
  Module m = {variants, n, variants[0], o->name, c_upper(c->arena, o->name), NULL, NULL};
  name_members(&m);
  size_t start = h->len;
  module_write_header(&m, h);
  write_c(&m, c, h->text + start);
}
