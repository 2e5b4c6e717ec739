/* The reference kernels of conv2d, linear, matmul, pools, batch_norm, conversions and arithmetic: against
 * values worked out by hand and against plain loops, bit for bit. */
#include "op_test.h"
#include "ir/refmath.h"

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
static int64_t channel_of(const Quant *q, int64_t oc) { return q->axis < 0 ? 0 : oc; }

typedef struct {
  const Node *n;
  const void *x, *w, *bias;
} ConvCase;

/* One output, taps ascending in (kh, kw, ic), those in the padding skipped. */
static void naive_conv_output(const ConvCase *c, int64_t image, int64_t oc, int64_t oy, int64_t ox, int64_t o,
                              void *out) {
  const ConvAttrs *a = ATTRS(c->n, ConvAttrs);
  const Type *xt = &c->n->operands[0]->type, *wt = &c->n->operands[1]->type, *yt = &c->n->results[0]->type;
  const int64_t *xd = xt->shape.dim, *wd = wt->shape.dim;
  int64_t first = oc / (wd[0] / a->groups) * wd[1];
  bool is_float = xt->dtype == DT_F32;
  float sum = is_float && c->bias ? ((const float *)c->bias)[oc] + 0.0f : 0;
  int64_t acc = !is_float && c->bias ? ((const int32_t *)c->bias)[oc] : 0;
  for (int64_t kh = 0; kh < wd[2]; kh++)
    for (int64_t kw = 0; kw < wd[3]; kw++)
      for (int64_t ic = 0; ic < wd[1]; ic++) {
        int64_t iy = oy * a->stride.v[0] - a->pad.v[0] + kh * a->dilation.v[0];
        int64_t ix = ox * a->stride.v[1] - a->pad.v[1] + kw * a->dilation.v[1];
        if (iy < 0 || iy >= xd[2] || ix < 0 || ix >= xd[3]) continue;
        int64_t xi = ((image * xd[1] + first + ic) * xd[2] + iy) * xd[3] + ix;
        int64_t wi = ((oc * wd[1] + ic) * wd[2] + kh) * wd[3] + kw;
        if (is_float)
          sum += ((const float *)c->x)[xi] * ((const float *)c->w)[wi];
        else
          acc += (int64_t)(byte_of(xt, c->x, xi) - xt->quant->zero[0]) *
                 (byte_of(wt, c->w, wi) - wt->quant->zero[channel_of(wt->quant, oc)]);
      }
  if (is_float) {
    bool act = a->act_min > -INFINITY || a->act_max < INFINITY;
    ((float *)out)[o] = act ? ref_clamp(sum, a->act_min, a->act_max) : sum;
    return;
  }
  int32_t lo, hi;
  activation_range(yt, a->act_min, a->act_max, &lo, &hi);
  float m = xt->quant->scale[0] * wt->quant->scale[channel_of(wt->quant, oc)];
  ((uint8_t *)out)[o] = (uint8_t)requantized(acc, m / yt->quant->scale[0], yt, lo, hi);
}

static void *naive_conv(const ConvCase *c) {
  const Type *yt = &c->n->results[0]->type;
  const int64_t *d = yt->shape.dim;
  void *out = arena_alloc(arena, (size_t)type_bytes(yt));
  for (int64_t o = 0, i = 0; i < d[0]; i++)
    for (int64_t oc = 0; oc < d[1]; oc++)
      for (int64_t y = 0; y < d[2]; y++)
        for (int64_t x = 0; x < d[3]; x++) naive_conv_output(c, i, oc, y, x, o++, out);
  return out;
}

