/* add, sub, mul, div with broadcasting. int8 add and sub by rule 8 of docs/numerics.md: one dot product of
 * the pair (a, b) with (m_a, m_b), a shift and a clamp; mul by rule 9. */
#include "codegen/clamp.h"
#include "codegen/elementwise.h"
#include "codegen/fixed_sum.h"
#include "codegen/residual.h"
#include "ir/ops/attrs.h"

typedef struct {
  FixedSum sum;           /* add, sub */
  float m;                /* mul */
  int32_t lo, hi, zero;   /* of the stored result */
  int32_t zero_a, zero_b; /* as stored */
  float act_min, act_max;
} Arith;

static const ActOps *ops_of(const Elementwise *e) { return act_ops(cg_storage(e->cg, e->result)->elem); }

/* One vector of an 8-bit operand, widened. */
static const VirVar *load_act(const Elementwise *e, VirBuilder *b, const char *name, VirAddr at,
                              bool constant, int part) {
  const ActOps *ops = ops_of(e);
  if (constant) {
    const VirVar *v = vir_let(b, "s", ops->get, VIR_ARGS(vir_at(at)));
    return VIR_LET(b, name, bcast_s32, vir_v(v));
  }
  return part ? vir_let(b, name, ops->load_part, VIR_ARGS(vir_at(at), vir_n(part)))
              : vir_let(b, name, ops->load, VIR_ARGS(vir_at(at)));
}

static void store_act(const Elementwise *e, VirBuilder *b, VirAddr at, const VirVar *q, int part) {
  if (part) {
    vir_do(b, ops_of(e)->store_part, VIR_ARGS(vir_at(at), vir_v(q), vir_n(part)));
  } else {
    vir_do(b, ops_of(e)->store, VIR_ARGS(vir_at(at), vir_v(q)));
  }
}

/* Whole vectors of bytes. */
static void add_bytes(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Arith *k = e->user;
  const VirVar *x[2];
  for (int i = 0; i < 2; i++) x[i] = VIR_LET(b, i ? "b" : "a", load_q, vir_at(at[i + 1]));
  FixedSumLanes lanes = fixed_sum_once(&k->sum, b);
  const VirVar *y = fixed_sum_bytes(&k->sum, &lanes, b, ops_of(e), x);
  VIR_DO(b, store_q, vir_at(at[0]), vir_v(y));
}

static void add_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                       int part) {
  const FixedSum *k = &((const Arith *)e->user)->sum;
  const ActOps *ops = ops_of(e);
  const VirVar *sum = VIR_LET(b, "sum", splat_s32, vir_n(k->start));
  if (!constant[0] && !constant[1]) {
    const VirVar *pair =
        part ? vir_let(b, "ab", ops->pair_part, VIR_ARGS(vir_at(at[1]), vir_at(at[2]), vir_n(part)))
             : vir_let(b, "ab", ops->pair, VIR_ARGS(vir_at(at[1]), vir_at(at[2])));
    const VirVar *m = VIR_ONCE(b, "m", splat_p, vir_n(k->fixed.m_a), vir_n(k->fixed.m_b));
    VIR_SET(b, sum, dot2, vir_v(sum), vir_v(pair), vir_v(m));
  } else {
    const int32_t m[2] = {k->fixed.m_a, k->fixed.m_b};
    for (int i = 0; i < 2; i++) {
      const VirVar *x = load_act(e, b, i ? "b" : "a", at[i + 1], constant[i], part);
      const VirVar *factor = VIR_ONCE(b, "m", splat_s32, vir_n(m[i]));
      const VirVar *product = VIR_LET(b, "p", mul_s32, vir_v(x), vir_v(factor));
      VIR_SET(b, sum, add_s32, vir_v(sum), vir_v(product));
    }
  }
  if (k->fixed.shift) VIR_SET(b, sum, shr_s32, vir_v(sum), vir_n(k->fixed.shift));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(k->zero));
  const VirVar *lo = VIR_ONCE(b, "lo", splat_s32, vir_n(k->lo)),
               *hi = VIR_ONCE(b, "hi", splat_s32, vir_n(k->hi));
  VIR_SET(b, sum, add_s32, vir_v(sum), vir_v(zero));
  VIR_SET(b, sum, max_s32, vir_v(sum), vir_v(lo));
  VIR_SET(b, sum, min_s32, vir_v(sum), vir_v(hi));
  store_act(e, b, at[0], sum, part);
}

