/* The text IR's parser, printer and verifier: what file tests cannot hold (bytes that are no text, large
 * inputs, broken graphs). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/text.h"
#include "tests/graph_equal.h"
#include "tests/unit/arena_test.h"

/* Diagnostics go to memory; finish() returns their text, owned by the arena. */
typedef struct {
  Diag diag;
  FILE *file;
  char *text;
  size_t size;
} Capture;

static void capture(Capture *c) {
  c->file = open_memstream(&c->text, &c->size);
  diag_init(&c->diag, arena, c->file);
}

static char *finish(Capture *c) {
  fclose(c->file);
  char *copy = arena_strndup(arena, c->text, c->size);
  free(c->text);
  return copy;
}

static Graph *parse(const char *text) {
  Capture c;
  capture(&c);
  Graph *g = ir_parse(&c.diag, arena, source_from_text(arena, "m.ir", text, strlen(text)), NULL);
  const char *messages = finish(&c);
  if (!g) print_message("%s", messages);
  assert_non_null(g);
  assert_int_equal(c.diag.errors, 0);
  return g;
}

/* The text must be refused with a message that holds `want`. */
static void refused(const char *text, size_t len, const char *want) {
  Capture c;
  capture(&c);
  clock_t begin = clock();
  Graph *g = ir_parse(&c.diag, arena, source_from_text(arena, "m.ir", text, len), NULL);
  double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
  const char *messages = finish(&c);
  assert_null(g);
  assert_true(c.diag.errors > 0 && c.diag.errors <= c.diag.max_errors);
  if (!strstr(messages, want)) print_message("%s", messages);
  assert_non_null(strstr(messages, want));
  assert_true(seconds < 5);
}

static void what_is_no_text_is_refused(void **state) {
  (void)state;
  static const char utf16[] = "\xFF\xFEm\0o\0d\0e\0l\0", utf16be[] = "\xFE\xFF\0m\0o", nul[] = "model m {\0}";
  refused(utf16, sizeof utf16 - 1, "is UTF-16 text");
  refused(utf16be, sizeof utf16be - 1, "is UTF-16 text");
  refused(nul, sizeof nul - 1, "is no text");
  refused("", 0, "found the end of the file");
  refused("\xEF\xBB\xBF", 3, "found the end of the file");
  refused("\r\n\r\n", 4, "found the end of the file");
  refused("\x80\x81", 2, "this byte has no meaning");
}

static void repeated_brackets_are_refused_quickly(void **state) {
  (void)state;
  enum { N = 100000 };
  static const char *const heads[] = {
      "",
      "model m ",
      "model m {",
      "model m {\n%a = ",
      "model m {\n%a = relu",
      "model m {\n%a = relu(",
      "model m {\ninput %x : f32[1]\n%a = relu(%x) ",
      "model m {\ninput %x : f32[1]\n%a = clip(%x) { min = ",
      "model m {\ninput %x : f32",
      "model m {\ninput %x : u8<scale=",
      "model m {\nconst @x : f32[2] = ",
      "model m {\noutput ",
  };
  for (size_t h = 0; h < sizeof heads / sizeof *heads; h++)
    for (const char *byte = "([{<}>])=:,%@\"-.0\\"; *byte; byte++) {
      StrBuf b;
      strbuf_init(&b, arena);
      strbuf_puts(&b, heads[h]);
      for (int i = 0; i < N; i++) strbuf_put(&b, byte, 1);
      refused(b.text, b.len, "error: ");
    }
}

/* Each of 20,000 names is looked for in the rest of the text. */
static void many_undefined_names_are_refused_quickly(void **state) {
  (void)state;
  StrBuf b;
  strbuf_init(&b, arena);
  strbuf_puts(&b, "model m {\ninput %x : f32[1]\n");
  for (int i = 0; i < 20000; i++) strbuf_printf(&b, "%%a%d = relu(%%b%d)\n", i, i);
  strbuf_puts(&b, "output %x }\n");
  refused(b.text, b.len, "'%b0' is not defined");
}

