/* The functions of a depthwise kernel by quads: a segment of a row of positions, for some results down. */
#include <stdio.h>
#include <string.h>

#include "codegen/depthwise_quad.h"
#include "codegen/requant.h"

/* The state of building one function. */
typedef struct {
  const DepthwiseQuads *s;
  VirBuilder *b;
  int results;
  bool ends; /* its last position is the last one of the row */
  const VirBase *w, *bias, *m;
  VirAddr x, y; /* of position 0 */
  Requant requant;
  const VirVar *slot[MAX_QUADS][MAX_RING][QUAD_VECTORS]; /* sliding columns */
} Row;

/* ---- columns ---- */

/* One row of a quad. */
static const VirVar *load_row(Row *t, VirAddr at, int j) {
  const DepthwiseQuads *s = t->s;
  char name[16];
  snprintf(name, sizeof name, "row%d", j);
  if (s->block_step) return VIR_LET(t->b, name, load_q_blocks, vir_at(at), vir_n(s->block_step));
  if (s->stored == s->width || s->whole_reads) return VIR_LET(t->b, name, load_q_once, vir_at(at));
  return VIR_LET(t->b, name, load_q_part, vir_at(at), vir_n(s->stored));
}

/* The rows that some result needs; the others are one of these. */
static void load_rows(Row *t, const Quad *q, VirAddr at, const VirVar **row) {
  const VirVar *any = NULL;
  for (int j = 0; j < QUAD; j++) {
    bool needed = false;
    for (int r = 0; r < t->results; r++) needed |= q->tap[r][j] >= 0;
    row[j] = needed ? load_row(t, vir_offset(at, q->x[j]), j) : NULL;
    if (!any) any = row[j];
  }
  for (int j = 0; j < QUAD; j++)
    if (!row[j]) row[j] = any;
}

static void put(Row *t, const VirVar **to, const char *name, int v, VirOp op, const VirVar *a,
                const VirVar *b) {
  if (to[v]) {
    vir_set(t->b, to[v], op, VIR_ARGS(vir_v(a), vir_v(b)));
  } else {
    char numbered[48];
    snprintf(numbered, sizeof numbered, "%s_%d", name, v);
    to[v] = vir_let(t->b, numbered, op, VIR_ARGS(vir_v(a), vir_v(b)));
  }
}

/* A column of the quad into the variables `to`, which are new where they are NULL. */
static void load_column(Row *t, const Quad *q, VirAddr at, const char *name, const VirVar **to) {
  VirBuilder *b = t->b;
  const VirVar *row[QUAD];
  load_rows(t, q, at, row);
  const VirVar *lo01 = VIR_LET(b, "lo01", zip_lo8, vir_v(row[0]), vir_v(row[1]));
  const VirVar *lo23 = VIR_LET(b, "lo23", zip_lo8, vir_v(row[2]), vir_v(row[3]));
  put(t, to, name, 0, VIR_zip_lo16, lo01, lo23);
  if (t->s->vectors > 1) put(t, to, name, 1, VIR_zip_hi16, lo01, lo23);
  if (t->s->vectors < 3) return;
  const VirVar *hi01 = VIR_LET(b, "hi01", zip_hi8, vir_v(row[0]), vir_v(row[1]));
  const VirVar *hi23 = VIR_LET(b, "hi23", zip_hi8, vir_v(row[2]), vir_v(row[3]));
  put(t, to, name, 2, VIR_zip_lo16, hi01, hi23);
  put(t, to, name, 3, VIR_zip_hi16, hi01, hi23);
}

/* ---- sums ---- */

/* Where registers are scarce, what is read for each sum is read each time, and not kept in them. */
static bool registers_are_scarce(const DepthwiseQuads *s) {
  return quad_registers(s) + 3 * s->vectors > s->cg->target->registers;
}

/* Vector i of an array with elements for channels. */
static VirAddr channel_at(const Row *t, const VirBase *base, int64_t i) {
  return vir_addr(base, i * t->s->lanes);
}

/* From here on constants are read anew. */
static void forget_constants(Row *t) {
  vir_opaque(t->b, t->w);
  if (!registers_are_scarce(t->s)) return;
  vir_opaque(t->b, t->bias);
  vir_opaque(t->b, t->m);
}

