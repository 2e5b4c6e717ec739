/* ONNX nodes that -emit onnx wrote for one op of the IR: in files of qcc's own they become that op again,
 * with its names. In other files they stay what they are, for the passes to deal with. */
#include "compiler/onnx_ops.h"

#include <math.h>
#include <string.h>

/* The node that makes an input for this node alone; NULL: there is none, or it is not qcc's file. */
static Node *only_producer(const OnnxNode *n, int i) {
  const OnnxValue *v = onnx_has_input(n, i) ? onnx_input(n, i) : NULL;
  return n->im->own && v && v->tensor && v->uses == 1 ? v->tensor->producer : NULL;
}

/* The writer names the value between after the result. */
bool onnx_is_own_silu(const OnnxNode *n) {
  const Node *sigmoid = only_producer(n, 1);
  const char *prefix = arena_printf(n->im->arena, "%s.sigmoid", onnx_output_name(n, 0));
  return sigmoid && !strncmp(n->proto->input[1], prefix, strlen(prefix)) && sigmoid->op == OP_sigmoid &&
         sigmoid->operands[0] == onnx_input(n, 0)->tensor;
}

bool onnx_import_own_silu(OnnxNode *n) {
  Tensor *x = onnx_operand(n, 0, false);
  node_remove(onnx_input(n, 1)->tensor->producer);
  return onnx_set_output(n, 0, onnx_emit1(n, OP_silu, onnx_output_name(n, 0), x, NULL));
}

static float *bound(Node *n, const char *name) {
  const AttrDesc *a = op_attr(n->op, name, 7);
  return a ? (float *)((char *)n->attrs + a->offset) : NULL;
}

bool onnx_import_own_clamp(OnnxNode *n, float min, float max) {
  Node *p = *onnx_str(n->proto->name) ? NULL : only_producer(n, 0);
  float *lo = p ? bound(p, "act_min") : NULL, *hi = lo ? bound(p, "act_max") : NULL;
  if (!hi || *lo != -INFINITY || *hi != INFINITY || p->n_results != 1) return false;
  *lo = min;
  *hi = max;
  onnx_rename(n, p->results[0]);
  return onnx_set_output(n, 0, p->results[0]);
}
