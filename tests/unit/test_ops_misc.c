/* max, min, prelu, expand and the reductions: inference, every diagnostic, and the reference kernels against
 * values worked out by hand. */
#include "tests/unit/op_test.h"

/* ---- max, min ---- */

static void minmax_compares(void **state) {
  (void)state;
  const float a[] = {1, -2, NAN, 5, 0.5f, 7}, b[] = {3, 3, NAN};
  Type t = plain(DT_F32, "2,3");
  ASSERT_FLOATS(EVAL(NODE(OP_max, t, plain(DT_F32, "3")), a, b), 3, 3, NAN, 5, 3, NAN);
  ASSERT_FLOATS(EVAL(NODE(OP_min, t, plain(DT_F32, "3")), a, b), 1, -2, NAN, 3, 0.5f, NAN);
  const float two = 2, bad = NAN;
  ASSERT_FLOATS(EVAL(NODE(OP_max, t, plain(DT_F32, "")), a, &two), 2, 2, 2, 5, 2, 7); /* NaN gives b */
  ASSERT_FLOATS(EVAL(NODE(OP_min, plain(DT_F32, ""), plain(DT_F32, "")), &two, &bad), NAN);
}

static void minmax_rescales_quantized_operands(void **state) {
  (void)state;
  const uint8_t a[] = {0, 10, 20, 255};
  const int8_t b[] = {-128, 0, 3, 127};
  Node *n = NODE(OP_max, quantized(DT_U8, "4", 0.5f, 10), quantized(DT_S8, "4", 1, 0));
  assert_true(infer(n));
  assert_int_equal(n->results[0]->type.dtype, DT_NONE); /* own parameters */
  n->results[0]->type = quantized(DT_U8, "4", 1, 100);
  /* -5 and -128; 0 and 0; 5 and 3; 122.5 -> 122 and 127 */
  ASSERT_BYTES(EVAL(n, a, b), 95, 100, 105, 227);
  n = NODE(OP_min, quantized(DT_U8, "4", 0.5f, 10), quantized(DT_S8, "4", 1, 0));
  n->results[0]->type = quantized(DT_S8, "4", 1, 1);
  ASSERT_BYTES(EVAL(n, a, b), (uint8_t)-127, 1, 4, 123);
}

static void minmax_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(NODE(OP_max, plain(DT_F32, "2,3"), plain(DT_F32, "4")),
                 "max: the shapes [2, 3] and [4] do not broadcast");
  ASSERT_REFUSED(
      NODE(OP_min, plain(DT_F32, "2"), quantized(DT_U8, "2", 1, 0)),
      "min mixes float and quantized operands: operand 1 is f32[2], operand 2 u8<scale=1, zero=0>[2]");
}

/* ---- prelu ---- */

static void prelu_slopes(void **state) {
  (void)state;
  const float x[] = {-1, 2, -3, -4, 5, NAN}, slope[] = {0.5f, -2, 10};
  ASSERT_FLOATS(EVAL(NODE(OP_prelu, plain(DT_F32, "2,3"), plain(DT_F32, "3")), x, slope), -0.5f, 2, -30, -2,
                5, NAN);
  ASSERT_FLOATS(EVAL(NODE(OP_prelu, plain(DT_F32, "3,2"), plain(DT_F32, "3,1")), x, slope), -0.5f, 2, 6, 8, 5,
                NAN);
}

static void prelu_quantized_goes_by_value(void **state) {
  (void)state;
  /* u8 of scale 0.5, zero 10: -5, 1; -2, 0; results of scale 0.25, zero 100 */
  const uint8_t x[] = {0, 12, 6, 10};
  const float slope[] = {0.3f, 100};
  Node *n = NODE(OP_prelu, quantized(DT_U8, "2,2", 0.5f, 10), plain(DT_F32, "2,1"));
  n->results[0]->type = quantized(DT_U8, "2,2", 0.25f, 100);
  ASSERT_BYTES(EVAL(n, x, slope), 94, 104, 0, 100); /* -1.5, 1; -200 saturates, 0 */
}

