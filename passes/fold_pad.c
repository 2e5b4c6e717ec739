/* A pad of the spatial axes disappears into the convolution or the pool behind it. On quantized tensors this
 * holds too: pad fills with quantize(0), which is the zero point that convolutions pad with. */
#include <float.h>
#include <math.h>

#include "passes/rewrite.h"

/* Is every element of the tensor known to be >= 0? */
static bool never_negative(const Tensor *t) {
  float *lo, *hi;
  const Node *p = t->producer;
  return p && (p->op == OP_relu || (node_clamp(p, &lo, &hi) && *lo >= 0));
}

static bool folds_into_conv(const Node *pad, const Node *conv) {
  (void)conv;
  return ATTRS(pad, PadAttrs)->value == 0;
}

/* Padding never wins a maximum: so the value must not win either, whether as a lowest number or because a
 * zero does not change the maximum of numbers that are never negative. */
static bool folds_into_max(const Node *pad, const Node *pool) {
  (void)pool;
  float value = ATTRS(pad, PadAttrs)->value;
  if (tensor_is_quantized(pad->results[0])) return false;
  return value <= -FLT_MAX || (value == 0 && never_negative(pad->operands[0]));
}

/* Zeros that count: the pool's own padding must count as well, or be absent. */
static bool folds_into_avg(const Node *pad, const Node *pool) {
  const PoolAttrs *a = ATTRS(pool, PoolAttrs);
  if (ATTRS(pad, PadAttrs)->value != 0) return false;
  for (int i = 0; i < a->pad_extra.n; i++)
    if (a->pad_extra.v[i]) return false;
  for (int i = 0; i < a->pad.n; i++)
    if (a->pad.v[i] && !a->count_include_pad) return false;
  return true;
}

typedef struct {
  bool (*fits)(const Node *pad, const Node *user); /* NULL: the op takes no pad */
  bool below_kernel;                               /* each pad must stay below the window's extent */
} PadUser;

static const PadUser users[OP_COUNT] = {
    [OP_conv2d] = {folds_into_conv, false},
    [OP_max_pool2d] = {folds_into_max, true},
    [OP_avg_pool2d] = {folds_into_avg, true},
};

/* [top, left, bottom, right] of a constant pad of axes 2 and 3; false for any other pad. */
static bool spatial_pads(const Node *pad, int64_t out[4]) {
  const PadAttrs *a = ATTRS(pad, PadAttrs);
  if (a->mode != PAD_CONSTANT || pad->operands[0]->type.shape.rank != 4) return false;
  static const int at[4] = {2, 3, 6, 7}, others[4] = {0, 1, 4, 5};
  for (int i = 0; i < 4; i++) {
    if (a->pads.v[others[i]]) return false;
    out[i] = a->pads.v[at[i]];
  }
  return true;
}

static bool fold_into(Node *pad, Node *user) {
  int64_t extra[4];
  const PadUser *u = &users[user->op];
  if (!u->fits || !spatial_pads(pad, extra) || !u->fits(pad, user)) return false;
  bool pool = user->op != OP_conv2d;
  IntList *pads = pool ? &ATTRS(user, PoolAttrs)->pad : &ATTRS(user, Conv2dAttrs)->pad;
  for (int i = 0; i < 4; i++)
    if (pads->v[i] + extra[i] > MAX_DIM) return false;
  if (u->below_kernel) {
    const PoolAttrs *a = ATTRS(user, PoolAttrs);
    for (int i = 0; i < 4; i++)
      if (pads->v[i] + extra[i] >= a->kernel.v[i % 2]) return false;
  }
  for (int i = 0; i < 4; i++) pads->v[i] += extra[i];
  if (user->op == OP_avg_pool2d) ATTRS(user, PoolAttrs)->count_include_pad = true;
  node_set_operand(user, 0, pad->operands[0]);
  node_add_locs(user, pad);
  return true;
}

int fold_pads(Graph *g) {
  int folded = 0;
  GRAPH_FOREACH_NODE(g, n) {
    Tensor *x = node_operand(n, 0);
    if (!x || !produced_by(x, OP_pad) || !tensor_single_use(x)) continue;
    folded += fold_into(x->producer, n);
  }
  if (folded) graph_remove_dead(g);
  return folded;
}
