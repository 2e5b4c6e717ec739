/* The reference kernels of convolutions of all kinds, of 3-D and adaptive pools: against values worked out by
 * hand and against plain loops, bit for bit; and what their inference refuses. */
#include "op_test.h"
#include "ir/refmath.h"

static Type f32(const char *dims) { return plain(DT_F32, dims); }

/* Rules 5 and 6 from the definition; the product is exact in double, so one rounding to float remains. */
static int32_t requantized(int64_t acc, float m, const Type *out, int32_t lo, int32_t hi) {
  int32_t z = out->quant->zero[0];
  double v = (double)(float)((double)(float)acc * (double)m);
  v = v < lo - z ? lo - z : v > hi - z ? hi - z : v;
  return (int32_t)nearbyint(v) + z;
}

static int32_t byte_of(const Type *t, const void *data, int64_t i) {
  return t->dtype == DT_U8 ? ((const uint8_t *)data)[i] : ((const int8_t *)data)[i];
}

/* ---- convolutions ---- */

static bool is_transposed(OpId op) { return op == OP_conv_transpose2d || op == OP_conv_transpose3d; }
static int dims_of(OpId op) { return op == OP_conv2d || op == OP_conv_transpose2d ? 2 : 3; }

/* A convolution's sizes and attributes with three dims; those that are missing are of one element. */
typedef struct {
  const Node *n;
  bool transposed;
  int64_t in[3], out[3], kernel[3], stride[3], pad[3], dilation[3];
  const void *x, *w, *bias;
  float sum;
  int64_t acc;
} ConvCase;

static ConvCase conv_case(const Node *n, const void *x, const void *w, const void *bias) {
  const ConvAttrs *a = ATTRS(n, ConvAttrs);
  ConvCase c = {.n = n, .transposed = is_transposed(n->op), .x = x, .w = w, .bias = bias};
  int dims = dims_of(n->op);
  for (int i = 0; i < 3; i++) {
    int k = i - (3 - dims);
    c.in[i] = k < 0 ? 1 : n->operands[0]->type.shape.dim[2 + k];
    c.out[i] = k < 0 ? 1 : n->results[0]->type.shape.dim[2 + k];
    c.kernel[i] = k < 0 ? 1 : n->operands[1]->type.shape.dim[2 + k];
    c.stride[i] = k < 0 ? 1 : a->stride.v[k];
    c.pad[i] = k < 0 ? 0 : a->pad.v[k];
    c.dilation[i] = k < 0 ? 1 : a->dilation.v[k];
  }
  return c;
}

/* The kernel's element by which input i reaches output o; -1: none. */
static int64_t element_between(const ConvCase *c, int dim, int64_t i, int64_t o) {
  for (int64_t k = 0; k < c->kernel[dim]; k++)
    if (c->transposed ? o == i * c->stride[dim] - c->pad[dim] + k * c->dilation[dim]
                      : i == o * c->stride[dim] - c->pad[dim] + k * c->dilation[dim])
      return k;
  return -1;
}

static void add_tap(ConvCase *c, int64_t image, int64_t oc, const int64_t i[3], const int64_t k[3]) {
  const Type *xt = &c->n->operands[0]->type, *wt = &c->n->operands[1]->type;
  const int64_t *xd = xt->shape.dim, *wd = wt->shape.dim;
  int64_t first = oc / (wd[0] / ATTRS(c->n, ConvAttrs)->groups) * wd[1];
  for (int64_t ic = 0; ic < wd[1]; ic++) {
    int64_t xi = (((image * xd[1] + first + ic) * c->in[0] + i[0]) * c->in[1] + i[1]) * c->in[2] + i[2];
    int64_t wi = (((oc * wd[1] + ic) * c->kernel[0] + k[0]) * c->kernel[1] + k[1]) * c->kernel[2] + k[2];
    if (xt->dtype == DT_F32) {
      c->sum += ((const float *)c->x)[xi] * ((const float *)c->w)[wi];
    } else {
      int32_t zero = wt->quant->zero[wt->quant->axis < 0 ? 0 : oc];
      c->acc += (int64_t)(byte_of(xt, c->x, xi) - xt->quant->zero[0]) * (byte_of(wt, c->w, wi) - zero);
    }
  }
}