static const char quantized_text[] =
    "model q {\n"
    "  calibrate \"data/c.npz\"\n"
    "  input %x : u8<scale=0.1, zero=3>[1, 2]\n"
    "  const @w : s8<axis=0, scale=[0.5, 0.25], zero=0>[2, 2] = [[1, 2], [-3, 4]]\n"
    "  const @b : s32[2] = [5, -6]\n"
    "  %y = linear(%x, @w, @b) { act_min = 0 } : u8<scale=0.2, zero=0>[1, 2] from \"fc\"\n"
    "  %z = dequantize(%y)\n"
    "  %s = softmax(%z) { axis = 1 }\n"
    "  output %s, %y\n"
    "}\n";

static char *print(const Graph *g, const PrintOptions *o) {
  StrBuf b;
  strbuf_init(&b, arena);
  ir_print(&b, g, o, NULL, NULL);
  return b.text;
}

/* Errors that were reported before do not count as the text's. */
static void earlier_errors_do_not_matter(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, NULL);
  for (int i = 0; i < 20; i++) diag_error(&d, (SrcLoc){0}, "an error");
  const char good[] = "model \"\" { input %x : f32[1] output %x }", bad[] = "model m { input %x : f32[1] }";
  Graph *g = ir_parse(&d, arena, source_from_text(arena, "m.ir", good, strlen(good)), NULL);
  assert_non_null(g);
  assert_int_equal(g->n_outputs, 1);
  assert_true(graph_equal(arena, g, parse(print(g, &(PrintOptions){.inline_limit = -1})), NULL));
  assert_null(ir_parse(&d, arena, source_from_text(arena, "m.ir", bad, strlen(bad)), NULL));
  assert_int_equal(d.errors, 21);
}

static void graph_equal_sees_differences(void **state) {
  (void)state;
  static const struct {
    const char *from, *to;
  } edits[] = {{"model q", "model r"},
               {"c.npz", "d.npz"},
               {"zero=3", "zero=4"},
               {"%x", "%u"},
               {"[5, -6]", "[5, -7]"},
               {"0.25]", "0.26]"},
               {"act_min = 0", "act_min = -1"},
               {"fc", "fd"},
               {"linear(%x, @w, @b)", "linear(%x, @w, _)"},
               {"scale=0.2", "scale=0.3"},
               {"softmax(%z) { axis = 1 }", "relu(%z)"},
               {"output %s, %y", "output %y, %s"},
               {"output %s, %y", "output %s"},
               {"%s = softmax", "%w2 = relu(%z) %s = softmax"}};
  const Graph *g = parse(quantized_text);
  assert_true(graph_equal(arena, g, parse(quantized_text), NULL));
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    StrBuf b;
    strbuf_init(&b, arena);
    size_t n = strlen(edits[i].from);
    for (const char *p = quantized_text; *p;)
      if (!strncmp(p, edits[i].from, n)) {
        strbuf_puts(&b, edits[i].to);
        p += n;
      } else {
        strbuf_put(&b, p++, 1);
      }
    const char *why = NULL;
    if (graph_equal(arena, g, parse(b.text), &why)) print_message("not seen: %s\n", edits[i].to);
    assert_non_null(why);
  }
}

/* The calibration file is written as it reads from the folder of the text. */
static void calibration_path_follows_the_folder(void **state) {
  (void)state;
  static const struct {
    const char *folder, *want;
  } cases[] = {
      {NULL, "calibrate \"data/c.npz\""},
      {"", "calibrate \"data/c.npz\""},
      {".", "calibrate \"data/c.npz\""},
      {"data", "calibrate \"c.npz\""},
      {"./data/", "calibrate \"c.npz\""},
      {"out", "calibrate \"../data/c.npz\""},
      {"out/a//b/", "calibrate \"../../../data/c.npz\""},
      {"dat", "calibrate \"../data/c.npz\""},
      {"/somewhere", "/data/c.npz\""},
      {"../up", "/data/c.npz\""},
  };
  const Graph *g = parse(quantized_text);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *text = print(g, &(PrintOptions){.inline_limit = -1, .folder = cases[i].folder});
    if (!strstr(text, cases[i].want)) print_message("%s: %s", cases[i].folder, text);
    assert_non_null(strstr(text, cases[i].want));
  }
}

