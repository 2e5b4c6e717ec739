/* qcc's own preset for float models: u8 activations with one scale and zero point per tensor, s8 weights per
 * output channel, s32 biases. Three steps: which nodes become integer ops; which tensors share parameters,
 * and what these are; then the rewrite, with quantize and dequantize where integers and float meet. */
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/choose.h"
#include "passes/ranges.h"
#include "passes/tables.h"

bool pass_quantize(PassCtx *ctx, Graph *g);

/* What is decided about a tensor that is no constant. Tensors that share parameters form a group, a tree
 * through `parent`; range and parameters are the root's. */
typedef struct Plan {
  struct Plan *parent; /* itself at the root */
  bool integer;        /* the node that makes it becomes an integer op */
  bool absorbed;       /* a step within a function of one tensor, which becomes a table as a whole */
  bool is_u8;          /* an integer op makes it or reads it */
  const char *source;  /* integer functions of one tensor: its name; NULL: an op on its operands */
  float lo, hi;
  const OpInfo *fixed; /* the op whose fixed parameters all sources of the group have; NULL: by range */
  bool any_source;
  const Quant *quant;              /* root only */
  Tensor *quantized, *dequantized; /* the conversion's result, where there is one */
} Plan;

typedef struct {
  PassCtx *ctx;
  Graph *graph;
  Arena *tmp;
  StrMap *plans; /* by tensor name; names do not change before the rewrite */
} Quantizer;

static Plan *plan_of(const Quantizer *q, const Tensor *t) {
  return t && !tensor_is_const(t) ? strmap_get(q->plans, t->name) : NULL;
}

static Plan *root_of(Plan *p) {
  while (p->parent != p) p = p->parent = p->parent->parent;
  return p;
}

/* --- 1. which nodes --- */

/* Could the node be an integer op, whatever is around it? */
static bool has_integer_form(const Node *n) {
  if (!node_is_float(n)) return false;
  const Tensor *bias = node_operand(n, 2);
  switch (op_info[n->op]->quant) {
  case QUANT_LINEAR:
    return is_const_f32(n->operands[1]) && (!bias || is_const_f32(bias)) && !tensor_is_const(n->operands[0]);
  case QUANT_MOVE:
  case QUANT_POOL:
  case QUANT_UNARY:
    return !tensor_is_const(n->operands[0]);
  case QUANT_CONCAT:
  case QUANT_ARITH:
    return true;
  default:
    return pointwise_source(n->results[0]) != NULL; /* x / constant is a table */
  }
}

static bool is_mover(const Node *n) {
  return op_info[n->op]->quant == QUANT_MOVE || op_info[n->op]->quant == QUANT_CONCAT;
}

/* A layer always is an integer op. Others are where a value comes from integers, or goes to them; what lies
 * among float ops (behind a softmax, say) stays in float. Values are moved as integers only next to an
 * integer op. */
static bool becomes_integer(const Quantizer *q, const Node *n) {
  if (op_info[n->op]->quant == QUANT_LINEAR) return true;
  for (int i = 0; i < n->n_operands; i++) {
    const Plan *p = plan_of(q, n->operands[i]);
    if (p && (p->integer || (n->operands[i]->is_input && !is_mover(n)))) return true;
  }
  const Tensor *r = n->results[0];
  for (int i = 0; i < r->n_uses; i++) {
    const Plan *p = plan_of(q, r->uses[i].node->results[0]);
    if (p && p->integer) return true;
  }
  return false;
}

static bool choose_node(Quantizer *q, const Node *n) {
  Plan *p = plan_of(q, n->results[0]);
  if (!p || p->integer || !has_integer_form(n) || !becomes_integer(q, n)) return false;
  return p->integer = true;
}

static void choose_nodes(Quantizer *q) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Node *n = q->graph->first; n; n = n->next) changed |= choose_node(q, n);
    for (const Node *n = q->graph->last; n; n = n->prev) changed |= choose_node(q, n);
  }
}

