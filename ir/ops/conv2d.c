/* conv2d(%x [N,IC,H,W], @w [OC,IC/groups,KH,KW], @bias [OC]?) { stride, pad, dilation, groups, act_min,
 * act_max } */
#include "ir/ops/conv2d.h"
#include "ir/ops/dense.h"
#include "ir/ops/window.h"

#include <math.h>

bool conv2d_check(Diag *d, const Node *n, const Shape *x, const Shape *w, Shape *result) {
  const Conv2dAttrs *a = ATTRS(n, Conv2dAttrs);
  const char *op = op_info[n->op]->name;
  if (w->rank != 4)
    return diag_error(d, node_loc(n), "the weight of %s must be [OC, IC / groups, KH, KW], not %s", op,
                      shape_text(d->arena, w));
  WindowDim dims[2];
  if (!window_check(d, n, x, &w->dim[2], &a->stride, &a->pad, &a->dilation, dims)) return false;
  int64_t oc = w->dim[0], ic = x->dim[1];
  if (oc < 1 || w->dim[1] < 1)
    return diag_error(d, node_loc(n), "the weight of %s, %s, has no elements", op, shape_text(d->arena, w));
  if (a->groups < 1 || ic % a->groups)
    return diag_error(d, node_loc(n), "%s: %lld groups do not divide %lld input channels", op,
                      (long long)a->groups, (long long)ic);
  if (oc % a->groups)
    return diag_error(d, node_loc(n), "%s: %lld groups do not divide %lld output channels", op,
                      (long long)a->groups, (long long)oc);
  if (w->dim[1] != ic / a->groups)
    return diag_error(
        d, node_loc(n),
        "%s: the weight has %lld input channels per group, the operand %lld / %lld groups = %lld", op,
        (long long)w->dim[1], (long long)ic, (long long)a->groups, (long long)(ic / a->groups));
  *result = shape_of(4, x->dim[0], oc, dims[0].out, dims[1].out);
  return act_check(d, n, a->act_min, a->act_max);
}

static bool infer_conv2d(Diag *d, Node *n, Type *results) {
  const Shape *x = &n->operands[0]->type.shape, *w = &n->operands[1]->type.shape;
  return conv2d_check(d, n, x, w, &results[0].shape) && dense_check_types(d, n, w->dim[0], &results[0]);
}

/* What one evaluation works with. Activations lie in NHWC, so that the channels of a tap are together;
 * weights in panels of DOT_LANES output channels, [group][panel][kh][kw][ic][lane]. Where a group has a
 * single input channel and few outputs, lanes of several groups are computed together (per_lane): the channel
 * of output oc then lies at oc, and the panels are [panel][kh][kw][lane]. */
typedef struct {
  WindowDim dim[2];
  bool per_lane;
  int64_t groups, oc, k; /* per group: output and input channels */
  int64_t pixel;         /* floats of a pixel in NHWC */
  const float *w;
  DotOutput output;
} Conv;

static int64_t panels_of(const Conv *c) { return (c->oc + DOT_LANES - 1) / DOT_LANES; }
static int64_t panel_size(const Conv *c) { return c->dim[0].kernel * c->dim[1].kernel * c->k * DOT_LANES; }

static const float *pack_weights(Arena *a, const Conv *c, const DotSource *w) {
  int64_t taps = c->dim[0].kernel * c->dim[1].kernel, size = panel_size(c);
  float *packed = ARENA_NEW_ARRAY(a, float, (size_t)(c->groups * panels_of(c) * size));
  for (int64_t g = 0; g < c->groups; g++)
    for (int64_t oc = 0; oc < c->oc; oc++) {
      float *panel = packed + (g * panels_of(c) + oc / DOT_LANES) * size + oc % DOT_LANES;
      int64_t channel = g * c->oc + oc;
      for (int64_t ic = 0; ic < c->k; ic++)
        dot_load_channel(w, (channel * c->k + ic) * taps, taps, channel, panel + ic * DOT_LANES,
                         c->k * DOT_LANES);
    }
  return packed;
}

