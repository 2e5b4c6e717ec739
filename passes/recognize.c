/* Functions that exporters write out in smaller ops, put together again: layer norm and GELU. The op that
 * takes their place computes the same in the same order (layer norm: bit for bit), and quantization sees one
 * function. */
#include "passes/recognize.h"

#include <math.h>
#include <string.h>

#include "passes/rewrite.h"

/* The node that makes `t` if it is an `op` without a clamp. */
static Node *made_by(const Tensor *t, OpId op) {
  return t && produced_by(t, op) && !node_has_clamp(t->producer) ? t->producer : NULL;
}

/* Is `t` a constant of one value, `want` to within a few units of the last place? */
static bool is_value(const Tensor *t, double want) {
  return is_const_f32(t) && shape_count(&t->type.shape) == 1 &&
         fabs((double)const_f32(t)[0] - want) <= 1e-6 * fabs(want);
}

/* `n` is op(a, b) with operands in either order, one of which is the constant `want`: the other one. */
static Tensor *beside_value(const Node *n, double want) {
  for (int i = 0; n && i < 2; i++)
    if (is_value(n->operands[1 - i], want) && !tensor_is_const(n->operands[i])) return n->operands[i];
  return NULL;
}

/* --- layer norm ---
 * mean = reduce_mean(x), d = sub(x, mean), v = reduce_mean(mul(d, d) or pow(d, 2)), div(d, sqrt(add(v,
 * eps))), then mul by gamma and add of beta, each where it is. */

typedef struct {
  Tensor *x;
  IntList axes;
  float eps;
} Moments;

static const ReduceAttrs *mean_attrs(const Tensor *t) {
  const Node *n = made_by(t, OP_reduce_mean);
  return n && ATTRS(n, ReduceAttrs)->keepdims ? ATTRS(n, ReduceAttrs) : NULL;
}

static bool same_axes(const IntList *a, const IntList *b) {
  return a->n == b->n && !memcmp(a->v, b->v, sizeof *a->v * (size_t)a->n);
}

/* x - mean(x): x, and the axes of the mean. */
static Tensor *centered(const Tensor *t, IntList *axes) {
  const Node *sub = made_by(t, OP_sub);
  const ReduceAttrs *mean = sub ? mean_attrs(sub->operands[1]) : NULL;
  if (!mean || sub->operands[1]->producer->operands[0] != sub->operands[0]) return NULL;
  *axes = mean->axes;
  return sub->operands[0];
}

/* What `t` is the square of. */
static Tensor *squared(const Tensor *t) {
  const Node *mul = made_by(t, OP_mul), *pow = made_by(t, OP_pow);
  if (mul && mul->operands[0] == mul->operands[1]) return mul->operands[0];
  return pow && ATTRS(pow, PowAttrs)->exponent == 2 ? pow->operands[0] : NULL;
}

