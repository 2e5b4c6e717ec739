/* The ops that compute little or nothing: inference, every diagnostic, and the reference kernels against
 * values worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "ir/ops/attrs.h"
#include "ir/quant.h"

static Arena *arena;
static Graph *graph;
static char *message; /* what diagnostics printed during the last infer() */

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  graph = graph_new(arena, "test");
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  free(message);
  message = NULL;
  return 0;
}

/* shape("2,3"): dims from text; "" is a scalar. */
static Shape shape(const char *text) {
  Shape s = {0};
  while (*text) {
    char *end;
    s.dim[s.rank++] = strtoll(text, &end, 10);
    text = *end ? end + 1 : end;
  }
  return s;
}

static IntList ints(const char *text) {
  IntList l = {0};
  while (*text) {
    char *end;
    l.v[l.n++] = strtoll(text, &end, 10);
    text = *end ? end + 1 : end;
  }
  return l;
}

static Type plain(DType dtype, const char *dims) { return (Type){.dtype = dtype, .shape = shape(dims)}; }
static Type quantized(DType dtype, const char *dims, float scale, int32_t zero) {
  return (Type){.dtype = dtype, .shape = shape(dims), .quant = quant_per_tensor(arena, scale, zero)};
}
static Type per_axis(DType dtype, const char *dims, int axis) {
  Type t = {.dtype = dtype, .shape = shape(dims)};
  int64_t count = t.shape.dim[axis];
  float scale[16];
  int32_t zero[16];
  for (int i = 0; i < count; i++) {
    scale[i] = 0.5f + (float)i;
    zero[i] = i;
  }
  t.quant = quant_new(arena, axis, count, scale, zero);
  return t;
}

static Node *node_n(OpId op, const Type *types, int count) {
  Tensor *operands[8];
  for (int i = 0; i < count; i++) operands[i] = graph_input(graph, "x", types[i], (SrcLoc){0});
  return graph_node1(graph, op, operands, count, "y", (SrcLoc){0}, NULL);
}
static Node *node(OpId op, Type type) { return node_n(op, &type, 1); }

static bool infer(Node *n) {
  Diag d;
  size_t size;
  free(message);
  FILE *f = open_memstream(&message, &size);
  diag_init(&d, arena, f);
  bool ok = node_infer(&d, n);
  fclose(f);
  assert_int_equal(d.errors, ok ? 0 : 1);
  return ok;
}

#define ASSERT_REFUSED(n, text)                                                                              \
  do {                                                                                                       \
    assert_false(infer(n));                                                                                  \
    assert_string_equal(message, "qcc: error: " text "\n");                                                  \
  } while (0)

static void assert_type(const Node *n, const char *text) {
  assert_string_equal(type_text(arena, &n->results[0]->type), text);
}

/* Evaluates after inference; returns the first result's data. */
static void *eval_n(Node *n, const void *const *in) {
  void *out[1];
  if (!infer(n)) fail_msg("%s", message);
  out[0] = arena_alloc(arena, (size_t)type_bytes(&n->results[0]->type) + 1);
  EvalCtx ctx = {arena_new()};
  op_info[n->op]->eval(&ctx, n, in, out);
  arena_free(ctx.scratch);
  return out[0];
}
static void *eval(Node *n, const void *in) { return eval_n(n, &in); }

static void assert_floats(const float *got, const float *want, int n) {
  for (int i = 0; i < n; i++)
    if (memcmp(&got[i], &want[i], sizeof *got) && !(isnan(got[i]) && isnan(want[i])))
      fail_msg("element %d is %.9g, not %.9g", i, (double)got[i], (double)want[i]);
}
#define ASSERT_FLOATS(got, ...)                                                                              \
  do {                                                                                                       \
    const float want_[] = {__VA_ARGS__};                                                                     \
    assert_floats((got), want_, (int)(sizeof want_ / sizeof *want_));                                        \
  } while (0)
#define ASSERT_BYTES(got, ...)                                                                               \
  do {                                                                                                       \
    const uint8_t want_[] = {__VA_ARGS__};                                                                   \
    assert_memory_equal((got), want_, sizeof want_);                                                         \
  } while (0)

/* ---- unary ---- */

static void unary_keeps_the_shape_and_type(void **state) {
  (void)state;
  Node *n = node(OP_relu, plain(DT_F32, "2,3"));
  assert_true(infer(n));
  assert_type(n, "f32[2, 3]");
  n = node(OP_relu, plain(DT_F32, ""));
  assert_true(infer(n));
  assert_type(n, "f32[]");
  n = node(OP_relu, quantized(DT_U8, "4", 0.5f, 3));
  assert_true(infer(n));
  assert_int_equal(n->results[0]->type.dtype, DT_NONE);
  n->results[0]->type = quantized(DT_S8, "4", 0.25f, -128);
  assert_true(infer(n));
  assert_type(n, "s8<scale=0.25, zero=-128>[4]");
}

static void unary_refuses_other_types(void **state) {
  (void)state;
  ASSERT_REFUSED(node(OP_tanh, plain(DT_S64, "2")),
                 "operand 1 of tanh must be f32, or u8 or s8 quantized per tensor, not s64[2]");
  ASSERT_REFUSED(node(OP_exp, plain(DT_U8, "2")),
                 "operand 1 of exp must be f32, or u8 or s8 quantized per tensor, not u8[2]");
  ASSERT_REFUSED(node(OP_neg, quantized(DT_S32, "2", 1, 0)),
                 "operand 1 of neg must be f32, or u8 or s8 quantized per tensor, not "
                 "s32<scale=1, zero=0>[2]");
  ASSERT_REFUSED(node(OP_abs, per_axis(DT_S8, "2", 0)),
                 "operand 1 of abs must be f32, or u8 or s8 quantized per tensor, not "
                 "s8<axis=0, scale=[0.5, 1.5], zero=[0, 1]>[2]");
  Node *n = node(OP_relu, quantized(DT_U8, "2", 0.5f, 0));
  n->results[0]->type = plain(DT_F32, "2");
  ASSERT_REFUSED(n, "relu of a quantized operand has a u8 or s8 result quantized per tensor, not f32[2]");
}

