#include "codegen/dynamic.h"

#include <stdio.h>

int32_t cg_dynamic_bias(const Cg *cg) { return cg->target->act == DT_S8 ? 128 : 0; }

/* ---- the range ---- */

enum { CHAINS = 2 }; /* of comparisons that do not wait for each other */

static void widen(VirBuilder *b, const VirVar *x, const VirVar *lo, const VirVar *hi) {
  VIR_SET(b, lo, min_f32, vir_v(x), vir_v(lo)); /* NaN gives the other operand */
  VIR_SET(b, hi, max_f32, vir_v(x), vir_v(hi));
}

/* The scalar that `op` makes of all lanes, through memory. */
static const VirVar *across(const Cg *cg, VirBuilder *b, const VirVar *v, VirOp op, const char *name) {
  int lanes = cg->target->lanes;
  const VirBase *memory = vir_local(b, arena_printf(cg->arena, "%s_lanes", name), DT_F32, lanes);
  VIR_DO(b, store_f32, vir_at(vir_addr(memory, 0)), vir_v(v));
  const VirVar *r = VIR_LET(b, name, get_f32, vir_at(vir_addr(memory, 0)));
  for (int i = 1; i < lanes; i++) {
    const VirVar *other = VIR_LET(b, "lane", get_f32, vir_at(vir_addr(memory, i)));
    vir_set(b, r, op, VIR_ARGS(vir_v(other), vir_v(r)));
  }
  return r;
}

void cg_dynamic_range(Cg *cg, VirBuilder *b, VirAddr x, int64_t count, const VirVar **lo, const VirVar **hi) {
  int64_t lanes = cg->target->lanes, step = CHAINS * lanes, looped = count / step * step;
  const VirVar *least[CHAINS], *most[CHAINS];
  for (int i = 0; i < CHAINS; i++) {
    least[i] = VIR_LET(b, "least", splat_f32, vir_m(0));
    most[i] = VIR_LET(b, "most", splat_f32, vir_m(0));
  }
  if (looped) {
    const VirVar *k = vir_loop(b, "k", 0, looped, step);
    for (int i = 0; i < CHAINS; i++) {
      const VirVar *v = VIR_LET(b, "v", load_f32, vir_at(vir_offset(vir_plus(x, k, 1), i * lanes)));
      widen(b, v, least[i], most[i]);
    }
    vir_end(b);
  }
  for (int64_t at = looped; at < count; at += lanes) {
    VirAddr from = vir_offset(x, at);
    const VirVar *v = count - at >= lanes ? VIR_LET(b, "v", load_f32, vir_at(from))
                                          : VIR_LET(b, "v", load_f32_part, vir_at(from), vir_n(count - at));
    widen(b, v, least[0], most[0]); /* lanes that are not there are 0 */
  }
  for (int i = 1; i < CHAINS; i++) {
    VIR_SET(b, least[0], min_f32, vir_v(least[i]), vir_v(least[0]));
    VIR_SET(b, most[0], max_f32, vir_v(most[i]), vir_v(most[0]));
  }
  *lo = across(cg, b, least[0], VIR_float_min, "lo");
  *hi = across(cg, b, most[0], VIR_float_max, "hi");
}

/* ---- the parameters ---- */

void cg_dynamic_choose(VirBuilder *b, const VirVar *lo, const VirVar *hi, DynamicRule rule, int32_t qmax,
                       int32_t bias, const VirVar **scale, const VirVar **zero) {
  *scale = VIR_LET(b, "scale", dynamic_scale, vir_v(lo), vir_v(hi), vir_n(rule), vir_n(qmax));
  *zero = VIR_LET(b, "zero", dynamic_zero, vir_v(lo), vir_v(hi), vir_n(rule), vir_n(qmax));
  if (!bias) return;
  const VirVar *shift = VIR_ONCE(b, "shift", int_const, vir_n(bias));
  *zero = VIR_LET(b, "stored_zero", int_sub, vir_v(*zero), vir_v(shift));
}

DynamicVectors cg_dynamic_vectors(VirBuilder *b, const VirVar *scale, const VirVar *zero, int32_t qmax,
                                  int32_t bias, bool once) {
  const VirVar *(*let)(VirBuilder *, const char *, VirOp, int, const VirArg *) = once ? vir_once : vir_let;
  DynamicVectors v;
  v.scale = let(b, "s", VIR_bcast_f32, VIR_ARGS(vir_v(scale)));
  v.zero = let(b, "z", VIR_bcast_s32, VIR_ARGS(vir_v(zero)));
  const VirVar *least = VIR_ONCE(b, "qmin", splat_s32, vir_n(-bias));
  const VirVar *most = VIR_ONCE(b, "qmax", splat_s32, vir_n(qmax - bias));
  const VirVar *below = let(b, "below", VIR_sub_s32, VIR_ARGS(vir_v(least), vir_v(v.zero)));
  const VirVar *above = let(b, "above", VIR_sub_s32, VIR_ARGS(vir_v(most), vir_v(v.zero)));
  v.lo = let(b, "low", VIR_s32_to_f32, VIR_ARGS(vir_v(below)));
  v.hi = let(b, "high", VIR_s32_to_f32, VIR_ARGS(vir_v(above)));
  return v;
}

/* ---- the values ---- */

const VirVar *cg_dynamic_quantized(VirBuilder *b, const VirVar *x, const DynamicVectors *v) {
  const VirVar *r = VIR_LET(b, "r", div_f32, vir_v(x), vir_v(v->scale));
  VIR_SET(b, r, max_f32, vir_v(r), vir_v(v->lo)); /* NaN becomes the low end */
  VIR_SET(b, r, min_f32, vir_v(r), vir_v(v->hi));
  const VirVar *q = VIR_LET(b, "q", rne_f32, vir_v(r));
  VIR_SET(b, q, add_s32, vir_v(q), vir_v(v->zero));
  return q;
}

static void store_vector(const Cg *cg, VirBuilder *b, VirAddr x, VirAddr y, int64_t part,
                         const DynamicVectors *v) {
  const ActOps *ops = act_ops(cg->target->act);
  const VirVar *f =
      part ? VIR_LET(b, "x", load_f32_part, vir_at(x), vir_n(part)) : VIR_LET(b, "x", load_f32, vir_at(x));
  const VirVar *q = cg_dynamic_quantized(b, f, v);
  if (part) {
    vir_do(b, ops->store_part, VIR_ARGS(vir_at(y), vir_v(q), vir_n(part)));
  } else {
    vir_do(b, ops->store, VIR_ARGS(vir_at(y), vir_v(q)));
  }
}

void cg_dynamic_store(const Cg *cg, VirBuilder *b, VirAddr x, VirAddr y, int64_t count,
                      const DynamicVectors *v) {
  int64_t lanes = cg->target->lanes, whole = count / lanes * lanes;
  if (whole > lanes) {
    const VirVar *k = vir_loop(b, "k", 0, whole, lanes);
    store_vector(cg, b, vir_plus(x, k, 1), vir_plus(y, k, 1), 0, v);
    vir_end(b);
  } else if (whole) {
    vir_scope(b, NULL);
    store_vector(cg, b, x, y, 0, v);
    vir_end(b);
  }
  if (whole == count) return;
  vir_scope(b, NULL);
  store_vector(cg, b, vir_offset(x, whole), vir_offset(y, whole), count - whole, v);
  vir_end(b);
}
