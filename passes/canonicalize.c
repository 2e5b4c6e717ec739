/* One form for each thing: rules per op, applied until nothing changes. Every rule makes the graph smaller or
 * moves a node to a form that no rule turns back, so this ends. */
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/kept_weights.h"
#include "passes/plan.h"
#include "passes/recognize.h"
#include "passes/recurrent.h"
#include "ir/resize.h"
#include "passes/rewrite.h"

typedef bool (*Rule)(PassCtx *ctx, Node *n); /* true where the graph has changed */

bool pass_canonicalize(PassCtx *ctx, Graph *g);

/* A reshape of n's first operand to the shape of n's result, in the place of `n`. */
static void become_reshape(PassCtx *ctx, Node *n) {
  const Shape *s = &n->results[0]->type.shape;
  Node *fresh = node_replacement(n, OP_reshape, &n->operands[0], 1);
  IntList *shape = &ATTRS(fresh, ReshapeAttrs)->shape;
  shape->n = s->rank;
  memcpy(shape->v, s->dim, sizeof *s->dim * (size_t)s->rank);
  node_replace(ctx, n, fresh);
}

/* identity, dropout, a concat of one operand: a copy stays only where both names are public. */
static bool drop_identity(PassCtx *ctx, Node *n) {
  if (!node_bypass(n)) become_reshape(ctx, n);
  return true;
}

static bool flatten_to_reshape(PassCtx *ctx, Node *n) {
  become_reshape(ctx, n);
  return true;
}

static bool simplify_concat(PassCtx *ctx, Node *n) {
  if (n->n_operands > 1 || !type_equal(&n->operands[0]->type, &n->results[0]->type)) return false;
  return drop_identity(ctx, n);
}

static bool simplify_reshape(PassCtx *ctx, Node *n) {
  (void)ctx;
  Tensor *x = n->operands[0];
  if (x->type.quant && x->type.quant->axis >= 0) return false; /* a weight: folded later */
  if (produced_by(x, OP_reshape)) {
    node_set_operand(n, 0, x->producer->operands[0]);
    return true;
  }
  return shape_equal(&x->type.shape, &n->results[0]->type.shape) && node_bypass(n);
}

static bool only_ones_move(const IntList *perm, const Shape *s) {
  int64_t last = -1;
  for (int i = 0; i < perm->n; i++) {
    if (s->dim[perm->v[i]] == 1) continue;
    if (perm->v[i] < last) return false;
    last = perm->v[i];
  }
  return true;
}

static bool simplify_transpose(PassCtx *ctx, Node *n) {
  Tensor *x = n->operands[0];
  TransposeAttrs *a = ATTRS(n, TransposeAttrs);
  if (x->type.quant && x->type.quant->axis >= 0) return false; /* a weight: folded later */
  if (only_ones_move(&a->perm, &x->type.shape)) {
    if (!node_bypass(n)) become_reshape(ctx, n);
    return true;
  }
  if (!produced_by(x, OP_transpose)) return false;
  IntList inner = ATTRS(x->producer, TransposeAttrs)->perm, composed = a->perm;
  for (int i = 0; i < composed.n; i++) composed.v[i] = inner.v[a->perm.v[i]];
  a->perm = composed;
  node_set_operand(n, 0, x->producer->operands[0]);
  return true;
}

static bool all_zero(const IntList *l) {
  for (int i = 0; i < l->n; i++)
    if (l->v[i]) return false;
  return true;
}

static bool simplify_pad(PassCtx *ctx, Node *n) {
  (void)ctx;
  if (ATTRS(n, PadAttrs)->mode != PAD_CONSTANT) ATTRS(n, PadAttrs)->value = 0; /* no one reads it */
  return all_zero(&ATTRS(n, PadAttrs)->pads) && node_bypass(n);
}

/* The padding behind the last window, and that which no window counts for another reason than the image's
 * end, are not there. */
static bool simplify_pool(PassCtx *ctx, Node *n) {
  (void)ctx;
  PoolAttrs *a = ATTRS(n, PoolAttrs);
  bool changed = false, counts = op_info[n->op]->quant == QUANT_POOL && a->count_include_pad;
  int spatial = a->kernel.n;
  for (int i = 0; i < spatial; i++) {
    int64_t in = n->operands[0]->type.shape.dim[2 + i], out = n->results[0]->type.shape.dim[2 + i];
    int64_t *behind = &a->pad.v[spatial + i], counted = *behind - a->pad_extra.v[i];
    int64_t extent = (a->kernel.v[i] - 1) * a->dilation.v[i] + 1;
    int64_t pad = (out - 1) * a->stride.v[i] + extent - in - a->pad.v[i];
    if (pad < 0) pad = 0;
    int64_t extra = counts && pad > counted ? pad - counted : 0;
    changed |= pad != *behind || extra != a->pad_extra.v[i];
    *behind = pad;
    a->pad_extra.v[i] = extra;
  }
  return changed;
}

