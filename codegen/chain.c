#include "codegen/chain.h"

#include <string.h>

#include "ir/ops/attrs.h"

/* ---- what can be cut ---- */

static int index_within(Node *const *nodes, Chain c, const Node *n) {
  for (int i = c.first; i <= c.last; i++)
    if (nodes[i] == n) return i - c.first;
  return -1;
}

static bool used_within(Node *const *nodes, Chain c, const Tensor *t) {
  if (t->is_output || !t->n_uses) return false;
  for (int u = 0; u < t->n_uses; u++)
    if (index_within(nodes, c, t->uses[u].node) < 0) return false;
  return true;
}

bool chain_rows(Node *const *nodes, Chain c, int64_t band, Rows *rows) {
  int64_t all = rows_of(nodes[c.last]->results[0]), first = band * c.rows;
  memset(rows, 0, sizeof *rows * (size_t)(c.last - c.first + 1));
  rows[c.last - c.first] = (Rows){first, first + c.rows < all ? first + c.rows : all};
  for (int i = c.last - c.first; i >= 0; i--) {
    const Node *n = nodes[c.first + i];
    for (int k = 0; k < n->n_operands && rows_count(rows[i]); k++) {
      const Tensor *t = n->operands[k];
      if (!t) continue;
      bool by_rows = rows_operand(n, k);
      Rows r = by_rows ? rows_needed(n, k, rows[i]) : (Rows){0, 0};
      if (by_rows && r.end <= r.first) return false;
      int from = t->producer ? index_within(nodes, c, t->producer) : -1;
      if (from >= 0) rows[from] = rows_union(rows[from], by_rows ? r : (Rows){0, rows_of(t)});
    }
  }
  return true;
}

bool chain_possible(Node *const *nodes, Chain c) {
  Rows rows[CHAIN_MOST];
  for (int i = c.first; i <= c.last; i++)
    if (!rows_possible(nodes[i]) || (i < c.last && !used_within(nodes, c, nodes[i]->results[0])))
      return false;
  int64_t bands = chain_bands(&c, nodes[c.last]);
  for (int64_t b = 0; b < bands; b++)
    if (!chain_rows(nodes, c, b, rows)) return false;
  return bands > 1;
}

/* ---- cutting ---- */

/* What of a tensor from outside a band has been sliced already. */
typedef struct {
  const Tensor *from;
  Rows rows;
  Tensor *slice;
} Slice;

typedef struct {
  Graph *graph;
  Node *const *nodes;
  Chain chain;
  StrMap *origins;
  int64_t band;
  Rows *rows;   /* of each node's result */
  Tensor **cut; /* the results in this band */
  Slice *slices;
  int n_slices;
} Cutter;

static void set_origin(const Cutter *k, const Node *n, int node, int operand) {
  const Origin o = {node, operand, k->band};
  strmap_put(k->origins, n->results[0]->name, arena_memdup(k->graph->arena, &o, sizeof o));
}

/* `r` of a tensor that holds the rows `from`. */
static Tensor *slice_rows(Cutter *k, Tensor *t, Rows held, Rows r, int node, int operand) {
  if (rows_equal(held, r)) return t;
  for (int i = 0; i < k->n_slices; i++)
    if (k->slices[i].from == t && rows_equal(k->slices[i].rows, r)) return k->slices[i].slice;
  Node *n = graph_node1(k->graph, OP_slice, &t, 1, t->name, t->loc, k->nodes[k->chain.first]);
  SliceAttrs *a = ATTRS(n, SliceAttrs);
  a->start.n = a->stop.n = a->step.n = 4;
  for (int i = 0; i < 4; i++) {
    a->start.v[i] = 0;
    a->stop.v[i] = t->type.shape.dim[i];
    a->step.v[i] = 1;
  }
  a->start.v[ROW_DIM] = r.first - held.first;
  a->stop.v[ROW_DIM] = r.end - held.first;
  n->results[0]->type = t->type;
  n->results[0]->type.shape.dim[ROW_DIM] = rows_count(r);
  const Tensor *whole = k->nodes[node]->operands[operand];
  n->name = whole->name;
  set_origin(k, n, node, operand);
  k->slices[k->n_slices++] = (Slice){t, r, n->results[0]};
  return n->results[0];
}

