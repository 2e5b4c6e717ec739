#include "tests/diff/run_jit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/jit.h"
#include "tests/diff/file.h"
#include "tests/diff/trial.h"

const Target diff_jit = {.name = "jit", .what = "libgccjit", .cc = "", .runner = ""};

const char *const diff_jit_flags[DIFF_JIT_FLAGS] = {
    [JIT_BEST] = "best", [JIT_OLDER] = "older", [JIT_PORTABLE] = "portable", [JIT_CALLS] = "calls"};

/* ---- the tensors between the layers ---- */

typedef struct Value {
  const Tensor *tensor;
  const void *data;
  struct Value *next;
} Value;

typedef struct {
  Arena *arena;
  Value *first, **tail;
  const char *fault;
} Values;

static void keep(void *user, const Tensor *t, const void *data) {
  Values *v = user;
  Value *value = ARENA_NEW(v->arena, Value);
  *value = (Value){t, arena_memdup(v->arena, data, (size_t)type_bytes(&t->type)), NULL};
  *v->tail = value;
  v->tail = &value->next;
}

/* The same tensors in the same order, with the same bits. */
static void compare(void *user, const Tensor *t, const void *data) {
  Values *v = user;
  const Value *want = v->first;
  if (v->fault) return;
  if (!want || want->tensor != t) {
    v->fault = arena_printf(v->arena, "'%s' is shown where '%s' belongs", t->name,
                            want ? want->tensor->name : "nothing");
    return;
  }
  v->first = want->next;
  Tensor *const one[] = {(Tensor *)t};
  const Graph g = {.outputs = (Tensor **)one, .n_outputs = 1};
  void *const expected[] = {(void *)want->data}, *const got[] = {(void *)data};
  void *const *const all_expected[] = {expected}, *const *const all_got[] = {got};
  v->fault = compare_outputs(v->arena, &g, 1, all_expected, all_got);
}

static void **allocate(Arena *a, Tensor *const *t, int n) {
  void **p = ARENA_NEW_ARRAY(a, void *, (size_t)n + 1);
  for (int i = 0; i < n; i++) p[i] = arena_alloc(a, (size_t)type_bytes(&t[i]->type) + 1);
  return p;
}

static const char *check_watched(Arena *a, const Graph *g, const Executor *jit, void *const *in) {
  Values v = {.arena = a};
  v.tail = &v.first;
  const Executor *interpreter = interp_new(a, g);
  void **want = allocate(a, g->outputs, g->n_outputs), **got = allocate(a, g->outputs, g->n_outputs);
  interpreter->run(interpreter->self, (const void *const *)in, want, keep, &v);
  jit->run(jit->self, (const void *const *)in, got, compare, &v);
  if (!v.fault && v.first) v.fault = arena_printf(a, "'%s' is not shown", v.first->tensor->name);
  return v.fault ? v.fault
                 : compare_outputs(a, g, 1, (void *const *const *)&want, (void *const *const *)&got);
}

/* ---- in a child: a crash is a fault of one batch ---- */

/* NULL, or what is wrong. */
static const char *run_case(Arena *a, const EmitCase *c, const JitOptions *o, FILE *out) {
  Diag d;
  JitFacts facts;
  const char *fault = NULL;
  diag_init(&d, a, stderr);
  const Executor *e = jit_new(&d, a, c->graph, o, &facts);
  if (!e) return "libgccjit fails";
  if (facts.refused) fault = arena_printf(a, "the interpreter runs it: %s", facts.refused);
  for (int s = 0; s < c->n_samples && !fault; s++) {
    e->run(e->self, (const void *const *)c->in[s], c->out[s], NULL, NULL);
    for (int k = 0; k < c->graph->n_outputs; k++)
      fwrite(c->out[s][k], 1, (size_t)type_bytes(&c->graph->outputs[k]->type), out);
  }
  for (int s = 0; s < c->n_samples && s < 2 && !fault; s++) fault = check_watched(a, c->graph, e, c->in[s]);
  executor_free(e);
  return fault;
}

/* The graph before the passes, as -eval takes it: some nodes are left to the interpreter. */
static const char *run_source(Arena *a, const Graph *g, uint64_t seed, const JitOptions *o) {
  Diag d;
  JitFacts facts;
  const char *fault = NULL;
  diag_init(&d, a, stderr);
  const Executor *e = jit_new(&d, a, g, o, &facts);
  if (!e) return "libgccjit fails";
  for (int style = DATA_TYPICAL; style <= DATA_EXTREME && !facts.refused && !fault; style++) {
    void **in = allocate(a, g->inputs, g->n_inputs);
    Rng r = rng_new(seed, 3000 + (uint64_t)style);
    for (int i = 0; i < g->n_inputs; i++) gen_data(&r, &g->inputs[i]->type, (DataStyle)style, in[i]);
    fault = check_watched(a, g, e, in);
  }
  executor_free(e);
  return fault ? arena_printf(a, "before the passes: %s", fault) : NULL;
}

static int run_cases(Arena *a, const EmitCase *cases, int n, JitRows rows, const char *path) {
  FILE *out = fopen(path, "wb");
  if (!out) return 1;
  for (int i = 0; i < n; i++) {
    const JitOptions o = {.watched = i % 2, .rows = rows};
    const char *fault = run_case(a, &cases[i], &o, out);
    if (!fault && cases[i].source) fault = run_source(a, cases[i].source, (uint64_t)i, &o);
    if (!fault) continue;
    fputs(fault, stderr);
    return 1;
  }
  return fclose(out) != 0;
}

static JitRows rows_of(const char *flags) {
  for (int i = 0; i < DIFF_JIT_FLAGS; i++)
    if (!strcmp(diff_jit_flags[i], flags)) return (JitRows)i;
  return JIT_BEST;
}

const char *run_jit(Arena *a, const Toolchain *tc, EmitCase *cases, int n) {
  char *log = arena_printf(a, "%s/log.txt", tc->dir), *path = arena_printf(a, "%s/out.bin", tc->dir);
  pid_t pid = fork_logged(log);
  if (!pid) {
    int code = run_cases(a, cases, n, rows_of(tc->flags), path);
    fflush(NULL);
    _exit(code);
  }
  int code = 0;
  const char *error = wait_for(a, pid, "the JIT", &code);
  if (error || code) return arena_printf(a, "%s\n%s", error ? error : "the JIT:", tail_of(a, log));
  for (int i = 0; i < n; i++) cases[i].nhwc = false;
  return read_outputs(path, cases, n);
}
