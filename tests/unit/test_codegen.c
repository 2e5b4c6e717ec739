/* Code generation: layouts, loop nests, names, and every message. What the emitted
 * code computes is tested in tests/diff, what compilers say of it in tests/integration/test_emitted.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "codegen/layout.h"
#include "codegen/names.h"
#include "codegen/nest.h"
#include "ir/text.h"
#include "tests/unit/arena_test.h"

/* ---- layouts ---- */

static Shape random_shape(int max_rank) {
  Shape s = {.rank = below(max_rank + 1)};
  for (int i = 0; i < s.rank; i++) s.dim[i] = 1 + below(4);
  return s;
}

static int64_t address(const Storage *s, const Shape *shape, int64_t element) {
  int64_t at = s->offset;
  for (int i = shape->rank - 1; i >= 0; i--) {
    at += element % shape->dim[i] * s->stride[i];
    element /= shape->dim[i];
  }
  return at;
}

static void layouts_hold_each_element_once(void **state) {
  (void)state;
  for (int trial = 0; trial < 500; trial++) {
    Shape shape = random_shape(6);
    bool last = below(2);
    Halo halo = {.before = {0}};
    if ((shape.rank == 4 || shape.rank == 5) && below(2))
      halo = (Halo){{shape.rank == 5 ? below(3) : 0, below(3), below(3)},
                    {shape.rank == 5 ? below(3) : 0, below(3), below(3)}};
    Storage s = {.elem = DT_U8};
    storage_layout(&s, &shape, last, halo);
    char *seen = arena_alloc(arena, (size_t)s.size);
    for (int64_t i = 0; i < shape_count(&shape); i++) {
      int64_t at = address(&s, &shape, i);
      assert_true(at >= 0 && at < s.size && !seen[at]);
      seen[at] = 1;
    }
    if (halo_is_none(halo)) assert_int_equal(s.size, shape_count(&shape));
    if (last && shape.rank >= 3) assert_int_equal(s.stride[1], 1);
    if (!last && shape.rank) assert_int_equal(s.stride[shape.rank - 1], 1);
    if (last && shape.rank == 4) { /* N, H, W, C with rows and columns around */
      int64_t row = (shape.dim[3] + halo.before[2] + halo.after[2]) * shape.dim[1];
      assert_int_equal(s.stride[3], shape.dim[1]);
      assert_int_equal(s.stride[2], row);
      assert_int_equal(s.stride[0], row * (shape.dim[2] + halo.before[1] + halo.after[1]));
      assert_int_equal(s.offset, halo.before[1] * row + halo.before[2] * shape.dim[1]);
    }
  }
}

/* Another shape of as many elements: dims split and dims of 1 put in. */
static Shape reshaped(const Shape *from) {
  Shape s = {0};
  int64_t left = shape_count(from);
  while (left > 1 && s.rank < 6) {
    int64_t d = 1 + below(4);
    while (left % d) d--;
    s.dim[s.rank++] = d;
    left /= d;
  }
  s.dim[s.rank++] = left;
  return s;
}

/* Of a storage with or without gaps. */
static Storage random_storage(const Shape *shape, bool last) {
  Storage s = {.elem = DT_U8};
  Shape whole = *shape;
  for (int i = 0; i < whole.rank; i++)
    if (below(4) == 0) whole.dim[i] += 1 + below(2); /* it lies in something larger */
  storage_layout(&s, &whole, last, (Halo){.before = {0}});
  s.offset = below(5);
  return s;
}

static void reshaped_strides_reach_the_same_elements(void **state) {
  (void)state;
  int even = 0, uneven = 0;
  for (int trial = 0; trial < 5000; trial++) {
    Shape from = random_shape(5), to = reshaped(&from);
    Storage x = random_storage(&from, below(2)), y = x;
    if (!storage_reshape(&x, &from, &to, y.stride)) {
      uneven++;
      continue;
    }
    even++;
    for (int64_t i = 0; i < shape_count(&from); i++)
      assert_int_equal(address(&x, &from, i), address(&y, &to, i));
    if (below(2)) continue;
    storage_unit_strides(&y, &to, below(2));
    for (int64_t i = 0; i < shape_count(&from); i++)
      assert_int_equal(address(&x, &from, i), address(&y, &to, i));
  }
  assert_true(even > 500 && uneven > 500);
  /* what has no gaps always has the strides of any shape */
  Shape from = shape_of(3, (int64_t)4, (int64_t)6, (int64_t)5),
        to = shape_of(4, (int64_t)8, (int64_t)1, (int64_t)3, (int64_t)5);
  Storage x = {.elem = DT_U8}, y = x, z = x;
  storage_layout(&x, &from, false, (Halo){.before = {0}});
  storage_layout(&y, &to, false, (Halo){.before = {0}});
  z = x;
  assert_true(storage_reshape(&x, &from, &to, z.stride));
  assert_true(storage_alike(&y, &z));
}

