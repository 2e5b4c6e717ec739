#include "codegen/depthwise.h"

#include <stdio.h>

#include "codegen/clamp.h"
#include "codegen/dense.h"
#include "codegen/names.h"
#include "codegen/tile_row.h"
#include "ir/ops/attrs.h"

/* Taps that a tile may hold unrolled; beyond that the rows of the window are a loop, and so are the taps of a
 * row where they alone are too many. */
enum { MAX_TAPS = 32, MAX_MR = 8 };

typedef struct {
  Cg *cg;
  const Node *node;
  bool quantized;
  int lanes, mr;
  int64_t channels, kh, kw, blocks;
  int64_t row_step, tap_step, pixel_step,
      out_step;  /* in elements: window row, tap, output pixel; result pixel */
  int64_t pairs; /* int8: pairs of taps in a row of the window (the last may be half); float32: taps */
  const VirBase *weights, *bias, *multiplier;
  LinearConstants lc;
} State;

/* First channel of a block. The last block is moved back over the one before it, so that all are whole; with
 * fewer channels than lanes the only block is partial. */
static int64_t block_start(const State *s, int64_t block) {
  int64_t c = block * s->lanes;
  return s->channels >= s->lanes && c + s->lanes > s->channels ? s->channels - s->lanes : c;
}

/* Weights [block][kh][pair][lane][2] as int16, in float32 [block][kh][kw][lane]; bias and m [block][lane]. */
static void pack(State *s) {
  int64_t per_pair = s->quantized ? 2 : 1, total = s->blocks * s->kh * s->pairs * s->lanes * per_pair;
  int64_t padded = s->blocks * s->lanes, taps = s->kh * s->kw;
  int16_t *w16 = ARENA_NEW_ARRAY(s->cg->arena, int16_t, (size_t)total);
  float *wf = ARENA_NEW_ARRAY(s->cg->arena, float, (size_t)total),
        *m = ARENA_NEW_ARRAY(s->cg->arena, float, (size_t)padded);
  int32_t *bias = ARENA_NEW_ARRAY(s->cg->arena, int32_t, (size_t)padded);
  float *bias_f = ARENA_NEW_ARRAY(s->cg->arena, float, (size_t)padded);
  const Tensor *b = node_operand(s->node, 2);
  const float *source = s->node->operands[1]->data;
  for (int64_t block = 0; block < s->blocks; block++)
    for (int64_t l = 0; l < s->lanes; l++) {
      int64_t c = block_start(s, block) + l, at = block * s->lanes + l;
      if (c >= s->channels) continue;
      if (s->quantized) {
        bias[at] = s->lc.bias[c];
        m[at] = s->lc.multiplier[c];
      } else {
        bias_f[at] = (b ? ((const float *)b->data)[c] : 0.0f) + 0.0f; /* no -0: see docs/numerics.md */
      }
      for (int64_t i = 0; i < s->kh; i++)
        for (int64_t p = 0; p < s->pairs; p++) {
          int64_t to = ((block * s->kh + i) * s->pairs + p) * s->lanes + l;
          if (!s->quantized) {
            wf[to] = source[c * taps + i * s->kw + p];
            continue;
          }
          for (int64_t j = 0; j < 2 && 2 * p + j < s->kw; j++)
            w16[2 * to + j] = (int16_t)s->lc.weights[c * taps + i * s->kw + 2 * p + j];
        }
    }
  const char *name = cg_title(s->cg, s->node);
  const char *comment = arena_printf(
      s->cg->arena, "weights of '%s', packed [%lld channel blocks][%lld rows][%lld %s][%d lanes]%s", name,
      (long long)s->blocks, (long long)s->kh, (long long)s->pairs, s->quantized ? "pairs of taps" : "taps",
      s->lanes, s->quantized ? "[2]" : "");
  VirModule *module = s->cg->module;
  const char *w_name = cg_name(s->cg, s->node, "weights"), *b_name = cg_name(s->cg, s->node, "bias");
  if (s->quantized) {
    s->weights = vir_constant_s16(module, w_name, total, w16, comment);
    s->bias = vir_constant(module, b_name, DT_S32, padded, bias, NULL);
    s->multiplier = vir_constant(module, cg_name(s->cg, s->node, "m"), DT_F32, padded, m, NULL);
  } else {
    s->weights = vir_constant(module, w_name, DT_F32, total, wf, comment);
    s->bias = vir_constant(module, b_name, DT_F32, padded, bias_f, NULL);
  }
}

