/* The integer weights and biases of layers: rule 4 of docs/numerics.md, for our preset and for PyTorch's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/quant.h"
#include "passes/qconfig.h"
#include "passes/rewrite.h"
#include "passes/weights.h"

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

/* Our preset's weights. */
static ObserverSpec ours(void) { return qconfig_default(qconfig_preset(arena, "qcc"))->weight; }

static ObserverSpec spec_of(const char *observer, QuantSpec quant) {
  ObserverSpec s = {.quant = quant};
  assert_true(observer_parse(&silent, observer, NULL, &s));
  return s;
}

/* Over a u8 operand and with a u8 result of these parameters. */
static bool quantize(const Node *n, const ObserverSpec *spec, float s_in, int32_t z_in, float s_out,
                     LayerConstants *c) {
  Type x = {DT_U8, n->operands[0]->type.shape, quant_per_tensor(arena, s_in, z_in)};
  Type y = {DT_U8, n->results[0]->type.shape, quant_per_tensor(arena, s_out, 0)};
  return layer_constants(&silent, arena, n, spec, &x, &y, c);
}

static float scale_of(const LayerConstants *c, int64_t channel) {
  const Quant *q = c->weight_type.quant;
  return q->scale[q->axis < 0 ? 0 : channel];
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
  LayerConstants q;
  ObserverSpec spec = ours();
  assert_true(quantize(layer(w, b, 3, 3), &spec, 0.5f, 3, 0.25f, &q));
  assert_true(scale_of(&q, 0) == 2.0f / 127 && scale_of(&q, 1) == 1 && scale_of(&q, 2) == 1e-3f / 127);
  static const int8_t expected[] = {64, -127, 32, 0, 0, 0, 127, 0, -127}; /* 63.5 and 31.75 */
  assert_memory_equal(q.weight, expected, sizeof expected);
  assert_int_equal(q.bias[0], rne(0.5 / (0.5 * (double)(2.0f / 127))));
  assert_int_equal(q.bias[1], 0);
  assert_int_equal(q.bias[2], rne(-1 / (0.5 * (double)(1e-3f / 127))));
}

