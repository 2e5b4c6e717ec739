/* dynamic_linear, dynamic_conv2d, conv_integer, matmul_integer. */
#include <stdlib.h>

#include "codegen/dense_pack.h"
#include "codegen/product.h"
#include "ir/ops/attrs.h"
#include "ir/ops/broadcast.h"

static bool is_conv(const Node *n) { return n->op == OP_dynamic_conv2d || n->op == OP_conv_integer; }

static Halo product_halo(const Node *n, int i) {
  if (i != 0) return (Halo){.before = {0}};
  const int64_t *p = ATTRS(n, ConvAttrs)->pad.v;
  return (Halo){{0, p[0], p[1]}, {0, p[2], p[3]}};
}

static void add_loop(ProductLoops *l, const char *name, int64_t count, int64_t x, int64_t w, int64_t y,
                     int64_t channel) {
  if (count > 1) l->outer[l->n_outer++] = (ProductLoop){name, count, x, w, y, channel};
}

/* Weights [OC][KH][KW][IC / groups]. */
static void conv_loops(Cg *cg, const Product *p, ProductLoops *l) {
  const ConvAttrs *a = ATTRS(p->node, ConvAttrs);
  const Storage *sx = cg_storage(cg, p->x), *sy = cg_storage(cg, p->y);
  const int64_t *w = p->weight->type.shape.dim, *y = p->y->type.shape.dim, *d = a->dilation.v;
  int64_t oc = w[0] / a->groups, taps = w[2] * w[3], k = taps * w[1];
  add_loop(l, "group", a->groups, w[1] * sx->stride[1], oc * k, oc * sy->stride[1], oc);
  add_loop(l, "oc", oc, 0, k, sy->stride[1], 1);
  add_loop(l, "n", y[0], sx->stride[0], 0, sy->stride[0], 0);
  add_loop(l, "oy", y[2], a->stride.v[0] * sx->stride[2], 0, sy->stride[2], 0);
  add_loop(l, "ox", y[3], a->stride.v[1] * sx->stride[3], 0, sy->stride[3], 0);
  l->taps[0] = (ProductLoop){"kh", w[2], d[0] * sx->stride[2], w[3] * w[1], 0, 0};
  l->taps[1] = (ProductLoop){"kw", w[3], d[1] * sx->stride[3], w[1], 0, 0};
  l->taps[2] = (ProductLoop){"ic", w[1], sx->stride[1], 1, 0, 0};
  l->n_taps = 3;
  l->x_origin = sx->offset - a->pad.v[0] * sx->stride[2] - a->pad.v[1] * sx->stride[3];
  l->y_origin = sy->offset;
  int64_t *order = ARENA_NEW_ARRAY(cg->arena, int64_t, (size_t)l->count);
  for (int64_t c = 0, at = 0; c < w[0]; c++)
    for (int64_t t = 0; t < taps; t++)
      for (int64_t i = 0; i < w[1]; i++) order[at++] = (c * w[1] + i) * taps + t;
  l->order = order;
}

/* Weights [OC][IC]. */
static void linear_loops(Cg *cg, const Product *p, ProductLoops *l) {
  const int64_t *w = p->weight->type.shape.dim;
  add_loop(l, "row", shape_count(&p->x->type.shape) / w[1], w[1], 0, w[0], 0);
  add_loop(l, "oc", w[0], 0, w[1], 1, 1);
  l->taps[0] = (ProductLoop){"ic", w[1], 1, 1, 0, 0};
  l->n_taps = 1;
  l->x_origin = cg_storage(cg, p->x)->offset;
  l->y_origin = cg_storage(cg, p->y)->offset;
  int64_t *order = ARENA_NEW_ARRAY(cg->arena, int64_t, (size_t)l->count);
  for (int64_t i = 0; i < l->count; i++) order[i] = i;
  l->order = order;
}

