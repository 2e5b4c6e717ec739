/* What quantization to 8 bits would spoil whatever the scales are: roots of sums of squares (the magnitude of
 * a spectrum, a norm). Squares double the range's exponent, and the root makes what rounding left of small
 * ones large again. From the squares to the root such a function is one float island.
 *
 * Masks: constants that are added before a softmax, zeros and numbers so low that it makes nothing of them.
 * Their range would leave no step for the others. */
#include <math.h>

#include "passes/plan.h"
#include "passes/tables.h"

static const char squares[] = "its squares need more than 8 bits";
static const char mask[] = "its mask needs more than 8 bits";

static bool is_square(const Node *n) {
  if (n->op == OP_pow) return ATTRS(n, PowAttrs)->exponent == 2;
  return n->op == OP_mul && n->operands[0] == n->operands[1];
}

static bool is_root(const Node *n) {
  return n->op == OP_sqrt || (n->op == OP_pow && fabsf(ATTRS(n, PowAttrs)->exponent) < 1);
}

/* Ops between the squares and the root. */
static bool may_be_between(const Node *n) {
  static const bool between[OP_COUNT] = {
      [OP_add] = true,         [OP_mul] = true,        [OP_div] = true,     [OP_reduce_sum] = true,
      [OP_reduce_mean] = true, [OP_avg_pool2d] = true, [OP_reshape] = true, [OP_transpose] = true,
      [OP_slice] = true,       [OP_concat] = true,     [OP_expand] = true,
  };
  return between[n->op] && node_is_float(n);
}

/* Do all ways up from `t` end at squares or constants? */
static bool is_of_squares(const Tensor *t, int *steps) {
  enum { MAX_STEPS = 64 };
  if (tensor_is_const(t)) return true;
  const Node *n = t->producer;
  if (!n || ++*steps > MAX_STEPS) return false;
  if (is_square(n)) return true;
  if (!may_be_between(n)) return false;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] && !is_of_squares(n->operands[i], steps)) return false;
  return true;
}

static void keep(Plan *p, const Node *n, bool root) {
  TensorPlan *t = plan_of(p, n->results[0]);
  if (t && !t->reason) {
    t->reason = squares;
    t->listed = true;
  }
  if (!root && is_square(n)) return;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] && n->operands[i]->producer) keep(p, n->operands[i]->producer, false);
}

/* Is `t` made between the squares, these included, and the node? */
static bool is_inside(const Node *n, const Tensor *t, bool root) {
  if (!root && is_square(n)) return false;
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *x = n->operands[i];
    if (x && x->producer && (x == t || is_inside(x->producer, t, false))) return true;
  }
  return false;
}

/* --- masks --- */

static bool is_mask(const Tensor *t) {
  enum { LOW = -1000 };
  if (!is_const_f32(t)) return false;
  for (int64_t i = 0, count = shape_count(&t->type.shape); i < count; i++)
    if (const_f32(t)[i] <= LOW) return true;
  return false;
}

/* Does a softmax read it, through nothing but moves and arithmetic with constants? */
static bool reaches_softmax(const Tensor *t, int depth) {
  enum { MAX_DEPTH = 8 };
  if (depth > MAX_DEPTH || t->n_uses != 1) return false;
  const Node *n = t->uses[0].node;
  if (n->op == OP_softmax || n->op == OP_log_softmax) return true;
  bool passes = n->op == OP_reshape || n->op == OP_transpose || n->op == OP_add || n->op == OP_mul;
  return passes && reaches_softmax(n->results[0], depth + 1);
}

/* From the mask to the softmax. */
static void keep_masked(Plan *p, const Node *n) {
  while (n->op != OP_softmax && n->op != OP_log_softmax) {
    TensorPlan *t = plan_of(p, n->results[0]);
    if (t && !t->reason) {
      t->reason = mask;
      t->listed = true;
    }
    n = n->results[0]->uses[0].node;
  }
}

void plan_keep_float(Plan *p) {
  for (const Node *n = p->graph->first; n; n = n->next) {
    int steps = 0;
    if (n->op == OP_add && (is_mask(n->operands[0]) || is_mask(n->operands[1])) &&
        reaches_softmax(n->results[0], 0))
      keep_masked(p, n);
    if (!is_root(n) || !node_is_float(n) || !is_of_squares(n->operands[0], &steps)) continue;
    const Tensor *source = pointwise_source(n->results[0]);
    if (source && !is_inside(n, source, true)) continue; /* all of it is a table over what is squared */
    keep(p, n, true);
  }
}
