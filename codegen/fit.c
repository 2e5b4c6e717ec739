/* Greedily: where the most memory is needed, the chain around that node is taken which brings it below the
 * limit with the least work done twice, or, where none does, which needs the least memory; until all fits, or
 * the fullest node cannot be helped. Candidates are estimated; the one that is taken is placed in earnest. */
#include "codegen/fit_search.h"

#include <inttypes.h>

#include "codegen/place.h"

enum { MAX_TRIALS = 400 };

void fit_apply(Cg *cg, const Fit *fit) {
  Graph *g = cg->graph;
  StrMap *origins = strmap_new(cg->arena);
  Node **nodes = ARENA_NEW_ARRAY(cg->arena, Node *, (size_t)g->n_nodes + 1);
  int n = 0;
  if (!fit->n_chains) return;
  for (Node *p = g->first; p; p = p->next) nodes[n++] = p;
  chain_cut(g, nodes, fit->chains, fit->n_chains, origins);
  cg->origins = origins;
}

/* ---- trials ---- */

/* The positions of the graph's nodes in the trial's graph are spread: copies belong to the node behind them.
 */
static int *owners(const Search *s, const Cg *cg, Arena *a) {
  int *owner = ARENA_NEW_ARRAY(a, int, (size_t)cg->graph->n_nodes + 1), at = 0, from = 0, last = 0;
  for (const Node *n = cg->graph->first; n; n = n->next, at++) {
    const char *name = n->results[0]->name;
    const Origin *o = cg->origins ? strmap_get(cg->origins, name) : NULL;
    int known = o ? o->node : (int)(intptr_t)strmap_get(s->index, name) - 1;
    if (known < 0) continue;
    for (; from <= at; from++) owner[from] = known;
    last = known;
  }
  for (; from < at; from++) owner[from] = last;
  return owner;
}

static void find_need(const Search *s, Trial *t) {
  const int *owner = owners(s, t->cg, t->arena);
  int positions = t->cg->graph->n_nodes;
  int64_t *use = cg_memory_profile(t->cg, t->arena);
  t->need = ARENA_NEW_ARRAY(t->arena, int64_t, (size_t)s->n + 1);
  t->bound = 0;
  for (int p = 0; p < positions; p++) {
    if (use[p] > t->need[owner[p]]) t->need[owner[p]] = use[p];
    if (use[p] > t->bound) t->bound = use[p];
  }
}

/* NULL: the graph is refused; a later step says why. */
static Trial *try_chains(const Search *s, const Chain *chains, int n_chains) {
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
  find_need(s, t);
  return t;
}

/* ---- choosing ---- */

static bool overlap(Chain a, Chain b) { return a.first <= b.last && b.first <= a.last; }
static bool contains(Chain a, Chain b) { return a.first <= b.first && b.last <= a.last; }

static bool goes_with(const Trial *t, Chain c) {
  for (int i = 0; i < t->n_chains; i++)
    if (overlap(t->chains[i], c) && !contains(c, t->chains[i])) return false;
  return true;
}

static char *key_of(const Search *s, Chain c) {
  return arena_printf(s->arena, "%d %d %" PRId64, c.first, c.last, c.rows);
}

static bool is_better(const Search *s, const Candidate *a, const Candidate *b) {
  bool fits = a->bytes <= s->limit, other_fits = b->bytes <= s->limit;
  if (fits != other_fits) return fits;
  if (!fits && a->bytes != b->bytes) return a->bytes < b->bytes;
  if (a->cost != b->cost) return a->cost < b->cost;
  int length = a->chain.last - a->chain.first, other = b->chain.last - b->chain.first;
  if (length != other) return length < other;
  if (a->chain.rows != b->chain.rows) return a->chain.rows > b->chain.rows;
  return a->chain.first < b->chain.first;
}

/* The heights of bands of one chain. */
static void offer_heights(const Search *s, const Trial *t, Chain c, int peak, Candidate *best) {
  int64_t rows = rows_of(s->nodes[c.last]->results[0]);
  while (rows > 1) {
    c.rows = rows = (rows + 1) / 2;
    Candidate k = fit_estimate(s, c);
    if (k.bytes >= t->need[peak] || (best->chain.rows && !is_better(s, &k, best))) continue;
    if (!strmap_get(s->tried, key_of(s, c)) && chain_possible(s->nodes, c)) *best = k;
  }
}

/* The best chain that has the node within; its rows are 0 where there is none. */
static Candidate find_candidate(const Search *s, const Trial *t, int peak) {
  Candidate best = {{0, 0, 0}, 0, 0};
  for (int first = peak; first >= 0 && peak - first < CHAIN_MOST; first--) {
    if (!rows_possible(s->nodes[first])) break;
    int end = first; /* the last node that the nodes so far must have with them */
    for (int last = first; last < s->n && last - first < CHAIN_MOST; last++) {
      if (!rows_possible(s->nodes[last])) break;
      bool closed = end <= last; /* all results before this one are used up to here */
      if (s->last_use[last] > end) end = s->last_use[last];
      Chain c = {first, last, 1};
      if (closed && last >= peak && last > first && goes_with(t, c)) offer_heights(s, t, c, peak, &best);
    }
  }
  return best;
}

