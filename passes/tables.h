/* Rule 10: functions of one quantized value are 256-entry tables, whatever float ops they are made of. */
#ifndef QCC_PASSES_TABLES_H
#define QCC_PASSES_TABLES_H

#include "passes/rewrite.h"

/* The quantized tensor of which the float tensor `t` is a function, element by element: all ways up from `t`
 * lead through unary ops and arithmetic with single constants to dequantize nodes of that one tensor. NULL
 * where there is none, or where it takes more than a few dozen steps to see. */
Tensor *table_source(const Tensor *t);

/* In a float graph: the tensor of which `t` is such a function, when what lies between has no other use. NULL
 * where t's own producer is no such op. */
Tensor *pointwise_source(Tensor *t);

/* The same values as float32. */
void float_table_of(const Tensor *t, const Tensor *source, const Type *in, float table[256]);
/* lut(%q, @table) with a float32 result, in the place of `old`. */
void become_float_lut(PassCtx *ctx, Node *old, Tensor *q, const float table[256]);

/* table[i]: `t`, quantized to `out`, where its source holds the value of q = qmin + i of the type `in`. The
 * source is that float tensor, or NULL for the dequantize nodes. */
void table_of(const Tensor *t, const Tensor *source, const Type *in, const Type *out, int32_t table[256]);

/* Functions of one quantized value become tables, tables of tables one, and whatever follows from that:
 * returns how many nodes it changed. */
int settle_tables(PassCtx *ctx, Graph *g);

/* lut(%q, @table) with a result of type `out`, in the place of `old`. */
void become_lut(PassCtx *ctx, Node *old, Tensor *q, const Type *out, const int32_t table[256]);

#endif