static void prelu_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(NODE(OP_prelu, plain(DT_F32, "2,3"), plain(DT_F32, "2,1,1")),
                 "prelu: a slope [2, 1, 1] does not broadcast to [2, 3]");
  ASSERT_REFUSED(NODE(OP_prelu, quantized(DT_U8, "2", 1, 0), quantized(DT_U8, "2", 1, 0)),
                 "the slope of prelu must be f32, not u8<scale=1, zero=0>[2]");
  ASSERT_REFUSED(NODE(OP_prelu, plain(DT_S32, "2"), plain(DT_F32, "2")),
                 "operand 1 of prelu must be f32, or u8 or s8 quantized per tensor, not s32[2]");
}

/* ---- expand ---- */

static Node *expanded(Type t, const char *to) {
  Node *n = NODE(OP_expand, t);
  ATTRS(n, ReshapeAttrs)->shape = ints(to);
  return n;
}

static void expand_repeats(void **state) {
  (void)state;
  const float x[] = {1, 2};
  ASSERT_FLOATS(EVAL(expanded(plain(DT_F32, "2,1"), "2,3"), x), 1, 1, 1, 2, 2, 2);
  ASSERT_FLOATS(EVAL(expanded(plain(DT_F32, "2"), "2,1,2"), x), 1, 2, 1, 2);
  ASSERT_FLOATS(EVAL(expanded(plain(DT_F32, ""), "3"), x), 1, 1, 1);
  const uint8_t q[] = {7, 9};
  Node *n = expanded(quantized(DT_U8, "1,2", 0.5f, 3), "2,2");
  ASSERT_TYPE(n, "u8<scale=0.5, zero=3>[2, 2]");
  ASSERT_BYTES(EVAL(n, q), 7, 9, 7, 9);
}

static void expand_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(expanded(plain(DT_F32, "2,3"), "2,4"), "expand: [2, 3] does not broadcast to [2, 4]");
  ASSERT_REFUSED(expanded(plain(DT_F32, "2,3"), "3"), "expand: [2, 3] does not broadcast to [3]");
  ASSERT_REFUSED(expanded(plain(DT_F32, "2,3"), "2,1"), "expand: [2, 3] does not broadcast to [2, 1]");
  ASSERT_REFUSED(expanded(plain(DT_F32, "1"), "16777217"), "expand: [1] does not broadcast to [16777217]");
  ASSERT_REFUSED(expanded(plain(DT_F32, "1"), "1,1,1,1,1,1,1,1,1"), "expand: rank 9 is above the limit of 8");
  ASSERT_REFUSED(expanded(per_axis(DT_S8, "2,1", 0, 2, 1), "2,2"),
                 "expand: an operand quantized along an axis cannot be expanded");
}

/* ---- reductions ---- */

static Node *reduced(OpId op, Type t, const char *axes) {
  Node *n = NODE(op, t);
  *ATTRS(n, ReduceAttrs) = (ReduceAttrs){ints(axes), false};
  return n;
}

static void reductions_of_floats(void **state) {
  (void)state;
  const float x[] = {1, -2, 3, 4, 0.5f, -6};
  Type t = plain(DT_F32, "2,3");
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_sum, t, "1"), x), 2, -1.5f);
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_sum, t, "0"), x), 5, -1.5f, -3);
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_max, t, "1"), x), 3, 4);
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_min, t, "0"), x), 1, -2, -6);
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_max, t, ""), x), 4);
  const float bad[] = {NAN, 1, 2, NAN};
  /* v > x ? v : x from the first element on: a NaN lasts till the next element */
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_max, plain(DT_F32, "2,2"), "1"), bad), 1, NAN);
  ASSERT_FLOATS(EVAL(reduced(OP_reduce_min, plain(DT_F32, "2,2"), "1"), bad), 1, NAN);
}