/* All that lies between the node and the source. */
static void absorb_between(Quantizer *q, const Node *n, const Tensor *source) {
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    Plan *p = plan_of(q, t);
    if (!p || t == source) continue;
    p->absorbed = true;
    p->integer = false;
    absorb_between(q, t->producer, source);
  }
}

/* Functions of one tensor, such as x * sigmoid(x), become tables as a whole: nothing is rounded in between.
 */
static void choose_tables(Quantizer *q) {
  for (const Node *n = q->graph->last; n; n = n->prev) {
    Plan *p = plan_of(q, n->results[0]);
    if (!p || !p->integer) continue;
    Tensor *source = pointwise_source(n->results[0]);
    if (!source || !plan_of(q, source)) continue;
    if (op_info[n->op]->quant == QUANT_UNARY && n->operands[0] == source) continue; /* is one already */
    p->source = source->name; /* the tensor itself may be replaced by then */
    absorb_between(q, n, source);
  }
}

static void mark_u8(Quantizer *q) {
  for (const Node *n = q->graph->first; n; n = n->next) {
    Plan *p = plan_of(q, n->results[0]), *x;
    if (!p || !p->integer) continue;
    p->is_u8 = true;
    if (p->source) plan_of(q, graph_find(q->graph, p->source))->is_u8 = true;
    for (int i = 0; i < n->n_operands && !p->source; i++)
      if ((x = plan_of(q, n->operands[i]))) x->is_u8 = true;
  }
}

/* --- 2. parameters --- */

static bool add_plan(Quantizer *q, const Tensor *t) {
  if (t->type.dtype != DT_F32) return true;
  const Range *r = ranges_get(q->ctx->ranges, t->name);
  if (!r)
    return diag_error(q->ctx->diag, t->producer ? node_loc(t->producer) : t->loc,
                      "calibration: tensor '%s' has no values", t->name);
  Plan *p = ARENA_NEW(q->tmp, Plan);
  *p = (Plan){.parent = p, .lo = r->lo, .hi = r->hi};
  strmap_put(q->plans, t->name, p);
  return true;
}

/* Notes the parameters that a tensor's own op would fix. */
static void note_source(const Quantizer *q, const Tensor *t) {
  Plan *p = plan_of(q, t);
  if (!p || (t->producer && p->integer && is_mover(t->producer))) return;
  const OpInfo *op = t->producer ? op_info[t->producer->op] : NULL;
  p->any_source = true;
  p->fixed = op && op->fixed_scale > 0 ? op : NULL;
}

static void join(Plan *a, Plan *b) {
  a = root_of(a);
  b = root_of(b);
  if (a == b) return;
  b->parent = a;
  a->lo = fminf(a->lo, b->lo);
  a->hi = fmaxf(a->hi, b->hi);
  bool same = a->fixed && b->fixed && a->fixed->fixed_scale == b->fixed->fixed_scale &&
              a->fixed->fixed_zero == b->fixed->fixed_zero;
  if (b->any_source && a->any_source && !same)
    a->fixed = NULL;
  else if (b->any_source && !a->any_source)
    a->fixed = b->fixed;
  a->any_source |= b->any_source;
}

/* A constant that is concatenated or filled in must lie in the group's range. */
static bool cover_constant(Quantizer *q, Plan *group, const Node *n, const Tensor *t) {
  float lo, hi;
  int64_t count = shape_count(&t->type.shape);
  if (count < 1) return true;
  if (!finite_range(t->data, count, &lo, &hi))
    return diag_error(q->ctx->diag, node_loc(n), "the constant '%s' holds values that are not finite numbers",
                      t->name);
  Plan *p = root_of(group);
  p->lo = fminf(p->lo, lo);
  p->hi = fmaxf(p->hi, hi);
  p->fixed = NULL;
  return true;
}

