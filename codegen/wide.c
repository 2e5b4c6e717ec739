/* Linear kernels whose sums can leave 32 bits: rule 5 of docs/numerics.md takes them in 64. Such layers are
 * rare and come from imported models only, so this is plain code, one product at a time: the sum is high *
 * 2^16 + low, and the carry goes up after each run of products that low has room for. */
#include "codegen/clamp.h"
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

/* The weights in the order of the runs, as int32: [phase][channel][run][i]. */
static const VirBase *ordered_weights(Cg *cg, const Dense *d, const LinearConstants *lc) {
  int64_t count = d->phases * lc->channels * dense_products(d), at = 0;
  int32_t *w = ARENA_NEW_ARRAY(cg->kernel_arena, int32_t, (size_t)count);
  for (int64_t p = 0; p < d->phases; p++)
    for (int64_t c = 0; c < lc->channels; c++)
      for (int64_t r = 0; r < dense_runs(d); r++)
        for (int64_t i = 0; i < d->length; i++) w[at++] = lc->weights[d->weight_index(d, p, c, r, i)];
  return vir_constant(cg->module, cg_name(cg, d->node, "weights"), DT_S32, count, w,
                      "weights minus their zero points, [channel][run][i]");
}

/* What belongs to a channel, and moves with it: its weights and the halves of its bias, of each phase, its
 * multiplier. */
typedef struct {
  VirAddr w, high, low, m;
} Channel;

static Channel channel_constants(Cg *cg, const Dense *d, const LinearConstants *lc) {
  int64_t count = d->phases * lc->channels;
  int32_t *high = ARENA_NEW_ARRAY(cg->kernel_arena, int32_t, (size_t)count);
  int32_t *low = ARENA_NEW_ARRAY(cg->kernel_arena, int32_t, (size_t)count);
  for (int64_t i = 0; i < count; i++) {
    int64_t c = i % lc->channels, bias = linear_bias(lc, c, dense_sum(d, lc, i / lc->channels, c));
    low[i] = (int32_t)((uint64_t)bias & 0xffff);
    high[i] = (int32_t)((bias - low[i]) / 65536);
  }
  VirModule *m = cg->module;
  return (Channel){
      .w =
          dense_products(d) ? vir_addr(ordered_weights(cg, d, lc), 0) : (VirAddr){0}, /* nothing reads them */
      .high = vir_addr(vir_constant(m, cg_name(cg, d->node, "bias_high"), DT_S32, count, high, NULL), 0),
      .low = vir_addr(vir_constant(m, cg_name(cg, d->node, "bias_low"), DT_S32, count, low, NULL), 0),
      .m = vir_addr(vir_constant(m, cg_name(cg, d->node, "m"), DT_F32, lc->channels, lc->multiplier, NULL),
                    0)};
}

/* By `channels` channels for each step of `v`. */
static void move_channel(Channel *c, const Dense *d, const VirVar *v, int64_t channels) {
  c->w = vir_plus(c->w, v, channels * dense_products(d));
  c->high = vir_plus(c->high, v, channels);
  c->low = vir_plus(c->low, v, channels);
}

/* The sum over all runs of the window at x. */
static void sum_runs(Wide *w, const Dense *d, VirAddr x, VirAddr weight) {
  VirBuilder *b = &w->b;
  static const char *const names[DENSE_RUNS] = {"kd", "kh", "kw"};
  int64_t products = dense_products(d);
  for (int i = 0; i < DENSE_RUNS; i++) {
    const VirVar *v = vir_loop(b, names[i], 0, d->runs[i], 1);
    if (d->runs[i]) products /= d->runs[i];
    x = vir_plus(x, v, d->run_step[i]);
    weight = vir_plus(weight, v, products);
  }
  for (int64_t i = 0; i < d->length; i += CHUNK)
    add_products(w, vir_offset(x, i), vir_offset(weight, i), d->length - i < CHUNK ? d->length - i : CHUNK);
  for (int i = 0; i < DENSE_RUNS; i++) vir_end(b);
}

static void store_sum(Wide *w, const Dense *d, VirAddr m_at, VirAddr y) {
  VirBuilder *b = &w->b;
  const Storage *sy = cg_storage(w->cg, d->y);
  const VirVar *m = VIR_LET(b, "m", get_f32, vir_at(m_at));
  if (sy->elem == DT_F32) {
    const VirVar *sum = VIR_LET(b, "sum", int_wide_to_float, vir_v(w->high), vir_v(w->low));
    const VirVar *v = VIR_LET(b, "v", float_mul, vir_v(sum), vir_v(m));
    clamp_float(b, v, d->act_min, d->act_max);
    VIR_DO(b, put_f32, vir_at(y), vir_v(v));
    return;
  }
  int32_t lo, hi;
  cg_stored_range(w->cg, d->y, d->act_min, d->act_max, &lo, &hi);
  const VirVar *q = VIR_LET(b, "q", int_requant_wide, vir_v(w->high), vir_v(w->low), vir_v(m),
                            vir_m((float)(lo - sy->zero)), vir_m((float)(hi - sy->zero)), vir_n(sy->zero));
  vir_do(b, act_ops(sy->elem)->put, VIR_ARGS(vir_at(y), vir_v(q)));
}

void wide_emit(Cg *cg, const Dense *d, const LinearConstants *lc) {
  const Storage *sx = cg_storage(cg, d->x);
  Channel at = channel_constants(cg, d, lc);

  Wide w = {.cg = cg, .x_elem = sx->elem};
  cg_method(cg, d->node, "sums of more than 32 bits, element by element");
  VirBuilder *b = &w.b;
  cg_kernel(cg, b, d->node, d->what, "%s x weights %s -> %s, sums of more than 32 bits",
            type_text(cg->arena, &d->x->type), shape_text(cg->arena, &d->weight->type.shape),
            type_text(cg->arena, &d->y->type));
  VirAddr x = vir_addr(cg_read(cg, b, d->x, "x"), 0), y = vir_addr(cg_write(cg, b, d->y, "y"), 0);
  const VirVar *phase = cg_phases(cg, b, d->node, d->phases, d->x_origin, d->y_origin, &x, &y);
  if (phase) move_channel(&at, d, phase, lc->channels);
  const VirVar *group = vir_loop(b, "group", 0, d->groups, 1), *oc = vir_loop(b, "oc", 0, d->oc, 1);
  x = vir_plus(x, group, d->group_step);
  y = vir_plus(vir_plus(y, group, d->oc), oc, 1);
  move_channel(&at, d, group, d->oc);
  move_channel(&at, d, oc, 1);
  at.m = vir_plus(vir_plus(at.m, group, d->oc), oc, 1);
  static const char *const names[DENSE_PIXELS] = {"n", "od", "oy", "ox"};
  for (int i = 0; i < DENSE_PIXELS; i++) {
    const VirVar *v = vir_loop(b, names[i], 0, d->count[i], 1);
    x = vir_plus(x, v, d->x_step[i]);
    y = vir_plus(y, v, d->y_step[i]);
  }
  w.high = VIR_LET(b, "high", get_s32, vir_at(at.high));
  w.low = VIR_LET(b, "low", get_s32, vir_at(at.low));
  if (dense_products(d)) sum_runs(&w, d, x, at.w);
  store_sum(&w, d, at.m, y);
  for (int i = 0; i < DENSE_PIXELS + 2 + (phase != NULL); i++) vir_end(b);
  cg_done(cg, b);
}