/* One output: every input in C order, where the kernel connects the two. */
static void naive_output(ConvCase *c, int64_t image, int64_t oc, const int64_t o[3], int64_t at, void *out) {
  const ConvAttrs *a = ATTRS(c->n, ConvAttrs);
  bool is_float = c->n->operands[0]->type.dtype == DT_F32;
  c->sum = is_float && c->bias ? ((const float *)c->bias)[oc] + 0.0f : 0;
  c->acc = !is_float && c->bias ? ((const int32_t *)c->bias)[oc] : 0;
  int64_t i[3], k[3];
  for (i[0] = 0; i[0] < c->in[0]; i[0]++)
    for (i[1] = 0; i[1] < c->in[1]; i[1]++)
      for (i[2] = 0; i[2] < c->in[2]; i[2]++) {
        bool tap = true;
        for (int d = 0; d < 3; d++) tap &= (k[d] = element_between(c, d, i[d], o[d])) >= 0;
        if (tap) add_tap(c, image, oc, i, k);
      }
  if (is_float) {
    bool act = a->act_min > -INFINITY || a->act_max < INFINITY;
    ((float *)out)[at] = act ? ref_clamp(c->sum, a->act_min, a->act_max) : c->sum;
    return;
  }
  const Type *xt = &c->n->operands[0]->type, *wt = &c->n->operands[1]->type, *yt = &c->n->results[0]->type;
  int32_t lo, hi;
  activation_range(yt, a->act_min, a->act_max, &lo, &hi);
  float m = xt->quant->scale[0] * wt->quant->scale[wt->quant->axis < 0 ? 0 : oc];
  ((uint8_t *)out)[at] = (uint8_t)requantized(c->acc, m / yt->quant->scale[0], yt, lo, hi);
}

static void *naive_conv(ConvCase *c) {
  const Type *yt = &c->n->results[0]->type;
  void *out = arena_alloc(arena, (size_t)type_bytes(yt));
  int64_t o[3], at = 0;
  for (int64_t image = 0; image < yt->shape.dim[0]; image++)
    for (int64_t oc = 0; oc < yt->shape.dim[1]; oc++)
      for (o[0] = 0; o[0] < c->out[0]; o[0]++)
        for (o[1] = 0; o[1] < c->out[1]; o[1]++)
          for (o[2] = 0; o[2] < c->out[2]; o[2]++) naive_output(c, image, oc, o, at++, out);
  return out;
}

/* Odd shapes, groups of every kind, strides, dilations, uneven pads. */
static Node *random_conv(OpId op, bool is_float, bool bias) {
  int dims = dims_of(op);
  int64_t groups = random_in(0, 2) ? random_in(1, 3) : 1;
  if (random_in(0, 3) == 0) groups = random_in(9, 13);
  int64_t ic = groups * (random_in(0, 1) ? random_in(1, 7) : 1),
          oc = groups * (random_in(0, 1) ? random_in(1, 11) : 1);
  Shape xs = {.rank = 2 + dims, .dim = {random_in(1, 2), ic}},
        ws = {.rank = 2 + dims, .dim = {oc, ic / groups}}, bs = shape_of(1, oc);
  for (int i = 0; i < dims; i++) {
    xs.dim[2 + i] = random_in(1, dims == 2 ? 9 : 5);
    ws.dim[2 + i] = random_in(1, 4);
  }
  Type x = {.dtype = DT_F32}, w = {.dtype = DT_F32}, b = {.dtype = DT_F32};
  if (!is_float) {
    DType xd = random_in(0, 3) ? DT_U8 : DT_S8, wd = random_in(0, 3) ? DT_S8 : DT_U8;
    x = quantized(xd, "1", 0.02f, (int32_t)random_in(dtype_info[xd].min, dtype_info[xd].max));
    w = random_in(0, 1)
            ? per_axis(wd, "1", 0, oc, 0.003f)
            : quantized(wd, "1", 0.004f, (int32_t)random_in(dtype_info[wd].min, dtype_info[wd].max));
    b = quantized(DT_S32, "1", 1, 0);
  }
  x.shape = xs, w.shape = ws, b.shape = bs;
  Node *n = bias ? NODE(op, x, w, b) : NODE(op, x, w);
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->groups = groups;
  for (int i = 0; i < dims; i++) {
    a->stride.v[i] = random_in(1, is_transposed(op) ? 5 : 3);
    a->dilation.v[i] = random_in(0, 1) ? 1 : random_in(1, 6);
    if (is_transposed(op)) a->output_pad.v[i] = random_in(0, 1) ? 0 : random_in(0, 4);
  }
  for (int i = 0; i < 2 * dims; i++) a->pad.v[i] = random_in(0, 1) ? 0 : random_in(0, 4);
  if (random_in(0, 1)) a->act_min = 0;
  if (random_in(0, 3) == 0) a->act_max = 1.5f;
  if (!is_float)
    n->results[0]->type = quantized(random_in(0, 1) ? DT_U8 : DT_S8, "1", 0.11f, (int32_t)random_in(0, 127));
  return n;
}

