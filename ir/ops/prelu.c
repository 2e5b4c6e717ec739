/* prelu(%x, @slope): x where it is not negative, else slope * x. The slope broadcasts to the operand and is
 * f32 for a quantized operand too: rule 10, with as many functions as there are slopes. */
#include "ir/ops/broadcast.h"
#include "ir/ops/infer.h"
#include "ir/quant.h"

static bool infer_prelu(Diag *d, Node *n, Type *results) {
  const Type *x = &n->operands[0]->type, *slope = &n->operands[1]->type;
  if (!infer_real_operand(d, n, 0)) return false;
  if (slope->dtype != DT_F32)
    return diag_error(d, node_loc(n), "the slope of prelu must be f32, not %s", type_text(d->arena, slope));
  if (!shape_broadcast(&x->shape, &slope->shape, &results[0].shape) ||
      !shape_equal(&x->shape, &results[0].shape))
    return diag_error(d, node_loc(n), "prelu: a slope %s does not broadcast to %s",
                      shape_text(d->arena, &slope->shape), shape_text(d->arena, &x->shape));
  return infer_real_result(d, n, &results[0]);
}

static float prelu(float x, float slope) { return x < 0 ? slope * x : x; }

static uint8_t prelu_quantized(const Type *x, const Type *y, uint8_t byte, float slope) {
  int32_t q = x->dtype == DT_S8 ? (int8_t)byte : byte;
  float v = prelu(dequantize_value(q, x->quant->scale[0], x->quant->zero[0]), slope);
  return (uint8_t)quantize_value(v, y->quant->scale[0], y->quant->zero[0], (int32_t)dtype_info[y->dtype].min,
                                 (int32_t)dtype_info[y->dtype].max);
}

static void eval_prelu(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *x = &n->operands[0]->type, *y = &n->results[0]->type;
  const float *slope = in[1];
  int64_t stride[MAX_RANK + 1] = {0};
  broadcast_strides(&n->operands[1]->type.shape, &x->shape, stride);
  for (int64_t i = 0, count = shape_count(&x->shape); i < count; i++) {
    float a = slope[broadcast_offset(&x->shape, stride, i)];
    if (x->quant)
      ((uint8_t *)out[0])[i] = prelu_quantized(x, y, ((const uint8_t *)in[0])[i], a);
    else
      ((float *)out[0])[i] = prelu(((const float *)in[0])[i], a);
  }
}

const OpInfo op_prelu = {.name = "prelu",
                         .min_operands = 2,
                         .max_operands = 2,
                         .n_results = 1,
                         .quant = QUANT_FIRST,
                         .infer = infer_prelu,
                         .eval = eval_prelu};
