/* Conversions where they cost least, each rewrite exact:
 *
 *   1. dequantize sinks through ops that only move values, quantize rises through them, so that integers are
 *      moved;
 *   2. quantize(dequantize(q)) is q, or a requantize; equal quantize nodes are one. */
#include "ir/quant.h"
#include "passes/rewrite.h"

#include <string.h>

typedef struct {
  PassCtx *ctx;
  Arena *tmp;
  Diag silent; /* for trials */
} Settle;

static Settle settle_start(PassCtx *ctx) {
  Settle p = {.ctx = ctx, .tmp = arena_new()};
  diag_init(&p.silent, p.tmp, NULL);
  return p;
}

Tensor *dequantized(const Tensor *t) {
  return t && produced_by(t, OP_dequantize) ? t->producer->operands[0] : NULL;
}

static bool same_parameters(const Type *a, const Type *b) {
  return a->dtype == b->dtype && quant_equal(a->quant, b->quant);
}

static Type typed_like(const Type *like, Shape shape) { return (Type){like->dtype, shape, like->quant}; }

static Node *copy_before(Node *n, Node *before, Tensor *const *operands, const char *name) {
  Node *c = graph_node1(n->graph, n->op, operands, n->n_operands, name, node_loc(n), before);
  if (n->attrs) memcpy(c->attrs, n->attrs, op_info[n->op]->attrs_size);
  c->name = n->name;
  c->locs = n->locs;
  c->n_locs = n->n_locs;
  return c;
}

static Tensor *add_quantize(Settle *p, Tensor *x, const Type *like, Node *before, SrcLoc loc) {
  Node *q = graph_node1(before->graph, OP_quantize, &x, 1, NULL, loc, before);
  q->results[0]->type = typed_like(like, x->type.shape);
  node_must_infer(p->ctx, q);
  return q->results[0];
}

static bool is_mover(const Node *n) {
  return node_is_float(n) && (op_info[n->op]->quant == QUANT_MOVE || op_info[n->op]->quant == QUANT_CONCAT);
}

/* --- 1. dequantize down, quantize up --- */

/* A constant that a float pad fills with must survive quantization, where no quantize follows that would
 * round it. */
static bool pad_is_exact(const Node *n, const Type *q) {
  const PadAttrs *a = ATTRS(n, PadAttrs);
  if (n->op != OP_pad || a->mode != PAD_CONSTANT) return true;
  if (!type_is_q8(q)) return false;
  float s = q->quant->scale[0];
  int32_t z = q->quant->zero[0];
  int32_t v =
      quantize_value(a->value, s, z, (int32_t)dtype_info[q->dtype].min, (int32_t)dtype_info[q->dtype].max);
  return dequantize_value(v, s, z) == a->value;
}

/* op(dequantize(q), ...) -> dequantize(op(q, ...)), where all operands share their parameters. */
static bool sink_dequantize(Settle *p, Node *n) {
  if (!is_mover(n)) return false;
  Tensor **q = ARENA_NEW_ARRAY(p->tmp, Tensor *, (size_t)n->n_operands);
  for (int i = 0; i < n->n_operands; i++) {
    q[i] = dequantized(n->operands[i]);
    if (!q[i] || !same_parameters(&q[0]->type, &q[i]->type)) return false;
  }
  if (!pad_is_exact(n, &q[0]->type)) return false;
  if (!type_is_q8(&q[0]->type) && !tensor_is_const(q[0])) return false;
  Node *moved = copy_before(n, n, q, arena_printf(n->graph->arena, "%s.q", n->results[0]->name));
  if (op_info[n->op]->quant == QUANT_CONCAT) moved->results[0]->type = typed_like(&q[0]->type, (Shape){0});
  if (!node_infer(&p->silent, moved)) { /* its axis of scales does not survive */
    node_remove(moved);
    return false;
  }
  node_replace(p->ctx, n, node_replacement(n, OP_dequantize, moved->results, 1));
  return true;
}

