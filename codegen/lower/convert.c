/* quantize and dequantize (rules 1 and 2 of docs/numerics.md): between float32 and the target's 8-bit
 * storage, from and to any strides, so that the model's own layout is read and written here. */
#include "codegen/elementwise.h"
#include "ir/quant.h"

typedef struct {
  float scale;
  int32_t zero, lo, hi;
} Convert;

/* Without its zero point; part: that many lanes, 0: all. */
static const VirVar *rounded(const Convert *k, VirBuilder *b, VirAddr at, int part) {
  const VirVar *x =
      part ? VIR_LET(b, "x", load_f32_part, vir_at(at), vir_n(part)) : VIR_LET(b, "x", load_f32, vir_at(at));
  const VirVar *s = VIR_ONCE(b, "scale", splat_f32, vir_m(k->scale));
  const VirVar *lo = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(k->lo - k->zero)));
  const VirVar *hi = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(k->hi - k->zero)));
  const VirVar *v = VIR_LET(b, "v", div_f32, vir_v(x), vir_v(s));
  VIR_SET(b, v, max_f32, vir_v(v), vir_v(lo)); /* NaN becomes lo */
  VIR_SET(b, v, min_f32, vir_v(v), vir_v(hi));
  return VIR_LET(b, "q", rne_f32, vir_v(v));
}

static void quantize_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                            int part) {
  (void)constant;
  const Convert *k = e->user;
  const ActOps *ops = act_ops(cg_storage(e->cg, e->result)->elem);
  const VirVar *q = rounded(k, b, at[1], part);
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(k->zero));
  VIR_SET(b, q, add_s32, vir_v(q), vir_v(zero));
  if (e->apart) {
    vir_do(b, ops->scatter, VIR_ARGS(vir_at(at[0]), vir_v(q), vir_n(e->apart)));
  } else if (part) {
    vir_do(b, ops->store_part, VIR_ARGS(vir_at(at[0]), vir_v(q), vir_n(part)));
  } else {
    vir_do(b, ops->store, VIR_ARGS(vir_at(at[0]), vir_v(q)));
  }
}

static void quantize_pixels(const Elementwise *e, VirBuilder *b, const VirAddr *at, const Pixels *p) {
  const Convert *k = e->user;
  const VirVar *q[PIXELS_MAX_CHANNELS];
  for (int j = 0; j < p->channels; j++) q[j] = rounded(k, b, pixels_plane(p, at, j), 0);
  pixels_store(p, b, at[0], q, k->zero);
}

static void quantize_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Convert *k = e->user;
  const VirVar *x = VIR_LET(b, "x", get_f32, vir_at(at[1])),
               *s = VIR_ONCE(b, "scale", float_const, vir_m(k->scale));
  const VirVar *lo = VIR_ONCE(b, "lo", float_const, vir_m((float)(k->lo - k->zero)));
  const VirVar *hi = VIR_ONCE(b, "hi", float_const, vir_m((float)(k->hi - k->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", int_const, vir_n(k->zero));
  const VirVar *v = VIR_LET(b, "v", float_div, vir_v(x), vir_v(s));
  VIR_SET(b, v, float_max, vir_v(v), vir_v(lo));
  VIR_SET(b, v, float_min, vir_v(v), vir_v(hi));
  const VirVar *q = VIR_LET(b, "q", float_rne, vir_v(v));
  VIR_SET(b, q, int_add, vir_v(q), vir_v(zero));
  vir_do(b, act_ops(cg_storage(e->cg, e->result)->elem)->put, VIR_ARGS(vir_at(at[0]), vir_v(q)));
}

static void dequantize_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                              int part) {
  (void)constant;
  const Convert *k = e->user;
  DType elem = cg_storage(e->cg, e->operands[0])->elem;
  VirOp load = elem == DT_S32 ? VIR_load_s32 : act_ops(elem)->load;
  VirOp load_part = elem == DT_S32 ? VIR_load_s32_part : act_ops(elem)->load_part;
  const VirVar *q = part ? vir_let(b, "q", load_part, VIR_ARGS(vir_at(at[1]), vir_n(part)))
                         : vir_let(b, "q", load, VIR_ARGS(vir_at(at[1])));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(k->zero)),
               *s = VIR_ONCE(b, "scale", splat_f32, vir_m(k->scale));
  const VirVar *d = VIR_LET(b, "d", sub_s32, vir_v(q), vir_v(zero));
  const VirVar *f = VIR_LET(b, "f", s32_to_f32, vir_v(d));
  const VirVar *v = VIR_LET(b, "v", mul_f32, vir_v(f), vir_v(s));
  if (part) {
    VIR_DO(b, store_f32_part, vir_at(at[0]), vir_v(v), vir_n(part));
  } else {
    VIR_DO(b, store_f32, vir_at(at[0]), vir_v(v));
  }
}

static void dequantize_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Convert *k = e->user;
  DType elem = cg_storage(e->cg, e->operands[0])->elem;
  const VirVar *q =
      vir_let(b, "q", elem == DT_S32 ? VIR_get_s32 : act_ops(elem)->get, VIR_ARGS(vir_at(at[1])));
  const VirVar *zero = VIR_ONCE(b, "zero", int_const, vir_n(k->zero)),
               *s = VIR_ONCE(b, "scale", float_const, vir_m(k->scale));
  const VirVar *d = VIR_LET(b, "d", int_sub, vir_v(q), vir_v(zero));
  const VirVar *f = VIR_LET(b, "f", int_to_float, vir_v(d));
  VIR_DO(b, put_f32, vir_at(at[0]), vir_v(VIR_LET(b, "v", float_mul, vir_v(f), vir_v(s))));
}

static bool convert_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  bool to_int = n->op == OP_quantize;
  const Tensor *x = n->operands[0], *y = n->results[0], *q = to_int ? y : x;
  if (q->type.quant->count > 1)
    return diag_error(cg->diag, node_loc(n), "'%s': code generation has no per-channel activations", q->name);
  if (q->type.dtype == DT_S32 && (to_int || tensor_zero(q)))
    return diag_error(cg->diag, node_loc(n), "'%s': code generation has no %s", q->name,
                      to_int ? "quantize to s32" : "s32 activations with a zero point");
  Convert k = {.scale = tensor_scale(q), .zero = cg_storage(cg, q)->zero};
  if (to_int) cg_stored_range(cg, q, -__builtin_inff(), __builtin_inff(), &k.lo, &k.hi);
  Elementwise e = {.node = n,
                   .n_operands = 1,
                   .operands = {x},
                   .result = y,
                   .what = "",
                   .cg = cg,
                   .user = &k,
                   .scatters = to_int,
                   .pixels = to_int ? quantize_pixels : NULL,
                   .vector = to_int ? quantize_vector : dequantize_vector,
                   .element = to_int ? quantize_element : dequantize_element};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_convert = {
    .any_strides = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = convert_emit};
