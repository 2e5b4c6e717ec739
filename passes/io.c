/* -io: which types the public inputs and outputs have. By default the model's own. */
#include "passes/rewrite.h"

bool pass_io(PassCtx *ctx, Graph *g);

/* Every user of the input is a quantize to one 8-bit type: then the input can have that type itself. */
static const Type *quantized_input_type(const Tensor *t) {
  const Type *type = NULL;
  if (!t->n_uses || t->is_output || t->type.dtype != DT_F32) return NULL;
  for (int i = 0; i < t->n_uses; i++) {
    const Node *n = t->uses[i].node;
    if (n->op != OP_quantize || !type_is_q8(&n->results[0]->type)) return NULL;
    if (type && !type_equal(type, &n->results[0]->type)) return NULL;
    type = &n->results[0]->type;
  }
  return type;
}

static void stays_float(PassCtx *ctx, const char *what, const Tensor *t) {
  diag_warning(ctx->diag, "io", t->producer ? node_loc(t->producer) : t->loc,
               "-io quantized: the %s '%s' stays float32: the model computes with it in float", what,
               t->name);
}

static void quantize_input(PassCtx *ctx, Graph *g, Tensor *t) {
  const Type *type = quantized_input_type(t);
  if (!type) {
    if (t->type.dtype == DT_F32 && t->n_uses) stays_float(ctx, "input", t);
    return;
  }
  for (int i = 0; i < t->n_uses; i++) /* an output cannot be the input itself: it has a name of its own */
    if (t->uses[i].node->results[0]->is_output) {
      stays_float(ctx, "input", t);
      return;
    }
  int n_uses = t->n_uses;
  Node **quantize = ARENA_NEW_ARRAY(g->arena, Node *, (size_t)n_uses);
  for (int i = 0; i < n_uses; i++) quantize[i] = t->uses[i].node;
  t->type = *type;
  for (int i = 0; i < n_uses; i++) {
    tensor_replace_uses(quantize[i]->results[0], t);
    node_remove(quantize[i]);
  }
}

static void quantize_output(PassCtx *ctx, Graph *g, int i) {
  Tensor *t = g->outputs[i];
  Tensor *q = produced_by(t, OP_dequantize) ? t->producer->operands[0] : NULL;
  if (!q || !q->producer || q->is_output || !type_is_q8(&q->type)) {
    if (t->type.dtype == DT_F32) stays_float(ctx, "output", t);
    return;
  }
  graph_replace_output(g, i, q);
  tensor_swap_names(g, q, t);
}

static void float_input(PassCtx *ctx, Graph *g, Tensor *t) {
  if (!type_is_q8(&t->type)) return;
  Type q = t->type;
  t->type = type_f32(q.shape);
  /* The uses move first, then the quantize takes its own. */
  const char *name = arena_printf(g->arena, "%s.q", t->name);
  Node *quantize = graph_node(g, OP_quantize, NULL, 0, &name, 1, t->loc, g->first);
  quantize->results[0]->type = q;
  tensor_replace_uses(t, quantize->results[0]);
  node_set_operands(quantize, &t, 1);
  node_must_infer(ctx, quantize);
}

static void float_output(PassCtx *ctx, Graph *g, int i) {
  Tensor *t = g->outputs[i];
  if (!tensor_is_quantized(t)) return;
  Node *n = graph_node1(g, OP_dequantize, &t, 1, NULL, t->producer ? node_loc(t->producer) : t->loc, NULL);
  node_must_infer(ctx, n);
  for (int k = i; k < g->n_outputs; k++)
    if (g->outputs[k] == t) graph_replace_output(g, k, n->results[0]);
  tensor_swap_names(g, n->results[0], t);
}

bool pass_io(PassCtx *ctx, Graph *g) {
  if (ctx->quantized_io) {
    for (int i = 0; i < g->n_inputs; i++) quantize_input(ctx, g, g->inputs[i]);
    for (int i = 0; i < g->n_outputs; i++) quantize_output(ctx, g, i);
    graph_remove_dead(g);
  }
  if (ctx->float_io) {
    for (int i = 0; i < g->n_inputs; i++) float_input(ctx, g, g->inputs[i]);
    for (int i = 0; i < g->n_outputs; i++) float_output(ctx, g, i);
  }
  return true;
}
