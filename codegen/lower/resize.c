/* resize_nearest, resize_linear, resize_cubic: the positions that a result is made of lie in constant tables,
 * one for each dim that changes; vectorised over the innermost dim where that does not change. */
#include "codegen/copy.h"
#include "ir/quant.h"
#include "ir/resize.h"

/* One dim of the result, in the order of the loops. */
typedef struct {
  int64_t count, x_stride, y_stride;
  int change; /* which of those that change; -1: none */
} LoopDim;

/* A dim that changes, by its logical order: tables, and what they hold at the current position. */
typedef struct {
  int64_t x_stride;
  int taps;
  const VirBase *index_table[RESIZE_MAX_TAPS], *weight_table[RESIZE_MAX_TAPS];
  const VirVar *index[RESIZE_MAX_TAPS];  /* positions in the operand */
  const VirVar *weight[RESIZE_MAX_TAPS]; /* not of nearest */
} Change;

typedef struct {
  Cg *cg;
  const Node *node;
  const Storage *sx, *sy;
  bool nearest, quantized;
  VirBuilder b;
  LoopDim dim[MAX_RANK];
  int n_dims;
  Change change[MAX_RANK];
  int n_changes;
  bool vector; /* the innermost loop is over vectors */
} State;

/* ---- dims ---- */

static void add_dim(State *s, LoopDim d) {
  int at = s->n_dims++;
  for (; at && s->dim[at - 1].y_stride < d.y_stride; at--) s->dim[at] = s->dim[at - 1];
  s->dim[at] = d;
}

static const VirBase *table(State *s, const char *what, int dim, int tap, DType elem, int64_t count,
                            const void *v) {
  char *name = arena_printf(s->cg->arena, "%s%d_%d", what, dim, tap);
  return vir_constant(s->cg->module, cg_name(s->cg, s->node, name), elem, count, v, NULL);
}

static void find_dims(State *s) {
  const Shape *y = &s->node->results[0]->type.shape;
  for (int i = 0; i < y->rank; i++) {
    ResizeDim d = resize_dim(s->cg->arena, s->node, i);
    int64_t count = y->dim[i], x_stride = s->sx->stride[i];
    if (!d.active) {
      if (count > 1) add_dim(s, (LoopDim){count, x_stride, s->sy->stride[i], -1});
      continue;
    }
    Change *c = &s->change[s->n_changes];
    *c = (Change){.x_stride = x_stride, .taps = d.taps};
    for (int t = 0; t < d.taps; t++) {
      c->index_table[t] = table(s, "index", i, t, DT_S32, count, d.index[t]);
      if (!s->nearest) c->weight_table[t] = table(s, "weight", i, t, DT_F32, count, d.weight[t]);
    }
    add_dim(s, (LoopDim){count, x_stride, s->sy->stride[i], s->n_changes++});
  }
  const LoopDim *last = s->n_dims ? &s->dim[s->n_dims - 1] : NULL;
  s->vector = last && last->change < 0 && last->x_stride == 1 && last->y_stride == 1;
}

/* ---- nearest ---- */

static void nearest(State *s, VirAddr x, VirAddr y) {
  for (int i = 0; i < s->n_changes; i++) x = vir_plus(x, s->change[i].index[0], s->change[i].x_stride);
  bool flip = copy_flips(s->sx, s->sy);
  if (s->vector) {
    copy_run(s->cg, &s->b, x, y, s->dim[s->n_dims - 1].count, flip);
  } else {
    copy_element(&s->b, x, y, flip);
  }
}

/* ---- linear, cubic: the same steps for a vector and for one element ---- */

static const VirVar *let(State *s, const char *name, VirOp vector, VirOp scalar, const VirVar *x,
                         const VirVar *y) {
  VirOp op = s->vector ? vector : scalar;
  return y ? vir_let(&s->b, name, op, VIR_ARGS(vir_v(x), vir_v(y)))
           : vir_let(&s->b, name, op, VIR_ARGS(vir_v(x)));
}
static const VirVar *real(State *s, const char *name, float v) {
  return vir_once(&s->b, name, s->vector ? VIR_splat_f32 : VIR_float_const, VIR_ARGS(vir_m(v)));
}
static const VirVar *whole(State *s, const char *name, int32_t v) {
  return vir_once(&s->b, name, s->vector ? VIR_splat_s32 : VIR_int_const, VIR_ARGS(vir_n(v)));
}

