/* Patterns: what they say, what they fit, what is wrong with them; and graphs that become what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ir/text.h"
#include "passes/match.h"
#include "passes/rewrite.h"
#include "passes/snapshot.h"

static Arena *arena;
static Graph *graph;

static const char text[] = "model m {\n"
                           "  input %x : f32[1, 4]\n"
                           "  input %z : f32[1, 4]\n"
                           "  const @w : f32[1, 4] = [[1, 2, 3, 4]]\n"
                           "  %half = mul(%x, 0.5)\n"
                           "  %third = mul(0.33333334, %z)\n"
                           "  %sum = add(%half, %third)\n"
                           "  %square = mul(%sum, %sum)\n"
                           "  %scaled = mul(@w, %square)\n"
                           "  %clamped = add(%scaled, %x) { act_min = 0 }\n"
                           "  %soft = softmax(%clamped) { axis = 1 }\n"
                           "  %joined = concat(%soft, %x, %z) { axis = 1 }\n"
                           "  %turned = transpose(%joined) { perm = [1, 0] }\n"
                           "  output %turned\n"
                           "}\n";

static int setup(void **state) {
  (void)state;
  Diag d;
  arena = arena_new();
  diag_init(&d, arena, stderr);
  graph = ir_parse(&d, arena, source_from_text(arena, "m.ir", text, sizeof text - 1), NULL);
  assert_non_null(graph);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

/* Whether the pattern fits the tensor; where it has a name `x`, what that is. */
static const char *found_in(const char *tensor, const char *pattern) {
  Tensor *found[PATTERN_NAMES];
  const Pattern *p = pattern_of(arena, pattern);
  MatchResult r = pattern_match(p, graph_find(graph, tensor), found);
  assert_int_not_equal(r, MATCH_TOO_LONG);
  if (r == MATCH_NO) return "no";
  for (int i = 0; i < pattern_names(p); i++)
    if (!strcmp(pattern_name(p, i), "x")) return found[i] ? found[i]->name : "none";
  return "yes";
}

static void finds(const char *tensor, const char *pattern, const char *expected) {
  const char *got = found_in(tensor, pattern);
  if (strcmp(got, expected)) fail_msg("%s at %s: %s, not %s", pattern, tensor, got, expected);
}

static void what_patterns_fit(void **state) {
  (void)state;
  finds("x", "%x", "x");
  finds("x", "_", "yes");
  finds("x", "relu(%x)", "no");
  finds("half", "mul(%x, 0.5)", "x");
  finds("half", "mul(0.5, %x)", "x"); /* in either order */
  finds("half", "mul(%x, 0.50001)", "no");
  finds("third", "mul(%x, 0.3333333)", "z");
  finds("half", "mul(@x, 0.5)", "no");
  finds("scaled", "mul(@x, _)", "w");
  finds("scaled", "mul(_, @x)", "w");
  finds("square", "mul(%x, %x)", "sum");
  finds("half", "mul(%x, %x)", "no");
  finds("square", "mul(%x=add(_, _), %x)", "sum");
  finds("sum", "add(mul(%x, 0.5), _)", "x");
  finds("sum", "add(_, mul(%x, 0.5))", "x"); /* the second order of both */
  finds("sum", "(sub(%x, _) | add(%x, %y))", "half");
  finds("sum", "(sub(%x, _) | add(_, %y))", "none"); /* the alternative that has it was not taken */
  finds("soft", "softmax(%x){ axis = 1 }", "clamped");
  finds("soft", "softmax(%x){ axis = 0 }", "no");
  finds("turned", "transpose(%x){ perm = [1, 0] }", "joined");
  finds("turned", "transpose(%x){ perm = [0, 1] }", "no");
  finds("joined", "concat(%x, ...)", "soft");
  finds("joined", "concat(%x)", "no");
  finds("joined", "concat(_, _, %x){ axis = 1 }", "z");
  finds("joined", "concat(...)", "yes");
}

/* A fused clamp is something that a pattern must ask for. */
static void clamps_are_asked_for(void **state) {
  (void)state;
  finds("clamped", "add(%x, _)", "no");
  finds("clamped", "add(%x, _){ act_min = 0 }", "scaled");
  finds("clamped", "add(%x, _){ act_max = inf }", "scaled");
  finds("clamped", "add(%x, _){ act_min = -inf }", "no");
}

/* No choice is final: here the first order of the inner product fits, but not with what is outside. */
static void choices_are_taken_back(void **state) {
  (void)state;
  finds("scaled", "mul(%w, mul(add(%x, %y), add(%x, %y)))", "half");
  finds("sum", "add(mul(%a, %b), mul(%x, (%q=0.5 | %q=0.33333334)))", "z");
  finds("sum", "add(mul(0.33333334, %x), _)", "z");
}

