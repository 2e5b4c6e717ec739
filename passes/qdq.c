/* A model that came quantized, as float ops between dequantize and quantize: taken as integers.
 *
 *   1. dequantize sinks through ops that only move values, quantize rises through them: both exactly;
 *   2. quantize(dequantize(q)) is q, or a requantize;
 *   3. what is left between a dequantize and the next quantize becomes the integer op, or stays in float and
 * is listed by the cleanup pass. */
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/affine.h"
#include "passes/choose.h"
#include "passes/tables.h"

bool pass_qdq(PassCtx *ctx, Graph *g);

typedef struct {
  PassCtx *ctx;
  Diag silent; /* for trials */
  Arena *tmp;
} Qdq;

/* The tensor that a float tensor is the dequantized view of, or NULL. */
static Tensor *dequantized(const Tensor *t) {
  return t && produced_by(t, OP_dequantize) ? t->producer->operands[0] : NULL;
}

static Tensor *dequantized_q8(const Tensor *t) {
  Tensor *q = dequantized(t);
  return q && type_is_q8(&q->type) ? q : NULL;
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

static Tensor *add_quantize(Qdq *p, Tensor *x, const Type *like, Node *before, SrcLoc loc) {
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
static bool sink_dequantize(Qdq *p, Node *n) {
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
static bool raise_quantize(Qdq *p, Node *n) {
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

static bool merge_pair(Qdq *p, Node *n) {
  if (n->op != OP_quantize) return false;
  Tensor *q = dequantized(n->operands[0]), *r = n->results[0];
  if (!q) return false;
  if (type_equal(&q->type, &r->type)) {
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

/* --- 3. integer ops --- */

/* The value of a float constant, or of a dequantized one; NULL for anything else. */
static const float *constant_value(Arena *a, const Tensor *t) {
  if (is_const_f32(t)) return const_f32(t);
  const Tensor *q = dequantized(t);
  if (!q || !tensor_is_const(q)) return NULL;
  float *v = arena_alloc(a, (size_t)type_bytes(&t->type) + 1);
  const void *in[] = {q->data};
  void *out[] = {v};
  op_info[OP_dequantize]->eval(&(EvalCtx){a}, t->producer, in, out);
  return v;
}

static bool is_layer(const Node *n) { return n->op == OP_conv2d || n->op == OP_linear; }

/* The weight of a layer with its channels scaled: the integers stay, but for their sign, and the scales
 * change. NULL where -128 cannot change its sign, or a scale would not be a normal number. */
static Tensor *scaled_weight(Qdq *p, const Node *layer, const Affine *f, Node *before) {
  Tensor *w = dequantized(layer->operands[1]);
  const Quant *old = w->type.quant;
  Arena *a = before->graph->arena;
  int64_t count = shape_count(&w->type.shape), per = count / f->channels;
  int32_t qmin = (int32_t)dtype_info[w->type.dtype].min, qmax = (int32_t)dtype_info[w->type.dtype].max;
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)f->channels);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)f->channels);
  uint8_t *data = arena_memdup(a, w->data, (size_t)count);
  for (int64_t c = 0; c < f->channels; c++) {
    int64_t from = old->axis < 0 ? 0 : c;
    bool dead = f->scale[c] == 0;
    zero[c] = old->zero[from];
    scale[c] = dead ? 1 : (float)((double)old->scale[from] * fabs(f->scale[c]));
    if (!scale_is_valid(scale[c])) return NULL;
    for (int64_t i = c * per; i < (c + 1) * per; i++) {
      int32_t q = w->type.dtype == DT_U8 ? data[i] : (int8_t)data[i];
      if (f->scale[c] < 0) q = 2 * zero[c] - q;
      if (dead) q = zero[c];
      if (q < qmin || q > qmax) return NULL;
      data[i] = (uint8_t)q;
    }
  }
  Type t = {w->type.dtype, w->type.shape, quant_new(a, 0, f->channels, scale, zero)};
  Tensor *q = graph_constant(before->graph, w->name, t, data, w->loc);
  Node *n = graph_node1(before->graph, OP_dequantize, &q, 1, NULL, node_loc(layer), before);
  node_must_infer(p->ctx, n);
  return n->results[0];
}

static bool all_ones(const Affine *f) {
  for (int64_t c = 0; c < f->channels; c++)
    if (f->scale[c] != 1) return false;
  return true;
}

/* What a layer with a quantized weight may absorb: the layer before `x`, where nobody else sees its result.
 */
static Node *absorbing_layer(const Tensor *x) {
  Node *p = x->producer;
  if (!p || !is_layer(p) || !node_is_float(p) || node_has_clamp(p) || !tensor_single_use(x)) return NULL;
  const Tensor *w = dequantized(p->operands[1]);
  if (!w || !tensor_is_const(w) || w->type.quant->axis > 0 ||
      (w->type.dtype != DT_S8 && w->type.dtype != DT_U8))
    return NULL;
  return p;
}

/* A layer, then batch norm or arithmetic with a constant per channel, with nothing quantized between (as
 * quantization-aware training exports it): they become the layer's scales and its bias. */
static bool absorb_affine(Qdq *p, Node *n) {
  if (!node_is_float(n)) return false;
  for (int i = 0; i < (n->op == OP_batch_norm ? 1 : n->n_operands); i++) {
    const Tensor *x = n->operands[i];
    Node *layer = x ? absorbing_layer(x) : NULL;
    if (!layer) continue;
    const Tensor *b = node_operand(layer, 2);
    const float *old = b ? constant_value(p->tmp, b) : NULL;
    if (b && !old) continue;
    Affine f;
    int axis = layer_channel_axis(layer);
    if (n->op == OP_batch_norm ? axis != 1 || !batch_norm_affine(&p->silent, p->tmp, n, &f)
                               : !arith_affine(p->tmp, n, x, axis, constant_value, &f))
      continue;
    float *bias = ARENA_NEW_ARRAY(n->graph->arena, float, (size_t)f.channels);
    Tensor *w = all_ones(&f) ? layer->operands[1] : scaled_weight(p, layer, &f, n);
    if (!w || !affine_bias(&f, old, bias)) return false;
    Tensor *nb = graph_constant(n->graph, arena_printf(n->graph->arena, "%s.bias", x->name),
                                type_f32(shape_of(1, f.channels)), bias, node_loc(n));
    Node *fresh = node_replacement(n, layer->op, (Tensor *[]){layer->operands[0], w, nb}, 3);
    memcpy(fresh->attrs, layer->attrs, op_info[layer->op]->attrs_size);
    fresh->name = layer->name;
    node_add_locs(fresh, layer);
    float *lo, *hi, *n_lo, *n_hi;
    if (node_clamp(fresh, &lo, &hi) && node_clamp(n, &n_lo, &n_hi)) {
      *lo = *n_lo;
      *hi = *n_hi;
    }
    node_replace(p->ctx, n, fresh);
    return true;
  }
  return false;
}

/* The weight as s8, along axis 0 or per tensor; u8 moves by 128 with its zero points. NULL: not a quantized
 * weight. */
static Tensor *integer_weight(const Node *layer) {
  Tensor *w = dequantized(layer->operands[1]);
  if (!w || !tensor_is_const(w) || w->type.quant->axis > 0) return NULL;
  if (w->type.dtype == DT_S8) return w;
  if (w->type.dtype != DT_U8) return NULL;
  Arena *a = layer->graph->arena;
  int64_t n = shape_count(&w->type.shape), count = w->type.quant->count;
  const uint8_t *from = w->data;
  int8_t *to = arena_alloc(a, (size_t)n + 1);
  for (int64_t i = 0; i < n; i++) to[i] = (int8_t)(from[i] - 128);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) zero[i] = w->type.quant->zero[i] - 128;
  Type t = {DT_S8, w->type.shape, quant_new(a, w->type.quant->axis, count, w->type.quant->scale, zero)};
  return graph_constant(layer->graph, w->name, t, to, w->loc);
}

/* Do the scales of an imported bias equal s_in * s_w, up to the rounding of whoever multiplied them? */
static bool bias_scales_fit(const Tensor *bias, float s_in, const Quant *w, int64_t oc) {
  const Quant *q = bias->type.quant;
  for (int64_t c = 0; c < oc; c++) {
    double want = (double)s_in * (double)w->scale[w->axis < 0 ? 0 : c];
    if (q->zero[q->axis < 0 ? 0 : c] != 0) return false;
    if (fabs((double)q->scale[q->axis < 0 ? 0 : c] - want) > want * 0x1p-21) return false;
  }
  return true;
}

/* The type of a bias: s32 with the scales s_in * s_w where these are normal numbers (they are not used). */
static Type bias_type(Arena *a, float s_in, const Quant *w, int64_t oc) {
  Type t = {.dtype = DT_S32, .shape = shape_of(1, oc)};
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)oc);
  int32_t *zero = ARENA_NEW_ARRAY(a, int32_t, (size_t)oc);
  for (int64_t c = 0; c < oc; c++) {
    scale[c] = s_in * w->scale[w->axis < 0 ? 0 : c];
    if (!scale_is_valid(scale[c])) return t;
  }
  t.quant = quant_new(a, 0, oc, scale, zero);
  return t;
}

