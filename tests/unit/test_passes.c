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
#include "passes/observe/extremes.h"
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
    assert_true(observer_parse(&silent, o->name, NULL, &spec));
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
    if (!strcmp(o->name, "extremes"))
      assert_true(lo <= -2 && hi >= 3);
    else
      assert_true(lo >= -2 && hi <= 3 && lo <= hi);
  }
}

static void minmax_is_the_range(void **state) {
  (void)state;
  ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
  assert_true(observer_parse(&silent, "minmax", NULL, &spec));
  const Observer *o = spec.observer;
  void *s = arena_alloc(arena, o->state_size);
  o->init(s, arena, &spec, 1);
  o->observe(s, (float[]){5, 7}, 1, 2); /* zero does not slip in */
  o->observe(s, (float[]){6, 9, 6}, 1, 3);
  float lo, hi;
  assert_true(o->finish(s, &lo, &hi));
  assert_true(lo == 5 && hi == 9);
  assert_false(observer_parse(&silent, "minmax=1", NULL, &spec));
  assert_false(observer_parse(&silent, "minma", NULL, &spec));
  assert_false(observer_parse(&silent, "", NULL, &spec));
}

/* The range that the observer gives for samples of two values each. */
static void extremes_of(const float (*samples)[2], int n, float *lo, float *hi) {
  ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
  assert_true(observer_parse(&silent, "extremes=2", NULL, &spec));
  void *s = arena_alloc(arena, spec.observer->state_size);
  spec.observer->init(s, arena, &spec, 1);
  for (int i = 0; i < n; i++) spec.observer->observe(s, samples[i], 1, 2);
  assert_true(spec.observer->finish(s, lo, hi));
}

static void extremes_go_beyond_what_was_seen(void **state) {
  (void)state;
  float lo, hi;
  static const float spread[][2] = {{-1, 2}, {-3, 4}}; /* means -2 and 3, deviations 1 */
  extremes_of(spread, 2, &lo, &hi);
  assert_true(lo == -4 && hi == 5);
  static const float common[][2] = {{0, 4}, {0, 2}, {0, 4}}; /* ends that two samples have */
  extremes_of(common, 3, &lo, &hi);
  assert_true(lo == 0 && hi == 4);
  static const float positive[][2] = {{0.5f, 2}, {3, 4}}; /* zero is not crossed */
  extremes_of(positive, 2, &lo, &hi);
  assert_true(lo == 0 && hi == 5);
  static const float outlier[][2] = {{-1, 1}, {-1, 1}, {-1, 1}, {-1, 1}, {-1, 1}, {-1, 100}};
  extremes_of(outlier, 6, &lo, &hi);
  assert_true(lo == -1 && hi == 100); /* 17.5 and two deviations of 36.9 are less than it */
  assert_true(extreme_deviations(6, 1) == 6 && extreme_deviations(6, 1000) == 6);
  assert_true(extreme_deviations(6, 300000) == 0 && extreme_deviations(6, INT64_MAX) == 0);
  double middle = extreme_deviations(6, 17321); /* sqrt(1000 * 300000) */
  assert_true(fabs(middle - 3) < 1e-4);
}

/* Parts of the data merge to what all of it gives. */
static void extremes_merge(void **state) {
  (void)state;
  ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
  assert_true(observer_parse(&silent, "extremes", NULL, &spec));
  const Observer *o = spec.observer;
  void *s[3];
  for (int k = 0; k < 3; k++) o->init(s[k] = arena_alloc(arena, o->state_size), arena, &spec, 1);
  static const float samples[][2] = {{-1, 2}, {-3, 4}, {-3, 1}, {0, 8}, {-2, 8}};
  for (int i = 0; i < 5; i++) {
    o->observe(s[0], samples[i], 1, 2);
    o->observe(s[i < 2 ? 1 : 2], samples[i], 1, 2);
  }
  o->merge(s[1], s[2]);
  float lo[2], hi[2];
  for (int k = 0; k < 2; k++) assert_true(o->finish(s[k], &lo[k], &hi[k]));
  assert_true(lo[0] == -3 && hi[0] == 8 && lo[1] == -3 && hi[1] == 8); /* two samples have each of them */
  o->observe(s[0], samples[0], 1, 2);
  o->observe(s[1], (float[]){-7, 9}, 1, 2);
  assert_true(o->finish(s[1], &lo[1], &hi[1]));
  assert_true(lo[1] < -7 && hi[1] > 9);
}

static void the_table_is_the_pipeline(void **state) {
  (void)state;
  static const char *const order[] = {"canonicalize", "gelu",     "qdq",     "fold_bn", "fuse",   "equalize",
                                      "observe",      "quantize", "dynamic", "refine",  "custom", "settle",
                                      "io",           "tables",   "cleanup", "ranges"};
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
      cmocka_unit_test(extremes_go_beyond_what_was_seen),
      cmocka_unit_test(extremes_merge),
      cmocka_unit_test(the_table_is_the_pipeline),
  };
  return cmocka_run_group_tests_name("passes", tests, setup, teardown);
}
