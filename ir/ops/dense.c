#include "ir/ops/dense.h"
#include "ir/quant.h"
#include "ir/refmath.h"

#include <math.h>

const ActAttrs act_defaults = {-INFINITY, INFINITY};
const AttrDesc act_attrs[] = {{"act_min", ATTR_FLOAT, offsetof(ActAttrs, act_min)},
                              {"act_max", ATTR_FLOAT, offsetof(ActAttrs, act_max)},
                              {0}};

bool act_check(Diag *d, const Node *n, float act_min, float act_max) {
  if (isnan(act_min) || isnan(act_max))
    return diag_error(d, node_loc(n), "%s: a bound of the fused activation is not a number",
                      op_info[n->op]->name);
  if (act_min > act_max)
    return diag_error(d, node_loc(n), "%s: act_min %g is above act_max %g", op_info[n->op]->name,
                      (double)act_min, (double)act_max);
  return true;
}

void act_float(float *v, int64_t count, float act_min, float act_max) {
  if (act_min == -INFINITY && act_max == INFINITY) return;
  for (int64_t i = 0; i < count; i++) v[i] = ref_clamp(v[i], act_min, act_max);
}

bool infer_same_kind(Diag *d, const Node *n, int count) {
  for (int i = 0; i < count; i++)
    if (!infer_real_operand(d, n, i)) return false;
  for (int i = 1; i < count; i++)
    if (tensor_is_quantized(n->operands[i]) != tensor_is_quantized(n->operands[0]))
      return diag_error(d, node_loc(n),
                        "%s mixes float and quantized operands: operand 1 is %s, operand %d %s",
                        op_info[n->op]->name, type_text(d->arena, &n->operands[0]->type), i + 1,
                        type_text(d->arena, &n->operands[i]->type));
  return true;
}

bool dense_check_weight(Diag *d, const Node *n, int i, int64_t oc) {
  const Type *w = &n->operands[i]->type;
  const char *op = op_info[n->op]->name;
  if ((w->dtype != DT_S8 && w->dtype != DT_U8) || !w->quant)
    return diag_error(d, node_loc(n), "the weight of a quantized %s must be quantized s8 or u8, not %s%s", op,
                      dtype_info[w->dtype].name, w->quant ? "" : " without a scale");
  if (w->quant->axis > 0 || (w->quant->axis == 0 && w->quant->count != oc))
    return diag_error(d, node_loc(n),
                      "the weight of %s must be quantized per tensor or along axis 0 (%lld channels), not "
                      "along axis %d with %lld scales",
                      op, (long long)oc, w->quant->axis, (long long)w->quant->count);
  return true;
}

/* Over f32 a weight may be stored smaller. */
static bool check_float_weight(Diag *d, const Node *n, int64_t oc) {
  const Type *w = &n->operands[1]->type;
  if (w->dtype == DT_F32 || w->dtype == DT_F16) return true;
  if (w->quant) return dense_check_weight(d, n, 1, oc);
  return diag_error(d, node_loc(n),
                    "the weight of %s over f32 must be f32, f16, or quantized s8 or u8, not %s",
                    op_info[n->op]->name, dtype_info[w->dtype].name);
}

bool dense_check_bias(Diag *d, const Node *n, int i, int64_t oc, DType want) {
  const Tensor *bias = node_operand(n, i);
  if (!bias) return true;
  const char *op = op_info[n->op]->name;
  if (bias->type.shape.rank != 1 || bias->type.shape.dim[0] != oc)
    return diag_error(d, node_loc(n), "the bias of %s must be [%lld], one value per output channel, not %s",
                      op, (long long)oc, shape_text(d->arena, &bias->type.shape));
  if (bias->type.dtype != want)
    return diag_error(d, node_loc(n), "the bias of a %s %s must be %s, not %s",
                      want == DT_S32 ? "quantized" : "float", op, dtype_info[want].name,
                      dtype_info[bias->type.dtype].name);
  const Quant *q = bias->type.quant;
  for (int64_t c = 0; q && c < q->count; c++)
    if (q->zero[c])
      return diag_error(d, node_loc(n), "the bias of %s must have the zero point 0, not %d", op, q->zero[c]);
  return true;
}

/* A float result has the scale 1. */
static float result_scale(const Node *n) {
  return tensor_is_quantized(n->results[0]) ? tensor_scale(n->results[0]) : 1;
}

static bool check_multipliers(Diag *d, const Node *n) {
  const Quant *w = n->operands[1]->type.quant;
  const Tensor *r = n->results[0];
  float m;
  for (int64_t i = 0; i < w->count; i++)
    if (!requant_multiplier(tensor_scale(n->operands[0]), w->scale[i], result_scale(n), &m))
      return diag_error(d, node_loc(n),
                        "%s '%s': the multiplier %g * %g / %g of channel %lld is not a normal number",
                        op_info[n->op]->name, r->name, (double)tensor_scale(n->operands[0]),
                        (double)w->scale[i], (double)result_scale(n), (long long)i);
  return true;
}

bool dense_check_types(Diag *d, const Node *n, int64_t oc, Type *result) {
  if (!infer_real_operand(d, n, 0)) return false;
  bool real = !tensor_is_quantized(n->operands[0]);
  if (!(real ? check_float_weight(d, n, oc) : dense_check_weight(d, n, 1, oc)) ||
      !dense_check_bias(d, n, 2, oc, real ? DT_F32 : DT_S32))
    return false;
  DType own = n->results[0]->type.dtype;
  result->dtype = DT_NONE; /* of integers: what the result's own type says, u8, s8 or f32 */
  if ((real || own != DT_F32) && !infer_real_result(d, n, result)) return false;
  return real || own == DT_NONE || check_multipliers(d, n);
}
