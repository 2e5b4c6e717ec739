/* Linear kernels whose sums can leave 32 bits: rule 5 of docs/numerics.md takes them in 64. Such layers are
 * rare and come from imported models only, so this is plain code, one product at a time: the sum is high *
 * 2^16 + low, and the carry goes up after each run of products that low has room for. */
#include "codegen/dense.h"

enum { CHUNK = 32768 }; /* 2^16 - 1 + CHUNK * 255 * 255 < 2^31 */

typedef struct {
  Cg *cg;
  VirBuilder b;
  const VirVar *high, *low;
  DType x_elem;
} Wide;

static void add_products(Wide *w, VirAddr x, VirAddr weight, int64_t count) {
  VirBuilder *b = &w->b;
  const VirVar *i = vir_loop(b, "i", 0, count, 1);
  const VirVar *value = vir_let(b, "v", act_ops(w->x_elem)->get, VIR_ARGS(vir_at(vir_plus(x, i, 1))));
  const VirVar *factor = VIR_LET(b, "w", get_s32, vir_at(vir_plus(weight, i, 1)));
  const VirVar *product = VIR_LET(b, "p", int_mul, vir_v(value), vir_v(factor));
  VIR_SET(b, w->low, int_add, vir_v(w->low), vir_v(product));
  vir_end(b);
  const VirVar *carry = VIR_LET(b, "carry", int_shr, vir_v(w->low), vir_n(16));
  const VirVar *unit = VIR_ONCE(b, "unit", int_const, vir_n(65536));
  const VirVar *taken = VIR_LET(b, "taken", int_mul, vir_v(carry), vir_v(unit));
  VIR_SET(b, w->high, int_add, vir_v(w->high), vir_v(carry));
  VIR_SET(b, w->low, int_sub, vir_v(w->low), vir_v(taken));
}

/* The weights in the order of the runs, as int32: [channel][run][i]. */
static const VirBase *ordered_weights(Cg *cg, const Dense *d, const LinearConstants *lc) {
  int64_t runs = d->runs[0] * d->runs[1], at = 0;
  int32_t *w = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)(lc->channels * lc->k) + 1);
  for (int64_t c = 0; c < lc->channels; c++)
    for (int64_t r = 0; r < runs; r++)
      for (int64_t i = 0; i < d->length; i++) w[at++] = lc->weights[d->weight_index(d, c, r, i)];
  return vir_constant(cg->module, cg_name(cg, d->node, "weights"), DT_S32, at, w,
                      "weights minus their zero points, [channel][run][i]");
}

void wide_emit(Cg *cg, const Dense *d, const LinearConstants *lc) {
  const Storage *sx = cg_storage(cg, d->x), *sy = cg_storage(cg, d->y);
  int32_t *high = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)lc->channels + 1);
  int32_t *low = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)lc->channels + 1);
  for (int64_t c = 0; c < lc->channels; c++) {
    low[c] = (int32_t)((uint64_t)lc->wide_bias[c] & 0xffff);
    high[c] = (int32_t)((lc->wide_bias[c] - low[c]) / 65536);
  }
  const VirBase *weights = ordered_weights(cg, d, lc);
  const VirBase *base_high =
      vir_constant(cg->module, cg_name(cg, d->node, "bias_high"), DT_S32, lc->channels, high, NULL);
  const VirBase *base_low =
      vir_constant(cg->module, cg_name(cg, d->node, "bias_low"), DT_S32, lc->channels, low, NULL);
  const VirBase *base_m =
      vir_constant(cg->module, cg_name(cg, d->node, "m"), DT_F32, lc->channels, lc->multiplier, NULL);
  int32_t lo, hi;
  cg_stored_range(cg, d->y, d->act_min, d->act_max, &lo, &hi);

  Wide w = {.cg = cg, .x_elem = sx->elem};
  VirBuilder *b = &w.b;
  cg_kernel(cg, b, d->node, "", "%s x weights %s -> %s, sums of more than 32 bits",
            type_text(cg->arena, &d->x->type), shape_text(cg->arena, &d->weight->type.shape),
            type_text(cg->arena, &d->y->type));
  VirAddr x = vir_addr(cg_read(cg, b, d->x, "x"), d->x_origin),
          y = vir_addr(cg_write(cg, b, d->y, "y"), d->y_origin);
  VirAddr at_w = vir_addr(weights, 0), at_high = vir_addr(base_high, 0), at_low = vir_addr(base_low, 0);
  VirAddr at_m = vir_addr(base_m, 0);
  const VirVar *group = vir_loop(b, "group", 0, d->groups, 1), *oc = vir_loop(b, "oc", 0, d->oc, 1);
  x = vir_plus(x, group, d->group_step);
  y = vir_plus(vir_plus(y, group, d->oc), oc, 1);
  at_w = vir_plus(vir_plus(at_w, group, d->oc * lc->k), oc, lc->k);
  VirAddr *per_channel[] = {&at_high, &at_low, &at_m};
  for (int i = 0; i < 3; i++) *per_channel[i] = vir_plus(vir_plus(*per_channel[i], group, d->oc), oc, 1);
  static const char *const names[] = {"n", "oy", "ox"};
  for (int i = 0; i < 3; i++) {
    const VirVar *v = vir_loop(b, names[i], 0, d->count[i], 1);
    x = vir_plus(x, v, d->x_step[i]);
    y = vir_plus(y, v, d->y_step[i]);
  }
  w.high = VIR_LET(b, "high", get_s32, vir_at(at_high));
  w.low = VIR_LET(b, "low", get_s32, vir_at(at_low));
  const VirVar *kh = vir_loop(b, "kh", 0, d->runs[0], 1), *kw = vir_loop(b, "kw", 0, d->runs[1], 1);
  VirAddr x_run = vir_plus(vir_plus(x, kh, d->run_step[0]), kw, d->run_step[1]);
  VirAddr w_run = vir_plus(vir_plus(at_w, kh, d->runs[1] * d->length), kw, d->length);
  for (int64_t i = 0; i < d->length; i += CHUNK)
    add_products(&w, vir_offset(x_run, i), vir_offset(w_run, i),
                 d->length - i < CHUNK ? d->length - i : CHUNK);
  vir_end(b);
  vir_end(b);
  const VirVar *m = VIR_LET(b, "m", get_f32, vir_at(at_m));
  const VirVar *q = VIR_LET(b, "q", int_requant_wide, vir_v(w.high), vir_v(w.low), vir_v(m),
                            vir_m((float)(lo - sy->zero)), vir_m((float)(hi - sy->zero)), vir_n(sy->zero));
  vir_do(b, act_ops(sy->elem)->put, VIR_ARGS(vir_at(y), vir_v(q)));
  for (int i = 0; i < 5; i++) vir_end(b);
  cg_done(cg, b);
}
