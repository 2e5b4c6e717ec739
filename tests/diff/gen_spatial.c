/* Ops with windows over [N,C,H,W] and [N,C,D,H,W]. */
#include "tests/diff/gen_state.h"

#include "ir/ops/attrs.h"

#include <math.h>

static const int64_t channel_counts[] = {1, 2, 3, 4, 5, 7, 8, 8, 9, 12, 15, 16, 16, 17, 24, 31, 32, 33};

static IntList filled(int n, int64_t v) {
  IntList l = {.n = n};
  for (int i = 0; i < n; i++) l.v[i] = v;
  return l;
}

/* Before each dim, then behind each, for windows of `extent`, each up to the extent, now and then beyond. */
static IntList random_pad(Rng *r, int dims, const int64_t *extent) {
  IntList pad = {.n = 2 * dims};
  int style = (int)rng_range(r, 0, 3);
  for (int i = 0; i < pad.n && style; i++) {
    int64_t e = extent[i % dims];
    pad.v[i] = style == 1 ? e / 2 : rng_range(r, 0, e > 1 ? e - 1 : rng_chance(r, 20));
    if (rng_chance(r, 2)) pad.v[i] += 2;
  }
  return pad;
}

/* ---- convolutions ---- */

static bool is_transposed(OpId op) { return op == OP_conv_transpose2d || op == OP_conv_transpose3d; }

static void random_groups(Rng *r, int64_t ic, int64_t *groups, int64_t *oc) {
  int kind = (int)rng_range(r, 0, 9);
  *groups = 1;
  *oc = RNG_PICK(r, channel_counts);
  if (kind >= 6 && kind < 9) { /* depthwise, now and then with a multiplier */
    *groups = ic;
    *oc = ic * (rng_chance(r, 75) ? 1 : rng_range(r, 2, 3));
  } else if (kind == 9) {
    int64_t divisor = rng_range(r, 1, ic);
    while (ic % divisor) divisor--;
    *groups = divisor;
    *oc = divisor * rng_range(r, 1, 6);
  }
}

static void random_window(Rng *r, bool transposed, ConvAttrs *a, const Shape *w, int dims) {
  int64_t extent[3];
  for (int i = 0; i < dims; i++) {
    if (rng_chance(r, 12)) a->dilation.v[i] = rng_range(r, 2, 3);
    extent[i] = (w->dim[2 + i] - 1) * a->dilation.v[i] + 1;
  }
  a->pad = random_pad(r, dims, extent);
  if (rng_chance(r, transposed ? 80 : 35))
    for (int i = 0; i < dims; i++)
      a->stride.v[i] = rng_chance(r, 5) ? rng_range(r, 4, 7) : rng_range(r, 1, 3);
  for (int i = 0; transposed && i < dims; i++)
    if (rng_chance(r, 30)) a->output_pad.v[i] = rng_range(r, 0, 3);
}

Shape gen_window(Gen *g, OpId op, const Shape *x, ConvAttrs *a) {
  static const int64_t kernels[] = {1, 1, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7};
  Rng *r = &g->rng;
  int dims = x->rank - 2;
  int64_t ic = x->dim[1], oc;
  random_groups(r, ic, &a->groups, &oc);
  Shape ws = {.rank = 2 + dims, .dim = {oc, ic / a->groups}};
  for (int i = 0; i < dims; i++) ws.dim[2 + i] = dims == 3 ? rng_range(r, 1, 3) : RNG_PICK(r, kernels);
  random_window(r, is_transposed(op), a, &ws, dims);
  return ws;
}

bool step_conv(Gen *g, OpId op) {
  int dims = op == OP_conv2d || op == OP_conv_transpose2d ? 2 : 3;
  Live *x = gen_pick(g, 2 + dims, 2 + dims);
  if (!x) return false;
  ConvAttrs window = *(const ConvAttrs *)op_info[op]->attr_defaults;
  Shape ws = gen_window(g, op, &x->tensor->type.shape, &window);
  double amp;
  Tensor *w = gen_weight(g, x, ws, &amp);
  Tensor *operands[3] = {x->tensor, w, NULL};
  int n_operands = 2;
  if (rng_chance(&g->rng, 75)) operands[n_operands++] = gen_bias(g, x, w, amp);
  Node *n = gen_node(g, op, operands, n_operands);
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  *a = window;
  gen_activation(g, amp, &a->act_min, &a->act_max);
  return gen_finish(g, n, amp);
}

