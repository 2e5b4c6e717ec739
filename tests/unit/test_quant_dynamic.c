/* Rule 14 of docs/numerics.md: the parameters of activations that are quantized while the model runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "ir/quant.h"

typedef struct {
  float lo, hi;
  int32_t qmax;
  float scale;
  int32_t zero;
} Case;

static void check(const Case *cases, size_t n, DynamicRule rule) {
  for (size_t i = 0; i < n; i++) {
    float scale;
    int32_t zero;
    dynamic_params(cases[i].lo, cases[i].hi, rule, cases[i].qmax, &scale, &zero);
    if (scale != cases[i].scale || zero != cases[i].zero)
      fail_msg("[%a, %a] to %d: %a, %d; expected %a, %d", (double)cases[i].lo, (double)cases[i].hi,
               cases[i].qmax, (double)scale, zero, (double)cases[i].scale, cases[i].zero);
  }
}

/* The scale is (hi - lo) / qmax in double, rounded; the zero point makes the end of the lesser error exact.
 */
static void aten(void **state) {
  (void)state;
  const Case cases[] = {
      {-1, 1, 255, (float)(2.0 / 255), 128}, /* 127.5: ties to even */
      {-1, 1, 127, (float)(2.0 / 127), 64},  /* 63.5 */
      {0, 3, 255, (float)(3.0 / 255), 0},
      {-3, 0, 255, (float)(3.0 / 255), 255},
      {2, 3, 255, (float)(3.0 / 255), 0}, /* 0 is always in the range */
      {-3, -2, 127, (float)(3.0 / 127), 127},
      {0, 0, 255, 0.1f, 0},         /* nothing but zeros */
      {0, 0x1p-121f, 255, 0.1f, 0}, /* a scale without a finite reciprocal */
      {0, 1e-3f, 255, 6.1e-5f, 0},  /* PyTorch's least scale */
      {-1e-3f, 0, 255, 6.1e-5f, 255},
      {-1e-3f, 1e-3f, 255, 6.1e-5f, 128}, /* the range grows at both ends */
      {-1e-3f, 3e-3f, 127, 6.1e-5f, 32},
  };
  check(cases, sizeof cases / sizeof *cases, DYNAMIC_ATEN);
}

static void onnx(void **state) {
  (void)state;
  const Case cases[] = {
      {-1, 1, 255, 2.0f / 255, 127} /* the scale is rounded up */,
      {0, 3, 255, 3.0f / 255, 0},
      {-3, 0, 255, 3.0f / 255, 255},
      {2, 3, 255, 3.0f / 255, 0},
      {-3, -2, 255, 3.0f / 255, 255},
      {0, 0, 255, 1, 0},
      {0, 1e-3f, 255, 1e-3f / 255, 0},
      {0, 1e-38f, 255, FLT_MIN, 0},
      {-1e-42f, 0, 255, FLT_MIN, 0},
  };
  check(cases, sizeof cases / sizeof *cases, DYNAMIC_ONNX);
}

static void what_is_not_finite_saturates(void **state) {
  (void)state;
  for (int rule = DYNAMIC_ATEN; rule <= DYNAMIC_ONNX; rule++) {
    const float ends[] = {-INFINITY, -FLT_MAX, -1, NAN, 0, 1, FLT_MAX, INFINITY};
    for (int i = 0; i < 8; i++)
      for (int k = 0; k < 8; k++) {
        float scale, finite;
        int32_t zero, same;
        dynamic_params(ends[i], ends[k], (DynamicRule)rule, 255, &scale, &zero);
        assert_true(isnormal(scale) && scale > 0 && zero >= 0 && zero <= 255);
        float lo = isnan(ends[i]) ? 0 : fmaxf(ends[i], -FLT_MAX),
              hi = isnan(ends[k]) ? 0 : fminf(ends[k], FLT_MAX);
        dynamic_params(lo, hi, (DynamicRule)rule, 255, &finite, &same);
        assert_true(scale == finite && zero == same);
      }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(aten),
      cmocka_unit_test(onnx),
      cmocka_unit_test(what_is_not_finite_saturates),
  };
  return cmocka_run_group_tests_name("quant_dynamic", tests, NULL, NULL);
}
