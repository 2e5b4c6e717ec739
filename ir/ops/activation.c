/* Activation functions, defined as those of ir/ops/unary.c are. */
#include "ir/ops/unary.h"
#include "ir/refmath.h"

#include <math.h>

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

static bool infer_selu(Diag *d, Node *n, Type *results) {
  const SeluAttrs *a = ATTRS(n, SeluAttrs);
  return check_finite(d, n, "alpha", a->alpha) && check_finite(d, n, "gamma", a->gamma) &&
         infer_unary(d, n, results);
}

static bool infer_celu(Diag *d, Node *n, Type *results) {
  if (ATTRS(n, AlphaBetaAttrs)->alpha == 0) return diag_error(d, node_loc(n), "celu: alpha must not be 0");
  return infer_alpha(d, n, results);
}

static float relu(const Node *n, float x) {
  (void)n;
  return ref_max(x, 0);
}
static float clip(const Node *n, float x) {
  const ClipAttrs *a = ATTRS(n, ClipAttrs);
  return isinf(a->min) && isinf(a->max) ? x : ref_clamp(x, a->min, a->max); /* no bounds: NaN passes */
}
static float leaky_relu(const Node *n, float x) { return x < 0 ? ATTRS(n, AlphaBetaAttrs)->alpha * x : x; }
static float thresholded_relu(const Node *n, float x) { return x > ATTRS(n, AlphaBetaAttrs)->alpha ? x : 0; }
static float hard_sigmoid(const Node *n, float x) {
  const AlphaBetaAttrs *a = ATTRS(n, AlphaBetaAttrs);
  return ref_clamp(a->alpha * x + a->beta, 0, 1);
}
static float hard_swish(const Node *n, float x) {
  (void)n;
  return x * ref_clamp(x / 6.0f + 0.5f, 0, 1);
}
static float silu(const Node *n, float x) {
  (void)n;
  return x * ref_sigmoid(x);
}
static float elu(const Node *n, float x) {
  return x < 0 ? ATTRS(n, AlphaBetaAttrs)->alpha * (ref_exp(x) - 1.0f) : x;
}
static float selu(const Node *n, float x) {
  const SeluAttrs *a = ATTRS(n, SeluAttrs);
  return a->gamma * (x < 0 ? a->alpha * (ref_exp(x) - 1.0f) : x);
}
static float celu(const Node *n, float x) {
  float alpha = ATTRS(n, AlphaBetaAttrs)->alpha;
  return x < 0 ? alpha * (ref_exp(x / alpha) - 1.0f) : x;
}
/* log(1 + exp(x)) with an exponential that cannot overflow; the clamp of x lets no NaN through, exp does. */
static float softplus_of(float x) { return ref_max(x, 0) + ref_log(1.0f + ref_exp(-fabsf(x))); }
static float softplus(const Node *n, float x) {
  (void)n;
  return softplus_of(x);
}
static float softsign(const Node *n, float x) {
  (void)n;
  return x / (1.0f + fabsf(x));
}
static float mish(const Node *n, float x) {
  (void)n;
  return x * ref_tanh(softplus_of(x));
}
static float gelu(const Node *n, float x) {
  if (ATTRS(n, GeluAttrs)->approximate == GELU_TANH) {
    float cube = (x * x) * x;
    return (0.5f * x) * (1.0f + ref_tanh(0.7978845608f * (x + 0.044715f * cube))); /* sqrt(2 / pi) */
  }
  return (0.5f * x) * (1.0f + ref_erf(x * 0.7071067812f)); /* 1 / sqrt(2) */
}

static const ClipAttrs clip_defaults = {-INFINITY, INFINITY};
static const AlphaBetaAttrs leaky_relu_defaults = {.alpha = 0.01f};
static const AlphaBetaAttrs alpha_one = {.alpha = 1};
static const AlphaBetaAttrs hard_sigmoid_defaults = {.alpha = 0.2f, .beta = 0.5f};
static const SeluAttrs selu_defaults = {1.67326319217681884765625f, 1.05070102214813232421875f};
static const GeluAttrs gelu_defaults = {GELU_ERF};

static const char *const gelu_forms[] = {"none", "tanh", NULL};

static const AttrDesc clip_attrs[] = {
    {"min", ATTR_FLOAT, offsetof(ClipAttrs, min)}, {"max", ATTR_FLOAT, offsetof(ClipAttrs, max)}, {0}};
static const AttrDesc alpha_attrs[] = {{"alpha", ATTR_FLOAT, offsetof(AlphaBetaAttrs, alpha)}, {0}};
static const AttrDesc alpha_beta_attrs[] = {{"alpha", ATTR_FLOAT, offsetof(AlphaBetaAttrs, alpha)},
                                            {"beta", ATTR_FLOAT, offsetof(AlphaBetaAttrs, beta)},
                                            {0}};
static const AttrDesc selu_attrs[] = {{"alpha", ATTR_FLOAT, offsetof(SeluAttrs, alpha)},
                                      {"gamma", ATTR_FLOAT, offsetof(SeluAttrs, gamma)},
                                      {0}};
static const AttrDesc gelu_attrs[] = {
    {"approximate", ATTR_ENUM, offsetof(GeluAttrs, approximate), .values = gelu_forms}, {0}};

#define WITH_ALPHA(defaults) UNARY_ATTRS(AlphaBetaAttrs, defaults, alpha_attrs), .infer = infer_alpha

const OpInfo op_relu = {UNARY(relu, relu), .infer = infer_unary};
const OpInfo op_clip = {UNARY(clip, clip), UNARY_ATTRS(ClipAttrs, clip_defaults, clip_attrs),
                        .infer = infer_clip};
const OpInfo op_leaky_relu = {UNARY(leaky_relu, leaky_relu), WITH_ALPHA(leaky_relu_defaults)};
const OpInfo op_thresholded_relu = {UNARY(thresholded_relu, thresholded_relu), WITH_ALPHA(alpha_one)};
const OpInfo op_hard_sigmoid = {UNARY(hard_sigmoid, hard_sigmoid),
                                UNARY_ATTRS(AlphaBetaAttrs, hard_sigmoid_defaults, alpha_beta_attrs),
                                .infer = infer_alpha};
const OpInfo op_hard_swish = {UNARY(hard_swish, hard_swish), .infer = infer_unary};
const OpInfo op_silu = {UNARY(silu, silu), .infer = infer_unary};
const OpInfo op_elu = {UNARY(elu, elu), WITH_ALPHA(alpha_one)};
const OpInfo op_selu = {UNARY(selu, selu), UNARY_ATTRS(SeluAttrs, selu_defaults, selu_attrs),
                        .infer = infer_selu};
const OpInfo op_celu = {UNARY(celu, celu), UNARY_ATTRS(AlphaBetaAttrs, alpha_one, alpha_attrs),
                        .infer = infer_celu};
const OpInfo op_softplus = {UNARY(softplus, softplus), .infer = infer_unary};
const OpInfo op_softsign = {UNARY(softsign, softsign), .infer = infer_unary};
const OpInfo op_mish = {UNARY(mish, mish), .infer = infer_unary};
const OpInfo op_gelu = {UNARY(gelu, gelu), UNARY_ATTRS(GeluAttrs, gelu_defaults, gelu_attrs),
                        .infer = infer_unary};
