/* What the pools' table rows (pool.c) and their reference kernels (pool_eval.c) share. */
#ifndef QCC_IR_OPS_POOL_H
#define QCC_IR_OPS_POOL_H

#include "ir/ops/attrs.h"
#include "ir/ops/window.h"

/* The part of the input that one output position reads along one dim: `count` positions from `in` on;
 * `counted`: how many an average counts, which may be those of the padding too. */
typedef struct {
  int64_t in, count, counted;
} PoolSpan;

/* Along dim `dim` of three, as in window.h: [number of output positions], and the input positions from one
 * tap to the next in *step. */
PoolSpan *pool_spans(Arena *a, const Node *n, int dim, int64_t *step);
/* Input or output positions along dim `dim` of three. */
int64_t pool_size(const Shape *s, int dim);
bool pool_is_max(const Node *n);
/* What an average of `counted` elements is divided by. */
int64_t pool_divisor(const Node *n, int64_t counted);

void eval_pool(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out);
void eval_global_avg_pool(EvalCtx *ctx, const Node *n, const void *const *in, void *const *out);

#endif
