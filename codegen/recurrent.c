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

/* The type of a weight as one matrix: its scales along axis 0. */
static Type matrix_type(Cg *cg, const Node *n, const Tensor *w) {
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, all = s.directions * rows;
  const Quant *q = w->type.quant;
  Type t = {w->type.dtype, shape_of(2, all, w->type.shape.dim[w->type.shape.rank - 1]), q};
  if (!q || q->axis < 0) return t;
  float *scale = ARENA_NEW_ARRAY(cg->arena, float, (size_t)all);
  int32_t *zero = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)all);
  for (int64_t r = 0; r < all; r++) {
    int64_t c = recurrent_channel(&w->type, r, rows);
    scale[r] = q->scale[c];
    zero[r] = q->zero[c];
  }
  t.quant = quant_new(cg->arena, 0, all, scale, zero);
  return t;
}

static Tensor *constant_like(Cg *cg, const Tensor *w, Type type, const void *data) {
  return graph_constant(cg->graph, w->name, type, data, w->loc);
}

/* The input projection of a dynamic node: all steps are quantized together. */
static bool project_dynamic(Cg *cg, Node *n, Tensor *const *operands, int count, const char *name,
                            Tensor **result) {
  const char *x = operands[0]->name, *names[3];
  static const char *const parts[] = {"q", "scale", "zero"};
  for (int i = 0; i < 3; i++) names[i] = arena_printf(cg->arena, "%s.%s", x, parts[i]);
  Node *q = graph_node(cg->graph, OP_dynamic_quantize, operands, 1, names, 3, node_loc(n), n);
  *ATTRS(q, DynamicQuantizeAttrs) = ATTRS(n, RecurrentAttrs)->quantize;
  q->name = n->name;
  if (!node_infer(cg->diag, q)) return false;
  Tensor *all[] = {q->results[0], q->results[1], q->results[2], operands[1], operands[2]};
  Node *product = graph_node1(cg->graph, OP_dynamic_linear, all, count + 2, name, node_loc(n), n);
  product->name = n->name;
  *result = product->results[0];
  return node_infer(cg->diag, product);
}

static bool project_float(Cg *cg, Node *n, Tensor *const *operands, int count, const char *name,
                          Tensor **result) {
  Node *linear = graph_node1(cg->graph, OP_linear, operands, count, name, node_loc(n), n);
  linear->name = n->name;
  *result = linear->results[0];
  return node_infer(cg->diag, linear);
}

static bool project(Cg *cg, Node *n) {
  Tensor *w = n->operands[RECURRENT_W], *bias = node_operand(n, RECURRENT_B);
  RecurrentDims s = recurrent_dims(n);
  int64_t rows = s.gates * s.hidden, width = s.directions * rows;
  bool dynamic = ATTRS(n, RecurrentAttrs)->dynamic;
  Tensor *operands[3] = {n->operands[RECURRENT_X]}, *projected;
  operands[1] = constant_like(cg, w, matrix_type(cg, n, w), w->data);
  if (bias) operands[2] = part_of_bias(cg, bias, 0, rows, 2 * rows, shape_of(1, width));
  const char *name = arena_printf(cg->arena, "%s.projected", n->results[0]->name);
  if (!(dynamic ? project_dynamic : project_float)(cg, n, operands, bias ? 3 : 2, name, &projected))
    return false;
  if (bias) bias = part_of_bias(cg, bias, rows, rows, 2 * rows, shape_of(2, s.directions, rows));
  node_set_operand(n, RECURRENT_X, projected);
  node_set_operand(n, RECURRENT_W, NULL);
  if (bias) node_set_operand(n, RECURRENT_B, bias);
  return true;
}

bool recurrent_expand(Cg *cg, Node *n) {
  Tensor *w = n->operands[RECURRENT_W], *r = n->operands[RECURRENT_R], *bias = node_operand(n, RECURRENT_B);
  if ((w && !tensor_is_const(w)) || !tensor_is_const(r) || (bias && !tensor_is_const(bias)))
    return true; /* refused later */
  if (w && !project(cg, n)) return false;
  return node_infer(cg->diag, n);
}
