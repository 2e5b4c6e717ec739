/* The run functions of a variant, which call its kernels in order: the plain one; with -threads one that
 * leaves the parts of large kernels to the caller's threads; with -instrument one that tells when a layer
 * begins and ends. */
#include <string.h>

#include "codegen/module.h"
#include "codegen/names.h"

enum { LINE = 108 }; /* columns, before the last bracket */

typedef enum { RUN_PLAIN, RUN_THREADS, RUN_LAYERS, RUN_KINDS } RunKind;

typedef struct {
  const char *name;                   /* behind `run` */
  const char *type;                   /* of the function, behind the module's name */
  const char *parameters, *arguments; /* behind the usual ones; %s is the module's name */
} RunInfo;
static const RunInfo run_info[RUN_KINDS] = {
    [RUN_PLAIN] = {"", "run_function", "", ""},
    [RUN_THREADS] = {"_threads", "run_threads_function", ", %s_parallel_for parallel_for, void *pool",
                     ", parallel_for, pool"},
    [RUN_LAYERS] = {"_layers", "run_layers_function", ", %s_layer_callback layer, void *user",
                    ", layer, user"},
};

static bool has_kind(const Module *m, RunKind kind) {
  const CodegenOptions *o = m->cg->options;
  return kind == RUN_PLAIN || (kind == RUN_THREADS ? o->threads : o->instrument);
}

/* "const m_inputs *in, const m_outputs *out, LAST, ..." */
static void put_parameters(const Module *m, StrBuf *c, RunKind kind, const char *last) {
  strbuf_printf(c, "const %s_inputs *in, const %s_outputs *out, %s", m->name, m->name, last);
  const char *more = run_info[kind].parameters, *name = strchr(more, '%');
  if (!name) return;
  strbuf_put(c, more, (size_t)(name - more));
  strbuf_printf(c, "%s%s", m->name, name + 2);
}

/* ---- calls ---- */

static void put_base(StrBuf *c, const KernelArg *a) {
  if (a->base) strbuf_printf(c, " + %lld", (long long)a->base);
}

static void put_arg(const Module *m, StrBuf *c, const KernelArg *a) {
  const char *type = a->elem16 ? "int16_t" : dtype_info[a->elem].c_name,
             *constant = a->writable ? "" : "const ";
  int64_t at = a->buffer->offset + a->base * dtype_info[a->elem].bytes; /* scratch has no base */
  switch (a->buffer->kind) {
  case BUFFER_WORKSPACE:
    if (a->elem == DT_U8) {
      strbuf_printf(c, "ws + %lld", (long long)at);
    } else {
      strbuf_printf(c, "(%s%s *)(%svoid *)(ws + %lld)", constant, type, constant, (long long)at);
    }
    break;
  case BUFFER_INPUT:
    strbuf_printf(c, "in->%s", m->inputs[a->buffer->index]);
    put_base(c, a);
    break;
  case BUFFER_OUTPUT:
    strbuf_printf(c, "out->%s", m->outputs[a->buffer->index]);
    put_base(c, a);
    break;
  }
}

static void put_item(StrBuf *c, size_t *line, bool first, const char *text, size_t n) {
  bool fits = c->len + n + 2 - *line <= LINE;
  strbuf_puts(c, first ? "" : fits ? ", " : ",");
  if (!fits) {
    strbuf_puts(c, "\n");
    *line = c->len;
    strbuf_puts(c, "      ");
  }
  strbuf_put(c, text, n);
}

/* `parts`: the range of parts, NULL for all of them. */
static void put_call(const Module *m, StrBuf *c, const Kernel *k, const char *parts) {
  size_t line = c->len;
  StrBuf arg;
  strbuf_init(&arg, c->arena);
  strbuf_printf(c, "  %s(", k->func->name);
  for (int i = 0; i < k->n_args; i++) {
    arg.len = 0;
    put_arg(m, &arg, &k->args[i]);
    put_item(c, &line, i == 0, arg.text, arg.len);
  }
  if (k->func->parts) {
    arg.len = 0;
    strbuf_printf(&arg, "0, %d", k->func->parts);
    if (parts) {
      arg.len = 0;
      strbuf_puts(&arg, parts);
    }
    put_item(c, &line, k->n_args == 0, arg.text, arg.len);
  }
  strbuf_puts(c, ");\n");
}

/* What some of the calls use. */
typedef struct {
  bool in, out, workspace, parts;
} Uses;

static Uses uses_of(const Kernel *k, const Kernel *end) {
  Uses u = {0};
  for (; k != end; k = k->next) {
    u.parts |= k->func->parts != 0;
    for (int i = 0; i < k->n_args; i++) {
      u.in |= k->args[i].buffer->kind == BUFFER_INPUT;
      u.out |= k->args[i].buffer->kind == BUFFER_OUTPUT;
      u.workspace |= k->args[i].buffer->kind == BUFFER_WORKSPACE;
    }
  }
  return u;
}