static void compare_with_plain_loops(OpId op, int trials) {
  int tried = 0;
  for (int i = 0; i < trials; i++) {
    bool is_float = i % 2, bias = random_in(0, 1);
    Node *n = random_conv(op, is_float, bias);
    if (!infer(n) || shape_count(&n->results[0]->type.shape) > 20000) continue; /* the window does not fit */
    tried++;
    const void *b = bias ? random_data(&n->operands[2]->type) : NULL;
    ConvCase c = conv_case(n, random_data(&n->operands[0]->type), random_data(&n->operands[1]->type), b);
    void *got = EVAL(n, c.x, c.w, c.bias), *want = naive_conv(&c);
    int64_t count = shape_count(&n->results[0]->type.shape);
    if (is_float)
      assert_floats(got, want, count);
    else
      assert_bytes(got, want, count);
  }
  assert_true(tried > trials / 4);
}

static void convolutions_equal_plain_loops(void **state) {
  (void)state;
  compare_with_plain_loops(OP_conv2d, 100);
  compare_with_plain_loops(OP_conv3d, 300);
  compare_with_plain_loops(OP_conv_transpose2d, 500);
  compare_with_plain_loops(OP_conv_transpose3d, 200);
}

static Node *transposed(Type x, Type w, const char *stride, const char *pad, const char *output_pad) {
  Node *n = NODE(OP_conv_transpose2d, x, w, f32("1"));
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->stride = ints(stride);
  a->pad = ints(pad);
  a->output_pad = ints(output_pad);
  return n;
}

/* Every input spreads the kernel over the result. */
static void transposed_by_hand(void **state) {
  (void)state;
  const float x[] = {1, 2, 3, 4}, w[] = {1, 10, 100, 1000}, bias[] = {0.5f};
  Node *n = transposed(f32("1,1,2,2"), f32("1,1,2,2"), "2,2", "0,0,0,0", "0,0");
  ASSERT_FLOATS(EVAL(n, x, w, bias), 1.5f, 10.5f, 2.5f, 20.5f, 100.5f, 1000.5f, 200.5f, 2000.5f, 3.5f, 30.5f,
                4.5f, 40.5f, 300.5f, 3000.5f, 400.5f, 4000.5f);
  /* overlapping: the middle gets something of all four */
  n = transposed(f32("1,1,2,2"), f32("1,1,2,2"), "1,1", "0,0,0,0", "0,0");
  ASSERT_FLOATS(EVAL(n, x, w, bias), 1.5f, 12.5f, 20.5f, 103.5f, 1234.5f, 2040.5f, 300.5f, 3400.5f, 4000.5f);
  /* the padding is taken away, output_pad adds columns that nothing reaches: the bias */
  n = transposed(f32("1,1,2,2"), f32("1,1,2,2"), "1,1", "1,1,1,1", "0,2");
  ASSERT_FLOATS(EVAL(n, x, w, bias), 1234.5f, 2040.5f, 0.5f);
  /* a stride that is longer than the kernel leaves gaps */
  n = transposed(f32("1,1,1,2"), f32("1,1,1,1"), "1,3", "0,0,0,0", "0,0");
  ASSERT_FLOATS(EVAL(n, x, w, bias), 1.5f, 0.5f, 0.5f, 2.5f);
}

/* Taps ascend in the input's positions: 2^24 first, then +1, +1 gives 2^24; the other way round it would be
 * 2^24 + 2. */
static void transposed_adds_in_order(void **state) {
  (void)state;
  Node *n = transposed(f32("1,1,1,3"), f32("1,1,1,3"), "1,1", "0,2,0,2", "0,0");
  const float ones[] = {1, 1, 1};
  ASSERT_FLOATS(EVAL(n, ((float[]){0x1p24f, 1, 1}), ones, (float[]){0}), 0x1p24f);
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 1, 0x1p24f}), ones, (float[]){0}), 0x1p24f + 2);
}

