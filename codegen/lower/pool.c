/* Pools: vectorised over channels. No halo: padding never wins a maximum, and an average counts only some
 * cells, so the output positions are cut into pieces that see the same part of the window. */
#include <math.h>

#include "codegen/pool_window.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

enum { DIMS = 3 };

/* Taps that one vector may have unrolled; combinations of pieces in one function, beyond which each row of
 * them gets its own; lines that these may have. */
enum { MAX_TAPS = 32, MAX_IN_FUNCTION = 9, MAX_LINES = 400 };

typedef struct {
  Cg *cg;
  const Node *node;
  const Storage *sx, *sy;
  bool max, quantized;
  int64_t channels, width; /* width: channels of a vector */
  int64_t unrolled;        /* taps */
  PoolDim dim[DIMS];
  VirBuilder b;
} State;

/* Where a vector of results is, along one dim: in a piece, or at an output whose window is in the tables. */
typedef struct {
  const PoolPiece *piece;
  const VirVar *begin, *end;    /* of the window, with tables only */
  const VirVar *taps, *counted; /* the same, as scalars */
} Place;

static const VirVar *load(State *s, const char *name, VirAddr at, int64_t part) {
  const ActOps *ops = act_ops(s->sx->elem);
  VirOp op = !s->quantized ? (part ? VIR_load_f32_part : VIR_load_f32)
             : s->max      ? (part ? VIR_load_q_part : VIR_load_q)
                           : (part ? ops->load_part : ops->load);
  return part ? vir_let(&s->b, name, op, VIR_ARGS(vir_at(at), vir_n(part)))
              : vir_let(&s->b, name, op, VIR_ARGS(vir_at(at)));
}

static void store(State *s, VirAddr at, const VirVar *v, int64_t part) {
  const ActOps *ops = act_ops(s->sy->elem);
  VirOp op = !s->quantized ? (part ? VIR_store_f32_part : VIR_store_f32)
             : s->max      ? (part ? VIR_store_q_part : VIR_store_q)
                           : (part ? ops->store_part : ops->store);
  if (part) {
    vir_do(&s->b, op, VIR_ARGS(vir_at(at), vir_v(v), vir_n(part)));
  } else {
    vir_do(&s->b, op, VIR_ARGS(vir_at(at), vir_v(v)));
  }
}

static VirOp combine_op(const State *s) {
  if (s->max) return s->quantized ? act_ops(s->sx->elem)->max : VIR_max_f32;
  return s->quantized ? VIR_add_s32 : VIR_add_f32;
}

/* ---- the taps of one vector of channels ---- */

typedef struct {
  const Place *at;
  bool loop[DIMS];
  const VirVar *acc;
  int64_t part;
} Window;

/* acc = combine(acc, tap) for the taps from dim `dim` on, in C order. */
static void taps(State *s, const Window *w, int dim, VirAddr x) {
  if (dim == DIMS) {
    const VirVar *v = load(s, "x", x, w->part);
    vir_set(&s->b, w->acc, combine_op(s), VIR_ARGS(vir_v(w->acc), vir_v(v)));
    return;
  }
  static const char *const names[DIMS] = {"kd", "kh", "kw"};
  static const char *const positions[DIMS] = {"id", "iy", "ix"};
  const PoolDim *d = &s->dim[dim];
  if (d->begin) {
    const VirVar *v = vir_loop_between(&s->b, positions[dim], w->at[dim].begin, w->at[dim].end, d->step);
    taps(s, w, dim + 1, vir_plus(x, v, d->x_stride));
    vir_end(&s->b);
    return;
  }
  int64_t count = w->at[dim].piece->taps, step = d->step * d->x_stride;
  if (w->loop[dim]) {
    taps(s, w, dim + 1, vir_plus(x, vir_loop(&s->b, names[dim], 0, count, 1), step));
    vir_end(&s->b);
    return;
  }
  for (int64_t i = 0; i < count; i++) taps(s, w, dim + 1, vir_offset(x, i * step));
}

