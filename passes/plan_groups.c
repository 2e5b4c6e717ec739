/* Which tensors share their parameters, and whose values the observers see. Two manners:
 *
 * Ours. What moves values shares with its operand, concat with all of its operands. An observer sees values
 * where they are made, each once.
 *
 * PyTorch's (torch_sharing; torch/ao/quantization/fx/prepare.py of 1.13). Every tensor has an observer. An op
 * that shares has its operand's; a concat puts its first operand's in the place of those of its other
 * operands and of its result. An observer sees all tensors that have it, also where values are only moved
 * (but not what is one tensor there and two here: plan_is_view). In the integer graph an op that shares has
 * the parameters that its operand really has, whatever its own observer saw. */
#include <float.h>
#include <math.h>

#include "passes/constant.h"
#include "passes/plan.h"

/* --- tensors that have an integer form --- */

static void mark_tensor(const Plan *p, const Tensor *t) {
  TensorPlan *plan = plan_of(p, t);
  if (plan) plan->quantized = true;
}

static void mark_quantized(const Plan *p) {
  for (const Node *n = p->graph->first; n; n = n->next) {
    if (!plan_is_integer(p, n)) continue;
    const TensorPlan *t = plan_of(p, n->results[0]);
    for (int i = 0; i < n->n_results && !t->float_result; i++) mark_tensor(p, n->results[i]);
    if (t->kind == PLAN_TABLE) mark_tensor(p, graph_find(p->graph, t->source));
    for (int i = 0; t->kind == PLAN_INTEGER && i < n->n_operands; i++) mark_tensor(p, n->operands[i]);
  }
}

/* --- groups --- */

static bool is_q8_spec(const ObserverSpec *s) { return s->quant.dtype == DT_U8 || s->quant.dtype == DT_S8; }

static bool reads(const Plan *p, const Node *n, const Tensor *t) {
  const TensorPlan *r = plan_of(p, n->results[0]);
  if (r->kind == PLAN_TABLE) return graph_find(p->graph, r->source) == t;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] == t) return true;
  return false;
}

static const QConfig *config_of(const Plan *p, const Tensor *t, const QRule **rule) {
  return t->producer ? qconfig_of(p->qconfig, t->producer, rule) : qconfig_of_input(p->qconfig, t, rule);
}

/* By the configuration of the node that makes the tensor; where that leaves it in float, of the first integer
 * op that reads it. */
static const ObserverSpec *spec_of(const Plan *p, const Tensor *t) {
  const QConfig *c = config_of(p, t, NULL);
  if (c->mode == QMODE_STATIC && is_q8_spec(&c->activation)) return &c->activation;
  for (const Node *n = p->graph->first; n; n = n->next)
    if (plan_is_integer(p, n) && reads(p, n, t)) return &qconfig_of(p->qconfig, n, NULL)->activation;
  return &c->activation; /* no integer op reads it, and so it has no integer form */
}

static PlanGroup *new_group(Plan *p, const Tensor *t) {
  if (p->n_groups == p->cap_groups) {
    p->cap_groups = p->cap_groups ? 2 * p->cap_groups : 16;
    PlanGroup **more = ARENA_NEW_ARRAY(p->arena, PlanGroup *, (size_t)p->cap_groups);
    for (int i = 0; i < p->n_groups; i++) more[i] = p->groups[i];
    p->groups = more;
  }
  const OpInfo *op = t->producer ? op_info[t->producer->op] : NULL;
  const QRule *rule;
  config_of(p, t, &rule);
  bool own = rule->kind != QRULE_DEFAULT && (rule->given & QGIVEN_ACTIVATION);
  PlanGroup *g = p->groups[p->n_groups] = ARENA_NEW(p->arena, PlanGroup);
  *g = (PlanGroup){.index = p->n_groups++,
                   .name = t->name,
                   .loc = t->producer ? node_loc(t->producer) : t->loc,
                   .spec = *spec_of(p, t)};
  g->spec.quant.per_channel = false; /* activations have one scale */
  bool can_fix = g->spec.quant.dtype == DT_U8 || !g->spec.quant.symmetric;
  if (op && op->fixed_scale > 0 && can_fix && !own) g->fixed = op;
  return g;
}

static void cover(PlanGroup *g, float lo, float hi) {
  g->fill_lo = g->has_fill ? fminf(g->fill_lo, lo) : lo;
  g->fill_hi = g->has_fill ? fmaxf(g->fill_hi, hi) : hi;
  g->has_fill = true;
}

