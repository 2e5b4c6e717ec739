/* Ops whose channels are made of those of their operands. */
#include <string.h>

#include "passes/ranges/axis.h"
#include "passes/removal/removal.h"

/* ---- two operands ---- */

/* Channel by channel beside the result, where the operand is not one value for all of them. */
static void constrain_operand(Removal *r, const ChannelSet *y, const Tensor *t) {
  int at = axis_of_operand(t, y->tensor, y->axis);
  const ChannelSet *x = removal_set(r, t);
  bool broadcast = at < 0 || (t->type.shape.dim[at] == 1 && y->count > 1);
  if (!broadcast && x && x->axis == at) {
    for (int64_t c = 0; c < y->count; c++) unite(r, x, c, y, c);
    return;
  }
  keep_all(r, t);
  if (!broadcast && !tensor_is_const(t)) keep_all(r, y->tensor);
}

static void constrain_pairs(Removal *r, const Node *n) {
  const ChannelSet *y = removal_set(r, n->results[0]);
  for (int i = 0; i < 2; i++) {
    if (y) {
      constrain_operand(r, y, n->operands[i]);
    } else {
      keep_all(r, n->operands[i]);
    }
  }
}

void shrink_constant(Removal *r, Node *n, int i, const ChannelSet *result) {
  const Tensor *t = n->operands[i];
  int at = axis_of_operand(t, result->tensor, result->axis), bytes = dtype_info[t->type.dtype].bytes;
  if (!tensor_is_const(t) || at < 0 || t->type.shape.dim[at] != result->count) return;
  int64_t left, outer = 1, inner = bytes, *channel = channels_left(r, result, result->count, &left);
  for (int k = 0; k < at; k++) outer *= t->type.shape.dim[k];
  for (int k = at + 1; k < t->type.shape.rank; k++) inner *= t->type.shape.dim[k];
  char *data = arena_alloc(n->graph->arena, (size_t)(outer * left * inner) + 1), *to = data;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t c = 0; c < left; c++, to += inner)
      memcpy(to, (const char *)t->data + (o * result->count + channel[c]) * inner, (size_t)inner);
  Type type = t->type;
  type.shape.dim[at] = left;
  set_const_operand(n, i, type, data);
}

static void shrink_pairs(Removal *r, Node *n) {
  const ChannelSet *y = removal_set(r, n->results[0]);
  for (int i = 0; y && i < 2; i++) shrink_constant(r, n, i, y);
}

const ChannelRule rule_pairs = {constrain_pairs, shrink_pairs};

/* ---- one operand ---- */

static void constrain_through(Removal *r, const Node *n) {
  const ChannelSet *x = removal_set(r, n->operands[0]), *y = removal_set(r, n->results[0]);
  if (x && y && y->axis == axis_through(n, x->axis) && x->count == y->count) {
    for (int64_t c = 0; c < x->count; c++) unite(r, x, c, y, c);
    return;
  }
  keep_all(r, n->operands[0]);
  keep_all(r, n->results[0]);
}

const ChannelRule rule_through = {constrain_through, NULL};

static void constrain_prelu(Removal *r, const Node *n) {
  constrain_through(r, n);
  if (tensor_is_const(n->operands[1])) return;
  keep_all(r, n->operands[0]);
  keep_all(r, n->operands[1]);
}

static void shrink_prelu(Removal *r, Node *n) { shrink_constant(r, n, 1, removal_set(r, n->results[0])); }

const ChannelRule rule_prelu = {constrain_prelu, shrink_prelu};

/* A resize's attributes name the size of every dim. */
static void shrink_resize(Removal *r, Node *n) {
  const ChannelSet *y = removal_set(r, n->results[0]);
  channels_left(r, y, y->count, &ATTRS(n, ResizeAttrs)->size.v[y->axis]);
}

const ChannelRule rule_resize = {constrain_through, shrink_resize};
