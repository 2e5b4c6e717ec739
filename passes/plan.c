#include "passes/plan.h"

#include "passes/tables.h"

const char plan_as_configured[] = "the configuration says so";

TensorPlan *plan_of(const Plan *p, const Tensor *t) {
  return t && !tensor_is_const(t) ? strmap_get(p->tensors, t->name) : NULL;
}

bool plan_is_integer(const Plan *p, const Node *n) {
  const TensorPlan *t = plan_of(p, n->results[0]);
  return t && (t->kind == PLAN_INTEGER || t->kind == PLAN_TABLE);
}

bool plan_is_mover(const Node *n) {
  return op_info[n->op]->quant == QUANT_MOVE || op_info[n->op]->quant == QUANT_CONCAT;
}

/* --- by the configuration --- */

static bool is_q8(DType t) { return t == DT_U8 || t == DT_S8; }

/* Are the node's results to be integers, and its weights? */
static bool is_static(const Plan *p, const Node *n) {
  const QConfig *c = qconfig_of(p->qconfig, n, NULL);
  if (c->mode != QMODE_STATIC || !is_q8(c->activation.quant.dtype)) return false;
  return op_info[n->op]->quant != QUANT_LINEAR || is_q8(c->weight.quant.dtype);
}

static void add_tensor(Plan *p, const Tensor *t) {
  if (t->type.dtype != DT_F32) return;
  TensorPlan *plan = ARENA_NEW(p->arena, TensorPlan);
  if (t->producer && node_is_float(t->producer) && !is_static(p, t->producer))
    plan->reason = plan_as_configured;
  strmap_put(p->tensors, t->name, plan);
}

static void add_tensors(Plan *p) {
  for (int i = 0; i < p->graph->n_inputs; i++) add_tensor(p, p->graph->inputs[i]);
  for (const Node *n = p->graph->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) add_tensor(p, n->results[i]);
}

/* --- which nodes --- */

/* Do all nodes between `n` and the source may become integer? */
static bool steps_are_static(const Plan *p, const Node *n, const Tensor *source) {
  for (int i = 0; i < n->n_operands; i++) {
    const TensorPlan *t = plan_of(p, n->operands[i]);
    if (!t || n->operands[i] == source) continue;
    if (t->reason || !steps_are_static(p, n->operands[i]->producer, source)) return false;
  }
  return true;
}

/* The tensor of which the node's result is a function that may become a table, or NULL. */
static Tensor *table_source_of(const Plan *p, const Node *n) {
  Tensor *source = pointwise_source(n->results[0]);
  return source && plan_of(p, source) && steps_are_static(p, n, source) ? source : NULL;
}

/* Could the node be an integer op, whatever is around it? */
static bool has_integer_form(const Plan *p, const Node *n) {
  if (!node_is_float(n)) return false;
  const Tensor *bias = node_operand(n, 2);
  switch (op_info[n->op]->quant) {
  case QUANT_LINEAR:
    return is_const_f32(n->operands[1]) && (!bias || is_const_f32(bias)) && !tensor_is_const(n->operands[0]);
  case QUANT_FIRST:
    for (int i = 1; i < n->n_operands; i++)
      if (n->operands[i] && !is_const_f32(n->operands[i])) return false;
    return !tensor_is_const(n->operands[0]);
  case QUANT_MOVE:
  case QUANT_POOL:
  case QUANT_UNARY:
    return !tensor_is_const(n->operands[0]);
  case QUANT_CONCAT:
  case QUANT_ARITH:
    return true;
  default:
    return table_source_of(p, n) != NULL; /* x / constant is a table */
  }
}

/* A layer always is an integer op. Others are where a value comes from integers, or goes to them; what lies
 * among float ops (behind a softmax, say) stays in float. Values are moved as integers only next to an
 * integer op. */
static bool becomes_integer(const Plan *p, const Node *n) {
  if (op_info[n->op]->quant == QUANT_LINEAR) return true;
  for (int i = 0; i < n->n_operands; i++) {
    const TensorPlan *x = plan_of(p, n->operands[i]);
    if (x && (x->kind != PLAN_FLOAT || (n->operands[i]->is_input && !plan_is_mover(n)))) return true;
  }
  for (int k = 0; k < n->n_results; k++)
    for (int i = 0; i < n->results[k]->n_uses; i++)
      if (plan_is_integer(p, n->results[k]->uses[i].node)) return true;
  return false;
}

static bool choose_node(Plan *p, const Node *n) {
  TensorPlan *t = plan_of(p, n->results[0]);
  if (!t || t->reason || t->kind != PLAN_FLOAT || !has_integer_form(p, n) || !becomes_integer(p, n))
    return false;
  t->kind = PLAN_INTEGER;
  return true;
}

static void choose_nodes(Plan *p) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Node *n = p->graph->first; n; n = n->next) changed |= choose_node(p, n);
    for (const Node *n = p->graph->last; n; n = n->prev) changed |= choose_node(p, n);
  }
}

const char *plan_why_float(const Plan *p, const Node *n) {
  const TensorPlan *t = plan_of(p, n->results[0]);
  if (!t) return "its values are no float32";
  if (t->kind != PLAN_FLOAT || !node_is_float(n)) return NULL;
  if (t->reason) return t->reason;
  if (has_integer_form(p, n)) return "no integer op is beside it";
  return op_info[n->op]->quant == QUANT_LINEAR ? "its weights are not constant" : "it has no integer form";
}

/* --- tables --- */

static void absorb_steps(Plan *p, const Node *n, const Tensor *source) {
  for (int i = 0; i < n->n_operands; i++) {
    TensorPlan *t = plan_of(p, n->operands[i]);
    if (!t || n->operands[i] == source) continue;
    t->kind = PLAN_STEP;
    absorb_steps(p, n->operands[i]->producer, source);
  }
}

/* Functions of one tensor, such as x * sigmoid(x), become tables as a whole: nothing is rounded in between.
 * A single unary op is one already. */
static void choose_tables(Plan *p) {
  for (const Node *n = p->graph->last; n; n = n->prev) {
    TensorPlan *t = plan_of(p, n->results[0]);
    if (!t || t->kind != PLAN_INTEGER) continue;
    Tensor *source = table_source_of(p, n);
    if (!source) continue;
    if (op_info[n->op]->quant == QUANT_UNARY && n->operands[0] == source) continue;
    t->kind = PLAN_TABLE;
    t->source = source->name;
    absorb_steps(p, n, source);
  }
}

bool plan_group_observes(const PlanGroup *group) {
  return !group->fixed && !group->of && group->spec.observer->needs_data;
}

bool plan_needs_data(const Plan *p) {
  for (int i = 0; i < p->n_groups; i++)
    if (plan_group_observes(p->groups[i])) return true;
  return false;
}

bool plan_make(Diag *d, Arena *a, const Graph *g, const QConfigSet *set, Plan **plan) {
  Plan *p = *plan = ARENA_NEW(a, Plan);
  *p = (Plan){.arena = a, .graph = g, .qconfig = set, .tensors = strmap_new(a)};
  add_tensors(p);
  if (!set->torch_sharing) plan_keep_float(p);
  choose_nodes(p);
  choose_tables(p);
  return plan_form_groups(d, p);
}