/* Constants that are concatenated or filled in must lie in the group's range. */
static bool cover_constants(Diag *d, const Plan *p, const Node *n) {
  PlanGroup *g = plan_of(p, n->results[0])->group;
  const PadAttrs *pad = n->op == OP_pad ? ATTRS(n, PadAttrs) : NULL;
  /* what fills for a maximum saturates: nothing is above it */
  if (pad && pad->mode == PAD_CONSTANT && pad->value > -FLT_MAX) cover(g, pad->value, pad->value);
  for (int i = 0; i < n->n_operands && op_info[n->op]->quant == QUANT_CONCAT; i++) {
    const Tensor *t = n->operands[i];
    int64_t count = shape_count(&t->type.shape);
    float lo, hi;
    if (!tensor_is_const(t) || count < 1) continue;
    if (!finite_range(t->data, count, &lo, &hi))
      return diag_error(d, node_loc(n), "the constant '%s' holds values that are not finite numbers",
                        t->name);
    cover(g, lo, hi);
  }
  return true;
}

/* --- our manner --- */

static PlanGroup *root_of(PlanGroup *g) {
  while (g->joined) g = g->joined;
  return g;
}

static bool same_fixed(const OpInfo *a, const OpInfo *b) {
  return a && b && a->fixed_scale == b->fixed_scale && a->fixed_zero == b->fixed_zero;
}

/* The earlier group takes in the later one. */
static void join(PlanGroup *a, PlanGroup *b) {
  a = root_of(a);
  b = root_of(b);
  if (a == b) return;
  PlanGroup *first = a->index < b->index ? a : b, *second = first == a ? b : a;
  second->joined = first;
  bool known = !first->spec.observer->needs_data; /* before: the other's values need not fit there */
  if (known && second->spec.observer->needs_data) first->spec = second->spec;
  if (!same_fixed(first->fixed, second->fixed)) first->fixed = NULL;
}

static void share(Plan *p, const Node *n) {
  PlanGroup *group = NULL;
  for (int i = 0; i < n->n_operands; i++) {
    const TensorPlan *x = plan_of(p, n->operands[i]);
    if (x && group) join(group, x->group);
    if (x && !group) group = x->group;
    if (op_info[n->op]->quant == QUANT_MOVE) break;
  }
  for (int i = 0; i < n->n_results; i++) {
    TensorPlan *r = plan_of(p, n->results[i]);
    if (r) r->group = group ? group : new_group(p, n->results[i]);
  }
}

static void add_source(Plan *p, const Tensor *t) {
  TensorPlan *plan = plan_of(p, t);
  if (plan && plan->quantized) plan->group = plan->observer = new_group(p, t);
}

static void form_ours(Plan *p) {
  for (int i = 0; i < p->graph->n_inputs; i++) add_source(p, p->graph->inputs[i]);
  for (const Node *n = p->graph->first; n; n = n->next) {
    if (plan_is_integer(p, n) && plan_is_mover(n)) {
      share(p, n);
    } else {
      for (int i = 0; i < n->n_results; i++) add_source(p, n->results[i]);
    }
  }
}

/* --- PyTorch's manner --- */

static bool torch_shares(const Node *n) {
  QuantRule rule = op_info[n->op]->quant;
  return rule == QUANT_MOVE || (rule == QUANT_POOL && n->op != OP_reduce_sum) || n->op == OP_relu ||
         n->op == OP_clip;
}

/* mul of a tensor and one positive number: quantized.mul scales the scale. The number, or 0. */
static float positive_factor(const Node *n, const Tensor **x) {
  for (int i = 0; i < 2 && n->op == OP_mul && !node_has_clamp(n); i++) {
    const Tensor *t = n->operands[i];
    *x = n->operands[1 - i];
    if (is_const_f32(t) && shape_count(&t->type.shape) == 1 && !tensor_is_const(*x) && *const_f32(t) > 0)
      return *const_f32(t);
  }
  return 0;
}

static void put_observer(Plan *p, const Tensor *t, PlanGroup *observer) {
  TensorPlan *plan = plan_of(p, t);
  if (plan) plan->observer = observer;
  if (plan && t->producer && plan_is_view(t->producer)) put_observer(p, t->producer->operands[0], observer);
}

