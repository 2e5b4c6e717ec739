/* One function per op or family: operands, attributes, constants. */
#include "tests/diff/gen_state.h"

#include "ir/ops/attrs.h"

#include <math.h>

static const int64_t channel_counts[] = {1, 2, 3, 4, 5, 7, 8, 8, 9, 12, 15, 16, 16, 17, 24, 31, 32, 33};

void gen_activation(Gen *g, double amp, float *act_min, float *act_max) {
  if (rng_chance(&g->rng, g->planted ? 25 : 65)) return;
  *act_min = rng_chance(&g->rng, 70) ? 0 : (float)(-amp * rng_unit(&g->rng));
  if (rng_chance(&g->rng, 40)) *act_max = (float)(amp * rng_unit(&g->rng));
  if (rng_chance(&g->rng, 5)) *act_min = *act_max = (float)(amp * rng_unit(&g->rng)); /* one value is left */
  if (*act_min > *act_max) *act_max = INFINITY;
}

/* ---- linear, matmul ---- */

static bool step_linear(Gen *g, OpId op) {
  Live *x = gen_pick(g, 1, 4);
  if (!x) return false;
  const Shape *s = &x->tensor->type.shape;
  double amp;
  Tensor *w = gen_weight(g, x, shape_of(2, RNG_PICK(&g->rng, channel_counts), s->dim[s->rank - 1]), &amp);
  Tensor *operands[3] = {x->tensor, w, NULL};
  int n_operands = 2;
  if (rng_chance(&g->rng, 75)) operands[n_operands++] = gen_bias(g, x, w, amp);
  Node *n = gen_node(g, op, operands, n_operands);
  gen_activation(g, amp, &ATTRS(n, ActAttrs)->act_min, &ATTRS(n, ActAttrs)->act_max);
  return gen_finish(g, n, amp);
}

static bool fits_matmul(const Shape *a, const Shape *b, int axis) {
  (void)axis;
  return b->rank >= 2 && a->dim[a->rank - 1] == b->dim[b->rank - 2];
}

/* Two tensors of the graph, or one and a constant on either side. */
static bool step_matmul(Gen *g, OpId op) {
  Live *x = gen_pick(g, 2, 5);
  if (!x) return false;
  const Shape *s = &x->tensor->type.shape;
  int64_t rows = s->dim[s->rank - 2], k = s->dim[s->rank - 1], other = RNG_PICK(&g->rng, channel_counts);
  Live *y = gen_pick_like(g, x->tensor, fits_matmul, 0);
  Tensor *operands[2] = {x->tensor, y ? y->tensor : NULL};
  double amp = x->amp * sqrt((double)k) * (y ? y->amp : 1);
  if (!y || (g->form == GEN_FLOAT && y->amp > 100) || rng_chance(&g->rng, 50)) {
    bool left = rng_chance(&g->rng, 20);
    operands[!left] =
        gen_operand_constant(g, left ? shape_of(2, other, rows) : shape_of(2, k, other), 1, false);
    operands[left] = x->tensor;
    amp = x->amp * sqrt((double)(left ? rows : k));
  }
  Node *n = gen_node(g, op, operands, 2);
  gen_activation(g, amp, &ATTRS(n, ActAttrs)->act_min, &ATTRS(n, ActAttrs)->act_max);
  return gen_finish(g, n, amp);
}

static Node *batch_norm_node(Gen *g, Tensor *x, double amp) {
  Shape c = shape_of(1, x->type.shape.dim[1]);
  Tensor *weight = gen_float_constant(g, "gamma", c, 0.5, 1),
         *bias = gen_float_constant(g, "beta", c, 0.5, 0);
  Tensor *mean = gen_float_constant(g, "mean", c, amp / 4, 0);
  float *var = ARENA_NEW_ARRAY(g->arena, float, (size_t)c.dim[0]);
  for (int64_t i = 0; i < c.dim[0]; i++)
    var[i] = rng_chance(&g->rng, 5) ? 0 : (float)(amp * amp * (0.05 + rng_unit(&g->rng)));
  Tensor *variance = graph_constant(g->graph, "var", (Type){DT_F32, c, NULL}, var, (SrcLoc){0});
  return gen_node(g, OP_batch_norm, (Tensor *[]){x, weight, bias, mean, variance}, 5);
}

