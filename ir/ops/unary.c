/* Ops of one value in, one value out. The function of each is the definition, each operation an IEEE single
 * one in the order written: the emitted float code repeats it bit for bit; quantized operands go through a
 * 256-entry table of it (rule 10). Semantics are ONNX's. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"
#include "ir/refmath.h"

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

static void eval_float(const Node *n, const float *x, float *y, int64_t count) {
  float (*fn)(const Node *, float) = op_info[n->op]->unary;
  for (int64_t i = 0; i < count; i++) y[i] = fn(n, x[i]);
}

static void eval_unary(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *x = &n->operands[0]->type, *y = &n->results[0]->type;
  int64_t count = shape_count(&x->shape);
  if (!x->quant) {
    eval_float(n, in[0], out[0], count);
    return;
  }
  int32_t table[256];
  unary_table(n, x, y, table);
  const uint8_t *from = in[0];
  uint8_t *to = out[0];
  unsigned first = x->dtype == DT_S8 ? 0x80 : 0; /* the byte of the lowest q */
  for (int64_t i = 0; i < count; i++) to[i] = (uint8_t)table[from[i] ^ first];
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
static float sigmoid(const Node *n, float x) {
  (void)n;
  return ref_sigmoid(x);
}
static float tanh_(const Node *n, float x) {
  (void)n;
  return ref_tanh(x);
}
static float exp_(const Node *n, float x) {
  (void)n;
  return ref_exp(x);
}
static float sqrt_(const Node *n, float x) {
  (void)n;
  return ref_sqrt(x);
}
static float neg(const Node *n, float x) {
  (void)n;
  return -x;
}
static float abs_(const Node *n, float x) {
  (void)n;
  return fabsf(x);
}
static float erf_(const Node *n, float x) {
  (void)n;
  return ref_erf(x);
}
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
static float gelu(const Node *n, float x) {
  if (ATTRS(n, GeluAttrs)->approximate == GELU_TANH) {
    float cube = (x * x) * x;
    return (0.5f * x) * (1.0f + ref_tanh(0.7978845608f * (x + 0.044715f * cube))); /* sqrt(2 / pi) */
  }
  return (0.5f * x) * (1.0f + ref_erf(x * 0.7071067812f)); /* 1 / sqrt(2) */
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

#define UNARY(op, fn)                                                                                        \
  .name = #op, .min_operands = 1, .max_operands = 1, .n_results = 1, .quant = QUANT_UNARY,                   \
  .eval = eval_unary, .unary = fn
#define UNARY_ATTRS(T, defaults, table)                                                                      \
  .attrs_size = sizeof(T), .attr_defaults = &(defaults), .attrs = (table)

const OpInfo op_relu = {UNARY(relu, relu), .infer = infer_unary};
const OpInfo op_clip = {UNARY(clip, clip), UNARY_ATTRS(ClipAttrs, clip_defaults, clip_attrs),
                        .infer = infer_clip};
const OpInfo op_leaky_relu = {UNARY(leaky_relu, leaky_relu),
                              UNARY_ATTRS(AlphaBetaAttrs, leaky_relu_defaults, alpha_attrs),
                              .infer = infer_alpha};
const OpInfo op_sigmoid = {UNARY(sigmoid, sigmoid), .fixed_scale = 1.0f / 256, .infer = infer_unary};
const OpInfo op_tanh = {UNARY(tanh, tanh_), .fixed_scale = 1.0f / 128, .fixed_zero = 128,
                        .infer = infer_unary};
const OpInfo op_exp = {UNARY(exp, exp_), .infer = infer_unary};
const OpInfo op_sqrt = {UNARY(sqrt, sqrt_), .infer = infer_unary};
const OpInfo op_neg = {UNARY(neg, neg), .infer = infer_unary};
const OpInfo op_abs = {UNARY(abs, abs_), .infer = infer_unary};
const OpInfo op_erf = {UNARY(erf, erf_), .infer = infer_unary};
const OpInfo op_hard_sigmoid = {UNARY(hard_sigmoid, hard_sigmoid),
                                UNARY_ATTRS(AlphaBetaAttrs, hard_sigmoid_defaults, alpha_beta_attrs),
                                .infer = infer_alpha};
const OpInfo op_hard_swish = {UNARY(hard_swish, hard_swish), .infer = infer_unary};
const OpInfo op_silu = {UNARY(silu, silu), .infer = infer_unary};
const OpInfo op_elu = {UNARY(elu, elu), UNARY_ATTRS(AlphaBetaAttrs, elu_defaults, alpha_attrs),
                       .infer = infer_alpha};
const OpInfo op_gelu = {UNARY(gelu, gelu), UNARY_ATTRS(GeluAttrs, gelu_defaults, gelu_attrs),
                        .infer = infer_unary};