static Tensor *cut_operand(Cutter *k, int i, int operand) {
  const Node *n = k->nodes[k->chain.first + i];
  Tensor *t = n->operands[operand];
  if (!t) return NULL;
  int from = t->producer ? index_within(k->nodes, k->chain, t->producer) : -1;
  Tensor *cut = from < 0 ? t : k->cut[from];
  if (!rows_operand(n, operand)) return cut;
  Rows held = from < 0 ? (Rows){0, rows_of(t)} : k->rows[from];
  return slice_rows(k, cut, held, rows_needed(n, operand, k->rows[i]), k->chain.first + i, operand);
}

/* Kernels of bands are named after the node, not after one of the bands. */
static const char *name_of(const Node *n) { return n->name && *n->name ? n->name : n->results[0]->name; }

static void cut_node(Cutter *k, int i) {
  const Node *n = k->nodes[k->chain.first + i];
  Graph *g = k->graph;
  Tensor **operands = ARENA_NEW_ARRAY(g->arena, Tensor *, (size_t)n->n_operands);
  for (int o = 0; o < n->n_operands; o++) operands[o] = cut_operand(k, i, o);
  Node *m = graph_node1(g, n->op, operands, n->n_operands, n->results[0]->name, node_loc(n),
                        k->nodes[k->chain.first]);
  if (n->attrs) memcpy(m->attrs, n->attrs, op_info[n->op]->attrs_size);
  m->name = name_of(n);
  m->in_float = n->in_float;
  m->locs = n->locs;
  m->n_locs = n->n_locs;
  rows_cut(n, k->rows[i], m);
  set_origin(k, m, k->chain.first + i, -1);
  k->cut[i] = m->results[0];
}

static Tensor *cut_band(Cutter *k, int64_t band) {
  int n = k->chain.last - k->chain.first + 1;
  k->band = band;
  k->n_slices = 0;
  if (!chain_rows(k->nodes, k->chain, band, k->rows)) BUG("a chain that cannot be cut");
  for (int i = 0; i < n; i++)
    if (rows_count(k->rows[i])) cut_node(k, i);
  return k->cut[n - 1];
}

/* Slices that a band can need at most: one for each operand. */
static int count_operands(Node *const *nodes, Chain c) {
  int n = 0;
  for (int i = c.first; i <= c.last; i++) n += nodes[i]->n_operands;
  return n;
}

static void cut_chain(Graph *g, Node *const *nodes, Chain c, StrMap *origins) {
  Node *last = nodes[c.last];
  Tensor *y = last->results[0];
  size_t length = (size_t)(c.last - c.first + 1);
  Cutter k = {.graph = g,
              .nodes = nodes,
              .chain = c,
              .origins = origins,
              .rows = ARENA_NEW_ARRAY(g->arena, Rows, length),
              .cut = ARENA_NEW_ARRAY(g->arena, Tensor *, length),
              .slices = ARENA_NEW_ARRAY(g->arena, Slice, (size_t)count_operands(nodes, c))};
  int64_t bands = chain_bands(&c, last);
  Tensor **parts = ARENA_NEW_ARRAY(g->arena, Tensor *, (size_t)bands);
  for (int64_t b = 0; b < bands; b++) parts[b] = cut_band(&k, b);
  Node *joined = graph_node1(g, OP_concat, parts, (int)bands, y->name, node_loc(last), nodes[c.first]);
  ATTRS(joined, AxisAttrs)->axis = ROW_DIM;
  joined->name = name_of(last);
  joined->results[0]->type = y->type;
  tensor_replace_uses(y, joined->results[0]);
  tensor_take_name(joined->results[0], y);
  k.band = -1;
  set_origin(&k, joined, c.last, -1);
  for (int i = c.last; i >= c.first; i--) node_remove(nodes[i]);
}

void chain_cut(Graph *g, Node *const *nodes, const Chain *chains, int n, StrMap *origins) {
  for (int i = 0; i < n; i++) cut_chain(g, nodes, chains[i], origins);
}
