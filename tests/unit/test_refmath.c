/* ir/refmath.c: accuracy against libm's double functions, the special values, and equality bit for bit with
 * runtime/math_f32.h, over a dense sweep of all floats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/refmath.h"
#include "runtime/math_f32.h"

static uint32_t bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}
static float of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

typedef struct {
  const char *name;
  float (*ours)(float);
  float (*twin)(float);
  double (*exact)(double);
  double max_ulp;
  float least; /* smaller results than this, in magnitude, are flushed to 0 */
} Function;

static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }

static const Function functions[] = {
    {"exp", ref_exp, v_float_exp, exp, 1.0, 0x1p-126f},
    {"log", ref_log, v_float_log, log, 1.0, 0},
    {"tanh", ref_tanh, v_float_tanh, tanh, 2.0, 0},
    {"sigmoid", ref_sigmoid, v_float_sigmoid, exact_sigmoid, 2.5, 0x1p-126f},
    {"erf", ref_erf, v_float_erf, erf, 1.5, 0},
};

/* Distance of a result from the exact value in units of the last place of the exact value. */
static double ulps(float got, double exact) {
  if (isnan(exact)) return isnan(got) ? 0 : INFINITY;
  if (isinf((float)exact)) return isinf(got) && !signbit(got) == !signbit(exact) ? 0 : INFINITY;
  int e;
  frexp(exact, &e);
  if (e < -125) e = -125;
  return fabs((double)got - exact) / ldexp(1, e - 24);
}

static void sweep(const Function *f, uint32_t step) {
  double worst = 0;
  float worst_x = 0;
  for (uint64_t u = 0; u <= UINT32_MAX; u += step) {
    float x = of_bits((uint32_t)u), y = f->ours(x), t = f->twin(x);
    if (bits(y) != bits(t) && !(isnan(y) && isnan(t)))
      fail_msg("%s(%a) = %a, but its twin gives %a", f->name, (double)x, (double)y, (double)t);
    double exact = f->exact(x), error = fabs(exact) < (double)f->least && y == 0 ? 0 : ulps(y, exact);
    if (!(error <= worst)) {
      worst = error;
      worst_x = x;
    }
  }
  print_message("%s: %.3f ulp at %a\n", f->name, worst, (double)worst_x);
  if (!(worst <= f->max_ulp)) fail_msg("%s is off by %g ulp at %a", f->name, worst, (double)worst_x);
}

/* QCC_EXHAUSTIVE=1 takes every float there is. */
static void functions_are_accurate_and_equal_their_twins(void **state) {
  (void)state;
  uint32_t step = getenv("QCC_EXHAUSTIVE") ? 1 : 1009; /* prime: all low bits occur */
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) sweep(&functions[i], step);
}

static void assert_bits(float got, float want) {
  if (bits(got) != bits(want)) fail_msg("%a is not %a", (double)got, (double)want);
}

static void special_values(void **state) {
  (void)state;
  assert_bits(ref_exp(0), 1);
  assert_bits(ref_exp(-0.0f), 1);
  assert_bits(ref_exp(INFINITY), INFINITY);
  assert_bits(ref_exp(-INFINITY), 0);
  assert_bits(ref_exp(0x1.62e43p+6f), INFINITY);
  assert_true(isfinite(ref_exp(0x1.62e42ep+6f)));
  assert_true(ref_exp(-0x1.5d589ep+6f) >= 0x1p-126f);
  assert_bits(ref_exp(-0x1.5d58a0p+6f), 0);
  assert_true(isnan(ref_exp(NAN)));
  assert_bits(ref_log(1), 0);
  assert_bits(ref_log(0), -INFINITY);
  assert_bits(ref_log(-0.0f), -INFINITY);
  assert_bits(ref_log(INFINITY), INFINITY);
  assert_true(isnan(ref_log(-1)) && isnan(ref_log(NAN)) && isnan(ref_log(-INFINITY)));
  assert_bits(ref_tanh(-0.0f), -0.0f);
  assert_bits(ref_tanh(INFINITY), 1);
  assert_bits(ref_tanh(-INFINITY), -1);
  assert_bits(ref_erf(-0.0f), -0.0f);
  assert_bits(ref_erf(-INFINITY), -1);
  assert_bits(ref_sigmoid(0), 0.5f);
  assert_bits(ref_sigmoid(-INFINITY), 0);
  assert_bits(ref_sigmoid(INFINITY), 1);
  assert_true(isnan(ref_tanh(NAN)) && isnan(ref_erf(NAN)) && isnan(ref_sigmoid(NAN)));
  assert_bits(ref_sqrt(2), 0x1.6a09e6p+0f);
  assert_bits(ref_sqrt(-0.0f), -0.0f);
}

static void clamp_turns_nan_into_its_low_end(void **state) {
  (void)state;
  assert_bits(ref_clamp(NAN, -1, 1), -1);
  assert_bits(ref_clamp(INFINITY, -1, 1), 1);
  assert_bits(ref_max(NAN, 3), 3);
  assert_bits(ref_max(3, NAN), NAN);
  assert_bits(ref_min(NAN, 3), 3);
}

/* The order matters: 2^24 + 1 + 1 differs from 1 + 1 + 2^24. */
static void sums_follow_the_tree(void **state) {
  (void)state;
  float x[64];
  for (int i = 0; i < 64; i++) x[i] = 0;
  x[0] = 0x1p24f;
  x[16] = 1; /* same partial sum as x[0]: lost */
  x[1] = 1;
  x[9] = 1; /* 1 + 1 = 2 in the first step of the tree: kept */
  assert_bits(ref_sum16(x, 64, 1), 0x1p24f + 2);
  for (int n = 0; n <= 64; n++) {
    float s[16] = {0}, tree;
    for (int i = 0; i < n; i++) {
      x[i] = 1.0f / (float)(i + 1);
      s[i % 16] += x[i];
    }
    for (int i = 0; i < 8; i++) s[i] += s[i + 8];
    for (int i = 0; i < 4; i++) s[i] += s[i + 4];
    tree = (s[0] + s[2]) + (s[1] + s[3]);
    assert_bits(ref_sum16(x, n, 1), tree);
  }
  assert_bits(ref_sum16(x, 32, 2),
              ref_sum16((float[]){x[0],  x[2],  x[4],  x[6],  x[8],  x[10], x[12], x[14], x[16], x[18], x[20],
                                  x[22], x[24], x[26], x[28], x[30], x[32], x[34], x[36], x[38], x[40], x[42],
                                  x[44], x[46], x[48], x[50], x[52], x[54], x[56], x[58], x[60], x[62]},
                        32, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(functions_are_accurate_and_equal_their_twins),
      cmocka_unit_test(special_values),
      cmocka_unit_test(clamp_turns_nan_into_its_low_end),
      cmocka_unit_test(sums_follow_the_tree),
  };
  return cmocka_run_group_tests_name("refmath", tests, NULL, NULL);
}
