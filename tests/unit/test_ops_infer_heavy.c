/* Inference of conv2d, linear, matmul, pools, batch_norm, conversions and arithmetic: result types, and every
 * diagnostic. */
#include "op_test.h"

static Type f32(const char *dims) { return plain(DT_F32, dims); }
static Type u8(const char *dims) { return quantized(DT_U8, dims, 0.1f, 3); }
static Type s8w(const char *dims, int64_t oc) { return per_axis(DT_S8, dims, 0, oc, 0.01f); }
static Type s32(const char *dims) { return quantized(DT_S32, dims, 0.001f, 0); }

/* A result that has its type already; named r in messages. */
static Node *typed(Node *n, Type t) {
  n->results[0]->type = t;
  n->results[0]->name = "r";
  return n;
}

static Node *conv(Type x, Type w, const char *stride, const char *pad, const char *dilation, int64_t groups) {
  Node *n = NODE(OP_conv2d, x, w);
  ConvAttrs *a = ATTRS(n, ConvAttrs);
  a->stride = ints(stride);
  a->pad = ints(pad);
  a->dilation = ints(dilation);
  a->groups = groups;
  return n;
}
static Node *simple_conv(Type x, Type w) { return conv(x, w, "1,1", "0,0,0,0", "1,1", 1); }

static void conv2d_types(void **state) {
  (void)state;
  ASSERT_TYPE(simple_conv(f32("1,3,8,9"), f32("5,3,3,2")), "f32[1, 5, 6, 8]");
  ASSERT_TYPE(conv(f32("2,6,8,9"), f32("4,3,3,3"), "2,3", "1,0,2,4", "2,1", 2), "f32[2, 4, 4, 4]");
  ASSERT_TYPE(typed(simple_conv(u8("1,3,8,9"), s8w("5,3,3,2", 5)), u8("1")),
              "u8<scale=0.1, zero=3>[1, 5, 6, 8]");
  ASSERT_TYPE(simple_conv(u8("1,3,8,9"), s8w("5,3,3,2", 5)), "?[1, 5, 6, 8]");
  ASSERT_TYPE(typed(simple_conv(u8("1,3,8,9"), s8w("5,3,3,2", 5)), f32("1")), "f32[1, 5, 6, 8]");
  ASSERT_TYPE(NODE(OP_conv2d, u8("1,3,8,9"), quantized(DT_U8, "5,3,3,2", 0.1f, 7), s32("5")),
              "?[1, 5, 6, 8]");
  Node *n = conv(f32("2,6,8,9"), f32("4,3,3,3"), "2,3", "1,0,2,4", "2,1", 2);
  assert_true(infer(n));
  assert_int_equal(op_info[OP_conv2d]->macs(n), 2 * 4 * 4 * 4 * 3 * 3 * 3);
}

