#include "codegen/dense.h"

#include "codegen/dense_plan.h"
#include "codegen/plan_slices.h"
#include "codegen/residual.h"
#include "codegen/tile_row.h"

/* The pixels of one panel: loops over batch, planes and rows. */
static void panel_pixels(const DensePack *s, VirBuilder *b, TilePlace p, VirFunc *tile, VirFunc *rest) {
  const Dense *d = s->d;
  enum { LAST = DENSE_PIXELS - 1 };
  static const char *const names[LAST] = {"n", "od", "oy"};
  for (int i = 0; i < LAST; i++)
    if (d->count[i] > 1) {
      const VirVar *v = vir_loop(b, names[i], 0, d->count[i], 1);
      p.x = vir_plus(p.x, v, d->x_step[i]);
      p.y = vir_plus(p.y, v, d->y_step[i]);
    }
  tile_row(b, p, &(TileRow){d->count[LAST], d->x_step[LAST], d->y_step[LAST], s->mr, tile, rest});
  for (int i = 0; i < LAST; i++)
    if (d->count[i] > 1) vir_end(b);
}

/* `n` elements on, or so many for each turn of a loop. */
static VirAddr moved(VirAddr a, const VirVar *loop, int64_t n) {
  return loop ? vir_plus(a, loop, n) : vir_offset(a, n);
}

/* Weights and biases, and with `channels` all else that has an element for each channel, so many vectors on.
 */
static void next_vectors(const DensePack *s, TilePlace *p, const VirVar *loop, int64_t vectors,
                         bool channels) {
  p->w = moved(p->w, loop, vectors * dense_vector_weights(s));
  p->places = moved(p->places, loop, vectors * plan_places(s));
  p->bias = moved(p->bias, loop, vectors * s->lanes);
  if (!channels) return;
  p->m = moved(p->m, loop, vectors * s->lanes);
  p->extra = moved(p->extra, loop, vectors * s->lanes);
}

/* The phases of the node: where each begins, or a loop over all of them. */
static void open_phases(const DensePack *s, VirBuilder *b, TilePlace *p) {
  const Dense *d = s->d;
  const VirVar *v = cg_phases(s->cg, b, d->node, d->phases, d->x_origin, d->y_origin, &p->x, &p->y);
  VirAddr bias = p->bias;
  if (v) next_vectors(s, p, v, d->groups * dense_vectors(s), false);
  if (!s->quantized) p->bias = bias;
}

static const char *form_text(const DensePack *s) {
  static const char *const text[] = {"", ", sums of products in 16 bits", ", products in 16 bits",
                                     ", wide products"};
  return s->quantized ? text[s->form] : "";
}

void dense_tiles(const DensePack *s, DenseTiles *t) {
  const Dense *d = s->d;
  /* Panels: `whole` full ones, then one with what is left. */
  int64_t whole = d->oc / (s->nv * s->lanes), left = d->oc - whole * s->nv * s->lanes;
  int left_nv = (int)((left + s->lanes - 1) / s->lanes),
      last = left % s->lanes ? (int)(left % s->lanes) : s->lanes;
  int rest = (int)(d->count[DENSE_PIXELS - 1] % s->mr);
  bool has_whole_tiles = d->count[DENSE_PIXELS - 1] >= s->mr;
  *t = (DenseTiles){.whole = whole, .left = left};
  if (whole && has_whole_tiles) t->tile = dense_tile(s, s->mr, s->nv, s->lanes);
  if (whole && rest) t->rest = dense_tile(s, rest, s->nv, s->lanes);
  if (left && has_whole_tiles) t->left_tile = dense_tile(s, s->mr, left_nv, last);
  if (left && rest) t->left_rest = dense_tile(s, rest, left_nv, last);
}

static void all_calls(const DensePack *s, const DenseTiles *t, VirBuilder *b, TilePlace p) {
  const Dense *d = s->d;
  if (d->x_origin) open_phases(s, b, &p);
  if (d->groups > 1) {
    const VirVar *g = vir_loop(b, "group", 0, d->groups, 1);
    p.x = vir_plus(p.x, g, d->group_step);
    p.y = vir_plus(p.y, g, d->oc);
    next_vectors(s, &p, g, dense_vectors(s), true);
  }
  if (t->whole) {
    TilePlace q = p;
    if (t->whole > 1) {
      const VirVar *panel = vir_loop(b, "panel", 0, t->whole, 1);
      q.y = vir_plus(q.y, panel, s->nv * s->lanes);
      next_vectors(s, &q, panel, s->nv, true);
    }
    panel_pixels(s, b, q, t->tile, t->rest);
    if (t->whole > 1) vir_end(b);
  }
  if (t->left) {
    p.y = vir_offset(p.y, t->whole * s->nv * s->lanes);
    next_vectors(s, &p, NULL, t->whole * s->nv, true);
    panel_pixels(s, b, p, t->left_tile, t->left_rest);
  }
  if (d->groups > 1) vir_end(b);
  if (d->phases > 1) vir_end(b);
}