/* Weight element k of the result's channel belongs to input channel k: not the other way round. */
static void transposed_channels(void **state) {
  (void)state;
  Node *n = NODE(OP_conv_transpose2d, f32("1,2,1,1"), f32("3,2,1,1"));
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 10}), ((float[]){1, 2, 3, 4, 5, 6})), 21, 43, 65);
  n = NODE(OP_conv_transpose2d, f32("1,2,1,1"), f32("4,1,1,1"));
  ATTRS(n, ConvAttrs)->groups = 2;
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 10}), ((float[]){1, 2, 3, 4})), 1, 2, 30, 40);
}

static void conv3d_by_hand(void **state) {
  (void)state;
  Node *n = NODE(OP_conv3d, f32("1,1,2,2,2"), f32("1,1,2,1,1"));
  ATTRS(n, ConvAttrs)->pad = ints("1,0,0,0,0,0");
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 2, 3, 4, 5, 6, 7, 8}), ((float[]){10, 1})), 1, 2, 3, 4, 15, 26, 37, 48);
}

static void convolution_types(void **state) {
  (void)state;
  ASSERT_TYPE(NODE(OP_conv3d, f32("1,3,8,9,10"), f32("5,3,3,2,4")), "f32[1, 5, 6, 8, 7]");
  Node *n = NODE(OP_conv_transpose2d, f32("2,6,8,9"), f32("4,3,3,3"));
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->stride = ints("2,3"), a->pad = ints("1,0,2,4"), a->dilation = ints("2,1"), a->output_pad = ints("1,0");
  a->groups = 2;
  ASSERT_TYPE(n, "f32[2, 4, 17, 23]"); /* 7 * 2 + 5 - 3 + 1, 8 * 3 + 3 - 4 */
  assert_int_equal(op_info[n->op]->macs(n), 2 * 8 * 9 * 4 * 3 * 3 * 3);
  ASSERT_TYPE(NODE(OP_conv_transpose3d, f32("1,3,2,3,4"), f32("5,3,3,2,1")), "f32[1, 5, 4, 4, 4]");
}

static void convolution_errors(void **state) {
  (void)state;
  ASSERT_REFUSED(NODE(OP_conv3d, f32("1,3,8,9"), f32("5,3,3,2,4")),
                 "operand 1 of conv3d must be [N, C, D, H, W], not [1, 3, 8, 9]");
  ASSERT_REFUSED(NODE(OP_conv3d, f32("1,3,8,9,9"), f32("5,3,3,2")),
                 "the weight of conv3d must be [OC, IC / groups, KD, KH, KW], not [5, 3, 3, 2]");
  ASSERT_REFUSED(NODE(OP_conv3d, f32("1,3,2,9,9"), f32("5,3,3,2,2")),
                 "conv3d: a kernel that spans 3 does not fit into a depth of 2 padded to 2");
  Node *n = NODE(OP_conv_transpose2d, f32("1,3,1,1"), f32("5,3,2,2"));
  ATTRS(n, ConvAttrs)->pad = ints("1,0,1,0");
  ASSERT_REFUSED(n, "conv_transpose2d: padding of [1, 1] leaves nothing of a height of 2");
  n = NODE(OP_conv_transpose2d, f32("1,3,1,1"), f32("5,3,2,2"));
  ATTRS(n, ConvAttrs)->output_pad = ints("1");
  ASSERT_REFUSED(n, "conv_transpose2d needs 2 values for output_pad, not 1");
  ATTRS(n, ConvAttrs)->output_pad = ints("1,-1");
  ASSERT_REFUSED(n, "conv_transpose2d: output_pad must be at least 0, not -1");
  n = NODE(OP_conv_transpose2d, f32("1,4,1,1"), f32("6,1,2,2"));
  ATTRS(n, ConvAttrs)->groups = 4;
  ASSERT_REFUSED(n, "conv_transpose2d: 4 groups do not divide 6 output channels");
}

/* ---- pools ---- */

static Node *adaptive(OpId op, Type x, const char *size) {
  Node *n = NODE(op, x);
  ATTRS(n, AdaptivePoolAttrs)->size = ints(size);
  return n;
}