/* False where the bias is no constant, or, after a diagnostic, does not fit s32. *bias is NULL where there is
 * none. */
static bool integer_bias(Qdq *p, const Node *layer, float s_in, const Quant *w, Tensor **bias) {
  *bias = NULL;
  const Tensor *b = node_operand(layer, 2);
  if (!b) return true;
  Arena *a = layer->graph->arena;
  int64_t oc = b->type.shape.dim[0];
  Type type = bias_type(a, s_in, w, oc);
  Tensor *q = dequantized(b);
  if (q && tensor_is_const(q) && q->type.dtype == DT_S32 && bias_scales_fit(q, s_in, w, oc)) {
    *bias = type_equal(&q->type, &type) ? q : graph_constant(layer->graph, q->name, type, q->data, q->loc);
    return true;
  }
  const float *v = constant_value(p->tmp, b);
  if (!v) return false;
  int32_t *data = ARENA_NEW_ARRAY(a, int32_t, (size_t)oc);
  for (int64_t c = 0; c < oc; c++)
    if (!quantize_bias(v[c], s_in, w->scale[w->axis < 0 ? 0 : c], &data[c]))
      return diag_error(p->ctx->diag, node_loc(layer),
                        "%s '%s': the bias of channel %lld, %g, leaves 32 bits at scale "
                        "%g * %g",
                        op_info[layer->op]->name, node_label(layer), (long long)c, (double)v[c], (double)s_in,
                        (double)w->scale[w->axis < 0 ? 0 : c]);
  if (q)
    diag_warning(p->ctx->diag, "bias-scale", node_loc(layer),
                 "%s '%s': the scale of its bias is not that of operand times weight; it is converted",
                 op_info[layer->op]->name, node_label(layer));
  *bias = graph_constant(layer->graph, q ? q->name : b->name, type, data, b->loc);
  return true;
}