void dense_calls(const DensePack *s, const DenseTiles *t, VirBuilder *b, VirAddr x, VirAddr y,
                 ResidualBases residual) {
  all_calls(s, t, b,
            (TilePlace){.x = x,
                        .w = vir_addr(s->weights, 0),
                        .places = vir_addr(s->places, 0),
                        .bias = vir_addr(s->bias, 0),
                        .m = vir_addr(s->multiplier, 0),
                        .extra = vir_addr(s->zeros, 0),
                        .residual = residual,
                        .y = y});
}

void dense_calls_run_time(const DensePack *s, const DenseTiles *t, VirBuilder *b, VirAddr x, VirAddr y,
                          VirAddr start, VirAddr factors) {
  all_calls(s, t, b,
            (TilePlace){.x = x,
                        .w = vir_addr(s->weights, 0),
                        .places = vir_addr(s->places, 0),
                        .bias = start,
                        .m = factors,
                        .extra = vir_addr(s->addend, 0),
                        .y = y});
}

/* A slice of the output channels, as a kernel of its own would have them. */
typedef struct {
  int64_t first;
  Dense d;
  DensePack s;
  DenseTiles tiles;
} Slice;

static void make_slice(Slice *p, const DensePack *s, int64_t first, int64_t end) {
  p->first = first;
  p->d = *s->d;
  p->s = *s;
  p->d.oc = end - first;
  p->s.d = &p->d;
  if (end - first < s->d->oc) p->s.lc = linear_slice(&s->lc, first, end - first);
  dense_pack(&p->s);
  dense_tiles(&p->s, &p->tiles);
}

static void note_method(const DensePack *s, int slices) {
  const char *apart = slices > 1 ? arena_printf(s->cg->arena, ", %d slices of channels", slices) : "";
  cg_method(s->cg, s->d->node, "tiles of %d pixel%s x %d channels%s%s%s", s->mr, s->mr == 1 ? "" : "s",
            s->nv * s->lanes, form_text(s), apart, residual_text(s->cg, s->add));
}

/* The register tiles and the kernel that calls them. */
static void emit_panels(const DensePack *s) {
  Cg *cg = s->cg;
  const Dense *d = s->d;
  int64_t first[MOST_SLICES + 1];
  int n = plan_slices(s, first);
  Slice slice[MOST_SLICES];
  for (int i = 0; i < n; i++) make_slice(&slice[i], s, first[i], first[i + 1]);
  const DensePack *most = &slice[0].s;
  note_method(most, n);
  VirBuilder b;
  cg_kernel(cg, &b, d->node, d->what, "%s x weights %s -> %s%s%s", type_text(cg->arena, &d->x->type),
            shape_text(cg->arena, &d->weight->type.shape), type_text(cg->arena, &d->y->type), form_text(most),
            residual_text(cg, s->add));
  const VirBase *x = cg_read(cg, &b, d->x, "x");
  ResidualBases residual = residual_bases(cg, &b, s->add);
  const VirBase *y = cg_write(cg, &b, s->add ? s->add->results[0] : d->y, "y");
  for (int i = 0; i < n; i++)
    dense_calls(&slice[i].s, &slice[i].tiles, &b, vir_addr(x, 0), vir_addr(y, slice[i].first), residual);
  cg_done(cg, &b);
}

int64_t dense_runs(const Dense *d) { return d->runs[0] * d->runs[1] * d->runs[2]; }
int64_t dense_products(const Dense *d) { return dense_runs(d) * d->length; }

int64_t dense_sum(const Dense *d, const LinearConstants *lc, int64_t phase, int64_t channel) {
  int64_t sum = 0;
  for (int64_t r = 0; r < dense_runs(d); r++)
    for (int64_t i = 0; i < d->length; i++) sum += lc->weights[d->weight_index(d, phase, channel, r, i)];
  return sum;
}

bool dense_emit(Cg *cg, const Dense *d) {
  DensePack s = {.cg = cg,
                 .d = d,
                 .add = residual_of(cg, d->node),
                 .quantized = tensor_is_quantized(d->x),
                 .result = tensor_is_quantized(d->x) ? RESULT_REQUANT : RESULT_FLOAT,
                 .x_elem = cg_storage(cg, d->x)->elem,
                 .y_elem = cg_storage(cg, d->y)->elem};
  if (s.quantized && s.x_elem == DT_U8) s.x_most = cg_largest_stored(cg, d->x);
  if (s.quantized) {
    linear_constants(cg, d->node, &s.lc);
    if (linear_is_wide(d->node)) {
      wide_emit(cg, d, &s.lc);
      return true;
    }
  }
  emit_panels(&s);
  return true;
}
