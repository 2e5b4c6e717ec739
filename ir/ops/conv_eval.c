/* The reference kernel of all convolutions, in gather form: for each output the taps that lie in the input,
 * by ascending position there. */
#include "ir/ops/conv.h"

/* What one evaluation works with. Activations lie in N(D)HWC, so that the channels of a tap are together;
 * weights in panels of DOT_LANES output channels, [group][panel][kd][kh][kw][ic][lane]. Where a group has a
 * single input channel and few outputs, lanes of several groups are computed together (per_lane): the channel
 * of output oc then lies at oc, and the panels are [panel][kd][kh][kw][lane]. */
typedef struct {
  WindowDim dim[WINDOW_DIMS];
  WindowSteps step[WINDOW_DIMS];
  const WindowTaps *taps[WINDOW_DIMS]; /* NULL: output o has one tap, input o */
  bool per_lane;
  int64_t groups, oc, k; /* per group: output and input channels */
  int64_t pixel;         /* floats of a pixel in N(D)HWC */
  const float *w;
  DotOutput output;
} Conv;

static int64_t product_in(const Conv *c) { return c->dim[0].in * c->dim[1].in * c->dim[2].in; }
static int64_t product_out(const Conv *c) { return c->dim[0].out * c->dim[1].out * c->dim[2].out; }
static int64_t taps_of(const Conv *c) { return c->dim[0].kernel * c->dim[1].kernel * c->dim[2].kernel; }
static int64_t panels_of(const Conv *c) { return (c->oc + DOT_LANES - 1) / DOT_LANES; }
static int64_t panel_size(const Conv *c) { return taps_of(c) * c->k * DOT_LANES; }

static const float *pack_weights(Arena *a, const Conv *c, const DotSource *w) {
  int64_t taps = taps_of(c), size = panel_size(c);
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

/* Image `image` of x in N(D)HWC; `repeat`: how many outputs read each channel, for per_lane. A block of
 * pixels at a time, which stays in the cache. */
static void load_image(const Conv *c, const DotSource *x, int64_t image, int64_t channels, int64_t repeat,
                       float *dst) {
  enum { BLOCK = 64 };
  int64_t pixels = product_in(c);
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

static WindowTaps taps_at(const Conv *c, int dim, int64_t o) {
  return c->taps[dim] ? c->taps[dim][o] : (WindowTaps){.count = 1, .in = o};
}

/* How many positions from x on, a period apart, see the same part of the window: DOT_POSITIONS or 1. */
static int positions_at(const Conv *c, int64_t x) {
  const WindowTaps *t = c->taps[2];
  int64_t period = c->step[2].period;
  if (x + (DOT_POSITIONS - 1) * period >= c->dim[2].out) return 1;
  for (int i = 1; t && i < DOT_POSITIONS; i++) {
    const WindowTaps *other = &t[x + i * period];
    if (other->count != t[x].count || other->kernel != t[x].kernel) return 1;
  }
  return DOT_POSITIONS;
}

static void run_row(Panel *p, int64_t z, int64_t y) {
  const Conv *c = p->conv;
  DotTaps *t = &p->taps;
  WindowTaps tz = taps_at(c, 0, z), ty = taps_at(c, 1, y);
  int64_t period = c->step[2].period, row = p->first + (z * c->dim[1].out + y) * c->dim[2].out;
  t->planes = tz.count;
  for (int64_t phase = 0; phase < period && phase < c->dim[2].out; phase++)
    for (int64_t x = phase, positions; x < c->dim[2].out; x += positions * period) {
      WindowTaps tx = taps_at(c, 2, x);
      bool any = tz.count && ty.count && tx.count;
      positions = positions_at(c, x);
      t->rows = any ? ty.count : 0;
      t->cols = tx.count;
      t->x = p->x;
      t->w = p->w;
      if (any) {
        t->x += ((tz.in * c->dim[1].in + ty.in) * c->dim[2].in + tx.in) * c->pixel;
        t->w +=
            ((tz.kernel * c->dim[1].kernel + ty.kernel) * c->dim[2].kernel + tx.kernel) * c->k * DOT_LANES;
      }
      dot_tile(&c->output, t, (int)positions, p->channel, p->lanes, p->out, row + x, period, product_out(c));
    }
}

static void run_panel(Panel *p) {
  const Conv *c = p->conv;
  const WindowSteps *s = c->step;
  int64_t w_col = c->k * DOT_LANES, w_row = c->dim[2].kernel * w_col, w_plane = c->dim[1].kernel * w_row;
  int64_t x_row = c->dim[2].in * c->pixel, x_plane = c->dim[1].in * x_row;
  p->taps = (DotTaps){.k = c->k,
                      .per_lane = c->per_lane,
                      .x_step = s[2].shift * c->pixel,
                      .x_plane = s[0].in * x_plane,
                      .x_row = s[1].in * x_row,
                      .x_col = s[2].in * c->pixel,
                      .w_plane = s[0].kernel * w_plane,
                      .w_row = s[1].kernel * w_row,
                      .w_col = s[2].kernel * w_col};
  for (int64_t z = 0; z < c->dim[0].out; z++)
    for (int64_t y = 0; y < c->dim[1].out; y++) run_row(p, z, y);
}

/* A convolution of every pixel by itself is the same over an image of one row, with longer runs. */
static bool flatten_pointwise(WindowDim dim[WINDOW_DIMS]) {
  for (int i = 0; i < WINDOW_DIMS; i++)
    if (dim[i].kernel != 1 || dim[i].stride != 1 || dim[i].in != dim[i].out || dim[i].before) return false;
  dim[2].in = dim[2].out = dim[0].in * dim[1].in * dim[2].in;
  dim[0].in = dim[0].out = dim[1].in = dim[1].out = 1;
  return true;
}

static void set_window(Arena *a, Conv *c, const Node *n, const Shape *xs, const Shape *ws) {
  WindowAttrs window = conv_window(n, ws);
  window_dims(xs, &window, c->dim);
  bool pointwise = flatten_pointwise(c->dim);
  for (int i = 0; i < WINDOW_DIMS; i++) {
    c->step[i] = window_steps(&c->dim[i]);
    if (!pointwise) c->taps[i] = window_all_taps(a, &c->dim[i]);
  }
}

void conv_compute(Arena *arena, const Node *n, const DotSource *x, const Shape *xs, const DotSource *w,
                  const Shape *ws, const DotOutput *o, void *out) {
  int64_t groups = ATTRS(n, ConvAttrs)->groups, repeat = 1;
  Conv c = {.groups = groups, .oc = ws->dim[0] / groups, .k = ws->dim[1], .pixel = xs->dim[1], .output = *o};
  set_window(arena, &c, n, xs, ws);
  if (c.k == 1 && groups > 1 && c.oc < DOT_LANES) {
    repeat = c.oc;
    c.per_lane = true;
    c.groups = 1;
    c.oc = ws->dim[0];
    c.pixel = panels_of(&c) * DOT_LANES;
  }
  c.w = pack_weights(arena, &c, w);
  float *image = ARENA_NEW_ARRAY(arena, float, (size_t)(product_in(&c) * c.pixel));
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
                           .first = (i * ws->dim[0] + channel) * product_out(&c)});
      }
  }
}