/* quantize(op(x, ...)) -> op(quantize(x), ...): what moves or compares values commutes with rounding. */
static bool raise_quantize(Settle *p, Node *n) {
  Tensor *x = node_operand(n, 0);
  if (n->op != OP_quantize || !type_is_q8(&n->results[0]->type) || !x->producer || !is_mover(x->producer) ||
      !tensor_single_use(x))
    return false;
  Node *mover = x->producer;
  const Type *type = &n->results[0]->type;
  Tensor **q = ARENA_NEW_ARRAY(p->tmp, Tensor *, (size_t)mover->n_operands);
  for (int i = 0; i < mover->n_operands; i++)
    q[i] = add_quantize(p, mover->operands[i], type, n, node_loc(n));
  Node *moved = copy_before(mover, n, q, n->results[0]->name);
  moved->results[0]->type = *type;
  node_replace(p->ctx, n, moved);
  return true;
}

/* --- 2. pairs --- */

/* Two equal quantize nodes of one tensor are one. */
static bool merge_twins(Node *n) {
  if (n->op != OP_quantize) return false;
  Tensor *x = n->operands[0], *r = n->results[0];
  if (r->is_output) return false;
  for (int i = 0; i < x->n_uses; i++) {
    Node *twin = x->uses[i].node;
    if (twin == n || twin->op != OP_quantize || !type_equal(&twin->results[0]->type, &r->type)) continue;
    node_move_before(twin, x->producer ? x->producer->next : n->graph->first); /* before the users of both */
    tensor_replace_uses(r, twin->results[0]);
    node_remove(n);
    return true;
  }
  return false;
}

/* Moved integers got a name of ours when a dequantize sank below them; the quantize behind has the model's.
 */
static bool is_unnamed(const Tensor *q, const Node *quantize) {
  QuantRule rule = q->producer ? op_info[q->producer->op]->quant : QUANT_FLOAT;
  return (rule == QUANT_MOVE || rule == QUANT_CONCAT) && tensor_single_use(q) &&
         tensor_single_use(quantize->operands[0]) && !quantize->results[0]->is_output;
}

static bool merge_pair(Settle *p, Node *n) {
  if (n->op != OP_quantize) return false;
  Tensor *q = dequantized(n->operands[0]), *r = n->results[0];
  if (!q) return false;
  if (type_equal(&q->type, &r->type)) {
    if (is_unnamed(q, n)) tensor_swap_names(n->graph, q, r);
    node_set_operand(n, 0, q);
    if (node_bypass(n)) return true;
    Node *copy = node_replacement(n, OP_reshape, &q, 1);
    IntList *shape = &ATTRS(copy, ReshapeAttrs)->shape;
    shape->n = r->type.shape.rank;
    memcpy(shape->v, r->type.shape.dim, sizeof *shape->v * (size_t)shape->n);
    node_replace(p->ctx, n, copy);
    return true;
  }
  if (!type_is_q8(&q->type) || !type_is_q8(&r->type)) return false;
  Node *requantize = node_replacement(n, OP_requantize, &q, 1);
  requantize->results[0]->type = r->type;
  node_replace(p->ctx, n, requantize);
  return true;
}

int sink_dequantizes(PassCtx *ctx, Graph *g) {
  Settle p = settle_start(ctx);
  int changed = 0;
  GRAPH_FOREACH_NODE(g, n) changed += sink_dequantize(&p, n);
  graph_remove_dead(g);
  arena_free(p.tmp);
  return changed;
}

int raise_quantizes(PassCtx *ctx, Graph *g) {
  Settle p = settle_start(ctx);
  int total = 0;
  for (int changed = 1; changed; total += changed) {
    changed = 0;
    GRAPH_FOREACH_NODE(g, n) changed += merge_twins(n) || merge_pair(&p, n) || raise_quantize(&p, n);
    graph_remove_dead(g);
  }
  arena_free(p.tmp);
  return total;
}
