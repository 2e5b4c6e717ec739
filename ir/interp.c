#include "ir/interp.h"

#include <string.h>

/* Where a tensor's elements are during a run. */
typedef struct {
  enum { AT_INPUT, AT_CONSTANT, AT_BLOCK } place;
  int64_t where; /* index of the input, or byte offset in the run's block */
  const void *data;
  int64_t bytes;
} Slot;

typedef struct {
  const Node *node;
  Slot **operands; /* NULL: absent */
  Slot **results;
} Step;

typedef struct {
  const Graph *graph;
  Step *steps; /* [graph->n_nodes] */
  Slot **outputs;
  int64_t block_bytes;
  int max_operands, max_results;
} Interp;

/* --- the plan: every node result gets a place in one block, which it leaves after its last use --- */

typedef struct Region {
  struct Region *next; /* by offset */
  int64_t offset, bytes;
  int last_step;
} Region;

typedef struct {
  Arena *arena;
  Interp *interp;
  StrMap *slots;   /* tensor name -> Slot */
  Region *regions; /* in use, by offset */
} Planner;

enum { ALIGNMENT = 64 };

static int64_t aligned(int64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void drop_unused(Planner *p, int step) {
  for (Region **r = &p->regions; *r;) {
    if ((*r)->last_step < step)
      *r = (*r)->next;
    else
      r = &(*r)->next;
  }
}

/* The first gap that is large enough. */
static int64_t place(Planner *p, int64_t bytes, int last_step) {
  int64_t offset = 0;
  Region **r = &p->regions;
  for (; *r && (*r)->offset - offset < bytes; r = &(*r)->next) offset = (*r)->offset + (*r)->bytes;
  Region *fresh = ARENA_NEW(p->arena, Region);
  *fresh = (Region){*r, offset, bytes, last_step};
  *r = fresh;
  if (offset + bytes > p->interp->block_bytes) p->interp->block_bytes = offset + bytes;
  return offset;
}

static Slot *new_slot(Planner *p, Arena *a, const Tensor *t, Slot s) {
  Slot *slot = ARENA_NEW(a, Slot);
  *slot = s;
  slot->bytes = type_bytes(&t->type);
  strmap_put(p->slots, t->name, slot);
  return slot;
}

static Slot *slot_of(Planner *p, Arena *a, const Tensor *t) {
  if (!t) return NULL;
  Slot *s = strmap_get(p->slots, t->name);
  if (s) return s;
  if (!tensor_is_const(t)) BUG("'%s' is used before it is computed", t->name);
  return new_slot(p, a, t, (Slot){.place = AT_CONSTANT, .data = t->data});
}

/* The last step that reads t; outputs are read after all of them. */
static int last_use(StrMap *step_of, const Tensor *t, int own, int n_steps) {
  if (t->is_output) return n_steps;
  int last = own;
  for (int i = 0; i < t->n_uses; i++) {
    int step = *(const int *)strmap_get(step_of, t->uses[i].node->results[0]->name);
    if (step > last) last = step;
  }
  return last;
}

static StrMap *number_steps(Arena *tmp, const Graph *g) {
  StrMap *step_of = strmap_new(tmp);
  int i = 0;
  for (const Node *n = g->first; n; n = n->next) {
    int *number = ARENA_NEW(tmp, int);
    *number = i++;
    strmap_put(step_of, n->results[0]->name, number);
  }
  return step_of;
}

static void plan(Planner *p, Arena *a, Interp *in) {
  const Graph *g = in->graph;
  StrMap *step_of = number_steps(p->arena, g);
  for (int i = 0; i < g->n_inputs; i++) new_slot(p, a, g->inputs[i], (Slot){.place = AT_INPUT, .where = i});
  int number = 0;
  for (const Node *n = g->first; n; n = n->next, number++) {
    Step *s = &in->steps[number];
    *s = (Step){.node = n,
                .operands = ARENA_NEW_ARRAY(a, Slot *, (size_t)n->n_operands),
                .results = ARENA_NEW_ARRAY(a, Slot *, (size_t)n->n_results)};
    drop_unused(p, number);
    for (int i = 0; i < n->n_operands; i++) s->operands[i] = slot_of(p, a, n->operands[i]);
    for (int i = 0; i < n->n_results; i++) {
      const Tensor *t = n->results[i];
      int64_t offset = place(p, aligned(type_bytes(&t->type)), last_use(step_of, t, number, g->n_nodes));
      s->results[i] = new_slot(p, a, t, (Slot){.place = AT_BLOCK, .where = offset});
    }
    if (n->n_operands > in->max_operands) in->max_operands = n->n_operands;
    if (n->n_results > in->max_results) in->max_results = n->n_results;
  }
  for (int i = 0; i < g->n_outputs; i++) in->outputs[i] = slot_of(p, a, g->outputs[i]);
}

/* --- running --- */

static const void *data_of(const Slot *s, const void *const *in, char *block) {
  if (!s) return NULL;
  if (s->place == AT_INPUT) return in[s->where];
  return s->place == AT_CONSTANT ? s->data : block + s->where;
}

static void run_step(const Step *s, const void *const *in, char *block, const void **operands,
                     void **results) {
  const Node *n = s->node;
  for (int i = 0; i < n->n_operands; i++) operands[i] = data_of(s->operands[i], in, block);
  for (int i = 0; i < n->n_results; i++) results[i] = block + s->results[i]->where;
  EvalCtx ctx = {arena_new()};
  op_info[n->op]->eval(&ctx, n, operands, results);
  arena_free(ctx.scratch);
}

static void interp_run(void *self, const void *const *in, void *const *out, TensorWatch watch, void *user) {
  const Interp *p = self;
  const Graph *g = p->graph;
  Arena *memory = arena_new();
  char *block = arena_alloc_raw(memory, (size_t)p->block_bytes);
  const void **operands = ARENA_NEW_ARRAY(memory, const void *, (size_t)p->max_operands);
  void **results = ARENA_NEW_ARRAY(memory, void *, (size_t)p->max_results);
  for (int i = 0; watch && i < g->n_inputs; i++) watch(user, g->inputs[i], in[i]);
  for (int i = 0; i < g->n_nodes; i++) {
    const Step *s = &p->steps[i];
    run_step(s, in, block, operands, results);
    for (int r = 0; watch && r < s->node->n_results; r++) watch(user, s->node->results[r], results[r]);
  }
  for (int i = 0; i < g->n_outputs; i++)
    if (p->outputs[i]->bytes) memcpy(out[i], data_of(p->outputs[i], in, block), (size_t)p->outputs[i]->bytes);
  arena_free(memory);
}

Executor *interp_new(Arena *a, const Graph *g) {
  Interp *p = ARENA_NEW(a, Interp);
  *p = (Interp){.graph = g,
                .steps = ARENA_NEW_ARRAY(a, Step, (size_t)g->n_nodes),
                .outputs = ARENA_NEW_ARRAY(a, Slot *, (size_t)g->n_outputs)};
  Arena *tmp = arena_new();
  plan(&(Planner){.arena = tmp, .interp = p, .slots = strmap_new(tmp)}, a, p);
  arena_free(tmp);
  Executor *e = ARENA_NEW(a, Executor);
  *e = (Executor){p, g, interp_run, NULL};
  return e;
}

Executor *executor_new(const ExecutorSource *s, Arena *a, const Graph *g, bool watched) {
  return s && s->make ? s->make(s->user, a, g, watched) : interp_new(a, g);
}

void executor_free(const Executor *e) {
  if (e && e->release) e->release(e->self);
}
