/* One product at a time. Sums whose result is float are exact: high * 2^16 + low, where the carry goes up
 * after each run of products that low has room for. Sums that are the result wrap. */
#include "codegen/clamp.h"
#include "codegen/product.h"

enum { CHUNK = 32768 }; /* 2^16 - 1 + CHUNK * 255 * 255 < 2^31 */

typedef struct {
  Cg *cg;
  const Product *p;
  const ProductLoops *l;
  VirBuilder b;
  const VirVar *x_zero, *w_zero; /* as stored; w_zero NULL: weights have theirs subtracted already */
  const VirVar *high, *low;      /* high NULL: wrapping */
  DType w_elem;
} Plain;

/* Constant weights minus their zero points, in the order of the loops. */
static const VirBase *ordered_weights(Cg *cg, const Product *p, const ProductLoops *l) {
  int32_t *w = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)l->count + 1);
  for (int64_t i = 0; i < l->count; i++) w[i] = product_weight(p, l->order[i]);
  return vir_constant(cg->module, cg_name(cg, p->node, "weights"), DT_S32, l->count, w,
                      "weights minus their zero points, one after the other");
}

/* The carry of `low`. */
static void carry(Plain *s) {
  VirBuilder *b = &s->b;
  const VirVar *c = VIR_LET(b, "carry", int_shr, vir_v(s->low), vir_n(16));
  const VirVar *unit = VIR_ONCE(b, "unit", int_const, vir_n(65536));
  const VirVar *taken = VIR_LET(b, "taken", int_mul, vir_v(c), vir_v(unit));
  VIR_SET(b, s->high, int_add, vir_v(s->high), vir_v(c));
  VIR_SET(b, s->low, int_sub, vir_v(s->low), vir_v(taken));
}

static void products(Plain *s, VirAddr x, VirAddr w, int64_t x_step, int64_t w_step, int64_t count) {
  VirBuilder *b = &s->b;
  const VirVar *i = vir_loop(b, "i", 0, count, 1);
  const Storage *sx = cg_storage(s->cg, s->p->x);
  const VirVar *v = vir_let(b, "v", act_ops(sx->elem)->get, VIR_ARGS(vir_at(vir_plus(x, i, x_step))));
  VIR_SET(b, v, int_sub, vir_v(v), vir_v(s->x_zero));
  VirOp get = s->w_elem == DT_S32 ? VIR_get_s32 : act_ops(s->w_elem)->get;
  const VirVar *f = vir_let(b, "w", get, VIR_ARGS(vir_at(vir_plus(w, i, w_step))));
  if (s->w_zero) VIR_SET(b, f, int_sub, vir_v(f), vir_v(s->w_zero));
  const VirVar *product = VIR_LET(b, "p", int_mul, vir_v(v), vir_v(f));
  VIR_SET(b, s->low, int_add, vir_v(s->low), vir_v(product));
  vir_end(b);
  if (s->high) carry(s);
}

static void sums(Plain *s, VirAddr x, VirAddr w) {
  const ProductLoops *l = s->l;
  int last = l->n_taps - 1;
  for (int i = 0; i < last; i++) {
    const VirVar *v = vir_loop(&s->b, l->taps[i].name, 0, l->taps[i].count, 1);
    x = vir_plus(x, v, l->taps[i].x_step);
    w = vir_plus(w, v, l->taps[i].w_step);
  }
  const ProductLoop *run = &l->taps[last];
  for (int64_t i = 0; i < run->count; i += CHUNK)
    products(s, vir_offset(x, i * run->x_step), vir_offset(w, i * run->w_step), run->x_step, run->w_step,
             run->count - i < CHUNK ? run->count - i : CHUNK);
  for (int i = 0; i < last; i++) vir_end(&s->b);
}

/* Channel constants of a float result; channel is the address of the first. */
typedef struct {
  const VirBase *scales, *bias;
  const VirVar *scale;
} Channels;

