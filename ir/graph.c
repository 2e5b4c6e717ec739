#include "ir/graph.h"

#include <string.h>

Graph *graph_new(Arena *a, const char *name) {
  Graph *g = ARENA_NEW(a, Graph);
  *g = (Graph){.arena = a, .name = name, .tensors = strmap_new(a)};
  return g;
}

/* Appends to an arena-owned array whose capacity is the next power of two of its length. */
static void *grown(Arena *a, void *array, int n, size_t size) {
  if (n && (n & (n - 1))) return array;
  void *bigger = arena_array(a, n ? (size_t)n * 2 : 1, size);
  if (n) memcpy(bigger, array, (size_t)n * size);
  return bigger;
}

static const char *fresh_name(Graph *g, const char *wanted) {
  if (wanted && *wanted && !strmap_get(g->tensors, wanted)) return wanted;
  for (;;) {
    char *name = wanted && *wanted ? arena_printf(g->arena, "%s.%d", wanted, ++g->next_id + 1)
                                   : arena_printf(g->arena, "t%d", ++g->next_id);
    if (!strmap_get(g->tensors, name)) return name;
  }
}

Tensor *graph_tensor(Graph *g, const char *name, Type type, SrcLoc loc) {
  Tensor *t = ARENA_NEW(g->arena, Tensor);
  *t = (Tensor){.name = fresh_name(g, name), .type = type, .loc = loc};
  strmap_put(g->tensors, t->name, t);
  return t;
}

Tensor *graph_input(Graph *g, const char *name, Type type, SrcLoc loc) {
  Tensor *t = graph_tensor(g, name, type, loc);
  t->is_input = true;
  g->inputs = grown(g->arena, g->inputs, g->n_inputs, sizeof(Tensor *));
  g->inputs[g->n_inputs++] = t;
  return t;
}

Tensor *graph_constant(Graph *g, const char *name, Type type, const void *data, SrcLoc loc) {
  Tensor *t = graph_tensor(g, name, type, loc);
  t->data = data;
  return t;
}

void graph_output(Graph *g, Tensor *t) {
  t->is_output = true;
  g->outputs = grown(g->arena, g->outputs, g->n_outputs, sizeof(Tensor *));
  g->outputs[g->n_outputs++] = t;
}

static void recount_output(Graph *g, Tensor *t) {
  t->is_output = false;
  for (int i = 0; i < g->n_outputs; i++) t->is_output |= g->outputs[i] == t;
}

void graph_replace_output(Graph *g, int index, Tensor *t) {
  Tensor *old = g->outputs[index];
  g->outputs[index] = t;
  t->is_output = true;
  recount_output(g, old);
}

Tensor *graph_find(const Graph *g, const char *name) { return strmap_get(g->tensors, name); }

static void add_use(Graph *g, Tensor *t, Node *n, int operand) {
  if (!t) return;
  if (t->n_uses == t->cap_uses) {
    t->cap_uses = t->cap_uses ? t->cap_uses * 2 : 2;
    Use *uses = ARENA_NEW_ARRAY(g->arena, Use, (size_t)t->cap_uses);
    if (t->n_uses) memcpy(uses, t->uses, sizeof *uses * (size_t)t->n_uses);
    t->uses = uses;
  }
  t->uses[t->n_uses++] = (Use){n, operand};
}

static void drop_use(Tensor *t, Node *n, int operand) {
  if (!t) return;
  for (int i = 0; i < t->n_uses; i++)
    if (t->uses[i].node == n && t->uses[i].operand == operand) {
      t->uses[i] = t->uses[--t->n_uses];
      return;
    }
  BUG("tensor '%s' has no such use", t->name);
}

static void link_node(Graph *g, Node *n, Node *before) {
  n->next = before;
  n->prev = before ? before->prev : g->last;
  *(n->prev ? &n->prev->next : &g->first) = n;
  *(before ? &before->prev : &g->last) = n;
  g->n_nodes++;
}

static void unlink_node(Graph *g, Node *n) {
  *(n->prev ? &n->prev->next : &g->first) = n->next;
  *(n->next ? &n->next->prev : &g->last) = n->prev;
  g->n_nodes--;
}

Node *graph_node(Graph *g, OpId op, Tensor *const *operands, int n_operands, const char *const *result_names,
                 int n_results, SrcLoc loc, Node *before) {
  const OpInfo *info = op_info[op];
  Node *n = ARENA_NEW(g->arena, Node);
  *n = (Node){.op = op, .graph = g, .name = "", .n_locs = 1};
  n->locs = arena_memdup(g->arena, &loc, sizeof loc);
  if (info->attrs_size) n->attrs = arena_memdup(g->arena, info->attr_defaults, info->attrs_size);
  node_set_operands(n, operands, n_operands);
  n->n_results = n_results;
  n->results = ARENA_NEW_ARRAY(g->arena, Tensor *, (size_t)n_results);
  for (int i = 0; i < n_results; i++) {
    n->results[i] = graph_tensor(g, result_names ? result_names[i] : NULL, (Type){0}, loc);
    n->results[i]->producer = n;
  }
  link_node(g, n, before);
  return n;
}