/* A random convolution: odd shapes, groups of every kind, strides, dilations, uneven pads. */
static Node *random_conv(bool is_float, bool bias) {
  int64_t groups = random_in(0, 2) ? random_in(1, 3) : 1, kh = random_in(1, 4), kw = random_in(1, 3);
  if (random_in(0, 3) == 0) groups = random_in(9, 21);
  int64_t ic = groups * (random_in(0, 1) ? random_in(1, 11) : 1),
          oc = groups * (random_in(0, 1) ? random_in(1, 19) : 1);
  Shape xs = shape_of(4, random_in(1, 2), ic, random_in(1, 12), random_in(1, 13));
  Shape ws = shape_of(4, oc, ic / groups, kh, kw), bs = shape_of(1, oc);
  Type x = {.dtype = DT_F32, .shape = xs}, w = {.dtype = DT_F32, .shape = ws},
       b = {.dtype = DT_F32, .shape = bs};
  if (!is_float) {
    DType xd = random_in(0, 3) ? DT_U8 : DT_S8, wd = random_in(0, 3) ? DT_S8 : DT_U8;
    x = quantized(xd, "1", 0.02f, (int32_t)random_in(dtype_info[xd].min, dtype_info[xd].max));
    w = random_in(0, 1)
            ? per_axis(wd, "1", 0, oc, 0.003f)
            : quantized(wd, "1", 0.004f, (int32_t)random_in(dtype_info[wd].min, dtype_info[wd].max));
    b = quantized(DT_S32, "1", 1, 0);
    x.shape = xs, w.shape = ws, b.shape = bs;
  }
  Node *n = bias ? NODE(OP_conv2d, x, w, b) : NODE(OP_conv2d, x, w);
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->groups = groups;
  for (int i = 0; i < 2; i++) {
    a->stride.v[i] = random_in(1, 3);
    a->dilation.v[i] = random_in(0, 1) ? 1 : random_in(1, 3);
  }
  for (int i = 0; i < 4; i++) a->pad.v[i] = random_in(0, 1) ? 0 : random_in(0, 5);
  if (random_in(0, 1)) a->act_min = 0;
  if (random_in(0, 3) == 0) a->act_max = 1.5f;
  if (!is_float)
    n->results[0]->type = quantized(random_in(0, 1) ? DT_U8 : DT_S8, "1", 0.11f, (int32_t)random_in(0, 127));
  return n;
}

static void conv2d_equals_plain_loops(void **state) {
  (void)state;
  int tried = 0;
  for (int i = 0; i < 1500; i++) {
    bool is_float = i % 2, bias = random_in(0, 1);
    Node *n = random_conv(is_float, bias);
    if (!infer(n)) continue; /* the window does not fit */
    tried++;
    ConvCase c = {n, random_data(&n->operands[0]->type), random_data(&n->operands[1]->type),
                  bias ? random_data(&n->operands[2]->type) : NULL};
    void *got = EVAL(n, c.x, c.w, c.bias), *want = naive_conv(&c);
    int64_t count = shape_count(&n->results[0]->type.shape);
    if (is_float)
      assert_floats(got, want, count);
    else
      assert_bytes(got, want, count);
  }
  assert_true(tried > 700);
}

/* 2x2 over 3x3, by hand; then with the clamp. */
static void conv2d_by_hand(void **state) {
  (void)state;
  Node *n = NODE(OP_conv2d, plain(DT_F32, "1,1,3,3"), plain(DT_F32, "1,1,2,2"), plain(DT_F32, "1"));
  const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, w[] = {1, -1, 2, 1}, bias[] = {-15};
  ASSERT_FLOATS(EVAL(n, x, w, bias), -3, 0, 6, 9);
  ATTRS(n, ConvAttrs)->act_min = 0;
  ATTRS(n, ConvAttrs)->act_max = 6;
  ASSERT_FLOATS(EVAL(n, x, w, bias), 0, 0, 6, 6);
}

/* Padding contributes nothing at all: neither 0 * inf nor +0 to a sum of -0. NaN passes where nothing is
 * fused, and becomes the low end of a fused clamp. */
