/* What each output position of a pool reads, and how kernels go over the positions: pieces in which all
 * positions see the same part of their windows, or a table where there are many such pieces. */
#ifndef QCC_CODEGEN_POOL_WINDOW_H
#define QCC_CODEGEN_POOL_WINDOW_H

#include "codegen/lower.h"

/* Outputs [begin, end): output o reads `taps` positions from in + (o - begin) * in_step on; an average counts
 * `counted` (those of the padding may count too). */
typedef struct {
  int64_t begin, end, in, in_step, taps, counted;
} PoolPiece;

/* One dim of a pool. */
typedef struct {
  int64_t out, step;          /* positions of results; from one tap to the next in the operand */
  int64_t x_stride, y_stride; /* elements from one position to the next */
  PoolPiece *pieces;
  int n_pieces;
  /* Where there are too many pieces: constants of s32 with the first position that output o reads, the one
   * behind the last, the number of taps and of those that count, each NULL where the pool does not need it;
   * n_pieces is 1 then. */
  const VirBase *begin, *end, *taps, *counted;
} PoolDim;

/* Dim `dim` of three (depth, height, width); what is missing has one position. */
PoolDim pool_dim(Cg *cg, const Node *n, int dim);
bool pool_is_maximum(const Node *n);
/* The number that the sums of an average are divided by, whatever counts; 0: the number of what counts. */
int64_t pool_own_divisor(const Node *n);

#endif
