/* -max-workspace: which rows ops need, chains cut into bands, and which of them a limit asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "codegen/chain.h"
#include "codegen/codegen.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "tests/unit/arena_test.h"

static char messages[4000];

/* ---- models ---- */

static void put_weights(StrBuf *b, const int *dim, int n) {
  if (!n) {
    strbuf_printf(b, "%d", below(9) - 4);
    return;
  }
  for (int i = 0; i < dim[0]; i++) {
    strbuf_puts(b, i ? ", " : "[");
    put_weights(b, dim + 1, n - 1);
  }
  strbuf_puts(b, "]");
}

/* The text IR, but for lines "W name oc ic kh kw": constants of small numbers. */
static Graph *model_of(const char *body) {
  StrBuf text;
  Diag d;
  char name[16];
  int dim[4], used;
  strbuf_init(&text, arena);
  strbuf_puts(&text, "model m {\n");
  for (const char *line = body; *line; line += strcspn(line, "\n") + 1) {
    if (sscanf(line, "W %15s %d %d %d %d%n", name, &dim[0], &dim[1], &dim[2], &dim[3], &used) != 5) {
      strbuf_printf(&text, "%.*s\n", (int)strcspn(line, "\n"), line);
      continue;
    }
    strbuf_printf(&text, "const @%s : f32[%d, %d, %d, %d] = ", name, dim[0], dim[1], dim[2], dim[3]);
    put_weights(&text, dim, 4);
    strbuf_puts(&text, "\n");
  }
  strbuf_puts(&text, "}\n");
  diag_init(&d, arena, stderr);
  Graph *g = ir_parse(&d, arena, source_from_text(arena, "m.ir", text.text, text.len), NULL);
  assert_non_null(g);
  return g;
}

static Node **nodes_of(Graph *g) {
  Node **nodes = ARENA_NEW_ARRAY(arena, Node *, (size_t)g->n_nodes);
  int n = 0;
  for (Node *p = g->first; p; p = p->next) nodes[n++] = p;
  return nodes;
}

/* ---- rows ---- */

static void expect_rows(const char *op, int64_t first, int64_t end, int64_t in_first, int64_t in_end) {
  Graph *g =
      model_of(arena_printf(arena, "input %%x : f32[1, 2, 20, 5]\nW w 2 2 3 3\n%%y = %s\noutput %%y\n", op));
  Rows r = rows_needed(g->first, 0, (Rows){first, end});
  assert_true(rows_possible(g->first) && rows_operand(g->first, 0));
  if (r.first != in_first || r.end != in_end)
    fail_msg("%s: rows %d to %d need %d to %d", op, (int)first, (int)end, (int)r.first, (int)r.end);
}

static void rows_by_hand(void **state) {
  (void)state;
  expect_rows("conv2d(%x, @w) { pad = [1, 1, 1, 1] }", 0, 4, 0, 5);
  expect_rows("conv2d(%x, @w) { pad = [1, 1, 1, 1] }", 4, 8, 3, 9);
  expect_rows("conv2d(%x, @w) { pad = [1, 1, 1, 1] }", 19, 20, 18, 20);
  expect_rows("conv2d(%x, @w) { stride = [2, 1] }", 1, 3, 2, 7);
  expect_rows("conv2d(%x, @w) { dilation = [3, 1] }", 1, 2, 1, 8);
  expect_rows("max_pool2d(%x) { kernel = [2, 2], stride = [4, 1] }", 1, 3, 4, 10);
  expect_rows("avg_pool2d(%x) { kernel = [3, 1], pad = [2, 0, 0, 0] }", 0, 1, 0, 1);
  expect_rows("relu(%x)", 3, 5, 3, 5);
  expect_rows("concat(%x, %x) { axis = 1 }", 3, 5, 3, 5);
}

static void what_has_no_rows(void **state) {
  (void)state;
  static const char *const ops[] = {
      "concat(%x, %x) { axis = 2 }",
      "concat(%x, %x) { axis = -2 }",
      "softmax(%x) { axis = 1 }",
      "transpose(%x) { perm = [0, 1, 3, 2] }",
      "slice(%x) { start = [0, 0, 1, 0], stop = [1, 2, 3, 4], step = [1, 1, 1, 1] }",
      "add(%x, [[1.0], [2.0], [3.0], [4.0]])",
      "reshape(%x) { shape = [1, 1, 8, 4] }",
      "add(%x, %u)",
      "conv_transpose2d(%x, @w)"};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    Graph *g = model_of(arena_printf(
        arena, "input %%x : f32[1, 2, 4, 4]\ninput %%u : f32[2, 4, 4]\nW w 2 2 3 3\n%%y = %s\noutput %%y\n",
        ops[i]));
    if (rows_possible(g->first)) fail_msg("%s", ops[i]);
  }
}

/* ---- bands ---- */

static const float *run(const Graph *g, const float *x, int64_t *count) {
  float *y = arena_array(arena, (size_t)shape_count(&g->outputs[0]->type.shape) + 1, sizeof *y);
  const void *in[] = {x};
  void *out[] = {y};
  Executor *e = interp_new(arena, g);
  e->run(e->self, in, out, NULL, NULL);
  *count = shape_count(&g->outputs[0]->type.shape);
  return y;
}

