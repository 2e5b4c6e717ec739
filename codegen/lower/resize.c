/* resize_nearest, resize_linear: the positions that a result is made of lie in constant tables, one for each
 * dim that changes; vectorised over the innermost dim where that does not change. */
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
  const VirBase *first_table, *second_table, *weight_table;
  const VirVar *first, *second; /* positions in the operand */
  const VirVar *part[2];        /* linear: the weights of both */
} Change;

typedef struct {
  Cg *cg;
  const Node *node;
  const Storage *sx, *sy;
  bool linear, quantized;
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

static const VirBase *table(State *s, const char *what, int dim, DType elem, int64_t count, const void *v) {
  char *name = arena_printf(s->cg->arena, "%s%d", what, dim);
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
    *c = (Change){.x_stride = x_stride, .first_table = table(s, "first", i, DT_S32, count, d.first)};
    if (s->linear) {
      c->second_table = table(s, "second", i, DT_S32, count, d.second);
      c->weight_table = table(s, "weight", i, DT_F32, count, d.weight);
    }
    add_dim(s, (LoopDim){count, x_stride, s->sy->stride[i], s->n_changes++});
  }
  const LoopDim *last = s->n_dims ? &s->dim[s->n_dims - 1] : NULL;
  s->vector = last && last->change < 0 && last->x_stride == 1 && last->y_stride == 1;
}

/* ---- nearest ---- */

static void nearest(State *s, VirAddr x, VirAddr y) {
  for (int i = 0; i < s->n_changes; i++) x = vir_plus(x, s->change[i].first, s->change[i].x_stride);
  bool flip = copy_flips(s->sx, s->sy);
  if (s->vector) {
    copy_run(s->cg, &s->b, x, y, s->dim[s->n_dims - 1].count, flip);
  } else {
    copy_element(&s->b, x, y, flip);
  }
}

/* ---- linear: the same steps for a vector and for one element ---- */

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

enum { CORNERS = 1 << RESIZE_MAX_LINEAR };

/* Is the neighbour behind that of corner `corner`, in dim `k`? The outermost dim has the highest bit. */
static bool is_second(const State *s, int corner, int k) { return corner >> (s->n_changes - 1 - k) & 1; }

/* The weights of all corners: the product from the outermost dim on. */
static void corner_weights(State *s, const VirVar *weight[CORNERS]) {
  for (int c = 0; c < 1 << s->n_changes; c++) {
    const VirVar *w = s->n_changes ? s->change[0].part[is_second(s, c, 0)] : NULL;
    for (int k = 1; k < s->n_changes; k++)
      w = VIR_LET(&s->b, "w", float_mul, vir_v(w), vir_v(s->change[k].part[is_second(s, c, k)]));
    weight[c] = w && s->vector ? VIR_LET(&s->b, "w", bcast_f32, vir_v(w)) : w;
  }
}

static void interpolate(State *s, VirAddr x, VirAddr y, const VirVar *const *weight, int64_t part) {
  const VirVar *sum = NULL;
  for (int c = 0; c < 1 << s->n_changes; c++) {
    VirAddr at = x;
    for (int k = 0; k < s->n_changes; k++) {
      const Change *d = &s->change[k];
      at = vir_plus(at, is_second(s, c, k) ? d->second : d->first, d->x_stride);
    }
    const VirVar *v = value_at(s, at, part);
    if (weight[c]) v = let(s, "p", VIR_mul_f32, VIR_float_mul, weight[c], v);
    sum = sum ? let(s, "sum", VIR_add_f32, VIR_float_add, sum, v) : v;
  }
  store(s, y, s->quantized ? quantized(s, sum) : sum, part);
}

static void linear(State *s, VirAddr x, VirAddr y) {
  const VirVar *weight[CORNERS];
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
  c->first = vir_index(b, "first", vir_plus(vir_addr(c->first_table, 0), o, 1));
  if (!s->linear) return;
  c->second = vir_index(b, "second", vir_plus(vir_addr(c->second_table, 0), o, 1));
  const VirVar *one = VIR_ONCE(b, "one", float_const, vir_m(1));
  c->part[1] = VIR_LET(b, "w1", get_f32, vir_at(vir_plus(vir_addr(c->weight_table, 0), o, 1)));
  c->part[0] = VIR_LET(b, "w0", float_sub, vir_v(one), vir_v(c->part[1]));
}

static bool resize_emit(Cg *cg, const Node *n, Buffer *scratch) {
  (void)scratch;
  static const char *const names[MAX_RANK] = {"i", "j", "k", "l", "m", "n", "o", "p"};
  const Tensor *x = n->operands[0], *y = n->results[0];
  State s = {.cg = cg,
             .node = n,
             .sx = cg_storage(cg, x),
             .sy = cg_storage(cg, y),
             .linear = n->op == OP_resize_linear,
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
  (s.linear ? linear : nearest)(&s, at_x, at_y);
  while (loops--) vir_end(&s.b);
  cg_done(cg, &s.b);
  return true;
}

const Lowering lower_resize_nearest = {.any_strides = true, .emit = resize_emit};
const Lowering lower_resize_linear = {.emit = resize_emit};