/* A long window is a loop. */
static void window(State *s, VirAddr x, const Place *at, const VirVar *acc, int64_t part) {
  Window w = {.at = at, .acc = acc, .part = part};
  int64_t body = 1;
  for (int i = DIMS - 1; i >= 0; i--) {
    if (s->dim[i].begin) continue;
    body *= at[i].piece->taps;
    w.loop[i] = at[i].piece->taps > 1 && body > s->unrolled;
  }
  taps(s, &w, 0, x);
}

/* ---- how many taps there are, as a number or computed from the tables ---- */

typedef struct {
  int64_t constant;
  const VirVar *var; /* times this; NULL: 1 */
} Count;

static Count count_of(State *s, const Place *at, bool counted) {
  int64_t own = pool_own_divisor(s->node);
  if (counted && own) return (Count){.constant = own};
  Count c = {.constant = 1};
  for (int i = 0; i < DIMS; i++) {
    const VirVar *v = counted ? at[i].counted : at[i].taps;
    if (!s->dim[i].begin) {
      c.constant *= counted ? at[i].piece->counted : at[i].piece->taps;
    } else {
      c.var = c.var ? VIR_LET(&s->b, "n", int_mul, vir_v(c.var), vir_v(v)) : v;
    }
  }
  return c;
}

/* `factor` times the count, as a vector of s32. */
static const VirVar *splat_count(State *s, const char *name, Count c, int64_t factor) {
  if (!c.var) return VIR_LET(&s->b, name, splat_s32, vir_n(factor * c.constant));
  const VirVar *k = VIR_ONCE(&s->b, "k", int_const, vir_n(factor * c.constant));
  const VirVar *n = VIR_LET(&s->b, "n", int_mul, vir_v(c.var), vir_v(k));
  return VIR_LET(&s->b, name, bcast_s32, vir_v(n));
}

static const VirVar *float_count(State *s, Count c) {
  const VirVar *k = VIR_ONCE(&s->b, "k", int_const, vir_n(c.constant));
  const VirVar *n = VIR_LET(&s->b, "n", int_mul, vir_v(c.var), vir_v(k));
  return VIR_LET(&s->b, "count", int_to_float, vir_v(n));
}

/* Rule 11: s_in / (s_out * n), of n elements. */
static const VirVar *multiplier(State *s, Count c) {
  const Tensor *x = s->node->operands[0], *y = s->node->results[0];
  if (!c.var) {
    float m;
    if (!pool_multiplier(tensor_scale(x), tensor_scale(y), c.constant, &m))
      BUG("'%s' passed the verifier with a multiplier that is no normal float", y->name);
    return VIR_ONCE(&s->b, "m", splat_f32, vir_m(m));
  }
  const VirVar *s_in = VIR_ONCE(&s->b, "s_in", float_const, vir_m(tensor_scale(x)));
  const VirVar *s_out = VIR_ONCE(&s->b, "s_out", float_const, vir_m(tensor_scale(y)));
  const VirVar *product = VIR_LET(&s->b, "p", float_mul, vir_v(s_out), vir_v(float_count(s, c)));
  const VirVar *m = VIR_LET(&s->b, "m", float_div, vir_v(s_in), vir_v(product));
  return VIR_LET(&s->b, "m", bcast_f32, vir_v(m));
}