/* The chain, cut in bands of every height, computes the same; all nodes of the model are in it. */
static void check_bands(const char *body) {
  enum { MOST = 4000 };
  static float x[MOST];
  for (int i = 0; i < MOST; i++) x[i] = (float)(below(200) - 100) / 7;
  Graph *g = model_of(body);
  int64_t rows = rows_of(g->outputs[0]), count, again;
  const float *want = run(g, x, &count);
  for (int64_t height = 1; height < rows; height++) {
    Graph *cut = graph_clone(arena, g);
    Chain c = {0, cut->n_nodes - 1, height};
    StrMap *origins = strmap_new(arena);
    if (!chain_possible(nodes_of(cut), c)) fail_msg("no chain: %s", body);
    chain_cut(cut, nodes_of(cut), &c, 1, origins);
    Diag d;
    diag_init(&d, arena, stderr);
    for (Node *n = cut->first; n; n = n->next) { /* the types are what the ops make of their operands */
      Type is = n->results[0]->type;
      assert_true(node_infer(&d, n) && type_equal(&is, &n->results[0]->type));
      assert_non_null(strmap_get(origins, n->results[0]->name));
    }
    const float *got = run(cut, x, &again);
    assert_int_equal(count, again);
    if (memcmp(want, got, sizeof *want * (size_t)count)) fail_msg("bands of %d rows: %s", (int)height, body);
  }
}

static void bands_compute_the_same(void **state) {
  (void)state;
  static const char *const bodies[] = {
      /* an inverted residual */
      "input %x : f32[1, 2, 9, 4]\nW a 6 2 1 1\nW b 6 1 3 3\nW c 2 6 1 1\n%1 = conv2d(%x, @a)\n"
      "%2 = conv2d(%1, @b) { groups = 6, pad = [1, 1, 1, 1] }\n%3 = conv2d(%2, @c)\n%y = add(%3, %x)\noutput "
      "%y\n",
      /* strides, dilation, uneven padding, two images */
      "input %x : f32[2, 2, 17, 5]\nW a 3 2 5 1\nW b 2 3 3 3\n%1 = conv2d(%x, @a) { stride = [2, 1], pad = "
      "[0, 0, 2, 0] "
      "}\n%2 = relu(%1)\n%y = conv2d(%2, @b) { dilation = [2, 1], pad = [3, 1, 1, 0] }\noutput %y\n",
      /* rows that no window reads */
      "input %x : f32[1, 2, 20, 3]\nW a 2 2 3 3\n%1 = conv2d(%x, @a) { pad = [1, 1, 1, 1] }\n"
      "%y = max_pool2d(%1) { kernel = [1, 2], stride = [3, 1] }\noutput %y\n",
      /* averages: padding that counts, that does not, and what ceil_mode has added */
      "input %x : f32[1, 2, 10, 4]\n%1 = avg_pool2d(%x) { kernel = [3, 3], pad = [1, 1, 1, 1], "
      "count_include_pad = true }\n"
      "%2 = avg_pool2d(%1) { kernel = [3, 3], pad = [1, 1, 1, 1], stride = [1, 1] }\n"
      "%y = avg_pool2d(%2) { kernel = [3, 1], pad = [1, 0, 2, 0], pad_extra = [1, 0], stride = [2, 1], "
      "count_include_pad = true }\noutput %y\n",
      /* one tensor read by different windows, joined; a gate for each channel */
      "input %x : f32[1, 2, 11, 3]\nW a 3 2 1 1\nW b 2 3 3 3\nW c 2 3 5 1\n%1 = conv2d(%x, @a)\n"
      "%2 = conv2d(%1, @b) { pad = [1, 1, 1, 1] }\n%3 = conv2d(%1, @c) { pad = [2, 0, 2, 0] }\n"
      "%4 = concat(%2, %1, %3) { axis = 1 }\n%5 = mul(%4, [[[1.5]], [[2.0]], [[3.0]], [[4.0]], [[-1.0]], "
      "[[0.5]], "
      "[[2.0]]])\n%y = max_pool2d(%5) { kernel = [3, 3], pad = [1, 1, 1, 1] }\noutput %y\n",
  };
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) check_bands(bodies[i]);
}

static void what_is_no_chain(void **state) {
  (void)state;
  Graph *g = model_of("input %x : f32[1, 2, 8, 4]\nW a 2 2 3 3\n%1 = conv2d(%x, @a) { pad = [1, 1, 1, 1] }\n"
                      "%2 = relu(%1)\n%3 = softmax(%2) { axis = 1 }\n%4 = add(%3, %2)\n"
                      "%5 = conv2d(%4, @a) { pad = [5, 1, 1, 1] }\n%6 = relu(%5)\noutput %6, %5\n");
  Node **n = nodes_of(g);
  assert_true(chain_possible(n, (Chain){0, 1, 4}));
  assert_false(chain_possible(n, (Chain){0, 1, 8})); /* one band */
  assert_false(chain_possible(n, (Chain){1, 3, 4})); /* softmax, though it could be */
  assert_true(chain_possible(n, (Chain){3, 4, 6}));
  assert_false(chain_possible(n, (Chain){3, 4, 2})); /* the first rows read nothing but padding */
  assert_false(chain_possible(n, (Chain){4, 5, 4})); /* %5 is public */
}

