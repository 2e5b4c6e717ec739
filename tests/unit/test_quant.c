/* ir/quant.c, rule by rule, with the hostile vectors of docs/numerics.md. The expected values are computed
 * here in another way: in double precision or exact integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "ir/quant.h"
#include "tests/unit/arena_test.h"

static const int32_t zeros[] = {0, 1, 2, 127, 128, 254, 255};
enum { N_ZEROS = sizeof zeros / sizeof *zeros };

static void rne_takes_ties_to_even(void **state) {
  (void)state;
  const struct {
    double v;
    int64_t want;
  } cases[] = {{0, 0},
               {-0.0, 0},
               {0.5, 0},
               {1.5, 2},
               {2.5, 2},
               {-0.5, 0},
               {-1.5, -2},
               {-2.5, -2},
               {0.49999999999999994, 0},
               {0.5000001, 1},
               {-0.5000001, -1},
               {254.5, 254},
               {255.5, 256},
               {4503599627370495.5, 4503599627370496}, /* 2^52 - 0.5 */
               {9007199254740993.0, 9007199254740992}, /* 2^53 + 1 is not a double */
               {-9223372036854775808.0, INT64_MIN}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (rne(cases[i].v) != cases[i].want)
      fail_msg("rne(%.17g) = %lld", cases[i].v, (long long)rne(cases[i].v));
}

static void quantize_special_values(void **state) {
  (void)state;
  for (int i = 0; i < N_ZEROS; i++) {
    int32_t z = zeros[i];
    assert_int_equal(quantize_value(NAN, 0.1f, z, 0, 255), 0);
    assert_int_equal(quantize_value(-NAN, 0.1f, z, 0, 255), 0);
    assert_int_equal(quantize_value(INFINITY, 0.1f, z, 0, 255), 255);
    assert_int_equal(quantize_value(-INFINITY, 0.1f, z, 0, 255), 0);
    assert_int_equal(quantize_value(FLT_MAX, FLT_MIN, z, 0, 255), 255);
    assert_int_equal(quantize_value(-FLT_MAX, FLT_MIN, z, 0, 255), 0);
    assert_int_equal(quantize_value(0.0f, 0.1f, z, 0, 255), z);
    assert_int_equal(quantize_value(-0.0f, 0.1f, z, 0, 255), z);
    assert_int_equal(quantize_value(FLT_TRUE_MIN, 1, z, 0, 255), z);
  }
  assert_int_equal(quantize_value(NAN, 0.1f, 0, -128, 127), -128);
  assert_int_equal(quantize_value(-1e9f, 0.1f, 0, -127, 127), -127);
  assert_int_equal(quantize_value(3e38f, 1, 5, INT32_MIN, INT32_MAX), INT32_MAX);
  assert_int_equal(quantize_value(-INFINITY, 1, 5, INT32_MIN, INT32_MAX), INT32_MIN);
  assert_int_equal(quantize_value(2147483520, 1, 5, INT32_MIN, INT32_MAX), 2147483525);
  assert_int_equal(quantize_value(2147483648, 1, -1, INT32_MIN, INT32_MAX), INT32_MAX);
  assert_int_equal(quantize_value(2.5f, 1, 5, INT32_MIN, INT32_MAX), 7);
  assert_int_equal(quantize_value(NAN, 1, 5, INT32_MIN, INT32_MAX), INT32_MIN);
}

/* Ties are broken before the zero point is added: whether z is odd does not matter. */
static void quantize_ties(void **state) {
  (void)state;
  for (int i = 0; i < N_ZEROS; i++)
    for (int k = -300; k <= 300; k++) {
      int32_t z = zeros[i], even = k % 2 ? k + 1 : k; /* k + 0.5 rounds to the even of k and k + 1 */
      int32_t want = even + z < 0 ? 0 : even + z > 255 ? 255 : even + z;
      assert_int_equal(quantize_value(((float)k + 0.5f) * 0.25f, 0.25f, z, 0, 255), want);
    }
}

