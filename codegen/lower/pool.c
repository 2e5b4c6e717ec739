/* max_pool2d, avg_pool2d: vectorised over channels. No halo: padding never wins a maximum, and an average
 * counts only some cells, so output rows and columns are cut into segments that see the same part of the
 * window. */
#include <math.h>

#include "codegen/lower.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

/* Output indices [begin, end) whose window covers taps [k0, k1) of the operand; `counted` cells count in an
 * average. */
typedef struct {
  int64_t begin, end, k0, k1, counted;
} Segment;

typedef struct {
  Cg *cg;
  const Node *node;
  const PoolAttrs *attrs;
  const Storage *sx, *sy;
  bool max, quantized;
  int64_t channels, width; /* width: channels of a vector */
  int64_t unrolled;        /* taps */
} State;

/* Taps that one vector may have unrolled; segments of one dim; segments of a function, beyond which each row
 * of them gets its own; lines that these may have. */
enum { MAX_TAPS = 32, MAX_SEGMENTS = 40, MAX_IN_FUNCTION = 9, MAX_LINES = 400 };

/* Segments of one dim (0: height, 1: width); returns how many. */
static int64_t segments(Cg *cg, const Node *n, int dim, Segment **out) {
  const PoolAttrs *a = ATTRS(n, PoolAttrs);
  int64_t in = n->operands[0]->type.shape.dim[2 + dim], count = n->results[0]->type.shape.dim[2 + dim],
          used = 0;
  int64_t before = a->pad.v[dim], after = a->pad.v[2 + dim], extra = a->pad_extra.n ? a->pad_extra.v[dim] : 0;
  Segment *list = ARENA_NEW_ARRAY(cg->arena, Segment, (size_t)count + 1);
  for (int64_t o = 0; o < count; o++) {
    int64_t start = o * a->stride.v[dim] - before, kernel = a->kernel.v[dim], dilation = a->dilation.v[dim];
    Segment s = {o, o + 1, kernel, 0, 0};
    for (int64_t k = 0; k < kernel; k++) {
      int64_t at = start + k * dilation;
      if (at >= 0 && at < in) {
        if (k < s.k0) s.k0 = k;
        s.k1 = k + 1;
      }
      s.counted += a->count_include_pad ? at < in + after - extra : at >= 0 && at < in;
    }
    if (s.k0 > s.k1) s.k0 = s.k1 = 0; /* all of the window is padding */
    Segment *last = used ? &list[used - 1] : NULL;
    if (last && last->k0 == s.k0 && last->k1 == s.k1 && last->counted == s.counted) {
      last->end++;
    } else {
      list[used++] = s;
    }
  }
  *out = list;
  return used;
}

static const VirVar *load(const State *s, VirBuilder *b, const char *name, VirAddr at, int64_t part) {
  const ActOps *ops = act_ops(s->sx->elem);
  VirOp op = !s->quantized ? (part ? VIR_load_f32_part : VIR_load_f32)
             : s->max      ? (part ? VIR_load_q_part : VIR_load_q)
                           : (part ? ops->load_part : ops->load);
  return part ? vir_let(b, name, op, VIR_ARGS(vir_at(at), vir_n(part)))
              : vir_let(b, name, op, VIR_ARGS(vir_at(at)));
}

static void store(const State *s, VirBuilder *b, VirAddr at, const VirVar *v, int64_t part) {
  const ActOps *ops = act_ops(s->sy->elem);
  VirOp op = !s->quantized ? (part ? VIR_store_f32_part : VIR_store_f32)
             : s->max      ? (part ? VIR_store_q_part : VIR_store_q)
                           : (part ? ops->store_part : ops->store);
  if (part) {
    vir_do(b, op, VIR_ARGS(vir_at(at), vir_v(v), vir_n(part)));
  } else {
    vir_do(b, op, VIR_ARGS(vir_at(at), vir_v(v)));
  }
}

static VirOp combine_op(const State *s) {
  if (s->max) return s->quantized ? act_ops(s->sx->elem)->max : VIR_max_f32;
  return s->quantized ? VIR_add_s32 : VIR_add_f32;
}

