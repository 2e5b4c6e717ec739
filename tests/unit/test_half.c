/* Half precision: all 65,536 values, and rounding between each two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "ir/half.h"

static void every_half_comes_back(void **state) {
  (void)state;
  for (uint32_t h = 0; h < 65536; h++) {
    float x = half_to_float((uint16_t)h);
    bool is_nan = (h & 0x7fff) > 0x7c00;
    assert_int_equal(isnan(x) != 0, is_nan);
    assert_int_equal(half_from_float(x), is_nan ? (h & 0x8000) | 0x7e00 : h);
  }
}

static void known_values(void **state) {
  (void)state;
  const struct {
    uint16_t h;
    float x;
  } cases[] = {{0x3c00, 1},        {0xc000, -2},       {0x0001, 0x1p-24f}, {0x03ff, 0x3ffp-24f},
               {0x0400, 0x1p-14f}, {0x7bff, HALF_MAX}, {0x8000, -0.0f},    {0x3555, 0x1.554p-2f},
               {0x7c00, INFINITY}, {0xfc00, -INFINITY}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float x = half_to_float(cases[i].h);
    assert_true(x == cases[i].x && !signbit(x) == !signbit(cases[i].x));
  }
}

/* Between neighbours lo and hi: nearest, and at the tie the one whose last bit is 0. */
static void rounds_to_nearest_even(void **state) {
  (void)state;
  for (uint16_t h = 0; h < 0x7c00; h++) {
    uint16_t above = h + 1, even = h & 1 ? above : h;
    float lo = half_to_float(h), hi = above == 0x7c00 ? 65536.0f : half_to_float(above), tie = (lo + hi) / 2;
    assert_int_equal(half_from_float(tie), even);
    assert_int_equal(half_from_float(-tie), 0x8000 | even);
    assert_int_equal(half_from_float(nextafterf(tie, 0)), h);
    assert_int_equal(half_from_float(nextafterf(tie, INFINITY)), above);
  }
  assert_int_equal(half_from_float(1e30f), 0x7c00);
  assert_int_equal(half_from_float(-65520.0f), 0xfc00);
  assert_int_equal(half_from_float(1e-45f), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_half_comes_back),
      cmocka_unit_test(known_values),
      cmocka_unit_test(rounds_to_nearest_even),
  };
  return cmocka_run_group_tests_name("half", tests, NULL, NULL);
}
