/* What a chain would need and cost, without placing it. */
#include "codegen/fit_search.h"

/* A band costs some calls: as much as so many multiply-accumulates. */
enum { COST_OF_BAND = 4096 };

/* The most that the rows within a band take, copied rows of public inputs too. */
static int64_t bytes_within(const Search *s, Chain c, const Rows *rows) {
  int64_t most = 0;
  for (int at = c.first; at <= c.last; at++) {
    int64_t bytes = 0;
    for (int i = c.first; i <= at && i < c.last; i++)
      if (s->last_use[i] >= at) bytes += rows_count(rows[i - c.first]) * s->row[i];
    const Node *n = s->nodes[at];
    const Tensor *x = n->operands[0];
    if (x && x->is_input && rows_operand(n, 0) && rows_count(rows[at - c.first]))
      bytes += rows_count(rows_needed(n, 0, rows[at - c.first])) * (type_bytes(&x->type) / rows_of(x));
    if (bytes > most) most = bytes;
  }
  return most;
}

static int64_t cost_of_row(const Search *s, int i) {
  const Node *n = s->nodes[i];
  int64_t macs = op_info[n->op]->macs ? op_info[n->op]->macs(n) : 0;
  return macs / rows_of(n->results[0]) + s->row[i];
}

/* The first band, those between, and the last one stand for all. */
Estimate fit_estimate(const Search *s, Chain c) {
  Rows rows[CHAIN_MOST];
  int64_t bands = chain_bands(&c, s->nodes[c.last]);
  const int64_t band[3] = {0, 1, bands - 1}, times[3] = {1, bands - 2, 1};
  Estimate e = {0, bands * COST_OF_BAND};
  for (int k = 0; k < 3; k++) {
    if (!times[k]) continue;
    chain_rows(s->nodes, c, band[k], rows);
    int64_t bytes = bytes_within(s, c, rows);
    if (bytes > e.bytes) e.bytes = bytes;
    for (int i = c.first; i <= c.last; i++)
      e.cost += times[k] * rows_count(rows[i - c.first]) * cost_of_row(s, i);
  }
  for (int i = c.first; i <= c.last; i++) e.cost -= rows_of(s->nodes[i]->results[0]) * cost_of_row(s, i);
  e.bytes += s->around[c.first] + s->all[c.last] + WORKSPACE_SLACK;
  return e;
}
