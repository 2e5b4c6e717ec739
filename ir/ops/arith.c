/* add, sub, mul, div(%a, %b) { act_min, act_max } with NumPy broadcasting. Quantized: add and sub by rule 8,
 * mul by rule 9; div is f32 only. */
#include "ir/ops/dense.h"
#include "ir/quant.h"

/* The factors of a quantized result whose type is known (rules 3, 8, 9). */
static bool check_factors(Diag *d, const Node *n) {
  const Tensor *r = n->results[0];
  if (!tensor_is_quantized(n->operands[0]) || r->type.dtype == DT_NONE) return true;
  float s_a = tensor_scale(n->operands[0]), s_b = tensor_scale(n->operands[1]), s_out = tensor_scale(r), m;
  FixedAdd f;
  if (n->op == OP_mul) {
    if (requant_multiplier(s_a, s_b, s_out, &m)) return true;
    return diag_error(d, node_loc(n), "mul '%s': the multiplier %g * %g / %g is not a normal number", r->name,
                      (double)s_a, (double)s_b, (double)s_out);
  }
  if (fixed_add_derive(s_a, s_b, s_out, n->op == OP_sub, &f)) return true;
  return diag_error(d, node_loc(n),
                    "%s '%s': the scales %g and %g are too large for a result of scale %g: no 16-bit factors",
                    op_info[n->op]->name, r->name, (double)s_a, (double)s_b, (double)s_out);
}

static bool infer_arith(Diag *d, Node *n, Type *results) {
  const ActAttrs *act = ATTRS(n, ActAttrs);
  const Type *a = &n->operands[0]->type, *b = &n->operands[1]->type;
  if (n->op == OP_div)
    for (int i = 0; i < 2; i++)
      if (n->operands[i]->type.dtype != DT_F32)
        return diag_error(d, node_loc(n),
                          "operand %d of div must be f32, not %s: div has no integer form, keep it in float "
                          "between dequantize and quantize",
                          i + 1, dtype_info[n->operands[i]->type.dtype].name);
  if (!infer_same_kind(d, n, 2)) return false;
  if (!shape_broadcast(&a->shape, &b->shape, &results[0].shape))
    return diag_error(d, node_loc(n), "%s: the shapes %s and %s do not broadcast", op_info[n->op]->name,
                      shape_text(d->arena, &a->shape), shape_text(d->arena, &b->shape));
  return act_check(d, n, act->act_min, act->act_max) && infer_real_result(d, n, &results[0]) &&
         check_factors(d, n);
}

#define ARITH(op, rule)                                                                                      \
  .name = #op, .min_operands = 2, .max_operands = 2, .n_results = 1, .attrs_size = sizeof(ActAttrs),         \
  .attr_defaults = &act_defaults, .attrs = act_attrs, .quant = (rule), .infer = infer_arith

const OpInfo op_add = {ARITH(add, QUANT_ARITH)};
const OpInfo op_sub = {ARITH(sub, QUANT_ARITH)};
const OpInfo op_mul = {ARITH(mul, QUANT_ARITH)};
const OpInfo op_div = {ARITH(div, QUANT_FLOAT)};
