#include "codegen/fixed_sum.h"

#include "codegen/clamp.h"
#include "ir/ops/attrs.h"

FixedSum fixed_sum(const Cg *cg, const Node *n) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  const Tensor *a = n->operands[0], *b = n->operands[1], *y = n->results[0];
  FixedSum s = {.zero = cg_storage(cg, y)->zero};
  if (!fixed_add_derive(tensor_scale(a), tensor_scale(b), tensor_scale(y), n->op == OP_sub, &s.fixed))
    BUG("'%s' passed the verifier with scales that have no 16-bit factors", y->name);
  s.start = -cg_storage(cg, a)->zero * s.fixed.m_a - cg_storage(cg, b)->zero * s.fixed.m_b +
            (s.fixed.shift ? 1 << (s.fixed.shift - 1) : 0);
  cg_stored_range(cg, y, act->act_min, act->act_max, &s.lo, &s.hi);
  return s;
}

FixedSumLanes fixed_sum_once(const FixedSum *s, VirBuilder *b) {
  return (FixedSumLanes){VIR_ONCE(b, "start", splat_s32, vir_n(s->start)),
                         VIR_ONCE(b, "m", splat_p, vir_n(s->fixed.m_a), vir_n(s->fixed.m_b)),
                         VIR_ONCE(b, "zeros", splat_p, vir_n(s->zero), vir_n(s->zero))};
}

static int32_t pair(int32_t low, int32_t high) {
  return (int32_t)(((uint32_t)low & 0xffff) | (uint32_t)high << 16);
}

const VirBase *fixed_sum_terms(Cg *cg, const Node *n, const FixedSum *s) {
  const int32_t terms[FIXED_SUM_TERMS] = {s->start, pair(s->fixed.m_a, s->fixed.m_b), pair(s->zero, s->zero)};
  return vir_constant(cg->module, cg_name(cg, n, "sum"), DT_S32, FIXED_SUM_TERMS, terms,
                      "what the sum starts from; pairs of 16 bits: factors, zero points");
}

FixedSumLanes fixed_sum_read(VirBuilder *b, const VirBase *terms) {
  const VirVar *v[FIXED_SUM_TERMS];
  for (int i = 0; i < FIXED_SUM_TERMS; i++) {
    v[i] = VIR_LET(b, "s", get_s32, vir_at(vir_addr(terms, i)));
    v[i] = i ? VIR_LET(b, i == 1 ? "m" : "zeros", bcast_p, vir_v(v[i]))
             : VIR_LET(b, "start", bcast_s32, vir_v(v[i]));
  }
  return (FixedSumLanes){v[0], v[1], v[2]};
}

/* One vector's share: a half of what zip leaves. */
static const VirVar *sums_of(const FixedSum *s, const FixedSumLanes *c, VirBuilder *b, VirOp widen,
                             const VirVar *bytes) {
  const VirVar *two = vir_let(b, "ab", widen, VIR_ARGS(vir_v(bytes)));
  const VirVar *sum = VIR_LET(b, "sum", dot2, vir_v(c->start), vir_v(two), vir_v(c->m));
  return s->fixed.shift ? VIR_LET(b, "sum", shr_s32, vir_v(sum), vir_n(s->fixed.shift)) : sum;
}

const VirVar *fixed_sum_bytes(const FixedSum *s, const FixedSumLanes *c, VirBuilder *b, const ActOps *ops,
                              const VirVar *const x[2]) {
  const VirVar *q[4];
  for (int half = 0; half < 2; half++) {
    const VirVar *bytes = half ? VIR_LET(b, "ab", zip_hi8, vir_v(x[0]), vir_v(x[1]))
                               : VIR_LET(b, "ab", zip_lo8, vir_v(x[0]), vir_v(x[1]));
    q[2 * half] = sums_of(s, c, b, ops->widen_lo, bytes);
    q[2 * half + 1] = sums_of(s, c, b, ops->widen_hi, bytes);
  }
  const VirVar *y = vir_let(b, "y0", ops->narrow_x4,
                            VIR_ARGS(vir_v(q[0]), vir_v(q[1]), vir_v(q[2]), vir_v(q[3]), vir_v(c->zero)));
  return clamp_bytes(b, ops, y, byte_bounds(b, ops, s->lo, s->hi));
}
