#include "codegen/depthwise_quad.h"

#include "codegen/tile_row.h"

/* Bytes of weights up to which all blocks of a row follow each other, while its operands are in the
 * first-level cache; a layer with more goes block by block. */
enum { NEAR_WEIGHTS = 16384 };

/* Tiles of some results: where the first one begins, and its functions. */
typedef struct {
  int results;
  int64_t first, count; /* tiles */
  int segments;
  QuadSegment segment[QUAD_SEGMENTS];
  VirFunc *row[QUAD_SEGMENTS];
} QuadTiles;

static QuadTiles make_tiles(const DepthwiseQuads *s, int results, int64_t first, int64_t count) {
  QuadTiles t = {.results = results, .first = first, .count = count};
  if (!count) return t;
  t.segments = quad_segments(s, t.segment);
  for (int i = 0; i < t.segments; i++) t.row[i] = quad_row(s, results, &t.segment[i]);
  return t;
}

static int64_t step_of(const DepthwiseQuads *s, const Tensor *t, int dim) {
  const ConvPhase *d = &s->window->dim[dim];
  return (t == s->x ? d->x_step : d->y_step) * conv_stride(s->window, cg_storage(s->cg, t), dim);
}

/* A place `along` pixels further along and `down` further down. */
static TilePlace moved(const DepthwiseQuads *s, TilePlace p, int64_t along, int64_t down) {
  p.x = vir_offset(p.x, along * step_of(s, s->x, s->along) + down * step_of(s, s->x, s->down));
  p.y = vir_offset(p.y, along * step_of(s, s->y, s->along) + down * step_of(s, s->y, s->down));
  return p;
}

/* A tile at its place in the block. */
static void call_row(const DepthwiseQuads *s, VirBuilder *b, TilePlace p, const QuadTiles *t) {
  for (int i = 0; i < t->segments; i++) {
    TilePlace at = moved(s, p, t->segment[i].first, 0);
    vir_call(b, t->row[i], 5, (VirAddr[]){at.x, at.w, at.bias, at.m, at.y});
  }
}

/* All tiles of a kind: in a loop, or the only one. `inner` is called in it. */
typedef void (*Inner)(const DepthwiseQuads *s, VirBuilder *b, TilePlace p, const QuadTiles *t);

static void each_tile(const DepthwiseQuads *s, VirBuilder *b, TilePlace p, const QuadTiles *t, Inner inner) {
  if (!t->count) return;
  p = moved(s, p, 0, t->first);
  if (t->count == 1) {
    inner(s, b, p, t);
    return;
  }
  const VirVar *v = vir_loop(b, s->down == 1 ? "oy" : "ox", 0, t->count, 1);
  p.x = vir_plus(p.x, v, t->results * step_of(s, s->x, s->down));
  p.y = vir_plus(p.y, v, t->results * step_of(s, s->y, s->down));
  inner(s, b, p, t);
  vir_end(b);
}

/* Of each block, in elements. */
typedef struct {
  int64_t x, w, bias, m;
} BlockStep;
static BlockStep block_step(const DepthwiseQuads *s) {
  int64_t lanes = (int64_t)s->vectors * s->lanes;
  return (BlockStep){s->width, s->block_size, s->results * lanes, lanes};
}

static TilePlace at_block(const DepthwiseQuads *s, TilePlace p, int64_t block) {
  BlockStep step = block_step(s);
  int64_t start = quad_block_start(s, block);
  p.x = vir_offset(p.x, start);
  p.y = vir_offset(p.y, start);
  p.w = vir_offset(p.w, block * step.w);
  p.bias = vir_offset(p.bias, block * step.bias);
  p.m = vir_offset(p.m, block * step.m);
  return p;
}

/* The last block apart where it is moved back. */
static int64_t even_blocks(const DepthwiseQuads *s) {
  return s->channels % s->width && s->channels > s->width ? s->blocks - 1 : s->blocks;
}

/* The place of the blocks that a loop goes through; NULL: there is no loop. */
static const VirVar *open_blocks(const DepthwiseQuads *s, VirBuilder *b, TilePlace *p) {
  BlockStep step = block_step(s);
  if (even_blocks(s) == 1) return NULL;
  const VirVar *v = vir_loop(b, "block", 0, even_blocks(s), 1);
  p->x = vir_plus(p->x, v, step.x);
  p->y = vir_plus(p->y, v, step.x);
  p->w = vir_plus(p->w, v, step.w);
  p->bias = vir_plus(p->bias, v, step.bias);
  p->m = vir_plus(p->m, v, step.m);
  return v;
}

