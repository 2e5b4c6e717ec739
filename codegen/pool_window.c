#include "codegen/pool_window.h"

#include "ir/ops/attrs.h"

/* Pieces that one dim may have before a table takes over. */
enum { MAX_PIECES = 9 };

static bool is_adaptive(const Node *n) {
  return n->op == OP_adaptive_max_pool || n->op == OP_adaptive_avg_pool;
}

bool pool_is_maximum(const Node *n) {
  return n->op == OP_max_pool2d || n->op == OP_max_pool3d || n->op == OP_adaptive_max_pool;
}

int64_t pool_own_divisor(const Node *n) {
  return n->op == OP_avg_pool2d || n->op == OP_avg_pool3d ? ATTRS(n, PoolAttrs)->divisor : 0;
}

/* Output o alone, of an image of `in` positions. */
static PoolPiece adaptive_piece(int64_t o, int64_t in, int64_t out) {
  PoolPiece p = {.begin = o, .end = o + 1, .in = o * in / out};
  while (p.in + p.taps < in && (p.in + p.taps) * out < (o + 1) * in) p.taps++;
  p.counted = p.taps;
  return p;
}

static PoolPiece window_piece(const PoolAttrs *a, int64_t o, int64_t in, int dims, int i) {
  PoolPiece p = {.begin = o, .end = o + 1};
  int64_t start = o * a->stride.v[i] - a->pad.v[i], behind = in + a->pad.v[dims + i] - a->pad_extra.v[i];
  for (int64_t k = 0; k < a->kernel.v[i]; k++) {
    int64_t at = start + k * a->dilation.v[i];
    bool inside = at >= 0 && at < in;
    if (inside && !p.taps++) p.in = at;
    p.counted += a->count_include_pad ? at < behind : inside;
  }
  return p;
}

static PoolPiece piece_at(const Node *n, int64_t o, int64_t in, int64_t out, int i) {
  if (i < 0) return (PoolPiece){0, 1, 0, 0, 1, 1};
  if (is_adaptive(n)) return adaptive_piece(o, in, out);
  return window_piece(ATTRS(n, PoolAttrs), o, in, n->operands[0]->type.shape.rank - 2, i);
}

/* Takes the single output `next` into the piece, where it goes on. */
static bool extends(PoolPiece *p, const PoolPiece *next) {
  int64_t step = next->in - p->in;
  if (next->taps != p->taps || next->counted != p->counted) return false;
  if (p->end - p->begin > 1 && step != p->in_step * (next->begin - p->begin)) return false;
  p->in_step = p->end - p->begin > 1 ? p->in_step : step;
  p->end = next->end;
  return true;
}

static const VirBase *table(Cg *cg, const Node *n, const char *what, int dim, const int32_t *v,
                            int64_t count) {
  static const char *const names[3] = {"d", "h", "w"};
  char *name = arena_printf(cg->arena, "%s_%s", names[dim], what);
  return vir_constant(cg->module, cg_name(cg, n, name), DT_S32, count, v, NULL);
}

/* Every output of `single` for itself. */
static void make_tables(Cg *cg, const Node *n, int dim, const PoolPiece *single, PoolDim *d) {
  int32_t *v[4];
  for (int i = 0; i < 4; i++) v[i] = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)d->out);
  for (int64_t o = 0; o < d->out; o++) {
    const PoolPiece *p = &single[o];
    v[0][o] = (int32_t)p->in;
    v[1][o] = (int32_t)(p->taps ? p->in + (p->taps - 1) * d->step + 1 : p->in);
    v[2][o] = (int32_t)p->taps;
    v[3][o] = (int32_t)p->counted;
  }
  d->begin = table(cg, n, "begin", dim, v[0], d->out);
  d->end = table(cg, n, "end", dim, v[1], d->out);
  bool average = !pool_is_maximum(n);
  if (average && tensor_is_quantized(n->operands[0])) d->taps = table(cg, n, "taps", dim, v[2], d->out);
  if (average && !pool_own_divisor(n)) d->counted = table(cg, n, "counted", dim, v[3], d->out);
  d->n_pieces = 1;
}

PoolDim pool_dim(Cg *cg, const Node *n, int dim) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  int rank = x->type.shape.rank, at = dim + rank - 3, i = at - 2;
  PoolDim d = {.out = 1, .step = 1};
  int64_t in = 1;
  if (i >= 0) {
    in = x->type.shape.dim[at];
    d.out = y->type.shape.dim[at];
    d.x_stride = cg_storage(cg, x)->stride[at];
    d.y_stride = cg_storage(cg, y)->stride[at];
    if (!is_adaptive(n)) d.step = ATTRS(n, PoolAttrs)->dilation.v[i];
  }
  PoolPiece *single = ARENA_NEW_ARRAY(cg->arena, PoolPiece, (size_t)d.out);
  d.pieces = ARENA_NEW_ARRAY(cg->arena, PoolPiece, (size_t)d.out);
  for (int64_t o = 0; o < d.out; o++) {
    single[o] = piece_at(n, o, in, d.out, i);
    if (!d.n_pieces || !extends(&d.pieces[d.n_pieces - 1], &single[o])) d.pieces[d.n_pieces++] = single[o];
  }
  if (d.n_pieces > MAX_PIECES) make_tables(cg, n, dim, single, &d);
  return d;
}