/* ---- parts for threads ---- */

static const char *task_name(const Module *m, const Kernel *k) {
  return arena_printf(m->cg->arena, "%s_part", k->task ? k->task : k->func->name);
}

static void define_task(const Module *m, const char *suffix, StrBuf *c, const Kernel *k) {
  Uses u = uses_of(k, k->next);
  strbuf_printf(c, "static void %s(void *context, int part) {\n", task_name(m, k));
  strbuf_printf(c, "  const run%s_places *places = (const run%s_places *)context;\n", suffix, suffix);
  if (u.in) strbuf_printf(c, "  const %s_inputs *in = places->in;\n", m->name);
  if (u.out) strbuf_printf(c, "  const %s_outputs *out = places->out;\n", m->name);
  if (u.workspace) strbuf_puts(c, "  uint8_t *ws = places->ws;\n");
  put_call(m, c, k, "part, part + 1");
  strbuf_puts(c, "}\n\n");
}

/* The parts as what parallel_for calls. */
static void define_tasks(const Module *m, const Cg *variant, StrBuf *c) {
  const char *suffix = module_suffix(m, variant);
  if (!uses_of(variant->kernels, NULL).parts) return;
  strbuf_puts(c, "/* Where the kernels' arguments lie, for the parts that threads do. */\n");
  strbuf_printf(c,
                "typedef struct {\n  const %s_inputs *in;\n  const %s_outputs *out;\n  uint8_t *ws;\n} "
                "run%s_places;\n\n",
                m->name, m->name, suffix);
  for (const Kernel *k = variant->kernels; k; k = k->next)
    if (k->func->parts) define_task(m, suffix, c, k);
}

static void begin_places(StrBuf *c, const char *suffix) {
  strbuf_printf(c, "  run%s_places places;\n  places.in = in;\n  places.out = out;\n  places.ws = ws;\n",
                suffix);
}

/* ---- functions ---- */

static void write_calls(const Module *m, StrBuf *c, RunKind kind, int layer, const Kernel *k,
                        const Kernel *end) {
  for (; k != end; k = k->next) {
    layer += k->first_of_layer;
    if (kind == RUN_LAYERS && k->first_of_layer) strbuf_printf(c, "  layer(user, %d, 0);\n", layer - 1);
    if (kind == RUN_THREADS && k->func->parts)
      strbuf_printf(c, "  parallel_for(pool, %s, &places, %d);\n", task_name(m, k), k->func->parts);
    else
      put_call(m, c, k, NULL);
    bool last = !k->next || k->next->first_of_layer;
    if (kind == RUN_LAYERS && last) strbuf_printf(c, "  layer(user, %d, 1);\n", layer - 1);
  }
}

static void write_unused(StrBuf *c, RunKind kind, Uses u) {
  if (!u.in) strbuf_puts(c, "  (void)in;\n");
  if (!u.out) strbuf_puts(c, "  (void)out;\n");
  if (kind == RUN_THREADS && !u.parts) strbuf_puts(c, "  (void)parallel_for;\n  (void)pool;\n");
}

/* The calls of a deep network stand in several functions. */
enum { CALLS_PER_FUNCTION = 200 };

static const Kernel *section_end(const Kernel *k) {
  for (int i = 0; i < CALLS_PER_FUNCTION && k; i++) k = k->next;
  return k;
}

static int layers_in(const Kernel *k, const Kernel *end) {
  int n = 0;
  for (; k != end; k = k->next) n += k->first_of_layer;
  return n;
}

/* Returns how many there are; 0: the calls are few. */
static int write_sections(const Module *m, StrBuf *c, RunKind kind, const char *suffix, const Kernel *all) {
  int number = 0;
  if (!section_end(all)) return 0;
  for (const Kernel *k = all; k; k = section_end(k)) {
    Uses u = uses_of(k, section_end(k));
    bool threads = kind == RUN_THREADS && u.parts;
    strbuf_printf(c, "static void run%s%s_part%d(", run_info[kind].name, suffix, ++number);
    put_parameters(m, c, kind, "uint8_t *ws");
    strbuf_puts(c, ") {\n");
    if (threads) begin_places(c, suffix);
    if (threads) u.in = u.out = u.workspace = true;
    write_unused(c, kind, u);
    if (!u.workspace) strbuf_puts(c, "  (void)ws;\n");
    write_calls(m, c, kind, layers_in(all, k), k, section_end(k));
    strbuf_puts(c, "}\n\n");
  }
  return number;
}