/* Of 5 elements for 3 results: [0, 2), [1, 4), [3, 5). */
static void adaptive_pools(void **state) {
  (void)state;
  const float x[] = {1, 2, 4, 8, 16, 3, 3, 3, 3, 9};
  ASSERT_FLOATS(EVAL(adaptive(OP_adaptive_avg_pool, f32("1,2,5"), "3"), x), 1.5f, 14 / 3.0f, 12, 3, 3, 6);
  ASSERT_FLOATS(EVAL(adaptive(OP_adaptive_max_pool, f32("1,2,5"), "3"), x), 2, 8, 16, 3, 3, 9);
  /* more results than elements: each is seen again */
  ASSERT_FLOATS(EVAL(adaptive(OP_adaptive_avg_pool, f32("1,1,2"), "3"), x), 1, 1.5f, 2);
  ASSERT_FLOATS(EVAL(adaptive(OP_adaptive_max_pool, f32("1,1,2,5"), "1,2"), x), 4, 16);
  ASSERT_TYPE(adaptive(OP_adaptive_avg_pool, f32("2,3,7,6,5"), "3,3,3"), "f32[2, 3, 3, 3, 3]");
  /* rule 11 with 2, 3 and 2 elements: sums of 20, 70, 90 over m = 0.5 / (0.5 * n) */
  Node *n = adaptive(OP_adaptive_avg_pool, quantized(DT_U8, "1,1,5", 0.5f, 10), "3");
  n->results[0]->type = quantized(DT_U8, "1", 0.5f, 1);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){10, 30, 40, 30, 90})), 11, 1 + 23, 1 + 50);
}

static void adaptive_pool_errors(void **state) {
  (void)state;
  ASSERT_REFUSED(adaptive(OP_adaptive_avg_pool, f32("1,2"), "1"),
                 "operand 1 of adaptive_avg_pool must be [N, C, ...] with 1 to 3 dims behind, not [1, 2]");
  ASSERT_REFUSED(adaptive(OP_adaptive_max_pool, f32("1,2,3,3"), "1"),
                 "adaptive_max_pool needs 2 values for size, not 1");
  ASSERT_REFUSED(adaptive(OP_adaptive_max_pool, f32("1,2,3"), "0"),
                 "adaptive_max_pool: size must be from 1 to 16777216, not 0");
  ASSERT_REFUSED(adaptive(OP_adaptive_max_pool, f32("1,2,0"), "2"),
                 "operand 1 of adaptive_max_pool, [1, 2, 0], has no elements");
  ASSERT_REFUSED(adaptive(OP_adaptive_avg_pool, quantized(DT_U8, "1,1,3000,3000", 1, 0), "1,1"),
                 "adaptive_avg_pool: 9000000 quantized elements cannot be summed in 32 bits");
}

static Node *pool3d(OpId op, Type x, const char *kernel, const char *pad) {
  Node *n = NODE(op, x);
  ATTRS(n, PoolAttrs)->kernel = ints(kernel);
  ATTRS(n, PoolAttrs)->pad = ints(pad);
  return n;
}

static void pools_over_depth(void **state) {
  (void)state;
  const float x[] = {1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_FLOATS(EVAL(pool3d(OP_max_pool3d, f32("1,1,2,2,2"), "2,1,2", "0,0,0,0,0,0"), x), 6, 8);
  ASSERT_FLOATS(EVAL(pool3d(OP_max_pool3d, f32("1,1,2,2,2"), "2,2,2", "1,0,0,0,0,0"), x), 4, 8);
  ASSERT_FLOATS(EVAL(pool3d(OP_avg_pool3d, f32("1,1,2,2,2"), "2,1,2", "0,0,0,0,0,0"), x), 3.5f, 5.5f);
  Node *n = pool3d(OP_avg_pool3d, f32("1,1,2,2,2"), "2,2,2", "1,0,0,0,0,0");
  ASSERT_FLOATS(EVAL(n, x), 2.5f, 4.5f);
  ATTRS(n, PoolAttrs)->count_include_pad = true;
  ASSERT_FLOATS(EVAL(n, x), 1.25f, 4.5f);
  ATTRS(n, PoolAttrs)->divisor = 4;
  ASSERT_FLOATS(EVAL(n, x), 2.5f, 9);
}

/* The divisor alone counts, whatever the padding. */
static void averages_with_a_divisor(void **state) {
  (void)state;
  Node *n = pool3d(OP_avg_pool2d, f32("1,1,1,3"), "1,2", "0,1,0,0");
  ATTRS(n, PoolAttrs)->divisor = 4;
  ASSERT_FLOATS(EVAL(n, ((float[]){2, 4, 8})), 0.5f, 1.5f, 3);
  n = pool3d(OP_avg_pool2d, quantized(DT_U8, "1,1,1,3", 0.5f, 10), "1,2", "0,1,0,0");
  ATTRS(n, PoolAttrs)->divisor = 4;
  n->results[0]->type = quantized(DT_U8, "1", 0.25f, 0);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){20, 30, 18})), 5, 15, 14);
  ATTRS(n, PoolAttrs)->divisor = -1;
  ASSERT_REFUSED(n, "avg_pool2d: the divisor must be from 0 to 268435456, not -1");
  ASSERT_REFUSED(pool3d(OP_max_pool3d, f32("1,1,2,2,2"), "2,2", "0,0,0,0,0,0"),
                 "max_pool3d needs 3 values for kernel, not 2");
  ASSERT_REFUSED(pool3d(OP_avg_pool3d, f32("1,1,2,2,2"), "2,2,2", "2,0,0,0,0,0"),
                 "avg_pool3d: a window of 2 lies wholly in the padding of [2, 0] around 2");
}

