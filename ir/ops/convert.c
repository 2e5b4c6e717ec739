/* quantize(%x f32), dequantize(%q), requantize(%q), lut(%q, @table): conversions whose types say everything.
 */
#include "ir/ops/infer.h"
#include "ir/quant.h"

/* The result's own type, where it has one, must be u8 or s8 with a quantization that fits the shape. */
static bool check_own_result(Diag *d, const Node *n, const Shape *shape, bool per_axis) {
  const Type *own = &n->results[0]->type;
  const char *op = op_info[n->op]->name;
  if (own->dtype == DT_NONE) return true;
  if ((own->dtype != DT_U8 && own->dtype != DT_S8) || !own->quant)
    return diag_error(d, node_loc(n), "the result of %s must be quantized u8 or s8, not %s%s", op,
                      dtype_info[own->dtype].name, own->quant ? "" : " without a scale");
  const Quant *q = own->quant;
  if (q->axis < 0) return true;
  if (!per_axis)
    return diag_error(d, node_loc(n), "the result of %s must be quantized per tensor, not along axis %d", op,
                      q->axis);
  if (q->axis >= shape->rank || shape->dim[q->axis] != q->count)
    return diag_error(d, node_loc(n), "the result of %s, %s, cannot have %lld scales along axis %d", op,
                      shape_text(d->arena, shape), (long long)q->count, q->axis);
  return true;
}

static bool infer_quantize(Diag *d, Node *n, Type *results) {
  const Type *x = &n->operands[0]->type;
  if (x->dtype != DT_F32)
    return diag_error(d, node_loc(n), "operand 1 of quantize must be f32, not %s", type_text(d->arena, x));
  results[0].shape = x->shape;
  return check_own_result(d, n, &x->shape, true);
}

static bool infer_dequantize(Diag *d, Node *n, Type *results) {
  const Type *q = &n->operands[0]->type;
  if (!q->quant)
    return diag_error(d, node_loc(n), "operand 1 of dequantize must be quantized, not %s",
                      type_text(d->arena, q));
  results[0].dtype = DT_F32;
  results[0].shape = q->shape;
  return true;
}

/* requantize and lut read their table at q - qmin, so the operand is 8 bits wide and has one scale. */
static bool check_table_operand(Diag *d, const Node *n) {
  const Type *q = &n->operands[0]->type;
  if ((q->dtype == DT_U8 || q->dtype == DT_S8) && q->quant && q->quant->axis < 0) return true;
  return diag_error(d, node_loc(n), "operand 1 of %s must be u8 or s8 quantized per tensor, not %s",
                    op_info[n->op]->name, type_text(d->arena, q));
}

static bool infer_requantize(Diag *d, Node *n, Type *results) {
  results[0].shape = n->operands[0]->type.shape;
  return check_table_operand(d, n) && check_own_result(d, n, &results[0].shape, false);
}

static bool infer_lut(Diag *d, Node *n, Type *results) {
  const Type *table = &n->operands[1]->type, *own = &n->results[0]->type;
  if (!check_table_operand(d, n)) return false;
  if (!tensor_is_const(n->operands[1]) || (table->dtype != DT_U8 && table->dtype != DT_S8) ||
      table->shape.rank != 1 || table->shape.dim[0] != 256)
    return diag_error(d, node_loc(n), "the table of lut must be a constant u8 or s8 [256], not %s%s",
                      tensor_is_const(n->operands[1]) ? "" : "a computed ", type_text(d->arena, table));
  if (own->dtype != DT_NONE && own->dtype != table->dtype)
    return diag_error(d, node_loc(n), "the result of lut is %s, its table %s", dtype_info[own->dtype].name,
                      dtype_info[table->dtype].name);
  results[0] = (Type){table->dtype, n->operands[0]->type.shape, own->quant};
  return check_own_result(d, n, &results[0].shape, false);
}

#define CONVERT(op, operands)                                                                                \
  .name = #op, .min_operands = (operands), .max_operands = (operands), .n_results = 1, .quant = QUANT_CONVERT

const OpInfo op_quantize = {CONVERT(quantize, 1), .infer = infer_quantize};
const OpInfo op_dequantize = {CONVERT(dequantize, 1), .infer = infer_dequantize};
const OpInfo op_requantize = {CONVERT(requantize, 1), .infer = infer_requantize};
const OpInfo op_lut = {CONVERT(lut, 2), .infer = infer_lut};
