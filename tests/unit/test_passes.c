/* What the passes decide with numbers: scales, weights, biases, observers. The rewrites are in
 * tests/file/passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/choose.h"
#include "passes/observe.h"
#include "passes/rewrite.h"

static Arena *arena;
static Diag silent;

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  diag_init(&silent, arena, NULL);
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

static void activation_scales(void **state) {
  (void)state;
  static const struct {
    float lo, hi;
    bool ok;
    float scale;
    int32_t zero;
  } cases[] = {
      {0, 255, true, 1, 0},
      {-255, 0, true, 1, 255},
      {-1, 1, true, 2.0f / 255, 127}, /* 1 / scale is 127.49999 */
      {2, 4, true, 4.0f / 255, 0},    /* zero is always in the range */
      {-4, -2, true, 4.0f / 255, 255},
      {0, 0, false, 0, 0},
      {-0.0f, 0.0f, false, 0, 0},
      {0, 1e-38f, false, 0, 0}, /* the scale would be subnormal */
      {0, 4e-36f, true, 4e-36f / 255, 0},
      {-FLT_MAX, FLT_MAX, true, FLT_MAX / 255 + FLT_MAX / 255,
       128}, /* hi - lo overflows; 127.5 goes to even */
      {-FLT_MAX, 1, true, FLT_MAX / 255, 255},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float scale = 0;
    int32_t zero = 0;
    assert_int_equal(choose_u8(cases[i].lo, cases[i].hi, &scale, &zero), cases[i].ok);
    if (!cases[i].ok) continue;
    assert_memory_equal(&scale, &cases[i].scale, sizeof scale);
    assert_int_equal(zero, cases[i].zero);
    assert_true(scale_is_valid(scale));
  }
}

static void ranges_must_be_finite(void **state) {
  (void)state;
  float lo, hi;
  assert_true(finite_range((float[]){3, -2, 5}, 3, &lo, &hi));
  assert_true(lo == -2 && hi == 5);
  assert_false(finite_range((float[]){3, NAN, 5}, 3, &lo, &hi));
  assert_false(finite_range((float[]){3, 5, -INFINITY}, 3, &lo, &hi));
}

/* A linear layer over x [1, ic] with these weights [oc, ic] and biases (may be NULL). */
static Node *layer(const float *w, const float *b, int64_t oc, int64_t ic) {
  Graph *g = graph_new(arena, "layer");
  Tensor *operands[3] = {graph_input(g, "x", type_f32(shape_of(2, (int64_t)1, ic)), (SrcLoc){0})};
  operands[1] = graph_constant(g, "w", type_f32(shape_of(2, oc, ic)), w, (SrcLoc){0});
  if (b) operands[2] = graph_constant(g, "b", type_f32(shape_of(1, oc)), b, (SrcLoc){0});
  Node *n = graph_node1(g, OP_linear, operands, b ? 3 : 2, "y", (SrcLoc){0}, NULL);
  assert_true(node_infer(&silent, n));
  return n;
}

static void weights_per_channel(void **state) {
  (void)state;
  static const float w[] = {1, -2, 0.5f, 0, 0, 0, 1e-3f, 0, -1e-3f}, b[] = {0.5f, 0, -1};
  LinearWeights q;
  assert_true(quantize_weights(&silent, arena, layer(w, b, 3, 3), 0.5f, 3, 0.25f, &q));
  assert_true(q.weight_scale[0] == 2.0f / 127 && q.weight_scale[1] == 1 && q.weight_scale[2] == 1e-3f / 127);
  static const int8_t expected[] = {64, -127, 32, 0, 0, 0, 127, 0, -127}; /* 63.5 and 31.75 */
  assert_memory_equal(q.weight, expected, sizeof expected);
  assert_int_equal(q.bias[0], rne(0.5 / (0.5 * (double)(2.0f / 127))));
  assert_int_equal(q.bias[1], 0);
  assert_int_equal(q.bias[2], rne(-1 / (0.5 * (double)(1e-3f / 127))));
}

/* |bias| + sum |w| * max|x - z| of a channel, as the hardware may have to add it up. */
static int64_t worst_sum(const LinearWeights *q, int64_t c, int64_t ic, int32_t z) {
  int64_t sum = q->bias ? llabs((long long)q->bias[c]) : 0, x = z > 255 - z ? z : 255 - z;
  for (int64_t i = 0; i < ic; i++) sum += (int64_t)abs(q->weight[c * ic + i]) * x;
  return sum;
}

