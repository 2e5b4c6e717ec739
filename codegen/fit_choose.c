/* A chain's memory does not depend on other chains: what it reads and its result are there as a whole. So the
 * best choice for the first i nodes follows from those for fewer: the last one of them is computed as a
 * whole, or in a chain. */
#include "codegen/fit_search.h"

/* What is best for the nodes before a position. */
typedef struct {
  bool possible;
  int64_t bytes, cost; /* the most that a part needs; all that is computed twice */
  int fused;           /* nodes in chains */
  Chain last;          /* rows 0: a node as a whole */
} Choice;

typedef struct {
  const Search *s;
  int64_t aim;
  Choice *choice; /* [n + 1] */
} Chooser;

static bool is_better(const Chooser *k, const Choice *a, const Choice *b) {
  if (!b->possible) return true;
  if (!k->aim && a->bytes != b->bytes) return a->bytes < b->bytes;
  if (a->cost != b->cost) return a->cost < b->cost;
  return a->fused < b->fused;
}

/* The part that ends at its last node, behind the best choice for what is before it. */
static void offer(Chooser *k, Chain part, Estimate e) {
  const Choice *before = &k->choice[part.first];
  if (!before->possible || (k->aim && e.bytes > k->aim)) return;
  Choice c = {true, e.bytes > before->bytes ? e.bytes : before->bytes, before->cost + e.cost, before->fused,
              part};
  if (part.rows) c.fused += part.last - part.first + 1;
  Choice *best = &k->choice[part.last + 1];
  if (is_better(k, &c, best)) *best = c;
}

/* The chain with bands of every height that halving leads to. */
static void offer_heights(Chooser *k, Chain c) {
  int64_t rows = rows_of(k->s->nodes[c.last]->results[0]);
  while (rows > 1) {
    c.rows = rows = (rows + 1) / 2;
    if (chain_possible(k->s->nodes, c)) offer(k, c, fit_estimate(k->s, c));
  }
}

/* With nothing within that needs more than the aim there is no need for it. */
static void offer_chains(Chooser *k, int first) {
  const Search *s = k->s;
  int end = first; /* the last node that the nodes so far must have with them */
  bool needed = !k->aim;
  for (int last = first; last < s->n && last - first < CHAIN_MOST && rows_possible(s->nodes[last]); last++) {
    bool closed = end <= last; /* all results before this one are used up to here */
    needed |= s->need[last] > k->aim;
    if (closed && needed && last > first) offer_heights(k, (Chain){first, last, 0});
    if (s->last_use[last] > end) end = s->last_use[last];
  }
}

int fit_choose(const Search *s, int64_t aim, Chain *chains) {
  Arena *tmp = arena_new();
  Chooser k = {s, aim, ARENA_NEW_ARRAY(tmp, Choice, (size_t)s->n + 1)};
  k.choice[0].possible = true;
  for (int i = 0; i < s->n; i++) {
    offer(&k, (Chain){i, i, 0}, (Estimate){s->need[i], 0});
    if (k.choice[i].possible) offer_chains(&k, i);
  }
  int n = k.choice[s->n].possible ? 0 : -1;
  for (int at = s->n; n >= 0 && at > 0; at = k.choice[at].last.first)
    if (k.choice[at].last.rows) chains[n++] = k.choice[at].last;
  arena_free(tmp);
  return n;
}
