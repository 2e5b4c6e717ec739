/* Layers in the modes that need no calibration: their operand is quantized while the model runs (rule 14 of
 * docs/numerics.md), or their weights alone are small. */
#include <string.h>

#include "ir/quant.h"
#include "passes/dynamic.h"
#include "passes/plan.h"
#include "passes/kept_weights.h"
#include "passes/recurrent.h"
#include "passes/small_weights.h"

bool pass_dynamic(PassCtx *ctx, Graph *g);

/* Which op a float layer becomes; its attributes are the same. */
static const OpId dynamic_ops[OP_COUNT] = {[OP_linear] = OP_dynamic_linear, [OP_conv2d] = OP_dynamic_conv2d};
static bool is_layer(const Node *n) { return op_info[n->op]->quant == QUANT_LINEAR || is_recurrent(n); }

static bool is_float_layer(const Node *n) {
  if (is_recurrent(n)) return is_float_recurrent(n);
  const Tensor *bias = node_operand(n, 2);
  if (!is_layer(n) || !node_is_float(n) || tensor_is_const(n->operands[0])) return false;
  return (is_const_f32(n->operands[1]) || is_small_weight(n->operands[1])) && (!bias || is_const_f32(bias));
}

/* The dynamic_quantize of `x`: one serves all layers that want the same of it. They come in topological
 * order. */
static Node *quantized_at_run_time(PassCtx *ctx, Tensor *x, int64_t qmax, Node *before) {
  for (int i = 0; i < x->n_uses; i++) {
    Node *n = x->uses[i].node;
    if (n->op != OP_dynamic_quantize) continue;
    const DynamicQuantizeAttrs *a = ATTRS(n, DynamicQuantizeAttrs);
    if (a->rule == DYNAMIC_ATEN && a->qmax == qmax) return n;
  }
  Graph *g = before->graph;
  const char *names[3];
  static const char *const parts[] = {"q", "scale", "zero"};
  for (int i = 0; i < 3; i++) names[i] = arena_printf(g->arena, "%s.%s", x->name, parts[i]);
  Node *n = graph_node(g, OP_dynamic_quantize, &x, 1, names, 3, node_loc(before), before);
  *ATTRS(n, DynamicQuantizeAttrs) = (DynamicQuantizeAttrs){DYNAMIC_ATEN, qmax};
  node_must_infer(ctx, n);
  return n;
}

static int64_t operand_qmax(const QConfig *c) { return c->activation.quant.quant_max == 127 ? 127 : 255; }

/* As the spec says; 8-bit weights stay what they are, and so do halves where the spec has these. */
static bool shrink_weight(PassCtx *ctx, Node *n, const QConfig *c) {
  Arena *a = n->graph->arena;
  const Tensor *w = n->operands[1];
  Type type;
  const void *data;
  if (tensor_is_quantized(w) || w->type.dtype == c->weight.quant.dtype) return true;
  Tensor wide = is_small_weight(w) ? widened_weight(a, w) : *w;
  if (!small_weight(ctx->diag, a, n, &wide, &c->weight, &type, &data)) return false;
  set_const_operand(n, 1, type, data);
  return true;
}

static bool become_dynamic(PassCtx *ctx, Node *n, const QConfig *c) {
  if (!shrink_weight(ctx, n, c)) return false;
  if (!dynamic_ops[n->op]) {
    diag_warning(
        ctx->diag, "float-op", node_loc(n),
        "%s '%s' is computed in float, with 8-bit weights: it has no form whose operand is quantized at "
        "run time",
        op_info[n->op]->name, node_label(n));
    return true;
  }
  Node *q = quantized_at_run_time(ctx, n->operands[0], operand_qmax(c), n);
  Tensor *operands[] = {q->results[0], q->results[1], q->results[2], n->operands[1], node_operand(n, 2)};
  Node *fresh = node_replacement(n, dynamic_ops[n->op], operands, operands[4] ? 5 : 4);
  memcpy(fresh->attrs, n->attrs, op_info[n->op]->attrs_size);
  fresh->name = n->name;
  node_replace(ctx, n, fresh);
  return true;
}

static bool become_small(PassCtx *ctx, Node *n, const QConfig *c) {
  bool chosen = is_const_f32(n->operands[1]);
  if (!shrink_weight(ctx, n, c)) return false;
  if (chosen && n->operands[1]->type.dtype == DT_S8) plan_add_layer(ctx->plan, n);
  return true;
}

/* Recurrent ops quantize their operands themselves. */
static bool shrink_recurrent(PassCtx *ctx, Node *n, const QConfig *c, bool dynamic) {
  if (!small_recurrent_weights(ctx->diag, n, &c->weight)) return false;
  RecurrentAttrs *a = ATTRS(n, RecurrentAttrs);
  a->dynamic = dynamic;
  a->quantize = (DynamicQuantizeAttrs){DYNAMIC_ATEN, operand_qmax(c)};
  return node_infer(ctx->diag, n);
}

static bool has_mode(const QConfig *c, QMode mode) {
  DType w = c->weight.quant.dtype;
  if (c->mode == QMODE_DYNAMIC && w == DT_F16)
    return mode == QMODE_WEIGHTS; /* as PyTorch's float16_dynamic_qconfig */
  return c->mode == mode && (w == DT_S8 || w == DT_U8 || w == DT_F16);
}

const char *dynamic_why_float(const Node *n) {
  if (is_float_layer(n)) return NULL;
  return is_layer(n) ? "its weights are not constant" : "only layers have this mode";
}

bool dynamic_takes_layer(const Node *n) { return is_float_layer(n); }

/* By the plan, whatever the configuration says. */
static bool is_planned(const PassCtx *ctx, const Node *n) {
  const TensorPlan *t = plan_of(ctx->plan, n->results[0]);
  return t && t->small_weights;
}

bool pass_dynamic(PassCtx *ctx, Graph *g) {
  bool ok = true;
  keep_small_weights(g);
  if (!ctx->plan) return true;
  GRAPH_FOREACH_NODE(g, n) {
    const QConfig *c = qconfig_of(ctx->qconfig, n, NULL);
    bool dynamic = has_mode(c, QMODE_DYNAMIC);
    if (!is_layer(n) || (!dynamic && !has_mode(c, QMODE_WEIGHTS) && !is_planned(ctx, n))) continue;
    if (!is_float_layer(n)) {
      if (node_is_float(n))
        diag_warning(ctx->diag, "float-op", node_loc(n), "%s '%s' is computed in float: %s",
                     op_info[n->op]->name, node_label(n), dynamic_why_float(n));
    } else {
      ok &= is_recurrent(n) ? shrink_recurrent(ctx, n, c, dynamic)
            : dynamic       ? become_dynamic(ctx, n, c)
                            : become_small(ctx, n, c);
    }
  }
  return ok;
}