/* Pairs [first, end) of a row of the window for all pixels of the tile. */
static void row_pairs(const State *s, VirBuilder *b, const VirVar **acc, int mr, VirAddr x, VirAddr w,
                      int64_t first_pair, int64_t end, int part) {
  const ActOps *ops = act_ops(s->cg->target->act);
  char name[16];
  for (int64_t p = first_pair; p < end; p++) {
    vir_scope(b, NULL);
    VirAddr wp = vir_offset(w, p * s->lanes * (s->quantized ? 2 : 1));
    snprintf(name, sizeof name, "w%d", (int)p);
    const VirVar *weight = vir_let(b, name, s->quantized ? VIR_load_p : VIR_load_f32, VIR_ARGS(vir_at(wp)));
    for (int m = 0; m < mr; m++) {
      if (s->quantized) {
        VirAddr first = vir_offset(x, m * s->pixel_step + 2 * p * s->tap_step);
        VirAddr second = 2 * p + 1 < s->kw ? vir_offset(first, s->tap_step) : first; /* its weight is 0 */
        const VirVar *taps =
            part ? vir_let(b, "taps", ops->pair_part, VIR_ARGS(vir_at(first), vir_at(second), vir_n(part)))
                 : vir_let(b, "taps", ops->pair, VIR_ARGS(vir_at(first), vir_at(second)));
        VIR_SET(b, acc[m], dot2, vir_v(acc[m]), vir_v(taps), vir_v(weight));
      } else {
        VirAddr at = vir_offset(x, m * s->pixel_step + p * s->tap_step);
        const VirVar *tap = part ? VIR_LET(b, "tap", load_f32_part, vir_at(at), vir_n(part))
                                 : VIR_LET(b, "tap", load_f32, vir_at(at));
        const VirVar *product = VIR_LET(b, "p", mul_f32, vir_v(tap), vir_v(weight));
        VIR_SET(b, acc[m], add_f32, vir_v(acc[m]), vir_v(product));
      }
    }
    vir_end(b);
  }
}

/* One row of the window. */
static void window_row(const State *s, VirBuilder *b, const VirVar **acc, int mr, VirAddr x, VirAddr w,
                       int part) {
  int64_t looped = 0;
  if (s->pairs > MAX_TAPS) {
    int64_t taps = s->quantized ? 2 : 1;
    looped = s->kw / taps; /* the half pair at the end stays */
    const VirVar *p = vir_loop(b, "kw", 0, looped, 1);
    row_pairs(s, b, acc, mr, vir_plus(x, p, taps * s->tap_step), vir_plus(w, p, taps * s->lanes), 0, 1, part);
    vir_end(b);
  }
  row_pairs(s, b, acc, mr, x, w, looped, s->pairs, part);
}

