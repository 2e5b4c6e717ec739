#include "codegen/winograd.h"

#include <string.h>

#include "codegen/residual.h"
#include "codegen/tile_row.h"
#include "ir/quant.h"

/* Bytes: of a transformed group, where groups are multiplied one by one; of weights that stay in the second
 * cache while they are read again for each row; of a transformed image that does. */
enum { NEAR_GROUP = 8 << 10, NEAR_WEIGHTS = 768 << 10, NEAR_IMAGE = 512 << 10, THREADS_IMAGE = 4 << 20 };
/* Of weights that are worth their transform, which makes them 32/9 as large. */
enum { MOST_WEIGHTS = 4 << 20 };
/* Tiles of a group: with two vectors, what 16 registers hold; and what leaves the sums 3 KB of the stack. */
enum { GROUP_TILES = 6, STACK_TILES = 3 };
/* Channels that are worth the transforms. */
enum { LEAST_CHANNELS = 8 };
/* The smallest multiplier of which a quarter certainly is a normal float. */
static const float least_multiplier = 0x1p-100f;

int64_t winograd_elements(const Winograd *s, int64_t tiles) { return WINOGRAD_POINTS * tiles * s->channels; }
int64_t winograd_vectors(const Winograd *s) { return (s->oc + s->lanes - 1) / s->lanes; }
int64_t winograd_weights(const Winograd *s) { return WINOGRAD_POINTS * ((s->ic + 1) / 2) * 4 * s->lanes; }

/* ---- which nodes ---- */

bool winograd_has_shape(const Node *n) {
  if (n->op != OP_conv2d) return false;
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  const Shape *w = &n->operands[1]->type.shape, *y = &n->results[0]->type.shape;
  return a->groups == 1 && a->stride.v[0] == 1 && a->stride.v[1] == 1 && a->dilation.v[0] == 1 &&
         a->dilation.v[1] == 1 && w->dim[2] == 3 && w->dim[3] == 3 && y->dim[0] > 0 &&
         y->dim[2] >= WINOGRAD_RESULTS && y->dim[3] >= WINOGRAD_RESULTS && w->dim[1] >= LEAST_CHANNELS;
}

static bool has_types(const Cg *cg, const Node *n) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  if (!tensor_is_quantized(x) || !tensor_is_quantized(y)) return false;
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  return sx->elem == DT_U8 && (sy->elem == DT_U8 || sy->elem == DT_S8) && sx->buffer &&
         sx->buffer->kind == BUFFER_WORKSPACE;
}

/* Four times the sums fit 32 bits, and a quarter of the multipliers are normal floats. */
static bool has_values(const Node *n) {
  const Quant *q = n->operands[1]->type.quant;
  if (linear_largest_sum(n) >= 1 << 29) return false;
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
  const Shape *w = &n->operands[1]->type.shape;
  return cg->target->winograd && !cg->saves_memory && winograd_has_shape(n) &&
         w->dim[0] >= cg->target->lanes && w->dim[0] * w->dim[1] * 2 * WINOGRAD_POINTS <= MOST_WEIGHTS &&
         has_types(cg, n) && has_values(n);
}

/* ---- how ---- */

int64_t winograd_sums(const Winograd *s) { return (int64_t)WINOGRAD_POINTS * s->mr * s->nv * s->lanes; }

/* Threads need a transformed image that all read, and sums of their own. */
static WinogradStrip choose_strip(const Winograd *s) {
  int64_t group = 2 * winograd_elements(s, STACK_TILES),
          image = 2 * winograd_elements(s, s->rows * s->columns);
  int64_t weights = winograd_vectors(s) * winograd_weights(s);
  if (s->cg->options->threads && s->images == 1 && image <= THREADS_IMAGE) return STRIP_IMAGE;
  if (group <= NEAR_GROUP) return STRIP_GROUP;
  return s->images == 1 && image <= NEAR_IMAGE && weights > NEAR_WEIGHTS ? STRIP_IMAGE : STRIP_ROW;
}

