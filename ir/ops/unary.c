/* Ops of one value in, one value out. `fn` is the definition, each operation an IEEE single one in the order
 * written: the emitted float code repeats it bit for bit; quantized operands go through a 256-entry table of
 * it (rule 10). Semantics are ONNX's. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

#include <math.h>

static bool infer_unary(Diag *d, Node *n, Type *results) {
  results[0].shape = n->operands[0]->type.shape;
  return infer_real_operand(d, n, 0) && infer_real_result(d, n, &results[0]);
}

/* `name` is the op's attribute with the value v. */
static bool check_finite(Diag *d, const Node *n, const char *name, float v) {
  if (isfinite(v)) return true;
  return diag_error(d, node_loc(n), "%s: %s must be a finite number", op_info[n->op]->name, name);
}

static bool infer_clip(Diag *d, Node *n, Type *results) {
  const ClipAttrs *a = ATTRS(n, ClipAttrs);
  if (isnan(a->min) || isnan(a->max)) return diag_error(d, node_loc(n), "clip: a bound is not a number");
  if (a->min > a->max)
    return diag_error(d, node_loc(n), "clip: min %g is above max %g", (double)a->min, (double)a->max);
  return infer_unary(d, n, results);
}

static bool infer_alpha(Diag *d, Node *n, Type *results) {
  const AlphaBetaAttrs *a = ATTRS(n, AlphaBetaAttrs);
  return check_finite(d, n, "alpha", a->alpha) && check_finite(d, n, "beta", a->beta) &&
         infer_unary(d, n, results);
}

static const ClipAttrs clip_defaults = {-INFINITY, INFINITY};
static const AlphaBetaAttrs leaky_relu_defaults = {.alpha = 0.01f};
static const AlphaBetaAttrs elu_defaults = {.alpha = 1};
static const AlphaBetaAttrs hard_sigmoid_defaults = {.alpha = 0.2f, .beta = 0.5f};
static const GeluAttrs gelu_defaults = {GELU_ERF};

static const char *const gelu_forms[] = {"none", "tanh", NULL};

static const AttrDesc clip_attrs[] = {
    {"min", ATTR_FLOAT, offsetof(ClipAttrs, min)}, {"max", ATTR_FLOAT, offsetof(ClipAttrs, max)}, {0}};
static const AttrDesc alpha_attrs[] = {{"alpha", ATTR_FLOAT, offsetof(AlphaBetaAttrs, alpha)}, {0}};
static const AttrDesc alpha_beta_attrs[] = {{"alpha", ATTR_FLOAT, offsetof(AlphaBetaAttrs, alpha)},
                                            {"beta", ATTR_FLOAT, offsetof(AlphaBetaAttrs, beta)},
                                            {0}};
static const AttrDesc gelu_attrs[] = {
    {"approximate", ATTR_ENUM, offsetof(GeluAttrs, approximate), .values = gelu_forms}, {0}};

#define UNARY(op) .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .quant = QUANT_UNARY
#define UNARY_ATTRS(T, defaults, table)                                                                      \
  .attrs_size = sizeof(T), .attr_defaults = &(defaults), .attrs = (table)

const OpInfo op_relu = {UNARY(relu), .infer = infer_unary};
const OpInfo op_clip = {UNARY(clip), UNARY_ATTRS(ClipAttrs, clip_defaults, clip_attrs), .infer = infer_clip};
const OpInfo op_leaky_relu = {
    UNARY(leaky_relu), UNARY_ATTRS(AlphaBetaAttrs, leaky_relu_defaults, alpha_attrs), .infer = infer_alpha};
const OpInfo op_sigmoid = {UNARY(sigmoid), .fixed_scale = 1.0f / 256, .infer = infer_unary};
const OpInfo op_tanh = {UNARY(tanh), .fixed_scale = 1.0f / 128, .fixed_zero = 128, .infer = infer_unary};
const OpInfo op_exp = {UNARY(exp), .infer = infer_unary};
const OpInfo op_sqrt = {UNARY(sqrt), .infer = infer_unary};
const OpInfo op_neg = {UNARY(neg), .infer = infer_unary};
const OpInfo op_abs = {UNARY(abs), .infer = infer_unary};
const OpInfo op_erf = {UNARY(erf), .infer = infer_unary};
const OpInfo op_hard_sigmoid = {UNARY(hard_sigmoid),
                                UNARY_ATTRS(AlphaBetaAttrs, hard_sigmoid_defaults, alpha_beta_attrs),
                                .infer = infer_alpha};
const OpInfo op_hard_swish = {UNARY(hard_swish), .infer = infer_unary};
const OpInfo op_silu = {UNARY(silu), .infer = infer_unary};
const OpInfo op_elu = {UNARY(elu), UNARY_ATTRS(AlphaBetaAttrs, elu_defaults, alpha_attrs),
                       .infer = infer_alpha};
const OpInfo op_gelu = {UNARY(gelu), UNARY_ATTRS(GeluAttrs, gelu_defaults, gelu_attrs), .infer = infer_unary};