static void conv2d_shape_errors(void **state) {
  (void)state;
  ASSERT_REFUSED(simple_conv(f32("3,8,9"), f32("5,3,3,2")),
                 "operand 1 of conv2d must be [N, C, H, W], not [3, 8, 9]");
  ASSERT_REFUSED(simple_conv(f32("1,3,0,9"), f32("5,3,3,2")),
                 "operand 1 of conv2d, [1, 3, 0, 9], has no elements");
  ASSERT_REFUSED(simple_conv(f32("1,3,8,9"), f32("5,3,3")),
                 "the weight of conv2d must be [OC, IC / groups, KH, KW], not [5, 3, 3]");
  ASSERT_REFUSED(simple_conv(f32("1,3,8,9"), f32("0,3,3,3")),
                 "the weight of conv2d, [0, 3, 3, 3], has no elements");
  ASSERT_REFUSED(simple_conv(f32("1,3,8,9"), f32("5,3,0,3")), "conv2d: kernel must be at least 1, not 0");
  ASSERT_REFUSED(simple_conv(f32("1,4,8,9"), f32("5,3,3,3")),
                 "conv2d: the weight has 3 input channels per group, the operand 4 / 1 groups = 4");
  ASSERT_REFUSED(conv(f32("1,4,8,9"), f32("6,1,3,3"), "1,1", "0,0,0,0", "1,1", 3),
                 "conv2d: 3 groups do not divide 4 input channels");
  ASSERT_REFUSED(conv(f32("1,4,8,9"), f32("6,1,3,3"), "1,1", "0,0,0,0", "1,1", 0),
                 "conv2d: 0 groups do not divide 4 input channels");
  ASSERT_REFUSED(conv(f32("1,4,8,9"), f32("6,1,3,3"), "1,1", "0,0,0,0", "1,1", 4),
                 "conv2d: 4 groups do not divide 6 output channels");
  ASSERT_REFUSED(conv(f32("1,3,8,9"), f32("5,3,3,3"), "1,0", "0,0,0,0", "1,1", 1),
                 "conv2d: stride must be at least 1, not 0");
  ASSERT_REFUSED(conv(f32("1,3,8,9"), f32("5,3,3,3"), "1,1", "0,0,-1,0", "1,1", 1),
                 "conv2d: pad must be at least 0, not -1");
  ASSERT_REFUSED(conv(f32("1,3,8,9"), f32("5,3,3,3"), "1,1", "0,0", "1,1", 1),
                 "conv2d needs 4 values for pad, not 2");
  ASSERT_REFUSED(conv(f32("1,3,8,9"), f32("5,3,3,3"), "1,1", "0,0,0,0", "1,99999999", 1),
                 "conv2d: dilation of 99999999 is above the limit of 16777216");
  ASSERT_REFUSED(conv(f32("1,3,8,9"), f32("5,3,3,3"), "1,1", "1,0,1,0", "1,5", 1),
                 "conv2d: a kernel that spans 11 does not fit into a width of 9 padded to 9");
  ASSERT_REFUSED(conv(f32("1,3,2,9"), f32("5,3,5,3"), "1,1", "1,0,1,0", "1,1", 1),
                 "conv2d: a kernel that spans 5 does not fit into a height of 2 padded to 4");
  ASSERT_REFUSED(NODE(OP_conv2d, f32("1,3,8,9"), f32("5,3,3,3"), f32("4")),
                 "the bias of conv2d must be [5], one value per output channel, not [4]");
}

static void conv2d_type_errors(void **state) {
  (void)state;
  ASSERT_REFUSED(simple_conv(plain(DT_S32, "1,3,8,9"), f32("5,3,3,2")),
                 "operand 1 of conv2d must be f32, or u8 or s8 quantized per tensor, not s32[1, 3, 8, 9]");
  ASSERT_REFUSED(simple_conv(f32("1,3,8,9"), plain(DT_S8, "5,3,3,2")),
                 "the weight of conv2d over f32 must be f32, f16, or quantized s8 or u8, not s8");
  ASSERT_REFUSED(simple_conv(u8("1,3,8,9"), f32("5,3,3,2")),
                 "the weight of a quantized conv2d must be quantized s8 or u8, not f32 without a scale");
  ASSERT_REFUSED(
      simple_conv(u8("1,3,8,9"), per_axis(DT_S8, "5,3,3,2", 1, 3, 0.01f)),
      "the weight of conv2d must be quantized per tensor or along axis 0 (5 channels), not along axis "
      "1 with 3 scales");
  ASSERT_REFUSED(NODE(OP_conv2d, f32("1,3,8,9"), f32("5,3,3,3"), plain(DT_S32, "5")),
                 "the bias of a float conv2d must be f32, not s32");
  ASSERT_REFUSED(NODE(OP_conv2d, u8("1,3,8,9"), s8w("5,3,3,3", 5), f32("5")),
                 "the bias of a quantized conv2d must be s32, not f32");
  ASSERT_REFUSED(
      typed(simple_conv(u8("1,3,8,9"), s8w("5,3,3,2", 5)), plain(DT_S32, "1,5,6,8")),
      "conv2d of a quantized operand has a u8 or s8 result quantized per tensor, not s32[1, 5, 6, 8]");
  ASSERT_REFUSED(typed(simple_conv(u8("1,3,8,9"), s8w("5,3,3,2", 5)), quantized(DT_U8, "1", 3e38f, 0)),
                 "conv2d 'r': the multiplier 0.1 * 0.01 / 3e+38 of channel 0 is not a normal number");
  ASSERT_REFUSED(typed(simple_conv(quantized(DT_U8, "1,3,8,9", 1e-37f, 0), s8w("5,3,3,2", 5)), f32("1")),
                 "conv2d 'r': the multiplier 1e-37 * 0.01 / 1 of channel 0 is not a normal number");
}

