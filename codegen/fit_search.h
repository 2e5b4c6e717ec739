/* What the parts of the search for chains share: fit.c, fit_estimate.c, fit_error.c. */
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
  StrMap *index; /* name of a node's first result -> its position + 1 */
  int *last_use; /* position of the last node that reads the result; n: a public one */
  StrMap *tried; /* candidates, as text */
  int64_t limit; /* on what a plan needs at least */
} Search;

/* Some chains, placed. */
typedef struct {
  Arena *arena;
  Cg *cg;
  Chain *chains;
  int n_chains;
  int64_t *need; /* of each node: bytes of the workspace in use while it, or any band of it, runs */
  int64_t bound; /* the largest */
} Trial;

typedef struct {
  Chain chain;
  int64_t bytes, cost; /* estimated: memory, and what is computed twice */
} Candidate;

/* codegen/fit_estimate.c */
Candidate fit_estimate(const Search *s, Chain c);

/* codegen/fit_error.c: says what is in memory where the trial needs the most. */
void fit_error(const Search *s, const Trial *t);

#endif
