#include "codegen/requant.h"

int requant_together(int n, int at) {
  int left = n - at / 4 * 4;
  if (left >= 4) return 4;
  return left >= 2 && at % 4 < 2 ? 2 : 1;
}

int64_t requant_channel(int lanes, int n, int64_t v, int64_t l) {
  int together = requant_together(n, (int)v);
  int64_t place = v % together; /* groups of 4 stand before one of 2, and that before a single vector */
  return (v - place) * lanes + 4 * (l / 4 * together + place) + l % 4;
}

Requant requant_start(const Cg *cg, VirBuilder *b, const Tensor *y, float act_min, float act_max,
                      bool unclamped) {
  const Storage *sy = cg_storage(cg, y);
  int32_t lo, hi, zero = unclamped ? sy->zero : 0;
  cg_stored_range(cg, y, act_min, act_max, &lo, &hi);
  Requant r = {.b = b, .lanes = cg->target->lanes, .ops = act_ops(sy->elem)};
  r.pairs = VIR_ONCE(b, "zeros", splat_p, vir_n(zero), vir_n(zero));
  if (unclamped) {
    r.bounds = byte_bounds(b, r.ops, lo, hi);
  } else {
    r.low = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(lo - sy->zero)));
    r.high = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(hi - sy->zero)));
    r.zero = VIR_ONCE(b, "zero", splat_s32, vir_n(sy->zero));
  }
  return r;
}

const VirVar *requant_scaled(const Requant *r, const char *name, const VirVar *sums, const VirVar *m) {
  if (!r->zero) return VIR_LET(r->b, name, scale, vir_v(sums), vir_v(m));
  return VIR_LET(r->b, name, requant, vir_v(sums), vir_v(m), vir_v(r->low), vir_v(r->high), vir_v(r->zero));
}

/* `count` vectors, 4, 2 or 1, as bytes. */
static const VirVar *together(const Requant *r, const VirVar *const *q, int count) {
  VirArg args[VIR_MAX_ARGS];
  for (int n = 0; n < count; n++) args[n] = vir_v(q[n]);
  args[count] = vir_v(r->pairs);
  VirOp op = count == 4 ? r->ops->narrow_x4 : count == 2 ? r->ops->narrow_x2 : r->ops->narrow;
  const VirVar *y = vir_let(r->b, "y0", op, count + 1, args);
  return clamp_bytes(r->b, r->ops, y, r->bounds);
}

void requant_residual(const Cg *cg, Requant *r, const Node *add, ResidualBases bases) {
  r->residual = bases;
  r->sum = fixed_sum(cg, add);
  vir_opaque(r->b, bases.terms); /* or they would be kept in registers while the products are formed */
  r->sum_lanes = fixed_sum_read(r->b, bases.terms);
  r->operand = residual_of_sum(cg, add)->operand;
}

static VirAddr other_at(const Requant *r, VirAddr at) {
  at.base = r->residual.other;
  return at;
}

static const VirVar *with_other(const Requant *r, const VirVar *y, const VirVar *other) {
  const VirVar *x[2];
  x[r->operand] = y;
  x[1 - r->operand] = other;
  return fixed_sum_bytes(&r->sum, &r->sum_lanes, r->b, r->ops, x);
}

void requant_store_bytes(const Requant *r, VirAddr at, const VirVar *const *q, int n, int64_t bytes) {
  bool all = bytes == 4 * r->lanes;
  const VirVar *y = together(r, q, n);
  if (r->residual.other) {
    VirAddr from = other_at(r, at);
    y = with_other(r, y,
                   all ? VIR_LET(r->b, "r", load_q, vir_at(from))
                       : VIR_LET(r->b, "r", load_q_part, vir_at(from), vir_n(bytes)));
  }
  if (all) {
    VIR_DO(r->b, store_q, vir_at(at), vir_v(y));
  } else {
    VIR_DO(r->b, store_q_part, vir_at(at), vir_v(y), vir_n(bytes));
  }
}

void requant_store(const Requant *r, VirAddr at, const VirVar *const *q, int n, int last) {
  for (int i = 0; i < n;) {
    int count = requant_together(n, i), end = i + count;
    int bytes = end < n ? count * r->lanes : (count - 1) * r->lanes + last;
    requant_store_bytes(r, vir_offset(at, i * r->lanes), q + i, count, bytes);
    i = end;
  }
}

void requant_store_pixels(const Requant *r, VirAddr at, const VirVar *const *q, int n, int64_t apart) {
  VirOp split = n == 1 ? VIR_split4 : VIR_split2, join = n == 1 ? VIR_join4 : VIR_join2;
  const VirVar *y = together(r, q, 4);
  if (r->residual.other)
    y = with_other(r, y, vir_let(r->b, "r", join, VIR_ARGS(vir_at(other_at(r, at)), vir_n(apart))));
  vir_do(r->b, split, VIR_ARGS(vir_at(at), vir_v(y), vir_n(apart)));
}