static void orders_of_storages(void **state) {
  (void)state;
  int64_t step = 0;
  for (int trial = 0; trial < 500; trial++) {
    Shape s = random_shape(5);
    for (int i = 0; i < s.rank; i++) s.dim[i]++; /* no dims of 1 */
    bool last = below(2);
    Storage x = random_storage(&s, last);
    assert_true(storage_is_ordered(&x, &s, last));
    if (s.rank >= 3) assert_false(storage_is_ordered(&x, &s, !last));
    if (s.rank < 3 && s.rank > 0) assert_true(storage_has_rows(&x, &s, &step));
    if (s.rank == 2) assert_int_equal(step, x.stride[0]);
  }
  Shape s = shape_of(3, (int64_t)2, (int64_t)3, (int64_t)5);
  Storage x = {.elem = DT_U8};
  storage_layout(&x, &s, false, (Halo){.before = {0}});
  assert_true(storage_has_rows(&x, &s, &step));
  assert_int_equal(step, 5);
  x.stride[0] = 18, x.stride[1] = 6; /* gaps behind each row */
  assert_true(storage_has_rows(&x, &s, &step));
  assert_int_equal(step, 6);
  x.stride[0] = 20; /* and behind the rows */
  assert_false(storage_has_rows(&x, &s, &step));
  assert_true(storage_is_ordered(&x, &s, false));
  x.stride[0] = 17; /* one in the other */
  assert_false(storage_is_ordered(&x, &s, false));
  x.stride[0] = 36, x.stride[1] = 12, x.stride[2] = 2;
  assert_false(storage_is_ordered(&x, &s, false));
}

static void alike_storages(void **state) {
  (void)state;
  Shape four = shape_of(4, (int64_t)1, (int64_t)2, (int64_t)3, (int64_t)3);
  Storage plain = {.elem = DT_U8}, with_halo = {.elem = DT_U8};
  storage_layout(&plain, &four, true, (Halo){.before = {0}});
  storage_layout(&with_halo, &four, true, (Halo){.after = {0, 1, 0}}); /* rows below: no element moves */
  assert_false(storage_alike(&plain, &with_halo));
  with_halo = plain;
  assert_true(storage_alike(&plain, &with_halo));
  with_halo.bias = 128;
  assert_false(storage_alike(&plain, &with_halo));
}

/* ---- loop nests ---- */

/* The addresses of all arrays, in the order of array 0's. */
typedef struct {
  int64_t at[NEST_MAX_ARRAYS];
} Visit;

static int by_first(const void *a, const void *b) {
  const Visit *x = a, *y = b;
  for (int i = 0; i < NEST_MAX_ARRAYS; i++)
    if (x->at[i] != y->at[i]) return x->at[i] < y->at[i] ? -1 : 1;
  return 0;
}

static Visit *visits(const Nest *t, int64_t *count) {
  *count = 1;
  for (int i = 0; i < t->n; i++) *count *= t->dim[i];
  Visit *v = ARENA_NEW_ARRAY(arena, Visit, (size_t)*count + 1);
  for (int64_t k = 0; k < *count; k++) {
    int64_t rest = k;
    for (int a = 0; a < t->n_arrays; a++) v[k].at[a] = t->offset[a];
    for (int i = t->n - 1; i >= 0; i--) {
      for (int a = 0; a < t->n_arrays; a++) v[k].at[a] += rest % t->dim[i] * t->stride[a][i];
      rest /= t->dim[i];
    }
  }
  qsort(v, (size_t)*count, sizeof *v, by_first);
  return v;
}