static void activation_errors(void **state) {
  (void)state;
  Node *n = simple_conv(f32("1,3,8,9"), f32("5,3,3,2"));
  ATTRS(n, ConvAttrs)->act_min = 6;
  ATTRS(n, ConvAttrs)->act_max = 0;
  ASSERT_REFUSED(n, "conv2d: act_min 6 is above act_max 0");
  n = NODE(OP_add, f32("2"), f32("2"));
  ATTRS(n, ActAttrs)->act_max = NAN;
  ASSERT_REFUSED(n, "add: a bound of the fused activation is not a number");
}

static void linear_types(void **state) {
  (void)state;
  ASSERT_TYPE(NODE(OP_linear, f32("7"), f32("3,7")), "f32[3]");
  ASSERT_TYPE(NODE(OP_linear, f32("2,4,7"), f32("3,7"), f32("3")), "f32[2, 4, 3]");
  ASSERT_TYPE(typed(NODE(OP_linear, u8("2,7"), s8w("3,7", 3), s32("3")), u8("1")),
              "u8<scale=0.1, zero=3>[2, 3]");
  ASSERT_REFUSED(NODE(OP_linear, f32("2,7"), f32("3,7,1")),
                 "the weight of linear must be [OC, IC], not [3, 7, 1]");
  ASSERT_REFUSED(NODE(OP_linear, f32(""), f32("3,7")), "operand 1 of linear must be [..., IC], not a scalar");
  ASSERT_REFUSED(NODE(OP_linear, f32("2,8"), f32("3,7")),
                 "linear: the operand has 8 input features, the weight 7");
  ASSERT_REFUSED(NODE(OP_linear, f32("2,7"), f32("3,7"), f32("1,3")),
                 "the bias of linear must be [3], one value per output channel, not [1, 3]");
}

static void matmul_types(void **state) {
  (void)state;
  ASSERT_TYPE(NODE(OP_matmul, f32("2,3"), f32("3,5")), "f32[2, 5]");
  ASSERT_TYPE(NODE(OP_matmul, f32("4,1,2,3"), f32("6,3,5")), "f32[4, 6, 2, 5]");
  ASSERT_REFUSED(NODE(OP_matmul, f32("2,3"), f32("4,5")), "matmul: [2, 3] has 3 columns, [4, 5] has 4 rows");
  ASSERT_REFUSED(NODE(OP_matmul, f32("3"), f32("3,5")),
                 "the operands of matmul must have at least two dims, not [3] and [3, 5]");
  ASSERT_REFUSED(NODE(OP_matmul, f32("2,2,3"), f32("4,3,5")),
                 "matmul: the leading dims of [2, 2, 3] and [4, 3, 5] do not broadcast");
  ASSERT_REFUSED(NODE(OP_matmul, f32("2,3"), u8("3,5")),
                 "matmul mixes float and quantized operands: operand 1 is f32[2, 3], operand 2 "
                 "u8<scale=0.1, zero=3>[3, 5]");
  Node *n = NODE(OP_matmul, u8("2,3"), u8("3,5"));
  assert_true(infer(n));
  assert_int_equal(n->results[0]->type.dtype, DT_NONE); /* own parameters */
  n->results[0]->type = quantized(DT_S8, "2,5", 0.5f, 1);
  ASSERT_TYPE(n, "s8<scale=0.5, zero=1>[2, 5]");
}

static void matmul_names_impossible_scales(void **state) {
  (void)state;
  Node *n = NODE(OP_matmul, quantized(DT_U8, "2,3", 1e-20f, 0), quantized(DT_U8, "3,5", 1e-20f, 0));
  n->results[0]->type = quantized(DT_U8, "2,5", 1, 0);
  ASSERT_REFUSED(n, "matmul 'y': the multiplier 1e-20 * 1e-20 / 1 is not a normal number");
}