static void add_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const FixedSum *k = &((const Arith *)e->user)->sum;
  const int32_t m[2] = {k->fixed.m_a, k->fixed.m_b};
  const VirVar *sum = VIR_LET(b, "sum", int_const, vir_n(k->start));
  for (int i = 0; i < 2; i++) {
    const VirVar *x = vir_let(b, i ? "b" : "a", ops_of(e)->get, VIR_ARGS(vir_at(at[i + 1])));
    const VirVar *factor = VIR_ONCE(b, "m", int_const, vir_n(m[i]));
    const VirVar *product = VIR_LET(b, "p", int_mul, vir_v(x), vir_v(factor));
    VIR_SET(b, sum, int_add, vir_v(sum), vir_v(product));
  }
  if (k->fixed.shift) VIR_SET(b, sum, int_shr, vir_v(sum), vir_n(k->fixed.shift));
  const VirVar *zero = VIR_ONCE(b, "zero", int_const, vir_n(k->zero));
  const VirVar *lo = VIR_ONCE(b, "lo", int_const, vir_n(k->lo)),
               *hi = VIR_ONCE(b, "hi", int_const, vir_n(k->hi));
  VIR_SET(b, sum, int_add, vir_v(sum), vir_v(zero));
  VIR_SET(b, sum, int_max, vir_v(sum), vir_v(lo));
  VIR_SET(b, sum, int_min, vir_v(sum), vir_v(hi));
  vir_do(b, ops_of(e)->put, VIR_ARGS(vir_at(at[0]), vir_v(sum)));
}

static void mul_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                       int part) {
  const Arith *k = e->user;
  const VirVar *a = load_act(e, b, "a", at[1], constant[0], part);
  const VirVar *c = load_act(e, b, "b", at[2], constant[1], part);
  const VirVar *za = VIR_ONCE(b, "zero_a", splat_s32, vir_n(k->zero_a));
  const VirVar *zb = VIR_ONCE(b, "zero_b", splat_s32, vir_n(k->zero_b));
  const VirVar *ra = VIR_LET(b, "ra", sub_s32, vir_v(a), vir_v(za)),
               *rb = VIR_LET(b, "rb", sub_s32, vir_v(c), vir_v(zb));
  const VirVar *product = VIR_LET(b, "p", mul_s32, vir_v(ra), vir_v(rb));
  const VirVar *m = VIR_ONCE(b, "m", splat_f32, vir_m(k->m));
  const VirVar *lo = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(k->lo - k->zero)));
  const VirVar *hi = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(k->hi - k->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(k->zero));
  store_act(e, b, at[0],
            VIR_LET(b, "q", requant, vir_v(product), vir_v(m), vir_v(lo), vir_v(hi), vir_v(zero)), part);
}

static void mul_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Arith *k = e->user;
  const VirVar *a = vir_let(b, "a", ops_of(e)->get, VIR_ARGS(vir_at(at[1])));
  const VirVar *c = vir_let(b, "b", ops_of(e)->get, VIR_ARGS(vir_at(at[2])));
  const VirVar *za = VIR_ONCE(b, "zero_a", int_const, vir_n(k->zero_a));
  const VirVar *zb = VIR_ONCE(b, "zero_b", int_const, vir_n(k->zero_b));
  const VirVar *ra = VIR_LET(b, "ra", int_sub, vir_v(a), vir_v(za)),
               *rb = VIR_LET(b, "rb", int_sub, vir_v(c), vir_v(zb));
  const VirVar *product = VIR_LET(b, "p", int_mul, vir_v(ra), vir_v(rb));
  const VirVar *m = VIR_ONCE(b, "m", float_const, vir_m(k->m));
  const VirVar *q = VIR_LET(b, "q", int_requant, vir_v(product), vir_v(m), vir_m((float)(k->lo - k->zero)),
                            vir_m((float)(k->hi - k->zero)), vir_n(k->zero));
  vir_do(b, ops_of(e)->put, VIR_ARGS(vir_at(at[0]), vir_v(q)));
}