static Channels channels_of(Plain *s) {
  Cg *cg = s->cg;
  const Product *p = s->p;
  int64_t n = product_channels(p);
  Channels c = {0};
  const Quant *q = p->weight->type.quant;
  float *scales = ARENA_NEW_ARRAY(cg->arena, float, (size_t)n);
  for (int64_t i = 0; i < n; i++) scales[i] = q->scale[q->count > 1 ? i : 0];
  c.scales = vir_constant(cg->module, cg_name(cg, p->node, "scales"), DT_F32, n, scales, NULL);
  if (p->bias)
    c.bias = vir_constant(cg->module, cg_name(cg, p->node, "bias"), DT_F32, n, p->bias->data, NULL);
  VirAddr at = vir_addr(cg_read(cg, &s->b, p->scale, "scale"), cg_storage(cg, p->scale)->offset);
  c.scale = VIR_ONCE(&s->b, "x_scale", get_f32, vir_at(at));
  return c;
}

/* `channel`: an address on any base, of which the terms count. */
static VirAddr channel_at(VirAddr channel, const VirBase *base) {
  channel.base = base;
  return channel;
}

static void store(Plain *s, const Channels *c, VirAddr channel, VirAddr y) {
  VirBuilder *b = &s->b;
  if (!s->high) {
    VIR_DO(b, put_s32, vir_at(y), vir_v(s->low));
    return;
  }
  const VirVar *acc = VIR_LET(b, "acc", int_wide_to_float, vir_v(s->high), vir_v(s->low));
  const VirVar *ws = VIR_LET(b, "ws", get_f32, vir_at(channel_at(channel, c->scales)));
  const VirVar *m = VIR_LET(b, "m", float_mul, vir_v(c->scale), vir_v(ws));
  const VirVar *v = VIR_LET(b, "r", float_mul, vir_v(acc), vir_v(m));
  if (c->bias) {
    const VirVar *bias = VIR_LET(b, "b", get_f32, vir_at(channel_at(channel, c->bias)));
    VIR_SET(b, v, float_add, vir_v(v), vir_v(bias));
  }
  clamp_float(b, v, s->p->act_min, s->p->act_max);
  VIR_DO(b, put_f32, vir_at(y), vir_v(v));
}

void product_emit_plain(Cg *cg, const Product *p, const ProductLoops *l) {
  Plain s = {.cg = cg, .p = p, .l = l};
  VirBuilder *b = &s.b;
  const VirBase *weights = l->order ? ordered_weights(cg, p, l) : NULL;
  cg_kernel(cg, b, p->node, "", "%s x %s -> %s, one product after the other",
            type_text(cg->arena, &p->x->type), type_text(cg->arena, &p->weight->type),
            type_text(cg->arena, &p->y->type));
  VirAddr x = vir_addr(cg_read(cg, b, p->x, "x"), l->x_origin),
          y = vir_addr(cg_write(cg, b, p->y, "y"), l->y_origin);
  VirAddr w = vir_addr(weights ? weights : cg_read(cg, b, p->weight, "w"), l->w_origin), channel = {0};
  s.w_elem = weights ? DT_S32 : cg_storage(cg, p->weight)->elem;
  s.x_zero = product_zero(cg, b, p->x, p->x_zero, "x_zero");
  if (!weights) s.w_zero = product_zero(cg, b, p->weight, p->weight_zero, "w_zero");
  Channels c = {0};
  if (p->scale) c = channels_of(&s);
  for (int i = 0; i < l->n_outer; i++) {
    const ProductLoop *o = &l->outer[i];
    const VirVar *v = vir_loop(b, o->name, 0, o->count, 1);
    x = vir_plus(x, v, o->x_step);
    w = vir_plus(w, v, o->w_step);
    y = vir_plus(y, v, o->y_step);
    channel = vir_plus(channel, v, o->channel_step);
  }
  s.low = VIR_LET(b, "low", int_const, vir_n(0));
  s.high = p->scale ? VIR_LET(b, "high", int_const, vir_n(0)) : NULL;
  sums(&s, x, w);
  store(&s, &c, channel, y);
  for (int i = 0; i < l->n_outer; i++) vir_end(b);
  cg_done(cg, b);
}
