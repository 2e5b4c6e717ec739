/* Integer products whose operand has a zero point that is known only at run time: dynamic_linear,
 * dynamic_conv2d, conv_integer, matmul_integer. What they have in common, whatever loops compute them. */
#ifndef QCC_CODEGEN_PRODUCT_H
#define QCC_CODEGEN_PRODUCT_H

#include "codegen/dense.h"
#include "codegen/run_time.h"

typedef struct {
  const Node *node;
  const Tensor *x, *x_zero; /* x_zero NULL: 0 */
  const Tensor *weight, *weight_zero;
  const Tensor *y;
  /* dynamic_linear, dynamic_conv2d: the result is (float)acc * (scale * the weight's scale) + bias (NULL:
   * none). Of the others it is acc as s32, wrapping; scale is NULL. */
  const Tensor *scale, *bias;
  float act_min, act_max;
} Product;
Product product_of(const Node *n);

int64_t product_channels(const Product *p);
/* Of a constant weight: element i minus its zero point; the channel that it belongs to. */
int32_t product_weight(const Product *p, int64_t i);
int64_t product_channel(const Product *p, int64_t i);
/* All of them, in the order of the weight's elements, and where results are scaled the scale of each channel.
 */
void product_constants(Cg *cg, const Product *p, LinearConstants *out);
/* True where no sum leaves 32 bits, whatever the operand holds. */
bool product_fits(const Product *p);

/* A scalar variable at the head of the open kernel: the zero point of t as t is stored. zero NULL: 0. */
const VirVar *product_zero(Cg *cg, VirBuilder *b, const Tensor *t, const Tensor *zero, const char *name);

/* In the open kernel: where the sums start and what they are multiplied by (no base: nothing), computed from
 * the operand's parameters into the scratch memory, which is of product_scratch bytes. `padded`: the channels
 * of the start in whole vectors. */
typedef struct {
  VirAddr start, factors;
} ProductStart;
ProductStart product_start(Cg *cg, VirBuilder *b, const Product *p, const RunTimeStart *start,
                           Buffer *scratch);
int64_t product_scratch(const Product *p, int64_t padded);

/* Plain loops, one product at a time: for sums that may leave 32 bits, for weights that are computed. Steps
 * are in elements; those of constant weights in the order that `order` gives. */
typedef struct {
  const char *name;
  int64_t count, x_step, w_step, y_step, channel_step;
} ProductLoop;
enum { PRODUCT_MAX_LOOPS = MAX_RANK };
typedef struct {
  ProductLoop outer[PRODUCT_MAX_LOOPS], taps[3];
  int n_outer, n_taps;
  int64_t x_origin, w_origin, y_origin;
  /* A constant weight: element i in the order of the loops is element order[i] of the tensor. NULL: the
   * weight is computed and read as it lies. */
  const int64_t *order;
  int64_t count;
} ProductLoops;
void product_emit_plain(Cg *cg, const Product *p, const ProductLoops *l);

#endif
