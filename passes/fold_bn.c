/* Batch norm, and multiplications and additions by per-channel constants, go into the weights of the layer
 * before them: w' = w * scale, b' = (b - center) * scale + shift, in double and rounded once. A batch norm
 * that finds no such layer becomes a depthwise 1x1 convolution. */
#include <math.h>
#include <string.h>

#include "passes/affine.h"

bool pass_fold_bn(PassCtx *ctx, Graph *g);

/* A float layer with constant weights whose result only `n` sees and that clamps nothing. */
static Node *foldable_layer(const Tensor *x) {
  Node *p = x->producer;
  if (!p || op_info[p->op]->quant != QUANT_LINEAR || !tensor_single_use(x) || node_has_clamp(p)) return NULL;
  const Tensor *bias = node_operand(p, 2);
  return is_const_f32(p->operands[1]) && (!bias || is_const_f32(bias)) ? p : NULL;
}

static bool all_finite(const float *v, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(v[i])) return false;
  return true;
}

static bool fold(PassCtx *ctx, Node *layer, const Affine *f, Node *n) {
  Graph *g = n->graph;
  Type wt = layer->operands[1]->type;
  Tensor *bias = node_operand(layer, 2);
  int64_t count = shape_count(&wt.shape), per_channel = count / f->channels;
  const float *w = const_f32(layer->operands[1]), *b = bias ? const_f32(bias) : NULL;
  float *new_w = ARENA_NEW_ARRAY(g->arena, float, (size_t)count);
  float *new_b = ARENA_NEW_ARRAY(g->arena, float, (size_t)f->channels);
  for (int64_t c = 0; c < f->channels; c++) {
    for (int64_t i = c * per_channel; i < (c + 1) * per_channel; i++)
      new_w[i] = (float)((double)w[i] * f->scale[c]);
  }
  if (!affine_bias(f, b, new_b) || !all_finite(new_w, count))
    return diag_error(ctx->diag, node_loc(n),
                      "folding '%s' into '%s' gives weights that are not finite numbers", node_label(n),
                      node_label(layer));
  if (layer->n_operands < 3) {
    Tensor *three[] = {layer->operands[0], layer->operands[1], NULL};
    node_set_operands(layer, three, 3);
  }
  set_const_operand(layer, 1, wt, new_w);
  set_const_operand(layer, 2, type_f32(shape_of(1, f->channels)), new_b);
  float *lo, *hi, *n_lo, *n_hi;
  if (node_clamp(layer, &lo, &hi) && node_clamp(n, &n_lo, &n_hi)) {
    *lo = *n_lo;
    *hi = *n_hi;
  }
  node_add_locs(layer, n);
  Tensor *x = layer->results[0], *r = n->results[0];
  if (!*layer->name) layer->name = x->name; /* the emitted code speaks of stem.conv, not of stem.bn */
  tensor_replace_uses(r, x);
  tensor_swap_names(g, x, r);
  node_remove(n);
  return true;
}

/* Two constants per channel in the shape [C, 1, ...] that broadcasts along axis 1. */
static Tensor *channel_constant(Node *n, const char *what, const float *data, Shape shape) {
  return graph_constant(n->graph, arena_printf(n->graph->arena, "%s.%s", n->results[0]->name, what),
                        type_f32(shape), data, node_loc(n));
}

static Tensor *reshaped(PassCtx *ctx, Node *before, Tensor *x, Shape to) {
  Node *r = graph_node1(before->graph, OP_reshape, &x, 1, NULL, node_loc(before), before);
  IntList *shape = &ATTRS(r, ReshapeAttrs)->shape;
  shape->n = to.rank;
  memcpy(shape->v, to.dim, sizeof *to.dim * (size_t)to.rank);
  node_must_infer(ctx, r);
  return r->results[0];
}

/* A depthwise 1x1 convolution over [N, C, H, W]; fewer or more dims are reshaped to that and back. */
static void become_depthwise(PassCtx *ctx, Node *n, const Affine *f) {
  Graph *g = n->graph;
  Tensor *x = n->operands[0];
  Shape s = x->type.shape, flat = shape_of(4, s.dim[0], s.dim[1], (int64_t)1, (int64_t)1);
  for (int i = 2; i < s.rank; i++) flat.dim[i == 2 ? 2 : 3] *= s.dim[i];
  float *w = ARENA_NEW_ARRAY(g->arena, float, (size_t)f->channels);
  float *b = ARENA_NEW_ARRAY(g->arena, float, (size_t)f->channels);
  for (int64_t c = 0; c < f->channels; c++) {
    w[c] = (float)f->scale[c];
    b[c] = (float)(f->shift[c] - f->center[c] * f->scale[c]);
  }
  bool same = shape_equal(&s, &flat);
  if (!same) x = reshaped(ctx, n, x, flat);
  Tensor *operands[] = {
      x, channel_constant(n, "scale", w, shape_of(4, f->channels, (int64_t)1, (int64_t)1, (int64_t)1)),
      channel_constant(n, "shift", b, shape_of(1, f->channels))};
  Node *conv = node_replacement(n, OP_conv2d, operands, 3);
  ATTRS(conv, ConvAttrs)->groups = f->channels;
  if (same) {
    node_replace(ctx, n, conv);
    return;
  }
  node_must_infer(ctx, conv);
  Node *back = node_replacement(n, OP_reshape, conv->results, 1);
  IntList *shape = &ATTRS(back, ReshapeAttrs)->shape;
  shape->n = s.rank;
  memcpy(shape->v, s.dim, sizeof *s.dim * (size_t)s.rank);
  node_replace(ctx, n, back);
}

static bool fold_batch_norm(PassCtx *ctx, Node *n, Arena *tmp) {
  Affine f;
  if (!batch_norm_affine(ctx->diag, tmp, n, &f)) return false;
  Node *layer = foldable_layer(n->operands[0]);
  if (layer && layer_channel_axis(layer) == 1) return fold(ctx, layer, &f, n);
  become_depthwise(ctx, n, &f);
  return true;
}

static const float *float_constant(Arena *a, const Tensor *t) {
  (void)a;
  return is_const_f32(t) ? const_f32(t) : NULL;
}

static bool fold_arith(PassCtx *ctx, Node *n, Arena *tmp) {
  for (int i = 0; i < 2; i++) {
    const Tensor *x = n->operands[i];
    Node *layer = foldable_layer(x);
    Affine f;
    if (layer && arith_affine(tmp, n, x, layer_channel_axis(layer), float_constant, &f))
      return fold(ctx, layer, &f, n);
  }
  return true;
}

bool pass_fold_bn(PassCtx *ctx, Graph *g) {
  bool ok = true;
  Arena *tmp = arena_new();
  GRAPH_FOREACH_NODE(g, n) {
    if (n->op == OP_batch_norm)
      ok &= fold_batch_norm(ctx, n, tmp);
    else if (n->op == OP_add || n->op == OP_sub || n->op == OP_mul || n->op == OP_div)
      ok &= fold_arith(ctx, n, tmp);
  }
  arena_free(tmp);
  graph_remove_dead(g);
  return ok;
}
