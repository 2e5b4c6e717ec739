/* cast(%x): integers as f32, a half as f32. */
#include "ir/half.h"
#include "ir/ops/infer.h"

static bool infer_cast(Diag *d, Node *n, Type *results) {
  const Type *x = &n->operands[0]->type;
  bool integer = x->dtype == DT_S32 || x->dtype == DT_U8 || x->dtype == DT_S8;
  if ((!integer && x->dtype != DT_F16) || x->quant)
    return diag_error(d, node_loc(n),
                      "operand 1 of cast must be s32, u8 or s8 without parameters, or f16, not %s",
                      type_text(d->arena, x));
  results[0] = (Type){DT_F32, x->shape, NULL};
  return true;
}

static void eval_cast(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out) {
  (void)ctx;
  const Type *x = &n->operands[0]->type;
  float *y = out[0];
  int64_t count = shape_count(&x->shape);
  switch (x->dtype) {
  case DT_S32:
    for (int64_t i = 0; i < count; i++) y[i] = (float)((const int32_t *)in[0])[i];
    break;
  case DT_U8:
    for (int64_t i = 0; i < count; i++) y[i] = ((const uint8_t *)in[0])[i];
    break;
  case DT_S8:
    for (int64_t i = 0; i < count; i++) y[i] = ((const int8_t *)in[0])[i];
    break;
  default:
    half_widen(in[0], count, y);
  }
}

const OpInfo op_cast = {.name = "cast",
                        .min_operands = 1,
                        .max_operands = 1,
                        .n_results = 1,
                        .quant = QUANT_CONVERT,
                        .infer = infer_cast,
                        .eval = eval_cast};
