/* dynamic_linear, dynamic_conv2d, conv_integer, matmul_integer. */
#include "codegen/conv_dense.h"
#include "codegen/dense_pack.h"
#include "codegen/depthwise.h"
#include "codegen/product.h"
#include "ir/ops/attrs.h"
#include "ir/ops/broadcast.h"

static bool is_conv(const Node *n) { return n->op == OP_dynamic_conv2d || n->op == OP_conv_integer; }

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
  ProductLoops l = {.count = shape_count(&p->weight->type.shape)};
  bool matmul = p->node->op == OP_matmul_integer;
  (matmul ? matmul_loops : is_conv(p->node) ? conv_loops : linear_loops)(cg, p, &l);
  product_emit_plain(cg, p, &l);
}

/* --- by register tiles: a constant weight, and sums that fit 32 bits or wrap anyway --- */

static int64_t row_major(const Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i) {
  (void)phase, (void)run;
  return c * d->length + i;
}
static int64_t column_major(const Dense *d, int64_t phase, int64_t c, int64_t run, int64_t i) {
  (void)phase, (void)run;
  return i * d->oc + c;
}

/* The rows of the operand times one matrix. */
static Dense matrix_dense(Cg *cg, const Product *p) {
  bool turned = p->node->op == OP_matmul_integer;
  int64_t oc = product_channels(p), ic = shape_count(&p->weight->type.shape) / oc;
  return (Dense){.node = p->node,
                 .what = "",
                 .x = p->x,
                 .y = p->y,
                 .weight = p->weight,
                 .groups = 1,
                 .oc = oc,
                 .runs = {1, 1, 1},
                 .length = ic,
                 .count = {1, 1, 1, shape_count(&p->x->type.shape) / ic},
                 .x_step = {0, 0, 0, ic},
                 .y_step = {0, 0, 0, oc},
                 .phases = 1,
                 .x_origin = &cg_storage(cg, p->x)->offset,
                 .y_origin = &cg_storage(cg, p->y)->offset,
                 .weight_index = turned ? column_major : row_major};
}

/* The largest value of the operand as stored, where its producer says so; 0: any. Around it there is the zero
 * point that the op is given, which need not be the producer's. */
static int32_t largest_value(const Cg *cg, const Product *p) {
  const Node *from = p->x->producer;
  bool known = from && from->op == OP_dynamic_quantize && cg_storage(cg, p->x)->bias == 0 &&
               (!is_conv(p->node) || p->x_zero == from->results[2]);
  return known ? (int32_t)ATTRS(from, DynamicQuantizeAttrs)->qmax : 0;
}

static void emit_dense(Cg *cg, const Product *p, Dense *d, Buffer *scratch) {
  d->bias = p->bias;
  d->act_min = p->act_min;
  d->act_max = p->act_max;
  DensePack s = {.cg = cg,
                 .d = d,
                 .x_elem = cg_storage(cg, p->x)->elem,
                 .y_elem = cg_storage(cg, p->y)->elem,
                 .x_most = largest_value(cg, p)};
  LinearConstants lc;
  product_constants(cg, p, &lc);
  dense_run_time(&s, lc.channels, lc.k, lc.weights, lc.multiplier);
  dense_pack(&s);
  DenseTiles tiles;
  dense_tiles(&s, &tiles);
  VirBuilder b;
  Type weight = {p->weight->type.dtype, p->weight->type.shape, NULL};
  cg_kernel(cg, &b, p->node, d->what, "%s x weights %s -> %s", type_text(cg->arena, &p->x->type),
            type_text(cg->arena, &weight), type_text(cg->arena, &p->y->type));
  const VirBase *x = cg_read(cg, &b, p->x, "x"), *y = cg_write(cg, &b, p->y, "y");
  ProductStart at = product_start(cg, &b, p, &s.start, scratch);
  dense_calls_run_time(&s, &tiles, &b, vir_addr(x, 0), vir_addr(y, 0), at.start, at.factors);
  cg_done(cg, &b);
}

/* A matrix, and whatever batches the other operand has. */
static bool is_matrix(const Shape *s) {
  for (int i = 0; i < s->rank - 2; i++)
    if (s->dim[i] != 1) return false;
  return true;
}

static bool has_tiles(const Product *p) {
  if (!tensor_is_const(p->weight)) return false;
  if (p->node->op == OP_matmul_integer && !is_matrix(&p->weight->type.shape)) return false;
  return !p->scale || product_fits(p);
}

static void emit_tiles(Cg *cg, const Product *p, Buffer *scratch) {
  if (!is_conv(p->node)) {
    Dense d = matrix_dense(cg, p);
    emit_dense(cg, p, &d, scratch);
    return;
  }
  ConvWindow *w;
  conv_windows(cg->arena, p->node, &w); /* one */
  if (is_depthwise(p->node)) {
    depthwise_emit_product(cg, w, p, scratch);
  } else {
    Dense d = conv_dense(cg, w);
    emit_dense(cg, p, &d, scratch);
  }
}

/* Where the sums of each channel start, and their factors. */
static int64_t tiles_scratch(const Cg *cg, const Node *n) {
  Product p = product_of(n);
  if (!has_tiles(&p)) return 0;
  int64_t lanes = cg->target->lanes,
          groups = is_conv(n) && !is_depthwise(n) ? ATTRS(n, ConvAttrs)->groups : 1;
  int64_t vectors = (product_channels(&p) / groups + lanes - 1) / lanes;
  return product_scratch(&p, groups * vectors * lanes);
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
  if (is_conv(n)) cg_fill_halo(cg, n, p.x); /* others may read the halo that it was given */
  return true;
}

/* Scales and zero points are read where they lie. */
const Lowering lower_dynamic_linear = {
    .layout = LAYOUT_ROW_MAJOR, .constants = 3, .stays = 6, .scratch = tiles_scratch, .emit = product_emit};
const Lowering lower_dynamic_conv2d = {.layout = LAYOUT_CHANNELS_LAST,
                                       .halo = conv_halo,
                                       .constants = 3,
                                       .stays = 6,
                                       .writes = PLACE_STRIDED,
                                       .scratch = tiles_scratch,
                                       .emit = product_emit};
const Lowering lower_conv_integer = {.layout = LAYOUT_CHANNELS_LAST,
                                     .halo = conv_halo,
                                     .constants = 1,
                                     .computed = 4,
                                     .stays = 4,
                                     .writes = PLACE_STRIDED,
                                     .scratch = tiles_scratch,
                                     .emit = product_emit};
const Lowering lower_matmul_integer = {
    .layout = LAYOUT_ROW_MAJOR, .stays = 14, .scratch = tiles_scratch, .emit = product_emit};