/* One operand element as q - zero. */
static const VirVar *value_at(State *s, VirAddr at, int64_t part) {
  VirBuilder *b = &s->b;
  const ActOps *ops = act_ops(s->sx->elem);
  if (!s->quantized && s->vector)
    return part ? VIR_LET(b, "d", load_f32_part, vir_at(at), vir_n(part))
                : VIR_LET(b, "d", load_f32, vir_at(at));
  if (!s->quantized) return VIR_LET(b, "d", get_f32, vir_at(at));
  const VirVar *q = !s->vector ? vir_let(b, "q", ops->get, VIR_ARGS(vir_at(at)))
                    : part     ? vir_let(b, "q", ops->load_part, VIR_ARGS(vir_at(at), vir_n(part)))
                               : vir_let(b, "q", ops->load, VIR_ARGS(vir_at(at)));
  q = let(s, "q", VIR_sub_s32, VIR_int_sub, q, whole(s, "zero_x", s->sx->zero));
  return let(s, "d", VIR_s32_to_f32, VIR_int_to_float, q, NULL);
}

/* Rule 11: times s_in / s_out, clamped, rounded. */
static const VirVar *quantized(State *s, const VirVar *v) {
  const Tensor *x = s->node->operands[0], *y = s->node->results[0];
  const DTypeInfo *t = &dtype_info[y->type.dtype];
  float low = (float)(t->min - tensor_zero(y)), high = (float)(t->max - tensor_zero(y));
  v = let(s, "v", VIR_mul_f32, VIR_float_mul, v, real(s, "ratio", tensor_scale(x) / tensor_scale(y)));
  v = let(s, "v", VIR_max_f32, VIR_float_max, v, real(s, "lo", low));
  v = let(s, "v", VIR_min_f32, VIR_float_min, v, real(s, "hi", high));
  const VirVar *q = let(s, "r", VIR_rne_f32, VIR_float_rne, v, NULL);
  return let(s, "r", VIR_add_s32, VIR_int_add, q, whole(s, "zero_y", s->sy->zero));
}

static void store(State *s, VirAddr y, const VirVar *v, int64_t part) {
  const ActOps *ops = act_ops(s->sy->elem);
  VirOp whole_op = s->quantized ? ops->store : VIR_store_f32;
  VirOp part_op = s->quantized ? ops->store_part : VIR_store_f32_part;
  if (!s->vector) {
    vir_do(&s->b, s->quantized ? ops->put : VIR_put_f32, VIR_ARGS(vir_at(y), vir_v(v)));
  } else if (part) {
    vir_do(&s->b, part_op, VIR_ARGS(vir_at(y), vir_v(v), vir_n(part)));
  } else {
    vir_do(&s->b, whole_op, VIR_ARGS(vir_at(y), vir_v(v)));
  }
}

static int corners(const State *s) {
  int count = 1;
  for (int k = 0; k < s->n_changes; k++) count *= s->change[k].taps;
  return count;
}

/* The tap of corner `corner` in dim `k`: the innermost dim's goes fastest. */
static int tap_of(const State *s, int corner, int k) {
  for (int i = s->n_changes - 1; i > k; i--) corner /= s->change[i].taps;
  return corner % s->change[k].taps;
}

/* The weights of all corners: the product from the outermost dim on. */
static void corner_weights(State *s, const VirVar *weight[RESIZE_MAX_CORNERS]) {
  for (int c = 0; c < corners(s); c++) {
    const VirVar *w = s->n_changes ? s->change[0].weight[tap_of(s, c, 0)] : NULL;
    for (int k = 1; k < s->n_changes; k++)
      w = VIR_LET(&s->b, "w", float_mul, vir_v(w), vir_v(s->change[k].weight[tap_of(s, c, k)]));
    weight[c] = w && s->vector ? VIR_LET(&s->b, "w", bcast_f32, vir_v(w)) : w;
  }
}