/* |bias| + sum |w| * max|x - z| of a channel, as the hardware may have to add it up. */
static int64_t worst_sum(const LayerConstants *q, int64_t c, int64_t ic, int32_t z) {
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
      LayerConstants q;
      ObserverSpec spec = ours();
      assert_true(quantize(layer(w, &biases[i], 1, ic), &spec, 0.01f, 0, 1, &q));
      assert_true(worst_sum(&q, 0, ic, 0) <= INT32_MAX);
      float ratio = scale_of(&q, 0) / (1.0f / 127);
      int exponent;
      assert_true(frexpf(ratio, &exponent) == 0.5f && ratio >= 1);
      if (ratio > 1) { /* half of it would not have done */
        double half = (double)scale_of(&q, 0) / 2;
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
  LayerConstants q;
  ObserverSpec spec = ours();
  assert_true(quantize(layer(w, b, 3, 2), &spec, 1, 0, 0.5f, &q));
  for (int64_t c = 0; c < 3; c++) {
    float m;
    assert_true(scale_is_valid(scale_of(&q, c)));
    assert_true(requant_multiplier(1, scale_of(&q, c), 0.5f, &m));
    assert_true(worst_sum(&q, c, 2, 0) <= INT32_MAX);
    /* the bias is what the channel gives, to a small part of an output quantum */
    double real = (double)q.bias[c] * (double)scale_of(&q, c);
    assert_true(fabs(real - (double)b[c]) <= 0.5 / 256);
  }
}

static void hopeless_channels_are_refused(void **state) {
  (void)state;
  static const float w[] = {1e37f}, nan_w[] = {NAN}, one[] = {1}, inf_b[] = {INFINITY};
  LayerConstants q;
  ObserverSpec spec = ours();
  assert_false(quantize(layer(w, NULL, 1, 1), &spec, 1, 0, 1e-9f, &q));
  assert_false(quantize(layer(nan_w, NULL, 1, 1), &spec, 1, 0, 1, &q));
  assert_false(quantize(layer(one, inf_b, 1, 1), &spec, 1, 0, 1, &q));
}

/* PyTorch's: per tensor, symmetric over 127.5 steps, down to -128. */
static void weights_per_tensor(void **state) {
  (void)state;
  static const float w[] = {-3, 1, 0.5f, 0, 0, 0};
  QuantSpec quant = qspec_of(DT_S8, false);
  quant.symmetric = true;
  ObserverSpec spec = spec_of("minmax", quant);
  LayerConstants q;
  assert_true(quantize(layer(w, NULL, 3, 2), &spec, 0.5f, 3, 0.25f, &q));
  assert_int_equal(q.weight_type.quant->axis, -1);
  assert_true(scale_of(&q, 0) == 3 / 127.5f);
  static const int8_t expected[] = {-128, 42, 21, 0, 0, 0}; /* -127.5 goes to even; 42.5 too, 21.25 */
  assert_memory_equal(q.weight, expected, sizeof expected);
  assert_null(q.bias);
}

/* Affine u8, as s8 with the zero point 128 less. */
static void weights_with_zero_points(void **state) {
  (void)state;
  static const float w[] = {0, 2.55f, -1, 1.55f}, b[] = {1, 1};
  QuantSpec quant = qspec_of(DT_U8, false);
  quant.per_channel = true;
  ObserverSpec spec = spec_of("per_channel_minmax", quant);
  LayerConstants q;
  assert_true(quantize(layer(w, b, 2, 2), &spec, 0.5f, 3, 0.25f, &q));
  assert_int_equal(q.weight_type.dtype, DT_S8);
  assert_int_equal(q.weight_type.quant->axis, 0);
  static const int32_t zeros[] = {-128, -28};
  assert_memory_equal(q.weight_type.quant->zero, zeros, sizeof zeros);
  static const int8_t expected[] = {-128, 127, -128, 127};
  assert_memory_equal(q.weight, expected, sizeof expected);
  assert_true(scale_of(&q, 0) == 2.55f / 255 && scale_of(&q, 1) == 2.55f / 255);
  assert_int_equal(q.bias[0], rne(1 / (0.5 * (double)(2.55f / 255))));
}

/* A channel of zeros has the eps for its scale; where its bias would then leave s32, the least that holds it,
 * and the other channels keep the tensor's. */
static void biases_of_empty_channels(void **state) {
  (void)state;
  static const float w[] = {0, 0, 1, -1}, b[] = {0.5f, 0.25f};
  QuantSpec quant = qspec_of(DT_S8, false);
  quant.per_channel = true;
  ObserverSpec spec = spec_of("per_channel_minmax", quant);
  LayerConstants q;
  assert_true(quantize(layer(w, b, 2, 2), &spec, 1 / 64.0f, 3, 0.25f, &q));
  assert_true(scale_of(&q, 0) == 0x1p-23f);
  assert_int_equal(q.bias[0], 1 << 28);
  assert_true(quantize(layer(w, b, 2, 2), &spec, 1 / 4096.0f, 3, 0.25f, &q));
  assert_true(scale_of(&q, 0) == 0x1p-19f); /* 0.5 * 2^12 * 2^19 = 2^30 */
  assert_int_equal(q.bias[0], 1 << 30);
  assert_true(scale_of(&q, 1) == 2.0f / 255);

  quant.per_channel = false;
  spec = spec_of("minmax", quant);
  static const float big[] = {1, 1e9f};
  assert_true(quantize(layer(w, big, 2, 2), &spec, 0.5f, 3, 0.25f, &q));
  assert_int_equal(q.weight_type.quant->axis, 0);
  assert_true(scale_of(&q, 0) == 2.0f / 255);
  assert_true(scale_of(&q, 1) > scale_of(&q, 0));
}

/* Whole-range weights keep their scale however long the sum: it is taken in 64 bits. */
static void torch_weights_keep_their_scale(void **state) {
  (void)state;
  int64_t ic = 140000;
  float *w = ARENA_NEW_ARRAY(arena, float, (size_t)ic);
  for (int64_t j = 0; j < ic; j++) w[j] = 1;
  QuantSpec quant = qspec_of(DT_S8, false);
  quant.symmetric = true;
  ObserverSpec spec = spec_of("minmax", quant);
  LayerConstants q;
  assert_true(quantize(layer(w, NULL, 1, ic), &spec, 0.5f, 0, 0.25f, &q));
  assert_true(scale_of(&q, 0) == 1 / 127.5f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_per_channel),      cmocka_unit_test(sums_stay_in_32_bits),
      cmocka_unit_test(degenerate_channels),      cmocka_unit_test(hopeless_channels_are_refused),
      cmocka_unit_test(weights_per_tensor),       cmocka_unit_test(weights_with_zero_points),
      cmocka_unit_test(biases_of_empty_channels), cmocka_unit_test(torch_weights_keep_their_scale),
  };
  return cmocka_run_group_tests_name("weights", tests, setup, teardown);
}
