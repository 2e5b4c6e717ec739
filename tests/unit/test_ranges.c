/* Proved intervals, each worked out by hand. What is made of them is in tests/file/passes/ranges_*.ir; random
 * graphs are watched in tests/diff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ir/text.h"
#include "passes/ranges/facts.h"
#include "tests/unit/arena_test.h"

static Graph *graph;
static const Ranges *ranges;

static void analyse(const char *body) {
  Diag d;
  diag_init(&d, arena, stderr);
  char *text = arena_printf(arena, "model m {\n%s\n}\n", body);
  graph = ir_parse(&d, arena, source_from_text(arena, "m.ir", text, strlen(text)), NULL);
  assert_non_null(graph);
  ranges = ranges_analyse(arena, graph);
}

static const ChannelRanges *range(const char *name) {
  const Tensor *t = graph_find(graph, name);
  assert_non_null(t);
  return ranges_tensor(ranges, t);
}

#define ASSERT_INTERVAL(v, low, high)                                                                        \
  do {                                                                                                       \
    Interval interval = (v);                                                                                 \
    assert_int_equal(interval.lo, low);                                                                      \
    assert_int_equal(interval.hi, high);                                                                     \
  } while (0)
#define ASSERT_ALL(name, low, high)        ASSERT_INTERVAL(range_of_all(range(name)), low, high)
#define ASSERT_CHANNEL(name, c, low, high) ASSERT_INTERVAL(range_of_channel(range(name), c), low, high)

static void types_are_the_start(void **state) {
  (void)state;
  analyse("input %a : u8<scale=1, zero=3>[2]\ninput %b : s8<scale=1, zero=3>[2]\ninput %f : f32[4]\n"
          "%q, %s, %z = dynamic_quantize(%f) { qmax = 127 }\n%c = identity(%b)\noutput %a, %c, %q, %f");
  ASSERT_ALL("a", 0, 255);
  ASSERT_ALL("c", -128, 127);
  ASSERT_ALL("q", 0, 127);
  assert_null(range("f"));
  assert_null(range("s"));
}

/* x - 10 is within [-10, 245]; the scale of y makes a quarter of the sums. */
static const char *const layer =
    "input %x : u8<scale=1, zero=10>[1, 3]\n"
    "const @w : s8<scale=1, zero=0>[2, 3] = [[1, -2, 3], [0, 0, 0]]\nconst @b : s32[2] = [5, 7]\n"
    "%y = linear(%x, @w, @b) { act_min = 0, act_max = 30 } : u8<scale=4, zero=100>[1, 2]\noutput %y";

static void signs_of_weights_choose_the_ends(void **state) {
  (void)state;
  analyse(layer);
  const ChannelRanges *sums = ranges_sums(ranges, graph->first);
  assert_non_null(sums);
  assert_int_equal(sums->axis, 1);
  ASSERT_INTERVAL(sums->channel[0], 5 - 10 - 490 - 30, 5 + 245 + 20 + 735);
  ASSERT_INTERVAL(sums->channel[1], 7, 7);
  ASSERT_CHANNEL("y", 0, 100, 108); /* relu, and quantize(30): 7.5 goes to 8 */
  ASSERT_CHANNEL("y", 1, 102, 102); /* 1.75 */
  ClampFacts f;
  assert_true(ranges_clamp(ranges, graph->first, &f));
  ASSERT_INTERVAL(f.bounds, 100, 108);
  ASSERT_INTERVAL(f.unclamped, 100 - 131, 100 + 251); /* -131.25, 251.25 */
  assert_false(f.idle_min || f.idle_max);
}

static void padding_is_the_zero_point(void **state) {
  (void)state;
  static const char *const text =
      "input %%i : u8<scale=1, zero=3>[1, 1, 4, 4]\n%%x = clamp(%%i) { min = 5, max = 9 }\n"
      "const @w : s8<scale=1, zero=0>[1, 1, 1, 2] = [[[[2, -1]]]]\n"
      "%%y = conv2d(%%x, @w) { pad = [0, %d, 0, 0] } : s8<scale=1, zero=0>[1, 1, 4, %d]\noutput %%y";
  analyse(arena_printf(arena, text, 0, 3));
  ASSERT_ALL("x", 5, 9);
  ASSERT_ALL("y", 2 * 2 - 6, 2 * 6 - 2);
  analyse(arena_printf(arena, text, 1, 4));
  ASSERT_ALL("y", -6, 12); /* either tap may be missing */
}