static void interpolate(State *s, VirAddr x, VirAddr y, const VirVar *const *weight, int64_t part) {
  const VirVar *sum = NULL;
  for (int c = 0; c < corners(s); c++) {
    VirAddr at = x;
    for (int k = 0; k < s->n_changes; k++)
      at = vir_plus(at, s->change[k].index[tap_of(s, c, k)], s->change[k].x_stride);
    const VirVar *v = value_at(s, at, part);
    if (weight[c]) v = let(s, "p", VIR_mul_f32, VIR_float_mul, weight[c], v);
    sum = sum ? let(s, "sum", VIR_add_f32, VIR_float_add, sum, v) : v;
  }
  store(s, y, s->quantized ? quantized(s, sum) : sum, part);
}

static void weighted(State *s, VirAddr x, VirAddr y) {
  const VirVar *weight[RESIZE_MAX_CORNERS];
  corner_weights(s, weight);
  if (!s->vector) {
    interpolate(s, x, y, weight, 0);
    return;
  }
  int64_t lanes = s->cg->target->lanes, count = s->dim[s->n_dims - 1].count,
          whole_count = count / lanes * lanes;
  if (whole_count > lanes) {
    const VirVar *c = vir_loop(&s->b, "c", 0, whole_count, lanes);
    interpolate(s, vir_plus(x, c, 1), vir_plus(y, c, 1), weight, 0);
    vir_end(&s->b);
  } else if (whole_count) {
    interpolate(s, x, y, weight, 0);
  }
  if (count == whole_count) return;
  vir_scope(&s->b, NULL);
  interpolate(s, vir_offset(x, whole_count), vir_offset(y, whole_count), weight, count - whole_count);
  vir_end(&s->b);
}

/* ---- the loops ---- */

static void read_tables(State *s, Change *c, const VirVar *o) {
  VirBuilder *b = &s->b;
  for (int t = 0; t < c->taps; t++) {
    c->index[t] = vir_index(b, "from", vir_plus(vir_addr(c->index_table[t], 0), o, 1));
    if (!s->nearest)
      c->weight[t] = VIR_LET(b, "part", get_f32, vir_at(vir_plus(vir_addr(c->weight_table[t], 0), o, 1)));
  }
}

static bool resize_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  static const char *const names[MAX_RANK] = {"i", "j", "k", "l", "m", "n", "o", "p"};
  const Tensor *x = n->operands[0], *y = n->results[0];
  State s = {.cg = cg,
             .node = n,
             .sx = cg_storage(cg, x),
             .sy = cg_storage(cg, y),
             .nearest = n->op == OP_resize_nearest,
             .quantized = tensor_is_quantized(x)};
  find_dims(&s);
  cg_kernel(cg, &s.b, n, "", "%s -> %s", type_text(cg->arena, &x->type), type_text(cg->arena, &y->type));
  VirAddr at_x = vir_addr(cg_read(cg, &s.b, x, "x"), s.sx->offset);
  VirAddr at_y = vir_addr(cg_write(cg, &s.b, y, "y"), s.sy->offset);
  int loops = s.n_dims - s.vector;
  for (int i = 0; i < loops; i++) {
    const LoopDim *d = &s.dim[i];
    const VirVar *o = vir_loop(&s.b, names[i], 0, d->count, 1);
    at_y = vir_plus(at_y, o, d->y_stride);
    if (d->change < 0) {
      at_x = vir_plus(at_x, o, d->x_stride);
    } else {
      read_tables(&s, &s.change[d->change], o);
    }
  }
  (s.nearest ? nearest : weighted)(&s, at_x, at_y);
  while (loops--) vir_end(&s.b);
  cg_done(cg, &s.b);
  return true;
}

const Lowering lower_resize_nearest = {
    .any_strides = true, .reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = resize_emit};
const Lowering lower_resize_weighted = {.reads = PLACE_STRIDED, .writes = PLACE_STRIDED, .emit = resize_emit};
