/* softmax(%x) { axis }, in float only, by rule 12: e = exp(x - max), result e / sum16(e), true division. */
#include "ir/ops/attrs.h"
#include "ir/ops/infer.h"

static bool infer_softmax(Diag *d, Node *n, Type *results) {
  AxisAttrs *a = ATTRS(n, AxisAttrs);
  const Type *x = &n->operands[0]->type;
  if (x->dtype != DT_F32)
    return diag_error(d, node_loc(n), "softmax has no integer form: its operand must be f32, not %s",
                      type_text(d->arena, x));
  if (!infer_axis(d, n, &a->axis, x->shape.rank, x->shape.rank)) return false;
  results[0] = *x;
  return true;
}

static const AxisAttrs softmax_defaults = {.axis = -1};
static const AttrDesc softmax_attrs[] = {{"axis", ATTR_INT, offsetof(AxisAttrs, axis)}, {0}};

const OpInfo op_softmax = {.name = "softmax",
                           .min_operands = 1,
                           .max_operands = 1,
                           .n_results = 1,
                           .attrs_size = sizeof(AxisAttrs),
                           .attr_defaults = &softmax_defaults,
                           .attrs = softmax_attrs,
                           .quant = QUANT_FLOAT,
                           .fixed_scale = 1.0f / 256,
                           .infer = infer_softmax};
