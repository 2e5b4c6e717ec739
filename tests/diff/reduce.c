#include "tests/diff/reduce.h"

#include "ir/npy.h"
#include "ir/text.h"
#include "tests/diff/file.h"

#include <string.h>

typedef struct {
  Arena *arena;
  Graph *best;
  GraphFails fails;
  void *user;
  int trials; /* left */
} Reducer;

static Node *node_at(const Graph *g, int index) {
  Node *n = g->first;
  while (index-- > 0) n = n->next;
  return n;
}

static void keep_outputs(Graph *g, Tensor *const *keep, int n) {
  for (int i = 0; i < g->n_outputs; i++) g->outputs[i]->is_output = false;
  g->n_outputs = 0;
  for (int i = 0; i < n; i++) graph_output(g, keep[i]);
}

static void drop_unused_inputs(Graph *g) {
  int n = 0;
  for (int i = 0; i < g->n_inputs; i++) {
    Tensor *t = g->inputs[i];
    if (t->n_uses || t->is_output) {
      g->inputs[n++] = t;
    } else {
      strmap_put(g->tensors, t->name, NULL);
    }
  }
  g->n_inputs = n;
}

/* Takes the candidate where it is valid, has nodes and still fails. */
static bool accept(Reducer *r, Graph *g) {
  Diag silent;
  diag_init(&silent, r->arena, NULL);
  graph_remove_dead(g);
  drop_unused_inputs(g);
  if (!g->n_nodes || !g->n_inputs || r->trials <= 0 || !graph_verify(&silent, g)) return false;
  r->trials--;
  if (!r->fails(r->user, g)) return false;
  r->best = g;
  return true;
}

/* ---- the ways to make a graph smaller; each tries one and says whether it was taken ---- */

static bool cut_after(Reducer *r, int index) {
  Graph *g = graph_clone(r->arena, r->best);
  Tensor *result = node_at(g, index)->results[0];
  if (g->n_outputs == 1 && g->outputs[0] == result) return false;
  keep_outputs(g, &result, 1);
  return accept(r, g);
}

static bool drop_output(Reducer *r, int index) {
  Graph *g = graph_clone(r->arena, r->best);
  Tensor **keep = ARENA_NEW_ARRAY(r->arena, Tensor *, (size_t)g->n_outputs);
  int n = 0;
  for (int i = 0; i < g->n_outputs; i++)
    if (i != index) keep[n++] = g->outputs[i];
  if (!n) return false;
  keep_outputs(g, keep, n);
  return accept(r, g);
}

static bool replace_result(Reducer *r, int index, bool by_input) {
  Graph *g = graph_clone(r->arena, r->best);
  Node *n = node_at(g, index);
  Tensor *result = n->results[0], *other = n->operands[0];
  if (by_input) other = graph_input(g, "x", result->type, (SrcLoc){0});
  if (!by_input && (!type_equal(&other->type, &result->type) || tensor_is_const(other))) return false;
  while (result->n_uses) {
    Use u = result->uses[result->n_uses - 1];
    node_set_operand(u.node, u.operand, other);
  }
  if (result->is_output && other->is_input && g->n_outputs == 1) return false; /* nothing would be left */
  for (int i = 0; i < g->n_outputs; i++)
    if (g->outputs[i] == result && !other->is_input) graph_replace_output(g, i, other);
  return accept(r, g);
}

/* A smaller dim of an input, or of two inputs that it had in common; everything behind it is inferred again.
 */
static bool shrink_dim(Reducer *r, int input, int axis, int64_t to) {
  Graph *g = graph_clone(r->arena, r->best);
  int64_t from = g->inputs[input]->type.shape.dim[axis];
  if (to < 1 || to >= from) return false;
  for (int i = input; i < g->n_inputs; i++) {
    Shape *s = &g->inputs[i]->type.shape;
    const Quant *q = g->inputs[i]->type.quant;
    if (s->rank == g->inputs[input]->type.shape.rank && s->dim[axis] == from && !(q && q->axis == axis))
      s->dim[axis] = to;
  }
  Diag silent;
  diag_init(&silent, r->arena, NULL);
  for (Node *n = g->first; n; n = n->next)
    if (!node_infer(&silent, n)) return false;
  return accept(r, g);
}

static bool shrink_dims(Reducer *r) {
  for (int i = 0; i < r->best->n_inputs; i++)
    for (int k = 0; k < r->best->inputs[i]->type.shape.rank; k++) {
      int64_t dim = r->best->inputs[i]->type.shape.dim[k];
      if (shrink_dim(r, i, k, 1) || shrink_dim(r, i, k, dim / 2) || shrink_dim(r, i, k, dim - 1)) return true;
    }
  return false;
}

/* One round; true where something became smaller. */
static bool reduce_once(Reducer *r) {
  for (int i = 0; i < r->best->n_nodes; i++)
    if (cut_after(r, i)) return true;
  for (int i = 0; i < r->best->n_outputs; i++)
    if (drop_output(r, i)) return true;
  for (int i = r->best->n_nodes - 2; i >= 0; i--)
    if (replace_result(r, i, true)) return true;
  for (int i = r->best->n_nodes - 1; i >= 0; i--)
    if (replace_result(r, i, false)) return true;
  return shrink_dims(r);
}

Graph *reduce_graph(Arena *a, Graph *g, GraphFails fails, void *user, int trials) {
  Reducer r = {a, g, fails, user, trials};
  while (r.trials > 0 && reduce_once(&r)) continue;
  return r.best;
}

const char *save_graph(Arena *a, const Graph *g, const char *dir, const char *name) {
  NpyArray *arrays = NULL;
  int n = 0;
  StrBuf text;
  strbuf_init(&text, a);
  PrintOptions o = {.weights_name = arena_printf(a, "%s.npz", name), .inline_limit = 16};
  ir_print(&text, g, &o, &arrays, &n);
  if (!n) { /* nothing to keep beside the text */
    o.weights_name = NULL;
    strbuf_init(&text, a);
    ir_print(&text, g, &o, NULL, NULL);
  }
  const void *bytes = NULL;
  size_t size = 0;
  if (n) npz_write(a, arrays, n, &bytes, &size);
  if (!write_file(arena_printf(a, "%s/%s.ir", dir, name), text.text, text.len) ||
      (n && !write_file(arena_printf(a, "%s/%s.npz", dir, name), bytes, size)))
    return "cannot write the failing graph";
  return NULL;
}
