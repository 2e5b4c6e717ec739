/* relu and clip become the clamp of the op before them, in float and, where they keep scale and zero point,
 * on integers (rule 7 of docs/numerics.md gives what a table would). */
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/plan.h"

bool pass_fuse(PassCtx *ctx, Graph *g);

void clamp_bounds(const Node *clamp, float *lo, float *hi) {
  const ClampAttrs *a = ATTRS(clamp, ClampAttrs);
  const Tensor *q = clamp->operands[0];
  const DTypeInfo *t = &dtype_info[q->type.dtype];
  *lo = a->min > t->min ? dequantize_value((int32_t)a->min, tensor_scale(q), tensor_zero(q)) : -INFINITY;
  *hi = a->max < t->max ? dequantize_value((int32_t)a->max, tensor_scale(q), tensor_zero(q)) : INFINITY;
}

static bool clamp_of(const Node *n, float *lo, float *hi) {
  if (n->op == OP_clamp && type_is_q8(&n->operands[0]->type)) {
    clamp_bounds(n, lo, hi);
    return true;
  }
  *lo = 0;
  *hi = INFINITY;
  if (n->op == OP_relu) return true;
  if (n->op != OP_clip) return false;
  *lo = ATTRS(n, ClipAttrs)->min;
  *hi = ATTRS(n, ClipAttrs)->max;
  return true;
}

/* Monotone ops that choose among their operand's elements: a clamp may go before them. */
static bool commutes_with_clamp(const Node *n) {
  static const bool monotone[OP_COUNT] = {
      [OP_max_pool2d] = true, [OP_max_pool3d] = true,     [OP_adaptive_max_pool] = true,
      [OP_reshape] = true,    [OP_transpose] = true,      [OP_slice] = true,
      [OP_expand] = true,     [OP_resize_nearest] = true,
  };
  return monotone[n->op];
}

static bool is_real(const Tensor *t) { return t->type.dtype == DT_F32 || tensor_is_quantized(t); }

/* The node whose clamp can take over what `n` does, or NULL: through movers, each with one user. */
static Node *clamp_target(const Tensor *t, float **lo, float **hi) {
  for (;; t = t->producer->operands[0]) {
    if (!t->producer || !tensor_single_use(t) || !is_real(t)) return NULL;
    if (node_clamp(t->producer, lo, hi)) return t->producer;
    if (!commutes_with_clamp(t->producer)) return NULL;
  }
}

bool takes_clamp(const Tensor *t) {
  float *lo, *hi;
  return clamp_target(t, &lo, &hi) != NULL;
}

/* clamp(clamp(x, a, b), lo, hi) is one clamp to these ends, also where the two do not overlap. */
static float clamped(float v, float lo, float hi) { return fminf(fmaxf(v, lo), hi); }

static bool fuse(Node *n) {
  float lo, hi, *act_min, *act_max;
  if (!clamp_of(n, &lo, &hi)) return false;
  Node *target = clamp_target(n->operands[0], &act_min, &act_max);
  const char *own_name = target ? target->results[0]->name : NULL;
  if (!target || !node_bypass(n)) return false;
  /* where the result now has the output's name, the layer is still spoken of by its own, as behind fold_bn */
  if (!*target->name && strcmp(own_name, target->results[0]->name)) target->name = own_name;
  *act_min = clamped(*act_min, lo, hi);
  *act_max = clamped(*act_max, lo, hi);
  node_add_locs(target, n);
  return true;
}

int fuse_activations(Graph *g) {
  int fused = 0;
  GRAPH_FOREACH_NODE(g, n) fused += fuse(n);
  return fused;
}

/* Where PyTorch's observers are to see what PyTorch's do, only that is fused before them which PyTorch fuses:
 * a ReLU directly behind one of these (a convolution of one dimension ends in a view). Other clamps have
 * their operand's parameters, and are fused on integers by the pass tables. */
static bool torch_fuses(const Node *relu) {
  static const bool fused[OP_COUNT] = {
      [OP_conv2d] = true, [OP_conv3d] = true, [OP_linear] = true, [OP_add] = true, [OP_mul] = true,
  };
  const Node *n = relu->operands[0]->producer;
  if (n && plan_is_view(n)) n = n->operands[0]->producer;
  return relu->op == OP_relu && n && fused[n->op];
}

bool pass_fuse(PassCtx *ctx, Graph *g) {
  bool as_torch = ctx->qconfig && ctx->qconfig->torch_sharing && is_to_be_quantized(ctx, g);
  GRAPH_FOREACH_NODE(g, n) {
    if (!as_torch || torch_fuses(n)) fuse(n);
  }
  fold_pads(g);
  return true;
}
