/* Layer norm that an exporter has written out in smaller ops, put together again. The op that takes their
 * place computes the same in the same order, bit for bit, and quantization sees one function. What needs no
 * more than a pattern is in Lua: lua/gelu.lua. */
#include "passes/recognize.h"

#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/rewrite.h"

/* --- layer norm --- */

/* What a pattern found; then mul by gamma and add of beta, each where it is. */
typedef struct {
  Tensor *x;
  IntList axes;
  float eps;
} Moments;

static const char layer_norm[] =
    "div(sub(%x, %mean=reduce_mean(%x){ keepdims = true }),"
    "    sqrt(add(%variance=reduce_mean((mul(%d=sub(%x, %again=reduce_mean(%x)), %d)"
    "                                  | pow(%d=sub(%x, %again=reduce_mean(%x))) { exponent = 2 }))"
    "                       { keepdims = true },"
    "             @eps)))";

static const IntList *axes_of(const Pattern *p, Tensor *const *found, const char *mean) {
  return &ATTRS(pattern_found(p, found, mean)->producer, ReduceAttrs)->axes;
}

static bool same_axes(const IntList *a, const IntList *b) {
  return a->n == b->n && !memcmp(a->v, b->v, sizeof *a->v * (size_t)a->n);
}

static bool match_moments(const Pattern *p, const Node *div, Moments *m) {
  Tensor *found[PATTERN_NAMES];
  if (div->op != OP_div || pattern_match(p, div->results[0], found) != MATCH_YES) return false;
  const Tensor *eps = pattern_found(p, found, "eps"), *again = pattern_found(p, found, "again");
  m->x = pattern_found(p, found, "x");
  m->axes = *axes_of(p, found, "mean");
  if (!is_const_f32(eps) || shape_count(&eps->type.shape) != 1) return false;
  m->eps = const_f32(eps)[0];
  return ATTRS(again->producer, ReduceAttrs)->keepdims && same_axes(axes_of(p, found, "again"), &m->axes) &&
         same_axes(axes_of(p, found, "variance"), &m->axes) && m->eps >= 0 && isfinite(m->eps);
}

static bool is_normalized(const IntList *axes, int dim) {
  for (int i = 0; i < axes->n; i++)
    if (axes->v[i] == dim) return true;
  return false;
}

/* Does the constant hold one value for each element of the normalised dims, and nothing else? */
static bool is_affine_constant(const Tensor *t, const Moments *m) {
  const Shape *x = &m->x->type.shape, *s = &t->type.shape;
  if (!is_const_f32(t) || s->rank > x->rank) return false;
  for (int i = 0; i < x->rank; i++) {
    int own = i - (x->rank - s->rank);
    int64_t dim = own < 0 ? 1 : s->dim[own];
    if (dim != (is_normalized(&m->axes, i) ? x->dim[i] : 1)) return false;
  }
  return true;
}

/* The only user of `t`, an `op` of it and such a constant, which is set. */
static Node *affine_step(const Tensor *t, OpId op, const Moments *m, Tensor **constant) {
  Node *n = tensor_single_use(t) ? t->uses[0].node : NULL;
  if (!n || n->op != op || node_has_clamp(n)) return NULL;
  *constant = n->operands[n->operands[0] == t ? 1 : 0];
  return is_affine_constant(*constant, m) ? n : NULL;
}

/* The normalised dims last, each part in order. */
static IntList dims_last(const Moments *m) {
  IntList perm = {0};
  int rank = m->x->type.shape.rank;
  for (int i = 0; i < rank; i++)
    if (!is_normalized(&m->axes, i)) perm.v[perm.n++] = i;
  for (int i = 0; i < m->axes.n; i++) perm.v[perm.n++] = m->axes.v[i];
  return perm;
}

static Tensor *transposed(PassCtx *ctx, Tensor *x, const IntList *perm, Node *before) {
  bool moves = false;
  for (int i = 0; i < perm->n; i++) moves |= perm->v[i] != i;
  if (!moves) return x;
  Node *t = graph_node1(before->graph, OP_transpose, &x, 1, NULL, node_loc(before), before);
  ATTRS(t, TransposeAttrs)->perm = *perm;
  node_must_infer(ctx, t);
  return t->results[0];
}

/* gamma or beta in the shape of the normalised dims. */
static Tensor *affine_operand(Graph *g, Tensor *t, const Moments *m) {
  Type type = type_f32((Shape){0});
  for (int i = 0; i < m->axes.n; i++) type.shape.dim[type.shape.rank++] = m->x->type.shape.dim[m->axes.v[i]];
  return shape_equal(&t->type.shape, &type.shape) ? t : graph_constant(g, t->name, type, t->data, t->loc);
}

static bool recognize_layer_norm(PassCtx *ctx, const Pattern *p, Node *div) {
  Moments m;
  Tensor *gamma = NULL, *beta = NULL;
  if (!match_moments(p, div, &m) || !m.axes.n) return false;
  Node *last = div, *step = affine_step(div->results[0], OP_mul, &m, &gamma);
  if (!step) gamma = NULL;
  if (step) last = step;
  step = affine_step(last->results[0], OP_add, &m, &beta);
  if (!step) beta = NULL;
  if (step) last = step;
  IntList perm = dims_last(&m), back = perm;
  for (int i = 0; i < perm.n; i++) back.v[perm.v[i]] = i;
  Tensor *operands[3] = {transposed(ctx, m.x, &perm, last), NULL, NULL};
  if (gamma) operands[1] = affine_operand(div->graph, gamma, &m);
  if (beta) operands[2] = affine_operand(div->graph, beta, &m);
  Node *norm = node_replacement(last, OP_layer_norm, operands, beta ? 3 : gamma ? 2 : 1);
  *ATTRS(norm, LayerNormAttrs) = (LayerNormAttrs){perm.n - m.axes.n, m.eps};
  node_must_infer(ctx, norm);
  Tensor *y = transposed(ctx, norm->results[0], &back, last);
  if (y == norm->results[0]) {
    node_replace(ctx, last, norm);
  } else {
    node_replace(ctx, last, y->producer);
  }
  return true;
}

static bool recognize_one(PassCtx *ctx, const Pattern *p, Graph *g) {
  for (Node *n = g->first; n; n = n->next)
    if (n->results[0]->type.dtype == DT_F32 && recognize_layer_norm(ctx, p, n)) return true;
  return false;
}

int recognize(PassCtx *ctx, Graph *g) {
  Arena *tmp = arena_new();
  const Pattern *p = pattern_of(tmp, layer_norm);
  int found = 0;
  while (recognize_one(ctx, p, g)) { /* which removes nodes further down: from the start again */
    graph_remove_dead(g);
    found++;
  }
  arena_free(tmp);
  return found;
}