/* The scale grows by the least power of two that keeps the sum within s32. */
static void sums_stay_in_32_bits(void **state) {
  (void)state;
  static const int64_t lengths[] = {1, 3, 65537, 140000};
  static const float biases[] = {0, 1e3f, -3e7f, 1e12f};
  for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++)
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++) {
      int64_t ic = lengths[k];
      float *w = ARENA_NEW_ARRAY(arena, float, (size_t)ic);
      for (int64_t j = 0; j < ic; j++) w[j] = j % 2 ? 1 : -1;
      LinearWeights q;
      assert_true(quantize_weights(&silent, arena, layer(w, &biases[i], 1, ic), 0.01f, 0, 1, &q));
      assert_true(worst_sum(&q, 0, ic, 0) <= INT32_MAX);
      float ratio = q.weight_scale[0] / (1.0f / 127);
      int exponent;
      assert_true(frexpf(ratio, &exponent) == 0.5f && ratio >= 1);
      if (ratio > 1) { /* half of it would not have done */
        double half = (double)q.weight_scale[0] / 2;
        double sum = fabs((double)biases[i]) / ((double)0.01f * half) + (double)ic * 255 * rint(1 / half);
        assert_true(sum > 0.999 * 2147483647.0);
      }
      if (i < 2 && ic < 60000) assert_true(ratio == 1);
    }
}

/* Weights so small that m would be subnormal, and a channel that is only its bias. */
static void degenerate_channels(void **state) {
  (void)state;
  static const float w[] = {1e-42f, 0, 1e-37f, 1e-37f, 0, 0}, b[] = {0.25f, 0, 100};
  LinearWeights q;
  assert_true(quantize_weights(&silent, arena, layer(w, b, 3, 2), 1, 0, 0.5f, &q));
  for (int64_t c = 0; c < 3; c++) {
    float m;
    assert_true(scale_is_valid(q.weight_scale[c]));
    assert_true(requant_multiplier(1, q.weight_scale[c], 0.5f, &m));
    assert_true(worst_sum(&q, c, 2, 0) <= INT32_MAX);
    /* the bias is what the channel gives, to a small part of an output quantum */
    double real = (double)q.bias[c] * (double)q.weight_scale[c];
    assert_true(fabs(real - (double)b[c]) <= 0.5 / 256);
  }
}

static void hopeless_channels_are_refused(void **state) {
  (void)state;
  static const float w[] = {1e37f}, nan_w[] = {NAN}, one[] = {1}, inf_b[] = {INFINITY};
  LinearWeights q;
  assert_false(quantize_weights(&silent, arena, layer(w, NULL, 1, 1), 1, 0, 1e-9f, &q));
  assert_false(quantize_weights(&silent, arena, layer(nan_w, NULL, 1, 1), 1, 0, 1, &q));
  assert_false(quantize_weights(&silent, arena, layer(one, inf_b, 1, 1), 1, 0, 1, &q));
}

static void every_observer_bounds_what_it_saw(void **state) {
  (void)state;
  for (int i = 0; observer_table[i]; i++) {
    const Observer *o = observer_table[i];
    ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
    assert_true(observer_parse(&silent, o->name, &spec));
    assert_ptr_equal(spec.observer, o);
    for (int k = 0; o->params[k].name; k++) assert_true(spec.param[k] == o->params[k].value);
    void *s = arena_alloc(arena, o->state_size);
    o->init(s, arena, &spec, 1);
    o->observe(s, (float[]){1, -2, 3}, 1, 3);
    o->observe(s, (float[]){0}, 1, 0);
    o->observe(s, (float[]){2, 0.5f}, 1, 2);
    float lo, hi;
    o->finish(s, &lo, &hi);
    assert_true(lo >= -2 && hi <= 3 && lo <= hi);
  }
}

static void minmax_is_the_range(void **state) {
  (void)state;
  ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
  assert_true(observer_parse(&silent, "minmax", &spec));
  const Observer *o = spec.observer;
  void *s = arena_alloc(arena, o->state_size);
  o->init(s, arena, &spec, 1);
  o->observe(s, (float[]){5, 7}, 1, 2); /* zero does not slip in */
  o->observe(s, (float[]){6, 9, 6}, 1, 3);
  float lo, hi;
  o->finish(s, &lo, &hi);
  assert_true(lo == 5 && hi == 9);
  assert_false(observer_parse(&silent, "minmax=1", &spec));
  assert_false(observer_parse(&silent, "minma", &spec));
  assert_false(observer_parse(&silent, "", &spec));
}

static void the_table_is_the_pipeline(void **state) {
  (void)state;
  static const char *const order[] = {"canonicalize", "qdq",    "fold_bn", "fuse",   "observe",
                                      "quantize",     "settle", "io",      "tables", "cleanup"};
  int n = 0;
  for (; pass_table[n].name; n++) {
    assert_true(n < (int)(sizeof order / sizeof *order));
    assert_string_equal(pass_table[n].name, order[n]);
    assert_true(strlen(pass_table[n].what) > 0 && pass_table[n].run);
  }
  assert_int_equal(n, sizeof order / sizeof *order);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(activation_scales),
      cmocka_unit_test(ranges_must_be_finite),
      cmocka_unit_test(weights_per_channel),
      cmocka_unit_test(sums_stay_in_32_bits),
      cmocka_unit_test(degenerate_channels),
      cmocka_unit_test(hopeless_channels_are_refused),
      cmocka_unit_test(every_observer_bounds_what_it_saw),
      cmocka_unit_test(minmax_is_the_range),
      cmocka_unit_test(the_table_is_the_pipeline),
  };
  return cmocka_run_group_tests_name("passes", tests, setup, teardown);
}
