/* Rewrites a calibrated float graph by its plan: integer ops, tables, integer weights and biases, and
 * quantize and dequantize nodes where integers and float32 meet, one of each per tensor. */
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/constant.h"
#include "passes/plan.h"
#include "passes/tables.h"
#include "passes/tuning.h"
#include "passes/weights.h"

bool pass_quantize(PassCtx *ctx, Graph *g);

typedef struct {
  PassCtx *ctx;
  Graph *graph;
  Plan *plan;
  StrMap *quantized, *dequantized; /* the conversions that there are, by the tensor's name */
} Quantizer;

static Type type_of(const Quantizer *q, const Tensor *t) {
  const PlanGroup *g = plan_of(q->plan, t)->group;
  return (Type){g->spec.quant.dtype, t->type.shape, g->quant};
}

static const Quant *quant_of(const Quantizer *q, const Tensor *t) {
  return plan_of(q->plan, t)->group->quant;
}

/* --- tensors of nothing but zeros --- */

static PlanGroup *group_of(const Quantizer *q, const Tensor *t) {
  TensorPlan *p = plan_of(q->plan, t);
  return p ? p->group : NULL;
}

/* A scale of 0 is real zero's own zero point: the least value of u8, 0 of s8. */
static bool take_scale(Quantizer *q, PlanGroup *to, const PlanGroup *from) {
  if (!to || !from || to->quant || !from->quant) return false;
  to->quant = quant_per_tensor(q->graph->arena, from->quant->scale[0], 0);
  return true;
}

/* Such tensors may have any scale. That of a neighbour, of a user first, keeps all multipliers in reach. */
static bool zeros_like_neighbours(Quantizer *q) {
  bool changed = false;
  for (const Node *n = q->graph->last; n; n = n->prev)
    for (int i = 0; plan_is_integer(q->plan, n) && i < n->n_operands; i++)
      changed |= take_scale(q, group_of(q, n->operands[i]), group_of(q, n->results[0]));
  for (const Node *n = q->graph->first; n; n = n->next)
    for (int i = 0; plan_is_integer(q->plan, n) && i < n->n_operands; i++)
      changed |= take_scale(q, group_of(q, n->results[0]), group_of(q, n->operands[i]));
  return changed;
}

static void settle_zeros(Quantizer *q) {
  while (zeros_like_neighbours(q)) continue;
  for (int i = 0; i < q->plan->n_groups; i++) {
    PlanGroup *g = q->plan->groups[i];
    if (!g->quant) g->quant = quant_per_tensor(q->graph->arena, 1, 0);
  }
}

/* --- constants --- */

/* The type of a constant operand: the result's in a concat, else by its own range. False where that has no
 * scale. */
static bool constant_type(Quantizer *q, const Node *n, const Tensor *t, Type *type) {
  const PlanGroup *r = plan_of(q->plan, n->results[0])->group;
  *type = (Type){r->spec.quant.dtype, t->type.shape, r->quant};
  if (plan_is_mover(n)) return true;
  float lo = 0, hi = 0, scale;
  int32_t zero = 0;
  int64_t count = shape_count(&t->type.shape);
  if (count > 0 && !finite_range(t->data, count, &lo, &hi)) return false;
  if (lo == 0 && hi == 0)
    scale = r->quant->scale[0];
  else if (!qspec_params(&r->spec.quant, lo, hi, &scale, &zero))
    return false;
  type->quant = quant_per_tensor(q->graph->arena, scale, zero);
  return true;
}

static bool operand_type(Quantizer *q, const Node *n, int i, Type *type) {
  const Tensor *t = n->operands[i];
  if (tensor_is_const(t)) return constant_type(q, n, t, type);
  *type = type_of(q, t);
  return true;
}

/* --- what cannot be integer after all --- */

/* The rules that a node's parameters must obey. */
static bool parameters_fit(Quantizer *q, const Node *n) {
  Type a, b;
  float m;
  FixedAdd f;
  if (op_info[n->op]->quant != QUANT_ARITH || plan_of(q->plan, n->results[0])->kind == PLAN_TABLE)
    return true;
  if (!operand_type(q, n, 0, &a) || !operand_type(q, n, 1, &b)) return false;
  float s_a = a.quant->scale[0], s_b = b.quant->scale[0], s_out = quant_of(q, n->results[0])->scale[0];
  if (n->op == OP_mul || n->op == OP_matmul) return requant_multiplier(s_a, s_b, s_out, &m);
  return fixed_add_derive(s_a, s_b, s_out, n->op == OP_sub, &f);
}

static void note_reason(PassCtx *ctx, const Node *n, const char *reason) {
  if (!ctx->float_reasons) ctx->float_reasons = strmap_new(ctx->arena);
  strmap_put(ctx->float_reasons, n->results[0]->name, arena_strdup(ctx->arena, reason));
}

static void settle_floats(Quantizer *q) {
  static const char no_form[] = "the scales of its operands and its result allow no integer form";
  for (const Node *n = q->graph->first; n; n = n->next) {
    TensorPlan *p = plan_of(q->plan, n->results[0]);
    if (!p) continue;
    if (plan_is_integer(q->plan, n) && !parameters_fit(q, n)) {
      p->kind = PLAN_FLOAT;
      note_reason(q->ctx, n, no_form);
    } else if (p->kind == PLAN_FLOAT && p->reason) {
      note_reason(q->ctx, n, p->listed ? p->reason : plan_as_configured);
    }
  }
}

/* --- the rewrite --- */

/* The integer form of an operand that is no constant: itself where an integer op made it, else behind a
 * quantize. */