/* x / s and x * (1 / s) round differently, which shows near ties. */
static void quantize_divides(void **state) {
  (void)state;
  int differ = 0;
  for (int n = 1; n < 2000; n++)
    for (int k = 0; k < 100; k++) {
      float s = (float)n * 0.001f, x = ((float)k + 0.5f) * s;
      int32_t product = (int32_t)rne((double)(x * (1.0f / s)));
      double exact =
          nearbyint((double)(float)((double)x / (double)s)); /* a double quotient rounds innocuously */
      assert_int_equal(quantize_value(x, s, 0, 0, 255), (int32_t)exact);
      differ += product != (int32_t)exact;
    }
  assert_true(differ > 0); /* so the cases can tell */
}

static void dequantize_is_exact_in_its_steps(void **state) {
  (void)state;
  assert_true(dequantize_value(255, 0.1f, 0) == 255.0f * 0.1f);
  assert_true(dequantize_value(0, 0.1f, 255) == -255.0f * 0.1f);
  assert_true(dequantize_value(INT32_MIN, 1.0f, 1) == -2147483648.0f);
  assert_true(dequantize_value(16777217, 1.0f, 0) == 16777216.0f);
  assert_true(dequantize_value(7, 3.0f, 7) == 0 && !signbit(dequantize_value(7, 3.0f, 7)));
}

static void scales_must_be_normal(void **state) {
  (void)state;
  assert_true(scale_is_valid(FLT_MIN) && scale_is_valid(FLT_MAX) && scale_is_valid(1));
  assert_false(scale_is_valid(0) || scale_is_valid(-0.0f) || scale_is_valid(-1));
  assert_false(scale_is_valid(INFINITY) || scale_is_valid(NAN) || scale_is_valid(nextafterf(FLT_MIN, 0)));
}

static void multiplier_is_rounded_twice(void **state) {
  (void)state;
  float m;
  int once = 0;
  for (int i = 1; i < 3000; i++) {
    float a = 0.001f * (float)i, b = 0.37f / (float)i, c = 0.0173f + 0.01f * (float)i;
    assert_true(requant_multiplier(a, b, c, &m));
    float product = (float)((double)a * (double)b);
    assert_true(m == (float)((double)product / (double)c));
    once += m != (float)((double)a * (double)b / (double)c);
  }
  assert_true(once > 0);
  assert_true(requant_multiplier(1, 1, FLT_MIN, &m)); /* a tensor of zeros: s_out tiny, m huge, yet normal */
  assert_true(m == 0x1p126f);
  assert_false(requant_multiplier(8, 1, FLT_MIN, &m));       /* infinite */
  assert_false(requant_multiplier(FLT_MIN, 0.5f, 1, &m));    /* subnormal */
  assert_false(requant_multiplier(FLT_MIN, FLT_MIN, 1, &m)); /* zero */
  assert_false(requant_multiplier(FLT_MAX, FLT_MAX, FLT_MAX, &m));
}

/* Rule 6 from the definition: the conversion and the product are correctly rounded, so double precision with
 * one rounding to float each says the same. */
static int32_t requantize_expected(int64_t acc, float m, int32_t z, int32_t lo, int32_t hi) {
  double v = (double)(float)((double)(float)acc * (double)m);
  if (v < lo - z) return lo;
  if (v > hi - z) return hi;
  return (int32_t)nearbyint(v) + z;
}