static void source_folder_is_where_files_are(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, NULL);
  Graph *g = ir_parse(
      &d, arena, source_from_text(arena, "some/folder/m.ir", quantized_text, strlen(quantized_text)), NULL);
  assert_string_equal(g->calibrate_path, "some/folder/data/c.npz");
  const char absolute[] = "model m { calibrate \"/c.npz\" input %x : f32[1] output %x }";
  g = ir_parse(&d, arena, source_from_text(arena, "some/folder/m.ir", absolute, strlen(absolute)), NULL);
  assert_string_equal(g->calibrate_path, "/c.npz");
}

static void only_large_constants_leave_the_text(void **state) {
  (void)state;
  const Graph *g = parse(quantized_text);
  StrBuf b;
  strbuf_init(&b, arena);
  NpyArray *arrays;
  int n;
  ir_print(&b, g, &(PrintOptions){.inline_limit = 3, .weights_name = "w.npz"}, &arrays, &n);
  assert_int_equal(n, 1);
  assert_string_equal(arrays[0].name, "w");
  assert_int_equal(arrays[0].dtype, DT_S8);
  assert_memory_equal(arrays[0].data, ((signed char[]){1, 2, -3, 4}), 4);
  assert_non_null(strstr(b.text, "  weights \"w.npz\"\n"));
  assert_non_null(strstr(b.text, "const @w : s8<axis=0, scale=[0.5, 0.25], zero=0>[2, 2]\n"));
  assert_non_null(strstr(b.text, "const @b : s32[2] = [5, -6]\n"));
}

/* ---- the verifier ---- */

/* Breaks a sound graph by `edit` and looks for the message. */
static void breaks(void (*edit)(Graph *g), const char *want) {
  Capture c;
  capture(&c);
  Graph *g = parse(quantized_text);
  assert_true(graph_verify(&c.diag, g));
  edit(g);
  bool ok = graph_verify(&c.diag, g);
  const char *messages = finish(&c);
  if (ok || !strstr(messages, want)) print_message("wanted '%s', got: %s\n", want, messages);
  assert_false(ok);
  assert_non_null(strstr(messages, want));
}

static Tensor *find(Graph *g, const char *name) { return graph_find(g, name); }

static void set_quant(Graph *g, const char *name, int axis, int64_t count, float scale, int32_t zero) {
  Quant *q = quant_new(g->arena, axis, 1, &scale, &zero);
  q->count = count;
  find(g, name)->type.quant = q;
}
static void no_outputs(Graph *g) { g->n_outputs = 0; }
static void unmarked_output(Graph *g) { g->outputs[0]->is_output = false; }
static void foreign_output(Graph *g) {
  Tensor *t = ARENA_NEW(g->arena, Tensor);
  *t = (Tensor){.name = "foreign", .type = find(g, "x")->type, .is_output = true};
  g->outputs[0] = t;
}
static void order(Graph *g) { node_move_before(g->last, g->first); }
static void broken_list(Graph *g) { g->last->prev = NULL; }
static void node_count(Graph *g) { g->n_nodes++; }
static void input_with_data(Graph *g) { find(g, "x")->data = "x"; }
static void result_with_data(Graph *g) { find(g, "s")->data = "x"; }
static void lost_data(Graph *g) { find(g, "w")->data = NULL; }
static void producer(Graph *g) { find(g, "s")->producer = g->first; }
static void missing_use(Graph *g) { find(g, "z")->n_uses = 0; }
static void wrong_use(Graph *g) { find(g, "z")->uses[0].operand = 5; }
static void missing_operand(Graph *g) { node_set_operand(g->first, 0, NULL); }
static void too_many_operands(Graph *g) {
  Tensor *z = find(g, "z");
  node_set_operands(g->last, (Tensor *[]){z, z}, 2);
}
static void renamed(Graph *g) { find(g, "z")->name = "zz"; }
static void same_name(Graph *g) { find(g, "s")->name = "z"; }
static void no_name(Graph *g) { find(g, "s")->name = ""; }
static void wrong_shape(Graph *g) { find(g, "s")->type.shape.dim[1] = 3; }
static void wrong_dtype(Graph *g) { find(g, "z")->type.dtype = DT_S32; }
static void no_dtype(Graph *g) { find(g, "x")->type.dtype = DT_NONE; }
static void large_shape(Graph *g) { find(g, "x")->type.shape.dim[0] = MAX_DIM + 1; }
static void bad_attribute(Graph *g) { *(int64_t *)g->last->attrs = 7; }
static void zero_scale(Graph *g) { set_quant(g, "x", -1, 1, 0, 0); }
static void subnormal_scale(Graph *g) { set_quant(g, "x", -1, 1, 1e-40f, 0); }
static void zero_beyond(Graph *g) { set_quant(g, "x", -1, 1, 1, 256); }
static void channel_count(Graph *g) { set_quant(g, "w", 0, 3, 1, 0); }
static void channel_axis(Graph *g) { set_quant(g, "w", 2, 2, 1, 0); }
static void quantized_float(Graph *g) { set_quant(g, "z", -1, 1, 1, 0); }
static void bias_zero(Graph *g) { set_quant(g, "b", -1, 1, 1, 1); }
static void tiny_multiplier(Graph *g) {
  set_quant(g, "x", -1, 1, 1e-30f, 0);
  set_quant(g, "y", -1, 1, 1e30f, 0);
}

