#include "codegen/winograd.h"

#include <string.h>

#include "codegen/residual.h"
#include "codegen/tile_row.h"
#include "codegen/winograd_product.h"
#include "ir/quant.h"

/* Bytes: of a transformed group, where groups are multiplied one by one; of weights that stay in the second
 * cache while they are read again for each row; of a transformed image that does. */
enum { NEAR_GROUP = 32 << 10, NEAR_WEIGHTS = 768 << 10, NEAR_IMAGE = 512 << 10, THREADS_IMAGE = 4 << 20 };
/* Vectors of sums of a group that 16 registers hold, with a panel's weights and an operand. */
enum { SUMS_16 = 12 };
/* Tiles whose products are not made at full speed. */
enum { FEW_TILES = 4 };
/* 64 times the sums fit 32 bits. */
static const int64_t largest_sum = 1 << 25;
/* The smallest multiplier of which a quarter certainly is a normal float. */
static const float least_multiplier = 0x1p-100f;

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t winograd_elements(const Winograd *s) { return WINOGRAD_POINTS * s->down * s->across * s->channels; }
int64_t winograd_sums(const Winograd *s) {
  return (int64_t)WINOGRAD_POINTS * s->down * s->across * s->nv * s->lanes;
}
/* Vectors of weights that so many result channels take. */
static int64_t vectors_of(const Target *t, int64_t channels) {
  return ceil_div(channels, t->winograd_kernel->vectors * t->lanes) * t->winograd_kernel->vectors;
}
int64_t winograd_vectors(const Winograd *s) { return vectors_of(s->cg->target, s->oc); }
int64_t winograd_weights(const Winograd *s) {
  return WINOGRAD_POINTS * ceil_div(s->ic, s->kernel->step) * s->kernel->step * 2 * s->lanes;
}

/* ---- which nodes ---- */

static bool is_plain_3x3(const Node *n) {
  if (n->op != OP_conv2d) return false;
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  const Shape *w = &n->operands[1]->type.shape, *y = &n->results[0]->type.shape;
  return a->groups == 1 && a->stride.v[0] == 1 && a->stride.v[1] == 1 && a->dilation.v[0] == 1 &&
         a->dilation.v[1] == 1 && w->dim[2] == 3 && w->dim[3] == 3 && y->dim[0] > 0 &&
         y->dim[2] >= WINOGRAD_RESULTS && y->dim[3] >= WINOGRAD_RESULTS;
}

/* In half cycles, for an image; few tiles have few sums, which wait for each other. */
static bool is_faster(const Target *t, const Shape *w, const Shape *y) {
  const WinogradCost *c = &t->winograd;
  int64_t vectors = ceil_div(w->dim[0], t->lanes), ic = w->dim[1];
  int64_t tiles = ceil_div(y->dim[2], WINOGRAD_RESULTS) * ceil_div(y->dim[3], WINOGRAD_RESULTS);
  int64_t products = WINOGRAD_POINTS * ceil_div(ic, 2) * c->product * (tiles < FEW_TILES ? 2 : 1);
  int64_t tile =
      vectors_of(t, w->dim[0]) * products + vectors * c->back + ceil_div(ic, 2 * t->lanes) * c->forward;
  return tiles * tile < y->dim[2] * y->dim[3] * vectors * ceil_div(9 * ic, 4) * c->usual;
}

bool winograd_has_shape(const Target *t, const Node *n) {
  if (!t->winograd_kernel || !is_plain_3x3(n)) return false;
  const Shape *w = &n->operands[1]->type.shape;
  int64_t weights = w->dim[0] * w->dim[1] * WINOGRAD_POINTS * 2;
  return w->dim[0] >= t->winograd_kernel->vectors * t->lanes &&
         weights <= (int64_t)t->winograd.megabytes << 20 && is_faster(t, w, &n->results[0]->type.shape);
}

static bool has_types(const Cg *cg, const Node *n) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  if (!tensor_is_quantized(x) || !tensor_is_quantized(y)) return false;
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  return sx->elem == cg->target->act && (sy->elem == DT_U8 || sy->elem == DT_S8) && sx->buffer &&
         sx->buffer->kind == BUFFER_WORKSPACE;
}