Node *graph_node1(Graph *g, OpId op, Tensor *const *operands, int n_operands, const char *result_name,
                  SrcLoc loc, Node *before) {
  return graph_node(g, op, operands, n_operands, &result_name, 1, loc, before);
}

bool node_infer(Diag *d, Node *n) {
  enum { MAX_RESULTS = 16 };
  Type types[MAX_RESULTS] = {{0}};
  const OpInfo *info = op_info[n->op];
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] && n->operands[i]->type.dtype == DT_NONE) return false; /* already reported */
  bool few = n->n_operands < info->min_operands;
  if (few || (info->max_operands >= 0 && n->n_operands > info->max_operands)) {
    int limit = few ? info->min_operands : info->max_operands;
    const char *which = info->min_operands == info->max_operands ? "exactly" : few ? "at least" : "at most";
    return diag_error(d, node_loc(n), "%s takes %s %d operand%s, not %d", info->name, which, limit,
                      limit == 1 ? "" : "s", n->n_operands);
  }
  for (int i = 0; i < info->min_operands; i++)
    if (!n->operands[i] && !(info->optional >> i & 1))
      return diag_error(d, node_loc(n), "operand %d of %s is missing", i + 1, info->name);
  if (n->n_results != info->n_results)
    return diag_error(d, node_loc(n), "%s has %d result%s, not %d", info->name, info->n_results,
                      info->n_results == 1 ? "" : "s", n->n_results);
  if (!info->infer(d, n, types)) return false;
  for (int i = 0; i < n->n_results; i++) {
    Tensor *r = n->results[i];
    if (!shape_check(&types[i].shape))
      return diag_error(d, node_loc(n), "the result of %s, %s, is larger than the limit of %lld elements",
                        info->name, shape_text(n->graph->arena, &types[i].shape), (long long)MAX_ELEMENTS);
    if (types[i].dtype == DT_NONE) { /* the result's own type says it */
      types[i].dtype = r->type.dtype;
      types[i].quant = r->type.quant;
    }
    r->type = types[i];
  }
  return true;
}

void node_set_operand(Node *n, int i, Tensor *t) {
  drop_use(n->operands[i], n, i);
  n->operands[i] = t;
  add_use(n->graph, t, n, i);
}

void node_set_operands(Node *n, Tensor *const *operands, int n_operands) {
  for (int i = 0; i < n->n_operands; i++) drop_use(n->operands[i], n, i);
  n->operands = arena_memdup(n->graph->arena, operands, sizeof *operands * (size_t)n_operands);
  n->n_operands = n_operands;
  for (int i = 0; i < n_operands; i++) add_use(n->graph, operands[i], n, i);
}

void node_add_locs(Node *n, const Node *from) {
  SrcLoc *locs = ARENA_NEW_ARRAY(n->graph->arena, SrcLoc, (size_t)(n->n_locs + from->n_locs));
  memcpy(locs, n->locs, sizeof *locs * (size_t)n->n_locs);
  memcpy(locs + n->n_locs, from->locs, sizeof *locs * (size_t)from->n_locs);
  n->locs = locs;
  n->n_locs += from->n_locs;
}

SrcLoc node_loc(const Node *n) { return n->locs[0]; }

bool node_same_origin(const Node *a, const Node *b) {
  if (*a->name || *b->name) return !strcmp(a->name, b->name);
  const char *path = node_loc(a).path, *other = node_loc(b).path;
  return path && other && !strcmp(path, other);
}

void tensor_replace_uses(Tensor *from, Tensor *to) {
  Graph *g = to->producer ? to->producer->graph : from->producer ? from->producer->graph : NULL;
  while (from->n_uses) {
    Use u = from->uses[from->n_uses - 1];
    node_set_operand(u.node, u.operand, to);
    g = u.node->graph;
  }
  if (!from->is_output) return;
  if (!g) BUG("replacing output '%s' by '%s': no graph", from->name, to->name);
  for (int i = 0; i < g->n_outputs; i++)
    if (g->outputs[i] == from) graph_replace_output(g, i, to);
}

void tensor_take_name(Tensor *to, Tensor *from) {
  Graph *g = to->producer ? to->producer->graph : from->producer->graph;
  const char *name = from->name;
  from->name = fresh_name(g, name);
  strmap_put(g->tensors, from->name, from);
  strmap_put(g->tensors, to->name, NULL);
  to->name = name;
  strmap_put(g->tensors, name, to);
}

void node_remove(Node *n) {
  for (int i = 0; i < n->n_results; i++) {
    if (n->results[i]->n_uses || n->results[i]->is_output)
      BUG("removing '%s', which is used", n->results[i]->name);
    strmap_put(n->graph->tensors, n->results[i]->name, NULL);
  }
  for (int i = 0; i < n->n_operands; i++) drop_use(n->operands[i], n, i);
  n->n_operands = 0;
  unlink_node(n->graph, n);
}