static void unary_refuses_bad_attributes(void **state) {
  (void)state;
  Node *n = node(OP_clip, plain(DT_F32, "2"));
  *ATTRS(n, ClipAttrs) = (ClipAttrs){2, 1};
  ASSERT_REFUSED(n, "clip: min 2 is above max 1");
  *ATTRS(n, ClipAttrs) = (ClipAttrs){NAN, 1};
  ASSERT_REFUSED(n, "clip: a bound is not a number");
  n = node(OP_elu, plain(DT_F32, "2"));
  ATTRS(n, AlphaBetaAttrs)->alpha = INFINITY;
  ASSERT_REFUSED(n, "elu: alpha must be a finite number");
  n = node(OP_hard_sigmoid, plain(DT_F32, "2"));
  ATTRS(n, AlphaBetaAttrs)->beta = NAN;
  ASSERT_REFUSED(n, "hard_sigmoid: beta must be a finite number");
  n = node(OP_selu, plain(DT_F32, "2"));
  ATTRS(n, SeluAttrs)->gamma = INFINITY;
  ASSERT_REFUSED(n, "selu: gamma must be a finite number");
  n = node(OP_celu, plain(DT_F32, "2"));
  ATTRS(n, AlphaBetaAttrs)->alpha = 0;
  ASSERT_REFUSED(n, "celu: alpha must not be 0");
}

static float unary(OpId op, float x) {
  float *y = eval(node(op, plain(DT_F32, "1")), &x);
  return *y;
}
static void assert_near(float got, double want) {
  if (!(fabs((double)got - want) <= 2e-7 * fmax(1, fabs(want))))
    fail_msg("%.9g, not %.9g", (double)got, want);
}

static void unary_exact_functions(void **state) {
  (void)state;
  const float in[] = {-2, -0.5f, -0.0f, 0, 1.5f, INFINITY, -INFINITY, NAN};
  Type t = plain(DT_F32, "8");
  ASSERT_FLOATS(eval(node(OP_relu, t), in), 0, 0, 0, 0, 1.5f, INFINITY, 0, 0);
  ASSERT_FLOATS(eval(node(OP_neg, t), in), 2, 0.5f, 0, -0.0f, -1.5f, -INFINITY, INFINITY, NAN);
  ASSERT_FLOATS(eval(node(OP_abs, t), in), 2, 0.5f, 0, 0, 1.5f, INFINITY, INFINITY, NAN);
  ASSERT_FLOATS(eval(node(OP_leaky_relu, t), in), -0.02f, -0.005f, -0.0f, 0, 1.5f, INFINITY, -INFINITY, NAN);
  ASSERT_FLOATS(eval(node(OP_clip, t), in), -2, -0.5f, -0.0f, 0, 1.5f, INFINITY, -INFINITY, NAN);
  Node *n = node(OP_clip, t);
  *ATTRS(n, ClipAttrs) = (ClipAttrs){-1, 1};
  ASSERT_FLOATS(eval(n, in), -1, -0.5f, -0.0f, 0, 1, 1, -1, -1);
  n = node(OP_leaky_relu, t);
  ATTRS(n, AlphaBetaAttrs)->alpha = 0.25f;
  ASSERT_FLOATS(eval(n, in), -0.5f, -0.125f, -0.0f, 0, 1.5f, INFINITY, -INFINITY, NAN);
  ASSERT_FLOATS(eval(node(OP_hard_sigmoid, t), in), -0.4f + 0.5f, 0.4f, 0.5f, 0.5f, 0.8f, 1, 0, 0);
  n = node(OP_hard_sigmoid, t);
  *ATTRS(n, AlphaBetaAttrs) = (AlphaBetaAttrs){0.5f, 0.25f};
  ASSERT_FLOATS(eval(n, in), 0, 0, 0.25f, 0.25f, 1, 1, 0, 0);
  const float swish[] = {-3, -6, 3, 6, 0, 1.5f};
  ASSERT_FLOATS(eval(node(OP_hard_swish, plain(DT_F32, "6")), swish), -0.0f, -0.0f, 3, 6, 0, 1.125f);
  const float squares[] = {0, 4, 2.25f, -1, INFINITY};
  ASSERT_FLOATS(eval(node(OP_sqrt, plain(DT_F32, "5")), squares), 0, 2, 1.5f, NAN, INFINITY);
  ASSERT_FLOATS(eval(node(OP_sign, t), in), -1, -1, -0.0f, 0, 1, 1, -1, NAN);
  ASSERT_FLOATS(eval(node(OP_reciprocal, t), in), -0.5f, -2, -INFINITY, INFINITY, 1 / 1.5f, 0, -0.0f, NAN);
  ASSERT_FLOATS(eval(node(OP_softsign, t), in), -2 / 3.0f, -0.5f / 1.5f, -0.0f, 0, 0.6f, NAN, NAN, NAN);
  ASSERT_FLOATS(eval(node(OP_thresholded_relu, t), in), 0, 0, 0, 0, 1.5f, INFINITY, 0, 0);
  n = node(OP_thresholded_relu, t);
  ATTRS(n, AlphaBetaAttrs)->alpha = -0.5f; /* what equals alpha is below it */
  ASSERT_FLOATS(eval(n, in), 0, 0, -0.0f, 0, 1.5f, INFINITY, 0, 0);
}