static bool step_batch_norm(Gen *g, OpId op) {
  (void)op;
  Live *x = gen_pick(g, 2, 5);
  return x && gen_finish(g, batch_norm_node(g, x->tensor, x->amp), 4);
}

/* ---- add, sub, mul, div ---- */

static bool fits_broadcast(const Shape *a, const Shape *b, int axis) {
  (void)axis;
  Shape out;
  return shape_broadcast(a, b, &out) && shape_count(&out) <= GEN_MAX_COUNT;
}

/* A shape that broadcasts with s: some dims 1, some leading ones left out. */
static Shape broadcast_shape(Rng *r, Shape s) {
  int style = (int)rng_range(r, 0, 3);
  int skip = style == 0 ? s.rank : style == 1 ? 0 : (int)rng_range(r, 0, s.rank);
  Shape t = {.rank = s.rank - skip};
  for (int i = 0; i < t.rank; i++) t.dim[i] = style == 1 || rng_chance(r, 50) ? s.dim[i + skip] : 1;
  return t;
}

static bool step_arith(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  Live *y = rng_chance(r, 15) ? x : gen_pick_like(g, x->tensor, fits_broadcast, 0);
  Tensor *operands[2] = {x->tensor, y ? y->tensor : NULL};
  double amp_y = y ? y->amp : 0;
  if (op == OP_div || !y || rng_chance(r, 30)) {
    amp_y = op == OP_mul || op == OP_div ? 1 : x->amp;
    operands[1] = gen_operand_constant(g, broadcast_shape(r, x->tensor->type.shape), amp_y, op == OP_div);
  }
  double amp = op == OP_mul ? x->amp * amp_y : op == OP_div ? x->amp : x->amp + amp_y;
  if (amp > 1e6 && g->form == GEN_FLOAT) return false; /* products of products leave the range of a float */
  if (op != OP_div && rng_chance(r, 30)) {
    Tensor *first = operands[0];
    operands[0] = operands[1];
    operands[1] = first;
  }
  Node *n = gen_node(g, op, operands, 2);
  gen_activation(g, amp, &ATTRS(n, ActAttrs)->act_min, &ATTRS(n, ActAttrs)->act_max);
  return gen_finish(g, n, amp);
}

static bool step_minmax(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  Live *y = gen_pick_like(g, x->tensor, fits_broadcast, 0);
  Tensor *operands[2] = {x->tensor, y ? y->tensor : NULL};
  double amp = y ? fmax(x->amp, y->amp) : x->amp;
  if (!y || rng_chance(r, 40)) {
    amp = x->amp;
    operands[1] = gen_operand_constant(g, broadcast_shape(r, x->tensor->type.shape), amp, false);
  }
  if (rng_chance(r, 30)) {
    Tensor *first = operands[0];
    operands[0] = operands[1];
    operands[1] = first;
  }
  Node *n = gen_node(g, op, operands, 2);
  if (g->form == GEN_QUANTIZED && rng_chance(r, 50)) {
    n->results[0]->type = x->tensor->type;
    n->results[0]->type.shape = (Shape){0};
  }
  return gen_finish(g, n, amp);
}

static bool step_prelu(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  Tensor *slope = gen_float_constant(g, "slope", broadcast_shape(&g->rng, x->tensor->type.shape), 0.5, 0.1);
  return gen_finish(g, gen_node(g, op, (Tensor *[]){x->tensor, slope}, 2), x->amp);
}

/* ---- pools and means ---- */

static bool step_global_pool(Gen *g, OpId op) {
  Live *x = gen_pick(g, 3, 5);
  return x && gen_finish(g, gen_node(g, op, &x->tensor, 1), x->amp);
}

