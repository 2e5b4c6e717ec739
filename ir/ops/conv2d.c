/* conv2d(%x [N,IC,H,W], @w [OC,IC/groups,KH,KW], @bias [OC]?) { stride, pad, dilation, groups, act_min,
 * act_max } */
#include "ir/ops/dense.h"
#include "ir/ops/window.h"

#include <math.h>

static bool infer_conv2d(Diag *d, Node *n, Type *results) {
  const Conv2dAttrs *a = ATTRS(n, Conv2dAttrs);
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  if (w->rank != 4)
    return diag_error(d, node_loc(n), "the weight of conv2d must be [OC, IC / groups, KH, KW], not %s",
                      shape_text(d->arena, w));
  WindowDim dims[2];
  if (!window_check(d, n, x, &w->dim[2], &a->stride, &a->pad, &a->dilation, dims)) return false;
  int64_t oc = w->dim[0], ic = x->dim[1];
  if (oc < 1 || w->dim[1] < 1)
    return diag_error(d, node_loc(n), "the weight of conv2d, %s, has no elements", shape_text(d->arena, w));
  if (a->groups < 1 || ic % a->groups)
    return diag_error(d, node_loc(n), "conv2d: %lld groups do not divide %lld input channels",
                      (long long)a->groups, (long long)ic);
  if (oc % a->groups)
    return diag_error(d, node_loc(n), "conv2d: %lld groups do not divide %lld output channels",
                      (long long)a->groups, (long long)oc);
  if (w->dim[1] != ic / a->groups)
    return diag_error(
        d, node_loc(n),
        "conv2d: the weight has %lld input channels per group, the operand %lld / %lld groups = "
        "%lld",
        (long long)w->dim[1], (long long)ic, (long long)a->groups, (long long)(ic / a->groups));
  if (!act_check(d, n, a->act_min, a->act_max)) return false;
  results[0].shape = shape_of(4, x->dim[0], oc, dims[0].out, dims[1].out);
  return dense_check_types(d, n, oc, &results[0]);
}

static int64_t macs_conv2d(const Node *n) {
  const Shape *w = &n->operands[1]->type.shape;
  return shape_count(&n->results[0]->type.shape) * w->dim[1] * w->dim[2] * w->dim[3];
}

static const Conv2dAttrs conv2d_defaults = {.stride = {2, {1, 1}},
                                            .pad = {4, {0, 0, 0, 0}},
                                            .dilation = {2, {1, 1}},
                                            .groups = 1,
                                            .act_min = -INFINITY,
                                            .act_max = INFINITY};
static const AttrDesc conv2d_attrs[] = {{"stride", ATTR_INTS, offsetof(Conv2dAttrs, stride), .count = 2},
                                        {"pad", ATTR_INTS, offsetof(Conv2dAttrs, pad), .count = 4},
                                        {"dilation", ATTR_INTS, offsetof(Conv2dAttrs, dilation), .count = 2},
                                        {"groups", ATTR_INT, offsetof(Conv2dAttrs, groups)},
                                        {"act_min", ATTR_FLOAT, offsetof(Conv2dAttrs, act_min)},
                                        {"act_max", ATTR_FLOAT, offsetof(Conv2dAttrs, act_max)},
                                        {0}};

const OpInfo op_conv2d = {.name = "conv2d",
                          .min_operands = 2,
                          .max_operands = 3,
                          .n_results = 1,
                          .attrs_size = sizeof(Conv2dAttrs),
                          .attr_defaults = &conv2d_defaults,
                          .attrs = conv2d_attrs,
                          .quant = QUANT_LINEAR,
                          .infer = infer_conv2d,
                          .macs = macs_conv2d};
