#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

bool type_is_q8(const Type *t) {
  return t->quant && t->quant->axis < 0 && (t->dtype == DT_U8 || t->dtype == DT_S8);
}

const char *node_label(const Node *n) { return *n->name ? n->name : n->results[0]->name; }

bool is_per_channel(const Tensor *t, const Shape *x, int axis) {
  const Shape *s = &t->type.shape;
  if (s->rank > x->rank) return false;
  for (int i = 0; i < s->rank; i++) {
    int at = x->rank - s->rank + i;
    if (s->dim[i] != 1 && (at != axis || s->dim[i] != x->dim[at])) return false;
  }
  return true;
}

Node *node_replacement(Node *old, OpId op, Tensor *const *operands, int n_operands) {
  Node *n = graph_node1(old->graph, op, operands, n_operands, old->results[0]->name, node_loc(old), old);
  n->name = old->name;
  n->in_float = old->in_float;
  n->locs = old->locs;
  n->n_locs = old->n_locs;
  return n;
}

void node_must_infer(PassCtx *ctx, Node *n) {
  if (!node_infer(ctx->diag, n))
    BUG("a pass made an invalid %s for '%s'", op_info[n->op]->name, n->results[0]->name);
}

void node_replace(PassCtx *ctx, Node *old, Node *fresh) {
  node_must_infer(ctx, fresh);
  tensor_replace_uses(old->results[0], fresh->results[0]);
  tensor_swap_names(old->graph, fresh->results[0], old->results[0]);
  node_remove(old);
}

void tensor_swap_names(Graph *g, Tensor *a, Tensor *b) {
  const char *name = a->name;
  a->name = b->name;
  b->name = name;
  strmap_put(g->tensors, a->name, a);
  strmap_put(g->tensors, b->name, b);
}

bool node_bypass(Node *n) {
  Tensor *x = n->operands[0], *r = n->results[0];
  if (!type_equal(&x->type, &r->type)) return false;
  if (r->is_output && (!x->producer || x->is_output)) return false;
  bool public_name = r->is_output;
  tensor_replace_uses(r, x);
  if (public_name) tensor_swap_names(n->graph, x, r);
  node_remove(n);
  return true;
}

void set_const_operand(Node *n, int i, Type type, const void *data) {
  Tensor *t = n->operands[i];
  if (t && tensor_is_const(t) && tensor_single_use(t)) {
    t->type = type;
    t->data = data;
    return;
  }
  const char *name = t ? t->name : arena_printf(n->graph->arena, "%s.bias", n->results[0]->name);
  node_set_operand(n, i, graph_constant(n->graph, name, type, data, t ? t->loc : node_loc(n)));
}

bool node_clamp(const Node *n, float **act_min, float **act_max) {
  const AttrDesc *lo = op_attr(n->op, "act_min", 7), *hi = op_attr(n->op, "act_max", 7);
  if (!lo || !hi) return false;
  *act_min = (float *)((char *)n->attrs + lo->offset);
  *act_max = (float *)((char *)n->attrs + hi->offset);
  return true;
}

bool node_has_clamp(const Node *n) {
  float *lo, *hi;
  return node_clamp(n, &lo, &hi) && (*lo > -INFINITY || *hi < INFINITY);
}

bool graph_has_integers(const Graph *g) {
  for (int i = 0; i < g->n_inputs; i++)
    if (tensor_is_quantized(g->inputs[i])) return true;
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++)
      if (tensor_is_quantized(n->results[i])) return true;
  return false;
}

/* Its products are of integers, though all that goes in and comes out is float. */
static bool is_dynamic(const Node *n) {
  return (n->op == OP_lstm || n->op == OP_gru || n->op == OP_rnn) && ATTRS(n, RecurrentAttrs)->dynamic;
}

bool graph_is_quantized(const Graph *g) {
  static const bool integer[OP_COUNT] = {
      [OP_dequantize] = true,     [OP_dynamic_quantize] = true, [OP_dynamic_linear] = true,
      [OP_dynamic_conv2d] = true, [OP_conv_integer] = true,     [OP_matmul_integer] = true};
  for (const Node *n = g->first; n; n = n->next)
    if (integer[n->op] || is_dynamic(n)) return true;
  return graph_has_integers(g);
}

const char *graph_form(const Graph *g) {
  bool dynamic = false, weights = false, half = false;
  for (const Node *n = g->first; n; n = n->next) {
    dynamic |= n->op == OP_dynamic_quantize || is_dynamic(n);
    for (int i = 0; i < n->n_operands; i++) {
      const Tensor *t = n->operands[i];
      weights |= t && tensor_is_const(t) && tensor_is_quantized(t);
      half |= t && t->type.dtype == DT_F16;
    }
  }
  if (graph_has_integers(g)) return "int8";
  if (dynamic) return "dynamic";
  return weights ? "weights" : half ? "f16" : "float32";
}

bool node_is_float(const Node *n) {
  if (n->n_operands && n->operands[0] && tensor_is_quantized(n->operands[0])) return false;
  return op_info[n->op]->quant != QUANT_CONVERT && n->results[0]->type.dtype == DT_F32 && !is_dynamic(n);
}
