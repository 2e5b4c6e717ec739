/* What is quantized while the model runs, and products of plain integers; in quantized graphs as float
 * islands.
 */
#include "tests/diff/gen_state.h"

#include "ir/ops/conv.h"
#include "ir/quant.h"

#include <math.h>

static const int64_t channel_counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33};

/* A live tensor as float. */
static Tensor *pick_real(Gen *g, int lo, int hi, double *amp) {
  Live *x = gen_pick(g, lo, hi);
  if (!x) return NULL;
  *amp = x->amp;
  return tensor_is_quantized(x->tensor) ? gen_finish_float(g, gen_node(g, OP_dequantize, &x->tensor, 1))
                                        : x->tensor;
}

static bool finish_real(Gen *g, Tensor *y, double amp) {
  if (g->form == GEN_FLOAT) return gen_live(g, y, amp);
  return gen_finish(g, gen_node(g, OP_quantize, &y, 1), amp);
}

/* The dynamic_quantize of a float tensor; its first result may have one already. */
static Node *quantized(Gen *g, Tensor *x) {
  const char *names[3] = {NULL, NULL, NULL};
  Node *n = graph_node(g->graph, OP_dynamic_quantize, &x, 1, names, 3, (SrcLoc){0}, NULL);
  DynamicQuantizeAttrs *a = ATTRS(n, DynamicQuantizeAttrs);
  if (rng_chance(&g->rng, 40)) a->rule = DYNAMIC_ONNX;
  if (a->rule == DYNAMIC_ATEN && rng_chance(&g->rng, 40)) a->qmax = 127;
  return gen_finish_float(g, n) ? n : NULL;
}

static Tensor *two(Gen *g, OpId op, Tensor *x, Tensor *y) {
  return x && y ? gen_finish_float(g, gen_node(g, op, (Tensor *[]){x, y}, 2)) : NULL;
}
static Tensor *as_float(Gen *g, Tensor *x) { return gen_finish_float(g, gen_node(g, OP_cast, &x, 1)); }

/* (q - zero) * scale, in float: each result of the op shows. */
bool step_dynamic_quantize(Gen *g, OpId op) {
  (void)op;
  double amp;
  Tensor *x = pick_real(g, 0, 5, &amp);
  Node *n = x ? quantized(g, x) : NULL;
  if (!n) return false;
  Tensor *y = two(g, OP_sub, as_float(g, n->results[0]), as_float(g, n->results[2]));
  y = two(g, OP_mul, y, n->results[1]);
  return y && finish_real(g, y, amp);
}

/* ---- dynamic_linear, dynamic_conv2d ---- */

bool step_dynamic(Gen *g, OpId op) {
  Rng *r = &g->rng;
  bool conv = op == OP_dynamic_conv2d;
  double amp;
  Tensor *x = pick_real(g, conv ? 4 : 1, 4, &amp);
  if (!x) return false;
  const Shape *s = &x->type.shape;
  ConvAttrs window = conv2d_defaults;
  Shape ws =
      conv ? gen_window(g, op, s, &window) : shape_of(2, RNG_PICK(r, channel_counts), s->dim[s->rank - 1]);
  Node *q = quantized(g, x);
  if (!q) return false;
  Tensor *w = gen_small_weight(g, ws, amp, &amp);
  Tensor *operands[] = {q->results[0], q->results[1], q->results[2], w, NULL};
  int count = 4;
  if (rng_chance(r, 75)) operands[count++] = gen_float_constant(g, "b", shape_of(1, ws.dim[0]), amp / 2, 0);
  Node *n = gen_node(g, op, operands, count);
  if (conv) {
    ConvAttrs *a = ATTRS(n, ConvAttrs);
    *a = window;
    gen_activation(g, amp, &a->act_min, &a->act_max);
  } else {
    gen_activation(g, amp, &ATTRS(n, ActAttrs)->act_min, &ATTRS(n, ActAttrs)->act_max);
  }
  Tensor *y = gen_finish_float(g, n);
  return y && op_info[op]->macs(n) <= GEN_MAX_MACS && finish_real(g, y, amp);
}

/* ---- conv_integer, matmul_integer ---- */

