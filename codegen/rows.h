/* Which rows of its operands an op needs for some rows of its result, so that chains of ops can be computed
 * band by band (codegen/chain.h). Rows are the third dim of tensors of rank 4: [N, C, H, W]. */
#ifndef QCC_CODEGEN_ROWS_H
#define QCC_CODEGEN_ROWS_H

#include "ir/graph.h"

enum { ROW_DIM = 2 };

/* The rows [first, end); empty where first == end. */
typedef struct {
  int64_t first, end;
} Rows;

static inline int64_t rows_count(Rows r) { return r.end - r.first; }
static inline bool rows_equal(Rows a, Rows b) { return a.first == b.first && a.end == b.end; }
/* The least that has both. */
Rows rows_union(Rows a, Rows b);
int64_t rows_of(const Tensor *t);

/* Each row of the result follows from some rows of the operands. */
bool rows_possible(const Node *n);

/* True where operand i has rows that go with the result's; else all bands need it whole. */
bool rows_operand(const Node *n, int i);

/* What such an operand is read of for the rows `r` of the result, without padding. Empty where the whole
 * window is padding. */
Rows rows_needed(const Node *n, int i, Rows r);

/* Makes `band`, a copy of `n`, compute the rows `r` from what rows_needed says: its padding above and below.
 */
void rows_cut(const Node *n, Rows r, Node *band);

#endif