static Node *pool(OpId op, Type x, const char *kernel, const char *stride, const char *pad) {
  Node *n = NODE(op, x);
  PoolAttrs *a = ATTRS(n, PoolAttrs);
  a->kernel = ints(kernel);
  a->stride = ints(stride);
  a->pad = ints(pad);
  return n;
}

static void pool_types(void **state) {
  (void)state;
  ASSERT_TYPE(pool(OP_max_pool2d, u8("1,3,8,9"), "3,2", "2,2", "1,0,1,1"),
              "u8<scale=0.1, zero=3>[1, 3, 4, 5]");
  ASSERT_TYPE(pool(OP_avg_pool2d, f32("1,3,8,9"), "3,2", "2,2", "1,0,1,1"), "f32[1, 3, 4, 5]");
  ASSERT_TYPE(
      typed(pool(OP_avg_pool2d, u8("1,3,8,9"), "2,2", "2,2", "0,0,0,0"), quantized(DT_U8, "1", 0.2f, 0)),
      "u8<scale=0.2, zero=0>[1, 3, 4, 4]");
  ASSERT_TYPE(NODE(OP_global_avg_pool, f32("2,3,8,9")), "f32[2, 3, 1, 1]");
  ASSERT_TYPE(NODE(OP_global_avg_pool, f32("2,3,8")), "f32[2, 3, 1]");
}

static void pool_errors(void **state) {
  (void)state;
  ASSERT_REFUSED(pool(OP_max_pool2d, f32("1,3,8,9"), "", "1,1", "0,0,0,0"),
                 "max_pool2d needs 2 values for kernel, not 0");
  ASSERT_REFUSED(pool(OP_max_pool2d, f32("1,3,8,9"), "2,0", "1,1", "0,0,0,0"),
                 "max_pool2d: kernel must be at least 1, not 0");
  ASSERT_REFUSED(pool(OP_max_pool2d, f32("1,3,8,9"), "2,2", "1,1", "0,0,2,0"),
                 "max_pool2d: a window of 2 lies wholly in the padding of [0, 2] around 8");
  ASSERT_REFUSED(pool(OP_avg_pool2d, f32("1,3,8,9"), "2,2", "1,1", "0,3,0,0"),
                 "avg_pool2d: a window of 2 lies wholly in the padding of [3, 0] around 9");
  Node *n = pool(OP_avg_pool2d, f32("1,3,8,9"), "2,2", "1,1", "0,3,0,0");
  ATTRS(n, PoolAttrs)->count_include_pad = true;
  assert_true(infer(n)); /* padding counts */
  n = pool(OP_avg_pool2d, f32("1,3,8,9"), "2,2", "2,2", "0,0,0,1");
  ATTRS(n, PoolAttrs)->pad_extra = ints("0,2");
  ASSERT_REFUSED(n, "avg_pool2d: pad_extra of 2 is not within the pad of 1");
  ATTRS(n, PoolAttrs)->pad_extra = ints("1");
  ASSERT_REFUSED(n, "avg_pool2d needs 2 values for pad_extra, not 1");
  ASSERT_REFUSED(pool(OP_max_pool2d, plain(DT_U8, "1,3,8,9"), "2,2", "1,1", "0,0,0,0"),
                 "operand 1 of max_pool2d must be f32, or u8 or s8 quantized per tensor, not u8[1, 3, 8, 9]");
  ASSERT_REFUSED(
      typed(pool(OP_avg_pool2d, quantized(DT_U8, "1,3,8,9", 1.5e-38f, 0), "4,4", "1,1", "0,0,0,0"), u8("1")),
      "avg_pool2d 'r': the multiplier 1.5e-38 / (0.1 * 16) is not a normal number");
  ASSERT_REFUSED(NODE(OP_global_avg_pool, u8("1,1,3000,3000")),
                 "global_avg_pool: 9000000 quantized elements cannot be summed in 32 bits");
  ASSERT_REFUSED(NODE(OP_global_avg_pool, f32("2,3")),
                 "operand 1 of global_avg_pool must be [N, C, ...], not [2, 3]");
  ASSERT_REFUSED(NODE(OP_global_avg_pool, f32("2,3,0,4")),
                 "global_avg_pool: the mean of no elements of [2, 3, 0, 4]");
}