void node_move_before(Node *n, Node *before) {
  if (n == before) return;
  unlink_node(n->graph, n);
  link_node(n->graph, n, before);
}

int graph_remove_dead(Graph *g) {
  int removed = 0;
  for (Node *n = g->last, *prev; n; n = prev) { /* users come after producers: one backward sweep does it */
    prev = n->prev;
    bool used = false;
    for (int i = 0; i < n->n_results; i++) used |= n->results[i]->n_uses || n->results[i]->is_output;
    if (used) continue;
    node_remove(n);
    removed++;
  }
  return removed;
}

bool graph_sort(Diag *d, Graph *g) {
  /* Kahn's algorithm over the nodes' index in the old order. */
  Arena *tmp = arena_new();
  int n = g->n_nodes, count = 0, head = 0;
  Node **queue = ARENA_NEW_ARRAY(tmp, Node *, (size_t)n + 1);
  StrMap *waiting = strmap_new(tmp); /* first result's name -> counter of operands not yet computed */
  for (Node *p = g->first; p; p = p->next) {
    int *left = ARENA_NEW(tmp, int);
    for (int i = 0; i < p->n_operands; i++) *left += p->operands[i] && p->operands[i]->producer;
    strmap_put(waiting, p->results[0]->name, left);
    if (!*left) queue[count++] = p;
  }
  while (head < count) {
    Node *p = queue[head++];
    for (int r = 0; r < p->n_results; r++)
      for (int u = 0; u < p->results[r]->n_uses; u++) {
        Node *user = p->results[r]->uses[u].node;
        int *left = strmap_get(waiting, user->results[0]->name);
        if (--*left == 0) queue[count++] = user;
      }
  }
  bool ok = count == n;
  if (ok) {
    bool sorted = true; /* leave an order alone that is right already */
    StrMap *seen = strmap_new(tmp);
    for (Node *p = g->first; p && sorted; p = p->next) {
      for (int i = 0; i < p->n_operands; i++) {
        Tensor *t = p->operands[i];
        if (t && t->producer && !strmap_get(seen, t->producer->results[0]->name)) sorted = false;
      }
      strmap_put(seen, p->results[0]->name, p);
    }
    if (!sorted) {
      g->first = g->last = NULL;
      g->n_nodes = 0;
      for (int i = 0; i < n; i++) link_node(g, queue[i], NULL);
    }
  } else {
    for (Node *p = g->first; p; p = p->next)
      if (*(int *)strmap_get(waiting, p->results[0]->name)) {
        diag_error(d, node_loc(p), "the graph has a cycle through '%s'", p->results[0]->name);
        break;
      }
  }
  arena_free(tmp);
  return ok;
}

int64_t graph_macs(const Graph *g) {
  int64_t macs = 0;
  for (const Node *n = g->first; n; n = n->next)
    if (op_info[n->op]->macs) macs += op_info[n->op]->macs(n);
  return macs;
}

static Tensor *clone_tensor(Graph *c, StrMap *map, const Tensor *t) {
  Tensor *copy = strmap_get(map, t->name);
  if (copy) return copy;
  copy = graph_tensor(c, t->name, t->type, t->loc);
  copy->data = t->data;
  copy->from_half = t->from_half;
  strmap_put(map, t->name, copy);
  return copy;
}

Graph *graph_clone(Arena *a, const Graph *g) {
  Graph *c = graph_new(a, g->name);
  StrMap *map = strmap_new(a);
  c->calibrate_path = g->calibrate_path;
  c->next_id = g->next_id;
  for (int i = 0; i < g->n_inputs; i++)
    strmap_put(map, g->inputs[i]->name,
               graph_input(c, g->inputs[i]->name, g->inputs[i]->type, g->inputs[i]->loc));
  for (const Node *n = g->first; n; n = n->next) {
    Tensor **operands = ARENA_NEW_ARRAY(a, Tensor *, (size_t)n->n_operands + 1);
    const char **names = ARENA_NEW_ARRAY(a, const char *, (size_t)n->n_results + 1);
    for (int i = 0; i < n->n_operands; i++)
      operands[i] = n->operands[i] ? clone_tensor(c, map, n->operands[i]) : NULL;
    for (int i = 0; i < n->n_results; i++) names[i] = n->results[i]->name;
    Node *m = graph_node(c, n->op, operands, n->n_operands, names, n->n_results, node_loc(n), NULL);
    if (n->attrs) memcpy(m->attrs, n->attrs, op_info[n->op]->attrs_size);
    m->name = n->name;
    m->in_float = n->in_float;
    m->locs = n->locs;
    m->n_locs = n->n_locs;
    for (int i = 0; i < n->n_results; i++) {
      m->results[i]->type = n->results[i]->type;
      m->results[i]->loc = n->results[i]->loc;
      strmap_put(map, n->results[i]->name, m->results[i]);
    }
  }
  for (int i = 0; i < g->n_outputs; i++) graph_output(c, clone_tensor(c, map, g->outputs[i]));
  return c;
}
