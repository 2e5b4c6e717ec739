/* A pad of the spatial axes disappears into the convolution or the pool behind it. On quantized tensors this
 * holds too: pad fills with quantize(0), which is the zero point that convolutions pad with. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/quant.h"
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
  const Type *t = &pad->results[0]->type;
  if (type_is_q8(t)) {
    int32_t least = (int32_t)dtype_info[t->dtype].min, greatest = (int32_t)dtype_info[t->dtype].max;
    return quantize_value(value, t->quant->scale[0], t->quant->zero[0], least, greatest) == least;
  }
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

/* NULL: the op takes no pad. */
static bool (*const fits[OP_COUNT])(const Node *pad, const Node *user) = {
    [OP_conv2d] = folds_into_conv,    [OP_conv3d] = folds_into_conv,    [OP_max_pool2d] = folds_into_max,
    [OP_max_pool3d] = folds_into_max, [OP_avg_pool2d] = folds_into_avg, [OP_avg_pool3d] = folds_into_avg,
};

/* A constant pad of the axes from 2 on: what it adds before each of them, then behind; false for any other.
 */
static bool spatial_pads(const Node *pad, IntList *out) {
  const PadAttrs *a = ATTRS(pad, PadAttrs);
  int rank = pad->operands[0]->type.shape.rank;
  if (a->mode != PAD_CONSTANT || rank < 4 || rank > 5) return false;
  out->n = 0;
  for (int i = 0; i < 2 * rank; i++) {
    if (i % rank >= 2) {
      out->v[out->n++] = a->pads.v[i];
    } else if (a->pads.v[i]) {
      return false;
    }
  }
  return true;
}

static bool infers(Arena *tmp, Node *n) {
  Diag silent;
  diag_init(&silent, tmp, NULL);
  return node_infer(&silent, n);
}

/* The op itself says which pads it takes: no window of a pool may lie wholly in them. */
static bool fold_into(Arena *tmp, Node *pad, Node *user) {
  IntList extra;
  if (!fits[user->op] || !spatial_pads(pad, &extra) || !fits[user->op](pad, user)) return false;
  size_t size = op_info[user->op]->attrs_size;
  void *before = arena_memdup(tmp, user->attrs, size);
  bool pool = op_info[user->op]->quant != QUANT_LINEAR;
  IntList *pads = pool ? &ATTRS(user, PoolAttrs)->pad : &ATTRS(user, ConvAttrs)->pad;
  Tensor *padded = user->operands[0];
  for (int i = 0; i < extra.n; i++) pads->v[i] += extra.v[i];
  if (op_info[user->op]->quant == QUANT_POOL) ATTRS(user, PoolAttrs)->count_include_pad = true;
  node_set_operand(user, 0, pad->operands[0]);
  if (infers(tmp, user)) {
    node_add_locs(user, pad);
    return true;
  }
  memcpy(user->attrs, before, size);
  node_set_operand(user, 0, padded);
  return false;
}

int fold_pads(Graph *g) {
  int folded = 0;
  Arena *tmp = arena_new();
  GRAPH_FOREACH_NODE(g, n) {
    Tensor *x = node_operand(n, 0);
    if (!x || !produced_by(x, OP_pad) || !tensor_single_use(x)) continue;
    folded += fold_into(tmp, x->producer, n);
  }
  arena_free(tmp);
  if (folded) graph_remove_dead(g);
  return folded;
}