/* Sums that can be divided, and multipliers whose quarter is a normal float. */
static bool has_values(const Node *n) {
  const Quant *q = n->operands[1]->type.quant;
  if (linear_largest_sum(n) >= largest_sum) return false;
  for (int64_t c = 0; c < n->operands[1]->type.shape.dim[0]; c++) {
    float m;
    if (!requant_multiplier(tensor_scale(n->operands[0]), q->scale[q->count > 1 ? c : 0],
                            tensor_scale(n->results[0]), &m) ||
        m < least_multiplier)
      return false;
  }
  return true;
}

bool winograd_suits(const Cg *cg, const Node *n) {
  return !cg->saves_memory && winograd_has_shape(cg->target, n) && has_types(cg, n) && has_values(n);
}

/* ---- how ---- */

/* Threads need a transformed image that all read. */
static WinogradStrip choose_strip(const Winograd *s) {
  int64_t group = 2 * winograd_elements(s), image = group * s->group_rows * s->group_columns;
  int64_t weights = winograd_vectors(s) * winograd_weights(s);
  if (s->cg->options->threads && s->images == 1 && image <= THREADS_IMAGE) return STRIP_IMAGE;
  if (group <= NEAR_GROUP) return STRIP_GROUP;
  return s->images == 1 && image <= NEAR_IMAGE && weights > NEAR_WEIGHTS ? STRIP_IMAGE : STRIP_ROW;
}

/* Rows that are short make groups of several. */
static void choose_groups(Winograd *s) {
  int most = (s->cg->target->registers > 16 ? WINOGRAD_MOST_SUMS : SUMS_16) / s->nv;
  s->across = tile_pixels(s->columns, most);
  s->down = s->across == s->columns ? tile_pixels(s->rows, most / s->across) : 1;
  s->group_columns = ceil_div(s->columns, s->across);
  s->group_rows = ceil_div(s->rows, s->down);
}

static Winograd plan(const Cg *cg, const Node *n) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  const Shape *shape = &y->type.shape;
  const IntList *pad = &ATTRS(n, ConvAttrs)->pad;
  Winograd s = {.kernel = cg->target->winograd_kernel,
                .cg = (Cg *)cg,
                .node = n,
                .add = residual_of(cg, n),
                .x = x,
                .y = y,
                .images = shape->dim[0],
                .height = shape->dim[2],
                .width = shape->dim[3],
                .ic = n->operands[1]->type.shape.dim[1],
                .oc = shape->dim[1],
                .x_row = sx->stride[2],
                .x_pixel = sx->stride[3],
                .x_first = sx->offset - pad->v[0] * sx->stride[2] - pad->v[1] * sx->stride[3],
                .y_row = sy->stride[2],
                .y_pixel = sy->stride[3],
                .y_first = sy->offset,
                .lanes = cg->target->lanes};
  int64_t block = 2 * s.lanes;
  s.channels = ceil_div(s.ic, block) * block;
  s.rows = ceil_div(s.height, WINOGRAD_RESULTS);
  s.columns = ceil_div(s.width, WINOGRAD_RESULTS);
  s.nv = s.kernel->panel(&s);
  if (s.nv > winograd_vectors(&s)) s.nv = (int)winograd_vectors(&s);
  choose_groups(&s);
  s.strip = choose_strip(&s);
  return s;
}

/* Bytes of what is transformed at a time. */
static int64_t strip_bytes(const Winograd *s) {
  const int64_t groups[] = {
      [STRIP_GROUP] = 1, [STRIP_ROW] = s->group_columns, [STRIP_IMAGE] = s->group_rows * s->group_columns};
  return 2 * winograd_elements(s) * groups[s->strip];
}

static int64_t panels(const Winograd *s) { return ceil_div(winograd_vectors(s), s->nv); }

/* Threads do different panels. */
static int64_t sums_step(const Winograd *s) { return s->cg->options->threads ? winograd_sums(s) : 0; }

