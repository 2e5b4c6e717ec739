/* Custom operators that take or give integers get their integer form: the parameters are the annotation's, or
 * those of the conversions around the node. What converts twice then, settles in the next pass. */
#include "passes/custom.h"

#include "ir/ops/custom.h"
#include "passes/rewrite.h"

bool pass_custom(PassCtx *ctx, Graph *g);

static Tensor *integer_operand(PassCtx *ctx, Node *n, int i) {
  Tensor *t = n->operands[i];
  Type type;
  custom_call_type(n, i, &type);
  if (type_equal(&type, &t->type)) return t;
  Tensor *q = dequantized(t);
  if (q && type_equal(&type, &q->type)) return q;
  Node *quantize = graph_node1(n->graph, OP_quantize, &t, 1, arena_printf(n->graph->arena, "%s.q", t->name),
                               node_loc(n), n);
  quantize->results[0]->type = type;
  node_must_infer(ctx, quantize);
  return quantize->results[0];
}

/* The quantize that is all that reads the result, and wants it as the function gives it. */
static Node *only_quantize(const Node *n, const Type *result) {
  const Tensor *r = n->results[0];
  Node *q = r->n_uses == 1 && !r->is_output ? r->uses[0].node : NULL;
  return q && q->op == OP_quantize && type_equal(&q->results[0]->type, result) ? q : NULL;
}

void custom_make_integer(PassCtx *ctx, Node *n, bool join) {
  Tensor *operands[CUSTOM_MAX_OPERANDS];
  Type result;
  custom_call_type(n, n->n_operands, &result);
  for (int i = 0; i < n->n_operands; i++) operands[i] = integer_operand(ctx, n, i);
  Node *quantize = join ? only_quantize(n, &result) : NULL;
  Node *fresh = node_replacement(quantize ? quantize : n, OP_custom, operands, n->n_operands);
  *ATTRS(fresh, CustomAttrs) = *ATTRS(n, CustomAttrs);
  fresh->name = n->name;
  fresh->locs = n->locs;
  fresh->n_locs = n->n_locs;
  fresh->results[0]->type = result;
  if (quantize) node_replace(ctx, quantize, fresh);
  if (quantize) {
    node_remove(n);
  } else if (type_equal(&result, &n->results[0]->type)) {
    node_replace(ctx, n, fresh);
  } else {
    node_must_infer(ctx, fresh);
    node_replace(ctx, n, node_replacement(n, OP_dequantize, fresh->results, 1));
  }
}

static Node *first_real(const Graph *g) {
  Node *n = g->first;
  while (n && !(n->op == OP_custom && custom_is_real(n))) n = n->next;
  return n;
}

bool pass_custom(PassCtx *ctx, Graph *g) {
  if (!custom_check(ctx->diag, g)) return false;
  for (Node *n; (n = first_real(g));) custom_make_integer(ctx, n, true);
  graph_remove_dead(g);
  return true;
}
