#include "codegen/jit_compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/cpu.h"
#include "codegen/jit_build.h"
#include "ir/diag.h"

static const char *const arguments[] = {
    "-Og",                  /* kernels are as fast as with -O2, and there in two thirds of the time */
    "-ffp-contract=off",    /* each operation rounds */
    "-fwrapv",              /* integers wrap */
    "-fno-strict-aliasing", /* buffers hold one type after the other */
    "-fno-math-errno",
};

static void set_options(gcc_jit_context *c, unsigned features) {
  gcc_jit_context_set_str_option(c, GCC_JIT_STR_OPTION_PROGNAME, "qcc");
  gcc_jit_context_set_int_option(c, GCC_JIT_INT_OPTION_OPTIMIZATION_LEVEL, 1);
  gcc_jit_context_set_bool_print_errors_to_stderr(c, 0);
  for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++)
    gcc_jit_context_add_command_line_option(c, arguments[i]);
  if (features & CPU_avx2) gcc_jit_context_add_command_line_option(c, "-mavx2");
}

/* ---- what calls the kernels ---- */

typedef struct {
  gcc_jit_rvalue *in, *out, *workspace;
} Places;

static gcc_jit_rvalue *place_of(Jit *j, const Places *p, const KernelArg *a) {
  int64_t base = a->base * (a->elem16 ? 2 : dtype_info[a->elem].bytes);
  if (a->buffer->kind == BUFFER_WORKSPACE)
    return jit_plus(j, p->workspace, jit_index(j, a->buffer->offset + base));
  gcc_jit_rvalue *list = a->buffer->kind == BUFFER_INPUT ? p->in : p->out;
  gcc_jit_lvalue *item =
      gcc_jit_context_new_array_access(j->context, NULL, list, jit_index(j, a->buffer->index));
  return jit_plus(j, gcc_jit_lvalue_as_rvalue(item), jit_index(j, base));
}

static void call_kernel(Jit *j, const Places *p, const Kernel *k) {
  gcc_jit_rvalue *args[sizeof k->args / sizeof *k->args];
  for (int i = 0; i < k->n_args; i++) args[i] = place_of(j, p, &k->args[i]);
  gcc_jit_function *f = strmap_get(j->functions, k->func->name);
  gcc_jit_block_add_eval(j->block, NULL, gcc_jit_context_new_call(j->context, NULL, f, k->n_args, args));
}

static char *step_name(Arena *a, int i) { return arena_printf(a, "qcc_step_%d", i); }

static void build_step(Jit *j, const JitCode *code, int i) {
  gcc_jit_type *list = gcc_jit_type_get_pointer(j->byte_pointer);
  gcc_jit_param *params[] = {gcc_jit_context_new_param(j->context, NULL, list, "in"),
                             gcc_jit_context_new_param(j->context, NULL, list, "out"),
                             gcc_jit_context_new_param(j->context, NULL, j->byte_pointer, "ws")};
  j->function = gcc_jit_context_new_function(j->context, NULL, GCC_JIT_FUNCTION_EXPORTED, j->void_type,
                                             step_name(j->arena, i), 3, params, 0);
  const Places p = {gcc_jit_param_as_rvalue(params[0]), gcc_jit_param_as_rvalue(params[1]),
                    gcc_jit_param_as_rvalue(params[2])};
  j->blocks = 0;
  j->block = jit_new_block(j);
  for (const Kernel *k = code->first; k != code->end; k = k->next) call_kernel(j, &p, k);
  gcc_jit_block_end_with_void_return(j->block, NULL);
}

/* ---- compiling ---- */

static bool in_path(const char *path, const char *program) {
  char full[4096];
  for (size_t n; *path; path += n + (path[n] == ':')) {
    n = strcspn(path, ":");
    snprintf(full, sizeof full, "%.*s/%s", (int)n, path, program);
    if (!access(full, X_OK)) return true;
  }
  return false;
}

/* What libgccjit starts: where it cannot, it ends the process. It looks at places of its own, too, if it is
 * told to. */
static bool check_tools(Diag *d) {
  static const char *const tools[] = {"as", "ld"};
  const char *path = getenv("PATH");
  if (getenv("COMPILER_PATH") || getenv("GCC_EXEC_PREFIX")) return true;
  for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
    if (!in_path(path ? path : "", tools[i]))
      return diag_error(d, (SrcLoc){0}, "-jit: libgccjit needs '%s' of the binutils, which is not in PATH",
                        tools[i]);
  return true;
}

void *jit_compile(Diag *d, Arena *a, const Cg *cg, JitRows rows, JitCode *code, int n) {
  if (!check_tools(d)) return NULL;
  gcc_jit_context *c = gcc_jit_context_acquire();
  if (!c) {
    diag_error(d, (SrcLoc){0}, "-jit: libgccjit does not start");
    return NULL;
  }
  const unsigned allowed[JIT_ROWS] = {[JIT_BEST] = ~0u, [JIT_OLDER] = CPU_avx2};
  Jit j = {.context = c, .arena = a, .rows = rows, .features = cpu_host_features() & allowed[rows]};
  set_options(c, j.features);
  jit_build(&j, cg->module);
  for (int i = 0; i < n; i++) build_step(&j, &code[i], i);
  gcc_jit_result *result = gcc_jit_context_compile(c);
  const char *error = gcc_jit_context_get_first_error(c);
  bool ok = result && !error;
  for (int i = 0; ok && i < n; i++) {
    *(void **)&code[i].run = gcc_jit_result_get_code(result, step_name(a, i));
    ok = code[i].run != NULL;
  }
  if (!ok) diag_error(d, (SrcLoc){0}, "-jit: libgccjit: %s", error ? error : "there is no code");
  if (!ok && result) gcc_jit_result_release(result);
  gcc_jit_context_release(c);
  return ok ? result : NULL;
}

void jit_release(void *compiled) {
  if (compiled) gcc_jit_result_release(compiled);
}

/* What libgccjit never gives back is its own matter: the leak sanitizer asks for this where it is there. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libgccjit.so"; }
