/* What a chain would need and cost, without placing it. */
#include "codegen/fit_search.h"

static int64_t row_bytes(const Tensor *t) { return type_bytes(&t->type) / rows_of(t); }

/* What lies in memory all the time: what the chain reads or others will, and its result. */
static int64_t bytes_around(const Search *s, Chain c) {
  int64_t bytes = type_bytes(&s->nodes[c.last]->results[0]->type);
  for (int i = 0; i < c.first; i++)
    for (int r = 0; r < s->nodes[i]->n_results; r++)
      if (s->last_use[i] >= c.first) bytes += type_bytes(&s->nodes[i]->results[r]->type);
  return bytes;
}

/* The most that the rows within a band take, copied rows of public inputs too. */
static int64_t bytes_within(const Search *s, Chain c, const Rows *rows) {
  int64_t most = 0;
  for (int at = c.first; at <= c.last; at++) {
    int64_t bytes = 0;
    for (int i = c.first; i <= at; i++)
      if (s->last_use[i] >= at && i < c.last)
        bytes += rows_count(rows[i - c.first]) * row_bytes(s->nodes[i]->results[0]);
    const Tensor *x = s->nodes[at]->operands[0];
    if (x && x->is_input && rows_operand(s->nodes[at], 0))
      bytes += rows_count(rows_needed(s->nodes[at], 0, rows[at - c.first])) * row_bytes(x);
    if (bytes > most) most = bytes;
  }
  return most;
}

static int64_t cost_of_row(const Node *n) {
  int64_t macs = op_info[n->op]->macs ? op_info[n->op]->macs(n) : 0;
  return macs / rows_of(n->results[0]) + row_bytes(n->results[0]);
}

/* Of the first band, of those between, and of the last one. */
static int64_t cost_of(const Search *s, Chain c, Rows (*rows)[CHAIN_MOST], int64_t bands) {
  int64_t cost = 0;
  for (int i = c.first; i <= c.last; i++) {
    const Rows *r[3] = {&rows[0][i - c.first], &rows[1][i - c.first], &rows[2][i - c.first]};
    int64_t computed = rows_count(*r[0]) + rows_count(*r[1]) * (bands - 2) + rows_count(*r[2]);
    cost += (computed - rows_of(s->nodes[i]->results[0])) * cost_of_row(s->nodes[i]);
  }
  return cost;
}

Candidate fit_estimate(const Search *s, Chain c) {
  Rows rows[3][CHAIN_MOST];
  int64_t bands = chain_bands(&c, s->nodes[c.last]);
  chain_rows(s->nodes, c, 0, rows[0]);
  chain_rows(s->nodes, c, bands > 2 ? 1 : 0, rows[1]);
  chain_rows(s->nodes, c, bands - 1, rows[2]);
  int64_t within = 0;
  for (int i = 0; i < 3; i++) {
    int64_t bytes = bytes_within(s, c, rows[i]);
    if (bytes > within) within = bytes;
  }
  return (Candidate){c, bytes_around(s, c) + within, cost_of(s, c, rows, bands)};
}
