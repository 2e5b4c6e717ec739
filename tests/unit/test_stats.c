/* Files of calibration statistics: what is printed reads back to the same, what is wrong is refused at its
 * place, and any bytes at all do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "passes/stats.h"
#include "tests/unit/arena_test.h"

static const char model[] = "model m {\n"
                            "  input %x : f32[1, 2]\n"
                            "  const @w : f32[2, 2] = [[1, 2], [3, 4]]\n"
                            "  %\"a b\" = linear(%x, @w)\n"
                            "  %c = linear(%\"a b\", @w)\n"
                            "  %d = linear(%c, @w)\n"
                            "  output %d\n"
                            "}\n";

/* A plan whose observers have seen nothing, or `samples` samples of what depends on `seed`. */
static Plan *plan(const char *observer, int samples, unsigned seed) {
  Diag d;
  diag_init(&d, arena, stderr);
  Graph *g = ir_parse(&d, arena, source_from_text(arena, "m.ir", model, sizeof model - 1), NULL);
  assert_non_null(g);
  const QConfigSet *set = qconfig_with_observer(&d, arena, qconfig_preset(arena, "minmax"), observer, NULL);
  assert_non_null(set);
  Plan *p;
  assert_true(plan_make(&d, arena, g, set, false, &p));
  for (int i = 0; i < p->n_groups; i++) {
    PlanGroup *group = p->groups[i];
    if (!plan_group_observes(group)) continue;
    const Observer *o = group->spec.observer;
    group->state = arena_alloc(arena, o->state_size);
    o->init(group->state, arena, &group->spec, 1);
    for (int k = 0; k < samples; k++) {
      float x[20];
      for (int e = 0; e < 20; e++)
        x[e] = (float)(int)((seed = seed * 1664525u + 1013904223u) >> 8) / 1e7f - 0.6f;
      o->observe(group->state, x, 1, 20);
    }
  }
  return p;
}

static const char *printed(const Plan *p) {
  StrBuf b;
  strbuf_init(&b, arena);
  stats_print(&b, p);
  return b.text;
}

static bool read_into(Plan *p, const char *text, size_t len, char **messages) {
  Diag d;
  size_t size;
  FILE *out = open_memstream(messages, &size);
  diag_init(&d, arena, out);
  bool ok = stats_read(&d, arena, source_from_text(arena, "s.calib", text, len), p);
  fclose(out);
  assert_int_equal(ok, d.errors == 0); /* never refused without a word */
  return ok;
}

static const char *const observers[] = {"minmax",
                                        "moving_average=0.3",
                                        "histogram,bins=9",
                                        "recording",
                                        "max",
                                        "percentile,num_bins=7",
                                        "entropy,num_bins=6",
                                        "mse,num_bins=5,torch_hist=false,skip_zeros=true"};
enum { N_OBSERVERS = sizeof observers / sizeof *observers };

static void prints_read_back_equal(void **state) {
  (void)state;
  for (int i = 0; i < N_OBSERVERS; i++)
    for (int samples = 0; samples < 4; samples++) {
      char *messages;
      const char *text = printed(plan(observers[i], samples, 7));
      Plan *back = plan(observers[i], 0, 0);
      if (!read_into(back, text, strlen(text), &messages)) fail_msg("%s\n%s", messages, text);
      assert_string_equal(printed(back), text);
      free(messages);
    }
}

/* What follows a file is as if it followed its samples. */
static void observing_goes_on_after_reading(void **state) {
  (void)state;
  for (int i = 0; i < N_OBSERVERS; i++) {
    char *messages;
    Plan *row = plan(observers[i], 2, 7), *back = plan(observers[i], 0, 0);
    const char *text = printed(row);
    assert_true(read_into(back, text, strlen(text), &messages));
    free(messages);
    for (int g = 0; g < row->n_groups; g++)
      for (float top = 1; top < 100; top *= 3) {
        const float x[] = {top, -0.5f * top, 0.25f};
        const Observer *o = row->groups[g]->spec.observer;
        if (!plan_group_observes(row->groups[g])) continue;
        o->observe(row->groups[g]->state, x, 1, 3);
        o->observe(back->groups[g]->state, x, 1, 3);
      }
    assert_string_equal(printed(back), printed(row));
  }
}

