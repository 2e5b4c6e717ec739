/* Ops over activations that are quantized while the model runs, plain integer products, and layers whose
 * weights are stored smaller than they are computed with: against plain loops, and values worked out by hand.
 */
#include "tests/unit/op_test.h"

#include "ir/half.h"

static Type f32(const char *dims) { return plain(DT_F32, dims); }

typedef struct {
  uint8_t q[16];
  float scale;
  uint8_t zero;
} Dynamic;

static Dynamic dynamic_quantize(const float *x, int64_t n, int rule, int64_t qmax) {
  Type t = {.dtype = DT_F32, .shape = shape_of(1, n)};
  Node *node = graph_node(graph, OP_dynamic_quantize, (Tensor *[]){graph_input(graph, "x", t, (SrcLoc){0})},
                          1, NULL, 3, (SrcLoc){0}, NULL);
  *ATTRS(node, DynamicQuantizeAttrs) = (DynamicQuantizeAttrs){rule, qmax};
  if (!infer(node)) fail_msg("%s", message);
  Dynamic d;
  op_info[node->op]->eval(&(EvalCtx){arena}, node, (const void *[]){x}, (void *[]){d.q, &d.scale, &d.zero});
  return d;
}

static void quantizing(void **state) {
  (void)state;
  const float x[] = {-1, 0, 0.5f, 3, 1.25f};
  Dynamic d = dynamic_quantize(x, 5, DYNAMIC_ATEN, 255); /* 4 / 255; zero 63.75 */
  assert_true(d.scale == (float)(4.0 / 255) && d.zero == 64);
  ASSERT_BYTES(d.q, 0, 64, 96, 255, 144); /* 31.875, 191.25, 79.69 from the zero point */
  d = dynamic_quantize(x, 5, DYNAMIC_ONNX, 255);
  assert_true(d.scale == 4.0f / 255 && d.zero == 64);
  ASSERT_BYTES(d.q, 0, 64, 96, 255, 144);
  d = dynamic_quantize(x, 5, DYNAMIC_ATEN, 127); /* zero 31.75 */
  assert_true(d.scale == (float)(4.0 / 127) && d.zero == 32);
  ASSERT_BYTES(d.q, 0, 32, 48, 127, 72);
}

/* NaN counts as nothing and becomes 0; infinities are the ends, and leave the others at the zero point. */
static void quantizing_what_is_not_finite(void **state) {
  (void)state;
  const float with_nan[] = {1, NAN, -1, 0}, with_inf[] = {INFINITY, 5, -5, 0}, zeros[] = {0, -0.0f, NAN, 0};
  Dynamic d = dynamic_quantize(with_nan, 4, DYNAMIC_ATEN, 255);
  assert_true(d.scale == (float)(2.0 / 255) && d.zero == 128);
  ASSERT_BYTES(d.q, 255, 0, 1, 128); /* the scale is a little more than 2 / 255 */
  d = dynamic_quantize(with_inf, 4, DYNAMIC_ATEN, 255);
  assert_true(d.zero == 0);
  ASSERT_BYTES(d.q, 255, 0, 0, 0);
  d = dynamic_quantize(zeros, 4, DYNAMIC_ATEN, 255);
  assert_true(d.scale == 0.1f && d.zero == 0);
  ASSERT_BYTES(d.q, 0, 0, 0, 0);
}

/* ---- products ---- */

static int64_t element(const Type *t, const void *data, int64_t i) {
  return t->dtype == DT_U8 ? ((const uint8_t *)data)[i] : ((const int8_t *)data)[i];
}