static void verifier_finds_what_is_broken(void **state) {
  (void)state;
  breaks(no_outputs, "the graph has no output");
  breaks(unmarked_output, "output 's' is not marked as one");
  breaks(foreign_output, "output 'foreign' is not in the graph");
  breaks(order, "operand 'z' of softmax is not defined before it");
  breaks(broken_list, "the list of nodes is broken");
  breaks(node_count, "the list of nodes is broken");
  breaks(input_with_data, "input 'x' is also something else");
  breaks(result_with_data, "result 's' is also a constant or an input");
  breaks(lost_data, "operand 'w' of linear is not defined before it");
  breaks(producer, "result 's' does not name its producer");
  breaks(missing_use, "the list of uses of 'z' does not match");
  breaks(wrong_use, "the list of uses of 'z' does not match");
  breaks(missing_operand, "operand 1 of linear is missing");
  breaks(too_many_operands, "softmax has 2 operands");
  breaks(renamed, "the graph does not find 'zz' by its name");
  breaks(same_name, "the name 'z' stands for two tensors");
  breaks(no_name, "a tensor has no name");
  breaks(wrong_shape, "'s' has the type f32[1, 3], but softmax gives f32[1, 2]");
  breaks(wrong_dtype, "'z' has the type s32[1, 2], but dequantize gives f32[1, 2]");
  breaks(no_dtype, "'x' has no element type");
  breaks(large_shape, "'x' has a shape beyond the limits");
  breaks(bad_attribute, "axis 7 of softmax is out of range");
  breaks(zero_scale, "'x': scale 0 of channel 0 is not positive, finite and normal");
  breaks(subnormal_scale, "'x': scale 1e-40 of channel 0 is not positive, finite and normal");
  breaks(zero_beyond, "'x': zero point 256 of channel 0 is out of range for u8");
  breaks(channel_count, "'w': 3 scales along axis 0 do not fit the shape [2, 2]");
  breaks(channel_axis, "'w': 2 scales along axis 2 do not fit the shape [2, 2]");
  breaks(quantized_float, "'z': f32 cannot be quantized");
  breaks(bias_zero, "the bias of linear must have the zero point 0, not 1");
  breaks(tiny_multiplier, "is not a normal number");
}

static void verifier_finds_a_use_listed_twice(void **state) {
  (void)state;
  Capture c;
  capture(&c);
  Graph *g = parse("model m { input %x : f32[1] %y = add(%x, %x) output %y }");
  assert_true(graph_verify(&c.diag, g));
  Tensor *x = find(g, "x");
  x->uses[1] = x->uses[0];
  assert_false(graph_verify(&c.diag, g));
  assert_non_null(strstr(finish(&c), "the list of uses of 'x' does not match"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_no_text_is_refused),
      cmocka_unit_test(repeated_brackets_are_refused_quickly),
      cmocka_unit_test(many_undefined_names_are_refused_quickly),
      cmocka_unit_test(earlier_errors_do_not_matter),
      cmocka_unit_test(graph_equal_sees_differences),
      cmocka_unit_test(calibration_path_follows_the_folder),
      cmocka_unit_test(source_folder_is_where_files_are),
      cmocka_unit_test(only_large_constants_leave_the_text),
      cmocka_unit_test(verifier_finds_what_is_broken),
      cmocka_unit_test(verifier_finds_a_use_listed_twice),
  };
  return cmocka_run_group_tests_name("text", tests, setup, teardown);
}