static void store_results(const State *s, VirBuilder *b, const VirVar **acc, int mr, const VirBase *m,
                          const VirBase *y, int part) {
  const Conv2dAttrs *a = ATTRS(s->node, Conv2dAttrs);
  const Tensor *result = s->node->results[0];
  const Storage *sy = cg_storage(s->cg, result);
  const ActOps *ops = act_ops(sy->elem);
  int32_t lo = 0, hi = 0;
  if (s->quantized) cg_stored_range(s->cg, result, a->act_min, a->act_max, &lo, &hi);
  const VirVar *low = s->quantized ? VIR_ONCE(b, "lo", splat_f32, vir_m((float)(lo - sy->zero))) : NULL;
  const VirVar *high = s->quantized ? VIR_ONCE(b, "hi", splat_f32, vir_m((float)(hi - sy->zero))) : NULL;
  const VirVar *zero = s->quantized ? VIR_ONCE(b, "zero", splat_s32, vir_n(sy->zero)) : NULL;
  const VirVar *scale = s->quantized ? VIR_LET(b, "scale", load_f32, vir_at(vir_addr(m, 0))) : NULL;
  for (int p = 0; p < mr; p++) {
    VirAddr at = vir_addr(y, p * s->out_step);
    if (s->quantized) {
      const VirVar *q =
          VIR_LET(b, "q", requant, vir_v(acc[p]), vir_v(scale), vir_v(low), vir_v(high), vir_v(zero));
      if (part) {
        vir_do(b, ops->store_part, VIR_ARGS(vir_at(at), vir_v(q), vir_n(part)));
      } else {
        vir_do(b, ops->store, VIR_ARGS(vir_at(at), vir_v(q)));
      }
      continue;
    }
    clamp_float(b, acc[p], a->act_min, a->act_max);
    if (part) {
      VIR_DO(b, store_f32_part, vir_at(at), vir_v(acc[p]), vir_n(part));
    } else {
      VIR_DO(b, store_f32, vir_at(at), vir_v(acc[p]));
    }
  }
}

static VirFunc *build_tile(const State *s, int mr) {
  Cg *cg = s->cg;
  int part = s->channels < s->lanes ? (int)s->channels : 0;
  int64_t width = part ? part : s->lanes;
  VirBuilder b;
  char what[32], name[16];
  snprintf(what, sizeof what, "tile_%d", mr);
  vir_func(&b, cg->module, cg_name(cg, s->node, what), true,
           arena_printf(cg->arena, "%d pixel%s x %lld channels", mr, mr == 1 ? "" : "s", (long long)width));
  int64_t per_pair = s->quantized ? 2 : 1, w_row = s->pairs * s->lanes * per_pair;
  const VirBase *x =
      vir_param(&b, "x", cg_storage(cg, s->node->operands[0])->elem, false,
                (mr - 1) * s->pixel_step + (s->kh - 1) * s->row_step + (s->kw - 1) * s->tap_step + width);
  VirBase *w = (VirBase *)vir_param(&b, "w", s->quantized ? DT_NONE : DT_F32, false, s->kh * w_row);
  w->elem16 = s->quantized;
  const VirBase *bias = vir_param(&b, "bias", s->quantized ? DT_S32 : DT_F32, false, s->lanes);
  const VirBase *m = s->quantized ? vir_param(&b, "m", DT_F32, false, s->lanes) : NULL;
  const VirBase *y =
      vir_param(&b, "y", cg_storage(cg, s->node->results[0])->elem, true, (mr - 1) * s->out_step + width);
  const VirVar *acc[MAX_MR];
  for (int p = 0; p < mr; p++) {
    snprintf(name, sizeof name, "acc%d", p);
    acc[p] =
        vir_let(&b, name, s->quantized ? VIR_load_s32 : VIR_load_f32, VIR_ARGS(vir_at(vir_addr(bias, 0))));
  }
  if (s->kh * s->pairs <= MAX_TAPS) {
    for (int64_t i = 0; i < s->kh; i++) {
      vir_comment(&b, "row %lld of the window", (long long)i);
      window_row(s, &b, acc, mr, vir_addr(x, i * s->row_step), vir_addr(w, i * w_row), part);
    }
  } else {
    const VirVar *i = vir_loop(&b, "kh", 0, s->kh, 1);
    window_row(s, &b, acc, mr, vir_plus(vir_addr(x, 0), i, s->row_step), vir_plus(vir_addr(w, 0), i, w_row),
               part);
    vir_end(&b);
  }
  store_results(s, &b, acc, mr, m, y, part);
  return b.f;
}