static void conv2d_padding_and_nan(void **state) {
  (void)state;
  Node *n = NODE(OP_conv2d, plain(DT_F32, "1,1,1,1"), plain(DT_F32, "1,1,1,3"), plain(DT_F32, "1"));
  ATTRS(n, ConvAttrs)->pad = ints("0,1,0,1");
  ASSERT_FLOATS(EVAL(n, (float[]){2}, ((float[]){INFINITY, 3, NAN}), (float[]){1}), 7);
  /* never -0: so padding by zeros and no padding are the same */
  ASSERT_FLOATS(EVAL(n, (float[]){-0.0f}, ((float[]){1, 0, 1}), (float[]){-0.0f}), 0.0f);
  ASSERT_FLOATS(EVAL(n, (float[]){NAN}, ((float[]){1, 1, 1}), (float[]){1}), NAN);
  ATTRS(n, ConvAttrs)->act_min = 0;
  ASSERT_FLOATS(EVAL(n, (float[]){NAN}, ((float[]){1, 1, 1}), (float[]){1}), 0);
}

/* A window that lies wholly in the padding gives the bias. */
static void conv2d_window_in_padding(void **state) {
  (void)state;
  Node *n = NODE(OP_conv2d, plain(DT_F32, "1,1,1,1"), plain(DT_F32, "1,1,1,1"), plain(DT_F32, "1"));
  ATTRS(n, ConvAttrs)->pad = ints("1,1,1,1");
  ASSERT_FLOATS(EVAL(n, (float[]){2}, (float[]){3}, (float[]){1}), 1, 1, 1, 1, 7, 1, 1, 1, 1);
}

/* In order: bias 2^24, +1, +1 stays 2^24; the other way round it would be 2^24 + 2. */
static void linear_adds_in_order(void **state) {
  (void)state;
  Node *n = NODE(OP_linear, plain(DT_F32, "2"), plain(DT_F32, "1,2"), plain(DT_F32, "1"));
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 1}), ((float[]){1, 1}), (float[]){0x1p24f}), 0x1p24f);
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 0x1p24f}), ((float[]){1, 1}), (float[]){1}), 0x1p24f + 2);
}

static void linear_equals_plain_loops(void **state) {
  (void)state;
  for (int i = 0; i < 200; i++) {
    bool is_float = i % 2;
    int64_t rows = random_in(1, 9), ic = random_in(1, 700), oc = random_in(1, 19);
    Type x = {.dtype = DT_F32, .shape = shape_of(2, rows, ic)},
         w = {.dtype = DT_F32, .shape = shape_of(2, oc, ic)};
    if (!is_float) {
      x = quantized(DT_U8, "1", 0.02f, (int32_t)random_in(0, 255));
      w = quantized(DT_S8, "1", 0.003f, (int32_t)random_in(-128, 127));
      x.shape = shape_of(2, rows, ic), w.shape = shape_of(2, oc, ic);
    }
    Node *n = NODE(OP_linear, x, w);
    if (!is_float) n->results[0]->type = quantized(DT_U8, "1", 0.5f, 120);
    const void *xv = random_data(&x), *wv = random_data(&w);
    const void *got = EVAL(n, xv, wv);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t o = 0; o < oc; o++) {
        float sum = 0;
        int64_t acc = 0;
        for (int64_t k = 0; k < ic; k++)
          if (is_float)
            sum += ((const float *)xv)[r * ic + k] * ((const float *)wv)[o * ic + k];
          else
            acc += (int64_t)(byte_of(&x, xv, r * ic + k) - x.quant->zero[0]) *
                   (byte_of(&w, wv, o * ic + k) - w.quant->zero[0]);
        if (is_float)
          assert_floats((const float *)got + r * oc + o, &sum, 1);
        else
          assert_int_equal(((const uint8_t *)got)[r * oc + o],
                           requantized(acc, 0.02f * 0.003f / 0.5f, &n->results[0]->type, 0, 255));
      }
  }
}

/* Sums at the limits, in every lane: 255 x 127 and 255 x -128, K up to 140,000, where 255 x 127 x K leaves
 * s32 and the sum is taken in 64 bits. */