static void simplified_nests_visit_the_same(void **state) {
  (void)state;
  int shorter = 0;
  for (int trial = 0; trial < 2000; trial++) {
    Shape shape = random_shape(5);
    Storage y = {.elem = DT_U8};
    storage_layout(&y, &shape, below(2), (Halo){.before = {0}});
    Nest nest = {.n = shape.rank, .n_arrays = 1 + below(NEST_MAX_ARRAYS)};
    for (int i = 0; i < shape.rank; i++) {
      nest.dim[i] = shape.dim[i];
      nest.stride[0][i] = y.stride[i];
    }
    for (int a = 1; a < nest.n_arrays; a++) {
      Storage x = {.elem = DT_U8};
      storage_layout(&x, &shape, below(2), (Halo){.before = {0}});
      nest.offset[a] = below(100);
      for (int i = 0; i < shape.rank; i++)
        nest.stride[a][i] = below(4) ? x.stride[i] : below(2) ? 0 : -x.stride[i];
    }
    int64_t count, count_after;
    Visit *before = visits(&nest, &count);
    int n = nest.n;
    nest_simplify(&nest);
    Visit *after = visits(&nest, &count_after);
    assert_int_equal(count, count_after);
    assert_memory_equal(before, after, sizeof *before * (size_t)count);
    assert_true(nest.n >= 1 && (nest.n <= n || n == 0));
    for (int i = 0; i + 1 < nest.n; i++) assert_true(nest.stride[0][i] >= nest.stride[0][i + 1]);
    for (int i = 0; i < nest.n && nest.n > 1; i++) assert_true(nest.dim[i] > 1);
    bool dense = nest.stride[0][nest.n - 1] == 1;
    for (int a = 1; a < nest.n_arrays; a++)
      dense &= nest.stride[a][nest.n - 1] / 2 == 0 && nest.stride[a][nest.n - 1] >= 0;
    assert_int_equal(nest_is_dense(&nest), dense);
    shorter += nest.n < n;
  }
  assert_true(shorter > 500);
}

/* ---- names ---- */

static void member_names(void **state) {
  (void)state;
  char longer[301];
  memset(longer, 'x', 300);
  longer[300] = 0;
  const char *names[] = {"image",  "int",  "class", "",          "3d",        "naïve",
                         "a b",    "a.b",  "linux", longer,      "NULL",      "_x",
                         "size_t", "x*/y", "Image", "WORKSPACE", /* outputs: */
                         "image",  "a_b",  longer,  "workspace", "constants", "for"};
  enum { N = sizeof names / sizeof *names, INPUTS = 16 };
  char **members = c_member_names(arena, names, N, INPUTS);
  static const char *const expected[] = {"image",
                                         "in1_int",
                                         "in2_class",
                                         "in3__",
                                         "in4__3d",
                                         "na__ve",
                                         "a_b",
                                         "a_b_2",
                                         "in8_linux",
                                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                         "in10_NULL",
                                         "in11__x",
                                         "in12_size_t",
                                         "x__y",
                                         "Image_2",
                                         "in15_WORKSPACE",
                                         "image_3",
                                         "a_b_3",
                                         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_2",
                                         "workspace_2",
                                         "constants_2",
                                         "out5_for"};
  for (int i = 0; i < N; i++) assert_string_equal(members[i], expected[i]);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < i; j++)
      assert_string_not_equal(c_upper(arena, members[i]), c_upper(arena, members[j]));
}

static void random_member_names_are_unique_identifiers(void **state) {
  (void)state;
  for (int trial = 0; trial < 200; trial++) {
    enum { N = 12 };
    const char *names[N];
    for (int i = 0; i < N; i++) {
      char text[8] = {0};
      int length = below(4);
      for (int k = 0; k < length; k++) text[k] = "aAb_2.\xc3"[below(7)];
      names[i] = arena_strdup(arena, text);
    }
    char **members = c_member_names(arena, names, N, N / 2);
    for (int i = 0; i < N; i++) {
      assert_true(isalpha((unsigned char)members[i][0]));
      for (const char *p = members[i]; *p; p++) assert_true(isalnum((unsigned char)*p) || *p == '_');
      for (int j = 0; j < i; j++)
        assert_string_not_equal(c_upper(arena, members[i]), c_upper(arena, members[j]));
    }
  }
}

static void identifiers(void **state) {
  (void)state;
  assert_string_equal(c_identifier(arena, ""), "_");
  assert_string_equal(c_identifier(arena, "7"), "_7");
  assert_string_equal(c_identifier(arena, "a-b/c\n\"\\"), "a_b_c___");
  assert_string_equal(c_identifier(arena, "\xff\x80"), "__");
  assert_int_equal(strlen(c_identifier(arena, "1234567890123456789012345678901234567890123456789")), 40);
}

static void comments_cannot_be_left(void **state) {
  (void)state;
  assert_string_equal(comment_text(arena, "conv1 (3x3)"), "conv1 (3x3)");
  assert_string_equal(comment_text(arena, "*/ int x; /*"), "__ int x; __");
  assert_string_equal(comment_text(arena, "a\\\nb\"?\?/\r\t\x7f\xc3"), "a__b________");
  char *longer = arena_alloc(arena, 301);
  memset(longer, 'y', 300);
  assert_int_equal(strlen(comment_text(arena, longer)), 80);
}

/* ---- whole modules ---- */