static void transposed_convolutions_miss_taps(void **state) {
  (void)state;
  analyse("input %i : u8<scale=1, zero=3>[1, 1, 4, 4]\n%x = clamp(%i) { min = 5, max = 9 }\n"
          "const @w : s8<scale=1, zero=0>[1, 1, 1, 2] = [[[[2, 1]]]]\n"
          "%y = conv_transpose2d(%x, @w) : s8<scale=1, zero=0>[1, 1, 4, 5]\noutput %y");
  ASSERT_ALL("y", 0, 18);
}

/* Weights with a zero point; groups see their own channels. */
static void groups_and_zero_points(void **state) {
  (void)state;
  analyse(
      "input %i : u8<scale=1, zero=0>[1, 2, 1, 1]\n%a = clamp(%i) { min = 1, max = 2 }\n%b = clamp(%i) { min "
      "= 4, max = 4 }\n"
      "%x = concat(%a, %b) { axis = 1 } : u8<scale=1, zero=0>[1, 4, 1, 1]\n"
      "const @w : s8<axis=0, scale=[1, 1], zero=[5, -1]>[2, 2, 1, 1] = [[[[6]], [[7]]], [[[2]], [[-1]]]]\n"
      "%y = conv2d(%x, @w) { groups = 2 } : u8<scale=1, zero=0>[1, 2, 1, 1]\noutput %y");
  ASSERT_CHANNEL("x", 1, 1, 2);
  ASSERT_CHANNEL("x", 2, 4, 4);
  ASSERT_CHANNEL("y", 0, 3, 6);   /* 1 * a + 2 * a */
  ASSERT_CHANNEL("y", 1, 12, 12); /* 3 * b + 0 * b */
}

static void matrix_products(void **state) {
  (void)state;
  analyse("input %i : u8<scale=1, zero=1>[2, 2]\n%x = clamp(%i) { min = 1, max = 3 }\n"
          "%y = matmul(%x, %x) : s8<scale=1, zero=0>[2, 2]\n"
          "const @c : s8<scale=1, zero=0>[2, 2] = [[1, -1], [2, 0]]\n"
          "%z = matmul(%x, @c) : s8<scale=1, zero=0>[2, 2]\noutput %y, %z");
  ASSERT_ALL("y", 0, 8);
  ASSERT_CHANNEL("z", 0, 0, 6);
  ASSERT_CHANNEL("z", 1, -2, 0);
}

/* u8 with scale 1 throughout, zero points 0: q is the value. */
#define PLAIN(shape) "u8<scale=1, zero=0>" shape

static void arithmetic(void **state) {
  (void)state;
  analyse("input %i : " PLAIN(
      "[1, 2]") "\n%a = clamp(%i) { min = 10, max = 20 }\n%b = clamp(%i) { min = 3, max = 5 }\n"
                "%add = add(%a, %b) : " PLAIN(
                    "[1, 2]") "\n%sub = sub(%b, %a) : s8<scale=1, zero=0>[1, 2]\n"
                              "%mul = mul(%a, %b) : " PLAIN("[1, 2]") "\n%max = max(%a, %b) : " PLAIN(
                                  "[1, 2]") "\n"
                                            "%min = min(%a, %b) : u8<scale=2, zero=7>[1, 2]\n%few = add(%a, "
                                            "%b) { act_max = 14 } : " PLAIN(
                                                "[1, 2]") "\n"
                                                          "output %add, %sub, %mul, %max, %min, %few");
  ASSERT_ALL("add", 13, 25);
  ASSERT_ALL("sub", -17, -5);
  ASSERT_ALL("mul", 30, 100);
  ASSERT_ALL("max", 10, 20);
  ASSERT_ALL("min", 9, 9); /* 1.5 and 2.5 go to 2 */
  ASSERT_ALL("few", 13, 14);
}

/* Of constants each channel, of what broadcasts the whole. */
static void operands_broadcast(void **state) {
  (void)state;
  analyse("input %i : " PLAIN(
      "[1, 3]") "\nconst @w : s8<scale=1, zero=0>[2, 3] = [[0, 0, 0], [0, 0, 0]]\n"
                "const @b : s32[2] = [4, 9]\n%x = linear(%i, @w, @b) : " PLAIN(
                    "[1, 2]") "\n"
                              "const @c : " PLAIN("[2]") " = [1, 2]\nconst @one : " PLAIN(
                                  "[1]") " = [7]\n"
                                         "%y = add(@c, %x) : " PLAIN(
                                             "[1, 2]") "\n%z = add(%x, @one) : " PLAIN("[1, 2]") "\noutput "
                                                                                                 "%y, %z");
  ASSERT_CHANNEL("y", 0, 5, 5);
  ASSERT_CHANNEL("y", 1, 11, 11);
  ASSERT_CHANNEL("z", 0, 11, 11);
  ASSERT_CHANNEL("z", 1, 16, 16);
}