static void write_run(const Module *m, const Cg *variant, StrBuf *c, RunKind kind) {
  const Kernel *all = variant->kernels;
  const char *suffix = module_suffix(m, variant), *name = run_info[kind].name;
  int sections = write_sections(m, c, kind, suffix, all);
  Uses u = uses_of(all, NULL);
  bool workspace = u.workspace, threads = kind == RUN_THREADS && u.parts;
  if (sections || threads) u.in = u.out = true;
  if (sections) u.parts = true;
  strbuf_printf(c, "int %s_run%s%s(", m->name, name, suffix);
  put_parameters(m, c, kind, "void *workspace");
  strbuf_puts(c, ") {\n");
  if (workspace || threads) strbuf_puts(c, "  uint8_t *ws = (uint8_t *)workspace;\n");
  if (threads && !sections) begin_places(c, suffix);
  if (workspace)
    strbuf_printf(c, "  if (((uintptr_t)workspace & (%s_WORKSPACE_ALIGN - 1)) != 0) return 1;\n", m->upper);
  else if (!threads)
    strbuf_puts(c, "  (void)workspace;\n");
  write_unused(c, kind, u);
  if (kind == RUN_LAYERS && !all) strbuf_puts(c, "  (void)layer;\n  (void)user;\n");
  for (int i = 1; i <= sections; i++)
    strbuf_printf(c, "  run%s%s_part%d(in, out, %s%s);\n", name, suffix, i, workspace ? "ws" : "NULL",
                  run_info[kind].arguments);
  if (!sections) write_calls(m, c, kind, 0, all, NULL);
  strbuf_puts(c, "  return 0;\n}\n");
}

void module_write_run(const Module *m, const Cg *variant, StrBuf *c) {
  if (has_kind(m, RUN_THREADS)) define_tasks(m, variant, c);
  for (int kind = 0; kind < RUN_KINDS; kind++) {
    if (!has_kind(m, (RunKind)kind)) continue;
    if (kind) strbuf_puts(c, "\n");
    if (kind == RUN_LAYERS) module_define_layers(m, variant, c);
    write_run(m, variant, c, (RunKind)kind);
  }
}

/* ---- declarations ---- */

void module_declare_runs(const Module *m, const Cg *variant, StrBuf *h) {
  const char *suffix = module_suffix(m, variant);
  for (int kind = 0; kind < RUN_KINDS; kind++) {
    if (!has_kind(m, (RunKind)kind)) continue;
    strbuf_printf(h, "int %s_run%s%s(", m->name, run_info[kind].name, suffix);
    put_parameters(m, h, (RunKind)kind, "void *workspace");
    strbuf_puts(h, ");\n");
  }
  int n = module_layers(variant);
  if (has_kind(m, RUN_LAYERS))
    strbuf_printf(h, "#define %s_LAYERS%s %d\nextern const %s_layer_info %s_layers%s[%d];\n", m->upper,
                  c_upper(h->arena, suffix), n, m->name, m->name, suffix, n ? n : 1);
}

static void declare_function_type(const Module *m, StrBuf *h, RunKind kind) {
  strbuf_printf(h, "typedef int (*%s_%s)(", m->name, run_info[kind].type);
  put_parameters(m, h, kind, "void *workspace");
  strbuf_puts(h, ");\n");
}

void module_declare_run_types(const Module *m, StrBuf *h) {
  const char *n = m->name;
  if (has_kind(m, RUN_THREADS))
    strbuf_printf(
        h,
        "/* What %s_run_threads takes: it calls task(context, i) for each i from 0 to count - 1, in any "
        "order "
        "and on\n"
        " * any threads, and returns when all of them are done. `pool` is passed on. Without a large kernel "
        "it is not\n"
        " * called. The results are the same bits, whatever it does. */\n"
        "typedef void (*%s_task)(void *context, int index);\n"
        "typedef void (*%s_parallel_for)(void *pool, %s_task task, void *context, int count);\n\n",
        n, n, n, n);
  if (has_kind(m, RUN_LAYERS))
    strbuf_printf(h,
                  "/* What %s_run_layers takes: it is called before (done = 0) and after (1) each layer. */\n"
                  "typedef void (*%s_layer_callback)(void *user, int layer, int done);\n"
                  "typedef struct {\n"
                  "  const char *name, *op; /* in the model after qcc's passes */\n"
                  "  long long macs;        /* multiply-accumulates */\n"
                  "  long long bytes;       /* of operands, weights too, and results */\n"
                  "} %s_layer_info;\n\n",
                  n, n, n);
  if (!module_is_list(m)) return;
  declare_function_type(m, h, RUN_PLAIN);
  if (has_kind(m, RUN_THREADS)) declare_function_type(m, h, RUN_THREADS);
  strbuf_puts(h, "\n");
}