/* Puts the integer form of the float node `n` in the place of `quantize`; the name stays that of the
 * quantized tensor, the node's is n's. False, and nothing has changed, where the types do not go together. */
static bool put_integer(Qdq *p, Node *quantize, const Node *n, Tensor *const *operands, int n_operands) {
  Node *q = node_replacement(quantize, n->op, operands, n_operands);
  if (n->attrs) memcpy(q->attrs, n->attrs, op_info[n->op]->attrs_size);
  q->name = n->name;
  q->locs = n->locs;
  q->n_locs = n->n_locs;
  q->results[0]->type = quantize->results[0]->type;
  if (!node_infer(&p->silent, q)) { /* a multiplier or factor out of range: stays in float */
    node_remove(q);
    return false;
  }
  node_replace(p->ctx, quantize, q);
  return true;
}

static bool lower_linear(Qdq *p, Node *quantize, const Node *n) {
  Tensor *x = dequantized_q8(n->operands[0]), *bias;
  if (!x || tensor_is_const(x)) return false;
  Tensor *w = integer_weight(n);
  if (!w || !integer_bias(p, n, tensor_scale(x), w->type.quant, &bias)) return false;
  return put_integer(p, quantize, n, (Tensor *[]){x, w, bias}, bias ? 3 : 2);
}

