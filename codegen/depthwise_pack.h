/* A depthwise kernel: what it computes, and its constants. */
#ifndef QCC_CODEGEN_DEPTHWISE_PACK_H
#define QCC_CODEGEN_DEPTHWISE_PACK_H

#include "codegen/conv_phase.h"
#include "codegen/dense.h"
#include "codegen/run_time.h"

typedef struct {
  Cg *cg;
  const ConvWindow *window;
  const Tensor *x, *y, *bias; /* bias NULL: none */
  float act_min, act_max;
  ResultKind result;
  LinearConstants lc; /* where the sums are integers; at run time weights and scales alone */
  /* what follows is set by depthwise_shape and depthwise_pack */
  bool quantized; /* not RESULT_FLOAT */
  int lanes, mr;
  int64_t channels, kd, kh, kw, blocks;
  int64_t plane_step, row_step, tap_step; /* in elements: plane and row of the window, tap */
  int64_t pixel_step, out_step;           /* output pixel in the operand and in the result */
  int64_t pairs; /* int8: pairs of taps in a row of the window (the last may be half); float32: taps */
  DType w_elem;  /* as packed; DT_NONE: pairs of int16 */
  const VirBase *weights, *start, *multiplier; /* start: the bias; NULL where it is made at run time */
  const VirBase *zeros;                        /* of s8 weights that are widened; NULL: all 0 */
  RunTimeStart run_time;                       /* RESULT_SCALED, RESULT_SUM */
  const VirBase *addend;                       /* RESULT_SCALED: the float bias */
} DepthwisePack;

void depthwise_shape(DepthwisePack *s);
void depthwise_pack(DepthwisePack *s);

/* First channel of a block. The last block is moved back over the one before it, so that all are whole; with
 * fewer channels than lanes the only block is partial. */
int64_t depthwise_block_start(const DepthwisePack *s, int64_t block);
/* Elements of its weights. */
int64_t depthwise_block_size(const DepthwisePack *s);
/* Rows of the window, over all planes. */
int64_t depthwise_rows(const DepthwisePack *s);

/* The register tile of mr pixels and a block of channels. */
VirFunc *depthwise_tile(const DepthwisePack *s, int mr);

#endif