/* ---- pools ---- */

bool step_pool(Gen *g, OpId op) {
  Rng *r = &g->rng;
  int dims = op == OP_max_pool2d || op == OP_avg_pool2d ? 2 : 3;
  bool average = op == OP_avg_pool2d || op == OP_avg_pool3d;
  Live *x = gen_pick(g, 2 + dims, 2 + dims);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  PoolAttrs *a = ATTRS(n, PoolAttrs);
  int64_t extent[3];
  bool long_window = rng_chance(r, 6); /* one that sees many different parts of the padding */
  a->kernel = filled(dims, 1);
  for (int i = 0; i < dims; i++) {
    a->kernel.v[i] = rng_range(r, 1, long_window ? 24 : 4);
    a->stride.v[i] = rng_range(r, 1, 3);
    if (rng_chance(r, 8)) a->dilation.v[i] = rng_range(r, 2, 3);
    extent[i] = (a->kernel.v[i] - 1) * a->dilation.v[i] + 1;
  }
  if (rng_chance(r, 30)) a->stride = a->kernel;
  a->pad = random_pad(r, dims, extent);
  if (average) {
    a->count_include_pad = rng_chance(r, 50);
    if (rng_chance(r, 15)) a->divisor = rng_range(r, 1, 12);
    for (int i = 0; i < dims; i++)
      if (a->pad.v[dims + i] && rng_chance(r, 30)) a->pad_extra.v[i] = rng_range(r, 1, a->pad.v[dims + i]);
  }
  return gen_finish(g, n, x->amp);
}

bool step_adaptive_pool(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 3, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  const Shape *s = &x->tensor->type.shape;
  IntList *size = &ATTRS(n, AdaptivePoolAttrs)->size;
  for (int i = 2; i < s->rank; i++)
    size->v[size->n++] = rng_range(r, 1, rng_chance(r, 15) ? s->dim[i] + 5 : s->dim[i]);
  return gen_finish(g, n, x->amp);
}

/* ---- resizes ---- */

bool step_resize(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  ResizeAttrs *a = ATTRS(n, ResizeAttrs);
  const Shape *s = &x->tensor->type.shape;
  bool scaled = rng_chance(r, 40), all_scaled = rng_chance(r, 80); /* as ONNX has it */
  a->size.n = s->rank;
  a->scale.n = scaled ? s->rank : 0;
  for (int i = 0; i < s->rank; i++) {
    bool spatial = i >= 2 || s->rank < 3;
    int64_t size = s->dim[i];
    if (rng_chance(r, spatial ? 85 : 8)) size = rng_chance(r, 50) ? 2 * size : rng_range(r, 1, 2 * size + 2);
    a->size.v[i] = size;
    if (scaled && (all_scaled || rng_chance(r, 50)))
      a->scale.v[i] = (float)(((double)size + rng_unit(r)) / (double)s->dim[i]);
  }
  static const int usual[] = {RESIZE_HALF_PIXEL, RESIZE_PYTORCH_HALF_PIXEL, RESIZE_ALIGN_CORNERS,
                              RESIZE_ASYMMETRIC};
  a->coordinates = RNG_PICK(r, usual);
  if (rng_chance(r, 10))
    a->coordinates = rng_chance(r, 50) ? RESIZE_HALF_PIXEL_SYMMETRIC : RESIZE_TF_HALF_PIXEL_FOR_NN;
  if (op == OP_resize_cubic && rng_chance(r, 50)) a->a = (float)(rng_unit(r) - 1.2);
  if (op == OP_resize_cubic) a->exclude_outside = rng_chance(r, 30);
  if (op == OP_resize_nearest) a->rounding = (int)rng_range(r, RESIZE_PREFER_FLOOR, RESIZE_CEIL);
  return gen_finish(g, n, x->amp);
}