static void unary_rounding(void **state) {
  (void)state;
  const float in[] = {-2.5f, -1.5f, -0.5f, -0.3f, -0.0f, 0.5f, 1.5f, 2.7f, 8388609, -1e30f, INFINITY, NAN};
  Type t = plain(DT_F32, "12");
  ASSERT_FLOATS(eval(node(OP_floor, t), in), -3, -2, -1, -1, -0.0f, 0, 1, 2, 8388609, -1e30f, INFINITY, NAN);
  ASSERT_FLOATS(eval(node(OP_ceil, t), in), -2, -1, -0.0f, -0.0f, -0.0f, 1, 2, 3, 8388609, -1e30f, INFINITY,
                NAN);
  ASSERT_FLOATS(eval(node(OP_round, t), in), -2, -2, -0.0f, -0.0f, -0.0f, 0, 2, 3, 8388609, -1e30f, INFINITY,
                NAN);
}

static float power(float x, float exponent) {
  Node *n = node(OP_pow, plain(DT_F32, "1"));
  ATTRS(n, PowAttrs)->exponent = exponent;
  return *(float *)eval(n, &x);
}

static void unary_pow(void **state) {
  (void)state;
  const float in[] = {-3, 0.5f, 0, INFINITY};
  ASSERT_FLOATS(eval(node(OP_pow, plain(DT_F32, "4")), in), 9, 0.25f, 0, INFINITY); /* the default is 2 */
  assert_true(power(-3, 0) == 1 && power(NAN, 0) == 1);
  assert_true(power(-3, 1) == -3 && power(-3, 3) == -27 && power(-2, 10) == 1024 && power(-2, 11) == -2048);
  assert_true(power(-2, -2) == 0.25f && power(-2, -3) == -0.125f);
  assert_near(power(2, 0.5f), 1.4142135623730951);
  assert_near(power(10, -1.5f), 0.03162277660168379);
  assert_true(power(0, 1.5f) == 0 && isinf(power(0, -1.5f)) && isnan(power(-1, 1.5f)));
  Node *n = node(OP_pow, plain(DT_F32, "1"));
  ATTRS(n, PowAttrs)->exponent = 1025;
  ASSERT_REFUSED(n, "pow: the exponent 1025 is above the limit of 1024");
  ATTRS(n, PowAttrs)->exponent = NAN;
  ASSERT_REFUSED(n, "pow: exponent must be a finite number");
}

/* Expected values from tables of the functions, to more digits than a float holds. */
static void unary_transcendental_functions(void **state) {
  (void)state;
  assert_near(unary(OP_exp, 1), 2.718281828459045);
  assert_near(unary(OP_exp, -1), 0.36787944117144233);
  assert_near(unary(OP_sigmoid, 1), 0.7310585786300049);
  assert_near(unary(OP_sigmoid, -2), 0.11920292202211755);
  assert_near(unary(OP_tanh, 0.5f), 0.46211715726000975);
  assert_near(unary(OP_erf, 0.5f), 0.5204998778130465);
  assert_near(unary(OP_silu, 1), 0.7310585786300049);
  assert_near(unary(OP_silu, -2), -0.2384058440442351);
  assert_near(unary(OP_elu, -1), -0.6321205588285577);
  assert_near(unary(OP_elu, 2), 2);
  assert_near(unary(OP_gelu, 1), 0.8413447460685429);
  assert_near(unary(OP_gelu, -2), -0.04550026389635842);
  assert_near(unary(OP_log, 10), 2.302585092994046);
  assert_true(isnan(unary(OP_log, -1)) && isinf(unary(OP_log, 0)));
  assert_near(unary(OP_softplus, 1), 1.3132616875182228);
  assert_near(unary(OP_softplus, -2), 0.1269280110429726);
  assert_true(unary(OP_softplus, 200) == 200 && unary(OP_softplus, -200) == 0);
  assert_true(isnan(unary(OP_softplus, NAN)) && isnan(unary(OP_mish, NAN)));
  assert_near(unary(OP_mish, 1), 0.8650983882673103);
  assert_near(unary(OP_mish, -2), -0.2525014986957154);
  assert_near(unary(OP_selu, 1), 1.0507009873554805);
  assert_near(unary(OP_selu, -1), -1.1113307378125625);
  assert_near(unary(OP_celu, -1), -0.6321205588285577);
  float x = 1;
  Node *n = node(OP_gelu, plain(DT_F32, "1"));
  ATTRS(n, GeluAttrs)->approximate = GELU_TANH;
  assert_near(*(float *)eval(n, &x), 0.8411919906082768);
  n = node(OP_elu, plain(DT_F32, "1"));
  ATTRS(n, AlphaBetaAttrs)->alpha = 0.5f;
  x = -1;
  assert_near(*(float *)eval(n, &x), -0.31606027941427883);
  n = node(OP_celu, plain(DT_F32, "1"));
  ATTRS(n, AlphaBetaAttrs)->alpha = 2;
  assert_near(*(float *)eval(n, &x), -0.7869386805747332); /* 2 * (exp(-1/2) - 1) */
  n = node(OP_selu, plain(DT_F32, "1"));
  *ATTRS(n, SeluAttrs) = (SeluAttrs){2, 3};
  assert_near(*(float *)eval(n, &x), -3.792723352971346); /* 3 * 2 * (exp(-1) - 1) */
}

