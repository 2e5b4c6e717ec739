#include "codegen/depthwise.h"

#include "codegen/depthwise_pack.h"
#include "codegen/depthwise_quad.h"
#include "codegen/tile_row.h"

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
static void move_to_block(const DepthwisePack *s, VirBuilder *b, TilePlace *p, int64_t first, int64_t end) {
  int64_t size = depthwise_block_size(s), start = depthwise_block_start(s, first);
  if (end - first == 1) {
    p->x = vir_offset(p->x, start);
    p->y = vir_offset(p->y, start);
    p->w = vir_offset(p->w, first * size);
    p->bias = vir_offset(p->bias, first * s->lanes);
    p->m = vir_offset(p->m, first * s->lanes);
    p->extra = vir_offset(p->extra, first * s->lanes);
    return;
  }
  const VirVar *v = vir_loop(b, "block", 0, end, 1);
  p->x = vir_plus(p->x, v, s->lanes);
  p->y = vir_plus(p->y, v, s->lanes);
  p->w = vir_plus(p->w, v, size);
  p->bias = vir_plus(p->bias, v, s->lanes);
  p->m = vir_plus(p->m, v, s->lanes);
  p->extra = vir_plus(p->extra, v, s->lanes);
}

/* Blocks outermost within an image: a block's weights stay in the first-level cache over all rows. */
static void emit_blocks(const DepthwisePack *s, VirBuilder *b, TilePlace p, const RowDim *dims,
                        const TileRow *row) {
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

static TileRow make_tiles(const DepthwisePack *s) {
  int64_t width = s->window->dim[2].count;
  int rest = (int)(width % s->mr);
  TileRow row = {width, s->pixel_step, s->out_step, s->mr, depthwise_tile(s, s->mr), NULL};
  if (rest) row.rest = depthwise_tile(s, rest);
  return row;
}

static void begin_kernel(const DepthwisePack *s, VirBuilder *b) {
  const ConvWindow *w = s->window;
  Arena *a = s->cg->arena;
  cg_method(s->cg, w->node, "tiles of %d pixel%s, tap after tap", s->mr, s->mr == 1 ? "" : "s");
  cg_kernel(s->cg, b, w->node, w->what, "%s x depthwise weights %s -> %s", type_text(a, &s->x->type),
            shape_text(a, &w->weight->type.shape), type_text(a, &s->y->type));
}

/* All phases, images, blocks; p has the first of each. */
static void emit_phases(const DepthwisePack *s, VirBuilder *b, TilePlace p, const TileRow *row) {
  const ConvWindow *w = s->window;
  Cg *cg = s->cg;
  const Storage *sx = cg_storage(cg, s->x), *sy = cg_storage(cg, s->y);
  RowDim dims[ROW_DIMS] = {{"n", s->x->type.shape.dim[0], sx->stride[0], sy->stride[0]}, {"od"}, {"oy"}};
  for (int i = 0; i < 2; i++) {
    dims[1 + i].count = w->dim[i].count;
    dims[1 + i].x_step = w->dim[i].x_step * conv_stride(w, sx, i);
    dims[1 + i].y_step = w->dim[i].y_step * conv_stride(w, sy, i);
  }
  const VirVar *phase = cg_phases(cg, b, w->node, w->phases, conv_origins(cg->arena, w, sx, false),
                                  conv_origins(cg->arena, w, sy, true), &p.x, &p.y);
  if (phase) {
    p.w = vir_plus(p.w, phase, s->blocks * depthwise_block_size(s));
    if (s->quantized) p.bias = vir_plus(p.bias, phase, s->blocks * s->lanes);
  }
  open_dim(b, &dims[0], &p);
  emit_blocks(s, b, p, dims + 1, row);
  if (dims[0].count > 1) vir_end(b);
  if (phase) vir_end(b);
}

bool is_depthwise(const Node *n) {
  int64_t groups = ATTRS(n, ConvAttrs)->groups;
  return groups > 1 && groups == n->operands[0]->type.shape.dim[1] &&
         groups == conv_weight_of(n)->type.shape.dim[0];
}

void depthwise_emit(Cg *cg, const ConvWindow *w) {
  const Node *n = w->node;
  bool quantized = tensor_is_quantized(n->operands[0]);
  DepthwisePack s = {.cg = cg,
                     .window = w,
                     .x = n->operands[0],
                     .y = n->results[0],
                     .bias = node_operand(n, 2),
                     .act_min = ATTRS(n, ConvAttrs)->act_min,
                     .act_max = ATTRS(n, ConvAttrs)->act_max,
                     .result = quantized ? RESULT_REQUANT : RESULT_FLOAT};
  if (quantized) {
    linear_constants(cg, n, &s.lc);
    DepthwiseQuads quads = {
        .cg = cg, .window = w, .x = s.x, .y = s.y, .act_min = s.act_min, .act_max = s.act_max, .lc = s.lc};
    if (quad_emit(&quads)) return;
  }
  depthwise_shape(&s);
  depthwise_pack(&s);
  TileRow row = make_tiles(&s);
  VirBuilder b;
  begin_kernel(&s, &b);
  const VirBase *x = cg_read(cg, &b, s.x, "x"), *y = cg_write(cg, &b, s.y, "y");
  emit_phases(&s, &b,
              (TilePlace){.x = vir_addr(x, 0),
                          .w = vir_addr(s.weights, 0),
                          .bias = vir_addr(s.start, 0),
                          .m = vir_addr(s.multiplier, 0),
                          .extra = vir_addr(s.zeros, 0),
                          .y = vir_addr(y, 0)},
              &row);
  cg_done(cg, &b);
}

void depthwise_emit_product(Cg *cg, const ConvWindow *w, const Product *p, Buffer *scratch) {
  DepthwisePack s = {.cg = cg,
                     .window = w,
                     .x = p->x,
                     .y = p->y,
                     .bias = p->bias,
                     .act_min = p->act_min,
                     .act_max = p->act_max,
                     .result = p->scale ? RESULT_SCALED : RESULT_SUM};
  product_constants(cg, p, &s.lc);
  depthwise_shape(&s);
  depthwise_pack(&s);
  TileRow row = make_tiles(&s);
  VirBuilder b;
  begin_kernel(&s, &b);
  const VirBase *x = cg_read(cg, &b, s.x, "x"), *y = cg_write(cg, &b, s.y, "y");
  ProductStart at = product_start(cg, &b, p, &s.run_time, scratch);
  emit_phases(&s, &b,
              (TilePlace){.x = vir_addr(x, 0),
                          .w = vir_addr(s.weights, 0),
                          .bias = at.start,
                          .m = at.factors,
                          .extra = vir_addr(s.addend, 0),
                          .y = vir_addr(y, 0)},
              &row);
  cg_done(cg, &b);
}
