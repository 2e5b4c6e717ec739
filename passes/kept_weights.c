#include "passes/kept_weights.h"

#include "ir/half.h"
#include "ir/ops/dot.h"
#include "ir/ops/recurrent.h"
#include "passes/recurrent.h"

/* Not every op has every form, nor every axis of scales. */
static bool accepts(Node *n) {
  Arena *tmp = arena_new();
  Diag silent;
  diag_init(&silent, tmp, NULL);
  bool ok = node_infer(&silent, n);
  arena_free(tmp);
  return ok;
}

static void try_operand(Node *n, int i, Tensor *t) {
  Tensor *old = n->operands[i];
  node_set_operand(n, i, t);
  if (accepts(n)) return;
  node_set_operand(n, i, old);
  if (!accepts(n)) BUG("%s does not take what it had", op_info[n->op]->name);
}

static Tensor *halves(Graph *g, const Tensor *w) {
  int64_t count = shape_count(&w->type.shape);
  uint16_t *h = ARENA_NEW_ARRAY(g->arena, uint16_t, (size_t)count + 1);
  for (int64_t i = 0; i < count; i++) h[i] = half_from_float(const_f32(w)[i]);
  return graph_constant(g, w->name, (Type){DT_F16, w->type.shape, NULL}, h, w->loc);
}

/* Directions of one row each: the same values in the form that weights with a scale for each row have. */
static Tensor *as_rows(Graph *g, Tensor *q) {
  const Shape *s = &q->type.shape;
  if (s->rank != 3 || s->dim[1] != 1 || !q->type.quant || q->type.quant->axis != 0) return q;
  Type rows = {q->type.dtype, shape_of(2, s->dim[0], s->dim[2]), q->type.quant};
  return graph_constant(g, q->name, rows, q->data, q->loc);
}

static void keep_operand(Node *n, int i) {
  Tensor *w = node_operand(n, i);
  if (!w) return;
  /* recurrent weights with a scale for each row have the directions one below the other */
  Tensor *q = dequantized(is_recurrent(n) && produced_by(w, OP_reshape) ? w->producer->operands[0] : w);
  if (!q && is_recurrent(n)) q = w; /* small already, but perhaps in another form */
  if (q && tensor_is_const(q) && (q->type.dtype == DT_S8 || q->type.dtype == DT_U8))
    try_operand(n, i, is_recurrent(n) ? as_rows(n->graph, q) : q);
  else if (is_const_f32(w) && w->from_half)
    try_operand(n, i, halves(n->graph, w));
}

void keep_small_weights(Graph *g) {
  GRAPH_FOREACH_NODE(g, n) {
    if (is_recurrent(n)) {
      keep_operand(n, RECURRENT_W);
      keep_operand(n, RECURRENT_R);
    } else if (op_info[n->op]->quant == QUANT_LINEAR && node_is_float(n)) {
      keep_operand(n, 1);
    }
  }
  graph_remove_dead(g);
}

bool is_small_weight(const Tensor *t) {
  return tensor_is_const(t) && (tensor_is_quantized(t) || t->type.dtype == DT_F16);
}

Tensor widened_weight(Arena *a, const Tensor *t) {
  int64_t count = shape_count(&t->type.shape), channels = t->type.shape.dim[0], k = count / channels;
  float *data = ARENA_NEW_ARRAY(a, float, (size_t)count + 1);
  DotSource source = dot_weight(t, t->data, true);
  for (int64_t c = 0; c < channels; c++) dot_load_channel(&source, c * k, k, c, data + c * k, 1);
  return (Tensor){.name = t->name, .type = {DT_F32, t->type.shape, NULL}, .loc = t->loc, .data = data};
}

void widen_static_weights(const QConfigSet *qconfig, Graph *g) {
  GRAPH_FOREACH_NODE(g, n) {
    if (op_info[n->op]->quant != QUANT_LINEAR || !node_is_float(n) || !is_small_weight(n->operands[1]))
      continue;
    if (qconfig_of(qconfig, n, NULL)->mode != QMODE_STATIC) continue;
    Tensor wide = widened_weight(g->arena, n->operands[1]);
    set_const_operand(n, 1, wide.type, wide.data);
  }
}