/* Image `image` of x in NHWC; `repeat`: how many outputs read each channel, for per_lane. A block of pixels
 * at a time, which stays in the cache. */
static void load_image(const Conv *c, const DotSource *x, int64_t image, int64_t channels, int64_t repeat,
                       float *dst) {
  enum { BLOCK = 64 };
  int64_t pixels = c->dim[0].in * c->dim[1].in;
  for (int64_t p = 0; p < pixels; p += BLOCK) {
    int64_t count = pixels - p < BLOCK ? pixels - p : BLOCK;
    for (int64_t ch = 0; ch < channels; ch++)
      for (int64_t r = 0; r < repeat; r++)
        dot_load_channel(x, (image * channels + ch) * pixels + p, count, 0,
                         dst + p * c->pixel + ch * repeat + r, c->pixel);
  }
}

/* One panel of output channels over one image. */
typedef struct {
  const Conv *conv;
  const float *x, *w; /* of the panel's first input channel; its weights */
  int64_t channel;    /* its first output channel */
  int lanes;          /* how many it has */
  void *out;
  int64_t first; /* the element of `out` where that channel begins */
  DotTaps taps;
} Panel;

/* Positions [x0, x1) of row y, whose taps [kw0, kw1) are the same and whose rows of taps begin at kh0. */
static void run_span(Panel *p, int64_t y, int64_t kh0, int64_t x0, int64_t x1) {
  const Conv *c = p->conv;
  const WindowDim *h = &c->dim[0], *v = &c->dim[1];
  DotTaps *t = &p->taps;
  int64_t kw0, kw1, iy = y * h->stride - h->before + kh0 * h->dilation;
  window_taps(v, x0, 0, v->in, &kw0, &kw1);
  t->cols = kw1 - kw0;
  t->w = p->w + kh0 * t->w_row + kw0 * t->w_col;
  for (int64_t ox = x0; ox < x1;) {
    int positions = x1 - ox >= DOT_POSITIONS ? DOT_POSITIONS : 1;
    int64_t ix = ox * v->stride - v->before + kw0 * v->dilation;
    t->x = t->rows && t->cols ? p->x + (iy * v->in + ix) * c->pixel : p->x;
    dot_tile(&c->output, t, positions, p->channel, p->lanes, p->out, p->first + y * v->out + ox, 1,
             h->out * v->out);
    ox += positions;
  }
}

static void run_panel(Panel *p) {
  const WindowDim *h = &p->conv->dim[0], *v = &p->conv->dim[1];
  DotTaps *t = &p->taps;
  int64_t k = p->conv->k, pixel = p->conv->pixel, inner0, inner1, kh0, kh1;
  *t = (DotTaps){.k = k, .per_lane = p->conv->per_lane};
  t->x_step = v->stride * pixel;
  t->x_row = h->dilation * v->in * pixel;
  t->x_col = v->dilation * pixel;
  t->w_col = k * DOT_LANES;
  t->w_row = v->kernel * t->w_col;
  window_interior(v, &inner0, &inner1);
  for (int64_t y = 0; y < h->out; y++) {
    window_taps(h, y, 0, h->in, &kh0, &kh1);
    t->rows = kh1 - kh0;
    for (int64_t x = 0, end; x < v->out; x = end) {
      end = x >= inner0 && x < inner1 ? inner1 : x + 1;
      run_span(p, y, kh0, x, end);
    }
  }
}

/* A 1x1 convolution of every pixel is the same over an image of one row, with longer runs. */
static void flatten_pointwise(WindowDim dim[2]) {
  for (int i = 0; i < 2; i++)
    if (dim[i].kernel != 1 || dim[i].stride != 1 || dim[i].before || dim[i].after) return;
  dim[1].in = dim[1].out = dim[0].in * dim[1].in;
  dim[0].in = dim[0].out = 1;
}