static void unary_quantized_goes_by_value(void **state) {
  (void)state;
  /* u8 with scale 0.5, zero 10: q = 0 is -5, q = 12 is 1, q = 255 is 122.5 */
  const uint8_t in[] = {0, 9, 10, 12, 255};
  Node *n = node(OP_relu, quantized(DT_U8, "5", 0.5f, 10));
  n->results[0]->type = quantized(DT_U8, "5", 0.25f, 0);
  ASSERT_BYTES(eval(n, in), 0, 0, 0, 4, 255);
  n = node(OP_neg, quantized(DT_U8, "5", 0.5f, 10));
  n->results[0]->type = quantized(DT_S8, "5", 1, 0);
  /* 5, 0.5 -> 0 (tie to even), 0, -1, -122.5 -> -122 */
  ASSERT_BYTES(eval(n, in), 5, 0, 0, (uint8_t)-1, (uint8_t)-122);
  const int8_t in_s8[] = {-128, -1, 0, 127};
  n = node(OP_abs, quantized(DT_S8, "4", 1, -1));
  n->results[0]->type = quantized(DT_U8, "4", 2, 1);
  /* -127 -> 63.5 -> 64, 0, 1 -> 0.5 -> 0, 128 -> 64 */
  ASSERT_BYTES(eval(n, in_s8), 65, 1, 1, 65);
}

static void fixed_parameters(void **state) {
  (void)state;
  assert_true(op_info[OP_sigmoid]->fixed_scale == 1.0f / 256 && op_info[OP_sigmoid]->fixed_zero == 0);
  assert_true(op_info[OP_softmax]->fixed_scale == 1.0f / 256 && op_info[OP_softmax]->fixed_zero == 0);
  assert_true(op_info[OP_tanh]->fixed_scale == 1.0f / 128 && op_info[OP_tanh]->fixed_zero == 128);
  assert_true(op_info[OP_relu]->fixed_scale == 0);
}

/* ---- reduce_mean ---- */

static Node *mean(Type t, const char *axes, bool keepdims) {
  Node *n = node(OP_reduce_mean, t);
  *ATTRS(n, ReduceAttrs) = (ReduceAttrs){ints(axes), keepdims};
  return n;
}

static void mean_shapes(void **state) {
  (void)state;
  Type t = plain(DT_F32, "2,3,4,5");
  Node *n = mean(t, "2,3", true);
  assert_true(infer(n));
  assert_type(n, "f32[2, 3, 1, 1]");
  assert_true(infer(n = mean(t, "2,3", false)));
  assert_type(n, "f32[2, 3]");
  assert_true(infer(n = mean(t, "-1,1", false))); /* negative axes, any order */
  assert_type(n, "f32[2, 4]");
  assert_int_equal(ATTRS(n, ReduceAttrs)->axes.v[0], 1);
  assert_int_equal(ATTRS(n, ReduceAttrs)->axes.v[1], 3);
  assert_true(infer(n = mean(t, "", false)));
  assert_type(n, "f32[]");
  assert_true(ATTRS(node(OP_reduce_mean, t), ReduceAttrs)->keepdims);
}

static void mean_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(mean(plain(DT_F32, "2,3"), "2", true),
                 "axis 2 of reduce_mean is out of range for an operand of rank 2");
  ASSERT_REFUSED(mean(plain(DT_F32, "2,3"), "1,-1", true), "reduce_mean: axis 1 is given twice");
  ASSERT_REFUSED(mean(plain(DT_F32, "2,0"), "1", true), "reduce_mean of no elements: f32[2, 0]");
  ASSERT_REFUSED(mean(plain(DT_S32, "2"), "0", true),
                 "operand 1 of reduce_mean must be f32, or u8 or s8 quantized per tensor, not s32[2]");
  ASSERT_REFUSED(mean(quantized(DT_U8, "8421505", 1, 0), "0", true),
                 "reduce_mean: 8421505 quantized elements cannot be summed in 32 bits");
}

static void mean_names_tensors_of_impossible_scales(void **state) {
  (void)state;
  Node *n = mean(quantized(DT_U8, "2", 1e-30f, 0), "0", true);
  n->results[0]->type = quantized(DT_U8, "1", 1e30f, 0);
  ASSERT_REFUSED(n, "reduce_mean: the scales of 'x' and 'y' are too far apart");
}

static void mean_sums_in_sixteen_parts(void **state) {
  (void)state;
  /* 2^24 swallows a 1 added to it, unless another partial sum holds the 1s: elements 0 and 16 share one. */
  float in[32] = {[0] = 16777216, [16] = 1, [1] = 1, [17] = 1};
  ASSERT_FLOATS(eval(mean(plain(DT_F32, "32"), "0", false), in), 16777218.0f / 32);
  float other[32] = {[0] = 16777216, [1] = 1, [2] = 1}; /* 2^24 + (1 from part 2), then (1 from part 1) */
  ASSERT_FLOATS(eval(mean(plain(DT_F32, "32"), "0", false), other), 16777216.0f / 32);
}

