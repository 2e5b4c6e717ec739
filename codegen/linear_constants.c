/* The constants of quantized linear kernels, by rules 4 to 6 of NUMERICS.md. */
#include <stdlib.h>

#include "codegen/dense.h"
#include "ir/quant.h"

static int32_t element(const Tensor *t, int64_t i) {
  return t->type.dtype == DT_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
}

bool linear_constants(Cg *cg, const Node *n, LinearConstants *out) {
  const Tensor *x = n->operands[0], *w = n->operands[1], *bias = node_operand(n, 2), *y = n->results[0];
  const Quant *q = w->type.quant;
  int64_t channels = w->type.shape.dim[0], k = shape_count(&w->type.shape) / (channels ? channels : 1);
  *out = (LinearConstants){.channels = channels, .k = k};
  out->weights = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)(channels * k) + 1);
  out->bias = ARENA_NEW_ARRAY(cg->arena, int32_t, (size_t)channels + 1);
  out->multiplier = ARENA_NEW_ARRAY(cg->arena, float, (size_t)channels + 1);
  const DTypeInfo *dt = &dtype_info[x->type.dtype];
  int64_t zero = tensor_zero(x), reach = zero - dt->min > dt->max - zero ? zero - dt->min : dt->max - zero;
  int32_t stored_zero = cg_storage(cg, x)->zero;
  for (int64_t c = 0; c < channels; c++) {
    int64_t qi = q->count > 1 ? c : 0, sum = 0, size = 0;
    for (int64_t i = 0; i < k; i++) {
      int32_t v = element(w, c * k + i) - q->zero[qi];
      out->weights[c * k + i] = v;
      sum += v;
      size += labs(v);
    }
    int64_t b = bias ? ((const int32_t *)bias->data)[c] : 0;
    if (llabs(b) + size * reach > INT32_MAX)
      return diag_error(cg->diag, node_loc(n), "'%s': the sum of channel %lld can leave 32 bits", y->name,
                        (long long)c);
    out->bias[c] = (int32_t)(uint32_t)(uint64_t)(b - stored_zero * sum);
    if (!requant_multiplier(tensor_scale(x), q->scale[qi], tensor_scale(y), &out->multiplier[c]))
      return diag_error(cg->diag, node_loc(n),
                        "'%s': the requantization multiplier of channel %lld is not a normal float", y->name,
                        (long long)c);
  }
  return true;
}
