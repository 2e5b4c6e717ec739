/* The products that ONNX writes for dynamic quantization, matmul_integer or conv_integer, cast, mul by the
 * scales, add of the bias, become dynamic_linear or dynamic_conv2d: the same integers, and the same floats,
 * rounded in the same places. */
#include <string.h>

#include "ir/quant.h"
#include "passes/products.h"

/* What has been found, from the product on. */
typedef struct {
  Node *product;
  Tensor *x; /* its operand; a vector, where the product is of a matrix with one row */
  int axis;  /* of its result's channels */
  int64_t channels;
  Tensor *scale;         /* of the operand: f32[] */
  const Tensor *w_scale; /* of the weight: one constant, or one for each channel */
  const Tensor *bias;    /* NULL: none */
  Node *last;            /* what the new node replaces */
} Match;

static bool is_scalar(const Tensor *t) { return t->type.shape.rank <= 1 && shape_count(&t->type.shape) == 1; }

/* One value, or one for each channel of the product's result. */
static bool fits_channels(const Match *m, const Tensor *t) {
  return is_const_f32(t) && is_per_channel(t, &m->product->results[0]->type.shape, m->axis);
}

/* a x b, where one is what `is` says; the other goes to *other. */
static bool either(const Node *n, bool (*is)(const Tensor *), Tensor **found, Tensor **other) {
  for (int i = 0; i < 2; i++)
    if (is(n->operands[i])) {
      *found = n->operands[i];
      *other = n->operands[1 - i];
      return true;
    }
  return false;
}

/* The product under a cast, or NULL. That of a vector is one of a matrix with one row, between reshapes. */
static Node *product_under(const Tensor *cast) {
  const Tensor *acc = cast->producer->operands[0];
  if (!tensor_single_use(acc) || !acc->producer) return NULL;
  if (acc->producer->op == OP_matmul_integer || acc->producer->op == OP_conv_integer) return acc->producer;
  if (acc->producer->op != OP_reshape || acc->type.shape.rank != 1) return NULL;
  const Tensor *row = acc->producer->operands[0];
  if (!tensor_single_use(row) || !produced_by(row, OP_matmul_integer)) return NULL;
  const Tensor *x = row->producer->operands[0];
  bool vector = produced_by(x, OP_reshape) && x->producer->operands[0]->type.shape.rank == 1;
  return vector && x->type.shape.rank == 2 && x->type.shape.dim[0] == 1 ? row->producer : NULL;
}

static bool is_cast_product(const Tensor *t) {
  return produced_by(t, OP_cast) && tensor_single_use(t) && product_under(t);
}

static bool is_constant(const Tensor *t) { return is_const_f32(t); }

/* The operands of the product that the dynamic ops take: plain integers, and a constant weight of two dims.
 */
static bool find_product(Match *m, Node *product) {
  const Tensor *x = product->operands[0], *w = product->operands[1];
  const Tensor *w_zero = node_operand(product, 3);
  bool conv = product->op == OP_conv_integer;
  if (x->type.quant || w->type.quant || !tensor_is_const(w) || (w_zero && !tensor_is_const(w_zero)))
    return false;
  if (!conv && w->type.shape.rank != 2) return false;
  m->product = product;
  m->x = product->operands[0];
  m->axis = conv ? 1 : product->results[0]->type.shape.rank - 1;
  m->channels = w->type.shape.dim[conv ? 0 : 1];
  return true;
}

/* scales = scale * w_scale */
static bool find_scales(Match *m, const Tensor *scales) {
  Tensor *w_scale;
  if (!produced_by(scales, OP_mul) || node_has_clamp(scales->producer)) return false;
  if (!either(scales->producer, is_constant, &w_scale, &m->scale) || !is_scalar(m->scale)) return false;
  m->w_scale = w_scale;
  for (int64_t i = 0, n = shape_count(&w_scale->type.shape); i < n; i++)
    if (!scale_is_valid(const_f32(w_scale)[i])) return false;
  return fits_channels(m, w_scale);
}

static void find_bias(Match *m) {
  const Tensor *y = m->last->results[0];
  if (!tensor_single_use(y) || node_has_clamp(m->last)) return;
  Node *add = y->uses[0].node;
  if (add->op != OP_add || !shape_equal(&add->results[0]->type.shape, &y->type.shape)) return;
  const Tensor *bias = add->operands[add->operands[0] == y];
  if (!fits_channels(m, bias)) return;
  m->bias = bias;
  m->last = add;
}