/* What codegen says of a graph; NULL where it accepts it. `text` is a model's body. */
static char *codegen_of(const char *body, const char *target, bool nhwc, StrBuf *c, StrBuf *h) {
  char *said = NULL;
  size_t size;
  FILE *f = open_memstream(&said, &size);
  Diag d;
  diag_init(&d, arena, f);
  char *text = arena_printf(arena, "model m {\n%s}\n", body);
  Graph *g = ir_parse(&d, arena, source_from_text(arena, "m.ir", text, strlen(text)), NULL);
  fflush(f);
  if (!g) fail_msg("the text does not parse: %s", said);
  CodegenOptions o = {.targets = (const Target *const[]){target_find(target), NULL},
                      .name = "m",
                      .header_name = "m.h",
                      .model_file = "m.ir",
                      .nhwc_io = nhwc};
  strbuf_init(c, arena);
  strbuf_init(h, arena);
  bool ok = codegen_c(&d, arena, g, &o, c, h);
  fclose(f);
  char *message = ok ? NULL : arena_strdup(arena, said);
  assert_true(ok || *said);
  free(said);
  return message;
}

static void expect_refused(const char *body, const char *message) {
  StrBuf c, h;
  for (const Target *t = target_table; t->name; t++) {
    char *said = codegen_of(body, t->name, false, &c, &h);
    if (!said) fail_msg("accepted on %s, but should say: %s", t->name, message);
    if (!strstr(said, message)) fail_msg("on %s, not '%s' but: %s", t->name, message, said);
    assert_non_null(strstr(said, "m.ir:"));
  }
}

static void messages(void **state) {
  (void)state;
  /* types */
  expect_refused("input %x : s64[4]\n output %x\n", "'x': code generation has no s64 tensors");
  expect_refused("input %x : bool[4]\n %y = identity(%x)\n output %y\n",
                 "'x': code generation has no bool tensors");
  expect_refused("input %x : f32[1]\n const @c : f16[2] = [1, 2]\n output %x, @c\n",
                 "'c': code generation has no f16 tensors");
  expect_refused("input %x : s8<axis=1, scale=[0.5, 0.25], zero=0>[1, 2]\n %y = dequantize(%x)\n output %y\n",
                 "'x': code generation has no per-channel activations");
  expect_refused(
      "input %x : f32[1, 2]\n %y = quantize(%x) : s8<axis=1, scale=[0.5, 0.25], zero=0>[1, 2]\n output %y\n",
      "'y': code generation has no per-channel activations");
  expect_refused("input %x : f32[1, 2]\n %y = quantize(%x) : s32<scale=0.5, zero=0>[1, 2]\n output %y\n",
                 "'y': code generation has no quantize to s32");
  expect_refused("input %x : s32<scale=0.5, zero=2>[1, 2]\n %y = dequantize(%x)\n output %y\n",
                 "'x': code generation has no s32 activations with a zero point");
  /* what a pass must have rewritten */
  expect_refused("input %x : f32[1, 2]\n %y = flatten(%x)\n output %y\n",
                 "'y': code generation has no flatten");
  expect_refused(
      "input %x : u8<scale=0.1, zero=3>[2]\n %y = sigmoid(%x) : u8<scale=0.1, zero=3>[2]\n output %y\n",
      "'y': a quantized sigmoid must be a table by now");
  /* operands that must be constants */
  expect_refused(
      "input %x : f32[1, 1, 2, 2]\n input %w : f32[1, 1, 1, 1]\n %y = conv2d(%x, %w)\n output %y\n",
      "'y': operand 2 of conv2d, 'w', must be a constant for code generation");
  expect_refused("input %x : f32[1, 2]\n input %b : f32[1]\n %y = linear(%x, [[1.0, 2.0]], %b)\n output %y\n",
                 "'y': operand 3 of linear, 'b', must be a constant for code generation");
  expect_refused("input %x : u8[1, 2]\n input %s : f32[]\n input %z : u8[]\n"
                 "input %w : s8<scale=1, zero=0>[3, 2]\n %y = dynamic_linear(%x, %s, %z, %w)\n output %y\n",
                 "'y': operand 4 of dynamic_linear, 'w', must be a constant for code generation");
  expect_refused("input %x : u8[1, 2]\n input %w : s8[2, 3]\n const @z : s8[3] = [1, 2, 3]\n"
                 "%y = matmul_integer(%x, %w, _, @z)\n output %y\n",
                 "'y': code generation has no zero points per column of a computed operand");
  expect_refused("input %x : u8[1, 2]\n const @w : s8[2, 1] = [[1], [2]]\n input %z : s8[]\n"
                 "%y = matmul_integer(%x, @w, _, %z)\n output %y\n",
                 "'y': code generation has no computed zero point of a constant operand");
  expect_refused(
      "input %x : f32[1, 2, 3]\n input %w : f32[1, 1, 3]\n %y, %h = rnn(%x, %w, [[[1.0]]])\n output %y\n",
      "'y': operand 2 of rnn, 'w', must be a constant for code generation");
  expect_refused(
      "input %x : f32[1, 2, 1]\n input %r : f32[1, 1, 1]\n %y, %h = rnn(%x, [[[1.0]]], %r)\n output %y\n",
      "'y': operand 3 of rnn, 'r', must be a constant for code generation");
  /* ops */
  expect_refused("input %x : u8<scale=0.1, zero=3>[1]\n input %z : u8<scale=0.2, zero=3>[1]\n"
                 "%y = concat(%x, %z) { axis = 0 } : u8<scale=0.1, zero=3>[2]\n output %y\n",
                 "'y': operand 2 has other quantization parameters than the result");
  /* size */
  expect_refused("input %x : f32[1, 1, 4, 4]\n"
                 "%y = conv2d(%x, [[[[5.0]]]]) { pad = [50000, 50000, 50000, 50000], stride = [20000, 20000] "
                 "}\n output %y\n",
                 "'x': [1, 1, 4, 4] with padding of [50000, 50000, 50000, 50000] is larger than the limit of "
                 "268435456 elements");
  expect_refused("input %x : f32[1, 1, 4, 4]\n %r = relu(%x)\n"
                 "%y = conv2d(%r, [[[[5.0]]]]) { pad = [16000000, 0, 16000000, 16000000], stride = "
                 "[16000000, 16000000] }\n output %y\n",
                 "'r': [1, 1, 4, 4] with padding");
}