/* The trial's chains with one more, which takes the place of those within it. */
static Trial *try_with(const Search *s, const Trial *t, Chain c) {
  Chain *chains = ARENA_NEW_ARRAY(s->arena, Chain, (size_t)t->n_chains + 1);
  int n = 0;
  for (int i = 0; i < t->n_chains; i++)
    if (!contains(c, t->chains[i])) chains[n++] = t->chains[i];
  chains[n++] = c;
  return try_chains(s, chains, n);
}

static int fullest(const Search *s, const Trial *t) {
  int peak = 0;
  for (int i = 0; i < s->n; i++)
    if (t->need[i] > t->need[peak]) peak = i;
  return peak;
}

static int64_t most_within(const Trial *t, Chain c) {
  int64_t most = 0;
  for (int i = c.first; i <= c.last; i++)
    if (t->need[i] > most) most = t->need[i];
  return most;
}

/* A trial that needs less where `t` needs the most; NULL: there is none. */
static Trial *improve(const Search *s, const Trial *t, int *trials) {
  int peak = fullest(s, t);
  while (*trials > 0) {
    Candidate c = find_candidate(s, t, peak);
    if (!c.chain.rows) return NULL;
    strmap_put(s->tried, key_of(s, c.chain), (void *)s);
    --*trials;
    Trial *next = try_with(s, t, c.chain);
    if (next && next->bound <= t->bound && most_within(next, c.chain) < t->need[peak]) return next;
    if (next) arena_free(next->arena);
  }
  return NULL;
}

/* ---- the search ---- */

static int position_of(const Search *s, const Node *n) {
  return (int)(intptr_t)strmap_get(s->index, n->results[0]->name) - 1;
}

static Search begin(const Cg *cg, const Graph *g, Arena *a) {
  Search s = {.cg = cg, .graph = graph_clone(a, g), .arena = a, .n = g->n_nodes};
  s.index = strmap_new(a);
  s.tried = strmap_new(a);
  s.nodes = ARENA_NEW_ARRAY(a, Node *, (size_t)s.n + 1);
  s.last_use = ARENA_NEW_ARRAY(a, int, (size_t)s.n + 1);
  int at = 0;
  for (Node *n = s.graph->first; n; n = n->next) {
    s.nodes[at] = n;
    strmap_put(s.index, n->results[0]->name, (void *)(intptr_t)++at);
  }
  for (int i = 0; i < s.n; i++)
    for (int r = 0; r < s.nodes[i]->n_results; r++) {
      const Tensor *t = s.nodes[i]->results[r];
      if (t->is_output) s.last_use[i] = s.n;
      for (int u = 0; u < t->n_uses; u++) {
        int p = position_of(&s, t->uses[u].node);
        if (p > s.last_use[i]) s.last_use[i] = p;
      }
    }
  return s;
}

static bool plan_fits(Trial *t, int64_t limit) {
  cg_plan_memory(t->cg);
  return t->cg->memory.workspace <= limit;
}

/* Takes one chain after the other; returns the trial that fits, or the last one. `least`: each of them as low
 * as can be, so that the last one does not depend on the limit. */
static Trial *search(Search *s, int64_t limit, bool least) {
  int trials = MAX_TRIALS;
  Trial *t = try_chains(s, NULL, 0);
  s->limit = least ? 0 : limit;
  while (t) {
    if (t->bound <= (least ? limit : s->limit) && plan_fits(t, limit)) return t;
    if (t->bound <= s->limit) s->limit -= t->cg->memory.workspace - limit; /* by which the plan misses it */
    Trial *next = improve(s, t, &trials);
    if (!next) break;
    arena_free(t->arena);
    t = next;
  }
  return t;
}

static void take(const Cg *cg, const Trial *t, Fit *fit) {
  fit->chains = arena_memdup(cg->arena, t->chains, sizeof *t->chains * (size_t)t->n_chains);
  fit->n_chains = t->n_chains;
}

/* What is chosen with a view to the limit does little twice; where that leads nowhere, only memory counts. */
static bool choose(const Cg *cg, const Graph *g, Arena *a, Fit *fit) {
  int64_t limit = cg->options->max_workspace;
  for (int least = 0; least < 2; least++) {
    Search s = begin(cg, g, a);
    Trial *t = search(&s, limit, least);
    if (!t) return true; /* placing will say why */
    bool ok = plan_fits(t, limit);
    if (ok) take(cg, t, fit);
    if (!ok && least) fit_error(&s, t);
    arena_free(t->arena);
    if (ok) return true;
  }
  return false;
}

static int64_t unfused_workspace(const Cg *cg, const Graph *g, Arena *a) {
  Search s = begin(cg, g, a);
  Trial *t = try_chains(&s, NULL, 0);
  if (!t) return 0;
  cg_plan_memory(t->cg);
  int64_t bytes = t->cg->memory.workspace;
  arena_free(t->arena);
  return bytes;
}

bool fit_workspace(const Cg *cg, const Graph *g, Fit *fit) {
  *fit = (Fit){.chains = NULL};
  if (!cg->options->max_workspace) return true;
  Arena *a = arena_new();
  fit->unfused = unfused_workspace(cg, g, a);
  bool ok = choose(cg, g, a, fit);
  arena_free(a);
  return ok;
}
