/* Unary ops in float32, each the sequence of operations of its definition in ir/ops/unary.c. relu and clip go
 * by vectors, the others element by element. */
#include <math.h>

#include "codegen/clamp.h"
#include "codegen/elementwise.h"
#include "ir/ops/attrs.h"

typedef const VirVar *(*Formula)(VirBuilder *b, const Node *n, const VirVar *x);

static const VirVar *constant(VirBuilder *b, float v) { return VIR_ONCE(b, "k", float_const, vir_m(v)); }
static const VirVar *one(VirBuilder *b, VirOp op, const VirVar *x) {
  return vir_let(b, "v", op, VIR_ARGS(vir_v(x)));
}
static const VirVar *two(VirBuilder *b, VirOp op, const VirVar *x, const VirVar *y) {
  return vir_let(b, "v", op, VIR_ARGS(vir_v(x), vir_v(y)));
}
static const VirVar *clamp(VirBuilder *b, const VirVar *v, float lo, float hi) {
  clamp_float(b, v, lo, hi);
  return v;
}
static const VirVar *if_negative(VirBuilder *b, const VirVar *x, const VirVar *yes, const VirVar *no) {
  return VIR_LET(b, "v", float_if_negative, vir_v(x), vir_v(yes), vir_v(no));
}

static const VirVar *relu(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return clamp(b, x, 0, INFINITY);
}
static const VirVar *clip(VirBuilder *b, const Node *n, const VirVar *x) {
  return clamp(b, x, ATTRS(n, ClipAttrs)->min, ATTRS(n, ClipAttrs)->max);
}
static const VirVar *leaky_relu(VirBuilder *b, const Node *n, const VirVar *x) {
  return if_negative(b, x, two(b, VIR_float_mul, constant(b, ATTRS(n, AlphaBetaAttrs)->alpha), x), x);
}
static const VirVar *sigmoid(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_sigmoid, x);
}
static const VirVar *tanh_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_tanh, x);
}
static const VirVar *exp_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_exp, x);
}
static const VirVar *log_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_log, x);
}
static const VirVar *sqrt_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_sqrt, x);
}
static const VirVar *neg(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_neg, x);
}
static const VirVar *abs_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_abs, x);
}
static const VirVar *sign(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  const VirVar *positive = if_negative(b, one(b, VIR_float_neg, x), constant(b, 1.0f), x);
  return if_negative(b, x, constant(b, -1.0f), positive);
}
static const VirVar *floor_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_floor, x);
}
static const VirVar *ceil_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_ceil, x);
}
static const VirVar *round_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_round, x);
}
static const VirVar *reciprocal(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return two(b, VIR_float_div, constant(b, 1.0f), x);
}
static const VirVar *integer_power(VirBuilder *b, const VirVar *x, int64_t e) {
  const VirVar *power = NULL;
  for (; e; e /= 2) {
    if (e % 2) power = power ? two(b, VIR_float_mul, power, x) : x;
    if (e > 1) x = two(b, VIR_float_mul, x, x);
  }
  return power;
}
static const VirVar *pow_(VirBuilder *b, const Node *n, const VirVar *x) {
  float exponent = ATTRS(n, PowAttrs)->exponent;
  if (exponent == 0) { /* whatever x is: but a variable must have a use */
    const VirVar *power = constant(b, 1.0f);
    return if_negative(b, x, power, power);
  }
  if (exponent != floorf(exponent))
    return one(b, VIR_float_exp, two(b, VIR_float_mul, constant(b, exponent), one(b, VIR_float_log, x)));
  const VirVar *power = integer_power(b, x, (int64_t)fabsf(exponent));
  return exponent < 0 ? two(b, VIR_float_div, constant(b, 1.0f), power) : power;
}
static const VirVar *erf_(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return one(b, VIR_float_erf, x);
}
static const VirVar *hard_sigmoid(VirBuilder *b, const Node *n, const VirVar *x) {
  const AlphaBetaAttrs *a = ATTRS(n, AlphaBetaAttrs);
  const VirVar *v = two(b, VIR_float_mul, constant(b, a->alpha), x);
  return clamp(b, two(b, VIR_float_add, v, constant(b, a->beta)), 0, 1);
}
static const VirVar *hard_swish(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  const VirVar *v = two(b, VIR_float_div, x, constant(b, 6.0f));
  return two(b, VIR_float_mul, x, clamp(b, two(b, VIR_float_add, v, constant(b, 0.5f)), 0, 1));
}
static const VirVar *silu(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return two(b, VIR_float_mul, x, one(b, VIR_float_sigmoid, x));
}
static const VirVar *elu(VirBuilder *b, const Node *n, const VirVar *x) {
  const VirVar *v = two(b, VIR_float_sub, one(b, VIR_float_exp, x), constant(b, 1.0f));
  return if_negative(b, x, two(b, VIR_float_mul, constant(b, ATTRS(n, AlphaBetaAttrs)->alpha), v), x);
}
static const VirVar *selu(VirBuilder *b, const Node *n, const VirVar *x) {
  const SeluAttrs *a = ATTRS(n, SeluAttrs);
  const VirVar *v = two(b, VIR_float_sub, one(b, VIR_float_exp, x), constant(b, 1.0f));
  v = if_negative(b, x, two(b, VIR_float_mul, constant(b, a->alpha), v), x);
  return two(b, VIR_float_mul, constant(b, a->gamma), v);
}
static const VirVar *celu(VirBuilder *b, const Node *n, const VirVar *x) {
  const VirVar *alpha = constant(b, ATTRS(n, AlphaBetaAttrs)->alpha);
  const VirVar *v = one(b, VIR_float_exp, two(b, VIR_float_div, x, alpha));
  v = two(b, VIR_float_mul, alpha, two(b, VIR_float_sub, v, constant(b, 1.0f)));
  return if_negative(b, x, v, x);
}
static const VirVar *thresholded_relu(VirBuilder *b, const Node *n, const VirVar *x) {
  const VirVar *d = two(b, VIR_float_sub, constant(b, ATTRS(n, AlphaBetaAttrs)->alpha), x);
  return if_negative(b, d, x, constant(b, 0));
}
static const VirVar *softplus(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  const VirVar *e = one(b, VIR_float_exp, one(b, VIR_float_neg, one(b, VIR_float_abs, x)));
  e = one(b, VIR_float_log, two(b, VIR_float_add, constant(b, 1.0f), e));
  return two(b, VIR_float_add, two(b, VIR_float_max, x, constant(b, 0)), e);
}
static const VirVar *softsign(VirBuilder *b, const Node *n, const VirVar *x) {
  (void)n;
  return two(b, VIR_float_div, x, two(b, VIR_float_add, constant(b, 1.0f), one(b, VIR_float_abs, x)));
}
static const VirVar *mish(VirBuilder *b, const Node *n, const VirVar *x) {
  return two(b, VIR_float_mul, x, one(b, VIR_float_tanh, softplus(b, n, x)));
}
static const VirVar *gelu(VirBuilder *b, const Node *n, const VirVar *x) {
  const VirVar *half = two(b, VIR_float_mul, constant(b, 0.5f), x), *t;
  if (ATTRS(n, GeluAttrs)->approximate == GELU_TANH) {
    const VirVar *cube = two(b, VIR_float_mul, two(b, VIR_float_mul, x, x), x);
    t = two(b, VIR_float_add, x, two(b, VIR_float_mul, constant(b, 0.044715f), cube));
    t = one(b, VIR_float_tanh, two(b, VIR_float_mul, constant(b, 0.7978845608f), t));
  } else {
    t = one(b, VIR_float_erf, two(b, VIR_float_mul, x, constant(b, 0.7071067812f)));
  }
  return two(b, VIR_float_mul, half, two(b, VIR_float_add, constant(b, 1.0f), t));
}