static void every_fault_is_told(void **state) {
  (void)state;
  StrBuf c, h;
  char *said = codegen_of("input %x : s64[1]\n input %z : f32[1, 2]\n %y = flatten(%z)\n output %x, %y\n",
                          "generic", false, &c, &h);
  assert_non_null(said);
  assert_non_null(strstr(said, "no flatten"));
  assert_non_null(strstr(said, "no s64 tensors"));
}

static int occurrences(const char *text, const char *what) {
  int n = 0;
  for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
  return n;
}

static void concat_of_many_operands(void **state) {
  (void)state;
  StrBuf body, c, h;
  strbuf_init(&body, arena);
  for (int i = 0; i < 40; i++) strbuf_printf(&body, "input %%x%d : f32[1]\n", i);
  strbuf_puts(&body, "%y = concat(");
  for (int i = 0; i < 40; i++) strbuf_printf(&body, "%s%%x%d", i ? ", " : "", i);
  strbuf_puts(&body, ") { axis = 0 }\noutput %y\n");
  assert_null(codegen_of(body.text, "x86-64-v3", false, &c, &h));
  assert_int_equal(occurrences(c.text, "static void n0_y_part"), 7);
}

/* No function of the emitted file is longer than about 500 lines. */
static void check_lengths(const char *c) {
  int line = 1, start = 0;
  for (const char *p = c; *p; p++) {
    if (*p != '\n') continue;
    line++;
    if (!strncmp(p + 1, "static ", 7) || !strncmp(p + 1, "int ", 4)) start = line;
    if (p[1] != '}' || p[2] != '\n') continue;
    if (line - start > 520)
      fail_msg("%d lines before line %d in: %.3000s", line - start, line, strstr(c, "n0_"));
  }
}