void conv2d_compute(Arena *arena, const Node *n, const DotSource *x, const Shape *xs, const DotSource *w,
                    const Shape *ws, const DotOutput *o, void *out) {
  const Conv2dAttrs *a = ATTRS(n, Conv2dAttrs);
  Conv c = {.groups = a->groups, .oc = ws->dim[0] / a->groups, .k = ws->dim[1], .output = *o};
  window_dims(xs, &ws->dim[2], &a->stride, &a->pad, &a->dilation, c.dim);
  flatten_pointwise(c.dim);
  int64_t repeat = 1;
  c.pixel = xs->dim[1];
  if (c.k == 1 && a->groups > 1 && c.oc < DOT_LANES) {
    repeat = c.oc;
    c.per_lane = true;
    c.groups = 1;
    c.oc = ws->dim[0];
    c.pixel = panels_of(&c) * DOT_LANES;
  }
  c.w = pack_weights(arena, &c, w);
  float *image = ARENA_NEW_ARRAY(arena, float, (size_t)(c.dim[0].in * c.dim[1].in * c.pixel));
  int64_t area = c.dim[0].out * c.dim[1].out;
  for (int64_t i = 0; i < xs->dim[0]; i++) {
    load_image(&c, x, i, xs->dim[1], repeat, image);
    for (int64_t g = 0; g < c.groups; g++)
      for (int64_t p = 0; p < panels_of(&c); p++) {
        int64_t left = c.oc - p * DOT_LANES, channel = g * c.oc + p * DOT_LANES;
        run_panel(&(Panel){.conv = &c,
                           .x = image + (c.per_lane ? channel : g * c.k),
                           .w = c.w + (g * panels_of(&c) + p) * panel_size(&c),
                           .channel = channel,
                           .lanes = (int)(left < DOT_LANES ? left : DOT_LANES),
                           .out = out,
                           .first = (i * ws->dim[0] + channel) * area});
      }
  }
}

static void eval_conv2d(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  const Conv2dAttrs *a = ATTRS(n, Conv2dAttrs);
  const Tensor *x = n->operands[0], *w = n->operands[1];
  DotSource source = dot_source(x, in[0]), weight = dot_weight(w, in[1], x->type.dtype == DT_F32);
  DotOutput o = dot_output(ctx->scratch, n, in, a->act_min, a->act_max);
  conv2d_compute(ctx->scratch, n, &source, &x->type.shape, &weight, &w->type.shape, &o, out[0]);
}

static int64_t macs_conv2d(const Node *n) {
  const Shape *w = &n->operands[1]->type.shape;
  return shape_count(&n->results[0]->type.shape) * w->dim[1] * w->dim[2] * w->dim[3];
}

const Conv2dAttrs conv2d_defaults = {.stride = {2, {1, 1}},
                                     .pad = {4, {0, 0, 0, 0}},
                                     .dilation = {2, {1, 1}},
                                     .groups = 1,
                                     .act_min = -INFINITY,
                                     .act_max = INFINITY};
const AttrDesc conv2d_attrs[] = {{"stride", ATTR_INTS, offsetof(Conv2dAttrs, stride), .count = 2},
                                 {"pad", ATTR_INTS, offsetof(Conv2dAttrs, pad), .count = 4},
                                 {"dilation", ATTR_INTS, offsetof(Conv2dAttrs, dilation), .count = 2},
                                 {"groups", ATTR_INT, offsetof(Conv2dAttrs, groups)},
                                 {"act_min", ATTR_FLOAT, offsetof(Conv2dAttrs, act_min)},
                                 {"act_max", ATTR_FLOAT, offsetof(Conv2dAttrs, act_max)},
                                 {0}};

const OpInfo op_conv2d = {.name = "conv2d",
                          .min_operands = 2,
                          .max_operands = 3,
                          .n_results = 1,
                          .attrs_size = sizeof(Conv2dAttrs),
                          .attr_defaults = &conv2d_defaults,
                          .attrs = conv2d_attrs,
                          .quant = QUANT_LINEAR,
                          .infer = infer_conv2d,
                          .eval = eval_conv2d,
                          .macs = macs_conv2d};
