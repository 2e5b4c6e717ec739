#include "compiler/custom_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/process.h"

enum { MAX_LOG = 4000 };

/* ---- calls, and what ends them ---- */

/* A signal's handler is given nothing: these are all that it knows. */
static _Thread_local const CustomOp *running;
static _Thread_local bool has_stack;
static CustomTrace *trace_of_process;

static void copy_text(char *to, size_t size, const char *from) {
  size_t n = strlen(from);
  if (n >= size) n = size - 1;
  memcpy(to, from, n);
  to[n] = 0;
}

static void tell(void) {
  CustomTrace *t = trace_of_process;
  if (!running || !t) return;
  SrcLoc at = running->prototype;
  copy_text(t->path, sizeof t->path, at.source->path);
  t->begin = at.begin;
  t->end = at.end;
  copy_text(t->name, sizeof t->name, running->name);
}

/* What made the signal does so again, and ends the process. */
static void on_signal(int sig) {
  tell();
  signal(sig, SIG_DFL);
  if (sig == SIGABRT) raise(sig);
}

/* Of an operator, while others may be at work in other threads: nothing more is run. */
static void on_exit_of_process(void) {
  tell();
  if (running) _exit(EXIT_FAILURE);
}

static void watch_process(CustomTrace *trace) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  trace_of_process = trace;
  atexit(on_exit_of_process);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(signals[i], &action, NULL);
  }
}

/* For the handler, where the thread's own has run out. It lives as long as the thread can. Sanitizers have
 * given it one already. */
static void give_stack(void) {
  enum { BYTES = 1 << 16 };
  stack_t stack;
  has_stack = true;
  if (sigaltstack(NULL, &stack) || !(stack.ss_flags & SS_DISABLE)) return;
  stack = (stack_t){.ss_sp = malloc(BYTES), .ss_size = BYTES};
  if (stack.ss_sp) sigaltstack(&stack, NULL);
}

static void call(const CustomOp *op, void *const *tensors, const CustomValue *numbers) {
  if (!has_stack) give_stack();
  running = op;
  op->shim(tensors, numbers);
  running = NULL;
}

/* ---- the library ---- */

typedef struct {
  Diag *diag;
  Arena *arena;
  CustomOps *ops;
  const char *folder;
} Loader;

static const char *file_in(const Loader *l, const char *name) { return temp_file(l->arena, l->folder, name); }

static bool fail(const Loader *l, const char *what, const char *why) {
  return diag_error(l->diag, (SrcLoc){0}, "-custom: %s: %s", what, why);
}

/* One function of the same type for all. */
static void put_shim(StrBuf *out, const CustomOp *op) {
  custom_put_prototype(out, op);
  strbuf_printf(out, "void qcc_call_%s(void *const *t, const number *v) {\n  (void)v;\n  %s(", op->name,
                op->name);
  int number = 0;
  for (int i = 0; i < op->n_params; i++) {
    const CustomParam *p = &op->params[i];
    strbuf_puts(out, i ? ", " : "");
    if (p->kind == CUSTOM_TENSOR)
      strbuf_printf(out, "t[%d]", p->index);
    else
      strbuf_printf(out, "(%s)v[%d].%c", p->c_type, number++, p->is_float ? 'f' : 'i');
  }
  strbuf_puts(out, ");\n}\n");
}

static bool write_shims(const Loader *l) {
  StrBuf text;
  strbuf_init(&text, l->arena);
  strbuf_puts(
      &text,
      "#include <stddef.h>\n#include <stdint.h>\ntypedef struct {\n  int64_t i;\n  float f;\n} number;\n");
  for (int i = 0; i < l->ops->n; i++) put_shim(&text, l->ops->ops[i]);
  FILE *f = fopen(file_in(l, "shims.c"), "wb");
  bool ok = f && fwrite(text.text, 1, text.len, f) == text.len;
  if (f && fclose(f)) ok = false;
  return ok || fail(l, file_in(l, "shims.c"), strerror(errno));
}

static bool build(const Loader *l, const char *const *files, int n_files) {
  static const char *const options[] = {"-std=gnu11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-o"};
  Words w = {0};
  words_add(l->arena, &w, "cc");
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) words_add(l->arena, &w, options[i]);
  words_add(l->arena, &w, file_in(l, "custom.so"));
  words_add(l->arena, &w, file_in(l, "shims.c"));
  for (int i = 0; i < n_files; i++)
    words_add(l->arena, &w, *files[i] == '-' ? arena_printf(l->arena, "./%s", files[i]) : files[i]);
  words_add(l->arena, &w, "-lm");
  int code = spawn_wait(l->arena, &w, file_in(l, "log"));
  if (code < 0) return fail(l, "cannot run cc", strerror(errno));
  if (code) fail(l, "cc", "the custom operators do not compile");
  if (code) note_log(l->diag, file_in(l, "log"), 6, MAX_LOG);
  return !code;
}

static bool bind(const Loader *l) {
  void *library = dlopen(file_in(l, "custom.so"), RTLD_NOW | RTLD_LOCAL);
  if (!library) return fail(l, "the custom operators cannot be loaded", dlerror());
  for (int i = 0; i < l->ops->n; i++) {
    CustomOp *op = l->ops->ops[i];
    void *shim = dlsym(library, arena_printf(l->arena, "qcc_call_%s", op->name));
    if (!shim) return fail(l, op->name, "the function is not in the library");
    memcpy(&op->shim, &shim, sizeof shim);
    op->call = call;
  }
  return true;
}

bool custom_load(Diag *d, Arena *a, CustomOps *ops, const char *const *files, int n_files,
                 CustomTrace *trace) {
  static const char *const names[] = {"shims.c", "custom.so", "log"};
  const char *tried;
  const Loader l = {d, a, ops, temp_folder(a, "custom", &tried)};
  if (!l.folder) return fail(&l, tried, strerror(errno));
  bool ok = write_shims(&l) && build(&l, files, n_files) && bind(&l);
  temp_remove(a, l.folder, names, sizeof names / sizeof *names);
  if (ok) watch_process(trace);
  return ok;
}