static void tables_map_intervals(void **state) {
  (void)state;
  analyse("input %i : s8<scale=1, zero=0>[4]\n%x = clamp(%i) { min = -3, max = 2 }\n"
          "%abs = abs(%x) : u8<scale=1, zero=0>[4]\n%again = requantize(%x) : u8<scale=0.5, zero=10>[4]\n"
          "%slope = prelu(%x, [-2]) : s8<scale=1, zero=0>[4]\noutput %abs, %again, %slope");
  ASSERT_ALL("abs", 0, 3);
  ASSERT_ALL("again", 4, 14);
  ASSERT_ALL("slope", 0, 6); /* 2, 4, 6 of the negative ones; 0 to 2 */
}

/* Two channels of one value each, 4 and 9. */
#define TWO                                                                                                  \
  "input %i : u8<scale=1, zero=0>[1, 1, 2, 2]\n"                                                             \
  "const @w : s8<scale=1, zero=0>[2, 1, 1, 1] = [[[[0]]], [[[0]]]]\nconst @b : s32[2] = [4, 9]\n"            \
  "%x = conv2d(%i, @w, @b) : u8<scale=1, zero=0>[1, 2, 2, 2]\n"

static void pools(void **state) {
  (void)state;
  analyse(
      TWO
      "%max = max_pool2d(%x) { kernel = [2, 2], pad = [1, 1, 0, 0] }\n"
      "%zeros = avg_pool2d(%x) { kernel = [2, 2], pad = [1, 1, 0, 0], count_include_pad = true } : " PLAIN(
          "[1, 2, 2, 2]") "\n"
                          "%own = avg_pool2d(%x) { kernel = [2, 2], pad = [1, 1, 0, 0] } : " PLAIN(
                              "[1, 2, 2, 2]") "\n"
                                              "%sum = reduce_sum(%x) { axes = [2, 3], keepdims = false } "
                                              ": " PLAIN(
                                                  "[1, 2]") "\n"
                                                            "%mixed = reduce_mean(%x) { axes = [1] } "
                                                            ": " PLAIN(
                                                                "[1, 1, 2, 2]") "\n"
                                                                                "%least = reduce_min(%x) { "
                                                                                "axes = [1], keepdims = "
                                                                                "false }\noutput %max, "
                                                                                "%zeros, %own, %sum, %mixed, "
                                                                                "%least");
  ASSERT_CHANNEL("max", 1, 9, 9);
  ASSERT_CHANNEL("zeros", 0, 1, 4); /* of 1, 2 or 4 elements, divided by 4 */
  ASSERT_CHANNEL("zeros", 1, 2, 9); /* 2.25 */
  ASSERT_CHANNEL("own", 0, 4, 4);
  ASSERT_CHANNEL("sum", 1, 36, 36);
  ASSERT_ALL("mixed", 4, 9);
  ASSERT_ALL("least", 4, 9);
}

static void moved_channels(void **state) {
  (void)state;
  analyse(TWO "%t = transpose(%x) { perm = [0, 2, 3, 1] }\n%r = reshape(%x) { shape = [1, 8] }\n"
              "%back = reshape(%r) { shape = [1, 2, 4] }\n%split = reshape(%r) { shape = [4, 2] }\n"
              "%s = slice(%x) { start = [0, 1, 0, 0], stop = [1, 2, 2, 2], step = [1, 1, 1, 1] }\n"
              "%p = pad(%x) { pads = [0, 0, 1, 0, 0, 0, 0, 0], value = 6 }\n"
              "%c = concat(%x, %s) { axis = 1 } : " PLAIN(
                  "[1, 3, 2, 2]") "\n"
                                  "%e = expand(%x) { shape = [3, 2, 2, 2] }\n%n = resize_nearest(%x) { size "
                                  "= [1, 2, 4, 4] }\n"
                                  "%h = concat(%x, %p) { axis = 2 } : u8<scale=2, zero=0>[1, 2, 5, 2]\n"
                                  "output %t, %back, %split, %s, %p, %c, %e, %n, %h");
  assert_int_equal(range("t")->axis, 3);
  ASSERT_CHANNEL("t", 1, 9, 9);
  ASSERT_CHANNEL("r", 3, 4, 4);
  ASSERT_CHANNEL("r", 4, 9, 9);
  ASSERT_CHANNEL("back", 1, 9, 9);
  ASSERT_CHANNEL("split", 1, 4, 4); /* the rows */
  ASSERT_CHANNEL("split", 2, 9, 9);
  ASSERT_ALL("s", 9, 9);
  ASSERT_CHANNEL("p", 0, 4, 6);
  ASSERT_CHANNEL("p", 1, 6, 9);
  ASSERT_CHANNEL("c", 0, 4, 4);
  ASSERT_CHANNEL("c", 2, 9, 9);
  ASSERT_CHANNEL("e", 1, 9, 9);
  ASSERT_CHANNEL("n", 1, 9, 9);
  ASSERT_CHANNEL("h", 0, 2, 3); /* 4 to 6 with scale 2 */
  ASSERT_CHANNEL("h", 1, 3, 4); /* 4.5 goes to 4 */
}

