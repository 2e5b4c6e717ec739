/* The plan of quantization: what becomes integer under a configuration, which tensors share parameters, whose
 * values the observers see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ir/text.h"
#include "passes/plan.h"

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

static Graph *parse(const char *body) {
  const char *text = arena_printf(arena, "model m {\n%s}\n", body);
  Graph *g = ir_parse(&silent, arena, source_from_text(arena, "m.ir", text, strlen(text)), NULL);
  assert_non_null(g);
  return g;
}

static QConfig q8(DType activation) {
  QConfig c = {.activation.quant = qspec_of(activation, false), .weight.quant = qspec_of(DT_S8, false)};
  assert_true(observer_parse(&silent, "minmax", NULL, &c.activation));
  assert_true(observer_parse(&silent, "minmax", NULL, &c.weight));
  return c;
}

static QConfig in_mode(QMode mode) {
  QConfig c = q8(DT_U8);
  c.mode = mode;
  return c;
}

static Plan *plan_with(const Graph *g, const QRule *rules, int n_rules, bool torch_sharing) {
  QConfigSet *set = ARENA_NEW(arena, QConfigSet);
  *set = (QConfigSet){"test", rules, n_rules, torch_sharing};
  Plan *p;
  assert_true(plan_make(&silent, arena, g, set, false, &p));
  return p;
}

static Plan *plan(const Graph *g, bool torch_sharing) {
  QRule *rule = ARENA_NEW(arena, QRule);
  rule->config = q8(DT_U8);
  return plan_with(g, rule, 1, torch_sharing);
}

/* "a: x y(z)": groups by name, the tensors that have them; in brackets those that only their observer sees.
 */
static char *groups_text(const Plan *p) {
  StrBuf s;
  strbuf_init(&s, arena);
  for (int i = 0; i < p->n_groups; i++) {
    const PlanGroup *g = p->groups[i];
    strbuf_printf(&s, "%s%s:", i ? "; " : "", g->name);
    for (int k = 0; k < p->graph->n_inputs + p->graph->n_nodes; k++) {
      const Node *n = p->graph->first;
      for (int skip = p->graph->n_inputs; n && skip < k; skip++) n = n->next;
      const Tensor *t = k < p->graph->n_inputs ? p->graph->inputs[k] : n->results[0];
      const TensorPlan *plan = plan_of(p, t);
      bool has = plan && plan->group == g, seen = plan && plan->observer == g;
      if (has || seen) strbuf_printf(&s, has && seen ? " %s" : has ? " -%s" : " (%s)", t->name);
    }
  }
  return s.text;
}

static Plan *plan_of_float_results(const Graph *g, bool quantized_outputs) {
  QRule *rule = ARENA_NEW(arena, QRule);
  rule->config = q8(DT_U8);
  QConfigSet *set = ARENA_NEW(arena, QConfigSet);
  *set = (QConfigSet){.name = "test", .rules = rule, .n_rules = 1, .float_results = true};
  Plan *p;
  assert_true(plan_make(&silent, arena, g, set, quantized_outputs, &p));
  return p;
}

static const char unet[] =
    "  input %x : f32[1, 2, 4, 4]\n"
    "  const @w : f32[2, 2, 1, 1] = [[[[1]], [[2]]], [[[3]], [[4]]]]\n"
    "  const @w2 : f32[2, 4, 1, 1] = [[[[1]], [[2]], [[3]], [[4]]], [[[1]], [[2]], [[3]], "
    "[[4]]]]\n"
    "  %e = conv2d(%x, @w)\n"
    "  %p = max_pool2d(%e) { kernel = [2, 2], stride = [2, 2] }\n"
    "  %a = avg_pool2d(%p) { kernel = [1, 1] }\n"
    "  %f = conv2d(%x, @w)\n"
    "  %c = concat(%f, %e) { axis = 1 }\n"
    "  %d = conv2d(%c, @w2)\n"
    "  %r = clip(%d) { min = 0, max = 6 }\n"
    "  output %r, %a\n";

static void ours_shares_what_is_moved(void **state) {
  (void)state;
  assert_string_equal(groups_text(plan(parse(unet), false)), "x: x; e: e -p f -c; a: a; d: d; r: r");
}

/* The concat puts f's observer in the place of e's, which the max pool keeps without effect. */
static void torch_replaces_observers(void **state) {
  (void)state;
  assert_string_equal(groups_text(plan(parse(unet), true)), "x: x; f: e -p -a f c; d: d r");
}

/* The values of a moved tensor are seen by its own observer, and it has its operand's parameters. */
static void torch_rescales_where_observers_part(void **state) {
  (void)state;
  const Graph *g = parse("  input %x : f32[1, 4]\n"
                         "  const @w : f32[4, 4] = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]\n"
                         "  %a = linear(%x, @w)\n"
                         "  %b = linear(%x, @w)\n"
                         "  %m = reshape(%b) { shape = [1, 4] }\n"
                         "  %c = concat(%a, %m) { axis = 1 }\n"
                         "  output %c\n");
  assert_string_equal(groups_text(plan(g, true)), "x: x; a: a (m) c; b: b -m");
}

