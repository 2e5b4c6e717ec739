#include "passes/refine/batch.h"

#include <string.h>

#include "ir/parallel.h"

/* All samples of one tensor. */
typedef struct {
  Arena *arena;
  void **data;
  int users; /* nodes that have not run */
} Value;

struct Batch {
  Arena *arena;
  const Graph *graph;
  const Node *next;
  StrMap *values; /* tensor name -> Value */
  int64_t n;
  int threads;
};

static Value *value_of(const Batch *b, const Tensor *t) { return strmap_get(b->values, t->name); }

static Value *new_value(Batch *b, const Tensor *t) {
  Value *v = value_of(b, t);
  if (!v) v = ARENA_NEW(b->arena, Value);
  *v = (Value){.arena = arena_new(), .users = t->n_uses};
  v->data = ARENA_NEW_ARRAY(v->arena, void *, (size_t)b->n);
  for (int64_t i = 0; i < b->n; i++) v->data[i] = arena_alloc(v->arena, (size_t)type_bytes(&t->type) + 1);
  strmap_put(b->values, t->name, v);
  return v;
}

static void free_value(Value *v) {
  if (v->arena) arena_free(v->arena);
  v->arena = NULL;
}

Batch *batch_new(Arena *a, const Graph *g, const SampleSet *samples, int64_t n, int threads) {
  Batch *b = ARENA_NEW(a, Batch);
  *b = (Batch){a, g, g->first, strmap_new(a), n, threads};
  for (int i = 0; i < g->n_inputs; i++) new_value(b, g->inputs[i]);
  for (int64_t s = 0; s < b->n; s++) {
    Arena *tmp = arena_new();
    const void **in = ARENA_NEW_ARRAY(tmp, const void *, (size_t)g->n_inputs + 1);
    bool ok = sample_set_load(samples, s, b->n, tmp, in);
    for (int i = 0; ok && i < g->n_inputs; i++)
      memcpy(value_of(b, g->inputs[i])->data[s], in[i], (size_t)type_bytes(&g->inputs[i]->type));
    arena_free(tmp);
    if (!ok) return NULL;
  }
  return b;
}

void batch_free(Batch *b) {
  for (int i = 0; i < b->graph->n_inputs; i++) free_value(value_of(b, b->graph->inputs[i]));
  for (const Node *n = b->graph->first; n != b->next; n = n->next)
    for (int i = 0; i < n->n_results; i++) free_value(value_of(b, n->results[i]));
}

const Node *batch_next(const Batch *b) { return b->next; }

const void *batch_value(const Batch *b, const Tensor *t, int64_t sample) {
  return tensor_is_const(t) ? t->data : value_of(b, t)->data[sample];
}

static void eval_sample(void *user, int64_t s) {
  const Batch *b = user;
  const Node *n = b->next;
  EvalCtx ctx = {arena_new()};
  const void **in = ARENA_NEW_ARRAY(ctx.scratch, const void *, (size_t)n->n_operands + 1);
  void **out = ARENA_NEW_ARRAY(ctx.scratch, void *, (size_t)n->n_results);
  for (int i = 0; i < n->n_operands; i++) in[i] = n->operands[i] ? batch_value(b, n->operands[i], s) : NULL;
  for (int i = 0; i < n->n_results; i++) out[i] = value_of(b, n->results[i])->data[s];
  op_info[n->op]->eval(&ctx, n, in, out);
  arena_free(ctx.scratch);
}

void batch_step(Batch *b) {
  const Node *n = b->next;
  for (int i = 0; i < n->n_results; i++) new_value(b, n->results[i]);
  parallel_for(b->threads, b->n, eval_sample, b);
  b->next = n->next;
  for (int i = 0; i < n->n_operands; i++) {
    Value *v = n->operands[i] && !tensor_is_const(n->operands[i]) ? value_of(b, n->operands[i]) : NULL;
    if (v && --v->users == 0) free_value(v);
  }
  for (int i = 0; i < n->n_results; i++)
    if (!n->results[i]->n_uses) free_value(value_of(b, n->results[i]));
}

int64_t batch_peak_bytes(const Graph *g) {
  Arena *a = arena_new();
  StrMap *left = strmap_new(a); /* uses of each tensor that are still to come */
  int64_t alive = 0, peak = 0;
  for (int i = 0; i < g->n_inputs; i++) alive += type_bytes(&g->inputs[i]->type);
  for (const Node *n = g->first; n; n = n->next) {
    for (int i = 0; i < n->n_results; i++) alive += type_bytes(&n->results[i]->type);
    if (alive > peak) peak = alive;
    for (int i = 0; i < n->n_operands; i++) {
      const Tensor *t = n->operands[i];
      if (!t || tensor_is_const(t)) continue;
      int *uses = strmap_get(left, t->name);
      if (!uses) {
        uses = ARENA_NEW(a, int);
        *uses = t->n_uses;
        strmap_put(left, t->name, uses);
      }
      if (--*uses == 0) alive -= type_bytes(&t->type);
    }
  }
  arena_free(a);
  return peak;
}
