#include "passes/rewrite.h"

#define FOLD_LIMIT ((int64_t)64 << 20) /* bytes of a folded result */

static bool foldable(const Node *n, bool dequantize_too) {
  if (n->op == OP_dequantize && !dequantize_too) return false;
  int constants = 0;
  for (int i = 0; i < n->n_operands; i++) {
    if (!n->operands[i]) continue;
    if (!tensor_is_const(n->operands[i])) return false;
    constants++;
  }
  for (int i = 0; i < n->n_results; i++) {
    const Tensor *r = n->results[i];
    /* An output is always a node's result, so that the code has something to run. */
    if (r->is_output || r->type.dtype == DT_NONE || type_bytes(&r->type) > FOLD_LIMIT) return false;
  }
  return constants > 0 && op_info[n->op]->eval;
}

/* The values of a half, widened or moved. */
static bool keeps_halves(const Node *n) {
  const Tensor *x = node_operand(n, 0);
  if (n->op == OP_cast) return x->type.dtype == DT_F16;
  return op_info[n->op]->quant == QUANT_MOVE && n->op != OP_pad && n->n_operands == 1 && x->from_half;
}

static void fold(Graph *g, Node *n, Arena *scratch) {
  const void **in = ARENA_NEW_ARRAY(scratch, const void *, (size_t)n->n_operands + 1);
  void **out = ARENA_NEW_ARRAY(scratch, void *, (size_t)n->n_results + 1);
  for (int i = 0; i < n->n_operands; i++) in[i] = n->operands[i] ? n->operands[i]->data : NULL;
  for (int i = 0; i < n->n_results; i++)
    out[i] = arena_alloc(g->arena, (size_t)type_bytes(&n->results[i]->type) + 1);
  op_info[n->op]->eval(&(EvalCtx){scratch}, n, in, out);
  for (int i = 0; i < n->n_results; i++) {
    Tensor *r = n->results[i];
    Tensor *c = graph_constant(g, r->name, r->type, out[i], node_loc(n));
    c->from_half = keeps_halves(n);
    tensor_replace_uses(r, c);
    tensor_swap_names(g, c, r);
  }
  node_remove(n);
}

int fold_constants(Graph *g, bool dequantize_too) {
  int folded = 0;
  Arena *scratch = arena_new();
  GRAPH_FOREACH_NODE(g, n) {
    if (!foldable(n, dequantize_too)) continue;
    fold(g, n, scratch);
    folded++;
  }
  arena_free(scratch);
  return folded;
}