static bool match(Node *mul, Match *m) {
  Tensor *cast, *scales;
  if (mul->op != OP_mul || !either(mul, is_cast_product, &cast, &scales)) return false;
  *m = (Match){.last = mul};
  if (!find_product(m, product_under(cast)) || !find_scales(m, scales)) return false;
  if (cast->producer->operands[0]->producer != m->product) m->x = m->x->producer->operands[0];
  if (!shape_equal(&mul->results[0]->type.shape, &cast->type.shape)) return false;
  find_bias(m);
  return true;
}

/* ---- the new node ---- */

/* Element c of a constant that has one value, or one for each channel. */
static int64_t at_channel(const Tensor *t, int64_t c) { return shape_count(&t->type.shape) > 1 ? c : 0; }

static const Quant *weight_quant(Arena *a, const Match *m) {
  const Tensor *zero = node_operand(m->product, 3);
  bool listed = m->channels == 1 && m->w_scale->type.shape.rank > 0; /* a list for each of one channel */
  bool one =
      !listed && shape_count(&m->w_scale->type.shape) == 1 && (!zero || shape_count(&zero->type.shape) == 1);
  int64_t n = one ? 1 : m->channels;
  float *scale = ARENA_NEW_ARRAY(a, float, (size_t)n);
  int32_t *zeros = ARENA_NEW_ARRAY(a, int32_t, (size_t)n);
  for (int64_t c = 0; c < n; c++) {
    scale[c] = const_f32(m->w_scale)[at_channel(m->w_scale, c)];
    if (!zero) continue;
    int64_t at = at_channel(zero, c);
    zeros[c] =
        zero->type.dtype == DT_U8 ? ((const uint8_t *)zero->data)[at] : ((const int8_t *)zero->data)[at];
  }
  return quant_new(a, one ? -1 : 0, n, scale, zeros);
}

/* [K, N] as [N, K]; a convolution's lies right already. */
static Tensor *new_weight(Graph *g, const Match *m) {
  const Tensor *w = m->product->operands[1];
  Type type = {w->type.dtype, w->type.shape, weight_quant(g->arena, m)};
  const uint8_t *from = w->data;
  if (m->product->op == OP_matmul_integer) {
    int64_t k = w->type.shape.dim[0], n = w->type.shape.dim[1];
    uint8_t *to = arena_alloc(g->arena, (size_t)(k * n) + 1);
    for (int64_t i = 0; i < k; i++)
      for (int64_t c = 0; c < n; c++) to[c * k + i] = from[i * n + c];
    type.shape = shape_of(2, n, k);
    from = to;
  }
  return graph_constant(g, w->name, type, from, w->loc);
}

static Tensor *new_bias(Graph *g, const Match *m) {
  if (!m->bias) return NULL;
  float *v = ARENA_NEW_ARRAY(g->arena, float, (size_t)m->channels);
  for (int64_t c = 0; c < m->channels; c++) v[c] = const_f32(m->bias)[at_channel(m->bias, c)];
  return graph_constant(g, m->bias->name, type_f32(shape_of(1, m->channels)), v, m->bias->loc);
}

static Tensor *zero_of(Graph *g, const Match *m) {
  Tensor *zero = node_operand(m->product, 2);
  Type type = {.dtype = m->product->operands[0]->type.dtype};
  return zero ? zero : graph_constant(g, NULL, type, arena_alloc(g->arena, 1), node_loc(m->product));
}

static void replace(PassCtx *ctx, const Match *m) {
  Graph *g = m->product->graph;
  bool conv = m->product->op == OP_conv_integer;
  Tensor *operands[] = {m->x, m->scale, zero_of(g, m), new_weight(g, m), new_bias(g, m)};
  Node *fresh =
      node_replacement(m->last, conv ? OP_dynamic_conv2d : OP_dynamic_linear, operands, m->bias ? 5 : 4);
  if (conv) memcpy(fresh->attrs, m->product->attrs, op_info[OP_dynamic_conv2d]->attrs_size);
  float *lo, *hi, *old_lo, *old_hi;
  if (node_clamp(fresh, &lo, &hi) && node_clamp(m->last, &old_lo, &old_hi)) {
    *lo = *old_lo;
    *hi = *old_hi;
  }
  fresh->name = m->product->name;
  node_add_locs(fresh, m->product);
  node_replace(ctx, m->last, fresh);
}

int join_products(PassCtx *ctx, Graph *g) {
  int joined = 0;
  GRAPH_FOREACH_NODE(g, n) {
    Match m;
    if (!match(n, &m)) continue;
    if (m.last != n && n_next == m.last) n_next = m.last->next; /* it goes, too */
    replace(ctx, &m);
    joined++;
  }
  graph_remove_dead(g);
  return joined;
}