/* acc = combine(acc, tap) for the taps of the window in (kh, kw) order; a long window is a loop. */
static void window(const State *s, VirBuilder *b, VirAddr x, const Segment *h, const Segment *w,
                   const VirVar *acc, int64_t part) {
  int64_t row = s->attrs->dilation.v[0] * s->sx->stride[2], tap = s->attrs->dilation.v[1] * s->sx->stride[3];
  int64_t rows = h->k1 - h->k0, taps = w->k1 - w->k0;
  VirAddr at = vir_offset(x, h->k0 * row + w->k0 * tap);
  bool loop_h = rows > 1 && rows * taps > s->unrolled, loop_w = taps > s->unrolled;
  if (loop_h) at = vir_plus(at, vir_loop(b, "kh", 0, rows, 1), row);
  if (loop_w) at = vir_plus(at, vir_loop(b, "kw", 0, taps, 1), tap);
  for (int64_t i = 0; i < (loop_h ? 1 : rows); i++)
    for (int64_t j = 0; j < (loop_w ? 1 : taps); j++) {
      const VirVar *v = load(s, b, "x", vir_offset(at, i * row + j * tap), part);
      vir_set(b, acc, combine_op(s), VIR_ARGS(vir_v(acc), vir_v(v)));
    }
  if (loop_w) vir_end(b);
  if (loop_h) vir_end(b);
}

static void finish_average(const State *s, VirBuilder *b, const VirVar *acc, const Segment *h,
                           const Segment *w, VirAddr y, int64_t part) {
  float count = (float)(h->counted * w->counted);
  if (!s->quantized) {
    const VirVar *n = VIR_ONCE(b, "count", splat_f32, vir_m(count));
    store(s, b, y, VIR_LET(b, "mean", div_f32, vir_v(acc), vir_v(n)), part);
    return;
  }
  const Tensor *x = s->node->operands[0], *result = s->node->results[0];
  float m;
  if (!pool_multiplier(tensor_scale(x), tensor_scale(result), h->counted * w->counted, &m))
    BUG("'%s' passed the verifier with a multiplier that is no normal float", result->name);
  int32_t lo, hi;
  cg_stored_range(s->cg, result, -INFINITY, INFINITY, &lo, &hi);
  const VirVar *scale = VIR_ONCE(b, "m", splat_f32, vir_m(m));
  const VirVar *low = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(lo - s->sy->zero)));
  const VirVar *high = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(hi - s->sy->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(s->sy->zero));
  const VirVar *q = VIR_LET(b, "q", requant, vir_v(acc), vir_v(scale), vir_v(low), vir_v(high), vir_v(zero));
  store(s, b, y, q, part);
}

/* One vector of channels of one output pixel. */
static void pixel(const State *s, VirBuilder *b, VirAddr x, VirAddr y, const Segment *h, const Segment *w,
                  int64_t part) {
  const VirVar *acc;
  if (s->max) { /* the first tap starts it; taking it twice changes nothing */
    VirAddr first = vir_offset(x, h->k0 * s->attrs->dilation.v[0] * s->sx->stride[2] +
                                      w->k0 * s->attrs->dilation.v[1] * s->sx->stride[3]);
    acc = load(s, b, "best", first, part);
    window(s, b, x, h, w, acc, part);
    store(s, b, y, acc, part);
    return;
  }
  if (s->quantized) { /* the sum of x - zero */
    int64_t taps = (h->k1 - h->k0) * (w->k1 - w->k0);
    acc = VIR_LET(b, "sum", splat_s32, vir_n(-taps * s->sx->zero));
  } else {
    acc = VIR_LET(b, "sum", splat_f32, vir_m(0));
  }
  window(s, b, x, h, w, acc, part);
  finish_average(s, b, acc, h, w, y, part);
}

static void channels(const State *s, VirBuilder *b, VirAddr x, VirAddr y, const Segment *h,
                     const Segment *w) {
  if (s->channels < s->width) {
    pixel(s, b, x, y, h, w, s->channels);
    return;
  }
  int64_t whole = s->channels / s->width;
  if (whole > 1) {
    const VirVar *c = vir_loop(b, "c", 0, whole * s->width, s->width);
    pixel(s, b, vir_plus(x, c, 1), vir_plus(y, c, 1), h, w, 0);
    vir_end(b);
  } else {
    pixel(s, b, x, y, h, w, 0);
  }
  if (s->channels % s->width) { /* the last vector moves back over the one before it */
    int64_t c = s->channels - s->width;
    pixel(s, b, vir_offset(x, c), vir_offset(y, c), h, w, 0);
  }
}