static void wrong(const char *pattern, const char *message) {
  const char *error;
  assert_null(pattern_parse(arena, pattern, &error));
  if (!strstr(error, message)) fail_msg("%s: '%s', not '%s'", pattern, error, message);
}

static void what_is_wrong_with_patterns(void **state) {
  (void)state;
  wrong("", "expected a pattern at character 1");
  wrong("mul(%a", "expected ','");
  wrong("mul(%a, %b) x", "expected the end at character 13, before 'x'");
  wrong("mull(%a, %b)", "there is no operator 'mull'");
  wrong("relu(%a, %b)", "relu takes at most 1 operands");
  wrong("add(%a)", "add takes at least 2 operands");
  wrong("%", "expected a name");
  wrong("relu(%a){ x = 1 }", "relu has no attribute 'x'");
  wrong("softmax(%a){ axis = one }", "this is no value of 'axis'");
  wrong("softmax(%a){ axis 1 }", "expected '='");
  wrong("gelu(%a){ approximate = exp }", "this is no value of 'approximate'");
  wrong("transpose(%a){ perm = [1, x] }", "expected a list of integers");
  wrong("concat(..., %a)", "'...' stands at the end");
  wrong("(relu(%a) | )", "expected a pattern");
  wrong("(relu(%a)", "expected ')'");
  char deep[400] = "";
  for (int i = 0; i < 70; i++) strcat(deep, "(");
  wrong(deep, "nested too deeply");
  StrBuf many;
  strbuf_init(&many, arena);
  strbuf_puts(&many, "concat(");
  for (int i = 0; i < 17; i++) strbuf_printf(&many, "%s_", i ? ", " : "");
  strbuf_puts(&many, ")");
  wrong(many.text, "too many parts");
}

/* An end for patterns that fit in more ways than can be tried. */
static void too_many_ways(void **state) {
  (void)state;
  Tensor *t = graph_find(graph, "x"), *found[PATTERN_NAMES];
  StrBuf p;
  strbuf_init(&p, arena);
  strbuf_puts(&p, "%y");
  for (int i = 0; i < 20; i++) {
    Tensor *operands[2] = {t, t};
    Node *n = graph_node1(graph, OP_add, operands, 2, NULL, (SrcLoc){0}, NULL);
    Diag d;
    diag_init(&d, arena, stderr);
    assert_true(node_infer(&d, n));
    t = n->results[0];
  }
  StrBuf whole;
  strbuf_init(&whole, arena);
  for (int i = 0; i < 20; i++) strbuf_puts(&whole, "add(_, ");
  strbuf_puts(&whole, "relu(_)");
  for (int i = 0; i < 20; i++) strbuf_puts(&whole, ")");
  assert_int_equal(pattern_match(pattern_of(arena, whole.text), t, found), MATCH_TOO_LONG);
}

static char *printed(void) {
  StrBuf out;
  strbuf_init(&out, arena);
  ir_print(&out, graph, &(PrintOptions){.inline_limit = 16}, NULL, NULL);
  return out.text;
}

/* Nodes, attributes, uses, names, outputs: all is as it was, and the verifier agrees. */
static void graphs_are_restored(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, stderr);
  char *before = printed();
  Snapshot *s = snapshot_take(arena, graph);
  Tensor *x = graph_find(graph, "x"), *soft = graph_find(graph, "soft");
  Node *turned = graph_find(graph, "turned")->producer;
  node_set_operand(soft->producer, 0, x);
  ATTRS(turned, TransposeAttrs)->perm.v[0] = 0;
  Node *fresh = graph_node1(graph, OP_relu, &x, 1, "half", (SrcLoc){0}, graph->first);
  tensor_replace_uses(turned->results[0], fresh->results[0]);
  tensor_swap_names(graph, fresh->results[0], soft);
  node_remove(turned);
  graph_remove_dead(graph);
  assert_non_null(snapshot_interface(s, arena));
  snapshot_restore(s);
  assert_string_equal(printed(), before);
  assert_true(graph_verify(&d, graph));
  assert_null(snapshot_interface(s, arena));
  assert_ptr_equal(graph_find(graph, "turned")->producer, turned);
  assert_null(graph_find(graph, "half.2"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_patterns_fit),           TEST(clamps_are_asked_for), TEST(choices_are_taken_back),
      TEST(what_is_wrong_with_patterns), TEST(too_many_ways),        TEST(graphs_are_restored),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
