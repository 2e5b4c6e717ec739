/* Which form a depthwise kernel by quads has: all that come into question are counted. */
#include "codegen/depthwise_quad.h"

/* Lines that a function may have. */
enum { MAX_LINES = 460 };
/* Bytes within which vectors are interleaved. */
enum { BLOCK = 16 };

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

bool quad_feeds(const Quad *q, int result) {
  for (int j = 0; j < QUAD; j++)
    if (q->tap[result][j] >= 0) return true;
  return false;
}

bool quad_feeds_any(const Quad *q, int results) {
  for (int r = 0; r < results; r++)
    if (quad_feeds(q, r)) return true;
  return false;
}

/* ---- what a form costs: about a quarter of a cycle for each unit ---- */

static int64_t column_cost(const DepthwiseQuads *s, const Quad *q, int results) {
  int rows = 0, unpacks = s->vectors > 2 ? 4 + s->vectors : 2 + s->vectors;
  for (int j = 0; j < QUAD; j++) {
    bool needed = false;
    for (int r = 0; r < results; r++) needed |= q->tap[r][j] >= 0;
    rows += needed;
  }
  return rows ? 2 * rows + unpacks : 0;
}

static int64_t columns_cost(const DepthwiseQuads *s, int results) {
  int64_t cost = 0;
  for (int i = 0; i < s->quads; i++) cost += column_cost(s, &s->quad[i], results);
  return cost;
}

/* Dot products of a position. */
static int64_t dots(const DepthwiseQuads *s, int results) {
  int64_t n = 0;
  for (int i = 0; i < s->quads; i++)
    for (int r = 0; r < results; r++) n += quad_feeds(&s->quad[i], r) ? s->taps * s->vectors : 0;
  return n;
}

static int64_t span(const DepthwiseQuads *s) { return (s->taps - 1) * s->tap_step + 1; }

/* Columns that a tile of so many positions has. */
static int64_t tile_columns(const DepthwiseQuads *s, int64_t positions) {
  int64_t columns = 0, end = (positions - 1) * s->x_step + span(s);
  for (int64_t c = 0; c < end; c++) {
    bool used = false;
    for (int64_t p = 0; p < positions && !used; p++) {
      int64_t k = c - p * s->x_step;
      used = k >= 0 && k % s->tap_step == 0 && k / s->tap_step < s->taps;
    }
    columns += used;
  }
  return columns;
}

static int64_t row_columns(const DepthwiseQuads *s) {
  if (!s->positions) return span(s) + (s->count - 1) * s->x_step;
  int64_t rest = s->count % s->positions;
  return s->count / s->positions * tile_columns(s, s->positions) + (rest ? tile_columns(s, rest) : 0);
}

static int64_t row_cost(const DepthwiseQuads *s, int results) {
  int64_t dot = s->cg->target->dot_cost ? 2 * s->cg->target->dot_cost : 2;
  int64_t start = s->positions ? 0 : 4; /* of a row: of no weight but to decide ties */
  return start + row_columns(s) * columns_cost(s, results) + s->count * dots(s, results) * dot;
}

/* All results down. */
static int64_t form_cost(const DepthwiseQuads *s) {
  int64_t down = s->window->dim[s->down].count;
  int rest = (int)(down % s->results);
  return down / s->results * row_cost(s, s->results) + (rest ? row_cost(s, rest) : 0);
}

/* ---- what it takes ---- */

int64_t quad_registers(const DepthwiseQuads *s) {
  if (!s->positions) return s->quads * span(s) * s->vectors + 4;
  return (s->positions * s->results + 1) * s->vectors + 2;
}

static int64_t column_lines(const DepthwiseQuads *s) { return s->quads * 14; }

static int64_t result_lines(const DepthwiseQuads *s) {
  int each = s->cg->target->dot_pair_sum ? 4 : 2; /* load and multiply, flip */
  int64_t taps = s->looped ? 1 : s->taps;
  return dots(s, s->results) / s->taps * taps * each + s->results * (3 * s->vectors + 7);
}