int64_t winograd_scratch(const Cg *cg, const Node *n) {
  Winograd s = plan(cg, n);
  return strip_bytes(&s) + 4 * (winograd_sums(&s) + (panels(&s) - 1) * sums_step(&s));
}

/* ---- the kernels ---- */

/* A panel of nv whole vectors, and what is left. */
enum { WHOLE, LEFT, PANEL_KINDS };

typedef struct {
  VirFunc *transform, *results[PANEL_KINDS];
  VirFunc *product[PANEL_KINDS][WINOGRAD_MOST_SUMS + 1]; /* of so many tiles */
} Funcs;

typedef struct {
  const Winograd *s;
  const Funcs *f;
  VirBuilder *b;
  bool transform, multiply; /* what is done */
  int panel;                /* that is open: WHOLE, LEFT */
  ResidualBases residual;
} Walk;

/* The operand, what it is transformed to, sums, results; the open panel's constants. */
typedef struct {
  VirAddr x, v, sums, y, w, bias, m;
} Place;

typedef struct {
  int64_t x, v, sums, y, w, channel;
} Step;

static Place moved(Place p, const VirVar *loop, int64_t n, Step step) {
  VirAddr *at[] = {&p.x, &p.v, &p.sums, &p.y, &p.w, &p.bias, &p.m};
  const int64_t by[] = {step.x, step.v, step.sums, step.y, step.w, step.channel, step.channel};
  for (size_t i = 0; i < sizeof by / sizeof *by; i++)
    *at[i] = loop ? vir_plus(*at[i], loop, by[i]) : vir_offset(*at[i], n * by[i]);
  return p;
}

/* Rows or columns of tiles, the last of which begins so many elements earlier. */
typedef struct {
  int64_t count, back;
} Line;

/* Tiles that are multiplied together. */
typedef struct {
  Line rows, columns;
} Group;

typedef void Body(Walk *w, Place p, const Group *g);

/* `count` places. */
static void each_place(Walk *w, Place p, const char *name, int64_t count, Step step, Body *body,
                       const Group *g) {
  if (count < 1) return;
  const VirVar *loop = count > 1 ? vir_loop(w->b, name, 0, count, 1) : NULL;
  body(w, loop ? moved(p, loop, 0, step) : p, g);
  if (loop) vir_end(w->b);
}

/* The tiles of a group: the rows, the tiles of a row. */
static void each_in_line(Walk *w, Place p, const char *name, Line line, Step step, Step element, Body *body,
                         const Group *g) {
  each_place(w, p, name, line.count - (line.back > 0), step, body, g);
  if (line.back) body(w, moved(moved(p, NULL, line.count - 1, step), NULL, -line.back, element), g);
}

static void each_column(Walk *w, Place p, const Group *g, Body *body) {
  const Winograd *s = w->s;
  Step element = {.x = s->x_pixel, .y = s->y_pixel};
  Step step = {.x = WINOGRAD_RESULTS * s->x_pixel,
               .v = s->channels,
               .sums = s->nv * s->lanes,
               .y = WINOGRAD_RESULTS * s->y_pixel};
  each_in_line(w, p, "t", g->columns, step, element, body, g);
}

static void each_row(Walk *w, Place p, const Group *g, Body *body) {
  const Winograd *s = w->s;
  Step element = {.x = s->x_row, .y = s->y_row};
  Step step = {.x = WINOGRAD_RESULTS * s->x_row,
               .v = g->columns.count * s->channels,
               .sums = g->columns.count * s->nv * s->lanes,
               .y = WINOGRAD_RESULTS * s->y_row};
  each_in_line(w, p, "r", g->rows, step, element, body, g);
}

static void transform_tile(Walk *w, Place p, const Group *g) {
  (void)g;
  vir_call(w->b, w->f->transform, 2, (VirAddr[]){p.x, p.v});
}

static void transform_row(Walk *w, Place p, const Group *g) { each_column(w, p, g, transform_tile); }

static void tile_results(Walk *w, Place p, const Group *g) {
  (void)g;
  VirAddr args[6] = {p.sums, p.bias, p.m};
  int n = 3 + residual_args(&w->residual, p.y, args + 3);
  args[n++] = p.y;
  vir_call(w->b, w->f->results[w->panel], n, args);
}