static bool form_groups(Quantizer *q) {
  for (int i = 0; i < q->graph->n_inputs; i++) note_source(q, q->graph->inputs[i]);
  for (const Node *n = q->graph->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) note_source(q, n->results[i]);
  for (const Node *n = q->graph->first; n; n = n->next) {
    Plan *r = plan_of(q, n->results[0]);
    if (!r || !r->integer || !is_mover(n)) continue;
    for (int i = 0; i < n->n_operands; i++) {
      Plan *x = plan_of(q, n->operands[i]);
      if (x)
        join(x, r);
      else if (!cover_constant(q, r, n, n->operands[i]))
        return false;
    }
  }
  return true;
}

static bool choose_group(Quantizer *q, Plan *p, const Tensor *t) {
  if (p->quant) return true;
  float scale;
  int32_t zero;
  if (p->fixed) {
    p->quant = quant_per_tensor(q->graph->arena, p->fixed->fixed_scale, p->fixed->fixed_zero);
    return true;
  }
  if (p->lo == 0 && p->hi == 0) return true; /* nothing but zeros: see zeros_like_neighbours */
  if (!choose_u8(p->lo, p->hi, &scale, &zero))
    return diag_error(q->ctx->diag, t->producer ? node_loc(t->producer) : t->loc,
                      "tensor '%s' cannot be quantized: its range, %g to %g, is too small", t->name,
                      (double)p->lo, (double)p->hi);
  p->quant = quant_per_tensor(q->graph->arena, scale, zero);
  return true;
}

static bool take_quant(Quantizer *q, Plan *to, const Plan *from) {
  if (to->quant || !from->quant) return false;
  to->quant = quant_per_tensor(q->graph->arena, from->quant->scale[0], 0);
  return true;
}

/* A tensor that was zero in every sample may have any scale. That of a neighbour, of a user first, keeps all
 * multipliers in reach. */
static bool zeros_like_neighbours(Quantizer *q) {
  bool changed = false;
  for (const Node *n = q->graph->last; n; n = n->prev) {
    Plan *r = plan_of(q, n->results[0]);
    for (int i = 0; r && r->integer && i < n->n_operands; i++) {
      Plan *x = plan_of(q, n->operands[i]);
      if (x) changed |= take_quant(q, root_of(x), root_of(r));
    }
  }
  for (const Node *n = q->graph->first; n; n = n->next) {
    Plan *r = plan_of(q, n->results[0]);
    for (int i = 0; r && r->integer && i < n->n_operands; i++) {
      Plan *x = plan_of(q, n->operands[i]);
      if (x) changed |= take_quant(q, root_of(r), root_of(x));
    }
  }
  return changed;
}

static bool for_each_plan(Quantizer *q, bool (*fn)(Quantizer *, Plan *, const Tensor *)) {
  for (int i = 0; i < q->graph->n_inputs; i++) {
    Plan *p = plan_of(q, q->graph->inputs[i]);
    if (p && !fn(q, root_of(p), q->graph->inputs[i])) return false;
  }
  for (const Node *n = q->graph->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) {
      Plan *p = plan_of(q, n->results[i]);
      if (p && !fn(q, root_of(p), n->results[i])) return false;
    }
  return true;
}

static bool choose_zeros(Quantizer *q, Plan *p, const Tensor *t) {
  (void)t;
  if (!p->quant) p->quant = quant_per_tensor(q->graph->arena, 1, 0);
  return true;
}

static const Quant *quant_of(const Quantizer *q, const Tensor *t) { return root_of(plan_of(q, t))->quant; }

static bool choose_needed(Quantizer *q, Plan *p, const Tensor *t) {
  return !plan_of(q, t)->is_u8 || choose_group(q, p, t);
}

/* --- 3. rewrite --- */

static Type type_u8(Shape shape, const Quant *quant) { return (Type){DT_U8, shape, quant}; }

/* The u8 form of an operand that is no constant: itself where an integer op made it, else behind a quantize.
 */