static void reductions_of_bytes(void **state) {
  (void)state;
  const uint8_t x[] = {10, 12, 255, 0, 11, 13};
  Node *n = reduced(OP_reduce_sum, quantized(DT_U8, "2,3", 0.5f, 10), "1");
  n->results[0]->type = quantized(DT_S8, "2", 2, -100);
  /* 123.5 / 2 = 61.75 -> 62; (-10 + 1 + 3) * 0.5 / 2 = -1.5 -> -2 */
  ASSERT_BYTES(EVAL(n, x), (uint8_t)-38, (uint8_t)-102);
  n = reduced(OP_reduce_max, quantized(DT_U8, "2,3", 0.5f, 10), "1");
  ASSERT_TYPE(n, "u8<scale=0.5, zero=10>[2]");
  ASSERT_BYTES(EVAL(n, x), 255, 13);
  ASSERT_BYTES(EVAL(reduced(OP_reduce_min, quantized(DT_U8, "2,3", 0.5f, 10), "0"), x), 0, 11, 13);
  /* as s8, 255 is -1 */
  ASSERT_BYTES(EVAL(reduced(OP_reduce_max, quantized(DT_S8, "2,3", 1, 0), "1"), x), 12, 13);
  ASSERT_BYTES(EVAL(reduced(OP_reduce_min, quantized(DT_S8, "2,3", 1, 0), "1"), x), 255, 0);
}

static void reductions_refuse(void **state) {
  (void)state;
  ASSERT_REFUSED(reduced(OP_reduce_max, plain(DT_F32, "2,3"), "2"),
                 "axis 2 of reduce_max is out of range for an operand of rank 2");
  ASSERT_REFUSED(reduced(OP_reduce_min, plain(DT_F32, "2,3"), "1,-1"), "reduce_min: axis 1 is given twice");
  ASSERT_REFUSED(reduced(OP_reduce_max, plain(DT_F32, "0,3"), "0"), "reduce_max of no elements: f32[0, 3]");
  ASSERT_REFUSED(reduced(OP_reduce_sum, quantized(DT_U8, "8421505", 1, 0), "0"),
                 "reduce_sum: 8421505 quantized elements cannot be summed in 32 bits");
}

static void reductions_name_tensors_of_impossible_scales(void **state) {
  (void)state;
  Node *n = reduced(OP_reduce_sum, quantized(DT_U8, "2", 1e-30f, 0), "0");
  n->results[0]->type = quantized(DT_U8, "", 1e30f, 0);
  ASSERT_REFUSED(n, "reduce_sum: the scales of 'x' and 'y' are too far apart");
}

/* ---- clamp ---- */

static Node *clamped(Type t, int64_t min, int64_t max) {
  Node *n = NODE(OP_clamp, t);
  *ATTRS(n, ClampAttrs) = (ClampAttrs){min, max};
  return n;
}

static void clamp_of_integers(void **state) {
  (void)state;
  const uint8_t q[] = {0, 100, 127, 128, 255};
  ASSERT_BYTES(EVAL(clamped(quantized(DT_U8, "5", 0.5f, 3), 100, 127), q), 100, 100, 127, 127, 127);
  ASSERT_BYTES(EVAL(clamped(quantized(DT_S8, "5", 0.5f, 3), -2, 100), q), 0, 100, 100, (uint8_t)-2, 255);
  Type axis = per_axis(DT_S8, "5,1", 0, 5, 1);
  ASSERT_BYTES(EVAL(clamped(axis, 0, 127), q), 0, 100, 127, 0, 0);
  Node *n = clamped(axis, 0, 127);
  assert_true(infer(n));
  assert_true(type_equal(&n->results[0]->type, &axis));
}

static void clamp_refuses(void **state) {
  (void)state;
  Type u8 = quantized(DT_U8, "5", 0.5f, 3), s8 = quantized(DT_S8, "5", 0.5f, 3);
  ASSERT_REFUSED(clamped(u8, 5, 4), "clamp: min 5 is above max 4");
  ASSERT_REFUSED(clamped(u8, -1, 4), "clamp: -1 to 4 leaves the range of u8");
  ASSERT_REFUSED(clamped(s8, 0, 128), "clamp: 0 to 128 leaves the range of s8");
  ASSERT_REFUSED(clamped(plain(DT_U8, "5"), 0, 4),
                 "operand 1 of clamp must be quantized u8 or s8, not u8[5]");
}