static void row_results(Walk *w, Place p, const Group *g) { each_column(w, p, g, tile_results); }

static void multiply_group(Walk *w, Place p, const Group *g) {
  VirFunc *product = w->f->product[w->panel][g->rows.count * g->columns.count];
  vir_call(w->b, product, 3, (VirAddr[]){p.v, p.w, p.sums});
  each_row(w, p, g, row_results);
}

/* All panels. */
static void each_panel(Walk *w, Place p, const Group *g, Body *body) {
  const Winograd *s = w->s;
  int64_t each = (int64_t)s->nv * s->lanes, whole = s->oc / each;
  Step step = {.sums = sums_step(s), .y = each, .w = s->nv * winograd_weights(s), .channel = each};
  w->panel = WHOLE;
  each_place(w, p, "panel", whole, step, body, g);
  w->panel = LEFT;
  if (s->oc % each) body(w, moved(p, NULL, whole, step), g);
}

static void do_group(Walk *w, Place p, const Group *g) {
  if (w->transform) each_row(w, p, g, transform_row);
  if (!w->multiply) return;
  if (w->s->strip == STRIP_GROUP) {
    each_panel(w, p, g, multiply_group);
  } else {
    multiply_group(w, p, g);
  }
}

/* The last group of a row or column of them. */
static Line last_line(int64_t size, int64_t tiles, int64_t groups, int64_t each) {
  return (Line){tiles - (groups - 1) * each, tiles * WINOGRAD_RESULTS - size};
}

static Group inner_group(const Winograd *s) { return (Group){{s->down, 0}, {s->across, 0}}; }

static Group last_group(const Winograd *s) {
  return (Group){last_line(s->height, s->rows, s->group_rows, s->down),
                 last_line(s->width, s->columns, s->group_columns, s->across)};
}

static bool same_line(Line a, Line b) { return a.count == b.count && a.back == b.back; }

/* All groups of a row or a column of them. */
static void each_group(Walk *w, Place p, const char *name, int64_t count, Step step, Body *body,
                       const Group *inner, const Group *last) {
  bool alike = same_line(inner->rows, last->rows) && same_line(inner->columns, last->columns);
  each_place(w, p, name, alike ? count : count - 1, step, body, inner);
  if (!alike) body(w, moved(p, NULL, count - 1, step), last);
}

static void do_columns(Walk *w, Place p, const Group *g) {
  const Winograd *s = w->s;
  Group inner = {g->rows, inner_group(s).columns}, last = {g->rows, last_group(s).columns};
  Step step = {.x = s->across * WINOGRAD_RESULTS * s->x_pixel,
               .v = s->strip == STRIP_GROUP ? 0 : winograd_elements(s),
               .y = s->across * WINOGRAD_RESULTS * s->y_pixel};
  each_group(w, p, "tx", s->group_columns, step, do_group, &inner, &last);
}

static void do_row(Walk *w, Place p, const Group *g) {
  if (w->s->strip != STRIP_ROW) {
    do_columns(w, p, g);
    return;
  }
  w->multiply = false;
  do_columns(w, p, g);
  w->multiply = true;
  w->transform = false;
  each_panel(w, p, g, do_columns);
  w->transform = true;
}

static void do_rows(Walk *w, Place p, const Group *g) {
  const Winograd *s = w->s;
  Group inner = inner_group(s), last = {last_group(s).rows, inner.columns};
  Step step = {.x = s->down * WINOGRAD_RESULTS * s->x_row,
               .v = s->strip == STRIP_IMAGE ? s->group_columns * winograd_elements(s) : 0,
               .y = s->down * WINOGRAD_RESULTS * s->y_row};
  (void)g;
  each_group(w, p, "ty", s->group_rows, step, do_row, &inner, &last);
}

/* Some group of a row or a column of them is like those that are not the last. */
static bool has_inner(int64_t groups, Line inner, Line last) { return groups > 1 || same_line(inner, last); }