static Tensor *as_integer(Quantizer *q, Tensor *x) {
  Plan *p = plan_of(q, x);
  if (tensor_is_quantized(x)) return x;
  if (p->quantized) return p->quantized;
  Node *before = x->producer ? x->producer->next : q->graph->first;
  Node *n = graph_node1(q->graph, OP_quantize, &x, 1, arena_printf(q->graph->arena, "%s.q", x->name),
                        x->producer ? node_loc(x->producer) : x->loc, before);
  n->results[0]->type = type_u8(x->type.shape, root_of(p)->quant);
  node_must_infer(q->ctx, n);
  return p->quantized = n->results[0];
}

static Tensor *as_float(Quantizer *q, Tensor *x) {
  Plan *p = plan_of(q, x);
  if (!p || !tensor_is_quantized(x)) return x;
  if (p->dequantized) return p->dequantized;
  /* An output's name goes to the float32 tensor at the end. */
  const char *name = arena_printf(q->graph->arena, x->is_output ? "%s.q" : "%s.f", x->name);
  Node *n = graph_node1(q->graph, OP_dequantize, &x, 1, name, node_loc(x->producer), x->producer->next);
  node_must_infer(q->ctx, n);
  return p->dequantized = n->results[0];
}

/* A constant operand: u8 with the group's parameters in a concat, else by its own range. */
static const Quant *constant_quant(Quantizer *q, const Node *n, const Tensor *t) {
  if (is_mover(n)) return quant_of(q, n->results[0]);
  float lo = 0, hi = 0, scale;
  int32_t zero;
  int64_t count = shape_count(&t->type.shape);
  if (count > 0 && !finite_range(t->data, count, &lo, &hi)) return NULL;
  if (lo == 0 && hi == 0) return quant_per_tensor(q->graph->arena, quant_of(q, n->results[0])->scale[0], 0);
  return choose_u8(lo, hi, &scale, &zero) ? quant_per_tensor(q->graph->arena, scale, zero) : NULL;
}

static const Quant *operand_quant(Quantizer *q, const Node *n, int i) {
  const Tensor *t = n->operands[i];
  return tensor_is_const(t) ? constant_quant(q, n, t) : quant_of(q, t);
}

/* The rules that a node's parameters must obey; where they do not, it stays in float. */
static bool parameters_fit(Quantizer *q, const Node *n) {
  if (op_info[n->op]->quant != QUANT_ARITH || plan_of(q, n->results[0])->source) return true;
  const Quant *a = operand_quant(q, n, 0), *b = operand_quant(q, n, 1), *r = quant_of(q, n->results[0]);
  float m;
  FixedAdd f;
  if (!a || !b) return false;
  if (n->op == OP_mul) return requant_multiplier(a->scale[0], b->scale[0], r->scale[0], &m);
  return fixed_add_derive(a->scale[0], b->scale[0], r->scale[0], n->op == OP_sub, &f);
}

static bool quantize_layer(Quantizer *q, Node *n) {
  Tensor *x = n->operands[0], *r = n->results[0], *bias = node_operand(n, 2);
  const Quant *qx = quant_of(q, x), *qr = quant_of(q, r);
  Arena *a = q->graph->arena;
  LinearWeights w;
  if (!quantize_weights(q->ctx->diag, a, n, qx->scale[0], qx->zero[0], qr->scale[0], &w)) return false;
  int64_t oc = n->operands[1]->type.shape.dim[0];
  int32_t *zeros = ARENA_NEW_ARRAY(a, int32_t, (size_t)oc);
  Type wt = {DT_S8, n->operands[1]->type.shape, quant_new(a, 0, oc, w.weight_scale, zeros)};
  if (bias) {
    Type bt = {DT_S32, bias->type.shape, NULL};
    float *scale = ARENA_NEW_ARRAY(a, float, (size_t)oc);
    bool valid = true;
    for (int64_t c = 0; c < oc; c++) {
      scale[c] = qx->scale[0] * w.weight_scale[c];
      valid &= scale_is_valid(scale[c]);
    }
    if (valid) bt.quant = quant_new(a, 0, oc, scale, zeros);
    set_const_operand(n, 2, bt, w.bias);
  }
  set_const_operand(n, 1, wt, w.weight);
  node_set_operand(n, 0, as_integer(q, x));
  return true;
}