/* A constant operand of an integer op: u8 by the range of its values. NULL where that range has no scale. */
static Tensor *quantized_constant(Qdq *p, Node *quantize, const Tensor *t) {
  const float *v = constant_value(p->tmp, t);
  int64_t n = shape_count(&t->type.shape);
  float lo, hi, scale = tensor_scale(quantize->results[0]); /* of zeros: any */
  int32_t zero = 0;
  if (!v || n < 1 || !finite_range(v, n, &lo, &hi)) return NULL;
  if ((lo != 0 || hi != 0) && !choose_u8(lo, hi, &scale, &zero)) return NULL;
  Graph *g = quantize->graph;
  Type type = {DT_U8, t->type.shape, quant_per_tensor(g->arena, scale, zero)};
  return graph_constant(g, t->name, type, quantize_u8(g->arena, v, n, scale, zero), t->loc);
}

static bool lower_arith(Qdq *p, Node *quantize, const Node *n) {
  Tensor *q[2];
  for (int i = 0; i < 2; i++) {
    q[i] = dequantized_q8(n->operands[i]);
    if (!q[i]) q[i] = quantized_constant(p, quantize, n->operands[i]);
    if (!q[i]) return false;
  }
  return put_integer(p, quantize, n, q, 2);
}

static bool lower_pool(Qdq *p, Node *quantize, const Node *n) {
  Tensor *x = dequantized_q8(n->operands[0]);
  return x && put_integer(p, quantize, n, &x, 1);
}

/* Any function of one quantized tensor. A single unary op stays what it is, for the tables pass. */
static bool lower_table(Qdq *p, Node *quantize, const Node *n) {
  Tensor *x = table_source(n->results[0]);
  if (!x) return false;
  if (op_info[n->op]->quant == QUANT_UNARY && dequantized_q8(n->operands[0]))
    return put_integer(p, quantize, n, &x, 1);
  int32_t table[256];
  table_of(n->results[0], NULL, &x->type, &quantize->results[0]->type, table);
  become_lut(p->ctx, quantize, x, &quantize->results[0]->type, table);
  return true;
}

static bool lower(Qdq *p, Node *quantize) {
  const Tensor *x = node_operand(quantize, 0);
  if (quantize->op != OP_quantize || !x->producer || !type_is_q8(&quantize->results[0]->type)) return false;
  const Node *n = x->producer;
  if (!node_is_float(n)) return false;
  if (lower_table(p, quantize, n)) return true;
  switch (op_info[n->op]->quant) {
  case QUANT_LINEAR:
    return lower_linear(p, quantize, n);
  case QUANT_ARITH:
    return lower_arith(p, quantize, n);
  case QUANT_POOL:
    return lower_pool(p, quantize, n);
  default:
    return false; /* movers have been dealt with; the rest has no integer form */
  }
}

static bool has_conversions(const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (n->op == OP_quantize || n->op == OP_dequantize) return true;
  return false;
}

bool pass_qdq(PassCtx *ctx, Graph *g) {
  if (!has_conversions(g)) return true;
  Qdq p = {.ctx = ctx, .tmp = arena_new()};
  diag_init(&p.silent, p.tmp, NULL);
  int errors = ctx->diag->errors;
  fuse_activations(g);
  GRAPH_FOREACH_NODE(g, n) sink_dequantize(&p, n);
  graph_remove_dead(g);
  fold_constants(g, false); /* weights that were reshaped or transposed behind their dequantize */
  GRAPH_FOREACH_NODE(g, n) absorb_affine(&p, n);
  fuse_activations(g); /* behind what the layers have absorbed */
  for (bool changed = true; changed;) {
    changed = false;
    GRAPH_FOREACH_NODE(g, n) changed |= merge_twins(n) || merge_pair(&p, n) || raise_quantize(&p, n);
    graph_remove_dead(g);
  }
  fold_constants(g, false);
  GRAPH_FOREACH_NODE(g, n) lower(&p, n);
  graph_remove_dead(g);
  fold_constants(g, false);
  arena_free(p.tmp);
  return ctx->diag->errors == errors;
}
