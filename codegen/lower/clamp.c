/* clamp of 8-bit integers. */
#include "codegen/elementwise.h"
#include "ir/ops/attrs.h"

typedef struct {
  int32_t lo, hi; /* as stored */
} Clamp;

static void clamp_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                         int part) {
  (void)constant;
  const Clamp *k = e->user;
  const ActOps *in = act_ops(cg_storage(e->cg, e->operands[0])->elem),
               *out = act_ops(cg_storage(e->cg, e->result)->elem);
  const VirVar *q = part ? vir_let(b, "q", in->load_part, VIR_ARGS(vir_at(at[1]), vir_n(part)))
                         : vir_let(b, "q", in->load, VIR_ARGS(vir_at(at[1])));
  const VirVar *lo = VIR_ONCE(b, "lo", splat_s32, vir_n(k->lo)),
               *hi = VIR_ONCE(b, "hi", splat_s32, vir_n(k->hi));
  VIR_SET(b, q, max_s32, vir_v(q), vir_v(lo));
  VIR_SET(b, q, min_s32, vir_v(q), vir_v(hi));
  if (part)
    vir_do(b, out->store_part, VIR_ARGS(vir_at(at[0]), vir_v(q), vir_n(part)));
  else
    vir_do(b, out->store, VIR_ARGS(vir_at(at[0]), vir_v(q)));
}

static void clamp_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Clamp *k = e->user;
  const VirVar *q =
      vir_let(b, "q", act_ops(cg_storage(e->cg, e->operands[0])->elem)->get, VIR_ARGS(vir_at(at[1])));
  const VirVar *lo = VIR_ONCE(b, "lo", int_const, vir_n(k->lo)),
               *hi = VIR_ONCE(b, "hi", int_const, vir_n(k->hi));
  VIR_SET(b, q, int_max, vir_v(q), vir_v(lo));
  VIR_SET(b, q, int_min, vir_v(q), vir_v(hi));
  vir_do(b, act_ops(cg_storage(e->cg, e->result)->elem)->put, VIR_ARGS(vir_at(at[0]), vir_v(q)));
}

static bool clamp_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const ClampAttrs *a = ATTRS(n, ClampAttrs);
  const Tensor *x = n->operands[0], *y = n->results[0];
  int32_t bias = cg_storage(cg, x)->bias;
  Clamp k = {(int32_t)a->min - bias, (int32_t)a->max - bias};
  Elementwise e = {.node = n,
                   .n_operands = 1,
                   .operands = {x},
                   .result = y,
                   .what = "",
                   .vector = clamp_vector,
                   .element = clamp_element,
                   .cg = cg,
                   .user = &k};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_clamp = {
    .in_place = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = clamp_emit};
