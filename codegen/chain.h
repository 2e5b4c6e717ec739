/* Chains of layers that are computed band by band: some rows of the last layer's result at a time, and of all
 * tensors between only the rows that these need. So what lies between takes a few rows of memory. Rows that
 * two bands need are computed twice.
 *
 * A chain is cut before anything is placed: into nodes for each band, which read slices of what the chain
 * reads and whose results a concatenation joins. Slices and concatenations are places in other tensors
 * (codegen/alias.h), and bands that are alike share their kernels (codegen/share.h). */
#ifndef QCC_CODEGEN_CHAIN_H
#define QCC_CODEGEN_CHAIN_H

#include "codegen/rows.h"

/* The nodes from position `first` to `last` of a graph, with so many rows of the last one's result in a band.
 */
typedef struct {
  int first, last;
  int64_t rows;
} Chain;

enum { CHAIN_MOST = 32 }; /* nodes in a chain */

static inline int64_t chain_bands(const Chain *c, const Node *last) {
  return (rows_of(last->results[0]) + c->rows - 1) / c->rows;
}

/* True where nothing but the last one's result is used outside, and every row of it needs something. */
bool chain_possible(Node *const *nodes, Chain c);

/* The rows of the result of each node that band `band` needs: [last - first + 1]. Nodes that it does not need
 * have none. False where a window lies in the padding alone. */
bool chain_rows(Node *const *nodes, Chain c, int64_t band, Rows *rows);

/* Where a node of a band comes from. */
typedef struct {
  int node;     /* the position of the node that it was, or that it slices for */
  int operand;  /* slices: which operand; else -1 */
  int64_t band; /* from 0; -1: the concatenation */
} Origin;

/* Cuts the graph's chains, which do not overlap; `nodes` are its nodes in order. The origins of the new nodes
 * are put into `origins`, by the names of their results. */
void chain_cut(Graph *g, Node *const *nodes, const Chain *chains, int n, StrMap *origins);

#endif