/* ---- resizes ---- */

static Node *resize(OpId op, Type x, const char *size, int coordinates, int rounding) {
  Node *n = NODE(op, x);
  *ATTRS(n, ResizeAttrs) =
      (ResizeAttrs){.size = ints(size), .coordinates = coordinates, .rounding = rounding};
  return n;
}

/* Positions of 5 from 3 by asymmetric: 0, 0.6, 1.2, 1.8, 2.4; by half_pixel: -0.2, 0.4, 1, 1.6, 2.2. */
static void nearest_resizes(void **state) {
  (void)state;
  const float x[] = {1, 2, 3};
  Type t = f32("1,1,3");
  OpId op = OP_resize_nearest;
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,5", RESIZE_ASYMMETRIC, RESIZE_FLOOR), x), 1, 1, 2, 2, 3);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,5", RESIZE_ASYMMETRIC, RESIZE_CEIL), x), 1, 2, 3, 3, 3);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,5", RESIZE_HALF_PIXEL, RESIZE_PREFER_FLOOR), x), 1, 1, 2, 3, 3);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,5", RESIZE_ALIGN_CORNERS, RESIZE_PREFER_FLOOR), x), 1, 1, 2, 2, 3);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,5", RESIZE_ALIGN_CORNERS, RESIZE_PREFER_CEIL), x), 1, 2, 2, 3, 3);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,5", RESIZE_TF_HALF_PIXEL_FOR_NN, RESIZE_FLOOR), x), 1, 1, 2, 3, 3);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,1", RESIZE_PYTORCH_HALF_PIXEL, RESIZE_FLOOR), x), 1);
  ASSERT_FLOATS(EVAL(resize(op, t, "1,1,1", RESIZE_HALF_PIXEL, RESIZE_FLOOR), x), 2);
  ASSERT_BYTES(
      EVAL(resize(op, quantized(DT_U8, "1,1,2,2", 0.5f, 3), "1,1,4,2", RESIZE_ASYMMETRIC, RESIZE_FLOOR),
           ((uint8_t[]){1, 2, 3, 4})),
      1, 2, 1, 2, 3, 4, 3, 4);
  /* any dim may change */
  ASSERT_FLOATS(EVAL(resize(op, f32("2,1"), "3,2", RESIZE_ASYMMETRIC, RESIZE_FLOOR), ((float[]){1, 2})), 1, 1,
                1, 1, 2, 2);
}

/* The factor counts, not the ratio of the sizes: 2.6 makes 7 of 3, at 0, 0.38, 0.77, 1.15, 1.54, 1.92, 2.31.
 */