static bool simplify_slice(PassCtx *ctx, Node *n) {
  (void)ctx;
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  const Shape *s = &n->operands[0]->type.shape;
  for (int i = 0; i < s->rank; i++)
    if (s->dim[i] > 1 && (a->start.v[i] != 0 || a->step.v[i] != 1)) return false;
  return shape_equal(s, &n->results[0]->type.shape) && node_bypass(n);
}

/* The average, or the maximum, over axes 2 and 3, as a full window. */
static Node *full_window(Node *old, Tensor *x) {
  Node *pool = node_replacement(old, old->op == OP_reduce_max ? OP_max_pool2d : OP_avg_pool2d, &x, 1);
  PoolAttrs *a = ATTRS(pool, PoolAttrs);
  a->kernel = (IntList){2, {x->type.shape.dim[2], x->type.shape.dim[3]}};
  a->stride = a->dilation = (IntList){2, {1, 1}};
  a->pad = (IntList){4, {0}};
  a->pad_extra = (IntList){2, {0}};
  pool->results[0]->type = old->results[0]->type; /* a quantized result keeps its parameters */
  return pool;
}

static void pool_then_reshape(PassCtx *ctx, Node *n, Tensor *x) {
  Node *pool = full_window(n, x);
  if (n->results[0]->type.shape.rank == 4) {
    node_replace(ctx, n, pool);
    return;
  }
  node_must_infer(ctx, pool);
  node_set_operand(n, 0, pool->results[0]);
  become_reshape(ctx, n);
}

static bool has_elements(const Shape *s) { return shape_count(s) > 0; }

static bool global_pool_to_avg_pool(PassCtx *ctx, Node *n) {
  Tensor *x = n->operands[0];
  if (x->type.shape.rank == 4 && has_elements(&x->type.shape)) {
    pool_then_reshape(ctx, n, x);
    return true;
  }
  Node *mean = node_replacement(n, OP_reduce_mean, &x, 1);
  ReduceAttrs *a = ATTRS(mean, ReduceAttrs);
  a->keepdims = true;
  a->axes.n = 0;
  for (int i = 2; i < x->type.shape.rank; i++) a->axes.v[a->axes.n++] = i;
  mean->results[0]->type = n->results[0]->type;
  node_replace(ctx, n, mean);
  return true;
}

static bool is_all(const Tensor *t, float value) {
  if (!t || !is_const_f32(t)) return false;
  for (int64_t i = 0, n = shape_count(&t->type.shape); i < n; i++)
    if (const_f32(t)[i] != value) return false;
  return true;
}

/* A factor of ones and a term of zeros are not there. */
static bool simplify_norm(PassCtx *ctx, Node *n) {
  (void)ctx;
  bool ones = is_all(node_operand(n, 1), 1), zeros = is_all(node_operand(n, 2), 0);
  if (!ones && !zeros) return false;
  Tensor *operands[] = {n->operands[0], ones ? NULL : node_operand(n, 1), zeros ? NULL : node_operand(n, 2)};
  node_set_operands(n, operands, operands[2] ? 3 : operands[1] ? 2 : 1);
  return true;
}

/* What the pass qdq takes as the integer mean that it is. */
static bool is_between_conversions(const Node *n) {
  const Tensor *r = n->results[0];
  if (!dequantized(n->operands[0]) || r->is_output || !r->n_uses) return false;
  for (int i = 0; i < r->n_uses; i++)
    if (r->uses[i].node->op != OP_quantize) return false;
  return true;
}

static bool simplify_reduction(PassCtx *ctx, Node *n) {
  const ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  Tensor *x = n->operands[0];
  if (shape_count(&x->type.shape) == shape_count(&n->results[0]->type.shape) &&
      quant_equal(x->type.quant, n->results[0]->type.quant) && !is_between_conversions(n)) {
    become_reshape(ctx, n); /* each of one element */
    return true;
  }
  bool spatial = a->axes.n == 2 && a->axes.v[0] == 2 && a->axes.v[1] == 3;
  if (n->op != OP_reduce_mean && n->op != OP_reduce_max) return false;
  if (x->type.shape.rank != 4 || !spatial || !has_elements(&x->type.shape)) return false;
  pool_then_reshape(ctx, n, x);
  return true;
}