static Winograd plan(const Cg *cg, const Node *n) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Storage *sx = cg_storage(cg, x), *sy = cg_storage(cg, y);
  const Shape *shape = &y->type.shape;
  const IntList *pad = &ATTRS(n, ConvAttrs)->pad;
  Winograd s = {.cg = (Cg *)cg,
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
                .lanes = cg->target->lanes,
                .nv = cg->target->lanes > 8 ? 1 : 2};
  int64_t block = 2 * s.lanes;
  s.channels = (s.ic + block - 1) / block * block;
  s.rows = (s.height + 1) / 2;
  s.columns = (s.width + 1) / 2;
  if (s.nv > winograd_vectors(&s)) s.nv = 1;
  s.strip = choose_strip(&s);
  s.sums_on_stack = s.strip == STRIP_GROUP || cg->options->threads;
  s.mr = tile_pixels(s.columns, s.sums_on_stack ? STACK_TILES : GROUP_TILES);
  s.groups = (s.columns + s.mr - 1) / s.mr;
  return s;
}

/* Bytes of what is transformed at a time. */
static int64_t strip_bytes(const Winograd *s) {
  const int64_t tiles[] = {
      [STRIP_GROUP] = s->mr, [STRIP_ROW] = s->columns, [STRIP_IMAGE] = s->rows * s->columns};
  return 2 * winograd_elements(s, tiles[s->strip]);
}

int64_t winograd_scratch(const Cg *cg, const Node *n) {
  Winograd s = plan(cg, n);
  return strip_bytes(&s) + (s.sums_on_stack ? 0 : 4 * winograd_sums(&s));
}

/* ---- the kernels ---- */

/* Groups of tiles: all but the last of a row are alike. */
enum { INNER, LAST, GROUP_KINDS };

typedef struct {
  VirFunc *transform[GROUP_KINDS];
  VirFunc *whole[GROUP_KINDS], *left[GROUP_KINDS]; /* of panels of nv vectors, of what is left */
} Funcs;

typedef struct {
  const Winograd *s;
  const Funcs *f;
  VirBuilder *b;
  bool transform, multiply; /* what is done */
  bool panel_is_left;       /* the panel that is open */
  VirAddr w, bias, m;       /* of it */
  VirAddr sums;             /* without a base: on the stack */
  ResidualBases residual;
} Walk;

/* Of a group of tiles: the operand, what it is transformed to, the results. */
typedef struct {
  VirAddr x, v, y;
} Place;

static Place moved(Place p, const VirVar *loop, int64_t n, Place step) {
  VirAddr *at[] = {&p.x, &p.v, &p.y};
  const int64_t by[] = {step.x.offset, step.v.offset, step.y.offset};
  for (int i = 0; i < 3; i++) *at[i] = loop ? vir_plus(*at[i], loop, by[i]) : vir_offset(*at[i], n * by[i]);
  return p;
}

static Place steps(int64_t x, int64_t v, int64_t y) {
  return (Place){{.offset = x}, {.offset = v}, {.offset = y}};
}

static WinogradGroup group_of(const Winograd *s, int kind) {
  if (kind == INNER) return (WinogradGroup){s->mr, false};
  int tiles = (int)(s->columns - (s->groups - 1) * s->mr);
  return (WinogradGroup){tiles, s->width % 2 && tiles > 1};
}

/* The last group of a row is like the others. */
static bool is_even(const Winograd *s) { return s->width % 2 == 0 && group_of(s, LAST).tiles == s->mr; }

static void call_product(const Walk *w, int kind, Place p, VirAddr y, bool left) {
  VirAddr args[8] = {p.v, w->w, w->bias, w->m};
  int n = 4 + residual_args(&w->residual, y, args + 4);
  args[n++] = y;
  if (w->sums.base) args[n++] = w->sums;
  vir_call(w->b, left ? w->f->left[kind] : w->f->whole[kind], n, args);
}

