/* Blocks of networks whose tensors share memory: dense and inception blocks, splits and shuffles, padded
 * chains, heads of detectors, skips. What is joined mostly has one type, so that nothing is rescaled between.
 */
#include "tests/diff/gen_state.h"

#include <math.h>

/* The type of x with another shape; now and then none, so that one is chosen. */
static Type like(Gen *g, const Tensor *x, Shape shape) {
  Type t = x->type;
  t.shape = shape;
  return g->form == GEN_QUANTIZED && rng_chance(&g->rng, 95) ? t : (Type){0};
}

/* Finishes a node whose result has the type of x, and the shape. */
static Tensor *finish(Gen *g, Node *n, const Live *x, Shape shape, double amp) {
  n->results[0]->type = like(g, x->tensor, shape);
  return gen_finish(g, n, amp) ? n->results[0] : NULL;
}

/* Every tensor of a block is live. */
static Live live_of(const Gen *g, Tensor *t) {
  for (int i = 0; i < g->n_pool; i++)
    if (g->pool[i].tensor == t) return g->pool[i];
  return (Live){t, 1};
}

/* The same where the values are about those of the operands. */
static Tensor *finish_like(Gen *g, Node *n, const Live *x, Shape shape) {
  double amp = 0;
  for (int i = 0; i < n->n_operands; i++) amp = fmax(amp, live_of(g, n->operands[i]).amp);
  return finish(g, n, x, shape, amp);
}

/* A convolution of t that keeps height and width. */
static Tensor *conv(Gen *g, const Live *x, Tensor *t, int64_t oc, int64_t kernel) {
  if (!t) return NULL;
  Shape s = t->type.shape, w = shape_of(4, oc, s.dim[1], kernel, kernel);
  bool depthwise = oc == s.dim[1] && rng_chance(&g->rng, 30);
  if (depthwise) w.dim[1] = 1;
  double amp;
  Live from = live_of(g, t);
  Tensor *operands[3] = {t, gen_weight(g, &from, w, &amp), NULL};
  if (rng_chance(&g->rng, 70)) operands[2] = gen_bias(g, &from, operands[1], amp);
  Node *n = gen_node(g, OP_conv2d, operands, operands[2] ? 3 : 2);
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->groups = depthwise ? oc : 1;
  a->pad = (IntList){4, {kernel / 2, kernel / 2, (kernel - 1) / 2, (kernel - 1) / 2}};
  gen_activation(g, amp, &a->act_min, &a->act_max);
  s.dim[1] = oc;
  return finish(g, n, x, s, amp);
}

static Tensor *concat(Gen *g, const Live *x, Tensor **parts, int n_parts, int axis) {
  Shape s = {0};
  for (int i = 0; i < n_parts; i++) {
    if (!parts[i]) return NULL;
    int64_t before = i ? s.dim[axis] : 0;
    s = parts[i]->type.shape;
    s.dim[axis] += before;
  }
  Node *n = gen_node(g, OP_concat, parts, n_parts);
  ATTRS(n, AxisAttrs)->axis = axis;
  return finish_like(g, n, x, s);
}

static Tensor *slice(Gen *g, const Live *x, Tensor *t, int axis, int64_t from, int64_t to) {
  if (!t) return NULL;
  Node *n = gen_node(g, OP_slice, &t, 1);
  SliceAttrs *a = ATTRS(n, SliceAttrs);
  Shape s = t->type.shape;
  a->start.n = a->stop.n = a->step.n = s.rank;
  for (int i = 0; i < s.rank; i++) {
    a->start.v[i] = i == axis ? from : 0;
    a->stop.v[i] = i == axis ? to : s.dim[i];
    a->step.v[i] = 1;
  }
  s.dim[axis] = to - from;
  return finish_like(g, n, x, s);
}

static Tensor *reshape(Gen *g, const Live *x, Tensor *t, Shape s) {
  if (!t) return NULL;
  Node *n = gen_node(g, OP_reshape, &t, 1);
  IntList *to = &ATTRS(n, ReshapeAttrs)->shape;
  to->n = s.rank;
  for (int i = 0; i < s.rank; i++) to->v[i] = s.dim[i];
  return finish_like(g, n, x, s);
}

static Tensor *transpose(Gen *g, const Live *x, Tensor *t, const int *perm) {
  if (!t) return NULL;
  Node *n = gen_node(g, OP_transpose, &t, 1);
  IntList *p = &ATTRS(n, TransposeAttrs)->perm;
  Shape s = t->type.shape;
  p->n = s.rank;
  for (int i = 0; i < s.rank; i++) {
    p->v[i] = perm[i];
    s.dim[i] = t->type.shape.dim[perm[i]];
  }
  return finish_like(g, n, x, s);
}