static void linear_extreme_sums(void **state) {
  (void)state;
  enum { OC = 19 };
  const int64_t sizes[] = {1, 3, 255, 256, 257, 65537, 140000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int32_t z = 0; z <= 255; z += z ? 128 : 127) {
      int64_t k = sizes[i];
      Type x = quantized(DT_U8, "1", 1, z), w = quantized(DT_S8, "1", 1, 0),
           b = quantized(DT_S32, "19", 1, 0);
      x.shape = shape_of(1, k), w.shape = shape_of(2, (int64_t)OC, k);
      uint8_t *xv = arena_alloc(arena, (size_t)k);
      int8_t *wv = arena_alloc(arena, (size_t)(k * OC));
      int32_t bias[OC];
      memset(xv, z == 255 ? 0 : 255, (size_t)k);
      for (int64_t o = 0; o < OC; o++) {
        memset(wv + o * k, o % 2 ? 127 : -128, (size_t)k);
        bias[o] = o % 3 == 0 ? INT32_MAX : o % 3 == 1 ? -INT32_MAX : 0;
      }
      float scale = (float)k * 300; /* results spread over the range */
      Node *n = NODE(OP_linear, x, w, b);
      n->results[0]->type = quantized(DT_S8, "1", scale, 5);
      const int8_t *got = EVAL(n, xv, wv, bias);
      for (int64_t o = 0; o < OC; o++) {
        int64_t acc = bias[o] + k * (z == 255 ? -255 : 255 - z) * (o % 2 ? 127 : -128);
        assert_int_equal(got[o], requantized(acc, 1 / scale, &n->results[0]->type, -128, 127));
      }
    }
}

/* One wrong unit in a sum near 2^24 and near 2^31 shows: m = 1 and a bias that brings the sum to a few units.
 */
static void linear_sums_are_exact(void **state) {
  (void)state;
  const int64_t sizes[] = {515, 518, 65537};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int64_t k = sizes[i];
    Type x = quantized(DT_U8, "1", 1, 0), w = quantized(DT_S8, "1", 1, 0), b = quantized(DT_S32, "9", 1, 0);
    x.shape = shape_of(1, k), w.shape = shape_of(2, (int64_t)9, k);
    uint8_t *xv = arena_alloc(arena, (size_t)k);
    int8_t *wv = arena_alloc(arena, (size_t)(9 * k));
    memset(xv, 255, (size_t)k);
    memset(wv, 127, (size_t)(9 * k));
    int32_t bias[9];
    for (int o = 0; o < 9; o++) bias[o] = (int32_t)(-255 * 127 * k) + o * 11;
    Node *n = NODE(OP_linear, x, w, b);
    n->results[0]->type = quantized(DT_U8, "1", 1, 0);
    ASSERT_BYTES(EVAL(n, xv, wv, bias), 0, 11, 22, 33, 44, 55, 66, 77, 88);
  }
}

/* A float32 result is the exact sum, converted once, times s_x * s_w; the clamp is of real values. */
static void integers_with_float_results(void **state) {
  (void)state;
  Node *n = NODE(OP_linear, quantized(DT_U8, "2,3", 0.5f, 10), quantized(DT_S8, "2,3", 0.25f, 0),
                 quantized(DT_S32, "2", 0.125f, 0));
  n->results[0]->type = plain(DT_F32, "2,2");
  static const uint8_t x[] = {10, 12, 255, 0, 10, 11};
  static const int8_t w[] = {1, 2, 3, -128, 127, 0};
  static const int32_t b[] = {16777217 - 739, 4};
  ASSERT_FLOATS(EVAL(n, x, w, b), 2097152, 258 * 0.125f, 2097058.875f, 1284 * 0.125f);
  ATTRS(n, ActAttrs)->act_max = 100;
  ASSERT_FLOATS(EVAL(n, x, w, b), 100, 258 * 0.125f, 100, 100);
}

static void matmul_equals_plain_loops(void **state) {
  (void)state;
  for (int i = 0; i < 60; i++) {
    int64_t m = random_in(1, 9), k = random_in(0, 20), c = random_in(1, 19), batch = random_in(1, 3);
    bool b_shared = random_in(0, 1);
    Type at = {.dtype = DT_F32, .shape = shape_of(4, (int64_t)2, batch, m, k)};
    Type bt = {.dtype = DT_F32, .shape = shape_of(3, b_shared ? (int64_t)1 : batch, k, c)};
    const float *a = random_data(&at), *b = random_data(&bt);
    Node *n = NODE(OP_matmul, at, bt);
    const float *got = EVAL(n, a, b);
    for (int64_t p = 0; p < 2 * batch; p++)
      for (int64_t r = 0; r < m; r++)
        for (int64_t o = 0; o < c; o++) {
          float sum = 0;
          for (int64_t j = 0; j < k; j++)
            sum += a[(p * m + r) * k + j] * b[((b_shared ? 0 : p % batch) * k + j) * c + o];
          assert_floats(&got[(p * m + r) * c + o], &sum, 1);
        }
  }
}