static void finish_average(State *s, const VirVar *acc, const Place *at, VirAddr y, int64_t part) {
  VirBuilder *b = &s->b;
  Count counted = count_of(s, at, true);
  if (!s->quantized) {
    const VirVar *n = counted.var ? VIR_LET(b, "count", bcast_f32, vir_v(float_count(s, counted)))
                                  : VIR_ONCE(b, "count", splat_f32, vir_m((float)counted.constant));
    store(s, y, VIR_LET(b, "mean", div_f32, vir_v(acc), vir_v(n)), part);
    return;
  }
  int32_t lo, hi;
  cg_stored_range(s->cg, s->node->results[0], -INFINITY, INFINITY, &lo, &hi);
  const VirVar *scale = multiplier(s, counted);
  const VirVar *low = VIR_ONCE(b, "lo", splat_f32, vir_m((float)(lo - s->sy->zero)));
  const VirVar *high = VIR_ONCE(b, "hi", splat_f32, vir_m((float)(hi - s->sy->zero)));
  const VirVar *zero = VIR_ONCE(b, "zero", splat_s32, vir_n(s->sy->zero));
  const VirVar *q = VIR_LET(b, "q", requant, vir_v(acc), vir_v(scale), vir_v(low), vir_v(high), vir_v(zero));
  store(s, y, q, part);
}

/* One vector of channels of one output position; x: of input position 0 in the dims that have tables, of the
 * first tap in the others. */
static void pixel(State *s, VirAddr x, VirAddr y, const Place *at, int64_t part) {
  const VirVar *acc;
  if (s->max) { /* the first tap starts it; taking it twice changes nothing */
    VirAddr first = x;
    for (int i = 0; i < DIMS; i++)
      if (s->dim[i].begin) first = vir_plus(first, at[i].begin, s->dim[i].x_stride);
    acc = load(s, "best", first, part);
    window(s, x, at, acc, part);
    store(s, y, acc, part);
    return;
  }
  if (s->quantized) { /* the sum of x - zero */
    acc = splat_count(s, "sum", count_of(s, at, false), -s->sx->zero);
  } else {
    acc = VIR_LET(&s->b, "sum", splat_f32, vir_m(0));
  }
  window(s, x, at, acc, part);
  finish_average(s, acc, at, y, part);
}

static void channels(State *s, VirAddr x, VirAddr y, const Place *at) {
  if (s->channels < s->width) {
    pixel(s, x, y, at, s->channels);
    return;
  }
  int64_t whole = s->channels / s->width;
  if (whole > 1) {
    const VirVar *c = vir_loop(&s->b, "c", 0, whole * s->width, s->width);
    pixel(s, vir_plus(x, c, 1), vir_plus(y, c, 1), at, 0);
    vir_end(&s->b);
  } else {
    pixel(s, x, y, at, 0);
  }
  if (s->channels % s->width) { /* the last vector moves back over the one before it */
    int64_t c = s->channels - s->width;
    vir_scope(&s->b, NULL);
    pixel(s, vir_offset(x, c), vir_offset(y, c), at, 0);
    vir_end(&s->b);
  }
}

/* ---- the output positions ---- */

static void read_tables(State *s, int dim, const VirVar *o, Place *at) {
  const PoolDim *d = &s->dim[dim];
  VirBuilder *b = &s->b;
  at->begin = vir_index(b, "begin", vir_plus(vir_addr(d->begin, 0), o, 1));
  at->end = vir_index(b, "end", vir_plus(vir_addr(d->end, 0), o, 1));
  if (d->taps) at->taps = VIR_LET(b, "taps", get_s32, vir_at(vir_plus(vir_addr(d->taps, 0), o, 1)));
  if (d->counted)
    at->counted = VIR_LET(b, "counted", get_s32, vir_at(vir_plus(vir_addr(d->counted, 0), o, 1)));
}

