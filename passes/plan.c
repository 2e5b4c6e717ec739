#include "passes/plan.h"

#include "passes/dynamic.h"
#include "passes/tables.h"

const char plan_as_configured[] = "the configuration says so";

TensorPlan *plan_of(const Plan *p, const Tensor *t) {
  return t && !tensor_is_const(t) ? strmap_get(p->tensors, t->name) : NULL;
}

bool plan_is_integer(const Plan *p, const Node *n) {
  const TensorPlan *t = plan_of(p, n->results[0]);
  return t && (t->kind == PLAN_INTEGER || t->kind == PLAN_TABLE);
}

/* How the importer brings operators of one dimension onto images of one row, and their results back. */
bool plan_is_view(const Node *n) {
  if (n->op != OP_reshape) return false;
  const Tensor *x = n->operands[0], *y = n->results[0];
  if (x->producer && node_same_origin(n, x->producer)) return true;
  return tensor_single_use(y) && node_same_origin(n, y->uses[0].node);
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
  if (n->op == OP_custom) return "custom operators are as their annotations say";
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

/* --- float results --- */

/* What may work in float after all. */
typedef struct {
  const Plan *plan;
  StrMap *candidates; /* a node's first result -> the node */
} FloatResults;

static bool is_candidate(const FloatResults *f, const Node *n) {
  return strmap_get(f->candidates, n->results[0]->name) != NULL;
}

/* Is some result of the node wanted as integers? A candidate among its readers wants what it can get. */
static bool read_as_integer(const FloatResults *f, const Node *n) {
  for (int k = 0; k < n->n_results; k++) {
    const Tensor *r = n->results[k];
    if (r->is_output && f->plan->quantized_outputs) return true;
    for (int i = 0; i < r->n_uses; i++) {
      const Node *user = r->uses[i].node;
      const TensorPlan *t = plan_of(f->plan, user->results[0]);
      if (!t || t->kind == PLAN_FLOAT) continue;
      if (op_info[user->op]->quant == QUANT_LINEAR || !is_candidate(f, user)) return true;
    }
  }
  return false;
}

/* Is all that the node reads float32, or may be? */
static bool reads_floats(const FloatResults *f, const Node *n) {
  for (int i = 0; i < n->n_operands; i++) {
    const TensorPlan *t = plan_of(f->plan, n->operands[i]);
    if (t && t->kind != PLAN_FLOAT && !is_candidate(f, n->operands[i]->producer)) return false;
  }
  return true;
}

/* Does the op round its result where it is an integer op? Others move values, or are functions of one tensor.
 */
static bool rounds(const Plan *p, const Node *n) {
  QuantRule rule = op_info[n->op]->quant;
  return rule == QUANT_LINEAR || rule == QUANT_POOL || (rule == QUANT_ARITH && !table_source_of(p, n));
}

static bool stays_candidate(const FloatResults *f, const Node *n) {
  return !read_as_integer(f, n) && (rounds(f->plan, n) || reads_floats(f, n));
}

/* Results that no integer op reads need no scale. A layer gives float32 then; sums and means are formed in
 * float; what moves such values, or is a function of them, works on floats, but behind integers it stays an
 * integer op. */
static void choose_float_results(Plan *p) {
  FloatResults f = {p, strmap_new(p->arena)};
  for (Node *n = p->graph->first; n; n = n->next)
    if (plan_is_integer(p, n)) strmap_put(f.candidates, n->results[0]->name, n);
  for (bool changed = true; changed;) {
    changed = false;
    for (const Node *n = p->graph->last; n; n = n->prev) {
      if (!is_candidate(&f, n) || stays_candidate(&f, n)) continue;
      strmap_put(f.candidates, n->results[0]->name, NULL);
      changed = true;
    }
  }
  for (const Node *n = p->graph->first; n; n = n->next) {
    if (!is_candidate(&f, n)) continue;
    TensorPlan *t = plan_of(p, n->results[0]);
    t->float_result = op_info[n->op]->quant == QUANT_LINEAR;
    if (t->float_result) continue;
    t->kind = PLAN_FLOAT;
    t->reason = "no integer op reads its result";
  }
}

/* The tensor that is moved to be t. */
static const Tensor *moved_from(const Tensor *t) {
  while (t->producer && op_info[t->producer->op]->quant == QUANT_MOVE) t = t->producer->operands[0];
  return t;
}

/* One value for each channel, of several. */
static bool is_mean_of_image(const Tensor *t) {
  enum { SEVERAL = 8 };
  const Node *n = t->producer;
  if (!n || op_info[n->op]->quant != QUANT_POOL || n->op == OP_reduce_sum) return false;
  const Shape *x = &n->operands[0]->type.shape;
  int64_t values = shape_count(&t->type.shape);
  return x->rank >= 3 && values == x->dim[0] * x->dim[1] && shape_count(x) >= SEVERAL * values;
}

/* A classifier over means of an image: they are more exact than the image's values, and 8 bits would be the
 * coarsest step of the whole network. Such a layer is small, and takes them as float32. */
static bool choose_classifiers(Plan *p) {
  enum { PART_OF_ALL = 256 };
  bool any = false;
  for (const Node *n = p->graph->first; n; n = n->next) {
    TensorPlan *t = plan_of(p, n->results[0]);
    if (!t || !t->float_result || !dynamic_takes_layer(n) || !is_mean_of_image(moved_from(n->operands[0])))
      continue;
    if (op_info[n->op]->macs(n) > graph_macs(p->graph) / PART_OF_ALL) continue;
    t->kind = PLAN_FLOAT;
    t->float_result = false;
    t->small_weights = any = true;
    t->reason = "it reads means, which are more exact than 8 bits; its weights are integers";
  }
  return any;
}

/* Functions of integers that no integer op reads: tables of float32. */
static void choose_float_tables(Plan *p) {
  FloatResults none = {p, strmap_new(p->arena)};
  for (const Node *n = p->graph->first; n; n = n->next) {
    TensorPlan *t = plan_of(p, n->results[0]);
    bool unary = op_info[n->op]->quant == QUANT_UNARY && plan_is_integer(p, n);
    if (!t || (t->kind != PLAN_TABLE && !unary) || read_as_integer(&none, n)) continue;
    t->float_result = true;
    if (t->kind == PLAN_TABLE) continue;
    t->kind = PLAN_TABLE;
    t->source = n->operands[0]->name;
  }
}

void plan_add_layer(Plan *p, Node *layer) {
  const Tensor *r = p->reference ? graph_find(p->reference, layer->results[0]->name) : NULL;
  if (r && r->producer) p->layers[p->n_layers++] = (PlanLayer){layer, r->producer};
}

bool plan_group_observes(const PlanGroup *group) {
  return !group->fixed && !group->of && group->spec.observer->needs_data;
}

bool plan_needs_data(const Plan *p) {
  for (int i = 0; i < p->n_groups; i++)
    if (plan_group_observes(p->groups[i])) return true;
  return false;
}

bool plan_make(Diag *d, Arena *a, const Graph *g, const QConfigSet *set, bool quantized_outputs,
               Plan **plan) {
  Plan *p = *plan = ARENA_NEW(a, Plan);
  *p = (Plan){.arena = a,
              .graph = g,
              .qconfig = set,
              .quantized_outputs = quantized_outputs,
              .tensors = strmap_new(a)};
  add_tensors(p);
  if (!set->torch_sharing) plan_keep_float(p);
  choose_nodes(p);
  if (set->float_results) choose_float_results(p);
  if (set->float_results && choose_classifiers(p)) choose_float_results(p); /* means are floats now */
  choose_tables(p);
  if (set->float_results) choose_float_tables(p);
  return plan_form_groups(d, p);
}