static Tensor *as_integer(Quantizer *q, Tensor *x) {
  if (tensor_is_quantized(x)) return x;
  Tensor *known = strmap_get(q->quantized, x->name);
  if (known) return known;
  Node *before = x->producer ? x->producer->next : q->graph->first;
  Node *n = graph_node1(q->graph, OP_quantize, &x, 1, arena_printf(q->graph->arena, "%s.q", x->name),
                        x->producer ? node_loc(x->producer) : x->loc, before);
  n->results[0]->type = type_of(q, x);
  node_must_infer(q->ctx, n);
  strmap_put(q->quantized, x->name, n->results[0]);
  return n->results[0];
}

static Tensor *as_float(Quantizer *q, Tensor *x) {
  if (!plan_of(q->plan, x) || !tensor_is_quantized(x)) return x;
  Tensor *known = strmap_get(q->dequantized, x->name);
  if (known) return known;
  /* An output's name goes to the float32 tensor at the end. */
  const char *name = arena_printf(q->graph->arena, x->is_output ? "%s.q" : "%s.f", x->name);
  Node *n = graph_node1(q->graph, OP_dequantize, &x, 1, name, node_loc(x->producer), x->producer->next);
  node_must_infer(q->ctx, n);
  strmap_put(q->dequantized, x->name, n->results[0]);
  return n->results[0];
}

static bool quantize_layer(Quantizer *q, Node *n) {
  const ObserverSpec *spec = &qconfig_of(q->plan->qconfig, n, NULL)->weight;
  Type x = type_of(q, n->operands[0]), y = n->results[0]->type;
  if (group_of(q, n->results[0])) y = type_of(q, n->results[0]);
  LayerConstants c;
  if (!layer_constants(q->ctx->diag, q->graph->arena, n, spec, &x, &y, &c)) return false;
  plan_add_layer(q->plan, n);
  if (c.bias) set_const_operand(n, 2, c.bias_type, c.bias);
  set_const_operand(n, 1, c.weight_type, c.weight);
  node_set_operand(n, 0, as_integer(q, n->operands[0]));
  return true;
}

static void quantize_operands(Quantizer *q, Node *n) {
  int count_operands = op_info[n->op]->quant == QUANT_FIRST ? 1 : n->n_operands;
  for (int i = 0; i < count_operands; i++) {
    Tensor *t = n->operands[i];
    Type type;
    if (!t) continue;
    if (!tensor_is_const(t)) {
      node_set_operand(n, i, as_integer(q, t));
    } else if (constant_type(q, n, t, &type)) {
      int64_t count = shape_count(&t->type.shape);
      set_const_operand(n, i, type,
                        quantize_constant(q->graph->arena, type.dtype, t->data, count, type.quant->scale[0],
                                          type.quant->zero[0]));
    }
  }
}

/* The result takes over the name, and so the plan. */
static void quantize_table(Quantizer *q, Node *n, const TensorPlan *p) {
  Tensor *source = graph_find(q->graph, p->source), *x = as_integer(q, source);
  int32_t table[256];
  float values[256];
  if (p->float_result) {
    float_table_of(n->results[0], source, &x->type, values);
    become_float_lut(q->ctx, n, x, values);
    return;
  }
  Type type = type_of(q, n->results[0]);
  table_of(n->results[0], source, &x->type, &type, table);
  become_lut(q->ctx, n, x, &type, table);
}

static bool quantize_node(Quantizer *q, Node *n) {
  const TensorPlan *p = plan_of(q->plan, n->results[0]);
  if (p->kind == PLAN_TABLE) {
    quantize_table(q, n, p);
    return true;
  }
  if (op_info[n->op]->quant != QUANT_LINEAR)
    quantize_operands(q, n);
  else if (!quantize_layer(q, n))
    return false;
  for (int i = 0; i < n->n_results; i++)
    if (group_of(q, n->results[i])) n->results[i]->type = type_of(q, n->results[i]);
  return node_infer(q->ctx->diag, n);
}

static void dequantize_outputs(Quantizer *q) {
  for (int i = 0; i < q->graph->n_outputs; i++) {
    Tensor *t = q->graph->outputs[i], *f = as_float(q, t);
    if (f == t) continue;
    for (int k = i; k < q->graph->n_outputs; k++)
      if (q->graph->outputs[k] == t) graph_replace_output(q->graph, k, f);
    tensor_swap_names(q->graph, t, f);
  }
}

static bool rewrite(Quantizer *q) {
  bool ok = true;
  GRAPH_FOREACH_NODE(q->graph, n) {
    const TensorPlan *p = plan_of(q->plan, n->results[0]);
    if (op_info[n->op]->quant == QUANT_CONVERT || (p && p->kind == PLAN_STEP))
      continue; /* ours; in a table */
    if (plan_is_integer(q->plan, n))
      ok &= quantize_node(q, n);
    else
      for (int i = 0; i < n->n_operands; i++)
        if (n->operands[i]) node_set_operand(n, i, as_float(q, n->operands[i]));
  }
  if (ok) dequantize_outputs(q);
  graph_remove_dead(q->graph); /* what tables have absorbed */
  return ok;
}

bool pass_quantize(PassCtx *ctx, Graph *g) {
  if (!is_to_be_quantized(ctx, g)) return true;
  if (!ctx->plan) return diag_error(ctx->diag, (SrcLoc){0}, "quantize: the pass observe has not run");
  Arena *tmp = arena_new();
  Quantizer q = {ctx, g, ctx->plan, strmap_new(tmp), strmap_new(tmp)};
  if (is_to_be_tuned(ctx, g)) {
    ctx->plan->reference = graph_clone(ctx->arena, g);
    ctx->plan->layers = ARENA_NEW_ARRAY(ctx->arena, PlanLayer, (size_t)g->n_nodes);
  }
  settle_zeros(&q);
  settle_floats(&q);
  bool ok = rewrite(&q);
  arena_free(tmp);
  return ok;
}