static void mean_over_axes(void **state) {
  (void)state;
  float in[24];
  for (int i = 0; i < 24; i++) in[i] = (float)i;
  Type t = plain(DT_F32, "2,3,4");
  ASSERT_FLOATS(eval(mean(t, "2", false), in), 1.5f, 5.5f, 9.5f, 13.5f, 17.5f, 21.5f);
  ASSERT_FLOATS(eval(mean(t, "0,2", true), in), 7.5f, 11.5f, 15.5f);
  ASSERT_FLOATS(eval(mean(t, "0", false), in), 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
  ASSERT_FLOATS(eval(mean(t, "", false), in), 11.5f);
  const float three[] = {1, 1, 2};
  ASSERT_FLOATS(eval(mean(plain(DT_F32, "3"), "0", false), three), 4.0f / 3.0f);
}

static void mean_quantized_rounds_once(void **state) {
  (void)state;
  const uint8_t in[] = {10, 12, 255, 255, 0, 1};
  Node *n = mean(quantized(DT_U8, "3,2", 0.5f, 10), "1", false);
  n->results[0]->type = quantized(DT_U8, "3", 0.5f, 10);
  /* (0 + 2) / 2 = 1; 245; (-10 - 9) / 2 = -9.5 -> -10 */
  ASSERT_BYTES(eval(n, in), 11, 255, 0);
  const int8_t in_s8[] = {-128, -128, 5, 6};
  n = mean(quantized(DT_S8, "2,2", 1, 0), "1", true);
  n->results[0]->type = quantized(DT_U8, "2,1", 1, 130);
  ASSERT_BYTES(eval(n, in_s8), 2, 136); /* 5.5 -> 6 */
}

/* ---- softmax ---- */

static void softmax_rows(void **state) {
  (void)state;
  const float in[] = {1, 1, 1, 1, 0, INFINITY, -INFINITY, 0, -1000, 0};
  Node *n = node(OP_softmax, plain(DT_F32, "1,4"));
  ASSERT_FLOATS(eval(n, in), 0.25f, 0.25f, 0.25f, 0.25f);
  assert_int_equal(ATTRS(n, AxisAttrs)->axis, 1);
  n = node(OP_softmax, plain(DT_F32, "2,2"));
  ASSERT_FLOATS(eval(n, in + 6), 0, 1, 0, 1);
  n = node(OP_softmax, plain(DT_F32, "2"));
  ASSERT_FLOATS(eval(n, in + 4), NAN, NAN); /* inf - inf spoils the sum */
  const float thirds[] = {logf(2), 0, 0, 0};
  n = node(OP_softmax, plain(DT_F32, "2,2"));
  ATTRS(n, AxisAttrs)->axis = 0;
  float *y = eval(n, thirds);
  assert_near(y[0], 2.0 / 3);
  assert_near(y[1], 0.5);
  assert_near(y[2], 1.0 / 3);
  assert_near(y[3], 0.5);
}

static void softmax_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(node(OP_softmax, quantized(DT_U8, "2", 1, 0)),
                 "softmax has no integer form: its operand must be f32, not u8<scale=1, zero=0>[2]");
  ASSERT_REFUSED(node(OP_softmax, plain(DT_F32, "")),
                 "axis -1 of softmax is out of range for an operand of rank 0");
}

/* ---- concat ---- */

static Node *concat(const Type *types, int n, int64_t axis) {
  Node *c = node_n(OP_concat, types, n);
  ATTRS(c, AxisAttrs)->axis = axis;
  return c;
}

static void concat_joins(void **state) {
  (void)state;
  const float a[] = {1, 2, 3, 4}, b[] = {5, 6};
  Type types[] = {plain(DT_F32, "2,2"), plain(DT_F32, "2,1")};
  ASSERT_FLOATS(eval_n(concat(types, 2, 1), (const void *[]){a, b}), 1, 2, 5, 3, 4, 6);
  ASSERT_FLOATS(eval_n(concat(types, 2, -1), (const void *[]){a, b}), 1, 2, 5, 3, 4, 6);
  Type rows[] = {plain(DT_F32, "2,2"), plain(DT_F32, "1,2")};
  ASSERT_FLOATS(eval_n(concat(rows, 2, 0), (const void *[]){a, b}), 1, 2, 3, 4, 5, 6);
  const int64_t wide[] = {7, INT64_MIN};
  Type ints64[] = {plain(DT_S64, "1"), plain(DT_S64, "0"), plain(DT_S64, "1")};
  const int64_t *joined = eval_n(concat(ints64, 3, 0), (const void *[]){wide, wide, wide + 1});
  assert_true(joined[0] == 7 && joined[1] == INT64_MIN);
  ASSERT_FLOATS(eval_n(concat(types, 1, 1), (const void *[]){a}), 1, 2, 3, 4);
}

static void concat_rescales(void **state) {
  (void)state;
  const uint8_t a[] = {0, 3, 255}, b[] = {0, 3, 255};
  const int8_t c[] = {-128, 0, 127};
  Type types[] = {quantized(DT_U8, "3", 0.5f, 0), quantized(DT_U8, "3", 0.25f, 1),
                  quantized(DT_S8, "3", 0.5f, 0)};
  Node *n = concat(types, 3, 0);
  assert_true(infer(n));
  assert_int_equal(n->results[0]->type.dtype, DT_NONE);
  n->results[0]->type = quantized(DT_U8, "9", 0.5f, 0);
  /* b: -0.25 -> -0.5 -> 0; 0.5 -> 1; 63.5 -> 127. c: below zero is 0 */
  ASSERT_BYTES(eval_n(n, (const void *[]){a, b, c}), 0, 3, 255, 0, 1, 127, 0, 0, 127);
}