static Tensor *max_pool(Gen *g, const Live *x, Tensor *t, int64_t kernel, int64_t stride) {
  if (!t) return NULL;
  Node *n = gen_node(g, OP_max_pool2d, &t, 1);
  PoolAttrs *a = ATTRS(n, PoolAttrs);
  Shape s = t->type.shape;
  a->kernel = (IntList){2, {kernel, kernel}};
  a->stride = (IntList){2, {stride, stride}};
  a->pad = (IntList){4, {kernel / 2, kernel / 2, kernel / 2, kernel / 2}};
  for (int i = 2; i < 4; i++) s.dim[i] = (s.dim[i] + 2 * (kernel / 2) - kernel) / stride + 1;
  return finish_like(g, n, x, s);
}

/* An elementwise op on t, which often dies of it; or t itself. */
static Tensor *elementwise(Gen *g, const Live *x, Tensor *t) {
  static const OpId unary[] = {OP_relu, OP_hard_swish, OP_abs, OP_neg};
  if (!t || rng_chance(&g->rng, 50)) return t;
  if (rng_chance(&g->rng, 60))
    return finish_like(g, gen_node(g, RNG_PICK(&g->rng, unary), &t, 1), x, t->type.shape);
  Tensor *other =
      rng_chance(&g->rng, 70) ? t : gen_operand_constant(g, t->type.shape, live_of(g, t).amp, false);
  Node *n = gen_node(g, rng_chance(&g->rng, 50) ? OP_add : OP_sub, (Tensor *[]){t, other}, 2);
  return finish_like(g, n, x, t->type.shape);
}

static int64_t few_channels(Gen *g) {
  static const int64_t counts[] = {1, 2, 3, 4, 4, 5, 8, 8, 9, 12, 16};
  return RNG_PICK(&g->rng, counts);
}

static int64_t kernel_size(Gen *g) { return rng_chance(&g->rng, 50) ? 3 : rng_range(&g->rng, 1, 3); }

/* Each layer sees all that were before it. */
static Tensor *dense_block(Gen *g, const Live *x) {
  Tensor *parts[5] = {x->tensor}, *all = x->tensor;
  bool flat = rng_chance(&g->rng, 50);
  int n = 1;
  for (int layers = (int)rng_range(&g->rng, 2, 4); layers > 0; layers--) {
    Tensor *y = elementwise(g, x, conv(g, x, all, few_channels(g), kernel_size(g)));
    parts[n++] = y;
    if (flat) {
      all = concat(g, x, parts, n, 1);
    } else {
      Tensor *two[2] = {all, y};
      if (rng_chance(&g->rng, 20)) two[0] = y, two[1] = all;
      all = concat(g, x, two, 2, 1);
    }
    if (!all) return NULL;
  }
  return all;
}

static Tensor *inception(Gen *g, const Live *x) {
  Tensor *parts[4];
  int n = (int)rng_range(&g->rng, 2, 4);
  for (int i = 0; i < n; i++) {
    Tensor *t = x->tensor;
    int kind = (int)rng_range(&g->rng, 0, 5);
    if (kind == 0 && i) { /* the same once more */
      parts[i] = parts[i - 1];
      continue;
    }
    if (kind == 1) t = max_pool(g, x, t, 3, 1);
    if (kind == 2) t = conv(g, x, t, few_channels(g), 1);
    if (kind < 5) t = conv(g, x, t, few_channels(g), kernel_size(g));
    parts[i] = elementwise(g, x, t);
  }
  return concat(g, x, parts, n, 1);
}

/* Halves (or the like) go ways of their own, and are joined. */
static Tensor *split(Gen *g, const Live *x) {
  const Shape *s = &x->tensor->type.shape;
  int axis = rng_chance(&g->rng, 70) ? 1 : (int)rng_range(&g->rng, 0, 3);
  if (s->dim[axis] < 2) return NULL;
  int64_t at = rng_chance(&g->rng, 50) ? s->dim[axis] / 2 : rng_range(&g->rng, 1, s->dim[axis] - 1);
  Tensor *parts[2] = {slice(g, x, x->tensor, axis, 0, at), slice(g, x, x->tensor, axis, at, s->dim[axis])};
  for (int i = 0; i < 2; i++) {
    if (rng_chance(&g->rng, 30)) parts[i] = elementwise(g, x, parts[i]);
    if (parts[i] && rng_chance(&g->rng, 50))
      parts[i] =
          conv(g, x, parts[i], axis == 1 ? few_channels(g) : parts[i]->type.shape.dim[1], kernel_size(g));
  }
  if (rng_chance(&g->rng, 50)) {
    Tensor *first = parts[0];
    parts[0] = parts[1];
    parts[1] = first;
  }
  return concat(g, x, parts, 2, axis);
}