/* Positions after which the registers of sliding columns are as they were. */
int64_t quad_period(const DepthwiseQuads *s) { return s->ring / gcd(s->ring, s->x_step); }

static int64_t function_lines(const DepthwiseQuads *s, int64_t positions) {
  int64_t columns = s->looped      ? 1
                    : s->positions ? tile_columns(s, positions)
                                   : span(s) + (positions - 1) * s->x_step;
  return columns * column_lines(s) + positions * result_lines(s);
}

static bool is_possible(DepthwiseQuads *s) {
  if (s->results > s->window->dim[s->down].count) return false;
  if (quad_registers(s) > s->cg->target->registers) return false;
  if (s->positions) return function_lines(s, s->positions) <= MAX_LINES;
  if (s->x_step >= span(s)) return false; /* no column is used twice */
  s->ring = 0;
  for (int ring = (int)span(s); ring <= MAX_RING; ring++) {
    int old = s->ring;
    int64_t shortest = old ? quad_period(s) : INT64_MAX;
    s->ring = ring;
    if (quad_period(s) >= shortest) s->ring = old;
  }
  return s->ring && function_lines(s, quad_period(s)) <= MAX_LINES;
}

/* ---- candidates ---- */

/* Of the taps down, where a single one has none. */
static int64_t down_step(const ConvPhase *d) { return d->taps > 1 ? d->tap_step : 1; }

/* A row of the window that some result needs joins the quads; false where they are too many. */
static bool add_row(DepthwiseQuads *s, int64_t *rows, int64_t plane, int64_t offset) {
  const ConvPhase *d = &s->window->dim[s->down];
  int64_t tap[QUAD_RESULTS];
  bool used = false;
  for (int r = 0; r < QUAD_RESULTS; r++) {
    int64_t k = offset - r * d->x_step;
    bool has = r < s->results && k >= 0 && k % down_step(d) == 0 && k / down_step(d) < d->taps;
    tap[r] = has ? plane * d->taps + k / down_step(d) : -1;
    used |= has;
  }
  if (!used) return true;
  if (*rows == MAX_QUADS * QUAD) return false;
  const Storage *x = cg_storage(s->cg, s->x);
  int64_t depth = s->window->dim[0].tap_step * conv_stride(s->window, x, 0);
  Quad *q = &s->quad[*rows / QUAD];
  int first = (int)(*rows % QUAD);
  for (int j = first; j < QUAD; j++) q->x[j] = plane * depth + offset * conv_stride(s->window, x, s->down);
  for (int r = 0; r < QUAD_RESULTS; r++)
    for (int j = first; j < QUAD; j++) q->tap[r][j] = j == first ? tap[r] : -1;
  s->quads = (int)(++*rows + QUAD - 1) / QUAD;
  return true;
}

static bool make_quads(DepthwiseQuads *s) {
  const ConvPhase *d = &s->window->dim[s->down];
  int64_t rows = 0, end = (s->results - 1) * d->x_step + (d->taps - 1) * down_step(d) + 1;
  s->quads = 0;
  for (int64_t plane = 0; plane < s->window->dim[0].taps; plane++)
    for (int64_t offset = 0; offset < end; offset++)
      if (!add_row(s, &rows, plane, offset)) return false;
  return true;
}

/* The pixels of a vector where all their channels fit it: side by side in the result, and in the operand side
 * by side too, or each a block that is loaded on its own; else 1. */
static int pixels_of(DepthwiseQuads *s) {
  const ConvPhase *d = &s->window->dim[2];
  int64_t in = conv_stride(s->window, cg_storage(s->cg, s->x), 2), fit = s->width / s->channels;
  int64_t out = d->y_step * conv_stride(s->window, cg_storage(s->cg, s->y), 2);
  s->block_step = 0;
  if (s->along != 2 || out != s->channels || fit < 2) return 1;
  if (d->x_step == 1 && in == s->channels) return (int)(fit < d->count ? fit : d->count);
  if (s->channels != BLOCK || d->count < fit) return 1;
  s->block_step = d->x_step * in;
  return (int)fit;
}

