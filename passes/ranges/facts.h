/* What the intervals say about the arithmetic of a layer: facts for reports. */
#ifndef QCC_PASSES_RANGES_FACTS_H
#define QCC_PASSES_RANGES_FACTS_H

#include "passes/ranges.h"

typedef struct {
  Interval sums;  /* of all channels */
  int bits;       /* of the narrowest signed integer that holds them */
  bool exact_f32; /* every sum is a float32: its conversion does not round */
} SumFacts;
/* False where nothing is known of the node's sums. */
bool sum_facts(const Ranges *r, const Node *n, SumFacts *f);

/* Neighbours in the order of a window's row and its channels, as dot products of u8 by s8 take them, two or
 * four at a time, the operand as its distance from the type's least value. Safe: their sum fits 16 bits,
 * whatever the values within the proved intervals are. */
typedef struct {
  int64_t pairs, safe_pairs, quads, safe_quads;
} ProductFacts;
/* False for what is no convolution or linear layer of constant weights over 8-bit integers. */
bool product_facts(const Ranges *r, const Node *n, ProductFacts *f);

#endif
