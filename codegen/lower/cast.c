/* cast: integers as float32. */
#include "codegen/elementwise.h"

static VirOp load_of(DType elem, bool part) {
  if (elem == DT_S32) return part ? VIR_load_s32_part : VIR_load_s32;
  return part ? act_ops(elem)->load_part : act_ops(elem)->load;
}

static void cast_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                        int part) {
  (void)constant;
  const Storage *sx = cg_storage(e->cg, e->operands[0]);
  const VirVar *q = part ? vir_let(b, "q", load_of(sx->elem, true), VIR_ARGS(vir_at(at[1]), vir_n(part)))
                         : vir_let(b, "q", load_of(sx->elem, false), VIR_ARGS(vir_at(at[1])));
  if (sx->bias) {
    const VirVar *bias = VIR_ONCE(b, "bias", splat_s32, vir_n(sx->bias));
    VIR_SET(b, q, add_s32, vir_v(q), vir_v(bias));
  }
  const VirVar *v = VIR_LET(b, "v", s32_to_f32, vir_v(q));
  if (part) {
    VIR_DO(b, store_f32_part, vir_at(at[0]), vir_v(v), vir_n(part));
  } else {
    VIR_DO(b, store_f32, vir_at(at[0]), vir_v(v));
  }
}

static void cast_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Storage *sx = cg_storage(e->cg, e->operands[0]);
  const VirVar *q =
      vir_let(b, "q", sx->elem == DT_S32 ? VIR_get_s32 : act_ops(sx->elem)->get, VIR_ARGS(vir_at(at[1])));
  if (sx->bias) {
    const VirVar *bias = VIR_ONCE(b, "bias", int_const, vir_n(sx->bias));
    VIR_SET(b, q, int_add, vir_v(q), vir_v(bias));
  }
  VIR_DO(b, put_f32, vir_at(at[0]), vir_v(VIR_LET(b, "v", int_to_float, vir_v(q))));
}

static bool cast_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  Elementwise e = {.node = n,
                   .n_operands = 1,
                   .operands = {n->operands[0]},
                   .result = n->results[0],
                   .what = "",
                   .cg = cg,
                   .vector = cast_vector,
                   .element = cast_element};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_cast = {
    .any_strides = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = cast_emit};