static void several_files_merge(void **state) {
  (void)state;
  char *messages;
  Plan *sum = plan("minmax", 2, 7), *other = plan("minmax", 3, 99);
  const char *text = printed(other);
  assert_true(read_into(sum, text, strlen(text), &messages));
  free(messages);
  assert_non_null(strstr(printed(sum), "samples = 5"));
  for (int i = 0; i < N_OBSERVERS; i++) { /* with none, and none with some */
    Plan *some = plan(observers[i], 2, 7), *none = plan(observers[i], 0, 0);
    const char *of_some = printed(some), *of_none = printed(none);
    assert_true(read_into(some, of_none, strlen(of_none), &messages));
    free(messages);
    assert_true(read_into(none, of_some, strlen(of_some), &messages));
    free(messages);
    assert_string_equal(printed(some), of_some);
    assert_string_equal(printed(none), of_some);
  }
}

/* percentile, entropy and mse gather the same histograms. */
static void searches_share_statistics(void **state) {
  (void)state;
  char *messages;
  const char *text = printed(plan("entropy,num_bins=50", 3, 7));
  assert_true(read_into(plan("percentile=99,num_bins=50", 0, 0), text, strlen(text), &messages));
  free(messages);
  assert_true(read_into(plan("mse,num_bins=50,stride=4", 0, 0), text, strlen(text), &messages));
  free(messages);
  assert_false(read_into(plan("mse,num_bins=51", 0, 0), text, strlen(text), &messages));
  assert_non_null(strstr(messages, "gathered with num_bins = 50, this run wants 51"));
  free(messages);
}

static void refused(const char *observer, const char *text, const char *message, const char *line) {
  char *messages;
  if (read_into(plan(observer, 0, 0), text, strlen(text), &messages)) fail_msg("accepted: %s", text);
  if (!strstr(messages, message)) fail_msg("no '%s' in:\n%s", message, messages);
  if (line && !strstr(messages, line)) fail_msg("not at %s:\n%s", line, messages);
  free(messages);
}

#define ENTRY(name, body) "  %" name " : minmax {\n" body "  }\n"
#define GOOD(name)        ENTRY(name, "    samples = 1\n    min = 0\n    max = 1\n")
#define REST              GOOD("\"a b\"") GOOD("c") GOOD("d") "}\n"
#define FILE_OF(entries)  "calibration 1 {\n" entries REST
/* the file whose first entry has this body; its lines begin with 3 */
#define BODY(body) FILE_OF(ENTRY("x", body))

