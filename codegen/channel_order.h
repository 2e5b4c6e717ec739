/* Which output channels of a dense kernel share a vector, on targets whose fast product adds two products in
 * 16 bits: those whose k-steps go together by the same pairs (docs/decisions/exact-avx2.md). */
#ifndef QCC_CODEGEN_CHANNEL_ORDER_H
#define QCC_CODEGEN_CHANNEL_ORDER_H

#include "codegen/lower.h"
#include "codegen/plan_match.h"

/* The weights of `channels`: [channel][k-step][4], within [-127, 127]; at most PLAN_WORD k-steps. */
typedef struct {
  const int8_t *weights;
  int64_t channels;
  int k_steps, lanes;
  int32_t limit; /* of a sum, in units of the operand's largest value */
} ChannelWeights;

/* The channels in a better order, those of a vector together, vectors with more pairs first. */
int32_t *order_channels(Arena *a, const ChannelWeights *w);

/* Permutes channels that nobody outside of these nodes sees: of a dense convolution's result, through
 * depthwise ones, up to the next dense one. The graph's tensors get constants of their own. */
void cg_order_channels(Cg *cg);

#endif
