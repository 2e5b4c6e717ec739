/* lstm, gru and rnn: on sequences that are made of whatever is live, in quantized graphs as a float island.
 */
#include "tests/diff/gen_state.h"

#include "ir/half.h"
#include "ir/ops/recurrent.h"
#include "ir/quant.h"

#include <math.h>

/* [T, B, I] with as many elements; T and B are small. */
static Shape sequence_shape(Rng *r, const Shape *s) {
  if (s->rank == 3 && rng_chance(r, 70)) return *s;
  int64_t left = shape_count(s), dim[2];
  for (int i = 0; i < 2; i++) {
    dim[i] = rng_range(r, 1, 7);
    while (left % dim[i]) dim[i]--;
    left /= dim[i];
  }
  return rng_chance(r, 50) ? shape_of(3, dim[0], dim[1], left) : shape_of(3, dim[1], dim[0], left);
}

static void choose_function(Rng *r, GateFunction *f, GateKind usual, bool any) {
  *f = (GateFunction){usual, 1, 0};
  if (!any) return;
  f->kind = (int)rng_range(r, GATE_SIGMOID, GATE_SOFTSIGN);
  f->alpha = (float)rng_unit(r);
  f->beta = (float)rng_unit(r);
}

/* Functions without a bound let the state grow from step to step: fewer steps, and a clip. */
static void choose_attrs(Rng *r, OpId op, int64_t steps, RecurrentAttrs *a) {
  bool any = steps <= 16 && rng_chance(r, 30);
  a->direction = (int)rng_range(r, DIRECTION_FORWARD, DIRECTION_BIDIRECTIONAL);
  choose_function(r, &a->f, op == OP_rnn ? GATE_TANH : GATE_SIGMOID, any && rng_chance(r, 60));
  if (op != OP_rnn) choose_function(r, &a->g, GATE_TANH, any && rng_chance(r, 60));
  if (op == OP_lstm) choose_function(r, &a->h, GATE_TANH, any && rng_chance(r, 60));
  if (any || rng_chance(r, 10)) a->clip = (float)(0.1 + rng_unit(r) * 3);
  a->linear_before_reset = op == OP_gru && rng_chance(r, 50);
  a->input_forget = op == OP_lstm && rng_chance(r, 15);
}

/* A constant, or an input of the graph: the state that a stream hands over. */
static Tensor *initial_state(Gen *g, Shape shape) {
  if (rng_chance(&g->rng, 60)) return gen_float_constant(g, "h0", shape, 0.5, 0);
  if (g->form == GEN_FLOAT) return graph_input(g->graph, "h0", (Type){DT_F32, shape, NULL}, (SrcLoc){0});
  return NULL;
}

/* [D, rows, k] or as one matrix, f32 or stored small. */
static Tensor *recurrent_weight(Gen *g, const char *name, Shape s, double size, bool bytes) {
  Rng *r = &g->rng;
  int64_t n = shape_count(&s), rows = s.dim[1], all = s.dim[0] * rows;
  int64_t form = bytes ? 2 : rng_range(r, -2, 2);
  if (form <= 0) return gen_float_constant(g, name, s, size, 0);
  if (form == 1) {
    uint16_t *half = ARENA_NEW_ARRAY(g->arena, uint16_t, (size_t)n);
    for (int64_t i = 0; i < n; i++) half[i] = half_from_float((float)(rng_normal(r) * size));
    return graph_constant(g->graph, name, (Type){DT_F16, s, NULL}, half, (SrcLoc){0});
  }
  if (rng_chance(r, 30)) s = shape_of(2, all, s.dim[2]);
  int axis = rng_chance(r, 40) ? -1 : s.rank == 2 ? 0 : (int)rng_range(r, 0, 1);
  int64_t count = axis < 0 ? 1 : s.dim[axis];
  DType dtype = rng_chance(r, 85) ? DT_S8 : DT_U8;
  float *scale = ARENA_NEW_ARRAY(g->arena, float, (size_t)count);
  int32_t *zero = ARENA_NEW_ARRAY(g->arena, int32_t, (size_t)count);
  bool zeros = dtype == DT_U8 || rng_chance(r, 20);
  for (int64_t i = 0; i < count; i++) {
    scale[i] = (float)(size / 50 * (0.5 + rng_unit(r)));
    zero[i] = zeros ? (int32_t)rng_range(r, dtype_info[dtype].min, dtype_info[dtype].max) : 0;
  }
  Type t = {dtype, s, quant_new(g->arena, axis, count, scale, zero)};
  uint8_t *q = arena_alloc(g->arena, (size_t)n);
  gen_data(r, &t, rng_chance(r, 80) ? DATA_TYPICAL : DATA_EXTREME, q);
  return graph_constant(g->graph, name, t, q, (SrcLoc){0});
}

