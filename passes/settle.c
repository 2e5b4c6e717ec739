/* What the passes before leave in more than one form: reshapes beside each other, values moved in float
 * between integers, integer layers whose constants came in other types. After this the pipeline finds nothing
 * to do in what it made: a quantized model that is saved and read again stays as it is. */
#include "ir/quant.h"
#include "passes/layers.h"
#include "passes/rewrite.h"

bool pass_settle(PassCtx *ctx, Graph *g);

static void settle_layer(Node *n) {
  Tensor *w = n->operands[1], *b = node_operand(n, 2);
  if (!tensor_is_const(w) || !w->type.quant) return;
  Tensor *s8 = s8_weight(n->graph, w);
  if (s8 != w) node_set_operand(n, 1, s8);
  if (!b || !tensor_is_const(b)) return;
  Type t = bias_type(n->graph->arena, tensor_scale(n->operands[0]), w->type.quant, b->type.shape.dim[0]);
  if (!type_equal(&t, &b->type)) set_const_operand(n, 2, t, b->data);
}

/* The value that a quantized pad fills with is one that the type has. */
static void settle_pad(Node *n) {
  PadAttrs *a = ATTRS(n, PadAttrs);
  const Type *t = &n->operands[0]->type;
  if (a->mode != PAD_CONSTANT || !type_is_q8(t)) return;
  int32_t q = quantize_value(a->value, t->quant->scale[0], t->quant->zero[0],
                             (int32_t)dtype_info[t->dtype].min, (int32_t)dtype_info[t->dtype].max);
  a->value = dequantize_value(q, t->quant->scale[0], t->quant->zero[0]);
}

bool pass_settle(PassCtx *ctx, Graph *g) {
  while (canonical_forms(ctx, g) + fuse_activations(g) + sink_dequantizes(ctx, g) + raise_quantizes(ctx, g))
    continue;
  for (Node *n = g->first; n; n = n->next) {
    if (!tensor_is_quantized(n->results[0])) continue;
    if (op_info[n->op]->quant == QUANT_LINEAR) settle_layer(n);
    if (n->op == OP_pad) settle_pad(n);
  }
  return true;
}
