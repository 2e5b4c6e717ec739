/* prelu: float32, or 8-bit by rule 10 with a slope for each element: dequantize, the function, quantize. */
#include "codegen/elementwise.h"

typedef struct {
  float scale_x, scale_y;
  int32_t zero_x, zero_y, lo, hi; /* as stored */
} Prelu;

static const VirVar *slope_vector(VirBuilder *b, VirAddr at, bool constant, int part) {
  if (constant) {
    const VirVar *s = VIR_LET(b, "s", get_f32, vir_at(at));
    return VIR_LET(b, "slope", bcast_f32, vir_v(s));
  }
  return part ? VIR_LET(b, "slope", load_f32_part, vir_at(at), vir_n(part))
              : VIR_LET(b, "slope", load_f32, vir_at(at));
}

static const VirVar *prelu_of(VirBuilder *b, const VirVar *x, const VirVar *slope) {
  const VirVar *p = VIR_LET(b, "p", mul_f32, vir_v(slope), vir_v(x));
  return VIR_LET(b, "v", if_negative_f32, vir_v(x), vir_v(p), vir_v(x));
}

static void float_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                         int part) {
  (void)e;
  const VirVar *x = part ? VIR_LET(b, "x", load_f32_part, vir_at(at[1]), vir_n(part))
                         : VIR_LET(b, "x", load_f32, vir_at(at[1]));
  if (constant[0]) x = slope_vector(b, at[1], true, part);
  const VirVar *v = prelu_of(b, x, slope_vector(b, at[2], constant[1], part));
  if (part)
    VIR_DO(b, store_f32_part, vir_at(at[0]), vir_v(v), vir_n(part));
  else
    VIR_DO(b, store_f32, vir_at(at[0]), vir_v(v));
}

static void float_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  (void)e;
  const VirVar *x = VIR_LET(b, "x", get_f32, vir_at(at[1])), *s = VIR_LET(b, "slope", get_f32, vir_at(at[2]));
  const VirVar *p = VIR_LET(b, "p", float_mul, vir_v(s), vir_v(x));
  VIR_DO(b, put_f32, vir_at(at[0]), vir_v(VIR_LET(b, "v", float_if_negative, vir_v(x), vir_v(p), vir_v(x))));
}

static void quantized_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                             int part) {
  const Prelu *k = e->user;
  const ActOps *in = act_ops(cg_storage(e->cg, e->operands[0])->elem),
               *out = act_ops(cg_storage(e->cg, e->result)->elem);
  const VirVar *q = part ? vir_let(b, "q", in->load_part, VIR_ARGS(vir_at(at[1]), vir_n(part)))
                         : vir_let(b, "q", in->load, VIR_ARGS(vir_at(at[1])));
  const VirVar *zero_x = VIR_ONCE(b, "zero_x", splat_s32, vir_n(k->zero_x)),
               *scale_x = VIR_ONCE(b, "scale_x", splat_f32, vir_m(k->scale_x));
  const VirVar *d = VIR_LET(b, "d", sub_s32, vir_v(q), vir_v(zero_x));
  const VirVar *f = VIR_LET(b, "f", s32_to_f32, vir_v(d));
  const VirVar *x = VIR_LET(b, "x", mul_f32, vir_v(f), vir_v(scale_x));
  const VirVar *v = prelu_of(b, x, slope_vector(b, at[2], constant[1], part));
  const VirVar *scale_y = VIR_ONCE(b, "scale_y", splat_f32, vir_m(k->scale_y));
  const VirVar *lo = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(k->lo - k->zero_y)));
  const VirVar *hi = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(k->hi - k->zero_y)));
  const VirVar *zero_y = VIR_ONCE(b, "zero_y", splat_s32, vir_n(k->zero_y));
  VIR_SET(b, v, div_f32, vir_v(v), vir_v(scale_y));
  VIR_SET(b, v, max_f32, vir_v(v), vir_v(lo));
  VIR_SET(b, v, min_f32, vir_v(v), vir_v(hi));
  const VirVar *r = VIR_LET(b, "r", rne_f32, vir_v(v));
  VIR_SET(b, r, add_s32, vir_v(r), vir_v(zero_y));
  if (part)
    vir_do(b, out->store_part, VIR_ARGS(vir_at(at[0]), vir_v(r), vir_n(part)));
  else
    vir_do(b, out->store, VIR_ARGS(vir_at(at[0]), vir_v(r)));
}

static void quantized_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Prelu *k = e->user;
  const ActOps *in = act_ops(cg_storage(e->cg, e->operands[0])->elem),
               *out = act_ops(cg_storage(e->cg, e->result)->elem);
  const VirVar *q = vir_let(b, "q", in->get, VIR_ARGS(vir_at(at[1])));
  const VirVar *zero_x = VIR_ONCE(b, "zero_x", int_const, vir_n(k->zero_x)),
               *scale_x = VIR_ONCE(b, "scale_x", float_const, vir_m(k->scale_x));
  const VirVar *d = VIR_LET(b, "d", int_sub, vir_v(q), vir_v(zero_x));
  const VirVar *f = VIR_LET(b, "f", int_to_float, vir_v(d));
  const VirVar *x = VIR_LET(b, "x", float_mul, vir_v(f), vir_v(scale_x));
  const VirVar *s = VIR_LET(b, "slope", get_f32, vir_at(at[2]));
  const VirVar *p = VIR_LET(b, "p", float_mul, vir_v(s), vir_v(x));
  const VirVar *v = VIR_LET(b, "v", float_if_negative, vir_v(x), vir_v(p), vir_v(x));
  const VirVar *scale_y = VIR_ONCE(b, "scale_y", float_const, vir_m(k->scale_y));
  const VirVar *lo = VIR_ONCE(b, "lo", float_const, vir_m((float)(k->lo - k->zero_y)));
  const VirVar *hi = VIR_ONCE(b, "hi", float_const, vir_m((float)(k->hi - k->zero_y)));
  const VirVar *zero_y = VIR_ONCE(b, "zero_y", int_const, vir_n(k->zero_y));
  VIR_SET(b, v, float_div, vir_v(v), vir_v(scale_y));
  VIR_SET(b, v, float_max, vir_v(v), vir_v(lo));
  VIR_SET(b, v, float_min, vir_v(v), vir_v(hi));
  const VirVar *r = VIR_LET(b, "r", float_rne, vir_v(v));
  VIR_SET(b, r, int_add, vir_v(r), vir_v(zero_y));
  vir_do(b, out->put, VIR_ARGS(vir_at(at[0]), vir_v(r)));
}

static bool prelu_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *x = n->operands[0], *y = n->results[0];
  bool quantized = tensor_is_quantized(x);
  Prelu k = {0};
  if (quantized) {
    k = (Prelu){.scale_x = tensor_scale(x),
                .scale_y = tensor_scale(y),
                .zero_x = cg_storage(cg, x)->zero,
                .zero_y = cg_storage(cg, y)->zero};
    cg_stored_range(cg, y, -__builtin_inff(), __builtin_inff(), &k.lo, &k.hi);
  }
  Elementwise e = {.node = n,
                   .n_operands = 2,
                   .operands = {x, n->operands[1]},
                   .result = y,
                   .what = "",
                   .vector = quantized ? quantized_vector : float_vector,
                   .element = quantized ? quantized_element : float_element,
                   .cg = cg,
                   .user = &k};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_prelu = {
    .in_place = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = prelu_emit};