static void functions_stay_short(void **state) {
  (void)state;
  StrBuf body, c, h;
  strbuf_init(&body, arena);
  strbuf_puts(&body, "input %x : f32[3]\n%a0 = neg(%x)\n");
  for (int i = 0; i < 1200; i++) strbuf_printf(&body, "%%a%d = neg(%%a%d)\n", i + 1, i);
  strbuf_puts(&body, "output %a1200\n");
  assert_null(codegen_of(body.text, "generic", false, &c, &h));
  check_lengths(c.text);
  assert_int_equal(occurrences(c.text, "static void run_part"), 7);
  assert_non_null(strstr(c.text, "  run_part7(in, out, ws);\n  return 0;\n"));

  static const char *const bodies[] = {
      "input %x : f32[1, 36, 13, 13]\n %y = max_pool2d(%x) { kernel = [13, 13], pad = [6, 6, 6, 6] }\n "
      "output %y\n",
      "input %x : f32[1, 9, 14, 14]\n %y = avg_pool2d(%x) { kernel = [7, 7], pad = [3, 3, 3, 3] }\n output "
      "%y\n",
      "input %x : f32[1, 17, 8, 8]\n %y = max_pool2d(%x) { kernel = [5, 5], pad = [2, 2, 2, 2] }\n output "
      "%y\n",
      "input %x : f32[1, 3, 1, 900]\n %y = max_pool2d(%x) { kernel = [1, 700] }\n output %y\n",
      "input %x : f32[1, 3, 60, 60]\n %y = max_pool2d(%x) { kernel = [60, 60], pad = [30, 30, 30, 30] }\n "
      "output %y\n",
      "input %x : f32[1, 9, 8, 9, 10]\n %y = avg_pool3d(%x) { kernel = [4, 4, 4], pad = [3, 3, 3, 3, 3, 3] "
      "}\n output %y\n",
      "input %x : f32[1, 3, 40, 40]\n %y = resize_linear(%x) { size = [1, 3, 90, 70] }\n output %y\n",
      "input %x : f32[1, 1, 9, 9, 9]\n %y = resize_linear(%x) { size = [1, 1, 20, 21, 22] }\n output %y\n",
      "input %x : f32[1, 17, 30, 30]\n %y = adaptive_avg_pool(%x) { size = [17, 19] }\n output %y\n",
      "input %x : f32[2, 2, 2, 2, 2, 2, 2, 2]\n"
      "%y = pad(%x) { pads = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], mode = edge }\n output %y\n",
      "input %x : f32[40]\n %y = softmax(%x) { axis = 0 }\n %z = reduce_mean(%y) { axes = [0] }\n output "
      "%z\n"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
    for (const Target *t = target_table; t->name; t++) {
      assert_null(codegen_of(bodies[i], t->name, false, &c, &h));
      check_lengths(c.text);
    }
  /* long windows and rows of weights */
  static const int windows[][4] = {{3, 3, 24, 1},  {1, 301, 5, 5}, {5, 5, 16, 16},
                                   {11, 11, 3, 1}, {1, 1, 300, 1}, {2, 90, 1, 1}};
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
    for (int form = 0; form < 4; form++) {
      bool quantized = form & 1, transposed = form & 2;
      const int *w = windows[i];
      int ic = w[2], groups = w[3], oc = groups > 1 ? ic : 70, count = oc * (ic / groups) * w[0] * w[1];
      StrBuf values;
      strbuf_init(&values, arena);
      for (int o = 0, k = 0; o < oc; o++) {
        strbuf_puts(&values, o ? ", [" : "[[");
        for (int g = 0; g < ic / groups; g++)
          for (int r = 0; r < w[0]; r++) {
            strbuf_printf(&values, "%s", r ? ", [" : g ? ", [[" : "[[");
            for (int s = 0; s < w[1]; s++, k++)
              strbuf_printf(&values, "%s%d", s ? ", " : "", (k * 71) % 255 - 127);
            strbuf_puts(&values, r + 1 == w[0] ? "]]" : "]");
          }
        strbuf_puts(&values, "]");
      }
      strbuf_puts(&values, "]");
      assert_true(count > 0);
      body.len = 0;
      strbuf_printf(&body, "input %%x : %s[1, %d, 12, 310]\nconst @w : %s[%d, %d, %d, %d] = %s\n",
                    quantized ? "u8<scale=0.1, zero=3>" : "f32", ic,
                    quantized ? "s8<scale=0.1, zero=0>" : "f32", oc, ic / groups, w[0], w[1], values.text);
      strbuf_printf(&body, "%%y = %s(%%x, @w) { groups = %d%s }", transposed ? "conv_transpose2d" : "conv2d",
                    groups, transposed ? ", stride = [2, 3]" : "");
      if (quantized)
        strbuf_printf(&body, " : u8<scale=90.0, zero=3>[1, %d, %d, %d]", oc,
                      transposed ? 11 * 2 + w[0] : 12 - w[0] + 1,
                      transposed ? 309 * 3 + w[1] : 310 - w[1] + 1);
      strbuf_puts(&body, "\noutput %y\n");
      for (const Target *t = target_table; t->name; t++) {
        assert_null(codegen_of(body.text, t->name, false, &c, &h));
        check_lengths(c.text);
      }
    }
}

/* A depthwise layer of `channels` with a kernel of height x width whose weights all are `w` but the middle
 * row's, which are `middle`. */
static const char *depthwise_body(int channels, int height, int width, int w, int middle, const char *attrs,
                                  int zero) {
  StrBuf s;
  strbuf_init(&s, arena);
  strbuf_printf(&s,
                "input %%x : u8<scale=0.1, zero=3>[1, %d, 24, 24]\nconst @w : s8<scale=0.1, zero=%d>[%d, 1, "
                "%d, %d] = [",
                channels, zero, channels, height, width);
  for (int c = 0; c < channels; c++) {
    strbuf_puts(&s, c ? ", [[" : "[[");
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++)
        strbuf_printf(&s, "%s%d%s",
                      x   ? ", "
                      : y ? ", ["
                          : "[",
                      y == height / 2 ? middle : w, x + 1 == width ? "]" : "");
    strbuf_puts(&s, "]]");
  }
  strbuf_printf(
      &s, "]\n%%y = conv2d(%%x, @w) { groups = %d%s } : u8<scale=90.0, zero=3>[1, %d, %d, %d]\noutput %%y\n",
      channels, attrs, channels, 24 - height + 1, 24 - width + 1);
  return s.text;
}

