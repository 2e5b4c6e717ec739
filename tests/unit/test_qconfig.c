/* The presets, and which rule a node's configuration comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ir/text.h"
#include "passes/qconfig.h"
#include "tests/unit/arena_test.h"

static char messages[2000];

/* "histogram u8 0..127 eps". */
static const char *text_of(const ObserverSpec *s) {
  const QuantSpec *q = &s->quant;
  return arena_printf(arena, "%s %s %d..%d%s%s%s", s->observer->name, dtype_info[q->dtype].name, q->quant_min,
                      q->quant_max, q->symmetric ? " symmetric" : "", q->per_channel ? " per channel" : "",
                      q->eps == 0x1p-23f ? " eps" : "");
}

static void default_is(const char *preset, QMode mode, const char *activation, const char *weight,
                       bool torch) {
  const QConfigSet *set = qconfig_preset(arena, preset);
  assert_non_null(set);
  assert_string_equal(set->name, preset);
  const QConfig *c = qconfig_default(set);
  assert_int_equal(c->mode, mode);
  assert_string_equal(text_of(&c->activation), activation);
  assert_string_equal(text_of(&c->weight), weight);
  assert_int_equal(set->torch_sharing, torch);
}

/* torch.ao.quantization.get_default_qconfig; pytorch_quantization.tensor_quant.QUANT_DESC_8BIT_... */
static void presets_are_their_originals(void **state) {
  (void)state;
  const char *channels = "per_channel_minmax s8 -128..127 symmetric per channel eps",
             *tensor = "minmax s8 -128..127 symmetric eps";
  const char *narrow = "per_channel_minmax s8 -127..127 symmetric per channel";
  default_is("qcc", QMODE_STATIC, "extremes u8 0..255", narrow, false);
  default_is("minmax", QMODE_STATIC, "minmax u8 0..255", narrow, false);
  default_is("fbgemm", QMODE_STATIC, "histogram u8 0..127 eps", channels, true);
  default_is("x86", QMODE_STATIC, "histogram u8 0..127 eps", channels, true);
  default_is("qnnpack", QMODE_STATIC, "histogram u8 0..255 eps", tensor, true);
  default_is("onednn", QMODE_STATIC, "histogram u8 0..255 eps", channels, true);
  default_is("tensorrt", QMODE_STATIC, "max s8 -127..127 symmetric", "max s8 -127..127 symmetric per channel",
             false);
  default_is("fbgemm_dynamic", QMODE_FLOAT, "histogram u8 0..255 eps", tensor, true);
  default_is("qnnpack_dynamic", QMODE_FLOAT, "histogram u8 0..255 eps", tensor, true);
  default_is("float16_dynamic", QMODE_FLOAT, "histogram u8 0..255 eps", "placeholder f16 0..0 symmetric eps",
             true);
  assert_null(qconfig_preset(arena, "fbgem"));
  assert_null(qconfig_unknown_preset(arena, "fbgemm"));
  assert_string_equal(qconfig_unknown_preset(arena, "fbgem"),
                      "there is no preset 'fbgem'; did you mean 'fbgemm'?");
}

static void presets_name_known_operators(void **state) {
  (void)state;
  int n = 0;
  for (; qconfig_preset_info(n).name; n++) {
    const QConfigSet *set = qconfig_preset(arena, qconfig_preset_info(n).name);
    assert_int_equal(set->rules[0].kind, QRULE_DEFAULT);
    for (int i = 1; i < set->n_rules; i++) {
      assert_int_equal(set->rules[i].kind, QRULE_OP);
      assert_int_not_equal(op_from_name(set->rules[i].match, strlen(set->rules[i].match)), OP_COUNT);
      assert_non_null(set->rules[i].config.activation.observer);
      assert_non_null(set->rules[i].config.weight.observer);
    }
  }
  assert_int_equal(n, 10);
}

static const Graph *graph(void) {
  static const char text[] = "model t {\n"
                             "  input %x : f32[1, 2]\n"
                             "  const @w : f32[2, 2] = [[1, 0], [0, 1]]\n"
                             "  %a = linear(%x, @w)\n"
                             "  %b = linear(%a, @w)\n"
                             "  %s = sigmoid(%b)\n"
                             "  output %s\n"
                             "}\n";
  Diag d;
  diag_init(&d, arena, stderr);
  const Graph *g = ir_parse(&d, arena, source_from_text(arena, "t.ir", text, strlen(text)), NULL);
  assert_non_null(g);
  return g;
}

static const struct Node *node_of(const Graph *g, const char *name) { return graph_find(g, name)->producer; }