static bool step_reduce(Gen *g, OpId op) {
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  ReduceAttrs *a = ATTRS(n, ReduceAttrs);
  int rank = x->tensor->type.shape.rank;
  for (int i = 0; i < rank; i++)
    if (rng_chance(&g->rng, 50)) a->axes.v[a->axes.n++] = rng_chance(&g->rng, 20) ? i - rank : i;
  a->keepdims = rng_chance(&g->rng, 50);
  return gen_finish(g, n, op == OP_reduce_sum ? x->amp * 3 : x->amp);
}

static Node *softmax_node(Gen *g, Tensor *x, OpId op) {
  Node *n = gen_node(g, op, &x, 1);
  int rank = x->type.shape.rank;
  ATTRS(n, AxisAttrs)->axis = rng_chance(&g->rng, 60) ? rank - 1 : rng_range(&g->rng, -rank, rank - 1);
  return n;
}

static bool step_softmax(Gen *g, OpId op) {
  Live *x = gen_pick(g, 1, 5);
  return x && gen_finish(g, softmax_node(g, x->tensor, op), op == OP_softmax ? 1 : x->amp);
}

/* gamma and beta: both, the first, the second, or none. */
static Node *affine_node(Gen *g, OpId op, Tensor *x, Shape shape) {
  Tensor *operands[3] = {x, NULL, NULL};
  if (rng_chance(&g->rng, 75)) operands[1] = gen_float_constant(g, "gamma", shape, 0.5, 1);
  if (rng_chance(&g->rng, 75)) operands[2] = gen_float_constant(g, "beta", shape, 0.5, 0);
  return gen_node(g, op, operands, operands[2] ? 3 : operands[1] ? 2 : 1);
}

static Node *layer_norm_node(Gen *g, Tensor *x) {
  const Shape *s = &x->type.shape;
  int axis = rng_chance(&g->rng, 60) ? s->rank - 1 : (int)rng_range(&g->rng, 0, s->rank - 1);
  Shape normalized = {0};
  for (int i = axis; i < s->rank; i++) normalized.dim[normalized.rank++] = s->dim[i];
  Node *n = affine_node(g, OP_layer_norm, x, normalized);
  ATTRS(n, LayerNormAttrs)->axis = rng_chance(&g->rng, 20) ? axis - s->rank : axis;
  if (rng_chance(&g->rng, 30)) ATTRS(n, LayerNormAttrs)->eps = 1e-3f;
  return n;
}

static Node *group_norm_node(Gen *g, Tensor *x) {
  int64_t channels = x->type.shape.dim[1],
          groups = rng_chance(&g->rng, 30) ? channels : rng_range(&g->rng, 1, channels);
  while (channels % groups) groups--;
  Node *n = affine_node(g, OP_group_norm, x, shape_of(1, channels));
  ATTRS(n, GroupNormAttrs)->groups = groups;
  return n;
}

static bool step_layer_norm(Gen *g, OpId op) {
  (void)op;
  Live *x = gen_pick(g, 1, 5);
  return x && gen_finish(g, layer_norm_node(g, x->tensor), 4);
}

static bool step_group_norm(Gen *g, OpId op) {
  (void)op;
  Live *x = gen_pick(g, 2, 5);
  return x && gen_finish(g, group_norm_node(g, x->tensor), 4);
}

/* ---- moves ---- */

static bool fits_concat(const Shape *a, const Shape *b, int axis) {
  bool fits = a->rank == b->rank;
  for (int i = 0; fits && i < a->rank; i++) fits = i == axis || a->dim[i] == b->dim[i];
  return fits;
}