static void batch_norm_types(void **state) {
  (void)state;
  ASSERT_TYPE(NODE(OP_batch_norm, f32("1,3,8"), f32("3"), f32("3"), f32("3"), f32("3")), "f32[1, 3, 8]");
  ASSERT_REFUSED(NODE(OP_batch_norm, u8("1,3,8"), f32("3"), f32("3"), f32("3"), f32("3")),
                 "operand 1 of batch_norm must be f32, not u8: batch_norm has no integer form");
  ASSERT_REFUSED(NODE(OP_batch_norm, f32("1,3,8"), f32("3"), f32("3"), f32("3"), u8("3")),
                 "the variance of batch_norm must be f32, not u8: batch_norm has no integer form");
  ASSERT_REFUSED(NODE(OP_batch_norm, f32("3"), f32("3"), f32("3"), f32("3"), f32("3")),
                 "operand 1 of batch_norm must be [N, C, ...], not [3]");
  ASSERT_REFUSED(NODE(OP_batch_norm, f32("1,3,8"), f32("3"), f32("3"), f32("4"), f32("3")),
                 "the mean of batch_norm must be [3], one value per channel, not [4]");
  Node *n = NODE(OP_batch_norm, f32("1,3,8"), f32("3"), f32("3"), f32("3"), f32("3"));
  ATTRS(n, BatchNormAttrs)->eps = -1;
  ASSERT_REFUSED(n, "batch_norm: eps must be a finite number of at least 0, not -1");
}

static Type table(DType dtype, const char *dims) { return plain(dtype, dims); }
static Node *lut(Type q, Type t) {
  Tensor *operands[] = {graph_input(graph, "x", q, (SrcLoc){0}),
                        graph_constant(graph, "t", t, arena_alloc(arena, 256), (SrcLoc){0})};
  return graph_node1(graph, OP_lut, operands, 2, "y", (SrcLoc){0}, NULL);
}

static void conversion_types(void **state) {
  (void)state;
  ASSERT_TYPE(typed(NODE(OP_quantize, f32("2,3")), u8("2,3")), "u8<scale=0.1, zero=3>[2, 3]");
  ASSERT_TYPE(NODE(OP_dequantize, u8("2,3")), "f32[2, 3]");
  ASSERT_TYPE(NODE(OP_dequantize, s32("2,3")), "f32[2, 3]");
  ASSERT_TYPE(NODE(OP_dequantize, per_axis(DT_S8, "2,3", 1, 3, 1)), "f32[2, 3]");
  ASSERT_TYPE(typed(NODE(OP_requantize, u8("2,3")), quantized(DT_S8, "1", 0.5f, -1)),
              "s8<scale=0.5, zero=-1>[2, 3]");
  ASSERT_TYPE(typed(lut(u8("2,3"), table(DT_S8, "256")), quantized(DT_S8, "1", 0.5f, -1)),
              "s8<scale=0.5, zero=-1>[2, 3]");
  ASSERT_TYPE(lut(u8("2,3"), table(DT_S8, "256")), "s8[2, 3]");
}