/* The one value of a float constant that broadcasts into `x`; false where it is no such constant. */
static bool single_value(const Tensor *t, const Shape *x, float *v) {
  Shape joint;
  if (!is_const_f32(t) || shape_count(&t->type.shape) != 1) return false;
  *v = const_f32(t)[0];
  return shape_broadcast(&t->type.shape, x, &joint) && shape_equal(&joint, x);
}

/* max and min with a constant are one end of a clip. */
static bool minmax_to_clip(PassCtx *ctx, Node *n) {
  for (int i = 0; i < 2; i++) {
    Tensor *x = n->operands[i];
    float v;
    if (tensor_is_const(x) || !single_value(n->operands[1 - i], &x->type.shape, &v) || !isfinite(v)) continue;
    Node *clip = node_replacement(n, OP_clip, &x, 1);
    *(n->op == OP_max ? &ATTRS(clip, ClipAttrs)->min : &ATTRS(clip, ClipAttrs)->max) = v;
    node_replace(ctx, n, clip);
    return true;
  }
  return false;
}

/* One slope for all elements. */
static bool prelu_to_leaky_relu(PassCtx *ctx, Node *n) {
  float slope;
  if (!single_value(n->operands[1], &n->operands[0]->type.shape, &slope) || !isfinite(slope)) return false;
  Node *leaky = node_replacement(n, OP_leaky_relu, &n->operands[0], 1);
  ATTRS(leaky, AlphaBetaAttrs)->alpha = slope;
  leaky->results[0]->type = n->results[0]->type; /* a quantized result keeps its parameters */
  node_replace(ctx, n, leaky);
  return true;
}

static bool simplify_expand(PassCtx *ctx, Node *n) {
  if (shape_count(&n->operands[0]->type.shape) != shape_count(&n->results[0]->type.shape)) return false;
  if (!node_bypass(n)) become_reshape(ctx, n);
  return true;
}

/* clamp(quantize(x)) is quantize(clip(x)), where that is fused with what makes x, or makes a table with it.
 */
static bool clamp_to_clip(PassCtx *ctx, Node *n) {
  const ClampAttrs *a = ATTRS(n, ClampAttrs);
  Tensor *q = n->operands[0], *x;
  const DTypeInfo *t = &dtype_info[q->type.dtype];
  if (a->min == t->min && a->max == t->max) return node_bypass(n);
  if (!produced_by(q, OP_quantize) || !tensor_single_use(q) || !type_is_q8(&q->type)) return false;
  x = q->producer->operands[0];
  if (!x->producer || (!takes_clamp(x) && op_info[x->producer->op]->quant != QUANT_UNARY)) return false;
  Node *clip = graph_node1(n->graph, OP_clip, &x, 1, NULL, node_loc(n), n);
  ClipAttrs *bounds = ATTRS(clip, ClipAttrs);
  clamp_bounds(n, &bounds->min, &bounds->max);
  node_must_infer(ctx, clip);
  Node *quantize = node_replacement(n, OP_quantize, clip->results, 1);
  quantize->results[0]->type = n->results[0]->type;
  node_replace(ctx, n, quantize);
  return true;
}

/* A weight: a constant, or one behind its dequantize. */
static bool is_weight(const Tensor *t) {
  return tensor_is_const(t) || (produced_by(t, OP_dequantize) && tensor_is_const(t->producer->operands[0]));
}

/* A weight that a linear layer takes: float32, or 8-bit with one scale. */
static bool is_linear_weight(const Tensor *t) {
  return is_weight(t) && t->type.shape.rank == 2 &&
         (t->type.dtype == DT_F32 || (tensor_is_const(t) && type_is_q8(&t->type)));
}

/* matmul by a constant [K,N] is a linear layer with the weight transposed; the transpose folds away. */
static bool matmul_to_linear(PassCtx *ctx, Node *n) {
  Tensor *b = n->operands[1];
  if (!is_linear_weight(b) || n->operands[0]->type.shape.rank < 2) return false;
  Node *turn = graph_node1(n->graph, OP_transpose, &b, 1, b->name, node_loc(n), n);
  ATTRS(turn, TransposeAttrs)->perm = (IntList){2, {1, 0}};
  node_must_infer(ctx, turn);
  Node *linear = node_replacement(n, OP_linear, (Tensor *[]){n->operands[0], turn->results[0]}, 2);
  *ATTRS(linear, ActAttrs) = *ATTRS(n, ActAttrs);
  linear->results[0]->type = n->results[0]->type; /* a quantized result keeps its parameters */
  node_replace(ctx, n, linear);
  return true;
}