static void concat_refuses(void **state) {
  (void)state;
  Type a = plain(DT_F32, "2,2");
  ASSERT_REFUSED(concat((Type[]){a, plain(DT_F32, "3,2")}, 2, 1),
                 "concat: the shapes [2, 2] and [3, 2] differ beside axis 1");
  ASSERT_REFUSED(concat((Type[]){a, plain(DT_F32, "2")}, 2, 0),
                 "concat: the shapes [2, 2] and [2] differ beside axis 0");
  ASSERT_REFUSED(concat((Type[]){a, plain(DT_S32, "2,2")}, 2, 0),
                 "concat cannot join f32[2, 2] and s32[2, 2]");
  ASSERT_REFUSED(concat((Type[]){plain(DT_U8, "1"), quantized(DT_U8, "1", 1, 0)}, 2, 0),
                 "concat cannot join u8[1] and u8<scale=1, zero=0>[1]");
  ASSERT_REFUSED(concat((Type[]){quantized(DT_U8, "2", 1, 0), per_axis(DT_U8, "2", 0)}, 2, 0),
                 "operand 2 of concat must be f32, or u8 or s8 quantized per tensor, not "
                 "u8<axis=0, scale=[0.5, 1.5], zero=[0, 1]>[2]");
  ASSERT_REFUSED(concat(&a, 1, 2), "axis 2 of concat is out of range for an operand of rank 2");
  ASSERT_REFUSED(concat(&a, 1, -3), "axis -3 of concat is out of range for an operand of rank 2");
  Node *n = concat((Type[]){a, a}, 2, 0);
  node_set_operand(n, 1, NULL);
  ASSERT_REFUSED(n, "operand 2 of concat is missing");
}

/* ---- pad ---- */

static Node *padded(Type t, const char *pads, int mode, float value) {
  Node *n = node(OP_pad, t);
  *ATTRS(n, PadAttrs) = (PadAttrs){ints(pads), mode, value};
  return n;
}

static void pad_modes(void **state) {
  (void)state;
  const float in[] = {1, 2, 3, 4, 5, 6};
  Type t = plain(DT_F32, "2,3");
  ASSERT_FLOATS(eval(padded(t, "1,0,0,1", PAD_CONSTANT, 9), in), 9, 9, 9, 9, 1, 2, 3, 9, 4, 5, 6, 9);
  ASSERT_FLOATS(eval(padded(t, "0,2,1,1", PAD_REFLECT, 9), in), /* rows 0 1 0 */
                3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2);
  ASSERT_FLOATS(eval(padded(t, "1,0,0,2", PAD_EDGE, 9), in), 1, 2, 3, 3, 3, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6);
  ASSERT_FLOATS(eval(padded(t, "0,0,0,0", PAD_REFLECT, 9), in), 1, 2, 3, 4, 5, 6);
  ASSERT_FLOATS(eval(padded(plain(DT_F32, ""), "", PAD_CONSTANT, 9), in), 1);
}

static void pad_fills_each_type(void **state) {
  (void)state;
  const uint8_t q[] = {7};
  Node *n = padded(quantized(DT_U8, "1", 0.5f, 3), "1,1", PAD_CONSTANT, -1);
  ASSERT_BYTES(eval(n, q), 1, 7, 1); /* -1 / 0.5 + 3 */
  assert_type(n, "u8<scale=0.5, zero=3>[3]");
  ASSERT_BYTES(eval(padded(quantized(DT_S8, "1", 0.5f, 3), "1,0", PAD_CONSTANT, -1000), q), 0x80, 7);
  const int64_t wide[] = {1};
  int64_t *w = eval(padded(plain(DT_S64, "1"), "0,1", PAD_CONSTANT, -3), wide);
  assert_true(w[0] == 1 && w[1] == -3);
  const int32_t word[] = {1};
  int32_t *v = eval(padded(plain(DT_S32, "1"), "1,0", PAD_CONSTANT, -2147483648.0f), word);
  assert_true(v[0] == INT32_MIN && v[1] == 1);
  ASSERT_BYTES(eval(padded(plain(DT_BOOL, "1"), "1,1", PAD_CONSTANT, 1), q), 1, 7, 1);
}

static void pad_refuses(void **state) {
  (void)state;
  Type t = plain(DT_F32, "2,3");
  ASSERT_REFUSED(padded(t, "1,1", PAD_CONSTANT, 0), "pad: an operand of rank 2 takes 4 pads, not 2");
  ASSERT_REFUSED(padded(t, "0,0,-1,0", PAD_CONSTANT, 0),
                 "pad: a pad of dim 0 is negative; use slice to crop");
  ASSERT_REFUSED(padded(t, "0,9000000000000000000,0,0", PAD_CONSTANT, 0),
                 "pad: a pad of dim 1 is larger than the limit of 16777216");
  ASSERT_REFUSED(padded(t, "0,3,0,0", PAD_REFLECT, 0),
                 "pad: dim 1, of 3 elements, cannot be reflected that far");
  ASSERT_REFUSED(padded(plain(DT_F32, "0"), "1,0", PAD_EDGE, 0), "pad: dim 0 has no edge: it is empty");
  ASSERT_REFUSED(padded(per_axis(DT_S8, "2", 0), "1,0", PAD_EDGE, 0),
                 "pad: an operand quantized along an axis cannot be padded");
  ASSERT_REFUSED(padded(plain(DT_U8, "1"), "1,0", PAD_CONSTANT, -1),
                 "pad: the value -1 cannot be held by u8");
  ASSERT_REFUSED(padded(plain(DT_S64, "1"), "1,0", PAD_CONSTANT, 9.223372036854775808e18f),
                 "pad: the value 9.22337e+18 cannot be held by s64");
  ASSERT_REFUSED(padded(plain(DT_S32, "1"), "1,0", PAD_CONSTANT, 0.5f),
                 "pad: the value 0.5 cannot be held by s32");
  ASSERT_REFUSED(padded(plain(DT_S32, "1"), "1,0", PAD_CONSTANT, NAN),
                 "pad: the value nan cannot be held by s32");
  ASSERT_REFUSED(padded(plain(DT_F32, "16777216"), "16777216,0", PAD_CONSTANT, 0),
                 "the result of pad, [33554432], is larger than the limit of 268435456 elements");
}