static bool match_moments(const Node *div, Moments *m) {
  IntList axes;
  m->x = centered(div->operands[0], &m->axes);
  const Node *root = m->x && !node_has_clamp(div) ? made_by(div->operands[1], OP_sqrt) : NULL;
  const Node *sum = root ? made_by(root->operands[0], OP_add) : NULL;
  for (int i = 0; sum && i < 2; i++) {
    const Tensor *eps = sum->operands[1 - i];
    const ReduceAttrs *mean = mean_attrs(sum->operands[i]);
    if (!mean || !is_const_f32(eps) || shape_count(&eps->type.shape) != 1) continue;
    const Tensor *d = squared(sum->operands[i]->producer->operands[0]);
    m->eps = const_f32(eps)[0];
    return d && centered(d, &axes) == m->x && same_axes(&axes, &m->axes) && same_axes(&mean->axes, &axes) &&
           m->eps >= 0 && isfinite(m->eps);
  }
  return false;
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

static bool recognize_layer_norm(PassCtx *ctx, Node *div) {
  Moments m;
  Tensor *gamma = NULL, *beta = NULL;
  if (div->op != OP_div || !match_moments(div, &m) || !m.axes.n) return false;
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

/* --- GELU: x / 2 * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) --- */

static const double root_half = 0.70710678118654752, root_2_pi = 0.79788456080286536;

/* x, where `t` is x / sqrt 2. */
static Tensor *over_root_2(const Tensor *t) {
  const Node *div = made_by(t, OP_div);
  if (div) return is_value(div->operands[1], 1 / root_half) ? div->operands[0] : NULL;
  return beside_value(made_by(t, OP_mul), root_half);
}

/* Is `t` the third power of x? */
static bool is_cube(const Tensor *t, const Tensor *x) {
  const Node *pow = made_by(t, OP_pow), *mul = made_by(t, OP_mul);
  if (pow) return ATTRS(pow, PowAttrs)->exponent == 3 && pow->operands[0] == x;
  for (int i = 0; mul && i < 2; i++)
    if (mul->operands[i] == x && squared(mul->operands[1 - i]) == x) return true;
  return false;
}

/* x, where `t` is sqrt(2 / pi) * (x + 0.044715 x^3). */
static Tensor *tanh_argument(const Tensor *t) {
  const Tensor *sum = beside_value(made_by(t, OP_mul), root_2_pi);
  const Node *add = sum ? made_by(sum, OP_add) : NULL;
  for (int i = 0; add && i < 2; i++) {
    const Tensor *cube = beside_value(made_by(add->operands[1 - i], OP_mul), 0.044715);
    if (cube && is_cube(cube, add->operands[i])) return add->operands[i];
  }
  return NULL;
}

/* x, where `t` is 1 + erf(x / sqrt 2) or 1 + tanh(...). */
static Tensor *gate_of(const Tensor *t, int *form) {
  const Tensor *g = beside_value(made_by(t, OP_add), 1);
  if (!g || !g->producer) return NULL;
  *form = g->producer->op == OP_tanh ? GELU_TANH : GELU_ERF;
  if (g->producer->op == OP_tanh) return tanh_argument(g->producer->operands[0]);
  return g->producer->op == OP_erf ? over_root_2(g->producer->operands[0]) : NULL;
}

/* A product of three, in any order: x, 1/2 and the gate; `n` is its last multiplication. */
static Tensor *gelu_operand(const Node *n, int *form) {
  const Tensor *half = beside_value(n, 0.5); /* (x * gate) * 1/2 */
  const Node *inner = half ? made_by(half, OP_mul) : NULL;
  for (int i = 0; inner && i < 2; i++) {
    Tensor *x = gate_of(inner->operands[i], form);
    if (x && x == inner->operands[1 - i]) return x;
  }
  for (int i = 0; i < 2; i++) {
    Tensor *x = gate_of(n->operands[i], form); /* (x * 1/2) * gate */
    const Tensor *scaled = x ? n->operands[1 - i] : NULL;
    if (scaled && beside_value(made_by(scaled, OP_mul), 0.5) == x) return x;
    const Tensor *gate = beside_value(made_by(n->operands[i], OP_mul), 0.5); /* x * (gate * 1/2) */
    x = gate ? gate_of(gate, form) : NULL;
    if (x && x == n->operands[1 - i]) return x;
  }
  return NULL;
}

static bool recognize_gelu(PassCtx *ctx, Node *n) {
  int form;
  Tensor *x = n->op == OP_mul && !node_has_clamp(n) ? gelu_operand(n, &form) : NULL;
  if (!x || !shape_equal(&x->type.shape, &n->results[0]->type.shape)) return false;
  Node *gelu = node_replacement(n, OP_gelu, &x, 1);
  ATTRS(gelu, GeluAttrs)->approximate = form;
  node_replace(ctx, n, gelu);
  return true;
}

static bool recognize_one(PassCtx *ctx, Graph *g) {
  for (Node *n = g->first; n; n = n->next)
    if (n->results[0]->type.dtype == DT_F32 && (recognize_layer_norm(ctx, n) || recognize_gelu(ctx, n)))
      return true;
  return false;
}

int recognize(PassCtx *ctx, Graph *g) {
  int found = 0;
  while (recognize_one(ctx, g)) { /* which removes nodes further down: from the start again */
    graph_remove_dead(g);
    found++;
  }
  return found;
}