static void mistakes_are_shown_at_their_lines(void **state) {
  (void)state;
  static const struct {
    const char *text, *message, *line;
  } cases[] = {
      {"", "expected `calibration 1 {`, found the end of the file", "s.calib:1"},
      {"model m {}", "expected `calibration 1 {`, found 'model'", "s.calib:1:1"},
      {"calibration 2 {}", "the version of the format must be 1", "s.calib:1:13"},
      {"calibration 1\n", "expected '{' before the statistics", NULL},
      {"calibration 1 {\n", "expected '}' at the end of the statistics", NULL},
      {"calibration 1 {\n}\n", "s.calib: error: has no statistics of the tensor 'a b'", NULL},
      {FILE_OF(GOOD("x")) "more", "expected nothing after the statistics", "s.calib:23:1"},
      {FILE_OF(GOOD("x") GOOD("x")), "the statistics of 'x' stand here twice", "s.calib:7:3"},
      {FILE_OF(GOOD("x") GOOD("y")), "this run observes no tensor 'y'", "s.calib:7:3"},
      {FILE_OF("  x\n"), "expected a tensor's %name, found 'x'", "s.calib:2:3"},
      {FILE_OF("  %x { }\n"), "expected ':' and an observer", "s.calib:2:6"},
      {FILE_OF("  %x : 3\n"), "expected the name of an observer", "s.calib:2:8"},
      {FILE_OF("  %x : maxmin { }\n"), "there is no observer 'maxmin'", "s.calib:2:8"},
      {FILE_OF("  %x : histogram { }\n"), "'x' was observed by histogram, this run wants minmax",
       "s.calib:2:8"},
      {FILE_OF("  %x : minmax(bins = 3) { }\n"), "minmax has no parameter 'bins'", "s.calib:2:15"},
      {FILE_OF("  %x : minmax() { }\n"), "expected the name of a parameter", "s.calib:2:15"},
      {BODY(""), "the statistic 'samples' is missing", "s.calib:2:3"},
      {BODY("samples = 1\n"), "the statistic 'min' is missing", "s.calib:2:3"},
      {BODY("samples = 1 min = 0 max = 1 mid = 2\n"),
       "minmax has no statistic 'mid'; it has samples, min, max", "s.calib:3:29"},
      {BODY("samples = 1 min = 0 min = 1\n"), "'min' stands here twice", "s.calib:3:21"},
      {BODY("samples = 0 min = 0\n"), "without samples there is no 'min'", "s.calib:3:13"},
      {BODY("samples = -1\n"), "the number of samples must be within", "s.calib:3:11"},
      {BODY("samples = 1.5\n"), "expected the number of samples", "s.calib:3:11"},
      {BODY("samples = 1\nmin = 2\nmax = 1\n"), "min is greater than max", "s.calib:2:3"},
      {BODY("samples = 1\nmin = x\nmax = 1\n"), "expected a number, found 'x'", "s.calib:4:7"},
      {BODY("samples = 1\nmin = nan\nmax = 1\n"), "statistics are finite numbers", "s.calib:4:7"},
      {BODY("samples = 1\nmin = 0\nmax = inf\n"), "statistics are finite numbers", "s.calib:5:7"},
      {BODY("samples = 1\nmin = 0\nmax = 1e39\n"), "the number is out of the range of f32", "s.calib:5:7"},
      {BODY("samples = 1\nmin = 0..1\nmax = 1\n"), "malformed number", "s.calib:4:7"},
      {BODY("samples 1\n"), "expected '=' and a value", "s.calib:3:9"},
      {BODY("samples = [1]\n"), "expected the number of samples", "s.calib:3:11"},
      {BODY("3\n"), "expected the name of a statistic", "s.calib:3:1"},
      {BODY("samples = ~\n"), "this character has no meaning", "s.calib:3:11"},
      {"calibration 1 {\n  %x : minmax {\n samples = 3\n", "expected '}' at the end of the statistics", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    refused("minmax", cases[i].text, cases[i].message, cases[i].line);
  char *messages; /* two mistakes, two messages */
  const char two[] = FILE_OF(ENTRY("x", "samples = -1\n") GOOD("y"));
  assert_false(read_into(plan("minmax", 0, 0), two, strlen(two), &messages));
  assert_non_null(strstr(messages, "s.calib:3:11"));
  assert_non_null(strstr(messages, "s.calib:5:3"));
  free(messages);
}

#undef REST
#define REST ""
#define HEAD "calibration 1 {\n  %x : "

static void histograms_are_checked(void **state) {
  (void)state;
  static const struct {
    const char *observer, *text, *message;
  } cases[] = {
      {"histogram,bins=2", HEAD "histogram { }", "the parameter 'bins' of histogram is missing"},
      {"histogram,bins=2", HEAD "histogram(bins = 2, bins = 2) { }", "'bins' stands here twice"},
      {"histogram,bins=2", HEAD "histogram(bins = 0) { }", "the bins of histogram is an integer from"},
      {"histogram,bins=2", HEAD "histogram(bins = 2, upsample_rate = 128, range = long) { }",
       "the range of histogram is one of float, int"},
      {"histogram,bins=2", HEAD "histogram(bins = 2, upsample_rate = 128, range = int) { }",
       "gathered with range = int, this run wants float"},
      {"histogram,bins=2", HEAD "histogram(bins 2) { }", "expected '=' and the parameter's value"},
      {"histogram,bins=2", HEAD "histogram(bins = [2]) { }", "expected a value"},
      {"histogram,bins=2", HEAD "histogram(bins = 2 upsample_rate = 128) { }",
       "expected ')' after the parameters"},
      {"histogram,bins=2", HEAD "histogram(bins = 2, upsample_rate = 128, range = float) { histogram = 1 }",
       "expected '[' before the list"},
      {"histogram,bins=2",
       HEAD "histogram(bins = 2, upsample_rate = 128, range = float) { histogram = [1 2] }",
       "expected ',' between the numbers"},
      {"histogram,bins=2",
       HEAD "histogram(bins = 2, upsample_rate = 128, range = float) { samples = 1 min = 0 max = 1 histogram "
            "= [1] }",
       "does not have as many numbers as there are bins"},
      {"histogram,bins=2",
       HEAD "histogram(bins = 2, upsample_rate = 128, range = float) { samples = 1 min = 2 max = 1 histogram "
            "= [1, 1] }",
       "min is greater than max"},
      {"moving_average",
       HEAD "moving_average(averaging_constant = 0.01) { samples = 1 min = 0 max = 1 first_min = 2 first_max "
            "= 1 }",
       "first_min is greater than first_max"},
#define MSE                                                                                                  \
  HEAD "mse(num_bins = 2, skip_zeros = false, torch_hist = true) { samples = 1 min = 0 max = 1 histogram = "
      {"mse,num_bins=2", MSE "[1, 2] edges = [0, 1, 2, 3, 4] }", "edges must have one number more"},
      {"mse,num_bins=2", MSE "[1] edges = [0, 1] }", "edges must have one number more"},
      {"mse,num_bins=2", MSE "[1, -2] edges = [0, 1, 2] }", "the histogram holds a negative count"},
      {"mse,num_bins=2", MSE "[1, 2] edges = [0, 2, 1] }", "edges must not decrease"},
      {"mse,num_bins=2", MSE "[1, 2] edges = [0, 1, 1e400] }", "statistics are finite numbers"},
      {"mse,num_bins=2", MSE "[1, 2] edges = [0, 1, x] }", "expected a number"},
      {"mse,num_bins=2",
       HEAD "mse(num_bins = 2, skip_zeros = false, torch_hist = true) { samples = 1 min = 3 max = 1 "
            "histogram = [] "
            "edges = [] }",
       "min is greater than max"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    refused(cases[i].observer, cases[i].text, cases[i].message, "s.calib:2:");
}

static void binary_files_are_told(void **state) {
  (void)state;
  char *messages;
  assert_false(read_into(plan("minmax", 0, 0), "PK\3\4\0\0", 6, &messages));
  assert_non_null(strstr(messages, "is no text"));
  free(messages);
}

/* Edited at random: whatever is accepted prints and reads back, and gives ranges. */
static void any_bytes_do_no_harm(void **state) {
  (void)state;
  static const char alphabet[] = "{}()[]=:,%\"\n 0123456789.-e+infabcsmxzt\x80";
  unsigned r = 1;
  int accepted = 0;
  for (int round = 0; round < 4000; round++) {
    if (round % 500 == 0) {
      teardown(NULL);
      setup(NULL);
    }
    const char *observer = observers[round % N_OBSERVERS],
               *text = printed(plan(observer, 2, (unsigned)round));
    size_t len = strlen(text);
    char *copy = arena_strndup(arena, text, len), *messages;
    for (unsigned edits = 1 + round % 3; edits; edits--) {
      r = r * 1664525u + 1013904223u;
      copy[(r >> 8) % len] = alphabet[(r >> 4) % (sizeof alphabet - 1)];
    }
    if (round % 7 == 0) len = (r >> 9) % len;
    Plan *p = plan(observer, 1, 3);
    bool ok = read_into(p, copy, len, &messages);
    free(messages);
    if (!ok) continue;
    accepted++;
    const char *again = printed(p);
    if (!read_into(plan(observer, 0, 0), again, strlen(again), &messages)) fail_msg("%s", messages);
    free(messages);
    for (int i = 0; i < p->n_groups; i++) {
      float lo, hi;
      if (!plan_group_observes(p->groups[i])) continue;
      assert_true(p->groups[i]->spec.observer->finish(p->groups[i]->state, &lo, &hi));
      assert_true(lo <= hi);
    }
  }
  assert_true(accepted > 300);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prints_read_back_equal),
      cmocka_unit_test(observing_goes_on_after_reading),
      cmocka_unit_test(several_files_merge),
      cmocka_unit_test(searches_share_statistics),
      cmocka_unit_test(mistakes_are_shown_at_their_lines),
      cmocka_unit_test(histograms_are_checked),
      cmocka_unit_test(binary_files_are_told),
      cmocka_unit_test(any_bytes_do_no_harm),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
