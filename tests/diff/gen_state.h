/* What gen.c hands to the functions of gen_ops.c, one per op. */
#ifndef QCC_TESTS_DIFF_GEN_STATE_H
#define QCC_TESTS_DIFF_GEN_STATE_H

#include "ir/ops/attrs.h"
#include "tests/diff/gen.h"

enum { GEN_MAX_POOL = 48, GEN_MAX_COUNT = 6000, GEN_MAX_MACS = 400000 };

/* A tensor that later ops may take, and about how large its real values are. */
typedef struct {
  Tensor *tensor;
  double amp;
} Live;

typedef struct Gen {
  Rng rng;
  Diag *diag;
  Arena *arena;
  Graph *graph;
  GenForm form;
  bool planted; /* with channels that are constant, and some that nothing reads */
  Live pool[GEN_MAX_POOL];
  int n_pool;
} Gen;

/* One of the live tensors with a rank in [lo, hi], rather a late one; NULL: there is none. Quantized ones
 * only, or f32 ones only, as the form says. */
Live *gen_pick(Gen *g, int lo, int hi);
/* Another with the same type but for the dims that `fits` allows to differ. */
Live *gen_pick_like(Gen *g, const Tensor *t, bool (*fits)(const Shape *a, const Shape *b, int axis),
                    int axis);

/* Infers the node and makes its result live. `amp`: of the real result. For results with parameters of their
 * own a type is chosen that suits it. False where the op refuses or the result is too large. */
bool gen_finish(Gen *g, Node *n, double amp);
/* The same for a node inside a float island of a quantized graph: the result is not made live. */
Tensor *gen_finish_float(Gen *g, Node *n);
/* Makes the result of an inferred node live. False where it is too large, or there are too many. */
bool gen_live(Gen *g, Tensor *t, double amp);
Node *gen_node(Gen *g, OpId op, Tensor **operands, int n);

/* A quantized type for values within about +-amp; now and then an unsuitable one. */
Type gen_quantized_type(Gen *g, Shape shape, double amp);
/* A constant operand of arithmetic, real values about +-amp, quantized or f32 as the form says. */
Tensor *gen_operand_constant(Gen *g, Shape shape, double amp, bool away_from_zero);
Tensor *gen_float_constant(Gen *g, const char *name, Shape shape, double amp, double mean);
/* The weight [OC, k elements a channel] for an operand, with all that weights can be. *amp: of a product sum.
 */
Tensor *gen_weight(Gen *g, const Live *x, Shape shape, double *amp);
/* The same of 8-bit integers for an operand of values about +-x. */
Tensor *gen_small_weight(Gen *g, Shape shape, double x, double *amp);
Tensor *gen_bias(Gen *g, const Live *x, const Tensor *weight, double amp);
/* A fused activation, often none. */
void gen_activation(Gen *g, double amp, float *act_min, float *act_max);

/* One way to extend the graph: returns false where nothing fits; the nodes that it added are then removed. */
typedef struct {
  OpId op;
  int weight; /* how often it is chosen */
  int forms;  /* bit 1 << GenForm */
  bool (*step)(Gen *g, OpId op);
} GenStep;
extern const GenStep gen_steps[]; /* ends with weight 0 */

bool step_block(Gen *g, OpId op);     /* gen_blocks.c */
bool step_recurrent(Gen *g, OpId op); /* gen_recurrent.c */
/* gen_dynamic.c */
bool step_dynamic_quantize(Gen *g, OpId op);
bool step_dynamic(Gen *g, OpId op);
bool step_integer(Gen *g, OpId op);
/* gen_spatial.c */
bool step_conv(Gen *g, OpId op);
/* A random window for convolutions of x, in `a`, and its weight's shape. */
Shape gen_window(Gen *g, OpId op, const Shape *x, ConvAttrs *a);
bool step_pool(Gen *g, OpId op);
bool step_adaptive_pool(Gen *g, OpId op);
bool step_resize(Gen *g, OpId op);

#endif
