/* A model that came quantized, as float ops between dequantize and quantize: taken as integers. Conversions
 * settle first (conversions.c); what is then left between a dequantize and the next quantize becomes the
 * integer op, or stays in float and is listed by the cleanup pass. */
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/affine.h"
#include "passes/constant.h"
#include "passes/layers.h"
#include "passes/products.h"
#include "passes/qspec.h"
#include "passes/tables.h"

bool pass_qdq(PassCtx *ctx, Graph *g);

typedef struct {
  PassCtx *ctx;
  Diag silent; /* for trials */
  Arena *tmp;
} Qdq;

static Tensor *dequantized_q8(const Tensor *t) {
  Tensor *q = dequantized(t);
  return q && type_is_q8(&q->type) ? q : NULL;
}

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

static bool is_layer(const Node *n) { return op_info[n->op]->quant == QUANT_LINEAR; }

/* The quantized constant behind a layer's weight: a float layer may take it as it is. */
static Tensor *stored_weight(const Node *layer) {
  Tensor *w = layer->operands[1];
  return tensor_is_const(w) && tensor_is_quantized(w) ? w : dequantized(w);
}

/* The weight of a layer with its channels scaled: the integers stay, but for their sign, and the scales
 * change. NULL where -128 cannot change its sign, or a scale would not be a normal number. */
static Tensor *scaled_weight(Qdq *p, const Node *layer, const Affine *f, Node *before) {
  Tensor *w = stored_weight(layer);
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
  if (w == layer->operands[1]) return q;
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
  const Tensor *w = stored_weight(p);
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

/* The weight as s8, along axis 0 or per tensor. NULL: not a quantized weight. */
static Tensor *integer_weight(const Node *layer) {
  Tensor *w = dequantized(layer->operands[1]);
  if (!w || !tensor_is_const(w) || w->type.quant->axis > 0) return NULL;
  return w->type.dtype == DT_S8 || w->type.dtype == DT_U8 ? s8_weight(layer->graph, w) : NULL;
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

/* Puts the integer form of the float node `n` in the place of `quantize`, or of itself; the name stays that
 * of the result, the node's is n's. False, and nothing has changed, where the types do not go together. */
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

/* A layer of integers whose result nothing quantizes gives float32 directly: its sums are exact, and so is a
 * bias in their scale. */
static bool lower_float_result(Qdq *p, Node *n) {
  if (!node_is_float(n) || n->in_float || op_info[n->op]->quant != QUANT_LINEAR) return false;
  Tensor *x = dequantized_q8(n->operands[0]), *w = integer_weight(n), *b = node_operand(n, 2), *bias;
  if (!x || tensor_is_const(x) || !w) return false;
  const Tensor *q = dequantized(b);
  if (b && (!q || !tensor_is_const(q) || q->type.dtype != DT_S32)) return false;
  if (b && !bias_scales_fit(q, tensor_scale(x), w->type.quant, b->type.shape.dim[0])) return false;
  if (!integer_bias(p, n, tensor_scale(x), w->type.quant, &bias)) return false;
  return put_integer(p, n, n, (Tensor *[]){x, w, bias}, bias ? 3 : 2);
}

/* A constant operand of an integer op: u8 by the range of its values. NULL where that range has no scale. */
static Tensor *quantized_constant(Qdq *p, Node *quantize, const Tensor *t) {
  const float *v = constant_value(p->tmp, t);
  int64_t n = shape_count(&t->type.shape);
  float lo, hi, scale = tensor_scale(quantize->results[0]); /* of zeros: any */
  int32_t zero = 0;
  QuantSpec spec = qspec_of(DT_U8, false);
  spec.eps = 0;
  if (!v || n < 1 || !finite_range(v, n, &lo, &hi)) return NULL;
  if ((lo != 0 || hi != 0) && !qspec_params(&spec, lo, hi, &scale, &zero)) return NULL;
  Graph *g = quantize->graph;
  Type type = {DT_U8, t->type.shape, quant_per_tensor(g->arena, scale, zero)};
  return graph_constant(g, t->name, type, quantize_constant(g->arena, DT_U8, v, n, scale, zero), t->loc);
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

/* The other operands stay float constants. */
static bool lower_first(Qdq *p, Node *quantize, const Node *n) {
  Tensor **operands = arena_memdup(p->tmp, n->operands, sizeof *n->operands * (size_t)n->n_operands);
  operands[0] = dequantized_q8(n->operands[0]);
  if (!operands[0] || tensor_is_const(operands[0])) return false;
  for (int i = 1; i < n->n_operands; i++) {
    const float *v = n->operands[i] ? constant_value(n->graph->arena, n->operands[i]) : NULL;
    if (n->operands[i] && !v) return false;
    if (v && !tensor_is_const(n->operands[i]))
      operands[i] = graph_constant(n->graph, n->operands[i]->name, n->operands[i]->type, v, node_loc(n));
  }
  return put_integer(p, quantize, n, operands, n->n_operands);
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
  if (!node_is_float(n) || n->in_float) return false;
  /* a tensor plus itself is an addition first (rule 8), and then a table of it */
  bool direct = op_info[n->op]->quant == QUANT_ARITH && dequantized_q8(n->operands[0]) &&
                dequantized_q8(n->operands[1]);
  if ((direct && lower_arith(p, quantize, n)) || lower_table(p, quantize, n)) return true;
  switch (op_info[n->op]->quant) {
  case QUANT_LINEAR:
    return lower_linear(p, quantize, n);
  case QUANT_ARITH:
    return lower_arith(p, quantize, n);
  case QUANT_POOL:
    return lower_pool(p, quantize, n);
  case QUANT_FIRST:
    return lower_first(p, quantize, n);
  default:
    return false; /* movers have been dealt with; the rest has no integer form */
  }
}

/* Anything of a graph that is quantized already: conversions, or layers that take small weights. */
static bool is_quantized_before(const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (n->op == OP_quantize || n->op == OP_dequantize || (is_layer(n) && stored_weight(n))) return true;
  return false;
}

bool pass_qdq(PassCtx *ctx, Graph *g) {
  join_products(ctx, g);
  if (!is_quantized_before(g)) return true;
  Qdq p = {.ctx = ctx, .tmp = arena_new()};
  diag_init(&p.silent, p.tmp, NULL);
  int errors = ctx->diag->errors;
  fuse_activations(g);
  sink_dequantizes(ctx, g);
  fold_constants(g, false); /* weights that were reshaped or transposed behind their dequantize */
  GRAPH_FOREACH_NODE(g, n) absorb_affine(&p, n);
  fuse_activations(g); /* behind what the layers have absorbed */
  raise_quantizes(ctx, g);
  fold_constants(g, false);
  GRAPH_FOREACH_NODE(g, n) lower(&p, n);
  graph_remove_dead(g);
  GRAPH_FOREACH_NODE(g, n) lower_float_result(&p, n);
  graph_remove_dead(g);
  fold_constants(g, false);
  arena_free(p.tmp);
  return ctx->diag->errors == errors;
}