bool depthwise_emit(Cg *cg, const Node *n) {
  const Conv2dAttrs *a = ATTRS(n, Conv2dAttrs);
  const Tensor *x = n->operands[0], *w = n->operands[1], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  const int64_t *dw = w->type.shape.dim, *dy = y->type.shape.dim;
  int most = tensor_is_quantized(x) ? cg->target->conv_mr : cg->target->float_mr;
  State s = {.cg = cg,
             .node = n,
             .quantized = tensor_is_quantized(x),
             .lanes = cg->target->lanes,
             .mr = tile_pixels(dy[3], most),
             .channels = dw[0],
             .kh = dw[2],
             .kw = dw[3],
             .row_step = a->dilation.v[0] * sx->stride[2],
             .tap_step = a->dilation.v[1] * sx->stride[3],
             .pixel_step = a->stride.v[1] * sx->stride[3],
             .out_step = sy->stride[3]};
  s.blocks = (s.channels + s.lanes - 1) / s.lanes;
  s.pairs = s.quantized ? (s.kw + 1) / 2 : s.kw;
  if (s.quantized) linear_constants(cg, n, &s.lc);
  pack(&s);
  int rest_pixels = (int)(dy[3] % s.mr);
  VirFunc *tile = build_tile(&s, s.mr), *rest = rest_pixels ? build_tile(&s, rest_pixels) : NULL;

  VirBuilder b;
  cg_kernel(cg, &b, n, "", "%s x depthwise weights %s -> %s", type_text(cg->arena, &x->type),
            shape_text(cg->arena, &w->type.shape), type_text(cg->arena, &y->type));
  const VirBase *bx = cg_read(cg, &b, x, "x"), *by = cg_write(cg, &b, y, "y");
  int64_t w_block = s.kh * s.pairs * s.lanes * (s.quantized ? 2 : 1);
  TilePlace p = {.x = vir_addr(bx, sx->offset - a->pad.v[0] * sx->stride[2] - a->pad.v[1] * sx->stride[3]),
                 .w = vir_addr(s.weights, 0),
                 .bias = vir_addr(s.bias, 0),
                 .m = vir_addr(s.quantized ? s.multiplier : s.bias, 0),
                 .y = vir_addr(by, sy->offset),
                 .quantized = s.quantized};
  if (dy[0] > 1) {
    const VirVar *v = vir_loop(&b, "n", 0, dy[0], 1);
    p.x = vir_plus(p.x, v, sx->stride[0]);
    p.y = vir_plus(p.y, v, sy->stride[0]);
  }
  /* Blocks outermost: a block's weights stay in the first-level cache over all rows. */
  int64_t even =
      s.channels % s.lanes && s.channels > s.lanes ? s.blocks - 1 : s.blocks; /* the moved one apart */
  for (int64_t part = 0; part < 2; part++) {
    int64_t first = part ? even : 0, end = part ? s.blocks : even;
    if (first == end) continue;
    TilePlace q = p;
    if (end - first > 1) {
      const VirVar *v = vir_loop(&b, "block", 0, end, 1);
      q.x = vir_plus(q.x, v, s.lanes);
      q.y = vir_plus(q.y, v, s.lanes);
      q.w = vir_plus(q.w, v, w_block);
      q.bias = vir_plus(q.bias, v, s.lanes);
      q.m = vir_plus(q.m, v, s.lanes);
    } else {
      q.x = vir_offset(q.x, block_start(&s, first));
      q.y = vir_offset(q.y, block_start(&s, first));
      q.w = vir_offset(q.w, first * w_block);
      q.bias = vir_offset(q.bias, first * s.lanes);
      q.m = vir_offset(q.m, first * s.lanes);
    }
    if (dy[2] > 1) {
      const VirVar *v = vir_loop(&b, "oy", 0, dy[2], 1);
      q.x = vir_plus(q.x, v, a->stride.v[0] * sx->stride[2]);
      q.y = vir_plus(q.y, v, sy->stride[2]);
    }
    tile_row(&b, q, &(TileRow){dy[3], s.pixel_step, s.out_step, s.mr, tile, rest});
    if (dy[2] > 1) vir_end(&b);
    if (end - first > 1) vir_end(&b);
  }
  if (dy[0] > 1) vir_end(&b);
  cg_done(cg, &b);
  return true;
}