/* ---- norms ---- */

static void layer_norm_rows(void **state) {
  (void)state;
  /* means 2 and 0, variances 1 and 4 */
  const float x[] = {1, 3, 1, 3, -2, 2, 2, -2}, gamma[] = {1, 2, 3, 4}, beta[] = {0, 0, 10, -10};
  Node *n = NODE(OP_layer_norm, plain(DT_F32, "2,4"));
  ATTRS(n, LayerNormAttrs)->eps = 0;
  ASSERT_FLOATS(EVAL(n, x), -1, 1, -1, 1, -1, 1, 1, -1);
  n = NODE(OP_layer_norm, plain(DT_F32, "2,4"), plain(DT_F32, "4"), plain(DT_F32, "4"));
  ATTRS(n, LayerNormAttrs)->eps = 0;
  ASSERT_FLOATS(EVAL(n, x, gamma, beta), -1, 2, 7, -6, -1, 2, 13, -14);
  n = NODE(OP_layer_norm, plain(DT_F32, "2,4"), (Type){0}, plain(DT_F32, "4"));
  ATTRS(n, LayerNormAttrs)->eps = 3; /* roots of 4 and 7 */
  ASSERT_FLOATS(EVAL(n, x, NULL, beta), -0.5f, 0.5f, 9.5f, -9.5f, -2 / sqrtf(7), 2 / sqrtf(7),
                2 / sqrtf(7) + 10, -2 / sqrtf(7) - 10);
  n = NODE(OP_layer_norm, plain(DT_F32, "2,2,2"), plain(DT_F32, "2,2"));
  *ATTRS(n, LayerNormAttrs) = (LayerNormAttrs){-2, 0};
  ASSERT_FLOATS(EVAL(n, x, gamma), -1, 2, -3, 4, -1, 2, 3, -4);
  assert_int_equal(ATTRS(n, LayerNormAttrs)->axis, 1);
}

static void group_norm_groups(void **state) {
  (void)state;
  /* two images of two channels of two: the groups are as the rows above */
  const float x[] = {1, 3, 1, 3, -2, 2, 2, -2}, gamma[] = {2, 3}, beta[] = {1, -1};
  Type t = plain(DT_F32, "2,2,2"), c = plain(DT_F32, "2");
  Node *n = NODE(OP_group_norm, t, c, c);
  ATTRS(n, GroupNormAttrs)->eps = 0;
  ASSERT_FLOATS(EVAL(n, x, gamma, beta), -1, 3, -4, 2, -1, 3, 2, -4);
  const float other[] = {0, 4, 10, 10, 1, 1, 3, -3};
  n = NODE(OP_group_norm, t, c);
  *ATTRS(n, GroupNormAttrs) = (GroupNormAttrs){2, 0};
  ASSERT_FLOATS(EVAL(n, other, gamma), -2, 2, NAN, NAN, NAN, NAN, 3, -3); /* without eps, 0 / 0 */
  *ATTRS(n, GroupNormAttrs) = (GroupNormAttrs){2, 1e-5f};
  ASSERT_FLOATS(EVAL(n, other, gamma), -2 / sqrtf(4 + 1e-5f) * 2, 2 / sqrtf(4 + 1e-5f) * 2, 0, 0, 0, 0,
                3 / sqrtf(9 + 1e-5f) * 3, -3 / sqrtf(9 + 1e-5f) * 3);
}

static void norms_sum_in_sixteen_parts(void **state) {
  (void)state;
  /* elements 0 and 16 share a partial sum, where 2^24 swallows the 1; elements 1 and 17 do not */
  float x[32] = {[0] = 16777216, [16] = 1, [1] = 1, [17] = 1};
  const float *y = EVAL(NODE(OP_layer_norm, plain(DT_F32, "32")), x);
  float mean = 16777218.0f / 32, squares[32], sums[16] = {0};
  for (int i = 0; i < 32; i++) squares[i] = (x[i] - mean) * (x[i] - mean);
  for (int i = 0; i < 32; i++) sums[i % 16] += squares[i];
  for (int w = 8; w; w /= 2)
    for (int i = 0; i < w; i++) sums[i] += sums[i + w];
  float deviation = sqrtf(sums[0] / 32 + 1e-5f);
  for (int i = 0; i < 32; i++) ASSERT_FLOATS(&y[i], (x[i] - mean) / deviation);
}