/* All panels: `body` is called with the walk's weights at each. */
static void each_panel(Walk *w, Place p, void (*body)(Walk *w, Place p, int arg), int arg) {
  const Winograd *s = w->s;
  int64_t each = (int64_t)s->nv * s->lanes, whole = s->oc / each, weights = s->nv * winograd_weights(s);
  const Walk before = *w;
  w->panel_is_left = false;
  if (whole > 0) {
    Place q = p;
    const VirVar *v = whole > 1 ? vir_loop(w->b, "panel", 0, whole, 1) : NULL;
    if (v) {
      w->w = vir_plus(before.w, v, weights);
      w->bias = vir_plus(before.bias, v, each);
      w->m = vir_plus(before.m, v, each);
      q.y = vir_plus(p.y, v, each);
    }
    body(w, q, arg);
    if (v) vir_end(w->b);
  }
  if (s->oc % each) {
    w->panel_is_left = true;
    w->w = vir_offset(before.w, whole * weights);
    w->bias = vir_offset(before.bias, whole * each);
    w->m = vir_offset(before.m, whole * each);
    p.y = vir_offset(p.y, whole * each);
    body(w, p, arg);
  }
  *w = before;
}

static void multiply_group(Walk *w, Place p, int kind) { call_product(w, kind, p, p.y, w->panel_is_left); }

static void do_group(Walk *w, Place p, int kind) {
  if (w->transform) {
    const VirAddr args[] = {p.x, p.v};
    vir_call(w->b, w->f->transform[kind], 2, args);
  }
  if (!w->multiply) return;
  if (w->s->strip == STRIP_GROUP) {
    each_panel(w, p, multiply_group, kind);
  } else {
    multiply_group(w, p, kind);
  }
}

/* The groups of a row. */
static void do_groups(Walk *w, Place p, int unused) {
  const Winograd *s = w->s;
  (void)unused;
  int64_t looped = is_even(s) ? s->groups : s->groups - 1;
  int64_t v_step = s->strip == STRIP_GROUP ? 0 : winograd_elements(s, s->mr);
  Place step = steps(s->mr * WINOGRAD_RESULTS * s->x_pixel, v_step, s->mr * WINOGRAD_RESULTS * s->y_pixel);
  if (looped > 1) {
    const VirVar *g = vir_loop(w->b, "tx", 0, looped, 1);
    do_group(w, moved(p, g, 0, step), INNER);
    vir_end(w->b);
  } else if (looped) {
    do_group(w, p, INNER);
  }
  if (looped == s->groups) return;
  p = moved(p, NULL, looped, step);
  bool back = s->width % 2 && group_of(s, LAST).tiles == 1; /* it is the one that begins a column earlier */
  do_group(w, moved(p, NULL, back, steps(-s->x_pixel, 0, -s->y_pixel)), LAST);
}

static void do_row(Walk *w, Place p) {
  if (w->s->strip != STRIP_ROW) {
    do_groups(w, p, 0);
    return;
  }
  w->multiply = false;
  do_groups(w, p, 0);
  w->multiply = true;
  w->transform = false;
  each_panel(w, p, do_groups, 0);
  w->transform = true;
}

/* All rows of tiles; with an odd height the last one overlaps the one before. */
static void do_rows(Walk *w, Place p, int unused) {
  const Winograd *s = w->s;
  (void)unused;
  int64_t even = s->height / 2, v_row = s->strip == STRIP_IMAGE ? winograd_elements(s, s->columns) : 0;
  Place step = steps(WINOGRAD_RESULTS * s->x_row, v_row, WINOGRAD_RESULTS * s->y_row);
  if (even > 1) {
    const VirVar *ty = vir_loop(w->b, "ty", 0, even, 1);
    do_row(w, moved(p, ty, 0, step));
    vir_end(w->b);
  } else {
    do_row(w, p);
  }
  if (s->height % 2 == 0) return;
  do_row(w, moved(moved(p, NULL, even, step), NULL, 1, steps(-s->x_row, 0, -s->y_row)));
}

