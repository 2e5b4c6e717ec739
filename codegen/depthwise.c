#include "codegen/depthwise.h"

#include <stdio.h>

#include "codegen/clamp.h"
#include "codegen/dense.h"
#include "codegen/names.h"
#include "codegen/tile_row.h"

/* Taps that a tile may hold unrolled; beyond that the rows of the window are a loop, and so are the taps of a
 * row where they alone are too many. */
enum { MAX_TAPS = 32, MAX_MR = 8 };

typedef struct {
  Cg *cg;
  const Node *node;
  const ConvWindow *window;
  bool quantized;
  int lanes, mr;
  int64_t channels, kd, kh, kw, blocks;
  int64_t plane_step, row_step, tap_step; /* in elements: plane and row of the window, tap */
  int64_t pixel_step, out_step;           /* output pixel in the operand and in the result */
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

static int64_t rows_of(const State *s) { return s->kd * s->kh; }
static int64_t block_size(const State *s) {
  return rows_of(s) * s->pairs * s->lanes * (s->quantized ? 2 : 1);
}

/* Tap kw in row `row` of the window, over all planes: its place in the weight tensor. */
static int64_t weight_at(const State *s, int64_t phase, int64_t c, int64_t row, int64_t kw) {
  return conv_weight_at(s->window, phase, c, 0, (int64_t[3]){row / s->kh, row % s->kh, kw});
}

/* The weights of channel c as lane `lane` of a block. */
static void pack_lane(const State *s, void *block, int64_t phase, int64_t c, int64_t lane) {
  const float *source = s->node->operands[1]->data;
  for (int64_t row = 0; row < rows_of(s); row++)
    for (int64_t p = 0; p < s->pairs; p++) {
      int64_t to = (row * s->pairs + p) * s->lanes + lane;
      if (!s->quantized) {
        ((float *)block)[to] = source[weight_at(s, phase, c, row, p)];
        continue;
      }
      for (int64_t j = 0; j < 2 && 2 * p + j < s->kw; j++)
        ((int16_t *)block)[2 * to + j] = (int16_t)s->lc.weights[weight_at(s, phase, c, row, 2 * p + j)];
    }
}

static int32_t integer_bias(const State *s, int64_t phase, int64_t c) {
  int64_t sum = 0;
  for (int64_t row = 0; row < rows_of(s); row++)
    for (int64_t kw = 0; kw < s->kw; kw++) sum += s->lc.weights[weight_at(s, phase, c, row, kw)];
  return (int32_t)(uint32_t)(uint64_t)linear_bias(&s->lc, c, sum);
}

/* Weights [phase][block][row][pair][lane][2] as int16, in float32 [phase][block][row][kw][lane]. */
static const VirBase *pack_weights(const State *s) {
  Arena *a = s->cg->arena;
  int64_t phases = s->window->phases, size = block_size(s), total = phases * s->blocks * size;
  size_t bytes = s->quantized ? sizeof(int16_t) : sizeof(float);
  char *packed = arena_array(a, (size_t)total, bytes), *block = packed;
  for (int64_t phase = 0; phase < phases; phase++)
    for (int64_t i = 0; i < s->blocks; i++, block += (size_t)size * bytes)
      for (int64_t l = 0; l < s->lanes; l++)
        if (block_start(s, i) + l < s->channels) pack_lane(s, block, phase, block_start(s, i) + l, l);
  StrBuf comment;
  strbuf_init(&comment, a);
  strbuf_printf(&comment, "weights of '%s', packed ", cg_title(s->cg, s->node));
  if (phases > 1) strbuf_printf(&comment, "[%lld phases]", (long long)phases);
  strbuf_printf(&comment, "[%lld channel blocks][%lld rows][%lld %s][%d lanes]%s", (long long)s->blocks,
                (long long)rows_of(s), (long long)s->pairs, s->quantized ? "pairs of taps" : "taps", s->lanes,
                s->quantized ? "[2]" : "");
  const char *name = cg_name(s->cg, s->node, "weights");
  return s->quantized ? vir_constant_s16(s->cg->module, name, total, (const int16_t *)packed, comment.text)
                      : vir_constant(s->cg->module, name, DT_F32, total, packed, comment.text);
}

/* Bias [phase][block][lane], in float32 [block][lane]; multipliers [block][lane]. */
static void pack_channels(State *s) {
  Arena *a = s->cg->arena;
  int64_t padded = s->blocks * s->lanes, phases = s->quantized ? s->window->phases : 1;
  const Tensor *b = node_operand(s->node, 2);
  float *m = ARENA_NEW_ARRAY(a, float, (size_t)padded);
  float *bias_f = ARENA_NEW_ARRAY(a, float, (size_t)padded);
  int32_t *bias = ARENA_NEW_ARRAY(a, int32_t, (size_t)(phases * padded));
  for (int64_t i = 0; i < padded; i++) {
    int64_t c = block_start(s, i / s->lanes) + i % s->lanes;
    if (c >= s->channels) continue;
    if (s->quantized) m[i] = s->lc.multiplier[c];
    bias_f[i] = (b && !s->quantized ? ((const float *)b->data)[c] : 0.0f) + 0.0f; /* no -0 */
    for (int64_t p = 0; s->quantized && p < phases; p++) bias[p * padded + i] = integer_bias(s, p, c);
  }
  VirModule *module = s->cg->module;
  const char *name = cg_name(s->cg, s->node, "bias");
  s->bias = s->quantized ? vir_constant(module, name, DT_S32, phases * padded, bias, NULL)
                         : vir_constant(module, name, DT_F32, padded, bias_f, NULL);
  if (s->quantized)
    s->multiplier = vir_constant(module, cg_name(s->cg, s->node, "m"), DT_F32, padded, m, NULL);
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
  const ConvAttrs *a = ATTRS(s->node, ConvAttrs);
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

/* All rows of the window: unrolled where they are few, else loops over planes and rows. */
static void window_rows(const State *s, VirBuilder *b, const VirVar **acc, int mr, VirAddr x, VirAddr w,
                        int part) {
  int64_t w_row = s->pairs * s->lanes * (s->quantized ? 2 : 1), w_plane = s->kh * w_row;
  if (rows_of(s) * s->pairs <= MAX_TAPS) {
    for (int64_t i = 0; i < rows_of(s); i++) {
      vir_comment(b, "row %lld of the window", (long long)i);
      int64_t at = i / s->kh * s->plane_step + i % s->kh * s->row_step;
      window_row(s, b, acc, mr, vir_offset(x, at), vir_offset(w, i * w_row), part);
    }
    return;
  }
  if (s->kd > 1) {
    const VirVar *d = vir_loop(b, "kd", 0, s->kd, 1);
    x = vir_plus(x, d, s->plane_step);
    w = vir_plus(w, d, w_plane);
  }
  const VirVar *i = vir_loop(b, "kh", 0, s->kh, 1);
  window_row(s, b, acc, mr, vir_plus(x, i, s->row_step), vir_plus(w, i, w_row), part);
  vir_end(b);
  if (s->kd > 1) vir_end(b);
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
  int64_t x_count = (mr - 1) * s->pixel_step + (s->kd - 1) * s->plane_step + (s->kh - 1) * s->row_step +
                    (s->kw - 1) * s->tap_step + width;
  const VirBase *x = vir_param(&b, "x", cg_storage(cg, s->node->operands[0])->elem, false, x_count);
  VirBase *w = (VirBase *)vir_param(&b, "w", s->quantized ? DT_NONE : DT_F32, false, block_size(s));
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
  window_rows(s, &b, acc, mr, vir_addr(x, 0), vir_addr(w, 0), part);
  store_results(s, &b, acc, mr, m, y, part);
  return b.f;
}

/* Images, planes and rows of results, outermost first. */
enum { ROW_DIMS = 3 };
typedef struct {
  const char *name;
  int64_t count, x_step, y_step;
} RowDim;

static void open_dim(VirBuilder *b, const RowDim *d, TilePlace *p) {
  if (d->count == 1) return;
  const VirVar *v = vir_loop(b, d->name, 0, d->count, 1);
  p->x = vir_plus(p->x, v, d->x_step);
  p->y = vir_plus(p->y, v, d->y_step);
}

/* The tile's place at a block, or over a loop of the blocks [0, end). */
static void move_to_block(const State *s, VirBuilder *b, TilePlace *p, int64_t first, int64_t end) {
  if (end - first == 1) {
    p->x = vir_offset(p->x, block_start(s, first));
    p->y = vir_offset(p->y, block_start(s, first));
    p->w = vir_offset(p->w, first * block_size(s));
    p->bias = vir_offset(p->bias, first * s->lanes);
    p->m = vir_offset(p->m, first * s->lanes);
    return;
  }
  const VirVar *v = vir_loop(b, "block", 0, end, 1);
  p->x = vir_plus(p->x, v, s->lanes);
  p->y = vir_plus(p->y, v, s->lanes);
  p->w = vir_plus(p->w, v, block_size(s));
  p->bias = vir_plus(p->bias, v, s->lanes);
  p->m = vir_plus(p->m, v, s->lanes);
}

/* Blocks outermost within an image: a block's weights stay in the first-level cache over all rows. */
static void emit_blocks(const State *s, VirBuilder *b, TilePlace p, const RowDim *dims, const TileRow *row) {
  /* The last block apart where it is moved back. */
  int64_t even = s->channels % s->lanes && s->channels > s->lanes ? s->blocks - 1 : s->blocks;
  for (int64_t part = 0; part < 2; part++) {
    int64_t first = part ? even : 0, end = part ? s->blocks : even;
    if (first == end) continue;
    TilePlace q = p;
    move_to_block(s, b, &q, first, end);
    for (int i = 0; i < ROW_DIMS - 1; i++) open_dim(b, &dims[i], &q);
    tile_row(b, q, row);
    for (int i = 0; i < ROW_DIMS - 1; i++)
      if (dims[i].count > 1) vir_end(b);
    if (end - first > 1) vir_end(b);
  }
}

static void emit_kernel(const State *s) {
  const ConvWindow *cw = s->window;
  const Node *n = s->node;
  Cg *cg = s->cg;
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  int64_t width = cw->dim[2].count;
  int rest = (int)(width % s->mr);
  TileRow row = {width, s->pixel_step, s->out_step, s->mr, build_tile(s, s->mr), NULL};
  if (rest) row.rest = build_tile(s, rest);
  RowDim dims[ROW_DIMS] = {{"n", x->type.shape.dim[0], sx->stride[0], sy->stride[0]}, {"od"}, {"oy"}};
  for (int i = 0; i < 2; i++) {
    dims[1 + i].count = cw->dim[i].count;
    dims[1 + i].x_step = cw->dim[i].x_step * conv_stride(cw, sx, i);
    dims[1 + i].y_step = cw->dim[i].y_step * conv_stride(cw, sy, i);
  }
  VirBuilder b;
  cg_kernel(cg, &b, n, cw->what, "%s x depthwise weights %s -> %s", type_text(cg->arena, &x->type),
            shape_text(cg->arena, &n->operands[1]->type.shape), type_text(cg->arena, &y->type));
  const VirBase *bx = cg_read(cg, &b, x, "x"), *by = cg_write(cg, &b, y, "y");
  TilePlace p = {.x = vir_addr(bx, 0),
                 .w = vir_addr(s->weights, 0),
                 .bias = vir_addr(s->bias, 0),
                 .m = vir_addr(s->quantized ? s->multiplier : s->bias, 0),
                 .y = vir_addr(by, 0),
                 .quantized = s->quantized};
  const VirVar *phase = cg_phases(cg, &b, n, cw->phases, conv_origins(cg->arena, cw, sx, false),
                                  conv_origins(cg->arena, cw, sy, true), &p.x, &p.y);
  if (phase) {
    p.w = vir_plus(p.w, phase, s->blocks * block_size(s));
    if (s->quantized) p.bias = vir_plus(p.bias, phase, s->blocks * s->lanes);
  }
  open_dim(&b, &dims[0], &p);
  emit_blocks(s, &b, p, dims + 1, &row);
  if (dims[0].count > 1) vir_end(&b);
  if (phase) vir_end(&b);
  cg_done(cg, &b);
}

void depthwise_emit(Cg *cg, const ConvWindow *w) {
  const Node *n = w->node;
  const Tensor *x = n->operands[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, n->results[0]);
  const ConvPhase *d = w->dim;
  bool quantized = tensor_is_quantized(x);
  State s = {.cg = cg,
             .node = n,
             .window = w,
             .quantized = quantized,
             .lanes = cg->target->lanes,
             .mr = tile_pixels(d[2].count, quantized ? cg->target->conv_mr : cg->target->float_mr),
             .channels = x->type.shape.dim[1],
             .kd = d[0].taps,
             .kh = d[1].taps,
             .kw = d[2].taps,
             .plane_step = d[0].tap_step * conv_stride(w, sx, 0),
             .row_step = d[1].tap_step * conv_stride(w, sx, 1),
             .tap_step = d[2].tap_step * conv_stride(w, sx, 2),
             .pixel_step = d[2].x_step * conv_stride(w, sx, 2),
             .out_step = d[2].y_step * conv_stride(w, sy, 2)};
  s.blocks = (s.channels + s.lanes - 1) / s.lanes;
  s.pairs = s.quantized ? (s.kw + 1) / 2 : s.kw;
  if (s.quantized) linear_constants(cg, n, &s.lc);
  s.weights = pack_weights(&s);
  pack_channels(&s);
  emit_kernel(&s);
}
