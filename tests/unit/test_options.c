/* The command line: every form of every kind of option, every refusal; and names, depfiles and pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compiler/depfile.h"
#include "compiler/dot.h"
#include "compiler/names.h"
#include "compiler/options.h"
#include "ir/graph.h"
#include "tests/unit/arena_test.h"

static char messages[2000];

/* Splits the line at blanks. */
static bool parse(const char *line, Options *o) {
  char *argv[32] = {(char *)"qcc"}, *rest = arena_strdup(arena, line);
  int argc = 1;
  for (char *word = strtok(rest, " "); word; word = strtok(NULL, " "))
    argv[argc++] = strcmp(word, "''") ? word : word + 2;
  Diag d;
  memset(messages, 0, sizeof messages);
  FILE *out = fmemopen(messages, sizeof messages, "w");
  diag_init(&d, arena, out);
  bool ok = options_parse(&d, arena, argc, argv, o);
  fclose(out);
  assert_int_equal(d.errors, !ok);
  return ok;
}

static void refuse(const char *line, const char *message) {
  Options o;
  if (parse(line, &o)) fail_msg("accepted: %s", line);
  if (!strstr(messages, message)) fail_msg("%s: expected '%s' in: %s", line, message, messages);
}

static void options_in_every_form(void **state) {
  (void)state;
  const char *const forms[] = {
      "m.onnx -target arm64 -o out.c -emit ir -v",
      "--target arm64 --o out.c m.onnx --emit ir --v",
      "-target=arm64 -o=out.c -emit=ir -v -- m.onnx",
      "--target=arm64 --o=out.c --emit=ir --v m.onnx",
      "-target generic -target arm64 -o out.c m.onnx -emit c -emit ir -v", /* the last one counts */
  };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    Options o;
    if (!parse(forms[i], &o)) fail_msg("%s: %s", forms[i], messages);
    assert_string_equal(o.model, "m.onnx");
    assert_string_equal(o.target, "arm64");
    assert_string_equal(o.output, "out.c");
    assert_int_equal(o.emit, EMIT_IR);
    assert_true(o.verbose);
    assert_false(o.verify);
  }
}

static void values_may_hold_anything(void **state) {
  (void)state;
  Options o;
  assert_true(
      parse("- -o - -shape N=1,3 -shape=a=b=2 -calib -x.npz -Wno-float-op -Wno-io -Werror -MD -MF d", &o));
  assert_string_equal(o.model, "-");
  assert_string_equal(o.output, "-");
  assert_string_equal(o.calib.items[0], "-x.npz");
  assert_int_equal(o.shapes.n, 2);
  assert_string_equal(o.shapes.items[0], "N=1,3");
  assert_string_equal(o.shapes.items[1], "a=b=2");
  assert_int_equal(o.no_warnings.n, 2);
  assert_string_equal(o.no_warnings.items[1], "io");
  assert_true(o.werror && o.make_depfile);
  assert_string_equal(o.depfile, "d");
  assert_true(parse("m -config fbgemm -config=a.lua -print-qconfig", &o));
  assert_string_equal(o.config, "a.lua");
  assert_true(o.print_qconfig);
  assert_true(parse("m -quantize none -io quantized -layout nhwc -observer minmax -name p", &o));
  assert_true(o.quantize == QUANTIZE_NONE && o.io == IO_QUANTIZED && o.layout == LAYOUT_NHWC);
  assert_true(parse("m -weights incbin", &o));
  assert_true(o.weights == WEIGHTS_IN_BIN);
  assert_true(parse("m -runtime=include", &o));
  assert_true(o.runtime == RUNTIME_INCLUDE);
  assert_true(parse("m -quantize f16", &o));
  assert_true(o.quantize == QUANTIZE_F16);
  assert_true(parse("-- -m", &o));
  assert_string_equal(o.model, "-m");
}

static void unknown_options_get_a_suggestion(void **state) {
  (void)state;
  refuse("m -taget arm64", "unknown option '-taget'; did you mean '-target'?");
  refuse("m --quantise none", "unknown option '--quantise'; did you mean '-quantize'?");
  refuse("m -zzzzzzzz", "unknown option '-zzzzzzzz' (see qcc --help)");
  refuse("m -Wno-", "there is no warning ''");
  refuse("m -Wno-flaot-op", "there is no warning 'flaot-op'; did you mean 'float-op'?");
  refuse("m -emit io", "unknown value 'io' of -emit; did you mean 'ir'?");
  refuse("m -emit everything",
         "unknown value 'everything' of -emit (it may be c, ir, onnx, dot, calibration, report)");
}

static void misuse_is_refused(void **state) {
  (void)state;
  refuse("", "no model given");
  refuse("a b", "more than one model: 'a' and 'b'");
  refuse("m -o", "-o needs a value: -o FILE");
  refuse("m -o=", "the value of -o is empty");
  refuse("m -o ''", "the value of -o is empty");
  refuse("m -v=1", "-v takes no value");
  refuse("m -run a -eval b -o c", "-run and -eval exclude each other");
  refuse("m -run a", "-run needs -o FILE.npz");
  refuse("m -run a -o b -emit c", "-run and -emit exclude each other");
  refuse("m -run a -o b -verify", "-run and -verify exclude each other");
  refuse("m -run a -o b.c", "-run writes the outputs as an .npz file, not to 'b.c'");
  refuse("m -stop-after fuse -emit c", "-stop-after leaves nothing to emit as C");
  refuse("m -stop-after fuse -eval a", "-stop-after excludes -run, -eval and -verify");
  refuse("m -verify -emit ir", "-verify checks C");
}