static bool step_concat(Gen *g, OpId op) {
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Tensor *operands[4] = {x->tensor};
  int rank = x->tensor->type.shape.rank, count = (int)rng_range(&g->rng, 1, 4);
  int axis = rank > 1 && rng_chance(&g->rng, 50) ? 1 : (int)rng_range(&g->rng, 0, rank - 1);
  double amp = x->amp;
  for (int i = 1; i < count; i++) {
    Live *y = gen_pick_like(g, x->tensor, fits_concat, axis); /* may be x again */
    operands[i] = y->tensor;
    amp = fmax(amp, y->amp);
    if (!rng_chance(&g->rng, 10)) continue;
    Shape s = x->tensor->type.shape;
    s.dim[axis] = rng_range(&g->rng, 1, 3);
    operands[i] = gen_operand_constant(g, s, x->amp, false);
  }
  Node *n = gen_node(g, op, operands, count);
  ATTRS(n, AxisAttrs)->axis = axis;
  if (g->form == GEN_QUANTIZED && rng_chance(&g->rng, 60)) n->results[0]->type = x->tensor->type;
  return gen_finish(g, n, amp);
}

static bool step_pad(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  PadAttrs *a = ATTRS(n, PadAttrs);
  int rank = x->tensor->type.shape.rank;
  a->pads.n = 2 * rank;
  a->mode = rng_chance(r, 60) ? PAD_CONSTANT : rng_chance(r, 50) ? PAD_REFLECT : PAD_EDGE;
  for (int i = 0; i < 2 * rank; i++) {
    bool spatial = rank == 4 && i % rank >= 2;
    if (rng_chance(r, spatial ? 60 : 20)) a->pads.v[i] = rng_range(r, 0, 3);
  }
  if (rng_chance(r, 40)) a->value = (float)(x->amp * rng_normal(r));
  return gen_finish(g, n, x->amp);
}

static bool step_slice(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  SliceAttrs *a = ATTRS(n, SliceAttrs);
  const Shape *s = &x->tensor->type.shape;
  a->start.n = a->stop.n = a->step.n = s->rank;
  for (int i = 0; i < s->rank; i++) {
    int64_t lo = rng_chance(r, 50) ? 0 : rng_range(r, 0, s->dim[i] - 1);
    int64_t hi = rng_chance(r, 50) ? s->dim[i] : rng_range(r, lo + 1, s->dim[i]);
    int64_t step = rng_chance(r, 70) ? 1 : rng_range(r, 2, 3);
    bool backward = rng_chance(r, 15);
    a->start.v[i] = backward ? hi - 1 : lo;
    a->stop.v[i] = backward ? lo - 1 : hi;
    a->step.v[i] = backward ? -step : step;
  }
  return gen_finish(g, n, x->amp);
}

/* A shape with as many elements: factors are split off in front of what is left. */
static bool step_reshape(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  IntList *to = &ATTRS(n, ReshapeAttrs)->shape;
  int64_t left = shape_count(&x->tensor->type.shape);
  for (int64_t rank = rng_range(&g->rng, 1, 5); to->n < rank - 1;) {
    int64_t factor = rng_chance(&g->rng, 20) ? 1 : rng_range(&g->rng, 1, left);
    while (left % factor) factor--;
    to->v[to->n++] = factor;
    left /= factor;
  }
  to->v[to->n++] = left;
  return gen_finish(g, n, x->amp);
}

static bool step_flatten(Gen *g, OpId op) {
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  ATTRS(n, AxisAttrs)->axis = rng_chance(&g->rng, 60) ? 1 : rng_range(&g->rng, 0, x->tensor->type.shape.rank);
  return gen_finish(g, n, x->amp);
}

static bool step_transpose(Gen *g, OpId op) {
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Node *n = gen_node(g, op, &x->tensor, 1);
  IntList *perm = &ATTRS(n, TransposeAttrs)->perm;
  perm->n = x->tensor->type.shape.rank;
  for (int i = 0; i < perm->n; i++) { /* inside-out shuffle */
    int j = (int)rng_range(&g->rng, 0, i);
    perm->v[i] = perm->v[j];
    perm->v[j] = i;
  }
  return gen_finish(g, n, x->amp);
}

