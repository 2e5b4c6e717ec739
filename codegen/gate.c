#include "codegen/gate.h"

#include <math.h>

#include "ir/diag.h"

static const VirVar *constant(VirBuilder *b, float v) { return VIR_ONCE(b, "k", splat_f32, vir_m(v)); }
static const VirVar *one(VirBuilder *b, const char *name, VirOp op, const VirVar *x) {
  return vir_let(b, name, op, VIR_ARGS(vir_v(x)));
}
static const VirVar *two(VirBuilder *b, const char *name, VirOp op, const VirVar *x, const VirVar *y) {
  return vir_let(b, name, op, VIR_ARGS(vir_v(x), vir_v(y)));
}
static const VirVar *clamped(VirBuilder *b, const char *name, const VirVar *x, float lo, float hi) {
  return two(b, name, VIR_min_f32, two(b, "v", VIR_max_f32, x, constant(b, lo)), constant(b, hi));
}
static const VirVar *if_negative(VirBuilder *b, const char *name, const VirVar *x, const VirVar *yes,
                                 const VirVar *no) {
  return VIR_LET(b, name, if_negative_f32, vir_v(x), vir_v(yes), vir_v(no));
}
/* alpha * x + beta */
static const VirVar *affine(VirBuilder *b, const char *name, const GateFunction *f, const VirVar *x) {
  const VirVar *v = two(b, "v", VIR_mul_f32, constant(b, f->alpha), x);
  return two(b, name, VIR_add_f32, v, constant(b, f->beta));
}

const VirVar *gate_function(VirBuilder *b, const char *name, const GateFunction *f, float clip,
                            const VirVar *x) {
  const VirVar *v;
  if (clip < INFINITY) x = clamped(b, "clipped", x, -clip, clip);
  switch ((GateKind)f->kind) {
  case GATE_SIGMOID:
    return one(b, name, VIR_sigmoid_f32, x);
  case GATE_TANH:
    return one(b, name, VIR_tanh_f32, x);
  case GATE_RELU:
    return two(b, name, VIR_max_f32, x, constant(b, 0));
  case GATE_AFFINE:
    return affine(b, name, f, x);
  case GATE_LEAKY_RELU:
    v = two(b, "v", VIR_mul_f32, constant(b, f->alpha), x);
    return if_negative(b, name, x, v, x);
  case GATE_THRESHOLDED_RELU:
    v = two(b, "v", VIR_sub_f32, constant(b, f->alpha), x);
    return if_negative(b, name, v, x, constant(b, 0));
  case GATE_SCALED_TANH:
    v = one(b, "v", VIR_tanh_f32, two(b, "v", VIR_mul_f32, constant(b, f->beta), x));
    return two(b, name, VIR_mul_f32, constant(b, f->alpha), v);
  case GATE_HARD_SIGMOID:
    return clamped(b, name, affine(b, "v", f, x), 0, 1);
  case GATE_ELU:
    v = two(b, "v", VIR_sub_f32, one(b, "v", VIR_exp_f32, x), constant(b, 1.0f));
    return if_negative(b, name, x, two(b, "v", VIR_mul_f32, constant(b, f->alpha), v), x);
  case GATE_SOFTSIGN:
    v = two(b, "v", VIR_add_f32, constant(b, 1.0f), one(b, "v", VIR_abs_f32, x));
    return two(b, name, VIR_div_f32, x, v);
  }
  BUG("gate function %d", f->kind);
}
