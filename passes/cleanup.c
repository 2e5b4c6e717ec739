/* The last look: nothing dead, nothing constant left to compute, only ops that code can be made for, and
 * every op that a quantized model still computes in float is said aloud. */
#include <string.h>

#include "passes/plan.h"

bool pass_cleanup(PassCtx *ctx, Graph *g);

static const char *const lowering[OP_COUNT] = {
#define OP(name, lowering) [OP_##name] = #lowering,
#include "ir/ops.def"
#undef OP
};

static bool is_weight(const Tensor *t) {
  return tensor_is_const(t) || (produced_by(t, OP_dequantize) && tensor_is_const(t->producer->operands[0]));
}

/* Is the value a float32 view of integers, or constant? */
static bool has_integer_source(const Tensor *t) {
  return !t || tensor_is_const(t) || produced_by(t, OP_dequantize) || t->type.dtype != DT_F32;
}

static bool all_users_quantize(const Tensor *t) {
  for (int i = 0; i < t->n_uses; i++)
    if (t->uses[i].node->op != OP_quantize) return false;
  return t->n_uses > 0 && !t->is_output;
}

static const char *why_float(const PassCtx *ctx, const Node *n) {
  const char *known = ctx->float_reasons ? strmap_get(ctx->float_reasons, n->results[0]->name) : NULL;
  if (known) return known;
  QuantRule rule = op_info[n->op]->quant;
  if (rule == QUANT_FLOAT) return "it has no integer form";
  if (rule == QUANT_LINEAR && !is_weight(n->operands[1])) return "its weights are not constant";
  for (int i = 0; i < n->n_operands; i++)
    if (!has_integer_source(n->operands[i])) return "what it reads is not quantized";
  if (!all_users_quantize(n->results[0])) return "its result is not quantized";
  if (rule == QUANT_LINEAR) return "its weights are not quantized";
  return "the scales of its operands and its result allow no integer form";
}

/* Integers that are there because a custom operator takes or gives them, whatever the model is. */
static bool is_of_custom(const Tensor *t) {
  if (produced_by(t, OP_custom)) return true;
  for (int i = 0; i < t->n_uses; i++)
    if (t->uses[i].node->op != OP_custom) return false;
  return t->n_uses > 0;
}

/* Where nothing is quantized but weights, or operands at run time, float ops are what was asked for. */
static bool has_static_parts(const Graph *g) {
  for (int i = 0; i < g->n_inputs; i++)
    if (tensor_is_quantized(g->inputs[i])) return true;
  for (const Node *n = g->first; n; n = n->next) {
    if (n->op == OP_dequantize && !is_of_custom(n->operands[0])) return true;
    for (int i = 0; i < n->n_results; i++)
      if (tensor_is_quantized(n->results[i]) && !is_of_custom(n->results[i])) return true;
  }
  return false;
}

static bool has_small_weight(const Node *n) {
  for (int i = 1; i < n->n_operands; i++) {
    const Tensor *w = n->operands[i];
    if (w && tensor_is_const(w) && (tensor_is_quantized(w) || w->type.dtype == DT_F16)) return true;
  }
  return false;
}

static bool is_as_configured(const PassCtx *ctx, const Node *n) {
  const char *known = ctx->float_reasons ? strmap_get(ctx->float_reasons, n->results[0]->name) : NULL;
  return known && !strcmp(known, plan_as_configured);
}

static bool becomes_integer(const Tensor *t) {
  for (int i = 0; i < t->n_uses; i++)
    if (t->uses[i].node->op == OP_quantize) return true;
  return false;
}

/* Could the op be an integer op between integers? */
static bool has_integer_form(const Node *n) {
  QuantRule rule = op_info[n->op]->quant;
  return rule == QUANT_LINEAR || rule == QUANT_ARITH || rule == QUANT_POOL || rule == QUANT_UNARY ||
         rule == QUANT_FIRST;
}

/* What the configuration says stands in the graph, where it would not be plain without: that an op among
 * integers, or one whose result is quantized, is no integer op, that a layer's weights are small on purpose.
 */
static void mark_floats(const PassCtx *ctx, Graph *g) {
  bool mixed = has_static_parts(g);
  for (Node *n = g->first; n; n = n->next)
    n->in_float = node_is_float(n) && (n->in_float || is_as_configured(ctx, n)) &&
                  (becomes_integer(n->results[0]) || (mixed && has_integer_form(n)));
}

static void list_float_ops(PassCtx *ctx, const Graph *g) {
  for (const Node *n = g->first; n; n = n->next) {
    QuantRule rule = op_info[n->op]->quant;
    bool by_intent = n->in_float || n->op == OP_custom; /* whose annotation says float32 */
    if (!node_is_float(n) || by_intent || rule == QUANT_MOVE || rule == QUANT_CONCAT) continue;
    const char *why = why_float(ctx, n);
    if (!strcmp(why, plan_as_configured)) continue;
    diag_warning(ctx->diag, "float-op", node_loc(n), "%s '%s' %sis computed in float: %s",
                 op_info[n->op]->name, node_label(n),
                 has_small_weight(n) ? "keeps its 8-bit weights and " : "", why);
  }
}

/* "w.3" without its number, or NULL. */
static const char *without_number(Arena *a, const char *name) {
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name || !dot[1] || dot[1 + strspn(dot + 1, "0123456789")]) return NULL;
  return arena_strndup(a, name, (size_t)(dot - name));
}

/* A constant that took the place of another takes its name too: @w.3 is @w, where nothing uses the old @w. */
static void take_old_name(Graph *g, Tensor *t) {
  Tensor *old = NULL;
  for (const char *name = t->name; (name = without_number(g->arena, name));) {
    Tensor *named = graph_find(g, name);
    if (named && tensor_is_const(named) && !named->n_uses && !named->is_output) old = named;
  }
  if (old) tensor_swap_names(g, t, old);
}

void tidy_names(Graph *g) {
  for (Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_operands; i++)
      if (n->operands[i] && tensor_is_const(n->operands[i])) take_old_name(g, n->operands[i]);
}

/* A float op whose operand is a folded weight must be explained before dequantize nodes of constants fold
 * away. */
bool pass_cleanup(PassCtx *ctx, Graph *g) {
  graph_remove_dead(g);
  fold_constants(g, false);
  if (has_static_parts(g)) list_float_ops(ctx, g);
  fold_constants(g, true);
  graph_remove_dead(g);
  tidy_names(g);
  mark_floats(ctx, g);
  bool ok = true;
  for (const Node *n = g->first; n; n = n->next)
    if (!strcmp(lowering[n->op], "none"))
      ok = diag_error(ctx->diag, node_loc(n), "%s '%s' cannot be compiled in this place",
                      op_info[n->op]->name, node_label(n));
  return ok;
}