static void linear_by_hand(void **state) {
  (void)state;
  Type w = per_axis(DT_S8, "2,3", 0, 2, 0.5f); /* scales 0.5 and 0.625 */
  Node *n = NODE(OP_dynamic_linear, plain(DT_U8, "1,3"), f32(""), plain(DT_U8, ""), w, f32("2"));
  const uint8_t q[] = {10, 20, 30}, zero = 20;
  const int8_t weight[] = {1, 2, 3, -4, 5, 6};
  const float scale = 0.25f, bias[] = {1, -10};
  /* (-10, 0, 10) . w = 20 and 100, times 0.125 and 0.15625 */
  ASSERT_FLOATS(EVAL(n, q, &scale, &zero, weight, bias), 3.5f, 5.625f);
  ATTRS(n, ActAttrs)->act_max = 4;
  ASSERT_FLOATS(EVAL(n, q, &scale, &zero, weight, bias), 3.5f, 4);
}

/* The sum is converted to float once: 2^24 + 1 goes down. */
static void sums_are_rounded_once(void **state) {
  (void)state;
  Type w = quantized(DT_S8, "1,4", 1, 0);
  Node *n = NODE(OP_dynamic_linear, plain(DT_S8, "1,4"), f32("1"), plain(DT_S8, "1"), w);
  const int8_t q[] = {1, 2, 3, 4}, zero = -128, weight[] = {127, 127, 127, -128};
  const float scale = 1;
  ASSERT_FLOATS(EVAL(n, q, &scale, &zero, weight), 129 * 127 + 130 * 127 + 131 * 127 - 132 * 128);
}

static void linear_equals_plain_loops(void **state) {
  (void)state;
  for (int trial = 0; trial < 100; trial++) {
    int64_t rows = random_in(1, 6), ic = random_in(1, 300), oc = random_in(1, 20);
    DType qd = random_in(0, 3) ? DT_U8 : DT_S8, wd = random_in(0, 3) ? DT_S8 : DT_U8;
    Type x = {.dtype = qd, .shape = shape_of(2, rows, ic)}, b = {.dtype = DT_F32, .shape = shape_of(1, oc)};
    Type w = random_in(0, 1) ? per_axis(wd, "1", 0, oc, 0.003f) : quantized(wd, "1", 0.004f, 0);
    if (w.quant->axis < 0) w.quant = quant_per_tensor(arena, 0.004f, (int32_t)random_in(0, 127));
    w.shape = shape_of(2, oc, ic);
    Node *n = NODE(OP_dynamic_linear, x, f32(""), plain(qd, ""), w, b);
    const void *q = random_data(&x), *weight = random_data(&w);
    const float *bias = random_data(&b), scale = 0.037f;
    uint8_t zero = (uint8_t)random_u32();
    const float *got = EVAL(n, q, &scale, &zero, weight, bias);
    int64_t z = element(&x, &zero, 0);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < oc; c++) {
        int64_t k = w.quant->count > 1 ? c : 0, acc = 0;
        for (int64_t i = 0; i < ic; i++)
          acc += (element(&x, q, r * ic + i) - z) * (element(&w, weight, c * ic + i) - w.quant->zero[k]);
        float m = scale * w.quant->scale[k], want = (float)acc * m;
        want += bias[c];
        ASSERT_FLOATS(got + r * oc + c, want);
      }
  }
}

/* A padded convolution: the padding is the zero point, so that it adds nothing. */
static void conv_by_hand(void **state) {
  (void)state;
  Type w = quantized(DT_S8, "1,1,1,3", 0.5f, 1);
  Node *n = NODE(OP_dynamic_conv2d, plain(DT_U8, "1,1,1,3"), f32(""), plain(DT_U8, ""), w);
  ATTRS(n, ConvAttrs)->pad = ints("0,1,0,1");
  const uint8_t q[] = {100, 110, 90}, zero = 100;
  const int8_t weight[] = {2, 3, 5}; /* minus the zero point: 1, 2, 4 */
  const float scale = 2;
  ASSERT_FLOATS(EVAL(n, q, &scale, &zero, weight), 40, 20 - 40, 10 - 20);
}

/* dynamic_conv2d and conv_integer over random shapes, against each other and a float convolution: small
 * integers are exact in float. */
