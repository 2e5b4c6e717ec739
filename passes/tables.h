/* Rule 10: functions of one quantized value are 256-entry tables, whatever float ops they are made of. */
#ifndef QCC_PASSES_TABLES_H
#define QCC_PASSES_TABLES_H

#include "passes/rewrite.h"

/* The quantized tensor of which the float tensor `t` is a function, element by element: all ways up from `t`
 * lead through unary ops and arithmetic with single constants to dequantize nodes of that one tensor. NULL
 * where there is none, or where it takes more than a few dozen steps to see. */
Tensor *table_source(const Tensor *t);

/* add, sub, mul, div of a tensor and a constant of one element that broadcasts into it: returns the tensor,
 * else NULL. */
Tensor *scalar_arith_operand(const Node *n);
/* That function of one element; for unary ops, theirs. */
float elementwise_value(const Node *n, float x);

/* table[i]: the result for q = qmin + i of table_source(t), quantized to `out` at the end. */
void table_of(const Tensor *t, const Type *out, int32_t table[256]);
/* The same for one node alone, as a function of its tensor operand with the type `in`. */
void table_of_node(const Node *n, const Type *in, const Type *out, int32_t table[256]);

/* lut(%q, @table) with a result of type `out`, in the place of `old`. */
void become_lut(PassCtx *ctx, Node *old, Tensor *q, const Type *out, const int32_t table[256]);

#endif