static void resizes_by_factor(void **state) {
  (void)state;
  Node *n = resize(OP_resize_nearest, f32("1,1,3"), "1,1,7", RESIZE_ASYMMETRIC, RESIZE_FLOOR);
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 2, 3})), 1, 1, 1, 2, 2, 3, 3);
  ATTRS(n, ResizeAttrs)->scale = (RealList){3, {0, 0, 2.6f}};
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 2, 3})), 1, 1, 1, 2, 2, 2, 3);
  /* 2 of 3 by 0.5: the result of size 1.5 would begin a quarter of its 2 / 1.5 before */
  n = resize(OP_resize_linear, f32("1,1,5"), "1,1,2", RESIZE_HALF_PIXEL_SYMMETRIC, 0);
  ATTRS(n, ResizeAttrs)->scale = (RealList){3, {1, 1, 0.5f}};
  ASSERT_FLOATS(EVAL(n, ((float[]){0, 1, 2, 3, 4})), 1, 3);
  ATTRS(n, ResizeAttrs)->coordinates = RESIZE_HALF_PIXEL;
  ASSERT_FLOATS(EVAL(n, ((float[]){0, 1, 2, 3, 4})), 0.5f, 2.5f);
}

static void linear_resizes(void **state) {
  (void)state;
  OpId op = OP_resize_linear;
  const float x[] = {0, 4, 8, 16};
  ASSERT_FLOATS(EVAL(resize(op, f32("1,1,2"), "1,1,4", RESIZE_HALF_PIXEL, 0), x), 0, 1, 3, 4);
  ASSERT_FLOATS(EVAL(resize(op, f32("1,1,2"), "1,1,4", RESIZE_ASYMMETRIC, 0), x), 0, 2, 4, 4);
  ASSERT_FLOATS(EVAL(resize(op, f32("1,1,2"), "1,1,5", RESIZE_ALIGN_CORNERS, 0), x), 0, 1, 2, 3, 4);
  ASSERT_FLOATS(EVAL(resize(op, f32("1,1,2,2"), "1,1,3,3", RESIZE_ALIGN_CORNERS, 0), x), 0, 2, 4, 4, 7, 10, 8,
                12, 16);
  ASSERT_FLOATS(EVAL(resize(op, f32("1,1,2,2"), "1,1,1,1", RESIZE_HALF_PIXEL, 0), x), 7);
  /* the middle of 2 x 2 x 2 */
  ASSERT_FLOATS(EVAL(resize(op, f32("1,1,2,2,2"), "1,1,1,1,1", RESIZE_HALF_PIXEL, 0),
                     ((float[]){1, 2, 3, 4, 5, 6, 7, 12})),
                5);
  /* (12 - 2) / 2 + (20 - 2) / 2 = 14, times 0.5 / 0.25; with ties to even: 0.5 * 5 of 2 is 2.5 */
  Node *n = resize(op, quantized(DT_U8, "1,1,2", 0.5f, 2), "1,1,1", RESIZE_HALF_PIXEL, 0);
  n->results[0]->type = quantized(DT_S8, "1", 0.25f, -100);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){12, 20})), (uint8_t)(-100 + 28));
  n->results[0]->type = quantized(DT_U8, "1", 0.5f, 0);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){2, 7})), 2);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){0, 1})), 0);
}

/* With a = -0.75: at a quarter the weights are -0.10546875, 0.87890625, 0.26171875, -0.03515625, and
 * mirrored. */
static void cubic_resizes(void **state) {
  (void)state;
  const float x[] = {0, 64, 128, 512};
  OpId op = OP_resize_cubic;
  Node *n = resize(op, f32("1,1,4"), "1,1,8", RESIZE_HALF_PIXEL, 0);
  ATTRS(n, ResizeAttrs)->a = -0.75f;
  float want[8] = {0};
  static const float w[4] = {-0.10546875f, 0.87890625f, 0.26171875f, -0.03515625f};
  for (int o = 0; o < 8; o++) { /* o odd: a quarter behind element o / 2; even: a quarter before it */
    for (int t = 0; t < 4; t++) {
      int at = o % 2 ? o / 2 - 1 + t : o / 2 - 2 + t, inside = at < 0 ? 0 : at > 3 ? 3 : at;
      want[o] += w[o % 2 ? t : 3 - t] * x[inside];
    }
  }
  assert_floats(EVAL(n, x), want, 8);
  /* without those outside the others share their weights: at the start -0.25 is between nothing and 0 */
  ATTRS(n, ResizeAttrs)->exclude_outside = true;
  float sum = w[1] + w[0], first = w[1] / sum * x[0] + w[0] / sum * x[1];
  assert_floats(EVAL(n, x), &first, 1);
  n = resize(op, f32("1,1,2,2"), "1,1,3,3", RESIZE_ALIGN_CORNERS, 0);
  ATTRS(n, ResizeAttrs)->a = -0.5f; /* weights at a half: -1/16, 9/16, 9/16, -1/16 */
  ASSERT_FLOATS(EVAL(n, ((float[]){0, 16, 32, 80})), 0, 8, 16, 16, 32, 48, 32, 56, 80);
  n = resize(op, quantized(DT_U8, "1,1,2", 0.5f, 100), "1,1,3", RESIZE_ALIGN_CORNERS, 0);
  n->results[0]->type = quantized(DT_U8, "1", 0.25f, 10);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){100, 110})), 10, 20, 30);
}