static const VirVar *start_sum(Row *t, const char *name, int result, int v) {
  const DepthwiseQuads *s = t->s;
  return VIR_LET(t->b, name, load_s32, vir_at(channel_at(t, t->bias, result * s->vectors + v)));
}

/* The target's dot product with weights in memory; 0: there is none. */
static VirOp dot_mem(const DepthwiseQuads *s) {
  VirOp dot = s->cg->target->dot;
  return dot == VIR_dot ? VIR_dot_mem : dot == VIR_dot_sat ? VIR_dot_sat_mem : 0;
}

/* acc += a vector of a column by its weights, which lie `more` (NULL: nothing) times `step` further on. */
static void add_product(Row *t, const VirVar *acc, const VirVar *x, int64_t index, const VirVar *more,
                        int64_t step) {
  const DepthwiseQuads *s = t->s;
  VirBuilder *b = t->b;
  VirAddr at = vir_addr(t->w, s->weight_at[index]);
  if (more) at = vir_plus(at, more, step);
  if (dot_mem(s)) {
    if (s->flipped[index]) x = VIR_LET(b, "x", xor_mem, vir_v(x), vir_at(vir_offset(at, s->width)));
    vir_set(b, acc, dot_mem(s), VIR_ARGS(vir_v(acc), vir_v(x), vir_at(at)));
    return;
  }
  if (s->flipped[index]) {
    const VirVar *flip = VIR_LET(b, "flip", load_q, vir_at(vir_offset(at, s->width)));
    x = VIR_LET(b, "x", xor_q, vir_v(x), vir_v(flip));
  }
  const VirVar *w = VIR_LET(b, "w", load_q, vir_at(at));
  vir_set(b, acc, s->cg->target->dot, VIR_ARGS(vir_v(acc), vir_v(x), vir_v(w)));
}

/* ---- results ---- */

/* The sum of a vector of channels as what is stored. */
static const VirVar *finish(Row *t, const VirVar *acc, int v) {
  char name[16];
  snprintf(name, sizeof name, "q%d", v);
  const VirVar *m = VIR_LET(t->b, "m", load_f32, vir_at(channel_at(t, t->m, v)));
  return requant_scaled(&t->requant, name, acc, m);
}

/* Stores the results of a position, of which `q` is what finish() made. */
static void store(Row *t, const VirVar **q, VirAddr y, bool last) {
  requant_store_bytes(&t->requant, y, q, t->s->vectors, last ? t->s->last : t->s->stored);
}

/* Of a result row, in elements. */
static int64_t y_row(const DepthwiseQuads *s) {
  return s->window->dim[s->down].y_step * conv_stride(s->window, cg_storage(s->cg, s->y), s->down);
}
static int64_t y_position(const DepthwiseQuads *s) {
  const ConvPhase *d = &s->window->dim[s->along];
  return s->pixels * d->y_step * conv_stride(s->window, cg_storage(s->cg, s->y), s->along);
}

/* ---- columns that slide: positions one after the other ---- */

static int64_t span(const DepthwiseQuads *s) { return (s->taps - 1) * s->tap_step + 1; }

/* Column c, counted from the first position's first, into its registers. */
static void slide_in(Row *t, VirAddr x, int64_t c) {
  const DepthwiseQuads *s = t->s;
  for (int i = 0; i < s->quads; i++) {
    if (!quad_feeds_any(&s->quad[i], t->results)) continue;
    const VirVar **to = t->slot[i][c % s->ring];
    char name[48];
    snprintf(name, sizeof name, s->quads > 1 ? "col%d_%d" : "col%d", (int)(c % s->ring), i);
    bool inside = to[0];
    if (inside) vir_scope(t->b, NULL);
    load_column(t, &s->quad[i], vir_offset(x, c * s->unit), name, to);
    if (inside) vir_end(t->b);
  }
}