static void norms_refuse(void **state) {
  (void)state;
  Type t = plain(DT_F32, "2,6,3");
  ASSERT_REFUSED(NODE(OP_layer_norm, t, plain(DT_F32, "6")), "the gamma of layer_norm must be [3], not [6]");
  ASSERT_REFUSED(NODE(OP_layer_norm, t, (Type){0}, plain(DT_F32, "1,3")),
                 "the beta of layer_norm must be [3], not [1, 3]");
  ASSERT_REFUSED(
      NODE(OP_layer_norm, quantized(DT_U8, "2", 1, 0)),
      "operand 1 of layer_norm must be f32, not u8<scale=1, zero=0>[2]: layer_norm has no integer form");
  Node *n = NODE(OP_layer_norm, t);
  ATTRS(n, LayerNormAttrs)->axis = 3;
  ASSERT_REFUSED(n, "axis 3 of layer_norm is out of range for an operand of rank 3");
  n = NODE(OP_layer_norm, t);
  ATTRS(n, LayerNormAttrs)->eps = -1;
  ASSERT_REFUSED(n, "layer_norm: eps must be a finite number of at least 0, not -1");
  n = NODE(OP_group_norm, t);
  ATTRS(n, GroupNormAttrs)->groups = 4;
  ASSERT_REFUSED(n, "group_norm: 4 groups do not divide 6 channels");
  ATTRS(n, GroupNormAttrs)->groups = 0;
  ASSERT_REFUSED(n, "group_norm: 0 groups do not divide 6 channels");
  ASSERT_REFUSED(NODE(OP_group_norm, plain(DT_F32, "6")),
                 "operand 1 of group_norm must be [N, C, ...], not [6]");
  ASSERT_REFUSED(NODE(OP_group_norm, t, plain(DT_F32, "3")), "the gamma of group_norm must be [6], not [3]");
  ASSERT_REFUSED(NODE(OP_group_norm, t, plain(DT_U8, "6")),
                 "operand 2 of group_norm must be f32, not u8[6]: group_norm has no integer form");
}

static void log_softmax_rows(void **state) {
  (void)state;
  const float x[] = {1, 1, 1, 1, -1000, 0};
  const float *y = EVAL(NODE(OP_log_softmax, plain(DT_F32, "4")), x);
  for (int i = 0; i < 4; i++) assert_true(fabs((double)y[i] + 1.3862943611198906) < 2e-7);
  ASSERT_FLOATS(EVAL(NODE(OP_log_softmax, plain(DT_F32, "1,2")), x + 4), -1000, 0);
  Node *n = NODE(OP_log_softmax, plain(DT_F32, "2,1"));
  ATTRS(n, AxisAttrs)->axis = 0;
  ASSERT_FLOATS(EVAL(n, x + 4), -1000, 0);
  ASSERT_REFUSED(NODE(OP_log_softmax, quantized(DT_U8, "2", 1, 0)),
                 "log_softmax has no integer form: its operand must be f32, not u8<scale=1, zero=0>[2]");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, op_setup, op_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(minmax_compares),
      TEST(minmax_rescales_quantized_operands),
      TEST(minmax_refuses),
      TEST(prelu_slopes),
      TEST(prelu_quantized_goes_by_value),
      TEST(prelu_refuses),
      TEST(expand_repeats),
      TEST(expand_refuses),
      TEST(reductions_of_floats),
      TEST(reductions_of_bytes),
      TEST(reductions_refuse),
      TEST(reductions_name_tensors_of_impossible_scales),
      TEST(clamp_of_integers),
      TEST(clamp_refuses),
      TEST(layer_norm_rows),
      TEST(group_norm_groups),
      TEST(norms_sum_in_sixteen_parts),
      TEST(norms_refuse),
      TEST(log_softmax_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
