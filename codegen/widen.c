#include "codegen/widen.h"

#include "ir/ops/dot.h"

bool widen_weight(Cg *cg, Node *n) {
  Tensor *w = n->operands[1];
  if (n->operands[0]->type.dtype != DT_F32 || w->type.dtype == DT_F32 || !tensor_is_const(w)) return true;
  int64_t count = shape_count(&w->type.shape), channels = w->type.shape.dim[0], per = count / channels;
  float *data = ARENA_NEW_ARRAY(cg->arena, float, (size_t)count + 1);
  DotSource source = dot_weight(w, w->data, true);
  for (int64_t c = 0; c < channels; c++) dot_load_channel(&source, c * per, per, c, data + c * per, 1);
  Type type = {DT_F32, w->type.shape, NULL};
  node_set_operand(n, 1, graph_constant(cg->graph, w->name, type, data, w->loc));
  return true;
}