static void quantize_operands(Quantizer *q, Node *n) {
  for (int i = 0; i < n->n_operands; i++) {
    Tensor *t = n->operands[i];
    if (!t) continue;
    if (!tensor_is_const(t)) {
      node_set_operand(n, i, as_integer(q, t));
      continue;
    }
    const Quant *quant = constant_quant(q, n, t);
    int64_t count = shape_count(&t->type.shape);
    const uint8_t *data = quantize_u8(q->graph->arena, t->data, count, quant->scale[0], quant->zero[0]);
    set_const_operand(n, i, type_u8(t->type.shape, quant), data);
  }
}

static bool quantize_node(Quantizer *q, Node *n) {
  Tensor *r = n->results[0];
  const char *source_name = plan_of(q, r)->source;
  Type type = type_u8(r->type.shape, quant_of(q, r));
  if (source_name) {
    int32_t table[256];
    Tensor *source = graph_find(q->graph, source_name);
    Tensor *u8 = as_integer(q, source);
    table_of(r, source, &u8->type, &type, table);
    become_lut(q->ctx, n, u8, &type, table); /* the result takes over the name, and so the plan */
    return true;
  }
  if (op_info[n->op]->quant == QUANT_LINEAR) {
    if (!quantize_layer(q, n)) return false;
  } else {
    quantize_operands(q, n);
  }
  r->type = type;
  return node_infer(q->ctx->diag, n);
}

static bool rewrite(Quantizer *q) {
  bool ok = true;
  GRAPH_FOREACH_NODE(q->graph, n) {
    const Plan *p = plan_of(q, n->results[0]);
    if (op_info[n->op]->quant == QUANT_CONVERT || (p && p->absorbed)) continue; /* ours; part of a table */
    if (p && p->integer)
      ok &= quantize_node(q, n);
    else
      for (int i = 0; i < n->n_operands; i++)
        if (n->operands[i]) node_set_operand(n, i, as_float(q, n->operands[i]));
  }
  for (int i = 0; ok && i < q->graph->n_outputs; i++) {
    Tensor *t = q->graph->outputs[i], *f = as_float(q, t);
    if (f == t) continue;
    for (int k = i; k < q->graph->n_outputs; k++)
      if (q->graph->outputs[k] == t) graph_replace_output(q->graph, k, f);
    tensor_swap_names(q->graph, t, f);
  }
  return ok;
}

static bool quantize(Quantizer *q) {
  Graph *g = q->graph;
  for (int i = 0; i < g->n_inputs; i++)
    if (!add_plan(q, g->inputs[i])) return false;
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++)
      if (!add_plan(q, n->results[i])) return false;
  choose_nodes(q);
  choose_tables(q);
  mark_u8(q);
  if (!form_groups(q) || !for_each_plan(q, choose_needed)) return false;
  while (zeros_like_neighbours(q)) continue;
  for_each_plan(q, choose_zeros);
  for (const Node *n = g->first; n; n = n->next) {
    Plan *p = plan_of(q, n->results[0]);
    if (!p || !p->integer || parameters_fit(q, n)) continue;
    p->integer = false;
    if (!q->ctx->float_reasons) q->ctx->float_reasons = strmap_new(q->ctx->arena);
    char *reason =
        arena_strdup(q->ctx->arena, "the scales of its operands and its result allow no integer form");
    strmap_put(q->ctx->float_reasons, n->results[0]->name, reason);
  }
  bool ok = rewrite(q);
  graph_remove_dead(g); /* what tables have absorbed */
  return ok;
}

bool pass_quantize(PassCtx *ctx, Graph *g) {
  if (!is_to_be_quantized(ctx, g)) return true;
  if (!ctx->ranges) return diag_error(ctx->diag, (SrcLoc){0}, "quantize: the pass observe has not run");
  Quantizer q = {.ctx = ctx, .graph = g, .tmp = arena_new()};
  q.plans = strmap_new(q.tmp);
  bool ok = quantize(&q);
  arena_free(q.tmp);
  return ok;
}