/* What brings an operator of one dimension onto an image is no op there: nothing is seen twice, and a
 * concat's observer reaches what is behind it. */
static void torch_has_no_views(void **state) {
  (void)state;
  const Graph *g = parse("  input %x : f32[1, 2, 4]\n"
                         "  const @w : f32[2, 2, 1, 1] = [[[[1]], [[2]]], [[[3]], [[4]]]]\n"
                         "  %i = reshape(%x) { shape = [1, 2, 1, 4] } from \"conv\"\n"
                         "  %a = conv2d(%i, @w) from \"conv\"\n"
                         "  %b = reshape(%a) { shape = [1, 2, 4] } from \"conv\"\n"
                         "  %f = reshape(%b) { shape = [1, 8] } from \"flatten\"\n"
                         "  %c = concat(%x, %b) { axis = 1 }\n"
                         "  output %f, %c\n");
  assert_string_equal(groups_text(plan(g, true)), "x: x -i a -b -f c");
}

static void torch_scales_scales(void **state) {
  (void)state;
  const Graph *g = parse("  input %x : f32[1, 2]\n"
                         "  const @w : f32[2, 2] = [[1, 0], [0, 1]]\n"
                         "  const @k : f32[] = 0.25\n"
                         "  %a = linear(%x, @w)\n"
                         "  %m = mul(%a, @k)\n"
                         "  output %m\n");
  const Plan *p = plan(g, true);
  assert_string_equal(groups_text(p), "x: x; a: a (m); m: -m");
  assert_ptr_equal(p->groups[2]->of, p->groups[1]);
  assert_true(p->groups[2]->factor == 0.25f);
  assert_false(plan_group_observes(p->groups[2]));
  assert_string_equal(groups_text(plan(g, false)), "x: x; a: a; m: m");
}

static void functions_of_one_tensor(void **state) {
  (void)state;
  const Graph *g = parse("  input %x : f32[1, 2]\n"
                         "  const @w : f32[2, 2] = [[1, 0], [0, 1]]\n"
                         "  %a = linear(%x, @w)\n"
                         "  %s = sigmoid(%a)\n"
                         "  %m = mul(%a, %s)\n"
                         "  output %m\n");
  const Plan *p = plan(g, false);
  assert_string_equal(groups_text(p), "x: x; a: a; m: m");
  const TensorPlan *m = plan_of(p, graph_find(g, "m"));
  assert_int_equal(m->kind, PLAN_TABLE);
  assert_string_equal(m->source, "a");
  assert_int_equal(plan_of(p, graph_find(g, "s"))->kind, PLAN_STEP);
  /* a step in float leaves no table, and then two ops */
  const QRule rules[] = {{.config = q8(DT_U8)}, {QRULE_OP, "sigmoid", in_mode(QMODE_FLOAT), {0}}};
  p = plan_with(g, rules, 2, false);
  assert_string_equal(groups_text(p), "x: x; a: a; s: s; m: m");
  assert_int_equal(plan_of(p, graph_find(g, "m"))->kind, PLAN_INTEGER);
  assert_int_equal(plan_of(p, graph_find(g, "s"))->kind, PLAN_FLOAT);
}

static const char chain[] = "  input %x : f32[1, 2]\n"
                            "  const @w : f32[2, 2] = [[1, 0], [0, 1]]\n"
                            "  %a = linear(%x, @w)\n"
                            "  %b = linear(%a, @w)\n"
                            "  %c = linear(%b, @w)\n"
                            "  %d = sigmoid(%c)\n"
                            "  output %d\n";

/* What a float node makes is quantized as the first integer op that reads it says. */
static void specs_per_node(void **state) {
  (void)state;
  const Graph *g = parse(chain);
  const QRule rules[] = {
      {.config = q8(DT_U8)}, {QRULE_NAME, "a", in_mode(QMODE_FLOAT), {0}}, {QRULE_NAME, "b", q8(DT_S8), {0}}};
  const Plan *p = plan_with(g, rules, 3, false);
  assert_string_equal(groups_text(p), "a: a; b: b; c: c; d: d");
  assert_int_equal(p->groups[0]->spec.quant.dtype, DT_S8);
  assert_int_equal(p->groups[1]->spec.quant.dtype, DT_S8);
  assert_int_equal(p->groups[2]->spec.quant.dtype, DT_U8);
  assert_ptr_equal(p->groups[3]->fixed, op_info[OP_sigmoid]);
  assert_ptr_equal(plan_of(p, graph_find(g, "a"))->reason, plan_as_configured);
}

static void other_modes_need_no_data(void **state) {
  (void)state;
  static const QMode modes[] = {QMODE_FLOAT, QMODE_DYNAMIC, QMODE_WEIGHTS};
  for (int i = 0; i < 3; i++) {
    const QRule rule = {.config = in_mode(modes[i])};
    const Plan *p = plan_with(parse(chain), &rule, 1, false);
    assert_int_equal(p->n_groups, 0);
    assert_false(plan_needs_data(p));
  }
  assert_true(plan_needs_data(plan(parse(chain), false)));
}