static void blocks_of_tile(const DepthwiseQuads *s, VirBuilder *b, TilePlace p, const QuadTiles *t) {
  TilePlace q = p;
  const VirVar *loop = open_blocks(s, b, &q);
  call_row(s, b, q, t);
  if (loop) vir_end(b);
  if (even_blocks(s) < s->blocks) call_row(s, b, at_block(s, p, s->blocks - 1), t);
}

/* One image, or plane of one. */
static void emit_plane(const DepthwiseQuads *s, VirBuilder *b, TilePlace p, const QuadTiles *whole,
                       const QuadTiles *rest) {
  if (s->blocks * s->block_size <= NEAR_WEIGHTS) {
    each_tile(s, b, p, whole, blocks_of_tile);
    each_tile(s, b, p, rest, blocks_of_tile);
    return;
  }
  TilePlace q = p;
  const VirVar *loop = open_blocks(s, b, &q);
  each_tile(s, b, q, whole, call_row);
  each_tile(s, b, q, rest, call_row);
  if (loop) vir_end(b);
  if (even_blocks(s) == s->blocks) return;
  q = at_block(s, p, s->blocks - 1);
  each_tile(s, b, q, whole, call_row);
  each_tile(s, b, q, rest, call_row);
}

static void open_dim(VirBuilder *b, const char *name, int64_t count, int64_t x_step, int64_t y_step,
                     TilePlace *p) {
  if (count == 1) return;
  const VirVar *v = vir_loop(b, name, 0, count, 1);
  p->x = vir_plus(p->x, v, x_step);
  p->y = vir_plus(p->y, v, y_step);
}

/* All phases, images and planes. */
static void emit_all(const DepthwiseQuads *s, VirBuilder *b, TilePlace p, const QuadTiles *whole,
                     const QuadTiles *rest) {
  const ConvWindow *w = s->window;
  Cg *cg = s->cg;
  const Storage *sx = cg_storage(cg, s->x), *sy = cg_storage(cg, s->y);
  int64_t images = s->x->type.shape.dim[0], planes = w->dim[0].count;
  const VirVar *phase = cg_phases(cg, b, w->node, w->phases, conv_origins(cg->arena, w, sx, false),
                                  conv_origins(cg->arena, w, sy, true), &p.x, &p.y);
  if (phase) {
    p.w = vir_plus(p.w, phase, s->blocks * s->block_size);
    p.bias = vir_plus(p.bias, phase, s->blocks * s->results * s->vectors * s->lanes);
  }
  open_dim(b, "n", images, sx->stride[0], sy->stride[0], &p);
  open_dim(b, "od", planes, step_of(s, s->x, 0), step_of(s, s->y, 0), &p);
  emit_plane(s, b, p, whole, rest);
  for (int i = (images > 1) + (planes > 1) + (phase != NULL); i > 0; i--) vir_end(b);
}

static const char *form_text(const DepthwiseQuads *s) {
  bool flips = false;
  for (int64_t i = 0; i < s->quads * s->taps * s->results * s->vectors; i++) flips |= s->flipped[i];
  return arena_printf(s->cg->arena, "%d quad%s of rows, %s%s", s->quads, s->quads == 1 ? "" : "s",
                      s->positions ? "columns once" : "sliding columns",
                      flips ? ", exact by sign flips" : "");
}

bool quad_emit(DepthwiseQuads *s) {
  if (!quad_plan(s) || !quad_pack(s)) return false;
  Cg *cg = s->cg;
  const ConvWindow *w = s->window;
  int64_t down = w->dim[s->down].count, tiles = down / s->results;
  QuadTiles whole = make_tiles(s, s->results, 0, tiles);
  int rest_results = (int)(down % s->results);
  QuadTiles rest = make_tiles(s, rest_results, tiles * s->results, rest_results != 0);
  VirBuilder b;
  cg_method(cg, w->node, "%s", form_text(s));
  cg_kernel(cg, &b, w->node, w->what, "%s x depthwise weights %s -> %s, %s",
            type_text(cg->arena, &s->x->type), shape_text(cg->arena, &w->weight->type.shape),
            type_text(cg->arena, &s->y->type), form_text(s));
  const VirBase *x = cg_read(cg, &b, s->x, "x"), *y = cg_write(cg, &b, s->y, "y");
  TilePlace p = {.x = vir_addr(x, 0),
                 .w = vir_addr(s->weights, 0),
                 .bias = vir_addr(s->bias, 0),
                 .m = vir_addr(s->multiplier, 0),
                 .y = vir_addr(y, 0)};
  emit_all(s, &b, p, &whole, &rest);
  cg_done(cg, &b);
  return true;
}