static void matmul_of_bytes(void **state) {
  (void)state;
  /* 0.5 * (a - 1) x 0.25 * (b + 2): [1 -1; 254 0] x [3 -126; 2 129] in integers */
  const uint8_t a[] = {2, 0, 255, 1};
  const int8_t b[] = {1, -128, 0, 127};
  Node *n = NODE(OP_matmul, quantized(DT_U8, "2,2", 0.5f, 1), quantized(DT_S8, "2,2", 0.25f, -2));
  n->results[0]->type = quantized(DT_U8, "2,2", 1, 100);
  /* 1 -> 0.125; -255 -> -31.875; 762 -> 95.25; -32004 -> saturates */
  ASSERT_BYTES(EVAL(n, a, b), 100, 68, 195, 0);
  ATTRS(n, ActAttrs)->act_min = 0;
  ASSERT_BYTES(EVAL(n, a, b), 100, 100, 195, 100);
}

/* 40,000 products of 255 * 255 leave 32 bits. */
static void matmul_sums_beyond_32_bits(void **state) {
  (void)state;
  enum { K = 40000 };
  Type at = quantized(DT_U8, "1,40000", 1, 0), bt = quantized(DT_U8, "40000,1", 1, 255);
  uint8_t *a = arena_alloc(arena, K), *b = arena_alloc(arena, K);
  memset(a, 255, K);
  memset(b, 0, K);
  Node *n = NODE(OP_matmul, at, bt);
  n->results[0]->type = quantized(DT_U8, "1,1", 1e7f, 255);
  ASSERT_BYTES(EVAL(n, a, b), 0); /* -2,601,000,000 / 1e7 = -260.1 */
  n->results[0]->type = quantized(DT_U8, "1,1", 2e7f, 255);
  ASSERT_BYTES(EVAL(n, a, b), 125); /* -130.05 */
}

static Node *pool(OpId op, Type x, const char *kernel, const char *stride, const char *pad, bool include) {
  Node *n = NODE(op, x);
  PoolAttrs *a = ATTRS(n, PoolAttrs);
  a->kernel = ints(kernel);
  a->stride = ints(stride);
  a->pad = ints(pad);
  a->count_include_pad = include;
  return n;
}

static void max_pools(void **state) {
  (void)state;
  const float x[] = {-1, -2, -3, -4, -5, -6, -7, -8, -9};
  ASSERT_FLOATS(EVAL(pool(OP_max_pool2d, plain(DT_F32, "1,1,3,3"), "2,2", "2,2", "1,1,0,0", false), x), -1,
                -2, -4, -5);
  /* padding never wins, even where the zero point is above everything */
  const uint8_t q[] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
  ASSERT_BYTES(
      EVAL(pool(OP_max_pool2d, quantized(DT_U8, "1,1,3,3", 1, 255), "2,2", "2,2", "1,1,0,0", false), q), 9, 8,
      6, 5);
  const int8_t s[] = {-128, -1, 127, 0, -5, -6};
  ASSERT_BYTES(
      EVAL(pool(OP_max_pool2d, quantized(DT_S8, "1,2,1,3", 1, 0), "1,2", "1,1", "0,0,0,0", false), s), 255,
      127, 0, 251);
  Node *n = pool(OP_max_pool2d, plain(DT_F32, "1,1,1,5"), "1,2", "1,1", "0,0,0,0", false);
  ATTRS(n, PoolAttrs)->dilation = ints("1,3");
  ASSERT_FLOATS(EVAL(n, ((float[]){5, 1, 2, 3, 4})), 5, 4);
  /* v > x ? v : x: a NaN is replaced by what follows, and stays where it is last */
  n = pool(OP_max_pool2d, plain(DT_F32, "1,1,1,3"), "1,2", "1,1", "0,0,0,0", false);
  ASSERT_FLOATS(EVAL(n, ((float[]){1, NAN, 2})), NAN, 2);
}