/* ((w00 * d00 + w01 * d01) + w10 * d10) + w11 * d11: 2^24 first, so the quarters of 1 are lost. */
static void linear_resizes_add_in_order(void **state) {
  (void)state;
  Node *n = resize(OP_resize_linear, f32("1,1,2,2"), "1,1,1,1", RESIZE_HALF_PIXEL, 0);
  ASSERT_FLOATS(EVAL(n, ((float[]){0x1p26f, 4, 4, 0})), 0x1p24f);
  ASSERT_FLOATS(EVAL(n, ((float[]){4, 4, 0x1p26f, 0})), 0x1p24f + 2);
}

static void resize_errors(void **state) {
  (void)state;
  OpId op = OP_resize_linear;
  ASSERT_REFUSED(resize(op, f32("1,1,2"), "4", 0, 0), "resize_linear needs 3 values for size, not 1");
  ASSERT_REFUSED(resize(op, f32("1,1,2"), "1,1,0", 0, 0),
                 "resize_linear: size must be from 1 to 16777216, not 0");
  ASSERT_REFUSED(resize(op, f32("1,1,0"), "1,1,2", 0, 0),
                 "operand 1 of resize_linear, [1, 1, 0], has no elements");
  ASSERT_REFUSED(resize(op, f32("2,2,2,2"), "3,3,3,3", 0, 0),
                 "resize_linear changes 4 dims; at most 3 are supported");
  ASSERT_REFUSED(resize(OP_resize_cubic, f32("2,2,2"), "3,3,3", 0, 0),
                 "resize_cubic changes 3 dims; at most 2 are supported");
  Node *n = resize(OP_resize_cubic, f32("1,1,1"), "1,1,2", RESIZE_ASYMMETRIC, 0);
  ATTRS(n, ResizeAttrs)->scale = (RealList){3, {0, 0, 0.5f}};
  ATTRS(n, ResizeAttrs)->exclude_outside = true;
  ASSERT_REFUSED(n, "resize_cubic: without what lies outside nothing is left at position 1 of dim 2");
  ATTRS(n, ResizeAttrs)->a = NAN;
  ASSERT_REFUSED(n, "resize_cubic: a must be from -16 to 16, not nan");
  n = resize(OP_resize_nearest, f32("1,1,2"), "1,1,4", 0, 0);
  ATTRS(n, ResizeAttrs)->scale = (RealList){2, {1, 2}};
  ASSERT_REFUSED(n, "resize_nearest needs 3 values for scale, not 2");
  ATTRS(n, ResizeAttrs)->scale = (RealList){3, {1, 1, -2}};
  ASSERT_REFUSED(n, "resize_nearest: a scale of -2");
  n = resize(op, quantized(DT_U8, "1,1,2", 1e30f, 0), "1,1,4", 0, 0);
  n->results[0]->type = quantized(DT_U8, "1", 1e-20f, 0);
  n->results[0]->name = "r";
  ASSERT_REFUSED(n, "resize_linear 'r': the multiplier 1e+30 / 1e-20 is not a normal number");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)
  const struct CMUnitTest tests[] = {TEST(convolutions_equal_plain_loops),
                                     TEST(transposed_by_hand),
                                     TEST(transposed_adds_in_order),
                                     TEST(transposed_channels),
                                     TEST(conv3d_by_hand),
                                     TEST(convolution_types),
                                     TEST(convolution_errors),
                                     TEST(adaptive_pools),
                                     TEST(adaptive_pool_errors),
                                     TEST(pools_over_depth),
                                     TEST(averages_with_a_divisor),
                                     TEST(nearest_resizes),
                                     TEST(resizes_by_factor),
                                     TEST(linear_resizes),
                                     TEST(cubic_resizes),
                                     TEST(linear_resizes_add_in_order),
                                     TEST(resize_errors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
