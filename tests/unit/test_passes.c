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
#include "passes/constant.h"
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
  QuantSpec spec = qspec_of(DT_U8, false);
  spec.eps = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    float scale = 0;
    int32_t zero = 0;
    assert_int_equal(qspec_params(&spec, cases[i].lo, cases[i].hi, &scale, &zero), cases[i].ok);
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

static void every_observer_bounds_what_it_saw(void **state) {
  (void)state;
  for (int i = 0; observer_table[i]; i++) {
    const Observer *o = observer_table[i];
    ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
    assert_true(observer_parse(&silent, o->name, &spec));
    assert_ptr_equal(spec.observer, o);
    for (int k = 0; o->params[k].name; k++) assert_true(spec.param[k] == o->params[k].value);
    assert_true(o->needs_data == (o->observe != NULL));
    if (!o->needs_data) continue;
    void *s = arena_alloc(arena, o->state_size);
    o->init(s, arena, &spec, 1);
    o->observe(s, (float[]){1, -2, 3}, 1, 3);
    o->observe(s, (float[]){0}, 1, 0);
    o->observe(s, (float[]){2, 0.5f}, 1, 2);
    float lo, hi;
    assert_true(o->finish(s, &lo, &hi));
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
  assert_true(o->finish(s, &lo, &hi));
  assert_true(lo == 5 && hi == 9);
  assert_false(observer_parse(&silent, "minmax=1", &spec));
  assert_false(observer_parse(&silent, "minma", &spec));
  assert_false(observer_parse(&silent, "", &spec));
}

static void the_table_is_the_pipeline(void **state) {
  (void)state;
  static const char *const order[] = {"canonicalize", "qdq",    "fold_bn", "fuse",   "observe", "quantize",
                                      "dynamic",      "settle", "io",      "tables", "cleanup"};
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
      cmocka_unit_test(every_observer_bounds_what_it_saw),
      cmocka_unit_test(minmax_is_the_range),
      cmocka_unit_test(the_table_is_the_pipeline),
  };
  return cmocka_run_group_tests_name("passes", tests, setup, teardown);
}
