/* Ops that move whole channels. */
#include "passes/ranges/axis.h"
#include "passes/removal/removal.h"

static void keep_both(Removal *r, const Node *n) {
  keep_all(r, n->operands[0]);
  keep_all(r, n->results[0]);
}

/* ---- slice: channels outside are not read ---- */

static void constrain_slice(Removal *r, const Node *n) {
  const ChannelSet *x = removal_set(r, n->operands[0]), *y = removal_set(r, n->results[0]);
  const SliceAttrs *a = ATTRS(n, SliceAttrs);
  if (!x || !y || x->axis != y->axis || a->step.v[x->axis] != 1) {
    keep_both(r, n);
    return;
  }
  for (int64_t c = 0; c < y->count; c++) unite(r, x, a->start.v[x->axis] + c, y, c);
}

static void shrink_slice(Removal *r, Node *n) {
  const ChannelSet *x = removal_set(r, n->operands[0]);
  SliceAttrs *a = ATTRS(n, SliceAttrs);
  int64_t start = a->start.v[x->axis], stop = a->stop.v[x->axis], before = 0, within = 0;
  for (int64_t c = 0; c < stop; c++)
    if (!channel_goes(r, x, c)) *(c < start ? &before : &within) += 1;
  a->start.v[x->axis] = before;
  a->stop.v[x->axis] = before + within;
}

const ChannelRule rule_slice = {constrain_slice, shrink_slice};

/* ---- concat ---- */

/* Channels of operand i are the result's from `first` on. */
static void constrain_part(Removal *r, const Tensor *t, const ChannelSet *y, int64_t first) {
  const ChannelSet *x = removal_set(r, t);
  bool known = x && x->axis == y->axis;
  if (!known) keep_all(r, t);
  for (int64_t c = 0; c < t->type.shape.dim[y->axis]; c++) {
    if (known) {
      unite(r, x, c, y, first + c);
    } else {
      keep_channel(r, y, first + c);
    }
  }
}

static void constrain_concat(Removal *r, const Node *n) {
  const ChannelSet *y = removal_set(r, n->results[0]);
  bool side_by_side = y && y->axis == ATTRS(n, AxisAttrs)->axis;
  int64_t first = 0;
  for (int i = 0; i < n->n_operands; i++) {
    if (!y) {
      keep_all(r, n->operands[i]);
      continue;
    }
    constrain_part(r, n->operands[i], y, first);
    if (side_by_side) first += n->operands[i]->type.shape.dim[y->axis];
  }
}

const ChannelRule rule_concat = {constrain_concat, NULL};

/* ---- reshape: a channel becomes one, or several ---- */

static void constrain_reshape(Removal *r, const Node *n) {
  const ChannelSet *x = removal_set(r, n->operands[0]), *y = removal_set(r, n->results[0]);
  ReshapedAxis to;
  if (!x || !y || !axis_reshaped(&x->tensor->type.shape, x->axis, &y->tensor->type.shape, &to) ||
      to.axis != y->axis || to.inner % to.stride) {
    keep_both(r, n);
    return;
  }
  for (int64_t c = 0; c < y->count; c++) unite(r, x, c * to.stride / to.inner, y, c);
}

static void shrink_reshape(Removal *r, Node *n) {
  const ChannelSet *y = removal_set(r, n->results[0]);
  channels_left(r, y, y->count, &ATTRS(n, ReshapeAttrs)->shape.v[y->axis]);
}

const ChannelRule rule_reshape = {constrain_reshape, shrink_reshape};