static bool step_expand(Gen *g, OpId op) {
  Rng *r = &g->rng;
  Live *x = gen_pick(g, 0, 4);
  if (!x) return false;
  const Shape *s = &x->tensor->type.shape;
  Node *n = gen_node(g, op, &x->tensor, 1);
  IntList *to = &ATTRS(n, ReshapeAttrs)->shape;
  if (rng_chance(r, 50)) to->v[to->n++] = rng_range(r, 1, 3);
  for (int i = 0; i < s->rank; i++) to->v[to->n++] = s->dim[i] > 1 ? s->dim[i] : rng_range(r, 1, 5);
  return gen_finish(g, n, x->amp);
}

static bool step_identity(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  return x && gen_finish(g, gen_node(g, op, &x->tensor, 1), x->amp);
}

/* ---- unary ---- */

static void unary_attrs(Gen *g, Node *n, double amp) {
  Rng *r = &g->rng;
  switch (n->op) {
  case OP_clip: {
    ClipAttrs *a = ATTRS(n, ClipAttrs);
    a->min = (float)(-amp * rng_unit(r));
    a->max = (float)(amp * rng_unit(r));
    if (rng_chance(r, 30)) *a = (ClipAttrs){0, 6};
    break;
  }
  case OP_leaky_relu:
  case OP_elu:
  case OP_celu:
  case OP_thresholded_relu:
  case OP_hard_sigmoid: {
    AlphaBetaAttrs *a = ATTRS(n, AlphaBetaAttrs);
    if (rng_chance(r, 50)) a->alpha = (float)(0.01 + rng_unit(r));
    if (n->op == OP_hard_sigmoid && rng_chance(r, 50)) a->beta = (float)rng_unit(r);
    break;
  }
  case OP_selu:
    if (rng_chance(r, 30)) *ATTRS(n, SeluAttrs) = (SeluAttrs){(float)rng_unit(r), (float)rng_unit(r)};
    break;
  case OP_pow: {
    static const float exponents[] = {-2, -1, -0.5f, 0, 0.5f, 1, 1.5f, 2, 2.25f, 3, 4, 5, 7, 10};
    ATTRS(n, PowAttrs)->exponent = RNG_PICK(r, exponents);
    break;
  }
  case OP_gelu:
    ATTRS(n, GeluAttrs)->approximate = rng_chance(r, 50) ? GELU_TANH : GELU_ERF;
    break;
  default:
    break;
  }
}

/* The largest magnitude that the function has on [-amp, amp], about. */
static double unary_amp(const Node *n, double amp) {
  double most = 0;
  for (int i = -8; i <= 8; i++) {
    double y = fabs((double)op_info[n->op]->unary(n, (float)(amp * i / 8)));
    if (y > most && y < 1e30) most = y;
  }
  return most > 0 ? most : 1;
}

/* What goes before an op so that it has finite values that float graphs can be calibrated with; OP_COUNT:
 * nothing. */
static OpId tamed_by(OpId op) {
  switch (op) {
  case OP_exp:
    return OP_tanh;
  case OP_sqrt:
    return OP_abs;
  case OP_log:
  case OP_reciprocal:
  case OP_pow:
    return OP_softplus;
  default:
    return OP_COUNT;
  }
}

static bool step_unary(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  Live from = *x;
  OpId tame = tamed_by(op);
  if (g->form == GEN_FLOAT && tame != OP_COUNT) {
    if (op == OP_pow && from.amp > 1000) return false;
    Node *safe = gen_node(g, tame, &from.tensor, 1);
    if (!gen_finish(g, safe, tame == OP_tanh ? 1 : from.amp)) return false;
    from = g->pool[g->n_pool - 1];
  }
  Node *n = gen_node(g, op, &from.tensor, 1);
  unary_attrs(g, n, from.amp);
  return gen_finish(g, n, unary_amp(n, from.amp));
}

/* ---- conversions in quantized graphs ---- */

static bool step_requantize(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  return x && gen_finish(g, gen_node(g, op, &x->tensor, 1), x->amp);
}

static bool step_clamp(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  const DTypeInfo *t = &dtype_info[x->tensor->type.dtype];
  Node *n = gen_node(g, op, &x->tensor, 1);
  ClampAttrs *a = ATTRS(n, ClampAttrs);
  a->min = rng_chance(&g->rng, 30) ? t->min : rng_range(&g->rng, t->min, t->max);
  a->max = rng_chance(&g->rng, 30) ? t->max : rng_range(&g->rng, a->min, t->max);
  return gen_finish(g, n, x->amp);
}