/* Channels dealt out from groups. */
static Tensor *shuffle(Gen *g, const Live *x) {
  Shape s = x->tensor->type.shape;
  int64_t groups = rng_range(&g->rng, 2, 4);
  if (s.dim[1] % groups) return NULL;
  static const int perm[] = {0, 2, 1, 3, 4};
  Shape apart = shape_of(5, s.dim[0], groups, s.dim[1] / groups, s.dim[2], s.dim[3]);
  Tensor *t = transpose(g, x, reshape(g, x, x->tensor, apart), perm);
  if (rng_chance(&g->rng, 50)) return reshape(g, x, t, s);
  if (!t) return NULL; /* one of them */
  int64_t i = rng_range(&g->rng, 0, s.dim[1] / groups - 1);
  s.dim[1] = groups;
  return reshape(g, x, slice(g, x, t, 1, i, i + 1), s);
}

/* A pad between layers, whose operand others may read. */
static Tensor *padded(Gen *g, const Live *x) {
  Tensor *t = conv(g, x, x->tensor, few_channels(g), kernel_size(g));
  if (!t) return NULL;
  Node *n = gen_node(g, OP_pad, &t, 1);
  PadAttrs *a = ATTRS(n, PadAttrs);
  Shape s = t->type.shape;
  a->pads.n = 8;
  a->mode = rng_chance(&g->rng, 50) ? PAD_CONSTANT : rng_chance(&g->rng, 50) ? PAD_REFLECT : PAD_EDGE;
  if (rng_chance(&g->rng, 40)) a->value = (float)(x->amp * rng_normal(&g->rng));
  for (int i = rng_chance(&g->rng, 20) ? 0 : 2; i < 4; i++) {
    int64_t most = a->mode == PAD_REFLECT ? s.dim[i] - 1 : 2;
    a->pads.v[i] = rng_range(&g->rng, 0, most < 2 ? most : 2);
    a->pads.v[4 + i] = rng_range(&g->rng, 0, most < 2 ? most : 2);
    s.dim[i] += a->pads.v[i] + a->pads.v[4 + i];
  }
  Tensor *y = conv(g, x, finish_like(g, n, x, s), few_channels(g), kernel_size(g));
  if (rng_chance(&g->rng, 30)) conv(g, x, t, few_channels(g), 3);
  return y;
}

/* Convolutions whose pixels become rows of one list. */
static Tensor *heads(Gen *g, const Live *x) {
  static const int perm[] = {0, 2, 3, 1};
  Tensor *parts[3], *t = x->tensor;
  int64_t each = rng_range(&g->rng, 1, 6);
  int n = (int)rng_range(&g->rng, 2, 3);
  for (int i = 0; i < n; i++) {
    int64_t boxes = rng_range(&g->rng, 1, 3);
    Tensor *y = transpose(g, x, conv(g, x, t, each * boxes, kernel_size(g)), perm);
    if (!y) return NULL;
    const int64_t *d = y->type.shape.dim;
    parts[i] = elementwise(g, x, reshape(g, x, y, shape_of(3, d[0], d[1] * d[2] * boxes, each)));
    if (rng_chance(&g->rng, 50) && t->type.shape.dim[2] > 1 && t->type.shape.dim[3] > 1)
      t = max_pool(g, x, t, 1, 2);
    if (!t) return NULL;
  }
  return concat(g, x, parts, n, 1);
}

/* Down, up again, beside what it came from. */
static Tensor *skip(Gen *g, const Live *x) {
  Tensor *near = elementwise(g, x, conv(g, x, x->tensor, few_channels(g), kernel_size(g)));
  Tensor *far = conv(g, x, max_pool(g, x, near, 1, 2), few_channels(g), kernel_size(g));
  if (!far) return NULL;
  Node *up = gen_node(g, OP_resize_nearest, &far, 1);
  ResizeAttrs *a = ATTRS(up, ResizeAttrs);
  Shape s = near->type.shape;
  s.dim[1] = far->type.shape.dim[1];
  a->size.n = 4;
  for (int i = 0; i < 4; i++) a->size.v[i] = s.dim[i];
  Tensor *parts[2] = {finish_like(g, up, x, s), near};
  return concat(g, x, parts, 2, 1);
}

bool step_block(Gen *g, OpId op) {
  (void)op;
  static Tensor *(*const blocks[])(Gen *, const Live *) = {dense_block, inception, split, shuffle,
                                                           padded,      heads,     skip};
  const Live *picked = gen_pick(g, 4, 4);
  if (!picked) return false;
  Live x = *picked;
  if (rng_chance(&g->rng, 60)) { /* rather not the public tensor */
    x.tensor = conv(g, picked, x.tensor, few_channels(g), 1);
    if (!x.tensor) return false;
  }
  Tensor *y = RNG_PICK(&g->rng, blocks)(g, &x);
  if (y && y->type.shape.rank == 4 && rng_chance(&g->rng, 50))
    conv(g, &x, y, few_channels(g), kernel_size(g));
  return y != NULL;
}
