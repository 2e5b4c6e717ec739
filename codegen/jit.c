#include "codegen/jit.h"

#include <string.h>
#include <time.h>

#include "codegen/jit_compile.h"
#include "codegen/jit_tensor.h"
#include "codegen/layout.h"
#include "ir/diag.h"

/* What the kernels are built for: vectors of four lanes, whose operations are runtime/vec_generic.h's. */
static const Target jit_target = {.name = "jit",
                                  .what = "libgccjit, in this process",
                                  .isa = "generic",
                                  .attribute = "",
                                  .lanes = 4,
                                  .registers = 16,
                                  .act = DT_U8,
                                  .broadcast = VIR_bcast4,
                                  .dot = VIR_dot,
                                  .dot_wide = VIR_dot,
                                  .weight_min = -128,
                                  .conv_mr = 4,
                                  .conv_nv = 2,
                                  .float_mr = 4,
                                  .float_nv = 2};

/* A tensor of the caller's graph, and where it lies once its node has run. */
typedef struct {
  const Tensor *tensor;
  const Storage *storage;
} Seen;

/* One node: its code, or the node itself for the interpreter's kernel. */
typedef struct {
  const JitCode *code; /* NULL: none */
  const Node *left;
  Seen *seen;
  int n_seen;
} Step;

typedef struct {
  const Graph *graph;
  const Cg *cg;
  Step *steps;
  int n_steps;
  void *compiled;
  Executor *interpreter; /* for runs that watch, where some tensor cannot be seen; or NULL */
} Program;

/* ---- running ---- */

static const void *read_operand(Arena *a, const Cg *cg, const JitPlaces *p, const Tensor *t) {
  if (!t) return NULL;
  if (tensor_is_const(t)) return t->data;
  void *plain = arena_alloc_raw(a, (size_t)type_bytes(&t->type) + 1);
  jit_gather(p, cg_storage(cg, t), &t->type, plain);
  return plain;
}

static void run_left(const Cg *cg, const JitPlaces *p, const Node *n) {
  EvalCtx ctx = {arena_new()};
  const void **in = ARENA_NEW_ARRAY(ctx.scratch, const void *, (size_t)n->n_operands + 1);
  void **out = ARENA_NEW_ARRAY(ctx.scratch, void *, (size_t)n->n_results + 1);
  for (int i = 0; i < n->n_operands; i++) in[i] = read_operand(ctx.scratch, cg, p, n->operands[i]);
  for (int i = 0; i < n->n_results; i++)
    out[i] = arena_alloc_raw(ctx.scratch, (size_t)type_bytes(&n->results[i]->type) + 1);
  op_info[n->op]->eval(&ctx, n, in, out);
  for (int i = 0; i < n->n_results; i++)
    jit_scatter(p, cg_storage(cg, n->results[i]), &n->results[i]->type, out[i]);
  arena_free(ctx.scratch);
}

static void show(const JitPlaces *p, const Seen *s, TensorWatch watch, void *user) {
  const Type *t = &s->tensor->type;
  if (storage_is_plain(s->storage, &t->shape)) {
    watch(user, s->tensor, jit_tensor_at(p, s->storage));
    return;
  }
  Arena *a = arena_new();
  void *plain = arena_alloc_raw(a, (size_t)type_bytes(t) + 1);
  jit_gather(p, s->storage, t, plain);
  watch(user, s->tensor, plain);
  arena_free(a);
}

static void run(void *self, const void *const *in, void *const *out, TensorWatch watch, void *user) {
  const Program *p = self;
  if (watch && p->interpreter) {
    p->interpreter->run(p->interpreter->self, in, out, watch, user);
    return;
  }
  Arena *memory = arena_new();
  JitPlaces places = {in, out, arena_alloc_raw(memory, (size_t)p->cg->memory.workspace + 1)};
  for (int i = 0; watch && i < p->graph->n_inputs; i++) watch(user, p->graph->inputs[i], in[i]);
  for (int i = 0; i < p->n_steps; i++) {
    const Step *s = &p->steps[i];
    if (s->code) s->code->run(in, out, places.workspace);
    if (s->left) run_left(p->cg, &places, s->left);
    for (int k = 0; watch && k < s->n_seen; k++) show(&places, &s->seen[k], watch, user);
  }
  arena_free(memory);
}

static void release(void *self) { jit_release(((Program *)self)->compiled); }

/* ---- the steps ---- */

