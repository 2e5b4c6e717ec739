/* The constants of quantized linear kernels, by rules 4 to 6 of docs/numerics.md. */
#include <stdlib.h>

#include "codegen/dense.h"
#include "ir/quant.h"

static int64_t channels_of(const Node *n) { return n->operands[1]->type.shape.dim[0]; }
static int64_t products_of(const Node *n) {
  return shape_count(&n->operands[1]->type.shape) / channels_of(n);
}
static int64_t bias_of(const Node *n, int64_t c) {
  const Tensor *bias = node_operand(n, 2);
  return bias ? ((const int32_t *)bias->data)[c] : 0;
}

/* Weight i of channel c minus its zero point. */
static int32_t weight_of(const Node *n, int64_t c, int64_t i, int64_t k) {
  const Tensor *w = n->operands[1];
  const Quant *q = w->type.quant;
  int32_t v =
      w->type.dtype == DT_U8 ? ((const uint8_t *)w->data)[c * k + i] : ((const int8_t *)w->data)[c * k + i];
  return v - q->zero[q->count > 1 ? c : 0];
}

/* The largest magnitude of |bias| + sum of |products| of a channel. */
static int64_t largest_sum(const Node *n, int64_t c) {
  const Tensor *x = n->operands[0];
  const DTypeInfo *dt = &dtype_info[x->type.dtype];
  int64_t zero = tensor_zero(x), reach = zero - dt->min > dt->max - zero ? zero - dt->min : dt->max - zero;
  int64_t k = products_of(n), size = 0;
  for (int64_t i = 0; i < k; i++) size += labs(weight_of(n, c, i, k));
  return llabs(bias_of(n, c)) + size * reach;
}

int64_t linear_largest_sum(const Node *n) {
  int64_t most = 0;
  for (int64_t c = 0; c < channels_of(n); c++) {
    int64_t sum = largest_sum(n, c);
    if (sum > most) most = sum;
  }
  return most;
}

bool linear_is_wide(const Node *n) {
  return tensor_is_quantized(n->operands[0]) && linear_largest_sum(n) > INT32_MAX;
}

/* The same as it is proved. */
static int64_t proved_sum(const Cg *cg, const Node *n, int64_t c) {
  const ChannelRanges *sums = ranges_sums(cg->ranges, n);
  if (!sums) return largest_sum(n, c);
  Interval sum = range_of_channel(sums, c);
  return -sum.lo > sum.hi ? -sum.lo : sum.hi;
}

void linear_constants(Cg *cg, const Node *n, LinearConstants *out) {
  const Tensor *x = n->operands[0], *y = n->results[0];
  const Quant *q = n->operands[1]->type.quant;
  float s_y = tensor_is_quantized(y) ? tensor_scale(y) : 1; /* float32 results: rule 6 */
  int64_t channels = channels_of(n), k = products_of(n);
  *out = (LinearConstants){.channels = channels, .k = k, .zero = cg_storage(cg, x)->zero};
  out->weights = ARENA_NEW_ARRAY(cg->kernel_arena, int32_t, (size_t)(channels * k) + 1);
  out->bias = ARENA_NEW_ARRAY(cg->kernel_arena, int64_t, (size_t)channels + 1);
  out->most = ARENA_NEW_ARRAY(cg->kernel_arena, int64_t, (size_t)channels + 1);
  out->multiplier = ARENA_NEW_ARRAY(cg->kernel_arena, float, (size_t)channels + 1);
  for (int64_t c = 0; c < channels; c++) {
    for (int64_t i = 0; i < k; i++) out->weights[c * k + i] = weight_of(n, c, i, k);
    out->bias[c] = bias_of(n, c);
    out->most[c] = proved_sum(cg, n, c);
    if (!requant_multiplier(tensor_scale(x), q->scale[q->count > 1 ? c : 0], s_y, &out->multiplier[c]))
      BUG("'%s' passed the verifier with a multiplier that is no normal float", y->name);
  }
}

LinearConstants linear_slice(const LinearConstants *lc, int64_t first, int64_t channels) {
  LinearConstants slice = *lc;
  slice.channels = channels;
  slice.weights += first * lc->k;
  slice.bias += first;
  slice.most += first;
  slice.multiplier += first;
  return slice;
}

int64_t linear_bias(const LinearConstants *lc, int64_t channel, int64_t sum) {
  return lc->bias[channel] - lc->zero * sum;
}

bool linear_results_fit(const LinearConstants *lc) {
  for (int64_t c = 0; c < lc->channels; c++)
    if ((double)lc->most[c] * (double)lc->multiplier[c] > 0x1p30) return false;
  return true;
}