static Tensor *bytes(Gen *g, const char *name, DType dtype, Shape s) {
  Type t = {dtype, s, NULL};
  uint8_t *v = arena_alloc(g->arena, (size_t)shape_count(&s));
  gen_data(&g->rng, &t, rng_chance(&g->rng, 80) ? DATA_TYPICAL : DATA_EXTREME, v);
  return graph_constant(g->graph, name, t, v, (SrcLoc){0});
}

/* Integers of a live tensor, and where they have a zero point of their own that one. */
static Tensor *pick_integers(Gen *g, int lo, int hi, Tensor **zero) {
  Live *x = gen_pick(g, lo, hi);
  if (!x) return NULL;
  *zero = NULL;
  if (tensor_is_quantized(x->tensor) && rng_chance(&g->rng, 40)) return x->tensor;
  Tensor *f = x->tensor;
  if (tensor_is_quantized(f)) f = gen_finish_float(g, gen_node(g, OP_dequantize, &f, 1));
  Node *q = f ? quantized(g, f) : NULL;
  if (!q) return NULL;
  *zero = q->results[2];
  return q->results[0];
}

/* The zero point that the op is given: the operand's own, a constant, or none. */
static Tensor *choose_zero(Gen *g, const Tensor *x, Tensor *own) {
  int64_t kind = rng_range(&g->rng, 0, 9);
  if (own && kind < 6) return own;
  return kind < 8 ? bytes(g, "zero", x->type.dtype, (Shape){0}) : NULL;
}

static Tensor *weight_zero(Gen *g, const Tensor *w, int64_t channels) {
  int64_t kind = rng_range(&g->rng, 0, 2);
  if (!kind) return NULL;
  return bytes(g, "w_zero", w->type.dtype, kind == 1 ? (Shape){0} : shape_of(1, channels));
}

/* b of a x b: a constant matrix or batch of them, or another live tensor's integers. */
static Tensor *right_operand(Gen *g, const Shape *a, Tensor **zero) {
  Rng *r = &g->rng;
  int64_t k = a->dim[a->rank - 1], columns = RNG_PICK(r, channel_counts);
  if (rng_chance(r, 25)) { /* turned, it fits itself */
    Tensor *own, *b = pick_integers(g, 2, 2, &own);
    if (b && b->type.shape.dim[0] == k) {
      *zero = choose_zero(g, b, own);
      return b;
    }
  }
  Shape s = shape_of(2, k, columns);
  if (rng_chance(r, 25)) s = shape_of(3, a->rank == 3 ? a->dim[0] : rng_range(r, 1, 3), k, columns);
  Tensor *b = bytes(g, "b", rng_chance(r, 70) ? DT_S8 : DT_U8, s);
  *zero = weight_zero(g, b, columns);
  return b;
}

bool step_integer(Gen *g, OpId op) {
  Rng *r = &g->rng;
  bool conv = op == OP_conv_integer;
  Tensor *own, *x = pick_integers(g, conv ? 4 : 2, conv ? 4 : 3, &own), *w, *w_zero = NULL;
  if (!x) return false;
  ConvAttrs window = conv2d_defaults;
  if (conv) {
    Shape ws = gen_window(g, op, &x->type.shape, &window);
    w = bytes(g, "w", rng_chance(r, 80) ? DT_S8 : DT_U8, ws);
    w_zero = weight_zero(g, w, ws.dim[0]);
  } else {
    w = right_operand(g, &x->type.shape, &w_zero);
  }
  Tensor *operands[] = {x, w, choose_zero(g, x, own), w_zero};
  Node *n = gen_node(g, op, operands, w_zero ? 4 : operands[2] ? 3 : 2);
  if (conv) *ATTRS(n, ConvAttrs) = window;
  Tensor *y = gen_finish_float(g, n);
  if (!y || op_info[op]->macs(n) > GEN_MAX_MACS) return false;
  double size = 100 * 74 * sqrt((double)op_info[op]->macs(n) / (double)shape_count(&y->type.shape));
  float *factor = ARENA_NEW(g->arena, float);
  *factor = (float)(4 / size);
  Tensor *scale = graph_constant(g->graph, "scale", (Type){.dtype = DT_F32}, factor, (SrcLoc){0});
  y = two(g, OP_mul, as_float(g, y), scale);
  return y && finish_real(g, y, 8);
}
