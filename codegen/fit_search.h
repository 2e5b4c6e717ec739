/* What the parts of the search for chains share: fit.c, fit_trial.c, fit_estimate.c, fit_choose.c,
 * fit_error.c. */
#ifndef QCC_CODEGEN_FIT_SEARCH_H
#define QCC_CODEGEN_FIT_SEARCH_H

#include "codegen/fit.h"

/* The graph's nodes and what is known of them. */
typedef struct {
  const Cg *cg;
  const Graph *graph;
  Arena *arena;
  Node **nodes;
  int n;
  StrMap *index;   /* name of a node's first result -> its position + 1 */
  int *last_use;   /* position of the last node that reads the result; n: a public one */
  int64_t *around; /* of each node: bytes of the results before it that are read by it or later */
  int64_t *need;   /* of each node: bytes of the workspace in use while it runs, without chains */
  int64_t *row;    /* bytes of a row of the result as it lies in memory; 0: it has none */
  int64_t *all;    /* and of all of it */
  int64_t unfused; /* the workspace without chains */
} Search;

/* Some chains, placed and planned. */
typedef struct {
  Arena *arena;
  Cg *cg;
  Chain *chains;
  int n_chains;
} Trial;

/* codegen/fit_trial.c: NULL where the graph is refused; a later step says why. */
Trial *fit_try(const Search *s, const Chain *chains, int n_chains);
/* Fills in what a trial without chains shows. */
void fit_measure(Search *s, const Trial *t);

/* codegen/fit_estimate.c: the memory that a chain needs, and what is computed twice. */
typedef struct {
  int64_t bytes, cost;
} Estimate;
Estimate fit_estimate(const Search *s, Chain c);

/* codegen/fit_choose.c: chains of which none, and no node outside of them, is estimated to need more than
 * `aim`, with as little as possible computed twice; with an aim of 0 those that need the least. Returns how
 * many there are; -1: there is no such choice. */
int fit_choose(const Search *s, int64_t aim, Chain *chains);

/* codegen/fit_error.c: says what is in memory where the trial needs the most. */
void fit_error(const Search *s, const Trial *t);

#endif
