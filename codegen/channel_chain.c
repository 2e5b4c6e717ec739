#include "codegen/channel_order.h"

#include <string.h>

#include "codegen/depthwise.h"
#include "ir/ops/attrs.h"

enum { MAX_CHAIN = 4 };

/* Nodes that see the same channels: a dense one that makes them, depthwise ones, a dense one that reads them.
 */
typedef struct {
  Node *node[MAX_CHAIN];
  int n;
} Chain;

/* ---- which ---- */

static Tensor *weight_of(const Node *n) { return n->operands[1]; }

/* The constant is nobody else's. */
static bool is_own(const Tensor *t) { return !t || (tensor_is_const(t) && t->n_uses == 1 && !t->is_output); }

static bool is_quantized_conv(const Node *n) {
  if (n->op != OP_conv2d || !tensor_is_quantized(n->operands[0]) || !tensor_is_quantized(n->results[0]))
    return false;
  const Tensor *w = weight_of(n);
  const Quant *q = w->type.quant;
  return q && (q->count == 1 || q->axis == 0) && w->type.dtype == DT_S8 && is_own(w) &&
         is_own(node_operand(n, 2));
}

static bool is_dense(const Node *n) { return is_quantized_conv(n) && ATTRS(n, ConvAttrs)->groups == 1; }

/* The only reader of the channels; NULL: there are others, or none. */
static Node *reader_of(const Node *n) {
  const Tensor *y = n->results[0];
  if (y->n_uses != 1 || y->is_output || y->uses[0].operand != 0) return NULL;
  return y->uses[0].node;
}

static bool find_chain(Node *first, Chain *c) {
  *c = (Chain){{first}, 1};
  if (!is_dense(first)) return false;
  while (c->n < MAX_CHAIN) {
    Node *next = reader_of(c->node[c->n - 1]);
    if (!next || !is_quantized_conv(next)) return false;
    c->node[c->n++] = next;
    if (is_dense(next)) return true;
    if (!is_depthwise(next)) return false;
  }
  return false;
}

/* ---- the order ---- */

/* A run of a dense kernel is a row of the window; k-steps are four elements of it. What differs does no harm
 * but to speed. */
static bool read_weights(const Cg *cg, const Node *n, Arena *a, ChannelWeights *out) {
  const Tensor *w = weight_of(n);
  const int64_t *dim = w->type.shape.dim;
  const Quant *q = w->type.quant;
  int64_t run = dim[3] * dim[1], steps = (run + 3) / 4, k = dim[1] * dim[2] * dim[3];
  if (dim[2] * steps < 2 || dim[2] * steps > PLAN_WORD || dim[0] < 2 * cg->target->lanes) return false;
  *out = (ChannelWeights){.channels = dim[0],
                          .k_steps = (int)(dim[2] * steps),
                          .lanes = cg->target->lanes,
                          .limit = cg->target->dot_pair_sum / 255};
  int8_t *to = arena_array(a, (size_t)(dim[0] * out->k_steps), 4);
  for (int64_t i = 0; i < dim[0] * k; i++) {
    int64_t c = i / k, ic = i / dim[3] / dim[2] % dim[1], y = i / dim[3] % dim[2], x = i % dim[3];
    int32_t v = ((const int8_t *)w->data)[i] - q->zero[q->count > 1 ? c : 0];
    if (v < -127 || v > 127) return false;
    to[(c * dim[2] + y) * steps * 4 + x * dim[1] + ic] = (int8_t)v;
  }
  out->weights = to;
  return true;
}

/* ---- the constants ---- */

/* `outer` times: blocks of `bytes`, one of each channel. */
static void permute_data(Cg *cg, Tensor *t, const int32_t *order, int64_t outer, int64_t channels) {
  size_t bytes = (size_t)(type_bytes(&t->type) / (outer * channels));
  char *data = arena_array(cg->arena, (size_t)(outer * channels), bytes);
  for (int64_t i = 0; i < outer * channels; i++) {
    int64_t from = i / channels * channels + order[i % channels];
    memcpy(data + (size_t)i * bytes, (const char *)t->data + (size_t)from * bytes, bytes);
  }
  t->data = data;
}

static void permute_quant(Cg *cg, Tensor *t, const int32_t *order, int64_t channels) {
  const Quant *q = t->type.quant;
  if (!q || q->count != channels || q->axis != 0) return;
  float *scale = ARENA_NEW_ARRAY(cg->arena, float, (size_t)channels);
  int32_t *zero = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)channels);
  for (int64_t i = 0; i < channels; i++) {
    scale[i] = q->scale[order[i]];
    zero[i] = q->zero[order[i]];
  }
  t->type.quant = quant_new(cg->arena, 0, channels, scale, zero);
}

/* A node's results come in that order. */
static void permute_results(Cg *cg, const Node *n, const int32_t *order, int64_t channels) {
  for (int i = 1; i < n->n_operands; i++) {
    Tensor *t = n->operands[i];
    if (!t) continue;
    permute_data(cg, t, order, 1, channels);
    permute_quant(cg, t, order, channels);
  }
}

static void order_chain(Cg *cg, const Chain *c) {
  Arena *tmp = arena_new();
  ChannelWeights w;
  if (read_weights(cg, c->node[0], tmp, &w)) {
    const int32_t *order = order_channels(tmp, &w);
    Tensor *last = weight_of(c->node[c->n - 1]);
    for (int i = 0; i < c->n - 1; i++) permute_results(cg, c->node[i], order, w.channels);
    permute_data(cg, last, order, last->type.shape.dim[0], w.channels);
  }
  arena_free(tmp);
}

void cg_order_channels(Cg *cg) {
  if (!cg->target->dot_pair_sum) return;
  for (Node *n = cg->graph->first; n; n = n->next) {
    Chain c;
    if (find_chain(n, &c)) order_chain(cg, &c);
  }
}