/* Which tensors of the caller's graph the node computes, as it knows them. */
static void find_seen(Arena *a, const Cg *cg, const StrMap *wanted, const Node *n, Step *s) {
  s->seen = ARENA_NEW_ARRAY(a, Seen, (size_t)n->n_results + 1);
  for (int r = 0; r < n->n_results; r++) {
    const Tensor *mine = n->results[r], *t = strmap_get(wanted, mine->name);
    if (!t || cg_is_idle(cg, n, mine) || t->type.dtype != mine->type.dtype ||
        !shape_equal(&t->type.shape, &mine->type.shape))
      continue;
    s->seen[s->n_seen++] = (Seen){t, cg_storage(cg, mine)};
  }
}

static StrMap *results_of(Arena *a, const Graph *g, int *n_results) {
  StrMap *names = strmap_new(a);
  *n_results = 0;
  for (const Node *n = g->first; n; n = n->next)
    for (int r = 0; r < n->n_results; r++, ++*n_results)
      strmap_put(names, n->results[r]->name, n->results[r]);
  return names;
}

/* The node's kernels: those that have code come first. */
static const Kernel *take_kernels(Step *s, JitCode *code, const Node *n, const Kernel *k, JitFacts *facts) {
  *code = (JitCode){.first = k};
  for (; k && k->node == n && k->func; k = k->next) facts->kernels++;
  code->end = k;
  if (k != code->first) s->code = code;
  if (!k || k->node != n) return k;
  s->left = n;
  facts->left++;
  return k->next;
}

/* Sets the steps, and `code` of those that have some; returns how many tensors no step shows. */
static int make_steps(Arena *a, Program *p, JitCode *code, int *n_code, JitFacts *facts) {
  int unseen;
  const StrMap *wanted = results_of(a, p->graph, &unseen);
  const Kernel *k = p->cg->kernels;
  for (const Node *n = p->cg->graph->first; n; n = n->next) {
    Step *s = &p->steps[p->n_steps++];
    k = take_kernels(s, &code[*n_code], n, k, facts);
    *n_code += s->code != NULL;
    find_seen(a, p->cg, wanted, n, s);
    unseen -= s->n_seen;
  }
  if (k) BUG("the kernels of '%s' are out of order", k->node->results[0]->name);
  return unseen;
}

static const Cg *generate(Arena *a, const Graph *g, const JitOptions *jit, JitFacts *facts) {
  static const Target *const targets[] = {&jit_target, NULL};
  Diag silent;
  diag_init(&silent, a, NULL);
  CodegenOptions *o = ARENA_NEW(a, CodegenOptions);
  *o = (CodegenOptions){.targets = targets, .name = "jit", .host_ops = true, .all_results = jit->watched};
  const Cg common = {
      .diag = &silent, .arena = a, .options = o, .public_outputs = (const Tensor *const *)g->outputs};
  const Cg *cg = cg_generate(&common, &jit_target, g, NULL);
  if (!cg) facts->refused = silent.first_message ? silent.first_message : "code generation refuses it";
  return cg;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool prepare(Diag *d, Arena *a, Program *p, const JitOptions *o, JitFacts *facts) {
  int n_code = 0;
  JitCode *code = ARENA_NEW_ARRAY(a, JitCode, (size_t)p->cg->graph->n_nodes + 1);
  p->steps = ARENA_NEW_ARRAY(a, Step, (size_t)p->cg->graph->n_nodes + 1);
  int unseen = make_steps(a, p, code, &n_code, facts);
  if (unseen) p->interpreter = interp_new(a, p->graph);
  if (unseen && o->watched) {
    facts->refused = arena_printf(a, "%d of its tensors are not kept", unseen);
    return true; /* nothing but watching is asked for */
  }
  p->compiled = jit_compile(d, a, p->cg, o->rows, code, n_code);
  return p->compiled != NULL;
}

Executor *jit_new(Diag *d, Arena *a, const Graph *g, const JitOptions *o, JitFacts *facts) {
  double start = now();
  *facts = (JitFacts){0};
  Program *p = ARENA_NEW(a, Program);
  *p = (Program){.graph = g, .cg = generate(a, g, o, facts)};
  if (!p->cg) return interp_new(a, g);
  if (!prepare(d, a, p, o, facts)) return NULL;
  if (facts->refused) return p->interpreter;
  facts->seconds = now() - start;
  Executor *e = ARENA_NEW(a, Executor);
  *e = (Executor){p, g, run, release};
  return e;
}

const char *jit_missing(void) { return NULL; }