/* A resize where every position is the operand's own goes; a scale that is left to the sizes, which are
 * equal, is 1. */
static bool simplify_resize(PassCtx *ctx, Node *n) {
  ResizeAttrs *a = ATTRS(n, ResizeAttrs);
  for (int i = 0; i < a->scale.n; i++)
    if (a->scale.v[i] == 0 && a->size.v[i] == n->operands[0]->type.shape.dim[i]) a->scale.v[i] = 1;
  if (!type_equal(&n->operands[0]->type, &n->results[0]->type)) return false;
  if (n->op != OP_resize_nearest && is_between_conversions(n)) return false;
  Arena *tmp = arena_new();
  bool active = false;
  for (int i = 0; i < n->results[0]->type.shape.rank; i++) active |= resize_dim(tmp, n, i).active;
  arena_free(tmp);
  return !active && drop_identity(ctx, n);
}

/* Windows of one size that follow each other: an ordinary pool. */
static bool adaptive_to_pool(PassCtx *ctx, Node *n) {
  static const OpId plain[2][2] = {{OP_max_pool2d, OP_max_pool3d}, {OP_avg_pool2d, OP_avg_pool3d}};
  const IntList *size = &ATTRS(n, AdaptivePoolAttrs)->size;
  const Shape *x = &n->operands[0]->type.shape;
  if (size->n < 2) return false;
  for (int i = 0; i < size->n; i++)
    if (x->dim[2 + i] % size->v[i]) return false;
  Node *pool = node_replacement(n, plain[n->op == OP_adaptive_avg_pool][size->n == 3], &n->operands[0], 1);
  PoolAttrs *a = ATTRS(pool, PoolAttrs);
  a->kernel.n = size->n;
  for (int i = 0; i < size->n; i++) a->kernel.v[i] = a->stride.v[i] = x->dim[2 + i] / size->v[i];
  pool->results[0]->type = n->results[0]->type; /* a quantized result keeps its parameters */
  node_replace(ctx, n, pool);
  return true;
}

static bool simplify_recurrent(PassCtx *ctx, Node *n) {
  (void)ctx;
  bool attrs = simplify_recurrent_attrs(n);
  return simplify_recurrent_weights(n) || attrs;
}

static const Rule rules[OP_COUNT] = {
    [OP_identity] = drop_identity,
    [OP_flatten] = flatten_to_reshape,
    [OP_concat] = simplify_concat,
    [OP_reshape] = simplify_reshape,
    [OP_transpose] = simplify_transpose,
    [OP_pad] = simplify_pad,
    [OP_slice] = simplify_slice,
    [OP_max_pool2d] = simplify_pool,
    [OP_max_pool3d] = simplify_pool,
    [OP_avg_pool2d] = simplify_pool,
    [OP_avg_pool3d] = simplify_pool,
    [OP_global_avg_pool] = global_pool_to_avg_pool,
    [OP_reduce_mean] = simplify_reduction,
    [OP_matmul] = matmul_to_linear,
    [OP_layer_norm] = simplify_norm,
    [OP_group_norm] = simplify_norm,
    [OP_reduce_sum] = simplify_reduction,
    [OP_reduce_max] = simplify_reduction,
    [OP_reduce_min] = simplify_reduction,
    [OP_max] = minmax_to_clip,
    [OP_min] = minmax_to_clip,
    [OP_prelu] = prelu_to_leaky_relu,
    [OP_expand] = simplify_expand,
    [OP_resize_nearest] = simplify_resize,
    [OP_resize_linear] = simplify_resize,
    [OP_resize_cubic] = simplify_resize,
    [OP_clamp] = clamp_to_clip,
    [OP_adaptive_max_pool] = adaptive_to_pool,
    [OP_adaptive_avg_pool] = adaptive_to_pool,
    [OP_lstm] = simplify_recurrent,
    [OP_gru] = simplify_recurrent,
    [OP_rnn] = simplify_recurrent,
};

int canonical_forms(PassCtx *ctx, Graph *g) {
  int total = 0;
  for (int changed = 1; changed; total += changed) {
    changed = recognize(ctx, g); /* before the rules turn means into pools */
    GRAPH_FOREACH_NODE(g, n) {
      if (rules[n->op] && rules[n->op](ctx, n)) changed++;
    }
    changed += graph_remove_dead(g);
    changed += fold_constants(g, false);
    changed += fold_pads(g);
  }
  return total;
}

bool pass_canonicalize(PassCtx *ctx, Graph *g) {
  canonical_forms(ctx, g);
  if (is_to_be_quantized(ctx, g)) widen_static_weights(ctx->qconfig, g);
  return true;
}