/* b [..., K, N] as it lies. */
static void matmul_loops(Cg *cg, const Product *p, ProductLoops *l) {
  const Shape *a = &p->x->type.shape, *b = &p->weight->type.shape, *y = &p->y->type.shape;
  const Storage *sa = cg_storage(cg, p->x), *sy = cg_storage(cg, p->y);
  int64_t k = a->dim[a->rank - 1], columns = b->dim[b->rank - 1];
  Shape batch = *y, batch_a = *a, batch_b = *b;
  int64_t step_a[MAX_RANK], step_b[MAX_RANK];
  batch.rank -= 2, batch_a.rank -= 2, batch_b.rank -= 2;
  broadcast_strides(&batch_a, &batch, step_a);
  broadcast_strides(&batch_b, &batch, step_b);
  for (int i = 0; i < batch.rank; i++)
    add_loop(l, arena_printf(cg->arena, "i%d", i), batch.dim[i], step_a[i] * a->dim[a->rank - 2] * k,
             step_b[i] * k * columns, sy->stride[i], 0);
  add_loop(l, "m", a->dim[a->rank - 2], k, 0, columns, 0);
  add_loop(l, "n", columns, 0, 1, 1, 1);
  l->taps[0] = (ProductLoop){"k", k, 1, columns, 0, 0};
  l->n_taps = 1;
  l->x_origin = sa->offset;
  l->y_origin = sy->offset;
  if (!tensor_is_const(p->weight)) {
    l->w_origin = cg_storage(cg, p->weight)->offset;
    return;
  }
  int64_t *order = ARENA_NEW_ARRAY(cg->arena, int64_t, (size_t)l->count);
  for (int64_t i = 0; i < l->count; i++) order[i] = i;
  l->order = order;
}

static bool check_zeros(Cg *cg, const Product *p) {
  const Tensor *z = p->weight_zero;
  if (z && !tensor_is_const(p->weight) && shape_count(&z->type.shape) > 1)
    return diag_error(cg->diag, node_loc(p->node),
                      "'%s': code generation has no zero points per column of a computed operand",
                      p->y->name);
  if (z && tensor_is_const(p->weight) && !tensor_is_const(z))
    return diag_error(cg->diag, node_loc(p->node),
                      "'%s': code generation has no computed zero point of a constant operand", p->y->name);
  return true;
}

static void emit_plain(Cg *cg, const Product *p) {
  const Shape *w = &p->weight->type.shape;
  bool matmul = p->node->op == OP_matmul_integer;
  ProductLoops l = {.count = shape_count(w), .channels = matmul ? w->dim[w->rank - 1] : w->dim[0]};
  (matmul ? matmul_loops : is_conv(p->node) ? conv_loops : linear_loops)(cg, p, &l);
  if (l.order) {
    int64_t *channel = ARENA_NEW_ARRAY(cg->arena, int64_t, (size_t)l.count);
    for (int64_t i = 0; i < l.count; i++) channel[i] = matmul ? i % l.channels : i / (l.count / l.channels);
    l.channel = channel;
  }
  product_emit_plain(cg, p, &l);
}

/* --- dynamic_linear by register tiles: a constant weight, sums that fit 32 bits --- */

static int64_t row_major(const Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i) {
  (void)phase, (void)run;
  return c * d->length + i;
}

/* |x - zero| is at most 255. */
static bool sums_fit(const Product *p) {
  const int64_t *w = p->weight->type.shape.dim;
  for (int64_t c = 0; c < w[0]; c++) {
    int64_t size = 0;
    for (int64_t i = 0; i < w[1]; i++)
      size += labs(product_weight(p, c * w[1] + i) - product_weight_zero(p, c));
    if (size * 255 > INT32_MAX) return false;
  }
  return true;
}

/* The largest value of the operand where its producer says so. */
static int32_t largest_value(const Product *p) {
  const Node *from = p->x->producer;
  return from && from->op == OP_dynamic_quantize ? (int32_t)ATTRS(from, DynamicQuantizeAttrs)->qmax : 255;
}

static void pack_weight(const Product *p, DensePack *s) {
  const int64_t *w = p->weight->type.shape.dim;
  const Quant *q = p->weight->type.quant;
  int32_t *weights = ARENA_NEW_ARRAY(s->cg->arena, int32_t, (size_t)(w[0] * w[1]));
  float *scale = ARENA_NEW_ARRAY(s->cg->arena, float, (size_t)w[0]);
  for (int64_t c = 0; c < w[0]; c++) {
    scale[c] = q->scale[q->count > 1 ? c : 0];
    for (int64_t i = 0; i < w[1]; i++)
      weights[c * w[1] + i] = product_weight(p, c * w[1] + i) - product_weight_zero(p, c);
  }
  dense_scaled(s, w[0], w[1], weights, scale);
}