static bool step_lut(Gen *g, OpId op) {
  Live *x = gen_pick(g, 0, 5);
  if (!x) return false;
  Type own = gen_quantized_type(g, x->tensor->type.shape, x->amp);
  Type t = {own.dtype, shape_of(1, (int64_t)256), NULL};
  uint8_t *table = arena_alloc(g->arena, 256);
  gen_data(&g->rng, &t, DATA_TYPICAL, table);
  Tensor *operands[2] = {x->tensor, graph_constant(g->graph, "table", t, table, (SrcLoc){0})};
  Node *n = gen_node(g, op, operands, 2);
  n->results[0]->type = own;
  return gen_finish(g, n, x->amp);
}

/* dequantize, one or two float ops, quantize. */
static bool step_island(Gen *g, OpId op) {
  (void)op;
  static const OpId unary[] = {OP_relu, OP_silu, OP_gelu, OP_tanh, OP_hard_swish, OP_neg};
  Live *x = gen_pick(g, 1, 5);
  if (!x) return false;
  Tensor *f = gen_finish_float(g, gen_node(g, OP_dequantize, &x->tensor, 1));
  double amp = x->amp;
  for (int64_t count = rng_range(&g->rng, 0, 2); f && count > 0; count--) {
    int64_t kind = rng_range(&g->rng, 0, f->type.shape.rank >= 2 ? 4 : 1);
    Node *n;
    if (kind == 0) {
      n = softmax_node(g, f, OP_softmax);
      amp = 1;
    } else if (kind == 4) {
      n = rng_chance(&g->rng, 50) ? layer_norm_node(g, f) : group_norm_node(g, f);
      amp = 4;
    } else if (kind == 1) {
      n = gen_node(g, RNG_PICK(&g->rng, unary), &f, 1);
      amp = unary_amp(n, amp);
    } else if (kind == 2) {
      n = batch_norm_node(g, f, amp);
      amp = 4;
    } else {
      int64_t k = f->type.shape.dim[f->type.shape.rank - 1];
      Tensor *m = gen_float_constant(g, "m", shape_of(2, k, rng_range(&g->rng, 1, 9)), 1, 0);
      n = gen_node(g, OP_matmul, (Tensor *[]){f, m}, 2);
      amp *= sqrt((double)k);
    }
    f = gen_finish_float(g, n);
  }
  return f && gen_finish(g, gen_node(g, OP_quantize, &f, 1), amp);
}

enum { F = 1 << GEN_FLOAT, Q = 1 << GEN_QUANTIZED };

