/* lstm, gru and rnn: on sequences that are made of whatever is live, in quantized graphs as a float island.
 */
#include "tests/diff/gen_state.h"

#include "ir/ops/recurrent.h"

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

/* What follows from the sequence and the recurrent weight; the number of operands. */
static int choose_operands(Gen *g, OpId op, Shape x, int64_t directions, int64_t hidden, Tensor **operands) {
  Rng *r = &g->rng;
  int64_t gates = op == OP_lstm ? 4 : op == OP_gru ? 3 : 1, rows = gates * hidden;
  double size = 1 / sqrt((double)hidden);
  bool projected = x.dim[2] == directions * rows && rng_chance(r, 70);
  Shape state = shape_of(3, directions, x.dim[1], hidden);
  if (!projected)
    operands[RECURRENT_W] =
        gen_float_constant(g, "w", shape_of(3, directions, rows, x.dim[2]), 1 / sqrt((double)x.dim[2]), 0);
  operands[RECURRENT_R] = gen_float_constant(g, "r", shape_of(3, directions, rows, hidden), size, 0);
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
  int count = choose_operands(g, op, x, directions, hidden, operands);
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