static void average_pools(void **state) {
  (void)state;
  const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 10};
  Type f = plain(DT_F32, "1,1,3,3");
  ASSERT_FLOATS(EVAL(pool(OP_avg_pool2d, f, "2,2", "2,2", "1,1,0,0", false), x), 1, 2.5f, 5.5f, 29.0f / 4);
  ASSERT_FLOATS(EVAL(pool(OP_avg_pool2d, f, "2,2", "2,2", "1,1,0,0", true), x), 0.25f, 1.25f, 2.75f,
                29.0f / 4);
  /* ceil_mode's extra column counts nowhere: 3 / 2 columns of padding, of which the last is extra */
  Node *n = pool(OP_avg_pool2d, f, "2,2", "2,2", "0,0,1,1", true);
  ATTRS(n, PoolAttrs)->pad_extra = ints("1,1");
  ASSERT_FLOATS(EVAL(n, x), 3, 4.5f, 7.5f, 10);
  ATTRS(n, PoolAttrs)->pad_extra = ints("0,1");
  ASSERT_FLOATS(EVAL(n, x), 3, 4.5f, 3.75f, 5);
}

/* Rule 11 with a different count at each position: padding counts as real zero, not as q = 0. */
static void quantized_average_pools(void **state) {
  (void)state;
  const uint8_t x[] = {10, 20, 30, 40, 50, 60, 70, 80, 100};
  Node *n = pool(OP_avg_pool2d, quantized(DT_U8, "1,1,3,3", 0.5f, 10), "2,2", "2,2", "1,1,0,0", false);
  n->results[0]->type = quantized(DT_S8, "1", 0.25f, -100);
  /* sums of q - 10: 0, 10 + 20, 30 + 60, 40 + 50 + 70 + 90; m = 0.5 / (0.25 * n) */
  ASSERT_BYTES(EVAL(n, x), (uint8_t)-100, (uint8_t)-70, (uint8_t)-10, (uint8_t)25);
  ATTRS(n, PoolAttrs)->count_include_pad = true;
  n->results[0]->type = quantized(DT_S8, "1", 0.25f, -100);
  ASSERT_BYTES(EVAL(n, x), (uint8_t)-100, (uint8_t)-85, (uint8_t)-55, (uint8_t)25);
  /* ties: 1/2 and 3/2 go to even before the zero point is added */
  n = NODE(OP_global_avg_pool, quantized(DT_U8, "1,2,1,2", 1, 0));
  n->results[0]->type = quantized(DT_U8, "1", 1, 1);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){0, 1, 1, 2})), 1, 3);
}

static void global_pools_sum_in_order(void **state) {
  (void)state;
  Node *n = NODE(OP_global_avg_pool, plain(DT_F32, "1,2,3"));
  ASSERT_FLOATS(EVAL(n, ((float[]){0x1p24f, 1, 1, 1, 1, 0x1p24f})), 0x1p24f / 3, (0x1p24f + 2) / 3);
}

static void batch_norms(void **state) {
  (void)state;
  Node *n = NODE(OP_batch_norm, plain(DT_F32, "1,2,2"), plain(DT_F32, "2"), plain(DT_F32, "2"),
                 plain(DT_F32, "2"), plain(DT_F32, "2"));
  ATTRS(n, BatchNormAttrs)->eps = 1;
  ASSERT_FLOATS(EVAL(n, ((float[]){1, 2, 3, 4}), ((float[]){6, 1}), ((float[]){0.5f, -1}), ((float[]){1, 2}),
                     ((float[]){8, 3})),
                0.5f, 2.5f, -0.5f, 0);
}