/* The positions of pieces [first[i], end[i]) of dims i >= dim. */
static void positions(State *s, int dim, const int *first, const int *end, VirAddr x, VirAddr y, Place *at) {
  if (dim == DIMS) {
    channels(s, x, y, at);
    return;
  }
  static const char *const names[DIMS] = {"od", "oy", "ox"};
  const PoolDim *d = &s->dim[dim];
  if (d->begin) {
    const VirVar *o = vir_loop(&s->b, names[dim], 0, d->out, 1);
    read_tables(s, dim, o, &at[dim]);
    positions(s, dim + 1, first, end, x, vir_plus(y, o, d->y_stride), at);
    vir_end(&s->b);
    return;
  }
  for (int i = first[dim]; i < end[dim]; i++) {
    const PoolPiece *p = at[dim].piece = &d->pieces[i];
    VirAddr xp = vir_offset(x, p->in * d->x_stride), yp = vir_offset(y, p->begin * d->y_stride);
    bool loop = p->end - p->begin > 1;
    if (loop) {
      const VirVar *o = vir_loop(&s->b, names[dim], 0, p->end - p->begin, 1);
      xp = vir_plus(xp, o, p->in_step * d->x_stride);
      yp = vir_plus(yp, o, d->y_stride);
    }
    positions(s, dim + 1, first, end, xp, yp, at);
    if (loop) vir_end(&s->b);
  }
}

static const char *window_text(const State *s) {
  const Node *n = s->node;
  if (n->op == OP_adaptive_max_pool || n->op == OP_adaptive_avg_pool) return "";
  const IntList *kernel = &ATTRS(n, PoolAttrs)->kernel;
  Shape shape = {.rank = kernel->n};
  for (int i = 0; i < kernel->n; i++) shape.dim[i] = kernel->v[i];
  return arena_printf(s->cg->arena, ", window %s", shape_text(s->cg->arena, &shape));
}

static void pool_kernel(State *s, const char *what, const int *first, const int *end) {
  const Tensor *x = s->node->operands[0], *y = s->node->results[0];
  Cg *cg = s->cg;
  VirBuilder *b = &s->b;
  cg_kernel(cg, b, s->node, what, "%s%s -> %s", type_text(cg->arena, &x->type), window_text(s),
            type_text(cg->arena, &y->type));
  VirAddr x0 = vir_addr(cg_read(cg, b, x, "x"), s->sx->offset);
  VirAddr y0 = vir_addr(cg_write(cg, b, y, "y"), s->sy->offset);
  int64_t batch = x->type.shape.dim[0];
  if (batch > 1) {
    const VirVar *v = vir_loop(b, "n", 0, batch, 1);
    x0 = vir_plus(x0, v, s->sx->stride[0]);
    y0 = vir_plus(y0, v, s->sy->stride[0]);
  }
  Place at[DIMS] = {{0}};
  positions(s, 0, first, end, x0, y0, at);
  if (batch > 1) vir_end(b);
  cg_done(cg, b);
}

static bool pool_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  const Tensor *x = n->operands[0], *y = n->results[0];
  State s = {.cg = cg,
             .node = n,
             .sx = cg_storage(cg, x),
             .sy = cg_storage(cg, y),
             .max = pool_is_maximum(n),
             .quantized = tensor_is_quantized(x),
             .channels = x->type.shape.dim[1],
             .unrolled = MAX_TAPS};
  s.width = cg->target->lanes * (s.max && s.quantized ? 4 : 1);
  int pieces[DIMS], none[DIMS] = {0}, all = 1;
  for (int i = 0; i < DIMS; i++) {
    s.dim[i] = pool_dim(cg, n, i);
    all *= pieces[i] = s.dim[i].n_pieces;
  }
  if (all <= MAX_IN_FUNCTION) {
    pool_kernel(&s, "", none, pieces);
    return true;
  }
  int64_t vectors = s.channels > s.width && s.channels % s.width ? 2 : 1;
  int64_t lines = MAX_LINES / (pieces[2] * vectors) / 2; /* two lines a tap */
  s.unrolled = lines < MAX_TAPS ? lines : MAX_TAPS;
  for (int d = 0; d < pieces[0]; d++)
    for (int h = 0; h < pieces[1]; h++)
      pool_kernel(&s, arena_printf(cg->arena, "piece%d", d * pieces[1] + h + 1), (int[]){d, h, 0},
                  (int[]){d + 1, h + 1, pieces[2]});
  return true;
}

const Lowering lower_pool = {
    .layout = LAYOUT_CHANNELS_LAST, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = pool_emit};
