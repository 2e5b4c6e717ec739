#include "passes/refine/columns.h"

#include <string.h>

#include "ir/ops/conv.h"
#include "passes/layers.h"

/* A layer's geometry. A linear layer's rows are positions of their own. */
typedef struct {
  int64_t outputs, images; /* positions of one image's result, and of one sample's */
  int64_t k;               /* values of one position */
  int64_t group, channels; /* of the operand's, per group */
  int64_t groups;
  WindowDim dim[WINDOW_DIMS];
  WindowSteps step[WINDOW_DIMS];
  const WindowTaps *taps[WINDOW_DIMS]; /* of each position */
} Geometry;

bool columns_known(const Node *layer) { return layer->op == OP_linear || layer_is_conv(layer); }

int64_t columns_groups(const Node *layer) {
  return layer_is_conv(layer) ? ATTRS(layer, ConvAttrs)->groups : 1;
}

static Geometry geometry_of(Arena *a, const Node *layer, int64_t group) {
  const Shape *x = &layer->operands[0]->type.shape, *w = &layer->operands[1]->type.shape;
  Geometry g = {
      .k = shape_count(w) / w->dim[0], .images = 1, .group = group, .groups = columns_groups(layer)};
  g.channels = w->dim[1];
  if (layer->op == OP_linear) {
    g.outputs = shape_count(x) / g.k;
    return g;
  }
  WindowAttrs window = conv_window(layer, w);
  window_dims(x, &window, g.dim);
  g.images = x->dim[0];
  g.outputs = 1;
  for (int i = 0; i < WINDOW_DIMS; i++) {
    g.taps[i] = window_all_taps(a, &g.dim[i]);
    g.step[i] = window_steps(&g.dim[i]);
    g.outputs *= g.dim[i].out;
  }
  return g;
}

/* The taps of one position of a convolution; padding is 0, and dst comes zeroed. */
static void load_window(const Geometry *g, const float *x, int64_t position, float *dst) {
  const WindowDim *d = g->dim;
  WindowTaps t[WINDOW_DIMS];
  for (int i = WINDOW_DIMS - 1; i >= 0; i--) {
    t[i] = g->taps[i][position % d[i].out];
    position /= d[i].out;
  }
  x += (position * g->groups + g->group) * g->channels * d[0].in * d[1].in * d[2].in;
  int64_t kernel = d[0].kernel * d[1].kernel * d[2].kernel, plane = d[0].in * d[1].in * d[2].in;
  for (int64_t i = 0; i < t[0].count; i++)
    for (int64_t j = 0; j < t[1].count; j++)
      for (int64_t k = 0; k < t[2].count; k++) {
        int64_t in = t[0].in + i * g->step[0].in, tap = t[0].kernel + i * g->step[0].kernel;
        in = in * d[1].in + t[1].in + j * g->step[1].in;
        tap = tap * d[1].kernel + t[1].kernel + j * g->step[1].kernel;
        in = in * d[2].in + t[2].in + k * g->step[2].in;
        tap = tap * d[2].kernel + t[2].kernel + k * g->step[2].kernel;
        for (int64_t c = 0; c < g->channels; c++) dst[c * kernel + tap] = x[c * plane + in];
      }
}

Columns columns_of(Arena *a, const Node *layer, int64_t group, const float *const *x, int64_t samples,
                   int64_t rows) {
  Arena *tmp = arena_new();
  Geometry g = geometry_of(tmp, layer, group);
  int64_t each = g.outputs * g.images, all = each * samples;
  Columns c = {rows < all ? rows : all, g.k, NULL};
  c.x = ARENA_NEW_ARRAY(a, float, (size_t)(c.rows * c.k));
  for (int64_t row = 0; row < c.rows; row++) {
    int64_t at = row * all / c.rows, position = at % each;
    const float *sample = x[at / each];
    if (layer->op == OP_linear)
      memcpy(c.x + row * g.k, sample + position * g.k, sizeof *sample * (size_t)g.k);
    else
      load_window(&g, sample, position, c.x + row * g.k);
  }
  arena_free(tmp);
  return c;
}