static void requantize_hostile_vectors(void **state) {
  (void)state;
  const int64_t acc[] = {0,
                         1,
                         -1,
                         3,
                         5,
                         (1 << 24) - 1,
                         1 << 24,
                         (1 << 24) + 1,
                         (1 << 24) + 2,
                         (1 << 24) + 3,
                         -(1 << 24) - 1,
                         -(1 << 24) + 1,
                         INT32_MAX,
                         -INT32_MAX,
                         INT32_MIN,
                         INT32_MAX - 64,
                         INT32_MAX - 63};
  const float m[] = {FLT_MIN, 1e-30f, 0x1p-31f, 0x1p-24f, 0x1p-25f, 1.5e-5f, 0.5f, 1, 1.5f, 3e9f, 0x1p126f};
  for (size_t a = 0; a < sizeof acc / sizeof *acc; a++)
    for (size_t k = 0; k < sizeof m / sizeof *m; k++)
      for (int i = 0; i < N_ZEROS; i++) {
        int32_t z = zeros[i];
        int32_t want = requantize_expected(acc[a], m[k], z, 0, 255);
        assert_int_equal(requantize_value((int32_t)acc[a], m[k], z, 0, 255), want);
        assert_int_equal(requantize_wide(acc[a], m[k], z, 0, 255), want);
        assert_int_equal(requantize_value((int32_t)acc[a], m[k], z, z, 255),
                         requantize_expected(acc[a], m[k], z, z, 255));
        assert_int_equal(requantize_value((int32_t)acc[a], m[k], z - 128, -128, 127), want - 128);
      }
}

static void requantize_ties(void **state) {
  (void)state;
  for (int i = 0; i < N_ZEROS; i++)
    for (int32_t acc = -601; acc <= 601; acc += 2) { /* acc * 0.5 is a tie */
      int32_t down = (acc - 1) / 2, even;
      if (acc < 0) down = -((-acc + 1) / 2);
      even = down % 2 ? down + 1 : down;
      int32_t want = even + zeros[i] < 0 ? 0 : even + zeros[i] > 255 ? 255 : even + zeros[i];
      assert_int_equal(requantize_value(acc, 0.5f, zeros[i], 0, 255), want);
    }
}

/* The conversion to float itself rounds to even: 2^24 + 1 goes down, 2^24 + 3 up. */
static void requantize_rounds_the_sum_first(void **state) {
  (void)state;
  assert_int_equal(requantize_value((1 << 24) + 1, 0x1p-24f, 0, 0, 255), 1);
  assert_true((float)((1 << 24) + 3) == 16777220.0f);
  /* 16777217 * (254.5 / 16777216) would be above the tie if the sum were not rounded */
  assert_int_equal(requantize_value(16777217, 254.5f / 16777216, 0, 0, 255), 254);
  assert_int_equal(requantize_wide((int64_t)1 << 40, 0x1p-33f, 0, 0, 255), 128);
  assert_int_equal(requantize_wide(-((int64_t)1 << 40), 0x1p-33f, 0, -128, 127), -128);
  assert_int_equal(requantize_wide(INT64_MAX, 1, 3, 0, 255), 255);
}

static Type quantized(DType dtype, float scale, int32_t zero) {
  return (Type){
      .dtype = dtype, .shape = shape_of(1, (int64_t)1), .quant = quant_per_tensor(arena, scale, zero)};
}

static void activation_ranges(void **state) {
  (void)state;
  const struct {
    DType dtype;
    float scale;
    int32_t zero;
    float min, max;
    int32_t lo, hi;
  } cases[] = {
      {DT_U8, 0.1f, 0, -INFINITY, INFINITY, 0, 255},
      {DT_S8, 0.1f, 0, -INFINITY, INFINITY, -128, 127},
      {DT_U8, 0.1f, 0, 0, INFINITY, 0, 255},
      {DT_U8, 0.1f, 100, 0, INFINITY, 100, 255},
      {DT_U8, 0.1f, 255, 0, INFINITY, 255, 255},
      {DT_S8, 0.1f, -128, 0, 6, -128, -68},
      {DT_U8, 0.0235f, 0, 0, 6, 0, 255},
      {DT_U8, 0.1f, 10, -0.5f, 6, 5, 70},
      {DT_U8, 0.1f, 10, -100, 100, 0, 255},
      {DT_U8, 0.1f, 10, 100, 200, 255, 255},
      {DT_U8, 0.1f, 10, -200, -100, 0, 0},
      {DT_U8, 1, 0, 0.5f, 2.5f, 0, 2},
      {DT_U8, 1, 0, 1.5f, 3.5f, 2, 4},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Type t = quantized(cases[i].dtype, cases[i].scale, cases[i].zero);
    int32_t lo, hi;
    activation_range(&t, cases[i].min, cases[i].max, &lo, &hi);
    if (lo != cases[i].lo || hi != cases[i].hi) fail_msg("case %d: [%d, %d]", (int)i, lo, hi);
  }
}