static void convs_agree(void **state) {
  (void)state;
  for (int trial = 0; trial < 60; trial++) {
    int64_t groups = random_in(0, 2) ? 1 : random_in(2, 9), ic = groups * random_in(1, 3),
            oc = groups * random_in(1, 5);
    Type x = {.dtype = DT_U8, .shape = shape_of(4, (int64_t)1, ic, random_in(2, 7), random_in(2, 7))};
    Type w = {.dtype = DT_S8, .shape = shape_of(4, oc, ic / groups, random_in(1, 3), random_in(1, 3))};
    Type wq = w, xf = x, wf = w;
    xf.dtype = wf.dtype = DT_F32;
    int32_t wz = (int32_t)random_in(-128, 127);
    wq.quant = quant_per_tensor(arena, 1, wz);
    const uint8_t *q = random_data(&x), zero = (uint8_t)random_u32();
    const int8_t *weight = random_data(&w), w_zero = (int8_t)wz;
    float *real_x = arena_alloc(arena, (size_t)type_bytes(&xf)),
          *real_w = arena_alloc(arena, (size_t)type_bytes(&wf));
    for (int64_t i = 0; i < shape_count(&x.shape); i++) real_x[i] = (float)(q[i] - zero);
    for (int64_t i = 0; i < shape_count(&w.shape); i++) real_w[i] = (float)(weight[i] - wz);
    Node *nodes[] = {NODE(OP_conv2d, xf, wf), NODE(OP_dynamic_conv2d, x, f32(""), plain(DT_U8, ""), wq),
                     NODE(OP_conv_integer, x, w, plain(DT_U8, ""), plain(DT_S8, ""))};
    IntList pad = {4, {random_in(0, 2), random_in(0, 2), random_in(0, 2), random_in(0, 2)}};
    for (int i = 0; i < 3; i++) {
      ATTRS(nodes[i], ConvAttrs)->pad = pad;
      ATTRS(nodes[i], ConvAttrs)->groups = groups;
      ATTRS(nodes[i], ConvAttrs)->stride = (IntList){2, {1 + trial % 2, 1}};
    }
    const float scale = 1, *want;
    if (!infer(nodes[0])) continue; /* the window does not fit */
    want = EVAL(nodes[0], real_x, real_w);
    const float *scaled = EVAL(nodes[1], q, &scale, &zero, weight);
    const int32_t *sums = EVAL(nodes[2], q, weight, &zero, &w_zero);
    for (int64_t i = 0; i < shape_count(&nodes[0]->results[0]->type.shape); i++)
      assert_true(scaled[i] == want[i] && sums[i] == (int32_t)want[i]);
  }
}

static void matmul_integers(void **state) {
  (void)state;
  Node *n =
      NODE(OP_matmul_integer, plain(DT_U8, "2,2"), plain(DT_S8, "2,2"), plain(DT_U8, ""), plain(DT_S8, ""));
  const uint8_t a[] = {1, 2, 3, 4}, a_zero = 2;
  const int8_t b[] = {5, -6, 7, 8}, b_zero = 1;
  /* [-1 0; 1 2] x [4 -7; 6 7] */
  const int32_t *y = EVAL(n, a, b, &a_zero, &b_zero), want[] = {-4, 7, 16, 7};
  assert_memory_equal(y, want, sizeof want);
  /* without zero points, over batches; b's are broadcast */
  n = NODE(OP_matmul_integer, plain(DT_S8, "2,1,2"), plain(DT_U8, "2,1"));
  const int8_t c[] = {-128, 1, 2, 3};
  const uint8_t d[] = {255, 4};
  y = EVAL(n, c, d);
  assert_true(y[0] == -128 * 255 + 4 && y[1] == 2 * 255 + 12);
  ASSERT_TYPE(n, "s32[2, 1, 1]");
  /* one zero point for each column, a constant */
  const int8_t zeros[] = {1, 2};
  Tensor *operands[] = {graph_input(graph, "a", plain(DT_U8, "1,2"), (SrcLoc){0}),
                        graph_input(graph, "b", plain(DT_S8, "2,2"), (SrcLoc){0}), NULL,
                        graph_constant(graph, "z", plain(DT_S8, "2"), zeros, (SrcLoc){0})};
  n = graph_node1(graph, OP_matmul_integer, operands, 4, "y", (SrcLoc){0}, NULL);
  y = EVAL(n, a, b, NULL, zeros); /* [1 2] x [4 -8; 6 6] */
  assert_true(y[0] == 16 && y[1] == 4);
}