static void conversions(void **state) {
  (void)state;
  Node *n = NODE(OP_quantize, plain(DT_F32, "2,3"));
  n->results[0]->type = quantized(DT_S8, "1", 0.5f, 1);
  ASSERT_BYTES(EVAL(n, ((float[]){0.25f, 0.75f, -0.25f, NAN, INFINITY, -1000})), 1, 3, 1, 128, 127, 128);
  n = NODE(OP_quantize, plain(DT_F32, "2,3"));
  n->results[0]->type = per_axis(DT_U8, "2,3", 1, 3, 1); /* scales 1, 1.25, 1.5 */
  ASSERT_BYTES(EVAL(n, ((float[]){3, 3, 3, 300, 300, 300})), 3, 2, 2, 255, 240, 200);
  ASSERT_FLOATS(
      EVAL(NODE(OP_dequantize, per_axis(DT_S8, "3,2", 0, 3, 1)), ((int8_t[]){-128, 127, 2, 4, 2, 4})), -128,
      127, 2.5f, 5, 3, 6);
  ASSERT_FLOATS(
      EVAL(NODE(OP_dequantize, quantized(DT_S32, "2", 0.5f, 0)), ((int32_t[]){INT32_MIN, 16777217})),
      -0x1p30f, 0x1p23f);
  n = NODE(OP_requantize, quantized(DT_U8, "3", 1, 100));
  n->results[0]->type = quantized(DT_S8, "3", 2, 0);
  ASSERT_BYTES(EVAL(n, ((uint8_t[]){0, 103, 255})), (uint8_t)-50, 2, 78);
  uint8_t table[256];
  for (int i = 0; i < 256; i++) table[i] = (uint8_t)(255 - i);
  Tensor *operands[] = {graph_input(graph, "q", quantized(DT_S8, "3", 1, 0), (SrcLoc){0}),
                        graph_constant(graph, "t", plain(DT_U8, "256"), table, (SrcLoc){0})};
  n = graph_node1(graph, OP_lut, operands, 2, "y", (SrcLoc){0}, NULL);
  ASSERT_BYTES(EVAL(n, ((int8_t[]){-128, 0, 127}), table), 255, 127, 0);
  float values[256];
  for (int i = 0; i < 256; i++) values[i] = (float)i / 8;
  operands[1] = graph_constant(graph, "f", plain(DT_F32, "256"), values, (SrcLoc){0});
  n = graph_node1(graph, OP_lut, operands, 2, "z", (SrcLoc){0}, NULL);
  ASSERT_FLOATS(EVAL(n, ((int8_t[]){-128, 0, 127}), values), 0, 16, 31.875f);
}

static void float_arithmetic(void **state) {
  (void)state;
  const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {10, -20};
  Type at = plain(DT_F32, "3,2"), bt = plain(DT_F32, "2");
  ASSERT_FLOATS(EVAL(NODE(OP_add, at, bt), a, b), 11, -18, 13, -16, 15, -14);
  ASSERT_FLOATS(EVAL(NODE(OP_sub, at, bt), a, b), -9, 22, -7, 24, -5, 26);
  ASSERT_FLOATS(EVAL(NODE(OP_mul, bt, at), b, a), 10, -40, 30, -80, 50, -120);
  ASSERT_FLOATS(EVAL(NODE(OP_div, at, bt), a, b), 1.0f / 10, 2.0f / -20, 3.0f / 10, 4.0f / -20, 5.0f / 10,
                6.0f / -20);
  ASSERT_FLOATS(EVAL(NODE(OP_sub, plain(DT_F32, "2,1"), plain(DT_F32, "1,3")), b, a), 9, 8, 7, -21, -22, -23);
  ASSERT_FLOATS(EVAL(NODE(OP_add, plain(DT_F32, ""), plain(DT_F32, "")), a, b), 11);
  Node *n = NODE(OP_mul, at, at);
  ATTRS(n, ActAttrs)->act_max = 10;
  ASSERT_FLOATS(EVAL(n, a, a), 1, 4, 9, 10, 10, 10);
  n = NODE(OP_div, plain(DT_F32, "0,2"), bt);
  assert_true(infer(n));
  EVAL(n, a, b);
}

