/* A quantized graph as exporters write it: float ops between dequantize and quantize. */
#include "tests/diff/gen.h"

#include "ir/ops/attrs.h"

#include <string.h>

typedef struct {
  Rng *rng;
  Arena *arena;
  Graph *to;
  StrMap *map; /* the source's names -> tensors of `to` */
  bool ok;
} Qdq;

static Tensor *mapped(Qdq *q, const Tensor *t) {
  if (!t) return NULL;
  Tensor *copy = strmap_get(q->map, t->name);
  if (copy) return copy;
  copy = graph_constant(q->to, t->name, t->type, t->data, (SrcLoc){0});
  strmap_put(q->map, t->name, copy);
  return copy;
}

static Tensor *add(Qdq *q, OpId op, Tensor *const *operands, int n, const void *attrs, const Type *type) {
  Diag silent;
  diag_init(&silent, q->arena, NULL);
  Node *node = graph_node1(q->to, op, operands, n, NULL, (SrcLoc){0}, NULL);
  if (attrs) memcpy(node->attrs, attrs, op_info[op]->attrs_size);
  if (type) node->results[0]->type = *type;
  q->ok &= node_infer(&silent, node);
  return node->results[0];
}

/* The fused activation of an op, if it has one; cleared in `attrs`. */
static bool take_activation(const Node *n, void *attrs, ClipAttrs *clip) {
  const AttrDesc *lo = op_attr(n->op, "act_min", 7), *hi = op_attr(n->op, "act_max", 7);
  if (!lo || !hi) return false;
  float *min = (float *)((char *)attrs + lo->offset), *max = (float *)((char *)attrs + hi->offset);
  if (*min == -INFINITY && *max == INFINITY) return false;
  *clip = (ClipAttrs){*min, *max};
  *min = -INFINITY;
  *max = INFINITY;
  return true;
}

/* dequantize each operand, the op in float, its activation as an op of its own, quantize. */
static Tensor *wrap(Qdq *q, const Node *n) {
  Tensor **operands = ARENA_NEW_ARRAY(q->arena, Tensor *, (size_t)n->n_operands + 1);
  for (int i = 0; i < n->n_operands; i++) {
    Tensor *t = mapped(q, n->operands[i]);
    operands[i] = t && tensor_is_quantized(t) ? add(q, OP_dequantize, &t, 1, NULL, NULL) : t;
  }
  void *attrs = n->attrs ? arena_memdup(q->arena, n->attrs, op_info[n->op]->attrs_size) : NULL;
  ClipAttrs clip;
  bool clipped = rng_chance(q->rng, 80) && take_activation(n, attrs, &clip);
  Tensor *y = operands[0];
  if (n->op != OP_requantize) y = add(q, n->op, operands, n->n_operands, attrs, NULL);
  if (clipped && clip.min == 0 && clip.max == INFINITY) {
    y = add(q, OP_relu, &y, 1, NULL, NULL);
  } else if (clipped) {
    y = add(q, OP_clip, &y, 1, &clip, NULL);
  }
  return add(q, OP_quantize, &y, 1, NULL, &n->results[0]->type);
}

static bool is_wrapped(Qdq *q, const Node *n) {
  if (!tensor_is_quantized(n->results[0])) return false;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] && !tensor_is_quantized(n->operands[i]) && op_info[n->op]->quant != QUANT_FIRST)
      return false; /* a bias without a scale, a table */
  switch (op_info[n->op]->quant) {
  case QUANT_LINEAR:
  case QUANT_ARITH:
  case QUANT_POOL:
  case QUANT_UNARY:
  case QUANT_FIRST:
  case QUANT_CONCAT:
    return true;
  case QUANT_MOVE:
    return rng_chance(q->rng, 50);
  default:
    return n->op == OP_requantize;
  }
}

Graph *gen_qdq(Arena *a, const Graph *g, uint64_t seed) {
  Rng rng = rng_new(seed, 2);
  Qdq q = {&rng, a, graph_new(a, g->name), strmap_new(a), true};
  for (int i = 0; i < g->n_inputs; i++)
    strmap_put(q.map, g->inputs[i]->name,
               graph_input(q.to, g->inputs[i]->name, g->inputs[i]->type, (SrcLoc){0}));
  for (const Node *n = g->first; n; n = n->next) {
    Tensor *r;
    if (is_wrapped(&q, n)) {
      r = wrap(&q, n);
    } else {
      Tensor **operands = ARENA_NEW_ARRAY(a, Tensor *, (size_t)n->n_operands + 1);
      for (int i = 0; i < n->n_operands; i++) operands[i] = mapped(&q, n->operands[i]);
      r = add(&q, n->op, operands, n->n_operands, n->attrs, &n->results[0]->type);
    }
    strmap_put(q.map, n->results[0]->name, r);
  }
  for (int i = 0; i < g->n_outputs; i++) graph_output(q.to, mapped(&q, g->outputs[i]));
  return q.ok ? q.to : NULL;
}