static void casts(void **state) {
  (void)state;
  const int32_t s32[] = {0, -7, 16777217, INT32_MIN};
  ASSERT_FLOATS(EVAL(NODE(OP_cast, plain(DT_S32, "4")), s32), 0, -7, 16777216, -0x1p31f);
  const uint8_t bytes[] = {0, 200};
  ASSERT_FLOATS(EVAL(NODE(OP_cast, plain(DT_U8, "2")), bytes), 0, 200);
  ASSERT_FLOATS(EVAL(NODE(OP_cast, plain(DT_S8, "2")), bytes), 0, -56);
  const uint16_t halves[] = {0x3c00, 0x8001};
  ASSERT_FLOATS(EVAL(NODE(OP_cast, plain(DT_F16, "2")), halves), 1, -0x1p-24f);
}

/* ---- weights that are stored smaller ---- */

static void small_weights_are_widened(void **state) {
  (void)state;
  for (int trial = 0; trial < 40; trial++) {
    bool conv = trial % 2;
    int64_t oc = random_in(1, 12), ic = random_in(1, 9);
    Shape xs = conv ? shape_of(4, (int64_t)1, ic, (int64_t)4, (int64_t)5) : shape_of(2, (int64_t)3, ic);
    Shape ws = conv ? shape_of(4, oc, ic, (int64_t)2, (int64_t)2) : shape_of(2, oc, ic);
    Type x = {.dtype = DT_F32, .shape = xs}, wide = {.dtype = DT_F32, .shape = ws}, small = {.shape = ws};
    const float *data = random_data(&x);
    float *w = arena_alloc(arena, (size_t)type_bytes(&wide));
    void *stored;
    int64_t count = shape_count(&ws), per = count / oc;
    if (trial % 3 == 0) {
      small.dtype = DT_F16;
      uint16_t *halves = stored = ARENA_NEW_ARRAY(arena, uint16_t, (size_t)count);
      for (int64_t i = 0; i < count; i++) halves[i] = half_from_float((float)random_in(-999, 999) / 37);
      half_widen(halves, count, w);
    } else {
      small.dtype = trial % 5 ? DT_S8 : DT_U8;
      float *scales = ARENA_NEW_ARRAY(arena, float, (size_t)oc);
      int32_t *zeros = ARENA_NEW_ARRAY(arena, int32_t, (size_t)oc);
      for (int64_t i = 0; i < oc; i++)
        scales[i] = 0.01f + (float)i / 77, zeros[i] = (int32_t)random_in(0, 99);
      small.quant = quant_new(arena, 0, oc, scales, zeros);
      stored = random_data(&small);
      for (int64_t i = 0; i < count; i++)
        w[i] = dequantize_value((int32_t)element(&small, stored, i), scales[i / per], zeros[i / per]);
    }
    OpId op = conv ? OP_conv2d : OP_linear;
    Node *a = NODE(op, x, wide), *b = NODE(op, x, small);
    const float *want = EVAL(a, data, w), *got = EVAL(b, data, stored);
    assert_floats(got, want, shape_count(&a->results[0]->type.shape));
  }
}

/* ---- errors ---- */