/* The sums of result r at position p of the period. */
static void slide_result(Row *t, VirAddr y, int64_t p, int r, bool last) {
  const DepthwiseQuads *s = t->s;
  const VirVar *q[QUAD_VECTORS];
  vir_scope(t->b, NULL);
  if (registers_are_scarce(s)) forget_constants(t);
  for (int v = 0; v < s->vectors; v++) {
    char name[16];
    snprintf(name, sizeof name, "acc%d", v);
    const VirVar *acc = start_sum(t, name, r, v);
    for (int i = 0; i < s->quads; i++)
      for (int64_t k = 0; quad_feeds(&s->quad[i], r) && k < s->taps; k++)
        add_product(t, acc, t->slot[i][(p * s->x_step + k * s->tap_step) % s->ring][v],
                    quad_index(s, i, k, r, v), NULL, 0);
    q[v] = finish(t, acc, v);
  }
  store(t, q, vir_offset(y, p * y_position(s) + r * y_row(s)), last);
  vir_end(t->b);
}

/* Position p, counted from x and y. */
static void slide_position(Row *t, VirAddr x, VirAddr y, int64_t p, bool last) {
  const DepthwiseQuads *s = t->s;
  forget_constants(t);
  for (int64_t c = s->x_step; c > 0; c--) slide_in(t, x, p * s->x_step + span(s) - c);
  for (int r = 0; r < t->results; r++) slide_result(t, y, p, r, last);
}

/* All registers are variables of the whole function: those that the loop fills are made before it, too. */
static void slide(Row *t, int64_t count) {
  const DepthwiseQuads *s = t->s;
  int64_t period = quad_period(s), columns = span(s) - s->x_step;
  for (int64_t c = 0; c < columns; c++) slide_in(t, t->x, c);
  bool partial = t->ends && s->last < s->stored; /* the last position: such a segment is short */
  if (count <= period || count % period || partial) {
    for (int64_t p = 0; p < count; p++) slide_position(t, t->x, t->y, p, t->ends && p + 1 == count);
    return;
  }
  const VirVar *ox = vir_loop(t->b, "ox", 0, count / period, 1);
  VirAddr x = vir_plus(t->x, ox, period * s->x_step * s->unit),
          y = vir_plus(t->y, ox, period * y_position(s));
  for (int64_t p = 0; p < period; p++) slide_position(t, x, y, p, false);
  vir_end(t->b);
}

/* ---- tiles: all columns of some positions, once ---- */

/* Column c of a quad to the sums of all positions that have a tap there; in a loop over the taps `k`. */
static void tile_column(Row *t, int i, VirAddr x, int64_t c, int64_t positions, const VirVar **acc,
                        const VirVar *k) {
  const DepthwiseQuads *s = t->s;
  const VirVar *column[QUAD_VECTORS] = {0};
  int64_t step = quad_index(s, 0, 1, 0, 0);
  vir_scope(t->b, NULL);
  load_column(t, &s->quad[i], vir_offset(x, c * s->unit), "col", column);
  for (int64_t p = 0; p < positions; p++) {
    int64_t tap = c - p * s->x_step;
    if (tap < 0 || tap % s->tap_step || tap / s->tap_step >= s->taps) continue;
    for (int r = 0; r < t->results; r++)
      for (int v = 0; quad_feeds(&s->quad[i], r) && v < s->vectors; v++) {
        int64_t index = quad_index(s, i, tap / s->tap_step, r, v);
        int64_t next = k ? s->weight_at[index + step] - s->weight_at[index] : 0;
        add_product(t, acc[(p * t->results + r) * s->vectors + v], column[v], index, k, next);
      }
  }
  vir_end(t->b);
}

static bool is_used(const DepthwiseQuads *s, int64_t c, int64_t positions) {
  for (int64_t p = 0; p < positions; p++) {
    int64_t tap = c - p * s->x_step;
    if (tap >= 0 && tap % s->tap_step == 0 && tap / s->tap_step < s->taps) return true;
  }
  return false;
}

static void tile_sums(Row *t, VirAddr x, int64_t positions, const VirVar **acc) {
  const DepthwiseQuads *s = t->s;
  for (int i = 0; i < s->quads; i++) {
    if (!quad_feeds_any(&s->quad[i], t->results)) continue;
    if (s->looped) {
      const VirVar *k = vir_loop(t->b, "k", 0, s->taps, 1);
      tile_column(t, i, vir_plus(x, k, s->tap_step * s->unit), 0, 1, acc, k);
      vir_end(t->b);
      continue;
    }
    for (int64_t c = 0; c < (positions - 1) * s->x_step + span(s); c++)
      if (is_used(s, c, positions)) tile_column(t, i, x, c, positions, acc, NULL);
  }
}