static VirAddr along(VirBuilder *b, const char *name, const Segment *g, VirAddr x, int64_t x_step, VirAddr *y,
                     int64_t y_step, bool *looped) {
  *looped = g->end - g->begin > 1;
  x = vir_offset(x, g->begin * x_step);
  *y = vir_offset(*y, g->begin * y_step);
  if (!*looped) return x;
  const VirVar *v = vir_loop(b, name, 0, g->end - g->begin, 1);
  *y = vir_plus(*y, v, y_step);
  return vir_plus(x, v, x_step);
}

/* Some segments of rows, over all columns, as one kernel. */
static void pool_kernel(State *s, const char *what, const Segment *rows, int64_t n_rows,
                        const Segment *columns, int64_t n_columns) {
  const Node *n = s->node;
  const Tensor *x = n->operands[0], *y = n->results[0];
  Cg *cg = s->cg;
  VirBuilder b;
  cg_kernel(cg, &b, n, what, "%s, window [%lld, %lld] -> %s", type_text(cg->arena, &x->type),
            (long long)s->attrs->kernel.v[0], (long long)s->attrs->kernel.v[1],
            type_text(cg->arena, &y->type));
  const VirBase *bx = cg_read(cg, &b, x, "x"), *by = cg_write(cg, &b, y, "y");
  /* Of the window's first tap, which may lie outside: segments start behind it. */
  VirAddr x0 = vir_addr(bx, s->sx->offset - s->attrs->pad.v[0] * s->sx->stride[2] -
                                s->attrs->pad.v[1] * s->sx->stride[3]);
  VirAddr y0 = vir_addr(by, s->sy->offset);
  int64_t batch = x->type.shape.dim[0];
  if (batch > 1) {
    const VirVar *v = vir_loop(&b, "n", 0, batch, 1);
    x0 = vir_plus(x0, v, s->sx->stride[0]);
    y0 = vir_plus(y0, v, s->sy->stride[0]);
  }
  for (int64_t i = 0; i < n_rows; i++) {
    bool row_loop, column_loop;
    VirAddr yr = y0;
    VirAddr xr = along(&b, "oy", &rows[i], x0, s->attrs->stride.v[0] * s->sx->stride[2], &yr,
                       s->sy->stride[2], &row_loop);
    for (int64_t j = 0; j < n_columns; j++) {
      VirAddr yc = yr;
      VirAddr xc = along(&b, "ox", &columns[j], xr, s->attrs->stride.v[1] * s->sx->stride[3], &yc,
                         s->sy->stride[3], &column_loop);
      channels(s, &b, xc, yc, &rows[i], &columns[j]);
      if (column_loop) vir_end(&b);
    }
    if (row_loop) vir_end(&b);
  }
  if (batch > 1) vir_end(&b);
  cg_done(cg, &b);
}

static bool pool_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *x = n->operands[0], *y = n->results[0];
  State s = {.cg = cg,
             .node = n,
             .attrs = ATTRS(n, PoolAttrs),
             .sx = cg_storage(cg, x),
             .sy = cg_storage(cg, y),
             .max = n->op == OP_max_pool2d,
             .quantized = tensor_is_quantized(x),
             .channels = x->type.shape.dim[1],
             .unrolled = MAX_TAPS};
  s.width = cg->target->lanes * (s.max && s.quantized ? 4 : 1);
  Segment *rows, *columns;
  int64_t n_rows = segments(cg, n, 0, &rows), n_columns = segments(cg, n, 1, &columns);
  if (n_rows > MAX_SEGMENTS || n_columns > MAX_SEGMENTS)
    return diag_error(cg->diag, node_loc(n), "'%s': a pooling window with so much padding is not supported",
                      y->name);
  if (n_rows * n_columns <= MAX_IN_FUNCTION) {
    pool_kernel(&s, "", rows, n_rows, columns, n_columns);
    return true;
  }
  int64_t vectors = s.channels > s.width && s.channels % s.width ? 2 : 1;
  int64_t lines = MAX_LINES / (n_columns * vectors) / 2; /* two lines a tap */
  s.unrolled = lines < MAX_TAPS ? lines : MAX_TAPS;
  for (int64_t i = 0; i < n_rows; i++)
    pool_kernel(&s, arena_printf(cg->arena, "rows%lld", (long long)rows[i].begin), &rows[i], 1, columns,
                n_columns);
  return true;
}

const Lowering lower_pool = {.layout = LAYOUT_CHANNELS_LAST, .emit = pool_emit};