static void observe_node(Plan *p, const Node *n) {
  TensorPlan *r = plan_of(p, n->results[0]), *x = plan_of(p, node_operand(n, 0));
  bool integer = plan_is_integer(p, n);
  const Tensor *scaled;
  if (integer && op_info[n->op]->quant == QUANT_CONCAT) {
    r->observer = x ? x->observer : new_group(p, n->results[0]);
    for (int i = 0; i < n->n_operands; i++) put_observer(p, n->operands[i], r->observer);
  } else if (integer && torch_shares(n) && x && x->quantized) {
    for (int i = 0; i < n->n_results; i++) plan_of(p, n->results[i])->observer = x->observer;
  } else if (integer && positive_factor(n, &scaled) > 0 && plan_of(p, scaled)->quantized) {
    r->observer = plan_of(p, scaled)->observer;
  } else {
    for (int i = 0; i < n->n_results; i++) {
      TensorPlan *t = plan_of(p, n->results[i]);
      if (t && t->quantized) t->observer = new_group(p, n->results[i]);
    }
  }
}

/* The parameters that the node's result really has. */
static void group_node(Plan *p, const Node *n) {
  const TensorPlan *x = plan_of(p, node_operand(n, 0));
  const Tensor *scaled;
  float factor = plan_is_integer(p, n) ? positive_factor(n, &scaled) : 0;
  bool shares = plan_is_integer(p, n) && torch_shares(n) && x && x->quantized;
  for (int i = 0; i < n->n_results; i++) {
    TensorPlan *t = plan_of(p, n->results[i]);
    if (!t || !t->quantized) continue;
    if (factor > 0 && plan_of(p, scaled)->quantized) {
      t->group = new_group(p, n->results[i]);
      t->group->of = plan_of(p, scaled)->group;
      t->group->spec = t->group->of->spec; /* the same integers */
      t->group->factor = factor;
    } else {
      t->group = shares ? x->group : t->observer;
    }
  }
}

static void form_as_torch(Plan *p) {
  for (int i = 0; i < p->graph->n_inputs; i++) add_source(p, p->graph->inputs[i]);
  for (const Node *n = p->graph->first; n; n = n->next) observe_node(p, n);
  for (int i = 0; i < p->graph->n_inputs; i++) {
    TensorPlan *t = plan_of(p, p->graph->inputs[i]);
    if (t) t->group = t->observer;
  }
  for (const Node *n = p->graph->first; n; n = n->next) group_node(p, n);
}

/* --- both --- */

static void settle_tensor(Plan *p, const Tensor *t) {
  TensorPlan *plan = plan_of(p, t);
  if (!plan || !plan->quantized) return;
  plan->group = root_of(plan->group);
  plan->group->used = true;
  if (plan->observer) plan->observer = root_of(plan->observer);
}

static void each_tensor(Plan *p, void (*fn)(Plan *, const Tensor *)) {
  for (int i = 0; i < p->graph->n_inputs; i++) fn(p, p->graph->inputs[i]);
  for (const Node *n = p->graph->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) fn(p, n->results[i]);
}

/* Observers whose parameters nobody takes see nothing, and none sees a tensor twice. */
static void drop_observer(Plan *p, const Tensor *t) {
  TensorPlan *plan = plan_of(p, t);
  bool again = t->producer && plan_is_view(t->producer);
  if (plan && plan->observer && (again || !plan->observer->used)) plan->observer = NULL;
}

static void drop_unused(Plan *p) {
  int n = 0;
  for (int i = 0; i < p->n_groups; i++) /* what others follow is needed too */
    for (const PlanGroup *g = p->groups[i]; g->used && g->of && !g->of->used; g = g->of) g->of->used = true;
  each_tensor(p, drop_observer);
  for (int i = 0; i < p->n_groups; i++)
    if (p->groups[i]->used) p->groups[n++] = p->groups[i];
  p->n_groups = n;
}

bool plan_form_groups(Diag *d, Plan *p) {
  mark_quantized(p);
  if (p->qconfig->torch_sharing)
    form_as_torch(p);
  else
    form_ours(p);
  each_tensor(p, settle_tensor);
  drop_unused(p);
  bool ok = true;
  for (const Node *n = p->graph->first; n; n = n->next)
    if (plan_is_integer(p, n) && plan_is_mover(n)) ok &= cover_constants(d, p, n);
  return ok;
}
