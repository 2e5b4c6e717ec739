/* Nodes of other domains than ONNX's whose operator is a custom one. */
#include "compiler/onnx_ops.h"
#include "ir/ops/custom.h"

#include <string.h>

static bool import_custom(OnnxNode *n);

const OnnxOp *onnx_custom_row(OnnxImporter *im, const char *name, const char *domain) {
  const CustomOp *op = custom_find(im->options->customs, name, strlen(name));
  if (!op || !*domain || !strcmp(domain, "ai.onnx")) return NULL;
  OnnxAttr *attrs = ARENA_NEW_ARRAY(im->arena, OnnxAttr, CUSTOM_MAX_ATTRS + 1);
  for (int i = 0; op->attrs[i].name; i++)
    attrs[i] =
        (OnnxAttr){op->attrs[i].name, op->attrs[i].kind == ATTR_FLOAT ? ONNX_FLOAT : ONNX_INT, 0, false};
  OnnxOp *row = ARENA_NEW(im->arena, OnnxOp);
  *row = (OnnxOp){.name = op->name,
                  .domain = domain,
                  .min_opset = 1,
                  .min_inputs = op->n_operands,
                  .max_inputs = op->n_operands,
                  .max_outputs = 1,
                  .attrs = attrs,
                  .import = import_custom};
  return row;
}

static Tensor *operand(const OnnxNode *n, const CustomTensor *t, int i) {
  bool bytes = t->kind == CUSTOM_PLAIN && t->dtype != DT_F32;
  return bytes ? onnx_integer_operand(n, i) : onnx_operand(n, i, true);
}

static bool import_custom(OnnxNode *n) {
  const CustomOp *op = custom_find(n->im->options->customs, n->op->name, strlen(n->op->name));
  Tensor *operands[CUSTOM_MAX_OPERANDS];
  for (int i = 0; i < op->n_operands; i++) {
    operands[i] = operand(n, &op->operands[i], i);
    if (!operands[i]) return false;
  }
  Node *node = custom_node(n->im->graph, op, operands, op->n_operands, onnx_output_name(n, 0), n->loc, NULL);
  onnx_label_node(n, node);
  CustomValue *value = ATTRS(node, CustomAttrs)->value;
  for (int i = 0; op->attrs[i].name; i++) {
    value[i].i = onnx_attr_int(n, op->attrs[i].name, value[i].i);
    value[i].f = onnx_attr_float(n, op->attrs[i].name, value[i].f);
  }
  return node_infer(n->im->diag, node) && onnx_set_output(n, 0, node->results[0]);
}