/* What follows from the sequence and the recurrent weight; the number of operands. */
static int choose_operands(Gen *g, OpId op, Shape x, int64_t directions, int64_t hidden, bool dynamic,
                           Tensor **operands) {
  Rng *r = &g->rng;
  int64_t gates = op == OP_lstm ? 4 : op == OP_gru ? 3 : 1, rows = gates * hidden;
  double size = 1 / sqrt((double)hidden);
  bool projected = x.dim[2] == directions * rows && rng_chance(r, 70);
  Shape state = shape_of(3, directions, x.dim[1], hidden);
  if (!projected)
    operands[RECURRENT_W] = recurrent_weight(g, "w", shape_of(3, directions, rows, x.dim[2]),
                                             1 / sqrt((double)x.dim[2]), dynamic);
  operands[RECURRENT_R] = recurrent_weight(g, "r", shape_of(3, directions, rows, hidden), size, dynamic);
  if (rng_chance(r, 80))
    operands[RECURRENT_B] =
        gen_float_constant(g, "b", shape_of(2, directions, (projected ? 1 : 2) * rows), size, 0);
  if (rng_chance(r, 40)) operands[RECURRENT_H0] = initial_state(g, state);
  if (op != OP_lstm) return RECURRENT_H0 + 1;
  if (rng_chance(r, 40)) operands[RECURRENT_C0] = initial_state(g, state);
  if (rng_chance(r, 25))
    operands[RECURRENT_P] = gen_float_constant(g, "p", shape_of(2, directions, 3 * hidden), 0.5, 0);
  return RECURRENT_P + 1;
}

/* The sequence in float: behind a reshape where it needs one, and a dequantize. */
static Tensor *make_sequence(Gen *g, Tensor *x) {
  Shape s = sequence_shape(&g->rng, &x->type.shape);
  if (!shape_equal(&s, &x->type.shape)) {
    Node *n = gen_node(g, OP_reshape, &x, 1);
    ATTRS(n, ReshapeAttrs)->shape = (IntList){3, {s.dim[0], s.dim[1], s.dim[2]}};
    x = gen_finish_float(g, n);
  }
  return x && tensor_is_quantized(x) ? gen_finish_float(g, gen_node(g, OP_dequantize, &x, 1)) : x;
}

bool step_recurrent(Gen *g, OpId op) {
  static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 33};
  Live *live = gen_pick(g, 1, 5);
  if (!live) return false;
  Tensor *operands[RECURRENT_P + 1] = {make_sequence(g, live->tensor)};
  if (!operands[0]) return false;
  Shape x = operands[0]->type.shape;
  const char *names[] = {NULL, NULL, NULL};
  RecurrentAttrs attrs = *(const RecurrentAttrs *)op_info[op]->attr_defaults;
  choose_attrs(&g->rng, op, x.dim[0], &attrs);
  int64_t directions = attrs.direction == DIRECTION_BIDIRECTIONAL ? 2 : 1, hidden = RNG_PICK(&g->rng, sizes);
  int64_t gates = op == OP_lstm ? 4 : op == OP_gru ? 3 : 1;
  if (x.dim[2] % (directions * gates) == 0 && x.dim[2] <= 200 && rng_chance(&g->rng, 40))
    hidden = x.dim[2] / (directions * gates);
  if ((attrs.dynamic = rng_chance(&g->rng, 40)) && rng_chance(&g->rng, 50)) attrs.quantize.qmax = 127;
  if (attrs.dynamic && rng_chance(&g->rng, 20)) attrs.quantize.rule = DYNAMIC_ONNX;
  int count = choose_operands(g, op, x, directions, hidden, attrs.dynamic, operands);
  while (!operands[count - 1]) count--;
  Node *n = graph_node(g->graph, op, operands, count, names, op_info[op]->n_results, (SrcLoc){0}, NULL);
  *ATTRS(n, RecurrentAttrs) = attrs;
  int first = rng_chance(&g->rng, 80) ? 0 : 1; /* the first result may be of no use */
  if (!gen_finish_float(g, n) || op_info[op]->macs(n) > GEN_MAX_MACS) return false;
  bool any = false;
  for (int i = first; i < n->n_results; i++) {
    if (i > first && rng_chance(&g->rng, 40)) continue;
    any |= g->form == GEN_FLOAT ? gen_live(g, n->results[i], 1)
                                : gen_finish(g, gen_node(g, OP_quantize, &n->results[i], 1), 1);
  }
  return any;
}
