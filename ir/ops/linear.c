/* linear(%x [..., IC], @w [OC,IC], @bias [OC]?) { act_min, act_max }: [..., OC] */
#include "ir/ops/dense.h"

static bool infer_linear(Diag *d, Node *n, Type *results) {
  const ActAttrs *a = ATTRS(n, ActAttrs);
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  if (w->rank != 2 || w->dim[0] < 1 || w->dim[1] < 1)
    return diag_error(d, node_loc(n), "the weight of linear must be [OC, IC], not %s",
                      shape_text(d->arena, w));
  if (x->rank < 1) return diag_error(d, node_loc(n), "operand 1 of linear must be [..., IC], not a scalar");
  if (x->dim[x->rank - 1] != w->dim[1])
    return diag_error(d, node_loc(n), "linear: the operand has %lld input features, the weight %lld",
                      (long long)x->dim[x->rank - 1], (long long)w->dim[1]);
  if (!act_check(d, n, a->act_min, a->act_max)) return false;
  results[0].shape = *x;
  results[0].shape.dim[x->rank - 1] = w->dim[0];
  return dense_check_types(d, n, w->dim[0], &results[0]);
}

static int64_t macs_linear(const Node *n) {
  return shape_count(&n->results[0]->type.shape) * n->operands[1]->type.shape.dim[1];
}

const OpInfo op_linear = {.name = "linear",
                          .min_operands = 2,
                          .max_operands = 3,
                          .n_results = 1,
                          .attrs_size = sizeof(ActAttrs),
                          .attr_defaults = &act_defaults,
                          .attrs = act_attrs,
                          .quant = QUANT_LINEAR,
                          .infer = infer_linear,
                          .macs = macs_linear};