static void fixed_add_factors(void **state) {
  (void)state;
  FixedAdd f;
  assert_true(fixed_add_derive(1, 1, 1, false, &f)); /* 2^14 = 16384 fits, 2^15 = 32768 does not */
  assert_int_equal(f.shift, 14);
  assert_int_equal(f.m_a, 16384);
  assert_int_equal(f.m_b, 16384);
  assert_true(fixed_add_derive(1, 0.5f, 2, true, &f));
  assert_int_equal(f.shift, 15);
  assert_int_equal(f.m_a, 16384);
  assert_int_equal(f.m_b, -8192);
  assert_true(fixed_add_derive(32767, 1, 1, false, &f)); /* the largest ratio */
  assert_int_equal(f.shift, 0);
  assert_int_equal(f.m_a, 32767);
  assert_true(fixed_add_derive(32767.4f, 1, 1, false, &f));
  assert_false(fixed_add_derive(32767.5f, 1, 1, false, &f)); /* rounds to 32768 */
  assert_false(fixed_add_derive(1, 32768, 1, false, &f));
  assert_false(fixed_add_derive(FLT_MAX, 1, FLT_MIN, false, &f));
  assert_true(fixed_add_derive(FLT_MIN, FLT_MIN, FLT_MAX, false, &f)); /* both vanish at S = 30 */
  assert_int_equal(f.shift, 30);
  assert_int_equal(f.m_a, 0);
  for (int i = 1; i < 2000; i++) { /* S is the largest that fits */
    float a = 0.003f * (float)i, b = 7.1f / (float)i, out = 0.05f * (float)(i % 37 + 1);
    if (!fixed_add_derive(a, b, out, false, &f)) continue;
    assert_true(f.m_a <= 32767 && f.m_b <= 32767);
    double larger = (double)(a > b ? a : b) / (double)out;
    assert_true(f.shift == 30 || nearbyint(larger * ldexp(1, f.shift + 1)) > 32767);
    assert_int_equal(f.m_a, (int32_t)nearbyint((double)a / (double)out * ldexp(1, f.shift)));
  }
}

static void fixed_add_over_all_bytes(void **state) {
  (void)state;
  const float scales[][3] = {
      {0.1f, 0.1f, 0.2f}, {1, 1, 1}, {0.02f, 3, 0.11f}, {32767, 1, 1}, {1e-6f, 1e-6f, 1}};
  for (size_t k = 0; k < sizeof scales / sizeof *scales; k++)
    for (int i = 0; i < N_ZEROS; i++) {
      FixedAdd f;
      assert_true(fixed_add_derive(scales[k][0], scales[k][1], scales[k][2], i % 2, &f));
      for (int32_t a = 0; a <= 255; a += 3)
        for (int32_t b = 0; b <= 255; b++) {
          double exact = ((double)(a - zeros[i]) * f.m_a + (double)(b - 128) * f.m_b) / ldexp(1, f.shift);
          double want = (f.shift ? floor(exact + 0.5) : exact) + 77; /* ties go up */
          want = want < 5 ? 5 : want > 250 ? 250 : want;
          assert_int_equal(fixed_add_value(&f, a - zeros[i], b - 128, 77, 5, 250), (int32_t)want);
        }
    }
}

static void fixed_add_ties_go_up(void **state) {
  (void)state;
  FixedAdd f = {1 << 13, 0, 14}; /* a / 2 */
  assert_int_equal(fixed_add_value(&f, 1, 0, 0, -128, 127), 1);
  assert_int_equal(fixed_add_value(&f, 3, 0, 0, -128, 127), 2);
  assert_int_equal(fixed_add_value(&f, -1, 0, 0, -128, 127), 0);
  assert_int_equal(fixed_add_value(&f, -3, 0, 0, -128, 127), -1);
}