/* Fixed parameters hold as long as nothing else is in the group. */
static void fixed_parameters(void **state) {
  (void)state;
  const char *text = "  input %x : f32[1, 2]\n"
                     "  %a = sigmoid(%x)\n"
                     "  %b = %s(%x)\n"
                     "  %c = concat(%a, %b) { axis = 1 }\n"
                     "  output %c\n";
  for (int i = 0; i < 2; i++) {
    StrBuf s;
    strbuf_init(&s, arena);
    for (const char *c = text; *c; c++) {
      if (c[0] == '%' && c[1] == 's') {
        strbuf_puts(&s, i ? "sigmoid" : "exp");
        c++;
      } else {
        strbuf_put(&s, c, 1);
      }
    }
    const Plan *p = plan(parse(s.text), false);
    assert_string_equal(groups_text(p), "x: x; a: a b -c");
    assert_int_equal(p->groups[1]->fixed != NULL, i);
  }
}

/* Constants that are concatenated or filled in, but not what only fills for a maximum. */
static void constants_among_the_values(void **state) {
  (void)state;
  const Graph *g = parse("  input %x : f32[1, 2]\n"
                         "  const @k : f32[1, 2] = [[-3, 2]]\n"
                         "  const @w : f32[1, 3] = [[1, 1, 1]]\n"
                         "  %e = exp(%x)\n"
                         "  %c = concat(%e, @k) { axis = 1 }\n"
                         "  %p = pad(%c) { pads = [0, 1, 0, 0], value = 9 }\n"
                         "  %q = pad(%x) { pads = [0, 1, 0, 0], value = -inf }\n"
                         "  %r = linear(%q, @w)\n"
                         "  output %p, %r\n");
  const Plan *p = plan(g, false);
  assert_string_equal(groups_text(p), "x: x -q; e: e -c -p; r: r");
  assert_false(p->groups[0]->has_fill);
  assert_true(p->groups[1]->has_fill && p->groups[1]->fill_lo == -3 && p->groups[1]->fill_hi == 9);
}

/* A letter for each node: I integer, R integer with a float result, T table, F table of float32, s step, -
 * float. */
static char *kinds_text(const Plan *p) {
  StrBuf s;
  strbuf_init(&s, arena);
  for (const Node *n = p->graph->first; n; n = n->next) {
    const TensorPlan *t = plan_of(p, n->results[0]);
    const char *kind = t->kind == PLAN_INTEGER ? (t->float_result ? "R" : "I")
                       : t->kind == PLAN_TABLE ? (t->float_result ? "F" : "T")
                       : t->kind == PLAN_STEP  ? "s"
                                               : "-";
    strbuf_printf(&s, "%s%s:%s", n->prev ? " " : "", n->results[0]->name, kind);
  }
  return s.text;
}

/* What no integer op reads needs no scale; what moves it, sums it or is a function of it works in float. */
static void results_that_stay_float(void **state) {
  (void)state;
  const Graph *g = parse("  input %x : f32[1, 2]\n"
                         "  const @w : f32[2, 2] = [[1, 0], [0, 1]]\n"
                         "  const @k : f32[] = 2\n"
                         "  %a = linear(%x, @w)\n"
                         "  %b = linear(%a, @w)\n" /* read by c, and by the table t */
                         "  %t = sigmoid(%b)\n"    /* an output */
                         "  %c = linear(%b, @w)\n" /* read by what works in float */
                         "  %m = reshape(%c) { shape = [2, 1] }\n"
                         "  %s = silu(%m)\n"
                         "  %r = reshape(%b) { shape = [2, 1] }\n" /* of integers */
                         "  %d = add(%r, %m)\n"
                         "  %e = mul(%b, @k)\n"
                         "  %f = linear(%e, @w)\n"
                         "  output %t, %s, %d, %f\n");
  const Plan *p = plan_of_float_results(g, false);
  assert_string_equal(kinds_text(p), "a:I b:I t:F c:R m:- s:- r:I d:- e:T f:R");
  assert_string_equal(groups_text(p), "x: x; a: a; b: b -r; e: e");
  p = plan_of_float_results(g, true);
  assert_string_equal(kinds_text(p), "a:I b:I t:I c:I m:I s:I r:I d:I e:T f:I");
  assert_string_equal(kinds_text(plan(g, false)), "a:I b:I t:I c:I m:I s:I r:I d:I e:T f:I");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ours_shares_what_is_moved),
      cmocka_unit_test(torch_replaces_observers),
      cmocka_unit_test(torch_rescales_where_observers_part),
      cmocka_unit_test(torch_has_no_views),
      cmocka_unit_test(torch_scales_scales),
      cmocka_unit_test(functions_of_one_tensor),
      cmocka_unit_test(specs_per_node),
      cmocka_unit_test(other_modes_need_no_data),
      cmocka_unit_test(fixed_parameters),
      cmocka_unit_test(constants_among_the_values),
      cmocka_unit_test(results_that_stay_float),
  };
  return cmocka_run_group_tests_name("plan", tests, setup, teardown);
}