static void errors(void **state) {
  (void)state;
  Type q = plain(DT_U8, "2,3"), s = f32(""), z = plain(DT_U8, ""), w = quantized(DT_S8, "4,3", 0.5f, 0);
  Node *n = graph_node(graph, OP_dynamic_quantize, (Tensor *[]){graph_input(graph, "x", q, (SrcLoc){0})}, 1,
                       NULL, 3, (SrcLoc){0}, NULL);
  ASSERT_REFUSED(n, "operand 1 of dynamic_quantize must be f32, not u8[2, 3]");
  n->operands[0]->type = f32("2,3");
  ATTRS(n, DynamicQuantizeAttrs)->qmax = 100;
  ASSERT_REFUSED(n, "qmax of dynamic_quantize must be 255 or 127, not 100");
  ASSERT_REFUSED(NODE(OP_dynamic_linear, f32("2,3"), s, z, w),
                 "operand 1 of dynamic_linear must be u8 or s8 without parameters, not f32[2, 3]");
  ASSERT_REFUSED(NODE(OP_dynamic_linear, q, f32("2"), z, w),
                 "operand 2 of dynamic_linear, the scale, must be f32[], not f32[2]");
  ASSERT_REFUSED(NODE(OP_dynamic_linear, q, s, plain(DT_S8, ""), w),
                 "operand 3 of dynamic_linear, the zero point, must be u8[], not s8[]");
  ASSERT_REFUSED(
      NODE(OP_dynamic_linear, q, s, z, f32("4,3")),
      "the weight of a quantized dynamic_linear must be quantized s8 or u8, not f32 without a scale");
  ASSERT_REFUSED(NODE(OP_dynamic_linear, q, s, z, w, plain(DT_S32, "4")),
                 "the bias of a float dynamic_linear must be f32, not s32");
  ASSERT_REFUSED(NODE(OP_dynamic_linear, plain(DT_U8, "2,4"), s, z, w),
                 "dynamic_linear: the operand has 4 input features, the weight 3");
  ASSERT_REFUSED(NODE(OP_dynamic_conv2d, q, s, z, w),
                 "the weight of dynamic_conv2d must be [OC, IC / groups, KH, KW], not [4, 3]");
  ASSERT_REFUSED(NODE(OP_matmul_integer, q, per_axis(DT_S8, "3,4", 1, 4, 0.5f)),
                 "operand 2 of matmul_integer must be u8 or s8, quantized per tensor or not at all, not "
                 "s8<axis=1, scale=[0.5, 0.625, 0.75, 0.875], zero=0>[3, 4]");
  ASSERT_REFUSED(NODE(OP_matmul_integer, q, plain(DT_S8, "3,4"), plain(DT_S8, "")),
                 "the zero point of operand 1 of matmul_integer must be u8, not s8[]");
  ASSERT_REFUSED(NODE(OP_matmul_integer, q, plain(DT_S8, "3,4"), plain(DT_U8, "2")),
                 "the zero point of operand 1 of matmul_integer must be one, not [2]");
  ASSERT_REFUSED(
      NODE(OP_matmul_integer, q, plain(DT_S8, "3,4"), z, plain(DT_S8, "2")),
      "the zero point of operand 2 of matmul_integer must be one, or one for each of 4 channels, not [2]");
  ASSERT_REFUSED(NODE(OP_matmul_integer, q, plain(DT_S8, "3,4"), z, plain(DT_S8, "4")),
                 "the zero points of operand 2 of matmul_integer must be constant");
  ASSERT_REFUSED(
      NODE(OP_cast, w),
      "operand 1 of cast must be s32, u8 or s8 without parameters, or f16, not s8<scale=0.5, zero=0>[4, 3]");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(quantizing),
      TEST(quantizing_what_is_not_finite),
      TEST(linear_by_hand),
      TEST(sums_are_rounded_once),
      TEST(linear_equals_plain_loops),
      TEST(conv_by_hand),
      TEST(convs_agree),
      TEST(matmul_integers),
      TEST(casts),
      TEST(small_weights_are_widened),
      TEST(errors),
  };
  return cmocka_run_group_tests_name("ops_dynamic", tests, NULL, NULL);
}