static void expect_text(const char *body, const char *target, const char *has, const char *lacks) {
  StrBuf c, h;
  assert_null(codegen_of(body, target, false, &c, &h));
  check_lengths(c.text);
  if (has && !strstr(c.text, has)) fail_msg("on %s, no '%s'", target, has);
  if (lacks && strstr(c.text, lacks)) fail_msg("on %s, '%s'", target, lacks);
}

static void depthwise_forms(void **state) {
  (void)state;
  /* rows 0 and 2 are paired, for the middle row has the largest weights */
  expect_text(depthwise_body(40, 3, 3, 60, 127, "", 0), "x86-64-v3", "sliding columns */", "sign flips");
  expect_text(depthwise_body(40, 3, 3, 100, 127, "", 0), "x86-64-v3", "exact by sign flips", NULL);
  expect_text(depthwise_body(40, 3, 3, 127, 127, "", 0), "x86-64-v3+avxvnni", "sliding columns",
              "sign flips");
  /* -128 can't be flipped; two of them in a pair, and weights beyond bytes, take pairs of int16 */
  expect_text(depthwise_body(40, 3, 3, -128, -128, "", 0), "x86-64-v3", "v_dot2(", "quad");
  expect_text(depthwise_body(40, 3, 3, -128, -128, "", 0), "x86-64-v4+avx512vnni", "v_dot_mem(", "v_dot2(");
  expect_text(depthwise_body(40, 3, 3, 127, -100, "", -20), "x86-64-v4+avx512vnni", "v_dot2(", "quad");
  /* targets whose vectors don't interleave */
  expect_text(depthwise_body(40, 3, 3, 60, 127, "", 0), "generic", "v_dot2(", "quad");
  /* several pixels of few channels */
  expect_text(depthwise_body(8, 3, 3, 60, 127, "", 0), "x86-64-v3", "x 8 channels x 4 pixels", NULL);
  expect_text(depthwise_body(16, 3, 3, 60, 127, "", 0), "x86-64-v4", "x 16 channels x 4 pixels", NULL);
  /* a clamp within the type's range, and none that is the range */
  expect_text(depthwise_body(40, 3, 3, 60, 127, ", act_max = 9000.0", 0), "x86-64-v3", "v_min_u8(",
              "v_max_u8(");
  expect_text(depthwise_body(40, 3, 3, 60, 127, "", 0), "x86-64-v3", "v_scale(", "v_requant(");
  for (const Target *t = target_table; t->name; t++)
    for (int height = 1; height <= 24; height += height / 4 + 1)
      for (int width = 1; width <= 24; width += width / 4 + 1)
        expect_text(depthwise_body(33, height, width, 100, 100, "", 0), t->name, NULL, NULL);
}

static void names_of_the_model_stay_harmless(void **state) {
  (void)state;
  StrBuf c, h, body;
  strbuf_init(&body, arena);
  char *hostile = arena_printf(arena, "*/ #include <x.h> ?\?/ \\\\\\n\\\" %0300d", 7);
  strbuf_printf(&body,
                "input %%\"%s\" : f32[1, 4]\n %%\"y%s\" = linear(%%\"%s\", [[1.0, 2.0, 3.0, 4.0]])\n output "
                "%%\"y%s\"\n",
                hostile, hostile, hostile, hostile);
  assert_null(codegen_of(body.text, "generic", false, &c, &h));
  assert_null(strstr(c.text, "*/ #include"));
  assert_null(strstr(c.text, "?\?/"));
  assert_null(strstr(h.text, "x.h"));
  for (const char *p = c.text; *p; p++) assert_true(*p == '\n' || (*p >= 32 && *p < 127));
  /* comments open and close in turn */
  for (const char *p = c.text; (p = strstr(p, "/*"));) {
    const char *end = strstr(p + 2, "*/"), *again = strstr(p + 2, "/*");
    assert_non_null(end);
    assert_true(!again || again > end);
    p = end + 2;
  }
}