/* ---- limits ---- */

static const char *code_of(const char *body, int64_t limit, CodegenFacts *facts) {
  Diag d;
  StrBuf c, h;
  memset(messages, 0, sizeof messages);
  FILE *out = fmemopen(messages, sizeof messages, "w");
  diag_init(&d, arena, out);
  CodegenOptions o = {.targets = (const Target *const[]){target_find("generic"), NULL},
                      .name = "m",
                      .model_file = "m.ir",
                      .max_workspace = limit,
                      .threads = true,
                      .part_ops = 1,
                      .facts = facts};
  strbuf_init(&c, arena);
  strbuf_init(&h, arena);
  bool ok = codegen_c(&d, arena, model_of(body), &o, &c, &h);
  fclose(out);
  assert_int_equal(d.errors, !ok);
  return ok ? c.text : NULL;
}

static int count_of(const char *text, const char *what) {
  int n = 0;
  for (; (text = strstr(text, what)); text++) n++;
  return n;
}

/* Between an image of 2 channels and one of 2: 24, by windows of 3 rows. */
#define BOTTLENECK                                                                                           \
  "input %x : f32[1, 2, 32, 8]\nW p 2 2 1 1\nW a 24 2 1 1\nW b 24 1 3 3\nW c 2 24 1 1\n%in = conv2d(%x, "    \
  "@p)\n"                                                                                                    \
  "%1 = conv2d(%in, @a)\n%2 = conv2d(%1, @b) { groups = 24, pad = [1, 1, 1, 1] }\n%3 = conv2d(%2, @c)\n"     \
  "%y = conv2d(%3, @p)\noutput %y\n"

static void chains_where_they_are_needed(void **state) {
  (void)state;
  CodegenFacts free, f;
  assert_non_null(code_of(BOTTLENECK, 0, &free));
  assert_int_equal(free.n_chains, 0);
  assert_non_null(code_of(BOTTLENECK, free.memory.workspace, &f)); /* fits as it is */
  assert_int_equal(f.n_chains, 0);
  assert_int_equal(f.memory.workspace, free.memory.workspace);
  for (int64_t limit = free.memory.workspace - 1; limit > 16000; limit -= 4000) {
    assert_non_null(code_of(BOTTLENECK, limit, &f));
    assert_true(f.n_chains == 1 && f.memory.workspace <= limit && f.unfused == free.memory.workspace);
  }
}

static void bands_share_their_kernels(void **state) {
  (void)state;
  CodegenFacts f;
  const char *c = code_of(BOTTLENECK, 16000, &f);
  assert_non_null(c);
  assert_true(f.n_chains == 1 && f.chains[0].bands >= 8);
  int bands = (int)f.chains[0].bands;
  /* the windows of the first band, of those between, of the last one */
  assert_int_equal(count_of(c, "/* conv2d '2': f32"), 3);
  /* the parts of each call are a function: in threads of their own they take their own places */
  for (int i = 1; i <= bands - 3; i++)
    assert_int_equal(count_of(c, arena_printf(arena, "__2_again%d_part(void", i)), 1);
  assert_int_equal(count_of(c, arena_printf(arena, "__2_again%d_part(void", bands - 2)), 0);
  assert_non_null(
      strstr(c, arena_printf(arena, "computed band by band, %d of %d row", bands, (int)f.chains[0].rows)));
}

static void what_cannot_fit(void **state) {
  (void)state;
  CodegenFacts f;
  assert_null(code_of(BOTTLENECK, 1000, &f));
  assert_non_null(strstr(messages, "error: the workspace does not fit -max-workspace=1000: at least "));
  assert_non_null(strstr(messages, " bytes are needed, for generic at '"));
  assert_non_null(strstr(messages, "note: "));
  assert_non_null(strstr(messages, " of 32 rows\n"));
  /* what it says can be reached, and not a byte less */
  int64_t least = strtoll(strstr(messages, "at least ") + 9, NULL, 10);
  assert_non_null(code_of(BOTTLENECK, least, &f));
  assert_int_equal(f.memory.workspace, least);
  assert_null(code_of(BOTTLENECK, least - 1, &f));
  /* a product has no rows */
  assert_null(code_of("input %x : f32[1, 64]\n%1 = softmax(%x)\n%y = softmax(%1)\noutput %y\n", 64, &f));
  assert_non_null(strstr(messages, "note: 256 bytes: '1', f32[1, 64]"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(rows_by_hand, setup, teardown),
      cmocka_unit_test_setup_teardown(what_has_no_rows, setup, teardown),
      cmocka_unit_test_setup_teardown(bands_compute_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_chain, setup, teardown),
      cmocka_unit_test_setup_teardown(chains_where_they_are_needed, setup, teardown),
      cmocka_unit_test_setup_teardown(bands_share_their_kernels, setup, teardown),
      cmocka_unit_test_setup_teardown(what_cannot_fit, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