static void make_products(const Winograd *s, Funcs *f, int kind, int nv) {
  Group inner = inner_group(s), last = last_group(s);
  const Line rows[] = {inner.rows, last.rows}, columns[] = {inner.columns, last.columns};
  for (int i = !has_inner(s->group_rows, rows[0], rows[1]); i < 2; i++)
    for (int j = !has_inner(s->group_columns, columns[0], columns[1]); j < 2; j++) {
      int tiles = (int)(rows[i].count * columns[j].count);
      if (!f->product[kind][tiles]) f->product[kind][tiles] = winograd_product(s, tiles, nv);
    }
}

static void make_funcs(const Winograd *s, Funcs *f) {
  int64_t each = (int64_t)s->nv * s->lanes;
  const int64_t channels[] = {[WHOLE] = s->oc >= each ? each : 0, [LEFT] = s->oc % each};
  *f = (Funcs){.transform = winograd_transform(s)};
  for (int kind = 0; kind < PANEL_KINDS; kind++) {
    if (!channels[kind]) continue;
    int last = (int)((channels[kind] - 1) % s->lanes) + 1;
    make_products(s, f, kind, (int)vectors_of(s->cg->target, channels[kind]));
    f->results[kind] = winograd_results(s, (int)ceil_div(channels[kind], s->lanes), last);
  }
}

static void begin(const Winograd *s, VirBuilder *b, const char *what) {
  const Tensor *weight = s->node->operands[1];
  cg_kernel(s->cg, b, s->node, what, "%s x weights %s -> %s, by 4x4 results (Winograd)%s%s%s",
            type_text(s->cg->arena, &s->x->type), shape_text(s->cg->arena, &weight->type.shape),
            type_text(s->cg->arena, &s->y->type), residual_text(s->cg, s->add), *what ? ": " : "", what);
}

/* One kernel, or one for each of the walk's two parts: which it does. */
static void emit_kernel(Winograd *s, const Funcs *f, Buffer *scratch, const char *what, bool transform,
                        bool multiply) {
  VirBuilder b;
  begin(s, &b, what);
  Walk w = {.s = s, .f = f, .b = &b, .transform = transform, .multiply = multiply};
  Place p = {.x = {0}};
  if (transform) p.x = vir_addr(cg_read(s->cg, &b, s->x, "x"), s->x_first);
  p.v = vir_addr(cg_scratch_s16(s->cg, &b, scratch, "v", transform), 0);
  if (multiply) {
    w.residual = residual_bases(s->cg, &b, s->add);
    p.sums = vir_addr(cg_scratch_at(s->cg, &b, scratch, "sums", DT_S32, strip_bytes(s)), 0);
    p.y = vir_addr(cg_write(s->cg, &b, s->add ? s->add->results[0] : s->y, "y"), s->y_first);
    p.w = vir_addr(s->weights, 0);
    p.bias = vir_addr(s->bias, 0);
    p.m = vir_addr(s->multiplier, 0);
  }
  const VirVar *n = NULL;
  if (s->images > 1) {
    n = vir_loop(&b, "n", 0, s->images, 1);
    p = moved(p, n, 0,
              (Step){.x = cg_storage(s->cg, s->x)->stride[0], .y = cg_storage(s->cg, s->y)->stride[0]});
  }
  if (s->strip == STRIP_IMAGE && multiply) {
    each_panel(&w, p, NULL, do_rows);
  } else {
    do_rows(&w, p, NULL);
  }
  if (n) vir_end(&b);
  cg_done(s->cg, &b);
}

void winograd_emit(Cg *cg, const Node *n, Buffer *scratch) {
  Winograd s = plan(cg, n);
  Funcs f;
  cg_method(cg, n, "4x4 results of 36 products (Winograd), groups of %d x %d tiles and %d channels%s", s.down,
            s.across, s.nv * s.lanes, residual_text(cg, s.add));
  winograd_pack(&s);
  make_funcs(&s, &f);
  if (s.strip == STRIP_IMAGE) {
    emit_kernel(&s, &f, scratch, "transform", true, false);
    emit_kernel(&s, &f, scratch, "", false, true);
  } else {
    emit_kernel(&s, &f, scratch, "", true, true);
  }
}