static void make_funcs(const Winograd *s, Funcs *f) {
  int64_t each = (int64_t)s->nv * s->lanes, left = s->oc % each;
  int left_nv = (int)((left + s->lanes - 1) / s->lanes),
      last = left % s->lanes ? (int)(left % s->lanes) : s->lanes;
  *f = (Funcs){.transform = {NULL}};
  for (int kind = 0; kind < GROUP_KINDS; kind++) {
    if (kind == LAST ? is_even(s) : s->groups == 1 && !is_even(s)) continue;
    WinogradGroup g = group_of(s, kind);
    f->transform[kind] = winograd_transform(s, g);
    if (s->oc >= each) f->whole[kind] = winograd_product(s, g, s->nv, s->lanes);
    if (left) f->left[kind] = winograd_product(s, g, left_nv, last);
  }
}

static void begin(const Winograd *s, VirBuilder *b, const char *what) {
  const Tensor *weight = s->node->operands[1];
  cg_kernel(s->cg, b, s->node, what, "%s x weights %s -> %s, by 2x2 results (Winograd)%s%s%s",
            type_text(s->cg->arena, &s->x->type), shape_text(s->cg->arena, &weight->type.shape),
            type_text(s->cg->arena, &s->y->type), residual_text(s->cg, s->add), *what ? ": " : "", what);
}

/* One kernel, or one for each of the walk's two parts. `parts`: which it does. */
static void emit_kernel(Winograd *s, const Funcs *f, Buffer *scratch, const char *what, bool transform,
                        bool multiply) {
  VirBuilder b;
  begin(s, &b, what);
  Walk w = {.s = s, .f = f, .b = &b, .transform = transform, .multiply = multiply};
  Place p = {{0}, {0}, {0}};
  if (transform) p.x = vir_addr(cg_read(s->cg, &b, s->x, "x"), s->x_first);
  p.v = vir_addr(cg_scratch_s16(s->cg, &b, scratch, "v", transform), 0);
  if (multiply) {
    w.residual = residual_bases(s->cg, &b, s->add);
    p.y = vir_addr(cg_write(s->cg, &b, s->add ? s->add->results[0] : s->y, "y"), s->y_first);
    w.w = vir_addr(s->weights, 0);
    w.bias = vir_addr(s->bias, 0);
    w.m = vir_addr(s->multiplier, 0);
    if (!s->sums_on_stack)
      w.sums = vir_addr(cg_scratch_at(s->cg, &b, scratch, "sums", DT_S32, strip_bytes(s)), 0);
  }
  const VirVar *n = NULL;
  if (s->images > 1) {
    n = vir_loop(&b, "n", 0, s->images, 1);
    p.x = vir_plus(p.x, n, cg_storage(s->cg, s->x)->stride[0]);
    p.y = vir_plus(p.y, n, cg_storage(s->cg, s->y)->stride[0]);
  }
  if (s->strip == STRIP_IMAGE && multiply) {
    each_panel(&w, p, do_rows, 0);
  } else {
    do_rows(&w, p, 0);
  }
  if (n) vir_end(&b);
  cg_done(s->cg, &b);
}

void winograd_emit(Cg *cg, const Node *n, Buffer *scratch) {
  Winograd s = plan(cg, n);
  Funcs f;
  cg_method(cg, n, "2x2 results of 16 products (Winograd), tiles of %d x %d channels%s", s.mr, s.nv * s.lanes,
            residual_text(cg, s.add));
  winograd_pack(&s);
  make_funcs(&s, &f);
  if (s.strip == STRIP_IMAGE) {
    emit_kernel(&s, &f, scratch, "transform", true, false);
    emit_kernel(&s, &f, scratch, "", false, true);
  } else {
    emit_kernel(&s, &f, scratch, "", true, true);
  }
}