static void set_along(DepthwiseQuads *s) {
  const ConvPhase *d = &s->window->dim[s->along];
  s->pixels = pixels_of(s);
  int64_t bytes = s->channels < s->width ? s->channels : s->width;
  s->stored = s->pixels * bytes;
  s->vectors = s->stored > 8 ? 4 : s->stored > 4 ? 2 : 1;
  s->count = (d->count + s->pixels - 1) / s->pixels;
  /* The last of separate blocks are moved back over the ones before them. */
  s->last = s->block_step ? s->stored : (d->count - (s->count - 1) * s->pixels) * bytes;
  int64_t x_step = s->pixels * d->x_step, unit = gcd(d->taps > 1 ? d->tap_step : x_step, x_step);
  s->taps = d->taps;
  s->tap_step = d->taps > 1 ? d->tap_step / unit : 1;
  s->x_step = x_step / unit;
  s->unit = unit * conv_stride(s->window, cg_storage(s->cg, s->x), s->along);
}

static void consider(DepthwiseQuads *s, DepthwiseQuads *best, int64_t *least) {
  if (!is_possible(s)) return;
  int64_t cost = form_cost(s);
  if (*least && cost >= *least) return;
  *least = cost;
  *best = *s;
}

static void consider_dims(DepthwiseQuads *s, DepthwiseQuads *best, int64_t *least, int down, bool looped) {
  s->down = down;
  s->along = 3 - down;
  s->looped = looped;
  set_along(s);
  for (s->results = 1; s->results <= QUAD_RESULTS; s->results++) {
    if (!make_quads(s)) return;
    int most = looped ? 1 : s->count < MAX_POSITIONS ? (int)s->count : MAX_POSITIONS;
    for (s->positions = looped; s->positions <= most; s->positions++) consider(s, best, least);
  }
}

bool quad_plan(DepthwiseQuads *s) {
  const Target *t = s->cg->target;
  const Storage *x = cg_storage(s->cg, s->x), *y = cg_storage(s->cg, s->y);
  if (!t->interleave || t->pair_major || x->elem != t->act || dtype_info[y->elem].bytes != 1) return false;
  s->lanes = t->lanes;
  s->width = 4 * t->lanes;
  s->channels = s->x->type.shape.dim[1];
  s->blocks = (s->channels + s->width - 1) / s->width;
  s->whole_reads = x->buffer && x->buffer->kind == BUFFER_WORKSPACE;
  DepthwiseQuads best;
  int64_t least = 0;
  for (int looped = 0; looped < 2 && !least; looped++)
    for (int down = 1; down < 3; down++) consider_dims(s, &best, &least, down, looped);
  if (least) *s = best;
  return least;
}

/* ---- rows of positions as functions ---- */

int quad_segments(const DepthwiseQuads *s, QuadSegment *out) {
  int64_t width = s->window->dim[s->along].count, step = s->positions ? s->positions : quad_period(s);
  bool moved_back = s->block_step && width % s->pixels;
  int64_t count = moved_back ? s->count - 1 : s->count;
  int64_t most = s->last < s->stored ? count - 1 : count; /* the last position may be another */
  int64_t whole = most / step * step;
  if (s->positions ? whole == 0 : function_lines(s, count) <= MAX_LINES) whole = count;
  int n = 0;
  out[n++] = (QuadSegment){.count = whole, .ends = whole == count};
  if (whole < count) out[n++] = (QuadSegment){whole * s->pixels, count - whole, true};
  if (moved_back) out[n++] = (QuadSegment){width - s->pixels, 1, true};
  return n;
}
