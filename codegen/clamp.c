#include "codegen/clamp.h"

#include <math.h>

void clamp_float(VirBuilder *b, const VirVar *v, float lo, float hi) {
  if (isinf(lo) && isinf(hi)) return;
  bool vector = v->type == VIR_VEC_F32;
  VirOp constant = vector ? VIR_splat_f32 : VIR_float_const;
  const VirVar *low = vir_once(b, "lo", constant, VIR_ARGS(vir_m(lo)));
  vir_set(b, v, vector ? VIR_max_f32 : VIR_float_max, VIR_ARGS(vir_v(v), vir_v(low)));
  if (isinf(hi)) return;
  const VirVar *high = vir_once(b, "hi", constant, VIR_ARGS(vir_m(hi)));
  vir_set(b, v, vector ? VIR_min_f32 : VIR_float_min, VIR_ARGS(vir_v(v), vir_v(high)));
}

ByteBounds byte_bounds(VirBuilder *b, const ActOps *ops, int32_t lo, int32_t hi) {
  ByteBounds bounds = {NULL, NULL};
  if (lo > ops->lowest) bounds.least = VIR_ONCE(b, "least", splat_q, vir_n(lo));
  if (hi < ops->highest) bounds.most = VIR_ONCE(b, "most", splat_q, vir_n(hi));
  return bounds;
}

const VirVar *clamp_bytes(VirBuilder *b, const ActOps *ops, const VirVar *y, ByteBounds bounds) {
  if (bounds.least) y = vir_let(b, "y0", ops->max, VIR_ARGS(vir_v(y), vir_v(bounds.least)));
  if (bounds.most) y = vir_let(b, "y0", ops->min, VIR_ARGS(vir_v(y), vir_v(bounds.most)));
  return y;
}
