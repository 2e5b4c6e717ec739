/* conv2d, conv3d, conv_transpose2d, conv_transpose3d(%x [N,IC,...], @w [OC,IC/groups,...], @bias [OC]?)
 * { stride, pad, dilation, output_pad, groups, act_min, act_max } */
#include "ir/ops/conv.h"
#include "ir/ops/dense.h"

#include <math.h>

static int dims_of(const Node *n) { return n->op == OP_conv3d || n->op == OP_conv_transpose3d ? 3 : 2; }

static bool is_transposed(const Node *n) {
  return n->op == OP_conv_transpose2d || n->op == OP_conv_transpose3d;
}

WindowAttrs conv_window(const Node *n, const Shape *w) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  return (WindowAttrs){.dims = dims_of(n),
                       .kernel = &w->dim[2],
                       .stride = &a->stride,
                       .pad = &a->pad,
                       .dilation = &a->dilation,
                       .output_pad = is_transposed(n) ? &a->output_pad : NULL};
}

bool conv_check(Diag *d, const Node *n, const Shape *x, const Shape *w, Shape *result) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  const char *op = op_info[n->op]->name;
  if (w->rank != 2 + dims_of(n))
    return diag_error(d, node_loc(n), "the weight of %s must be [OC, IC / groups, %sKH, KW], not %s", op,
                      dims_of(n) == 3 ? "KD, " : "", shape_text(d->arena, w));
  WindowDim dims[WINDOW_DIMS];
  WindowAttrs window = conv_window(n, w);
  if (!window_check(d, n, x, &window, dims)) return false;
  int64_t oc = w->dim[0], ic = x->dim[1];
  if (oc < 1 || w->dim[1] < 1)
    return diag_error(d, node_loc(n), "the weight of %s, %s, has no elements", op, shape_text(d->arena, w));
  if (a->groups < 1 || ic % a->groups)
    return diag_error(d, node_loc(n), "%s: %lld groups do not divide %lld input channels", op,
                      (long long)a->groups, (long long)ic);
  if (oc % a->groups)
    return diag_error(d, node_loc(n), "%s: %lld groups do not divide %lld output channels", op,
                      (long long)a->groups, (long long)oc);
  if (w->dim[1] != ic / a->groups)
    return diag_error(
        d, node_loc(n),
        "%s: the weight has %lld input channels per group, the operand %lld / %lld groups = %lld", op,
        (long long)w->dim[1], (long long)ic, (long long)a->groups, (long long)(ic / a->groups));
  *result = window_result(x, dims, oc);
  return act_check(d, n, a->act_min, a->act_max);
}

static bool infer_conv(Diag *d, Node *n, Type *results) {
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  return conv_check(d, n, x, w, &results[0].shape) && dense_check_types(d, n, w->dim[0], &results[0]);
}

static void eval_conv(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  const Tensor *x = n->operands[0], *w = n->operands[1];
  DotSource source = dot_source(x, in[0]), weight = dot_weight(w, in[1], x->type.dtype == DT_F32);
  DotOutput o = dot_output(ctx->scratch, n, in, a->act_min, a->act_max);
  conv_compute(ctx->scratch, n, &source, &x->type.shape, &weight, &w->type.shape, &o, out[0]);
}

/* Of every output, whether its taps lie in the input or not; a transposed convolution spreads every input
 * over the whole kernel. */
static int64_t macs_conv(const Node *n) {
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  int64_t per_output = shape_count(w) / w->dim[0];
  if (!is_transposed(n)) return shape_count(&n->results[0]->type.shape) * per_output;
  return shape_count(x) / x->dim[1] * w->dim[0] * per_output;
}

#define CONV_ATTRS(dims)                                                                                     \
  {"stride", ATTR_INTS, offsetof(ConvAttrs, stride), .count = (dims)},                                       \
      {"pad", ATTR_INTS, offsetof(ConvAttrs, pad), .count = 2 * (dims)},                                     \
      {"dilation", ATTR_INTS, offsetof(ConvAttrs, dilation), .count = (dims)},                               \
      {"groups", ATTR_INT, offsetof(ConvAttrs, groups)},                                                     \
      {"act_min", ATTR_FLOAT, offsetof(ConvAttrs, act_min)}, {                                               \
    "act_max", ATTR_FLOAT, offsetof(ConvAttrs, act_max)                                                      \
  }
#define OUTPUT_PAD(dims)                                                                                     \
  { "output_pad", ATTR_INTS, offsetof(ConvAttrs, output_pad), .count = (dims) }

const AttrDesc conv2d_attrs[] = {CONV_ATTRS(2), {0}};
static const AttrDesc conv3d_attrs[] = {CONV_ATTRS(3), {0}};
static const AttrDesc conv_transpose2d_attrs[] = {CONV_ATTRS(2), OUTPUT_PAD(2), {0}};
static const AttrDesc conv_transpose3d_attrs[] = {CONV_ATTRS(3), OUTPUT_PAD(3), {0}};

#define CONV_DEFAULTS(dims)                                                                                  \
  .stride = {(dims), {1, 1, 1}}, .pad = {2 * (dims), {0}}, .dilation = {(dims), {1, 1, 1}}, .groups = 1,     \
  .act_min = -INFINITY, .act_max = INFINITY

const ConvAttrs conv2d_defaults = {CONV_DEFAULTS(2)};
static const ConvAttrs conv3d_defaults = {CONV_DEFAULTS(3)};
static const ConvAttrs conv_transpose2d_defaults = {CONV_DEFAULTS(2), .output_pad = {2, {0}}};
static const ConvAttrs conv_transpose3d_defaults = {CONV_DEFAULTS(3), .output_pad = {3, {0}}};

#define CONV_INFO(op)                                                                                        \
  .name = #op, .min_operands = 2, .max_operands = 3, .n_results = 1, .attrs_size = sizeof(ConvAttrs),        \
  .attr_defaults = &op##_defaults, .attrs = op##_attrs, .quant = QUANT_LINEAR, .infer = infer_conv,          \
  .eval = eval_conv, .macs = macs_conv

const OpInfo op_conv2d = {CONV_INFO(conv2d)};
const OpInfo op_conv3d = {CONV_INFO(conv3d)};
const OpInfo op_conv_transpose2d = {CONV_INFO(conv_transpose2d)};
const OpInfo op_conv_transpose3d = {CONV_INFO(conv_transpose3d)};