static void numbers_of_bytes(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t bytes;
  } forms[] = {{"1", 1}, {"200000", 200000}, {"64K", 64 << 10}, {"3M", 3 << 20}, {"1024M", 1 << 30}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    Options o;
    assert_true(parse(arena_printf(arena, "m -max-workspace=%s", forms[i].text), &o));
    assert_int_equal(o.max_workspace, forms[i].bytes);
  }
  static const char *const wrong[] = {"0",    "0K",  "-1", "1k",    "K",          "1KB",
                                      "1.5M", "0x9", "+1", "1025M", "1073741825", "99999999999999999999",
                                      "9G"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    refuse(
        arena_printf(arena, "m -max-workspace %s", wrong[i]),
        arena_printf(arena,
                     "-max-workspace takes a number of bytes from 1 to 1073741824, which may end in K or M, "
                     "not '%s'",
                     wrong[i]));
  }
  refuse("m -max-workspace", "-max-workspace needs a value: -max-workspace BYTES");
}

static void later_options_are_refused(void **state) {
  (void)state;
  const char *const later[] = {"accuracy-target=0.5%", "unroll full", "emit package"};
  for (size_t i = 0; i < sizeof later / sizeof *later; i++)
    refuse(arena_printf(arena, "m -%s", later[i]), "is not in this version of qcc");
}

static void help_names_every_option(void **state) {
  (void)state;
  StrBuf help;
  strbuf_init(&help, arena);
  options_help(&help);
  const char *const names[] = {"-o FILE", "-target T",     "-emit K",   "-eval FILE",
                               "-MD",     "-print-passes", "-Wno-NAME", "-version"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_non_null(strstr(help.text, names[i]));
  assert_null(strstr(help.text, "-unroll")); /* what is not there is not offered */
  for (const char *line = help.text, *end; *line; line = end + 1) {
    end = strchr(line, '\n');
    assert_non_null(end);
    assert_true(end - line <= 110);
  }
}

static void file_names(void **state) {
  (void)state;
  assert_string_equal(file_base("a/b.c"), "b.c");
  assert_string_equal(path_with_suffix(arena, "a.x/b.c", ".h"), "a.x/b.h");
  assert_string_equal(path_with_suffix(arena, "a.x/b", ".h"), "a.x/b.h");
  assert_string_equal(path_with_suffix(arena, "a/.c", ".h"), "a/.c.h");
  assert_string_equal(path_folder(arena, "/a"), "/");
  assert_string_equal(path_folder(arena, "a"), ".");
  assert_string_equal(path_folder(arena, "a/b/c"), "a/b");
}

static void depfiles_are_escaped(void **state) {
  (void)state;
  StrBuf text;
  strbuf_init(&text, arena);
  const char *outputs[] = {"m.c", "m.h"}, *inputs[] = {"a b.onnx", "c\\ #$.npz"};
  depfile_text(&text, outputs, 2, inputs, 2);
  assert_string_equal(
      text.text, "m.c m.h: \\\n  a\\ b.onnx \\\n  c\\\\\\ \\#$$.npz\n\na\\ b.onnx:\n\nc\\\\\\ \\#$$.npz:\n");
}

static void pictures_show_types_and_escape_names(void **state) {
  (void)state;
  Graph *g = graph_new(arena, "net \"1\"");
  Type t = {DT_U8, shape_of(2, (int64_t)1, (int64_t)4), quant_per_tensor(arena, 0.5f, 3)};
  Tensor *x = graph_input(g, "in\n\"x\"\\", t, (SrcLoc){0});
  Node *n = graph_node1(g, OP_relu, &x, 1, "y\xff", (SrcLoc){0}, NULL);
  n->results[0]->type = t;
  graph_output(g, n->results[0]);
  StrBuf text;
  strbuf_init(&text, arena);
  dot_print(&text, g);
  assert_non_null(strstr(text.text, "digraph \"net \\\"1\\\"\" {"));
  assert_non_null(
      strstr(text.text, "input0 -> n0 [label=\"in\\\\x0a\\\"x\\\"\\\\\\nu8 [1, 4]\\nscale 0.5, zero 3\"];"));
  assert_non_null(strstr(text.text, "n0 [label=\"relu\"];"));
  assert_non_null(strstr(text.text, "n0 -> output0 [label=\"y\\\\xff\\nu8 [1, 4]"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(options_in_every_form),
      TEST(values_may_hold_anything),
      TEST(unknown_options_get_a_suggestion),
      TEST(misuse_is_refused),
      TEST(numbers_of_bytes),
      TEST(later_options_are_refused),
      TEST(help_names_every_option),
      TEST(file_names),
      TEST(depfiles_are_escaped),
      TEST(pictures_show_types_and_escape_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
