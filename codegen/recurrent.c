#include "codegen/recurrent.h"

#include <string.h>

#include "ir/ops/recurrent.h"

/* Rows [first, first + rows) of each direction's `stride` elements. */
static Tensor *part_of_bias(Cg *cg, const Tensor *bias, int64_t first, int64_t rows, int64_t stride,
                            Shape shape) {
  int64_t directions = shape_count(&bias->type.shape) / stride;
  float *part = ARENA_NEW_ARRAY(cg->arena, float, (size_t)(directions * rows));
  for (int64_t d = 0; d < directions; d++)
    memcpy(part + d * rows, (const float *)bias->data + d * stride + first, sizeof *part * (size_t)rows);
  return graph_constant(cg->graph, bias->name, (Type){DT_F32, shape, NULL}, part, bias->loc);
}

bool recurrent_expand(Cg *cg, Node *n) {
  Tensor *w = n->operands[RECURRENT_W], *bias = node_operand(n, RECURRENT_B);
  if (!w || !tensor_is_const(w) || (bias && !tensor_is_const(bias))) return true; /* refused later */
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, width = s.directions * rows;
  Tensor *operands[3] = {n->operands[RECURRENT_X]};
  operands[1] =
      graph_constant(cg->graph, w->name, (Type){DT_F32, shape_of(2, width, s.inputs), NULL}, w->data, w->loc);
  if (bias) operands[2] = part_of_bias(cg, bias, 0, rows, 2 * rows, shape_of(1, width));
  const char *name = arena_printf(cg->arena, "%s.projected", n->results[0]->name);
  Node *linear = graph_node1(cg->graph, OP_linear, operands, bias ? 3 : 2, name, node_loc(n), n);
  linear->name = n->name;
  node_set_operand(n, RECURRENT_X, linear->results[0]);
  node_set_operand(n, RECURRENT_W, NULL);
  if (bias)
    node_set_operand(n, RECURRENT_B,
                     part_of_bias(cg, bias, rows, rows, 2 * rows, shape_of(2, s.directions, rows)));
  return node_infer(cg->diag, linear) && node_infer(cg->diag, n);
}
