#include "passes/snapshot.h"

#include <string.h>

#include "ir/op.h"

/* Copies of structs, and of the arrays and attributes that are changed in place. */
typedef struct {
  Node *node, copy;
  Tensor **operands;
  void *attrs;
} NodeCopy;

typedef struct {
  Tensor *tensor, copy;
  Use *uses;
} TensorCopy;

struct Snapshot {
  Graph *graph, copy;
  Tensor **outputs;
  NodeCopy *nodes;
  TensorCopy *tensors;
  int n_nodes, n_tensors;
};

static void keep_tensor(Snapshot *s, Arena *a, StrMap *kept, Tensor *t) {
  if (!t || strmap_get(kept, t->name)) return;
  strmap_put(kept, t->name, t);
  TensorCopy *c = &s->tensors[s->n_tensors++];
  *c = (TensorCopy){t, *t, NULL};
  if (t->n_uses) c->uses = arena_memdup(a, t->uses, sizeof *t->uses * (size_t)t->n_uses);
}

static void keep_node(Snapshot *s, Arena *a, Node *n) {
  NodeCopy *c = &s->nodes[s->n_nodes++];
  *c = (NodeCopy){n, *n, NULL, NULL};
  if (n->n_operands) c->operands = arena_memdup(a, n->operands, sizeof *n->operands * (size_t)n->n_operands);
  if (n->attrs) c->attrs = arena_memdup(a, n->attrs, op_info[n->op]->attrs_size);
}

Snapshot *snapshot_take(Arena *a, Graph *g) {
  Snapshot *s = ARENA_NEW(a, Snapshot);
  StrMap *kept = strmap_new(a);
  int tensors = g->n_inputs + g->n_outputs;
  for (const Node *n = g->first; n; n = n->next) tensors += n->n_operands + n->n_results;
  *s = (Snapshot){.graph = g, .copy = *g};
  s->outputs = arena_memdup(a, g->outputs, sizeof *g->outputs * (size_t)g->n_outputs);
  s->nodes = ARENA_NEW_ARRAY(a, NodeCopy, (size_t)g->n_nodes + 1);
  s->tensors = ARENA_NEW_ARRAY(a, TensorCopy, (size_t)tensors + 1);
  for (int i = 0; i < g->n_inputs; i++) keep_tensor(s, a, kept, g->inputs[i]);
  for (int i = 0; i < g->n_outputs; i++) keep_tensor(s, a, kept, g->outputs[i]);
  for (Node *n = g->first; n; n = n->next) {
    keep_node(s, a, n);
    for (int i = 0; i < n->n_operands; i++) keep_tensor(s, a, kept, n->operands[i]);
    for (int i = 0; i < n->n_results; i++) keep_tensor(s, a, kept, n->results[i]);
  }
  return s;
}

void snapshot_restore(const Snapshot *s) {
  Graph *g = s->graph;
  *g = s->copy;
  memcpy(g->outputs, s->outputs, sizeof *g->outputs * (size_t)g->n_outputs);
  g->tensors = strmap_new(g->arena);
  for (int i = 0; i < s->n_tensors; i++) {
    const TensorCopy *c = &s->tensors[i];
    *c->tensor = c->copy;
    if (c->copy.n_uses) memcpy(c->tensor->uses, c->uses, sizeof *c->uses * (size_t)c->copy.n_uses);
    strmap_put(g->tensors, c->tensor->name, c->tensor);
  }
  for (int i = 0; i < s->n_nodes; i++) {
    const NodeCopy *c = &s->nodes[i];
    *c->node = c->copy;
    if (c->operands) memcpy(c->node->operands, c->operands, sizeof *c->operands * (size_t)c->copy.n_operands);
    if (c->attrs) memcpy(c->node->attrs, c->attrs, op_info[c->node->op]->attrs_size);
  }
}

static const Tensor *before(const Snapshot *s, const Tensor *t) {
  for (int i = 0; i < s->n_tensors; i++)
    if (s->tensors[i].tensor == t) return &s->tensors[i].copy;
  return NULL;
}

const char *snapshot_interface(const Snapshot *s, Arena *a) {
  const Graph *g = s->graph;
  if (g->n_outputs != s->copy.n_outputs) return "the number of outputs has changed";
  for (int i = 0; i < g->n_outputs; i++) {
    const Tensor *was = before(s, s->outputs[i]), *is = g->outputs[i];
    if (strcmp(was->name, is->name))
      return arena_printf(a, "the output '%s' has become '%s'", was->name, is->name);
    if (!type_equal(&was->type, &is->type))
      return arena_printf(a, "the output '%s' was %s and has become %s", was->name, type_text(a, &was->type),
                          type_text(a, &is->type));
  }
  return NULL;
}