static void quantized_arithmetic(void **state) {
  (void)state;
  const uint8_t a[] = {0, 100, 255};
  const int8_t b[] = {-128, 1, 127};
  Type at = quantized(DT_U8, "3", 1, 100), bt = quantized(DT_S8, "3", 0.5f, -1);
  Node *n = NODE(OP_add, at, bt);
  n->results[0]->type = quantized(DT_U8, "3", 1, 50);
  /* reals -100 - 63.5, 0 + 1, 155 + 64; the tie -163.5 goes up */
  ASSERT_BYTES(EVAL(n, a, b), 0, 51, 255);
  n->results[0]->type = quantized(DT_S8, "3", 2, 0);
  ASSERT_BYTES(EVAL(n, a, b), (uint8_t)-82, 1, 110); /* -81.75, 0.5 up, 109.5 up */
  n = NODE(OP_sub, at, bt);
  n->results[0]->type = quantized(DT_S8, "3", 1, 0);
  ASSERT_BYTES(EVAL(n, a, b), (uint8_t)-36, (uint8_t)-1, 91); /* -36.5 up */
  ATTRS(n, ActAttrs)->act_min = 0;
  ATTRS(n, ActAttrs)->act_max = 6;
  ASSERT_BYTES(EVAL(n, a, b), 0, 0, 6);
  n = NODE(OP_mul, at, bt);
  n->results[0]->type = quantized(DT_S8, "3", 100, 3);
  ASSERT_BYTES(EVAL(n, a, b), 67, 3, 102); /* 63.5 to even 64, 0, 99.2 */
}

/* Broadcast along every dim, against the definition. */
static void arithmetic_broadcasts(void **state) {
  (void)state;
  for (int i = 0; i < 60; i++) {
    Shape r = shape_of(4, random_in(1, 3), random_in(1, 3), random_in(1, 4), random_in(1, 5)), as = r, bs = r;
    for (int d = 0; d < 4; d++) *(random_in(0, 1) ? &as.dim[d] : &bs.dim[d]) = random_in(0, 1) ? 1 : r.dim[d];
    Type at = quantized(DT_U8, "1", 0.02f, 7), bt = quantized(DT_S8, "1", 0.03f, -9);
    at.shape = as, bt.shape = bs;
    const uint8_t *a = random_data(&at), *b = random_data(&bt);
    Node *n = NODE(OP_mul, at, bt);
    n->results[0]->type = quantized(DT_U8, "1", 0.05f, 100);
    const uint8_t *got = EVAL(n, a, b);
    r = n->results[0]->type.shape;
    for (int64_t o = 0; o < shape_count(&r); o++) {
      int64_t ia = 0, ib = 0, rest = o, size = shape_count(&r);
      for (int d = 0; d < 4; d++) {
        size /= r.dim[d];
        ia = ia * as.dim[d] + (as.dim[d] == 1 ? 0 : rest / size);
        ib = ib * bs.dim[d] + (bs.dim[d] == 1 ? 0 : rest / size);
        rest %= size;
      }
      int64_t acc = (int64_t)(a[ia] - 7) * ((int8_t)b[ib] + 9);
      assert_int_equal(got[o], requantized(acc, 0.02f * 0.03f / 0.05f, &n->results[0]->type, 0, 255));
    }
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(conv2d_by_hand),
      TEST(conv2d_equals_plain_loops),
      TEST(conv2d_padding_and_nan),
      TEST(conv2d_window_in_padding),
      TEST(linear_adds_in_order),
      TEST(linear_equals_plain_loops),
      TEST(linear_extreme_sums),
      TEST(linear_sums_are_exact),
      TEST(integers_with_float_results),
      TEST(matmul_equals_plain_loops),
      TEST(matmul_of_bytes),
      TEST(matmul_sums_beyond_32_bits),
      TEST(max_pools),
      TEST(average_pools),
      TEST(quantized_average_pools),
      TEST(global_pools_sum_in_order),
      TEST(batch_norms),
      TEST(conversions),
      TEST(float_arithmetic),
      TEST(quantized_arithmetic),
      TEST(arithmetic_broadcasts),
  };
  return cmocka_run_group_tests_name("ops_heavy", tests, NULL, NULL);
}
