#include "codegen/run_time.h"

#include "codegen/clamp.h"

void run_time_start(const Cg *cg, VirBuilder *b, const RunTimeStart *r, const VirVar *scale,
                    const VirVar *zero, VirAddr start, VirAddr factors) {
  const VirVar *none = VIR_ONCE(b, "none", int_const, vir_n(0));
  const VirVar *minus_zero = VIR_LET(b, "minus_zero", int_sub, vir_v(none), vir_v(zero));
  const VirVar *z = VIR_LET(b, "z", bcast_s32, vir_v(minus_zero)), *f = NULL;
  if (r->scales) f = VIR_LET(b, "f", bcast_f32, vir_v(scale));
  const VirVar *c = vir_loop(b, "c", 0, r->channels, cg->target->lanes);
  const VirVar *sum = VIR_LET(b, "sum", load_s32, vir_at(vir_plus(vir_addr(r->sums, 0), c, 1)));
  VIR_SET(b, sum, mul_s32, vir_v(z), vir_v(sum));
  if (r->flips) {
    const VirVar *flips = VIR_LET(b, "flips", load_s32, vir_at(vir_plus(vir_addr(r->flips, 0), c, 1)));
    VIR_SET(b, sum, add_s32, vir_v(flips), vir_v(sum));
  }
  VIR_DO(b, store_s32, vir_at(vir_plus(start, c, 1)), vir_v(sum));
  if (r->scales) {
    const VirVar *factor = VIR_LET(b, "factor", load_f32, vir_at(vir_plus(vir_addr(r->scales, 0), c, 1)));
    VIR_SET(b, factor, mul_f32, vir_v(f), vir_v(factor));
    VIR_DO(b, store_f32, vir_at(vir_plus(factors, c, 1)), vir_v(factor));
  }
  vir_end(b);
}

const VirVar *run_time_result(VirBuilder *b, const VirVar *acc, const VirVar *factor, const VirVar *addend,
                              float act_min, float act_max) {
  const VirVar *v = VIR_LET(b, "v", s32_to_f32, vir_v(acc));
  VIR_SET(b, v, mul_f32, vir_v(v), vir_v(factor));
  if (addend) VIR_SET(b, v, add_f32, vir_v(v), vir_v(addend));
  clamp_float(b, v, act_min, act_max);
  return v;
}

void store_lanes(VirBuilder *b, VirAddr at, const VirVar *v, int part) {
  bool real = v->type == VIR_VEC_F32;
  if (part) {
    vir_do(b, real ? VIR_store_f32_part : VIR_store_s32_part, VIR_ARGS(vir_at(at), vir_v(v), vir_n(part)));
  } else {
    vir_do(b, real ? VIR_store_f32 : VIR_store_s32, VIR_ARGS(vir_at(at), vir_v(v)));
  }
}
