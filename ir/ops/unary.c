/* Ops of one value in, one value out. The function of each is the definition, each operation an IEEE single
 * one in the order written: the emitted float code repeats it bit for bit; quantized operands go through a
 * 256-entry table of it (rule 10). Semantics are ONNX's. */
#include "ir/ops/unary.h"
#include "ir/quant.h"
#include "ir/refmath.h"

#include <math.h>

bool infer_unary(Diag *d, Node *n, Type *results) {
  results[0].shape = n->operands[0]->type.shape;
  return infer_real_operand(d, n, 0) && infer_real_result(d, n, &results[0]);
}

bool check_finite(Diag *d, const Node *n, const char *name, float v) {
  if (isfinite(v)) return true;
  return diag_error(d, node_loc(n), "%s: %s must be a finite number", op_info[n->op]->name, name);
}

static void eval_float(const Node *n, const float *x, float *y, int64_t count) {
  float (*fn)(const Node *, float) = op_info[n->op]->unary;
  for (int64_t i = 0; i < count; i++) y[i] = fn(n, x[i]);
}

void eval_unary(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
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
static float log_(const Node *n, float x) {
  (void)n;
  return ref_log(x);
}
static float sqrt_(const Node *n, float x) {
  (void)n;
  return ref_sqrt(x);
}
static float reciprocal(const Node *n, float x) {
  (void)n;
  return 1.0f / x;
}
static float neg(const Node *n, float x) {
  (void)n;
  return -x;
}
static float abs_(const Node *n, float x) {
  (void)n;
  return fabsf(x);
}
/* Zeros and NaN are what they are. */
static float sign(const Node *n, float x) {
  (void)n;
  return x < 0 ? -1.0f : x > 0 ? 1.0f : x;
}
static float floor_(const Node *n, float x) {
  (void)n;
  return floorf(x);
}
static float ceil_(const Node *n, float x) {
  (void)n;
  return ceilf(x);
}
static float round_(const Node *n, float x) {
  (void)n;
  return ref_round(x);
}
static float erf_(const Node *n, float x) {
  (void)n;
  return ref_erf(x);
}

/* ---- pow ---- */

/* By squaring; the least significant bit first. */
static float integer_power(float x, int64_t e) {
  float power = 1;
  for (bool first = true; e; e /= 2) {
    if (e % 2) {
      power = first ? x : power * x;
      first = false;
    }
    if (e > 1) x = x * x;
  }
  return power;
}

static float pow_(const Node *n, float x) {
  float exponent = ATTRS(n, PowAttrs)->exponent;
  if (exponent != floorf(exponent)) return ref_exp(exponent * ref_log(x));
  float power = integer_power(x, (int64_t)fabsf(exponent));
  return exponent < 0 ? 1.0f / power : power;
}

static bool infer_pow(Diag *d, Node *n, Type *results) {
  float exponent = ATTRS(n, PowAttrs)->exponent;
  if (!check_finite(d, n, "exponent", exponent)) return false;
  if (exponent == floorf(exponent) && fabsf(exponent) > POW_MAX_INTEGER)
    return diag_error(d, node_loc(n), "pow: the exponent %g is above the limit of %d", (double)exponent,
                      POW_MAX_INTEGER);
  return infer_unary(d, n, results);
}

static const PowAttrs pow_defaults = {2};
static const AttrDesc pow_attrs[] = {{"exponent", ATTR_FLOAT, offsetof(PowAttrs, exponent)}, {0}};

const OpInfo op_sigmoid = {UNARY(sigmoid, sigmoid), .fixed_scale = 1.0f / 256, .infer = infer_unary};
const OpInfo op_tanh = {UNARY(tanh, tanh_), .fixed_scale = 1.0f / 128, .fixed_zero = 128,
                        .infer = infer_unary};
const OpInfo op_exp = {UNARY(exp, exp_), .infer = infer_unary};
const OpInfo op_log = {UNARY(log, log_), .infer = infer_unary};
const OpInfo op_sqrt = {UNARY(sqrt, sqrt_), .infer = infer_unary};
const OpInfo op_reciprocal = {UNARY(reciprocal, reciprocal), .infer = infer_unary};
const OpInfo op_pow = {UNARY(pow, pow_), UNARY_ATTRS(PowAttrs, pow_defaults, pow_attrs), .infer = infer_pow};
const OpInfo op_neg = {UNARY(neg, neg), .infer = infer_unary};
const OpInfo op_abs = {UNARY(abs, abs_), .infer = infer_unary};
const OpInfo op_sign = {UNARY(sign, sign), .infer = infer_unary};
const OpInfo op_floor = {UNARY(floor, floor_), .infer = infer_unary};
const OpInfo op_ceil = {UNARY(ceil, ceil_), .infer = infer_unary};
const OpInfo op_round = {UNARY(round, round_), .infer = infer_unary};
const OpInfo op_erf = {UNARY(erf, erf_), .infer = infer_unary};