static void biases(void **state) {
  (void)state;
  int32_t q;
  assert_true(quantize_bias(0.5f, 1, 1, &q));
  assert_int_equal(q, 0);
  assert_true(quantize_bias(-1.5f, 1, 1, &q));
  assert_int_equal(q, -2);
  assert_true(quantize_bias(-0x1p31f, 1, 1, &q));
  assert_int_equal(q, INT32_MIN);
  assert_true(quantize_bias(0x1p31f - 128, 1, 1, &q));
  assert_int_equal(q, INT32_MAX - 127);
  assert_false(quantize_bias(0x1p31f, 1, 1, &q));
  assert_false(quantize_bias(-0x1p31f - 256, 1, 1, &q));
  assert_false(quantize_bias(NAN, 1, 1, &q) || quantize_bias(INFINITY, 1, 1, &q) ||
               quantize_bias(-INFINITY, 1, 1, &q));
  assert_false(quantize_bias(1, FLT_MIN, FLT_MIN, &q)); /* the product is below float's range, not double's */
  assert_true(quantize_bias(0, FLT_MIN, FLT_MIN, &q));
  assert_int_equal(q, 0);
}

static void pool_multipliers(void **state) {
  (void)state;
  float m;
  for (int n = 1; n < 3000; n += 7) {
    assert_true(pool_multiplier(0.0173f, 0.0211f, n, &m));
    assert_true(m == (float)(0.0173f / (double)(float)(0.0211f * (double)n)));
  }
  assert_true(pool_multiplier(1, 1, 16777217, &m) && m == 0x1p-24f); /* (float)n rounds */
  assert_false(pool_multiplier(FLT_MIN, 1, 2, &m));
  assert_false(pool_multiplier(FLT_MAX, FLT_MIN, 1, &m));
}

/* requantize through its table: s8 starts at -128; NaN cannot occur; values saturate. */
static void tables(void **state) {
  (void)state;
  Graph *g = graph_new(arena, "g");
  Type in = quantized(DT_S8, 0.5f, -3), out = quantized(DT_U8, 0.25f, 10);
  Tensor *x = graph_input(g, "x", in, (SrcLoc){0});
  Node *n = graph_node1(g, OP_requantize, &x, 1, "y", (SrcLoc){0}, NULL);
  int32_t table[256];
  unary_table(n, &in, &out, table);
  for (int q = -128; q < 128; q++) {
    int want = (q + 3) * 2 + 10;
    assert_int_equal(table[q + 128], want < 0 ? 0 : want > 255 ? 255 : want);
  }
  Node *relu = graph_node1(g, OP_relu, &x, 1, "r", (SrcLoc){0}, NULL);
  unary_table(relu, &in, &in, table);
  for (int q = -128; q < 128; q++) assert_int_equal(table[q + 128], q > -3 ? q : -3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rne_takes_ties_to_even),
      cmocka_unit_test(quantize_special_values),
      cmocka_unit_test(quantize_ties),
      cmocka_unit_test(quantize_divides),
      cmocka_unit_test(dequantize_is_exact_in_its_steps),
      cmocka_unit_test(scales_must_be_normal),
      cmocka_unit_test(multiplier_is_rounded_twice),
      cmocka_unit_test(requantize_hostile_vectors),
      cmocka_unit_test(requantize_ties),
      cmocka_unit_test(requantize_rounds_the_sum_first),
      cmocka_unit_test(activation_ranges),
      cmocka_unit_test(fixed_add_factors),
      cmocka_unit_test(fixed_add_over_all_bytes),
      cmocka_unit_test(fixed_add_ties_go_up),
      cmocka_unit_test(biases),
      cmocka_unit_test(pool_multipliers),
      cmocka_unit_test(tables),
  };
  return cmocka_run_group_tests_name("quant", tests, setup, teardown);
}