static void interpolation_stays_between_its_elements(void **state) {
  (void)state;
  analyse("input %i : " PLAIN(
      "[1, 1, 2, 2]") "\n%x = clamp(%i) { min = 4, max = 9 }\n%zero = clamp(%i) { min = 0, max = 0 }\n"
                      "%l = resize_linear(%x) { size = [1, 1, 5, 5] } : " PLAIN(
                          "[1, 1, 5, 5]") "\n"
                                          "%c = resize_cubic(%x) { size = [1, 1, 5, 5] } : " PLAIN(
                                              "[1, 1, 5, 5]") "\n"
                                                              "%z = resize_cubic(%zero) { size = [1, 1, 5, "
                                                              "5] } : u8<scale=3, zero=8>[1, 1, 5, "
                                                              "5]\noutput %l, %c, %z");
  ASSERT_ALL("l", 4, 9);
  ASSERT_ALL("c", 0, 255);
  ASSERT_ALL("z", 8, 8);
}

/* 2^24 + 1 is the first integer that is no float32. */
static void sums_as_floats(void **state) {
  (void)state;
  static const char *const text = "input %%i : " PLAIN(
      "[1, 1]") "\n%%x = clamp(%%i) { min = 0, max = 1 }\n"
                "const @w : s8<scale=1, zero=0>[1, 1] = [[1]]\nconst @b : s32[1] = [%d]\n"
                "%%y = linear(%%x, @w, @b) : " PLAIN("[1, 1]") "\noutput %%y";
  static const struct {
    int bias, bits;
    bool exact;
  } cases[] = {
      {(1 << 24) - 1, 26, true}, {1 << 24, 26, false}, {126, 8, true},         {127, 9, true},
      {-128, 8, true},           {-129, 9, true},      {-(1 << 24), 25, true}, {-(1 << 24) - 1, 26, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    SumFacts f;
    analyse(arena_printf(arena, text, cases[i].bias));
    assert_true(sum_facts(ranges, graph->last, &f));
    assert_int_equal(f.bits, cases[i].bits);
    assert_int_equal(f.exact_f32, cases[i].exact);
  }
}

static void products_of_16_bits(void **state) {
  (void)state;
  static const char *const text =
      "input %%i : u8<scale=1, zero=%d>[1, 4, 1, 1]\n%%x = clamp(%%i) { min = 0, max = %d }\n"
      "const @w : s8<scale=1, zero=0>[2, 4, 1, 1] = [[[[127]], [[127]], [[-128]], [[0]]], "
      "[[[127]], [[-128]], [[1]], [[-1]]]]\n"
      "%%y = conv2d(%%x, @w) { pad = [%d, 0, 0, 0] } : " PLAIN("[1, 2, %d, 1]") "\noutput %%y";
  static const struct {
    int zero, most, pad, safe_pairs, safe_quads;
  } cases[] = {{0, 255, 0, 3, 0}, {0, 129, 0, 4, 2}, {200, 129, 0, 4, 2}, {200, 129, 1, 3, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ProductFacts f;
    analyse(arena_printf(arena, text, cases[i].zero, cases[i].most, cases[i].pad, 1 + cases[i].pad));
    assert_true(product_facts(ranges, graph->last, &f));
    assert_int_equal(f.pairs, 4);
    assert_int_equal(f.quads, 2);
    assert_int_equal(f.safe_pairs, cases[i].safe_pairs);
    assert_int_equal(f.safe_quads, cases[i].safe_quads);
    assert_false(product_facts(ranges, graph->first, &f));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(types_are_the_start),
      cmocka_unit_test(signs_of_weights_choose_the_ends),
      cmocka_unit_test(padding_is_the_zero_point),
      cmocka_unit_test(transposed_convolutions_miss_taps),
      cmocka_unit_test(groups_and_zero_points),
      cmocka_unit_test(matrix_products),
      cmocka_unit_test(arithmetic),
      cmocka_unit_test(operands_broadcast),
      cmocka_unit_test(tables_map_intervals),
      cmocka_unit_test(pools),
      cmocka_unit_test(moved_channels),
      cmocka_unit_test(interpolation_stays_between_its_elements),
      cmocka_unit_test(sums_as_floats),
      cmocka_unit_test(products_of_16_bits),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