static void conversion_errors(void **state) {
  (void)state;
  ASSERT_REFUSED(NODE(OP_quantize, u8("2")),
                 "operand 1 of quantize must be f32, not u8<scale=0.1, zero=3>[2]");
  ASSERT_REFUSED(typed(NODE(OP_quantize, f32("2")), f32("2")),
                 "the result of quantize must be quantized u8 or s8, not f32 without a scale");
  ASSERT_REFUSED(typed(NODE(OP_quantize, f32("2")), (Type){DT_S64, shape_of(1, (int64_t)2), NULL}),
                 "the result of quantize must be quantized u8 or s8, not s64 without a scale");
  ASSERT_REFUSED(typed(NODE(OP_quantize, f32("2,4")), per_axis(DT_U8, "2,3", 1, 3, 1)),
                 "the result of quantize, [2, 4], cannot have 3 scales along axis 1");
  ASSERT_REFUSED(NODE(OP_dequantize, f32("2")), "operand 1 of dequantize must be quantized, not f32[2]");
  ASSERT_REFUSED(NODE(OP_dequantize, quantized(DT_S64, "2", 1, 0)),
                 "operand 1 of dequantize must be u8, s8 or s32, not s64");
  ASSERT_REFUSED(NODE(OP_dequantize, per_axis(DT_U8, "2,4", 1, 3, 1)),
                 "operand 1 of dequantize, [2, 4], cannot have 3 scales along axis 1");
  ASSERT_REFUSED(NODE(OP_requantize, f32("2")),
                 "operand 1 of requantize must be u8 or s8 quantized per tensor, not f32[2]");
  ASSERT_REFUSED(typed(NODE(OP_requantize, u8("2")), per_axis(DT_U8, "2", 0, 2, 1)),
                 "the result of requantize must be quantized per tensor, not along axis 0");
  ASSERT_REFUSED(lut(u8("2"), table(DT_U8, "255")),
                 "the table of lut must be a constant u8, s8 or f32 [256], not u8[255]");
  ASSERT_REFUSED(lut(u8("2"), table(DT_S32, "256")),
                 "the table of lut must be a constant u8, s8 or f32 [256], not s32[256]");
  ASSERT_REFUSED(NODE(OP_lut, u8("2"), table(DT_U8, "256")),
                 "the table of lut must be a constant u8, s8 or f32 [256], not a computed u8[256]");
  ASSERT_REFUSED(typed(lut(u8("2"), table(DT_F32, "256")), u8("2")),
                 "the result of lut is u8, its table f32");
  ASSERT_REFUSED(typed(lut(u8("2"), table(DT_S8, "256")), u8("2")), "the result of lut is u8, its table s8");
}

static void arithmetic_types(void **state) {
  (void)state;
  ASSERT_TYPE(NODE(OP_add, f32("4,1,3"), f32("2,1")), "f32[4, 2, 3]");
  ASSERT_TYPE(NODE(OP_div, f32(""), f32("2")), "f32[2]");
  ASSERT_TYPE(typed(NODE(OP_mul, u8("4,3"), quantized(DT_S8, "1", 1, 0)), u8("1")),
              "u8<scale=0.1, zero=3>[4, 3]");
  ASSERT_REFUSED(NODE(OP_add, f32("4,3"), f32("4")), "add: the shapes [4, 3] and [4] do not broadcast");
  ASSERT_REFUSED(
      NODE(OP_sub, f32("4"), u8("4")),
      "sub mixes float and quantized operands: operand 1 is f32[4], operand 2 u8<scale=0.1, zero=3>[4]");
  ASSERT_REFUSED(NODE(OP_mul, f32("4"), plain(DT_S64, "4")),
                 "operand 2 of mul must be f32, or u8 or s8 quantized per tensor, not s64[4]");
  ASSERT_REFUSED(
      NODE(OP_div, u8("4"), u8("4")),
      "operand 1 of div must be f32, not u8: div has no integer form, keep it in float between dequantize "
      "and quantize");
  ASSERT_REFUSED(typed(NODE(OP_mul, u8("4"), u8("4")), quantized(DT_U8, "4", 3e38f, 0)),
                 "mul 'r': the multiplier 0.1 * 0.1 / 3e+38 is not a normal number");
  ASSERT_REFUSED(
      typed(NODE(OP_add, u8("4"), u8("4")), quantized(DT_U8, "4", 1e-7f, 0)),
      "add 'r': the scales 0.1 and 0.1 are too large for a result of scale 1e-07: no 16-bit factors");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(conv2d_types),
      TEST(conv2d_shape_errors),
      TEST(conv2d_type_errors),
      TEST(activation_errors),
      TEST(matmul_names_impossible_scales),
      TEST(linear_types),
      TEST(matmul_types),
      TEST(pool_types),
      TEST(pool_errors),
      TEST(batch_norm_types),
      TEST(conversion_types),
      TEST(conversion_errors),
      TEST(arithmetic_types),
  };
  return cmocka_run_group_tests_name("ops_infer_heavy", tests, NULL, NULL);
}
