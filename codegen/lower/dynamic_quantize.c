/* dynamic_quantize: a kernel for the range and the parameters, then one that quantizes, from and to any
 * strides. */
#include "codegen/dynamic.h"
#include "codegen/elementwise.h"
#include "ir/ops/attrs.h"

/* The range over the operand as it lies: zeros around it change nothing. */
static void emit_parameters(Cg *cg, const Node *n) {
  const DynamicQuantizeAttrs *a = ATTRS(n, DynamicQuantizeAttrs);
  const Tensor *x = n->operands[0];
  const VirVar *lo, *hi, *scale, *zero;
  VirBuilder b;
  cg_kernel(cg, &b, n, "range", "the range of %s, and the scale and zero point that follow",
            type_text(cg->arena, &x->type));
  VirAddr from = vir_addr(cg_read(cg, &b, x, "x"), 0);
  const VirBase *to_scale = cg_write(cg, &b, n->results[1], "scale_out"),
                *to_zero = cg_write(cg, &b, n->results[2], "zero_out");
  cg_dynamic_range(cg, &b, from, cg_storage(cg, x)->size, &lo, &hi);
  cg_dynamic_choose(&b, lo, hi, (DynamicRule)a->rule, (int32_t)a->qmax, cg_storage(cg, n->results[2])->bias,
                    &scale, &zero);
  VIR_DO(&b, put_f32, vir_at(vir_addr(to_scale, 0)), vir_v(scale));
  vir_do(&b, act_ops(to_zero->elem)->put, VIR_ARGS(vir_at(vir_addr(to_zero, 0)), vir_v(zero)));
  cg_done(cg, &b);
}

/* The operands of the second kernel are x, the scale and the zero point, which is wanted as x will be stored.
 */
static void scalars_of(const Elementwise *e, VirBuilder *b, const VirAddr *at, const VirVar **scale,
                       const VirVar **zero) {
  const Storage *sz = cg_storage(e->cg, e->operands[2]), *sq = cg_storage(e->cg, e->result);
  *scale = VIR_ONCE(b, "scale", get_f32, vir_at(at[2]));
  *zero = vir_once(b, "zero", act_ops(sz->elem)->get, VIR_ARGS(vir_at(at[3])));
  if (sz->bias == sq->bias) return;
  const VirVar *shift = VIR_ONCE(b, "shift", int_const, vir_n(sz->bias - sq->bias));
  *zero = VIR_ONCE(b, "stored_zero", int_add, vir_v(*zero), vir_v(shift));
}

static int32_t qmax_of(const Elementwise *e) { return (int32_t)ATTRS(e->node, DynamicQuantizeAttrs)->qmax; }

static void quantize_vector(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant,
                            int part) {
  (void)constant; /* x has the result's shape */
  const Storage *sq = cg_storage(e->cg, e->result);
  const ActOps *ops = act_ops(sq->elem);
  const VirVar *scale, *zero;
  scalars_of(e, b, at, &scale, &zero);
  const DynamicVectors v = cg_dynamic_vectors(b, scale, zero, qmax_of(e), sq->bias, true);
  const VirVar *x = part ? VIR_LET(b, "x", load_f32_part, vir_at(at[1]), vir_n(part))
                         : VIR_LET(b, "x", load_f32, vir_at(at[1]));
  const VirVar *q = cg_dynamic_quantized(b, x, &v);
  if (part) {
    vir_do(b, ops->store_part, VIR_ARGS(vir_at(at[0]), vir_v(q), vir_n(part)));
  } else {
    vir_do(b, ops->store, VIR_ARGS(vir_at(at[0]), vir_v(q)));
  }
}

/* The vectors have their zero point already. */
static void quantize_pixels(const Elementwise *e, VirBuilder *b, const VirAddr *at, const Pixels *p) {
  const VirVar *scale, *zero, *q[PIXELS_MAX_CHANNELS];
  scalars_of(e, b, at, &scale, &zero);
  const DynamicVectors v =
      cg_dynamic_vectors(b, scale, zero, qmax_of(e), cg_storage(e->cg, e->result)->bias, true);
  for (int j = 0; j < p->channels; j++)
    q[j] = cg_dynamic_quantized(b, VIR_LET(b, "x", load_f32, vir_at(pixels_plane(p, at, j))), &v);
  pixels_store(p, b, at[0], q, 0);
}

static void quantize_element(const Elementwise *e, VirBuilder *b, const VirAddr *at) {
  const Storage *sq = cg_storage(e->cg, e->result);
  const VirVar *scale, *zero;
  scalars_of(e, b, at, &scale, &zero);
  const VirVar *least = VIR_ONCE(b, "qmin", int_const, vir_n(-sq->bias));
  const VirVar *most = VIR_ONCE(b, "qmax", int_const, vir_n(qmax_of(e) - sq->bias));
  const VirVar *below = VIR_ONCE(b, "below", int_sub, vir_v(least), vir_v(zero));
  const VirVar *above = VIR_ONCE(b, "above", int_sub, vir_v(most), vir_v(zero));
  const VirVar *lo = VIR_ONCE(b, "low", int_to_float, vir_v(below));
  const VirVar *hi = VIR_ONCE(b, "high", int_to_float, vir_v(above));
  const VirVar *x = VIR_LET(b, "x", get_f32, vir_at(at[1]));
  const VirVar *v = VIR_LET(b, "v", float_div, vir_v(x), vir_v(scale));
  VIR_SET(b, v, float_max, vir_v(v), vir_v(lo));
  VIR_SET(b, v, float_min, vir_v(v), vir_v(hi));
  const VirVar *q = VIR_LET(b, "q", float_rne, vir_v(v));
  VIR_SET(b, q, int_add, vir_v(q), vir_v(zero));
  vir_do(b, act_ops(sq->elem)->put, VIR_ARGS(vir_at(at[0]), vir_v(q)));
}

static bool dynamic_quantize_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  emit_parameters(cg, n);
  Elementwise e = {.node = n,
                   .n_operands = 3,
                   .operands = {n->operands[0], n->results[1], n->results[2]},
                   .result = n->results[0],
                   .what = "",
                   .cg = cg,
                   .pixels = quantize_pixels,
                   .vector = quantize_vector,
                   .element = quantize_element};
  elementwise_emit(&e);
  return true;
}

const Lowering lower_dynamic_quantize = {
    .any_strides = true, .writes = PLACE_STRIDED, .emit = dynamic_quantize_emit};
