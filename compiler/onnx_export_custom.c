/* Custom operators: nodes of a domain of their own, which -custom takes back. */
#include "compiler/onnx_export_ops.h"
#include "ir/ops/custom.h"

#define DOMAIN "qcc.custom"

static bool is_plain(const CustomTensor *t) { return t->kind == CUSTOM_PLAIN && t->dtype != DT_F32; }

bool onnx_export_custom(OnnxExport *e, const Node *n, const char *name) {
  (void)name;
  const CustomOp *op = custom_op(n);
  const CustomValue *value = ATTRS(n, CustomAttrs)->value;
  Onnx__NodeProto *p = onnx_export_node(e, n, op->name);
  onnx_build_domain(&e->build, p, DOMAIN, 1);
  for (int i = 0; i < n->n_operands; i++)
    onnx_build_input(&e->build, p,
                     is_plain(&op->operands[i]) ? onnx_export_tensor(e, n->operands[i])
                                                : onnx_export_view(e, n->operands[i]));
  for (int i = 0; op->attrs[i].name; i++) {
    if (op->attrs[i].kind == ATTR_FLOAT)
      onnx_build_float(&e->build, p, op->attrs[i].name, value[i].f);
    else
      onnx_build_int(&e->build, p, op->attrs[i].name, value[i].i);
  }
  onnx_export_result(e, n, p);
  return true;
}
