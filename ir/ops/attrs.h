/* The attribute structs of the ops, shared by their reference kernels, the passes and the generators.
 * `act_min`, `act_max`: the fused activation's clamp on the real result (relu: 0, inf; none: -inf, inf). */
#ifndef QCC_IR_OPS_ATTRS_H
#define QCC_IR_OPS_ATTRS_H

#include "ir/op.h"

/* conv2d(%x [N,IC,H,W], @w [OC,IC/groups,KH,KW], @bias [OC]?), dynamic_conv2d, conv_integer:
 * stride, dilation = [h, w]; pad = [top, left, bottom, right]. conv3d over [N,IC,D,H,W]: [d, h, w], [front,
 * top, left, back, bottom, right]. conv_transpose2d and conv_transpose3d, with the weight of the same form:
 * output_pad enlarges the result behind; the others leave it empty. */
typedef struct {
  IntList stride, pad, dilation, output_pad;
  int64_t groups;
  float act_min, act_max;
} ConvAttrs;

/* linear(%x [..., IC], @w [OC,IC], @bias [OC]?), dynamic_linear, matmul(%a [...,M,K], %b [...,K,N]), add,
 * sub, mul, div */
typedef struct {
  float act_min, act_max;
} ActAttrs;

/* dynamic_quantize */
typedef struct {
  int rule; /* DynamicRule of ir/quant.h */
  int64_t qmax;
} DynamicQuantizeAttrs;

/* batch_norm(%x, @weight, @bias, @mean, @var) over axis 1 */
typedef struct {
  float eps;
} BatchNormAttrs;

/* layer_norm(%x, @gamma?, @beta?) over the dims from `axis` on, whose shape gamma and beta have */
typedef struct {
  int64_t axis;
  float eps;
} LayerNormAttrs;

/* group_norm(%x [N,C,...], @gamma [C]?, @beta [C]?): C / groups channels at a time */
typedef struct {
  int64_t groups;
  float eps;
} GroupNormAttrs;

/* max_pool2d, avg_pool2d over [N,C,H,W], max_pool3d, avg_pool3d over [N,C,D,H,W]; the last three concern
 * averages only. `ceil_mode` is resolved by the importer: it enlarges the pad behind; such cells never count
 * (avg: see pad_extra). */
typedef struct {
  IntList kernel, stride, pad, dilation;
  IntList pad_extra; /* behind each dim: that part of the pad which ceil_mode added and no average counts */
  bool count_include_pad;
  int64_t divisor; /* of the sums; 0: the number of counted elements */
} PoolAttrs;

/* adaptive_avg_pool, adaptive_max_pool over [N,C,...] with up to three dims behind: the result's size in
 * them. Position o of n over m elements reads those from floor(o * m / n) up to ceil((o + 1) * m / n). */
typedef struct {
  IntList size;
} AdaptivePoolAttrs;

/* reduce_mean, reduce_sum, reduce_max, reduce_min */
typedef struct {
  IntList axes; /* ascending, non-negative */
  bool keepdims;
} ReduceAttrs;

/* concat, softmax, flatten */
typedef struct {
  int64_t axis;
} AxisAttrs;

/* pad: before[rank] then after[rank], all >= 0; `value` is the real value that fills; mode
 * constant|reflect|edge */
typedef struct {
  IntList pads;
  int mode;
  float value;
} PadAttrs;
enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE };

/* reshape, expand: the full result shape, no -1 or 0 placeholders left */
typedef struct {
  IntList shape;
} ReshapeAttrs;

/* transpose: result dim i is operand dim perm[i] */
typedef struct {
  IntList perm;
} TransposeAttrs;

/* slice: for every dim of the operand, start, stop (exclusive; may be -1 with a negative step) and step */
typedef struct {
  IntList start, stop, step;
} SliceAttrs;

/* resize_nearest, resize_linear, resize_cubic: the result's whole shape; the factors result / operand that
 * positions are computed with where these are not the sizes' own ratios (empty, or one for each dim, 0: the
 * ratio); which operand position a result position is (RESIZE_*, as ONNX names them), and how the nearest one
 * is chosen. Cubic: the kernel's parameter; whether elements beyond the ends count as none, not as the ones
 * at the ends. */
typedef struct {
  IntList size;
  RealList scale;
  int coordinates, rounding;
  float a;
  bool exclude_outside;
} ResizeAttrs;
enum {
  RESIZE_HALF_PIXEL,
  RESIZE_HALF_PIXEL_SYMMETRIC,
  RESIZE_PYTORCH_HALF_PIXEL,
  RESIZE_ALIGN_CORNERS,
  RESIZE_ASYMMETRIC,
  RESIZE_TF_HALF_PIXEL_FOR_NN
};
enum { RESIZE_PREFER_FLOOR, RESIZE_PREFER_CEIL, RESIZE_FLOOR, RESIZE_CEIL };

/* clip; leaky_relu, elu, celu, thresholded_relu (alpha alone), hard_sigmoid */
typedef struct {
  float min, max;
} ClipAttrs;
/* clamp: integers */
typedef struct {
  int64_t min, max;
} ClampAttrs;
typedef struct {
  float alpha, beta;
} AlphaBetaAttrs;
/* selu */
typedef struct {
  float alpha, gamma;
} SeluAttrs;
/* pow: whole exponents by squaring, others as exp(exponent * log(x)) */
typedef struct {
  float exponent;
} PowAttrs;
enum { POW_MAX_INTEGER = 1024 };
/* gelu */
typedef struct {
  int approximate; /* GELU_ERF ("none"), GELU_TANH ("tanh") */
} GeluAttrs;
enum { GELU_ERF, GELU_TANH };

/* lstm, gru, rnn (ir/ops/recurrent.h). A gate's function, with the parameters that some of them have. */
typedef enum {
  GATE_SIGMOID,
  GATE_TANH,
  GATE_RELU,
  GATE_AFFINE,           /* alpha * x + beta */
  GATE_LEAKY_RELU,       /* x < 0 ? alpha * x : x */
  GATE_THRESHOLDED_RELU, /* x > alpha ? x : 0 */
  GATE_SCALED_TANH,      /* alpha * tanh(beta * x) */
  GATE_HARD_SIGMOID,     /* alpha * x + beta, clamped to [0, 1] */
  GATE_ELU,              /* x < 0 ? alpha * (exp(x) - 1) : x */
  GATE_SOFTSIGN          /* x / (1 + |x|) */
} GateKind;
typedef struct {
  int kind; /* GateKind */
  float alpha, beta;
} GateFunction;
typedef struct {
  int direction;
  GateFunction f, g, h;     /* gru has f and g, rnn has f */
  float clip;               /* f and g see values in [-clip, clip]; infinity: all */
  bool input_forget;        /* lstm: the forget gate is 1 - the input gate */
  bool linear_before_reset; /* gru: the reset gate multiplies the recurrent product, not the state */
  bool dynamic;             /* integer products with weights of 8 bits: rule 14 */
  DynamicQuantizeAttrs quantize;
} RecurrentAttrs;
enum { DIRECTION_FORWARD, DIRECTION_REVERSE, DIRECTION_BIDIRECTIONAL };

#endif