static void tile(Row *t, VirAddr x, VirAddr y, int64_t positions, bool last) {
  const DepthwiseQuads *s = t->s;
  const VirVar *acc[MAX_POSITIONS * QUAD_RESULTS * QUAD_VECTORS];
  char name[48];
  vir_scope(t->b, NULL);
  forget_constants(t);
  for (int p = 0; p < positions; p++)
    for (int r = 0; r < t->results; r++)
      for (int v = 0; v < s->vectors; v++) {
        snprintf(name, sizeof name, "acc%d_%d_%d", p, r, v);
        acc[(p * t->results + r) * s->vectors + v] = start_sum(t, name, r, v);
      }
  tile_sums(t, x, positions, acc);
  for (int p = 0; p < positions; p++)
    for (int r = 0; r < t->results; r++) {
      const VirVar *q[QUAD_VECTORS];
      vir_scope(t->b, NULL);
      for (int v = 0; v < s->vectors; v++) q[v] = finish(t, acc[(p * t->results + r) * s->vectors + v], v);
      store(t, q, vir_offset(y, p * y_position(s) + r * y_row(s)), last && p + 1 == positions);
      vir_end(t->b);
    }
  vir_end(t->b);
}

static void tiles(Row *t, int64_t count) {
  const DepthwiseQuads *s = t->s;
  if (count <= s->positions) {
    tile(t, t->x, t->y, count, t->ends);
    return;
  }
  const VirVar *ox = vir_loop(t->b, "ox", 0, count / s->positions, 1);
  tile(t, vir_plus(t->x, ox, s->positions * s->x_step * s->unit),
       vir_plus(t->y, ox, s->positions * y_position(s)), s->positions, false);
  vir_end(t->b);
}

/* ---- the function ---- */

/* The elements of the operand that are read, from its first. */
static int64_t reach(const DepthwiseQuads *s, int results, int64_t count) {
  int64_t down = 0;
  for (int i = 0; i < s->quads; i++)
    for (int j = 0; j < QUAD; j++)
      for (int r = 0; r < results; r++)
        if (s->quad[i].tap[r][j] >= 0 && s->quad[i].x[j] > down) down = s->quad[i].x[j];
  int64_t width = s->block_step    ? (s->pixels - 1) * s->block_step + s->channels
                  : s->whole_reads ? s->width
                                   : s->stored;
  return down + ((count - 1) * s->x_step + (s->taps - 1) * s->tap_step) * s->unit + width;
}

VirFunc *quad_row(const DepthwiseQuads *s, int results, const QuadSegment *segment) {
  Cg *cg = s->cg;
  VirBuilder b;
  Row t = {.s = s, .b = &b, .results = results, .ends = segment->ends};
  int64_t bytes = t.ends ? s->last : s->stored;
  const char *what = arena_printf(cg->arena, "row_%dx%lld", results, (long long)segment->count);
  vir_func(&b, cg->module, cg_name(cg, s->window->node, what), true,
           arena_printf(cg->arena, "%d row%s of %lld positions x %lld channels%s", results,
                        results == 1 ? "" : "s", (long long)segment->count,
                        (long long)(s->stored / s->pixels),
                        s->pixels > 1 ? arena_printf(cg->arena, " x %d pixels", s->pixels) : ""));
  t.x = vir_addr(vir_param(&b, "x", cg_storage(cg, s->x)->elem, false, reach(s, results, segment->count)), 0);
  t.w = vir_param(&b, "w", DT_S8, false, s->block_size);
  t.bias = vir_param(&b, "bias", DT_S32, false, (int64_t)s->results * s->vectors * s->lanes);
  t.m = vir_param(&b, "m", DT_F32, false, (int64_t)s->vectors * s->lanes);
  t.y = vir_addr(vir_param(&b, "y", cg_storage(cg, s->y)->elem, true,
                           (results - 1) * y_row(s) + (segment->count - 1) * y_position(s) + bytes),
                 0);
  t.requant = requant_start(cg, &b, s->y, s->act_min, s->act_max, s->unclamped);
  (s->positions ? tiles : slide)(&t, segment->count);
  return b.f;
}