const GenStep gen_steps[] = {{OP_conv2d, 60, F | Q, step_conv},
                             {OP_conv3d, 20, F | Q, step_conv},
                             {OP_conv_transpose2d, 20, F | Q, step_conv},
                             {OP_conv_transpose3d, 8, F | Q, step_conv},
                             {OP_linear, 10, F | Q, step_linear},
                             {OP_matmul, 5, F | Q, step_matmul},
                             {OP_batch_norm, 6, F, step_batch_norm},
                             {OP_add, 8, F | Q, step_arith},
                             {OP_sub, 3, F | Q, step_arith},
                             {OP_mul, 4, F | Q, step_arith},
                             {OP_div, 1, F, step_arith},
                             {OP_max, 2, F | Q, step_minmax},
                             {OP_min, 2, F | Q, step_minmax},
                             {OP_prelu, 2, F | Q, step_prelu},
                             {OP_max_pool2d, 8, F | Q, step_pool},
                             {OP_max_pool3d, 3, F | Q, step_pool},
                             {OP_avg_pool2d, 8, F | Q, step_pool},
                             {OP_avg_pool3d, 3, F | Q, step_pool},
                             {OP_adaptive_max_pool, 3, F | Q, step_adaptive_pool},
                             {OP_adaptive_avg_pool, 3, F | Q, step_adaptive_pool},
                             {OP_resize_nearest, 5, F | Q, step_resize},
                             {OP_resize_linear, 5, F | Q, step_resize},
                             {OP_resize_cubic, 3, F | Q, step_resize},
                             {OP_global_avg_pool, 3, F | Q, step_global_pool},
                             {OP_reduce_mean, 4, F | Q, step_reduce},
                             {OP_reduce_sum, 2, F | Q, step_reduce},
                             {OP_reduce_max, 2, F | Q, step_reduce},
                             {OP_reduce_min, 1, F | Q, step_reduce},
                             {OP_concat, 6, F | Q, step_concat},
                             {OP_concat, 14, Q, step_block},
                             {OP_concat, 3, F, step_block},
                             {OP_pad, 5, F | Q, step_pad},
                             {OP_softmax, 3, F, step_softmax},
                             {OP_lstm, 3, F | Q, step_recurrent},
                             {OP_gru, 3, F | Q, step_recurrent},
                             {OP_rnn, 1, F | Q, step_recurrent},
                             {OP_dynamic_quantize, 2, F | Q, step_dynamic_quantize},
                             {OP_dynamic_linear, 3, F | Q, step_dynamic},
                             {OP_dynamic_conv2d, 5, F | Q, step_dynamic},
                             {OP_conv_integer, 3, F | Q, step_integer},
                             {OP_matmul_integer, 3, F | Q, step_integer},
                             {OP_cast, 1, F | Q, step_dynamic_quantize},
                             {OP_log_softmax, 1, F, step_softmax},
                             {OP_layer_norm, 3, F, step_layer_norm},
                             {OP_group_norm, 3, F, step_group_norm},
                             {OP_reshape, 4, F | Q, step_reshape},
                             {OP_flatten, 2, F | Q, step_flatten},
                             {OP_transpose, 4, F | Q, step_transpose},
                             {OP_slice, 4, F | Q, step_slice},
                             {OP_expand, 3, F | Q, step_expand},
                             {OP_identity, 1, F | Q, step_identity},
                             {OP_requantize, 3, Q, step_requantize},
                             {OP_lut, 3, Q, step_lut},
                             {OP_clamp, 2, Q, step_clamp},
                             {OP_quantize, 4, Q, step_island},
                             {OP_relu, 4, F | Q, step_unary},
                             {OP_clip, 2, F | Q, step_unary},
                             {OP_leaky_relu, 1, F | Q, step_unary},
                             {OP_sigmoid, 1, F | Q, step_unary},
                             {OP_tanh, 1, F | Q, step_unary},
                             {OP_exp, 1, F | Q, step_unary},
                             {OP_sqrt, 1, F | Q, step_unary},
                             {OP_neg, 1, F | Q, step_unary},
                             {OP_abs, 1, F | Q, step_unary},
                             {OP_erf, 1, F | Q, step_unary},
                             {OP_hard_sigmoid, 1, F | Q, step_unary},
                             {OP_hard_swish, 1, F | Q, step_unary},
                             {OP_silu, 1, F | Q, step_unary},
                             {OP_elu, 1, F | Q, step_unary},
                             {OP_log, 1, F | Q, step_unary},
                             {OP_reciprocal, 1, F | Q, step_unary},
                             {OP_pow, 1, F | Q, step_unary},
                             {OP_sign, 1, F | Q, step_unary},
                             {OP_floor, 1, F | Q, step_unary},
                             {OP_ceil, 1, F | Q, step_unary},
                             {OP_round, 1, F | Q, step_unary},
                             {OP_selu, 1, F | Q, step_unary},
                             {OP_celu, 1, F | Q, step_unary},
                             {OP_thresholded_relu, 1, F | Q, step_unary},
                             {OP_softplus, 1, F | Q, step_unary},
                             {OP_softsign, 1, F | Q, step_unary},
                             {OP_mish, 1, F | Q, step_unary},
                             {OP_gelu, 1, F | Q, step_unary},
                             {0}};
