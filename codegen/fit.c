#include "codegen/fit_search.h"

enum { MAX_TRIES = 12 }; /* of choices that turn out to need more than estimated */

void fit_apply(Cg *cg, const Fit *fit) {
  Graph *g = cg->graph;
  if (!fit->n_chains) return;
  StrMap *origins = strmap_new(cg->arena);
  Node **nodes = ARENA_NEW_ARRAY(cg->arena, Node *, (size_t)g->n_nodes + 1);
  int n = 0;
  for (Node *p = g->first; p; p = p->next) nodes[n++] = p;
  chain_cut(g, nodes, fit->chains, fit->n_chains, origins);
  cg->origins = origins;
}

/* ---- what is known of the graph ---- */

static int position_of(const Search *s, const Node *n) {
  return (int)(intptr_t)strmap_get(s->index, n->results[0]->name) - 1;
}

static void find_last_uses(Search *s) {
  for (int i = 0; i < s->n; i++)
    for (int r = 0; r < s->nodes[i]->n_results; r++) {
      const Tensor *t = s->nodes[i]->results[r];
      if (t->is_output) s->last_use[i] = s->n;
      for (int u = 0; u < t->n_uses; u++) {
        int p = position_of(s, t->uses[u].node);
        if (p > s->last_use[i]) s->last_use[i] = p;
      }
    }
}

static Search begin(const Cg *cg, const Graph *g, Arena *a) {
  size_t n = (size_t)g->n_nodes + 1;
  Search s = {.cg = cg,
              .graph = graph_clone(a, g),
              .arena = a,
              .nodes = ARENA_NEW_ARRAY(a, Node *, n),
              .n = g->n_nodes,
              .index = strmap_new(a),
              .last_use = ARENA_NEW_ARRAY(a, int, n),
              .around = ARENA_NEW_ARRAY(a, int64_t, n),
              .need = ARENA_NEW_ARRAY(a, int64_t, n),
              .row = ARENA_NEW_ARRAY(a, int64_t, n),
              .all = ARENA_NEW_ARRAY(a, int64_t, n)};
  int at = 0;
  for (Node *p = s.graph->first; p; p = p->next) {
    s.nodes[at] = p;
    strmap_put(s.index, p->results[0]->name, (void *)(intptr_t)++at);
  }
  find_last_uses(&s);
  return s;
}

/* ---- the search ---- */

/* The choice for this aim, placed; NULL: there is none. */
static Trial *try_aim(const Search *s, int64_t aim) {
  Chain *chains = ARENA_NEW_ARRAY(s->arena, Chain, (size_t)s->n + 1);
  int n = fit_choose(s, aim, chains);
  return n < 0 ? NULL : fit_try(s, chains, n);
}

static bool accept(const Search *s, const Trial *t, Fit *fit) {
  if (t->cg->memory.workspace > s->cg->options->max_workspace) return false;
  fit->chains = arena_memdup(s->cg->arena, t->chains, sizeof *t->chains * (size_t)t->n_chains);
  fit->n_chains = t->n_chains;
  return true;
}

/* First with a view to the limit, lower where the estimates were too low; then as little memory as can be,
 * which does not depend on the limit, so that what is reported can be reached. */
static bool search(const Search *s, Fit *fit) {
  int64_t limit = s->cg->options->max_workspace, aim = limit;
  for (int i = 0; i < MAX_TRIES && aim > 0; i++) {
    Trial *t = try_aim(s, aim);
    if (!t) break;
    bool ok = accept(s, t, fit);
    aim -= t->cg->memory.workspace - limit;
    arena_free(t->arena);
    if (ok) return true;
  }
  Trial *least = try_aim(s, 0);
  bool ok = accept(s, least, fit);
  if (!ok) fit_error(s, least);
  arena_free(least->arena);
  return ok;
}

bool fit_workspace(Cg *cg, const Graph *g, Fit *fit) {
  *fit = (Fit){.chains = NULL};
  if (!cg->options->max_workspace) return true;
  Arena *a = arena_new();
  Search s = begin(cg, g, a);
  Trial *t = fit_try(&s, NULL, 0);
  if (t && t->cg->memory.workspace > cg->options->max_workspace) { /* before anything is computed twice */
    arena_free(t->arena);
    cg->saves_memory = true;
    t = fit_try(&s, NULL, 0);
  }
  bool ok = true;
  if (t) { /* else placing says why */
    fit_measure(&s, t);
    fit->unfused = s.unfused;
    ok = accept(&s, t, fit) || search(&s, fit);
    arena_free(t->arena);
  }
  arena_free(a);
  return ok;
}
