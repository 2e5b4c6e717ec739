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