static const Formula formulas[OP_COUNT] = {[OP_relu] = relu,
                                           [OP_clip] = clip,
                                           [OP_leaky_relu] = leaky_relu,
                                           [OP_sigmoid] = sigmoid,
                                           [OP_tanh] = tanh_,
                                           [OP_exp] = exp_,
                                           [OP_log] = log_,
                                           [OP_sqrt] = sqrt_,
                                           [OP_reciprocal] = reciprocal,
                                           [OP_pow] = pow_,
                                           [OP_sign] = sign,
                                           [OP_floor] = floor_,
                                           [OP_ceil] = ceil_,
                                           [OP_round] = round_,
                                           [OP_neg] = neg,
                                           [OP_abs] = abs_,
                                           [OP_erf] = erf_,
                                           [OP_hard_sigmoid] = hard_sigmoid,
                                           [OP_hard_swish] = hard_swish,
                                           [OP_silu] = silu,
                                           [OP_elu] = elu,
                                           [OP_selu] = selu,
                                           [OP_celu] = celu,
                                           [OP_thresholded_relu] = thresholded_relu,
                                           [OP_softplus] = softplus,
                                           [OP_softsign] = softsign,
                                           [OP_mish] = mish,
                                           [OP_gelu] = gelu};

static void element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const VirVar *x = VIR_LET(b, "x", get_f32, vir_at(at[1]));
  VIR_DO(b, put_f32, vir_at(at[0]), vir_v(formulas[e->node->op](b, e->node, x)));
}

/* relu and clip. */
static void clamp_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *is_constant,
                         int part) {
  (void)is_constant;
  bool is_clip = e->node->op == OP_clip;
  float lo = is_clip ? ATTRS(e->node, ClipAttrs)->min : 0,
        hi = is_clip ? ATTRS(e->node, ClipAttrs)->max : INFINITY;
  const VirVar *v = part ? VIR_LET(b, "x", load_f32_part, vir_at(at[1]), vir_n(part))
                         : VIR_LET(b, "x", load_f32, vir_at(at[1]));
  clamp_float(b, v, lo, hi);
  if (part) {
    VIR_DO(b, store_f32_part, vir_at(at[0]), vir_v(v), vir_n(part));
  } else {
    VIR_DO(b, store_f32, vir_at(at[0]), vir_v(v));
  }
}

static bool unary_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  if (tensor_is_quantized(n->operands[0]))
    return diag_error(cg->diag, node_loc(n), "'%s': a quantized %s must be a table by now",
                      n->results[0]->name, op_info[n->op]->name);
  Elementwise e = {.node = n,
                   .n_operands = 1,
                   .operands = {n->operands[0]},
                   .result = n->results[0],
                   .what = "",
                   .element = element,
                   .cg = cg};
  if (n->op == OP_relu || n->op == OP_clip) e.vector = clamp_vector;
  elementwise_emit(&e);
  return true;
}

const Lowering lower_unary = {.in_place = true,
                              .any_strides = true,
                              .reads = PLACE_STRIDED,
                              .writes = PLACE_STRIDED,
                              .emit = unary_emit};