/* The operations on float vectors and scalars. */
typedef struct {
  VirOp vector, element;
} FloatOps;
static const FloatOps float_ops[] = {[OP_add] = {VIR_add_f32, VIR_float_add},
                                     [OP_sub] = {VIR_sub_f32, VIR_float_sub},
                                     [OP_mul] = {VIR_mul_f32, VIR_float_mul},
                                     [OP_div] = {VIR_div_f32, VIR_float_div}};

static void float_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                         int part) {
  const Arith *k = e->user;
  const VirVar *x[2];
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "b" : "a";
    if (constant[i]) {
      const VirVar *v = VIR_LET(b, "s", get_f32, vir_at(at[i + 1]));
      x[i] = VIR_LET(b, name, bcast_f32, vir_v(v));
    } else {
      x[i] = part ? VIR_LET(b, name, load_f32_part, vir_at(at[i + 1]), vir_n(part))
                  : VIR_LET(b, name, load_f32, vir_at(at[i + 1]));
    }
  }
  const VirVar *v = vir_let(b, "v", float_ops[e->node->op].vector, VIR_ARGS(vir_v(x[0]), vir_v(x[1])));
  clamp_float(b, v, k->act_min, k->act_max);
  if (part) {
    VIR_DO(b, store_f32_part, vir_at(at[0]), vir_v(v), vir_n(part));
  } else {
    VIR_DO(b, store_f32, vir_at(at[0]), vir_v(v));
  }
}

static void float_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Arith *k = e->user;
  const VirVar *x = VIR_LET(b, "a", get_f32, vir_at(at[1])), *y = VIR_LET(b, "b", get_f32, vir_at(at[2]));
  const VirVar *v = vir_let(b, "v", float_ops[e->node->op].element, VIR_ARGS(vir_v(x), vir_v(y)));
  clamp_float(b, v, k->act_min, k->act_max);
  VIR_DO(b, put_f32, vir_at(at[0]), vir_v(v));
}

static bool arith_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  if (residual_is_done(cg, n)) {
    cg_method(cg, n, "that of '%s'", cg_title(cg, residual_of_sum(cg, n)->layer));
    return true;
  }
  const ActAttrs *act = ATTRS(n, ActAttrs);
  const Tensor *a = n->operands[0], *b = n->operands[1], *y = n->results[0];
  Arith k = {.act_min = act->act_min, .act_max = act->act_max};
  Elementwise e = {
      .node = n, .n_operands = 2, .operands = {a, b}, .result = y, .what = "", .cg = cg, .user = &k};
  if (!tensor_is_quantized(y)) {
    e.vector = float_vector;
    e.element = float_element;
    elementwise_emit(&e);
    return true;
  }
  cg_stored_range(cg, y, act->act_min, act->act_max, &k.lo, &k.hi);
  k.zero = cg_storage(cg, y)->zero;
  k.zero_a = cg_storage(cg, a)->zero;
  k.zero_b = cg_storage(cg, b)->zero;
  if (n->op == OP_mul) {
    if (!requant_multiplier(tensor_scale(a), tensor_scale(b), tensor_scale(y), &k.m))
      BUG("'%s' passed the verifier with a multiplier that is no normal float", y->name);
    e.vector = mul_vector;
    e.element = mul_element;
  } else {
    k.sum = fixed_sum(cg, n);
    e.bytes = add_bytes;
    e.vector = add_vector;
    e.element = add_element;
  }
  elementwise_emit(&e);
  return true;
}

const Lowering lower_arith = {
    .in_place = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = arith_emit};
