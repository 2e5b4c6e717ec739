#include "codegen/fixed_sum.h"

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

/* One vector's share: a half of what zip leaves. */
static const VirVar *sums_of(const FixedSum *s, VirBuilder *b, VirOp widen, const VirVar *bytes) {
  const VirVar *m = VIR_ONCE(b, "m", splat_p, vir_n(s->fixed.m_a), vir_n(s->fixed.m_b));
  const VirVar *sum = VIR_LET(b, "sum", splat_s32, vir_n(s->start));
  const VirVar *pair = vir_let(b, "ab", widen, VIR_ARGS(vir_v(bytes)));
  VIR_SET(b, sum, dot2, vir_v(sum), vir_v(pair), vir_v(m));
  if (s->fixed.shift) VIR_SET(b, sum, shr_s32, vir_v(sum), vir_n(s->fixed.shift));
  return sum;
}

const VirVar *fixed_sum_bytes(const FixedSum *s, VirBuilder *b, const ActOps *ops, const VirVar *const x[2]) {
  const VirVar *zero = VIR_ONCE(b, "zeros", splat_p, vir_n(s->zero), vir_n(s->zero)), *q[4];
  for (int half = 0; half < 2; half++) {
    const VirVar *bytes = half ? VIR_LET(b, "ab", zip_hi8, vir_v(x[0]), vir_v(x[1]))
                               : VIR_LET(b, "ab", zip_lo8, vir_v(x[0]), vir_v(x[1]));
    q[2 * half] = sums_of(s, b, ops->widen_lo, bytes);
    q[2 * half + 1] = sums_of(s, b, ops->widen_hi, bytes);
  }
  const VirVar *y = vir_let(b, "y0", ops->narrow_x4,
                            VIR_ARGS(vir_v(q[0]), vir_v(q[1]), vir_v(q[2]), vir_v(q[3]), vir_v(zero)));
  if (s->lo > ops->lowest) {
    const VirVar *least = VIR_ONCE(b, "least", splat_q, vir_n(s->lo));
    y = vir_let(b, "y0", ops->max, VIR_ARGS(vir_v(y), vir_v(least)));
  }
  if (s->hi < ops->highest) {
    const VirVar *most = VIR_ONCE(b, "most", splat_q, vir_n(s->hi));
    y = vir_let(b, "y0", ops->min, VIR_ARGS(vir_v(y), vir_v(most)));
  }
  return y;
}