static void emit_tiles(Cg *cg, const Product *p, Buffer *scratch) {
  const int64_t *w = p->weight->type.shape.dim;
  const Storage *sx = cg_storage(cg, p->x), *sy = cg_storage(cg, p->y), *ss = cg_storage(cg, p->scale);
  int64_t rows = shape_count(&p->x->type.shape) / w[1];
  Dense d = {.node = p->node,
             .what = "",
             .x = p->x,
             .y = p->y,
             .weight = p->weight,
             .bias = p->bias,
             .act_min = p->act_min,
             .act_max = p->act_max,
             .groups = 1,
             .oc = w[0],
             .runs = {1, 1, 1},
             .length = w[1],
             .count = {1, 1, 1, rows},
             .x_step = {0, 0, 0, w[1]},
             .y_step = {0, 0, 0, w[0]},
             .phases = 1,
             .weight_index = row_major};
  DensePack s = {.cg = cg, .d = &d, .x_elem = sx->elem, .y_elem = DT_F32};
  if (sx->elem == DT_U8) s.x_most = largest_value(p);
  pack_weight(p, &s);
  dense_shape(&s);
  dense_pack(&s);
  DenseTiles tiles;
  dense_tiles(&s, &tiles);
  VirBuilder b;
  cg_kernel(cg, &b, p->node, "", "%s x weights %s -> %s", type_text(cg->arena, &p->x->type),
            type_text(cg->arena, &(Type){p->weight->type.dtype, p->weight->type.shape, NULL}),
            type_text(cg->arena, &p->y->type));
  const VirBase *x = cg_read(cg, &b, p->x, "x"), *y = cg_write(cg, &b, p->y, "y");
  VirAddr factors = vir_addr(cg_scratch(cg, &b, scratch, "factors", DT_F32), 0);
  VirAddr start = vir_addr(cg_scratch(cg, &b, scratch, "start", DT_S32), dense_channels(&s));
  VirAddr at = vir_addr(cg_read(cg, &b, p->scale, "scale_in"), ss->offset);
  const VirVar *scale = VIR_ONCE(&b, "scale", get_f32, vir_at(at));
  dense_start(&s, &b, scale, product_zero(cg, &b, p->x, p->x_zero, "zero"), start, factors);
  dense_calls_scaled(&s, &tiles, &b, vir_addr(x, sx->offset), vir_addr(y, sy->offset), start, factors);
  cg_done(cg, &b);
}

static bool has_tiles(const Product *p) {
  return p->node->op == OP_dynamic_linear && tensor_is_const(p->weight) && sums_fit(p);
}

/* Where the sums of each channel start, and their factors. */
static int64_t tiles_scratch(const Cg *cg, const Node *n) {
  Product p = product_of(n);
  int64_t lanes = cg->target->lanes;
  return has_tiles(&p) ? 8 * ((p.weight->type.shape.dim[0] + lanes - 1) / lanes * lanes) : 0;
}

static bool product_emit(Cg *cg, const Node *n, Buffer *scratch) {
  Product p = product_of(n);
  if (!check_zeros(cg, &p)) return false;
  if (is_conv(n)) cg_fill_halo_with(cg, n, p.x, p.x_zero);
  if (has_tiles(&p)) {
    emit_tiles(cg, &p, scratch);
  } else {
    emit_plain(cg, &p);
  }
  return true;
}

/* Scales and zero points are read where they lie. */
const Lowering lower_dynamic_linear = {
    .layout = LAYOUT_ROW_MAJOR, .constants = 3, .stays = 6, .scratch = tiles_scratch, .emit = product_emit};
const Lowering lower_dynamic_conv2d = {
    .layout = LAYOUT_CHANNELS_LAST, .halo = product_halo, .constants = 3, .stays = 6, .emit = product_emit};
const Lowering lower_conv_integer = {.layout = LAYOUT_CHANNELS_LAST,
                                     .halo = product_halo,
                                     .constants = 1,
                                     .computed = 4,
                                     .stays = 4,
                                     .emit = product_emit};
const Lowering lower_matmul_integer = {.layout = LAYOUT_ROW_MAJOR, .stays = 14, .emit = product_emit};