/* ---- reshape, flatten, identity ---- */

static Node *reshaped(Type t, const char *to) {
  Node *n = node(OP_reshape, t);
  ATTRS(n, ReshapeAttrs)->shape = ints(to);
  return n;
}
static Node *flattened(Type t, int64_t axis) {
  Node *n = node(OP_flatten, t);
  ATTRS(n, AxisAttrs)->axis = axis;
  return n;
}

static void shapes_change_data_stays(void **state) {
  (void)state;
  const float in[] = {1, 2, 3, 4, 5, 6};
  Node *n = reshaped(plain(DT_F32, "2,3"), "3,1,2");
  ASSERT_FLOATS(eval(n, in), 1, 2, 3, 4, 5, 6);
  assert_type(n, "f32[3, 1, 2]");
  assert_true(infer(n = reshaped(plain(DT_S64, "1"), "")));
  assert_type(n, "s64[]");
  assert_true(infer(n = reshaped(quantized(DT_U8, "4", 0.5f, 3), "2,2")));
  assert_type(n, "u8<scale=0.5, zero=3>[2, 2]");
  assert_true(infer(n = node(OP_flatten, plain(DT_F32, "2,3,4"))));
  assert_type(n, "f32[2, 12]");
  assert_true(infer(n = flattened(plain(DT_F32, "2,3,4"), 0)));
  assert_type(n, "f32[1, 24]");
  assert_true(infer(n = flattened(plain(DT_F32, "2,3,4"), 3)));
  assert_type(n, "f32[24, 1]");
  assert_true(infer(n = flattened(plain(DT_F32, "2,3,4"), -1)));
  assert_type(n, "f32[6, 4]");
  assert_true(infer(n = flattened(plain(DT_F32, ""), 0)));
  assert_type(n, "f32[1, 1]");
  n = node(OP_identity, per_axis(DT_S8, "2", 0));
  const int8_t bytes[] = {-5, 9};
  ASSERT_BYTES(eval(n, bytes), 0xFB, 9);
  assert_type(n, "s8<axis=0, scale=[0.5, 1.5], zero=[0, 1]>[2]");
}

static void reshape_follows_the_quantized_axis(void **state) {
  (void)state;
  Node *n = reshaped(per_axis(DT_S8, "2,3,4", 1), "2,1,3,2,2");
  assert_true(infer(n));
  assert_int_equal(n->results[0]->type.quant->axis, 2);
  assert_true(infer(n = flattened(per_axis(DT_S8, "2,3", 0), 1)));
  assert_int_equal(n->results[0]->type.quant->axis, 0);
  ASSERT_REFUSED(reshaped(per_axis(DT_S8, "2,3,4", 1), "6,4"),
                 "reshape to [6, 4] does not keep axis 1, along which operand 1 is quantized");
  ASSERT_REFUSED(flattened(per_axis(DT_S8, "2,3,4", 1), 0),
                 "flatten to [1, 24] does not keep axis 1, along which operand 1 is quantized");
}

static void reshape_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(reshaped(plain(DT_F32, "2,3"), "4,2"),
                 "reshape cannot make [2, 3], of 6 elements, into [4, 2]");
  ASSERT_REFUSED(reshaped(plain(DT_F32, "2,3"), "-1,6"),
                 "reshape cannot make [2, 3], of 6 elements, into [-1, 6]");
  ASSERT_REFUSED(reshaped(plain(DT_F32, "1"), "1,1,1,1,1,1,1,1,1"),
                 "reshape: rank 9 is above the limit of 8");
  ASSERT_REFUSED(reshaped(plain(DT_F32, "0"), "4294967296,4294967296"),
                 "reshape cannot make [0], of 0 elements, into [4294967296, 4294967296]");
  ASSERT_REFUSED(flattened(plain(DT_F32, "2,3"), 3),
                 "axis 3 of flatten is out of range for an operand of rank 2");
}

/* ---- transpose ---- */

static Node *transposed(Type t, const char *perm) {
  Node *n = node(OP_transpose, t);
  ATTRS(n, TransposeAttrs)->perm = ints(perm);
  return n;
}

static void transpose_permutes(void **state) {
  (void)state;
  const float in[] = {1, 2, 3, 4, 5, 6};
  ASSERT_FLOATS(eval(transposed(plain(DT_F32, "2,3"), "1,0"), in), 1, 4, 2, 5, 3, 6);
  const uint8_t bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  Node *n = transposed(quantized(DT_U8, "2,3,2", 0.5f, 3), "2,0,1");
  ASSERT_BYTES(eval(n, bytes), 0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11);
  assert_type(n, "u8<scale=0.5, zero=3>[2, 2, 3]");
  const int64_t wide[] = {1, 2, 3, 4};
  const int64_t *w = eval(transposed(plain(DT_S64, "2,2"), "1,0"), wide);
  assert_true(w[0] == 1 && w[1] == 3 && w[2] == 2 && w[3] == 4);
  n = transposed(per_axis(DT_S8, "2,3,2", 1), "1,2,0");
  assert_true(infer(n));
  assert_int_equal(n->results[0]->type.quant->axis, 0);
  assert_int_equal(n->results[0]->type.quant->count, 3);
  ASSERT_FLOATS(eval(transposed(plain(DT_F32, ""), ""), in), 1);
}