static void the_dynamic_presets_quantize_layers(void **state) {
  (void)state;
  const Graph *g = graph();
  static const struct {
    const char *preset;
    QMode mode;
    int quant_max;
  } cases[] = {{"fbgemm_dynamic", QMODE_DYNAMIC, 127}, {"qnnpack_dynamic", QMODE_DYNAMIC, 255}};
  for (int i = 0; i < 2; i++) {
    const QConfigSet *set = qconfig_preset(arena, cases[i].preset);
    const QConfig *c = qconfig_of(set, node_of(g, "a"), NULL);
    assert_int_equal(c->mode, QMODE_DYNAMIC);
    assert_int_equal(c->activation.quant.quant_max, cases[i].quant_max);
    assert_int_equal(qconfig_of(set, node_of(g, "s"), NULL)->mode, QMODE_FLOAT);
  }
  const QConfig *half = qconfig_of(qconfig_preset(arena, "float16_dynamic"), node_of(g, "a"), NULL);
  assert_int_equal(half->mode, QMODE_WEIGHTS);
  assert_int_equal(half->weight.quant.dtype, DT_F16);
}

static void an_observer_of_the_command_line(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, NULL);
  const Graph *g = graph();
  const QConfigSet *set =
      qconfig_with_observer(&d, arena, qconfig_preset(arena, "fbgemm"), "moving_average=0.5", NULL);
  assert_non_null(set);
  assert_string_equal(set->observer, "moving_average=0.5");
  const QConfig *c = qconfig_of(set, node_of(g, "a"), NULL);
  assert_string_equal(text_of(&c->activation), "moving_average u8 0..127 eps");
  assert_float_equal(c->activation.param[0], 0.5, 0);
  const QRule *rule; /* has its own */
  c = qconfig_of(set, node_of(g, "s"), &rule);
  assert_string_equal(rule->match, "sigmoid");
  assert_string_equal(c->activation.observer->name, "fixed");
  assert_float_equal(c->activation.param[0], 1.0 / 256, 0);
  assert_string_equal(text_of(&qconfig_default(qconfig_preset(arena, "fbgemm"))->activation),
                      "histogram u8 0..127 eps");
  assert_null(qconfig_with_observer(&d, arena, set, "best", NULL));
}

static void names_count_more_than_patterns(void **state) {
  (void)state;
  const Graph *g = graph();
  const QConfig c = *qconfig_default(qconfig_preset(arena, "qcc"));
  const QRule rules[] = {{QRULE_DEFAULT, NULL, c, {0}, 0}, {QRULE_NAME, "a", c, {0}, 0},
                         {QRULE_PATTERN, "?", c, {0}, 0},  {QRULE_OP, "linear", c, {0}, 0},
                         {QRULE_PATTERN, "b*", c, {0}, 0}, {QRULE_OP, "linear", c, {0}, 0},
                         {QRULE_NAME, "x", c, {0}, 0}};
  static const struct {
    const char *tensor;
    int rules, best; /* with the first so many of them */
  } cases[] = {{"a", 7, 1}, {"b", 7, 4}, {"b", 4, 2}, {"s", 7, 2}, {"s", 1, 0}, {"b", 1, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const QConfigSet set = {.name = "t", .rules = rules, .n_rules = cases[i].rules};
    const QRule *rule;
    qconfig_of(&set, node_of(g, cases[i].tensor), &rule);
    assert_int_equal(rule - rules, cases[i].best);
  }
  const QConfigSet operators = {.name = "t", .rules = rules + 3, .n_rules = 3},
                   all = {.name = "t", .rules = rules, .n_rules = 7};
  const QRule *rule;
  qconfig_of(&operators, node_of(g, "a"), &rule);
  assert_ptr_equal(rule, rules + 5);
  qconfig_of_input(&all, graph_find(g, "x"), &rule);
  assert_ptr_equal(rule, rules + 6);
  const QConfigSet no_name = {.name = "t", .rules = rules, .n_rules = 6};
  qconfig_of_input(&no_name, graph_find(g, "x"), &rule);
  assert_ptr_equal(rule, rules + 2);
}

static void files_that_cannot_be_read(void **state) {
  (void)state;
  Diag d;
  memset(messages, 0, sizeof messages);
  FILE *out = fmemopen(messages, sizeof messages, "w");
  diag_init(&d, arena, out);
  assert_null(qconfig_read(&d, arena, "/nonexistent.lua"));
  assert_null(qconfig_read(&d, arena, "/"));
  fclose(out);
  assert_string_equal(messages,
                      "/nonexistent.lua: error: No such file or directory\n/: error: is a directory\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(presets_are_their_originals),         TEST(presets_name_known_operators),
      TEST(the_dynamic_presets_quantize_layers), TEST(an_observer_of_the_command_line),
      TEST(names_count_more_than_patterns),      TEST(files_that_cannot_be_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
