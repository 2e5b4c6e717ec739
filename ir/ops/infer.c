#include "ir/ops/infer.h"

static bool is_real8(const Type *t) {
  return (t->dtype == DT_U8 || t->dtype == DT_S8) && t->quant && t->quant->axis < 0;
}

bool infer_real_operand(Diag *d, const Node *n, int i) {
  const Type *t = &n->operands[i]->type;
  if (t->dtype == DT_F32 || is_real8(t)) return true;
  return diag_error(d, node_loc(n), "operand %d of %s must be f32, or u8 or s8 quantized per tensor, not %s",
                    i + 1, op_info[n->op]->name, type_text(d->arena, t));
}

bool infer_real_result(Diag *d, const Node *n, Type *result) {
  if (n->operands[0]->type.dtype == DT_F32) {
    result->dtype = DT_F32;
    return true;
  }
  result->dtype = DT_NONE;
  const Type *own = &n->results[0]->type;
  if (own->dtype == DT_NONE || is_real8(own)) return true;
  return diag_error(d, node_loc(n),
                    "%s of a quantized operand has a u8 or s8 result quantized per tensor, not %s",
                    op_info[n->op]->name, type_text(d->arena, own));
}

bool infer_axis(Diag *d, const Node *n, int64_t *axis, int rank, int limit) {
  int64_t a = *axis < 0 ? *axis + rank : *axis;
  if (a < 0 || a >= limit)
    return diag_error(d, node_loc(n), "axis %lld of %s is out of range for an operand of rank %d",
                      (long long)*axis, op_info[n->op]->name, rank);
  *axis = a;
  return true;
}

/* The result's axis with as many elements before it and in it as the operand's quantized axis; -1: none. */
static int reshaped_axis(const Type *from, const Shape *to) {
  int64_t before = 1, prefix = 1;
  for (int i = 0; i < from->quant->axis; i++) before *= from->shape.dim[i];
  for (int i = 0; i < to->rank; i++) {
    if (prefix == before && to->dim[i] == from->quant->count) return i;
    prefix *= to->dim[i];
  }
  return -1;
}

bool infer_reshaped_quant(Diag *d, const Node *n, const Type *from, Type *to) {
  to->dtype = from->dtype;
  to->quant = from->quant;
  if (!from->quant || from->quant->axis < 0) return true;
  int axis = reshaped_axis(from, &to->shape);
  if (axis < 0)
    return diag_error(d, node_loc(n), "%s to %s does not keep axis %d, along which operand 1 is quantized",
                      op_info[n->op]->name, shape_text(d->arena, &to->shape), from->quant->axis);
  if (axis != from->quant->axis)
    to->quant = quant_new(n->graph->arena, axis, from->quant->count, from->quant->scale, from->quant->zero);
  return true;
}
