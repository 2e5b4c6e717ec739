/* Chains placed in earnest, without any code. */
#include "codegen/alias.h"
#include "codegen/fit_search.h"

Trial *fit_try(const Search *s, const Chain *chains, int n_chains) {
  Arena *a = arena_new();
  Trial *t = ARENA_NEW(a, Trial);
  Diag *silent = ARENA_NEW(a, Diag);
  *silent = (Diag){.arena = a};
  *t = (Trial){.arena = a, .cg = ARENA_NEW(a, Cg), .n_chains = n_chains};
  t->chains = arena_memdup(a, chains, sizeof *chains * (size_t)n_chains);
  *t->cg = *s->cg;
  t->cg->arena = a;
  t->cg->diag = silent;
  t->cg->graph = graph_clone(a, s->graph);
  t->cg->graph->next_id = 0;
  fit_apply(t->cg, &(Fit){.chains = t->chains, .n_chains = n_chains});
  if (!cg_place(t->cg)) {
    arena_free(a);
    return NULL;
  }
  cg_plan_memory(t->cg);
  return t;
}

/* Copies that placing has put in belong to the node behind them. */
static void measure_needs(Search *s, const Trial *t) {
  const int64_t *use = cg_memory_profile(t->cg, t->arena);
  int64_t most = 0;
  int at = 0, last = 0;
  for (const Node *n = t->cg->graph->first; n; n = n->next, at++) {
    int known = (int)(intptr_t)strmap_get(s->index, n->results[0]->name) - 1;
    if (use[at] > most) most = use[at];
    if (known < 0) continue;
    s->need[known] = most;
    most = 0;
    last = known;
  }
  if (s->n && most > s->need[last]) s->need[last] = most;
}

static void measure_result(Search *s, const Trial *t, int i) {
  const Tensor *y = s->nodes[i]->results[0];
  const Tensor *placed = graph_find(t->cg->graph, y->name);
  const Storage *st = placed ? cg_storage(t->cg, placed) : NULL;
  s->all[i] = type_bytes(&y->type);
  if (st && st->buffer && st->buffer->kind == BUFFER_WORKSPACE && !alias_of(t->cg, placed))
    s->all[i] = st->size * dtype_info[st->elem].bytes; /* with its halo */
  if (y->type.shape.rank != 4 || !s->all[i]) return;
  s->row[i] = type_bytes(&y->type) / rows_of(y);
  if (!st || !cg_channels_last(t->cg, placed)) return;
  int64_t row = st->stride[ROW_DIM] * dtype_info[st->elem].bytes * y->type.shape.dim[0];
  if (row > s->row[i]) s->row[i] = row;
}

void fit_measure(Search *s, const Trial *t) {
  s->unfused = t->cg->memory.workspace;
  measure_needs(s, t);
  for (int i = 0; i < s->n; i++) measure_result(s, t, i);
  for (int i = 0; i < s->n; i++)
    for (int k = i + 1; k < s->n && k <= s->last_use[i]; k++)
      for (int r = 0; r < s->nodes[i]->n_results; r++)
        s->around[k] += r ? type_bytes(&s->nodes[i]->results[r]->type) : s->all[i];
}
