/* relu and clip become the clamp of the op before them. */
#include <math.h>

#include "passes/rewrite.h"

bool pass_fuse(PassCtx *ctx, Graph *g);

static bool clamp_of(const Node *n, float *lo, float *hi) {
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
  return n->op == OP_max_pool2d || n->op == OP_reshape || n->op == OP_transpose || n->op == OP_slice;
}

/* The node whose clamp can take over what `n` does, or NULL: through movers, each with one user. */
static Node *clamp_target(const Node *n, float **lo, float **hi) {
  for (Tensor *t = n->operands[0];; t = t->producer->operands[0]) {
    if (!t->producer || !tensor_single_use(t) || t->type.dtype != DT_F32) return NULL;
    if (node_clamp(t->producer, lo, hi)) return t->producer;
    if (!commutes_with_clamp(t->producer)) return NULL;
  }
}

/* clamp(clamp(x, a, b), lo, hi) is one clamp to these ends, also where the two do not overlap. */
static float clamped(float v, float lo, float hi) { return fminf(fmaxf(v, lo), hi); }

static bool fuse(Node *n) {
  float lo, hi, *act_min, *act_max;
  if (!clamp_of(n, &lo, &hi)) return false;
  Node *target = clamp_target(n, &act_min, &act_max);
  if (!target || !node_bypass(n)) return false;
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

bool pass_fuse(PassCtx *ctx, Graph *g) {
  (void)ctx;
  fuse_activations(g);
  fold_pads(g);
  return true;
}