static void transpose_refuses(void **state) {
  (void)state;
  ASSERT_REFUSED(transposed(plain(DT_F32, "2,3"), "0"),
                 "transpose: perm has 1 entries, the operand's rank is 2");
  ASSERT_REFUSED(transposed(plain(DT_F32, "2,3"), "0,0"), "transpose: perm is not a permutation of 0 to 1");
  ASSERT_REFUSED(transposed(plain(DT_F32, "2,3"), "0,2"), "transpose: perm is not a permutation of 0 to 1");
  ASSERT_REFUSED(transposed(plain(DT_F32, "2,3"), "-1,0"), "transpose: perm is not a permutation of 0 to 1");
}

/* ---- slice ---- */

static Node *sliced(Type t, const char *start, const char *stop, const char *step) {
  Node *n = node(OP_slice, t);
  *ATTRS(n, SliceAttrs) = (SliceAttrs){ints(start), ints(stop), ints(step)};
  return n;
}

static void slice_takes(void **state) {
  (void)state;
  const float in[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  Type t = plain(DT_F32, "3,4");
  ASSERT_FLOATS(eval(sliced(t, "1,1", "3,3", "1,1"), in), 5, 6, 9, 10);
  ASSERT_FLOATS(eval(sliced(t, "0,3", "3,-1", "2,-2"), in), 3, 1, 11, 9);
  Node *n = sliced(t, "0,0", "3,4", "2,3");
  ASSERT_FLOATS(eval(n, in), 0, 3, 8, 11);
  assert_type(n, "f32[2, 2]");
  assert_true(infer(n = sliced(t, "1,0", "1,4", "1,9223372036854775807")));
  assert_type(n, "f32[0, 1]");
  assert_true(infer(n = sliced(t, "2,3", "-1,3", "-9223372036854775808,-1")));
  assert_type(n, "f32[1, 0]");
  const uint8_t bytes[] = {10, 20, 30};
  ASSERT_BYTES(eval(sliced(plain(DT_BOOL, "3"), "2", "-1", "-1"), bytes), 30, 20, 10);
  n = sliced(per_axis(DT_S8, "4,1", 0), "3,0", "0,1", "-2,1");
  assert_true(infer(n));
  assert_type(n, "s8<axis=0, scale=[3.5, 1.5], zero=[3, 1]>[2, 1]");
}

static void slice_refuses(void **state) {
  (void)state;
  Type t = plain(DT_F32, "3,4");
  ASSERT_REFUSED(sliced(t, "0", "3", "1"),
                 "slice: start, stop and step take 2 entries each, the operand's rank");
  ASSERT_REFUSED(sliced(t, "0,0", "3,4", "1,0"), "slice: the step of dim 1 is 0");
  ASSERT_REFUSED(sliced(t, "0,0", "3,5", "1,1"), "slice: 0 to 5 by 1 is outside dim 1, of 4 elements");
  ASSERT_REFUSED(sliced(t, "-1,0", "3,4", "1,1"), "slice: -1 to 3 by 1 is outside dim 0, of 3 elements");
  ASSERT_REFUSED(sliced(t, "2,0", "1,4", "1,1"), "slice: 2 to 1 by 1 is outside dim 0, of 3 elements");
  ASSERT_REFUSED(sliced(t, "3,0", "0,4", "-1,1"), "slice: 3 to 0 by -1 is outside dim 0, of 3 elements");
}

/* ---- the tables ---- */

static void attributes_are_found_by_name(void **state) {
  (void)state;
  assert_int_equal(op_attr(OP_gelu, "approximate", 11)->kind, ATTR_ENUM);
  assert_string_equal(op_attr(OP_gelu, "approximate", 11)->values[1], "tanh");
  assert_string_equal(op_attr(OP_pad, "mode", 4)->values[PAD_REFLECT], "reflect");
  assert_int_equal(op_attr(OP_slice, "stop", 4)->offset, offsetof(SliceAttrs, stop));
  assert_null(op_attr(OP_relu, "alpha", 5));
  assert_int_equal(op_from_name("hard_swish", 10), OP_hard_swish);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(unary_keeps_the_shape_and_type),
      TEST(unary_refuses_other_types),
      TEST(unary_refuses_bad_attributes),
      TEST(unary_exact_functions),
      TEST(unary_rounding),
      TEST(unary_pow),
      TEST(unary_transcendental_functions),
      TEST(unary_quantized_goes_by_value),
      TEST(fixed_parameters),
      TEST(mean_shapes),
      TEST(mean_refuses),
      TEST(mean_names_tensors_of_impossible_scales),
      TEST(mean_sums_in_sixteen_parts),
      TEST(mean_over_axes),
      TEST(mean_quantized_rounds_once),
      TEST(softmax_rows),
      TEST(softmax_refuses),
      TEST(concat_joins),
      TEST(concat_rescales),
      TEST(concat_refuses),
      TEST(pad_modes),
      TEST(pad_fills_each_type),
      TEST(pad_refuses),
      TEST(shapes_change_data_stays),
      TEST(reshape_follows_the_quantized_axis),
      TEST(reshape_refuses),
      TEST(transpose_permutes),
      TEST(transpose_refuses),
      TEST(slice_takes),
      TEST(slice_refuses),
      TEST(attributes_are_found_by_name),
  };
  return cmocka_run_group_tests_name("ops_light", tests, NULL, NULL);
}