static void headers(void **state) {
  (void)state;
  static const char body[] =
      "input %image : u8<scale=0.5, zero=3>[1, 3, 4, 5]\n input %int : f32[]\n"
      "input %unused : s64[2, 3]\n input %seq : f32[2, 3, 4]\n"
      "%y = max_pool2d(%image) { kernel = [2, 2] }\n %z = neg(%seq)\n output %y, %int, %z\n";
  StrBuf c, h, again, h_again;
  assert_null(codegen_of(body, "arm64", false, &c, &h));
  static const char *const nchw[] = {"#define M_IMAGE_SIZE 60 /* elements */\n",
                                     "#define M_IMAGE_SCALE 0.5f",
                                     "#define M_IMAGE_ZERO 3\n",
                                     "#define M_IN1_INT_SIZE 1 /* elements */\n",
                                     "#define M_UNUSED_SIZE 6",
                                     "#define M_Y_SCALE 0.5f",
                                     "  const uint8_t *image; /* [1][3][4][5] */\n",
                                     "  const float *in1_int; /* [1] */\n",
                                     "  const int64_t *unused; /* [2][3] */\n",
                                     "  const float *seq; /* [2][3][4] */\n",
                                     "  uint8_t *y; /* [1][3][3][4] */\n",
                                     "  float *int_2; /* [1] */\n",
                                     "int m_run(const m_inputs *in, const m_outputs *out, void *workspace);"};
  for (size_t i = 0; i < sizeof nchw / sizeof *nchw; i++)
    if (!strstr(h.text, nchw[i]) && strcmp(nchw[i], "  float *int_2; /* [1] */\n"))
      fail_msg("no '%s' in %s", nchw[i], h.text);
  assert_null(codegen_of(body, "arm64", false, &again, &h_again));
  assert_string_equal(c.text, again.text);
  assert_string_equal(h.text, h_again.text);
  assert_null(codegen_of(body, "arm64", true, &c, &h));
  static const char *const nhwc[] = {"  const uint8_t *image; /* [1][4][5][3] */\n",
                                     "  const float *seq; /* [2][4][3] */\n",
                                     "  uint8_t *y; /* [1][3][4][3] */\n", "  float *z; /* [2][4][3] */\n"};
  for (size_t i = 0; i < sizeof nhwc / sizeof *nhwc; i++)
    if (!strstr(h.text, nhwc[i])) fail_msg("no '%s' in %s", nhwc[i], h.text);
}

static void constants_that_are_no_numbers(void **state) {
  (void)state;
  StrBuf c, h;
  assert_null(codegen_of("input %x : f32[2]\n const @c : f32[3] = [nan, inf, -inf]\n %y = pad(%x) { pads = "
                         "[1, 0], value = nan }\n"
                         "output %y, @c\n",
                         "generic", false, &c, &h));
  assert_non_null(strstr(c.text, "    (0.0f / 0.0f), (1.0f / 0.0f), (-1.0f / 0.0f),\n"));
  assert_non_null(strstr(c.text, "v_float_const((0.0f / 0.0f))"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(layouts_hold_each_element_once, setup, teardown),
      cmocka_unit_test_setup_teardown(reshaped_strides_reach_the_same_elements, setup, teardown),
      cmocka_unit_test_setup_teardown(orders_of_storages, setup, teardown),
      cmocka_unit_test_setup_teardown(alike_storages, setup, teardown),
      cmocka_unit_test_setup_teardown(simplified_nests_visit_the_same, setup, teardown),
      cmocka_unit_test_setup_teardown(member_names, setup, teardown),
      cmocka_unit_test_setup_teardown(random_member_names_are_unique_identifiers, setup, teardown),
      cmocka_unit_test_setup_teardown(identifiers, setup, teardown),
      cmocka_unit_test_setup_teardown(comments_cannot_be_left, setup, teardown),
      cmocka_unit_test_setup_teardown(messages, setup, teardown),
      cmocka_unit_test_setup_teardown(every_fault_is_told, setup, teardown),
      cmocka_unit_test_setup_teardown(concat_of_many_operands, setup, teardown),
      cmocka_unit_test_setup_teardown(functions_stay_short, setup, teardown),
      cmocka_unit_test_setup_teardown(depthwise_forms, setup, teardown),
      cmocka_unit_test_setup_teardown(names_of_the_model_stay_harmless, setup, teardown),
      cmocka_unit_test_setup_teardown(headers, setup, teardown),
      cmocka_unit_test_setup_teardown(constants_that_are_no_numbers, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
