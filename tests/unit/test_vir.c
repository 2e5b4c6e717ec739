/* VIR: what the builder makes, the printed text, and every fault that the verifier must find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/runtime_text.h"
#include "codegen/target.h"
#include "codegen/cpu.h"
#include "codegen/vir.h"
#include "tests/unit/arena_test.h"

/* Two pixels of a small product, with all kinds of statements. */
static VirModule *example(void) {
  VirModule *m = vir_module(arena, 4);
  int8_t w[80];
  for (int i = 0; i < 80; i++) w[i] = (int8_t)(i * 37);
  w[0] = 0, w[1] = '7', w[2] = '"', w[3] = '\\', w[4] = '?', w[5] = '?', w[6] = -128;
  const VirBase *weights = vir_constant(m, "conv1/weight", DT_S8, 80, w, "weights of conv1: [5][4][4]");
  int32_t bias[4] = {1, -2, INT32_MIN, INT32_MAX};
  const VirBase *b0 = vir_constant(m, "conv1_bias", DT_S32, 4, bias, "bias */ of\nconv1 ?\?/");
  int16_t pairs[2] = {-32768, 5};
  vir_constant_s16(m, "pairs", 2, pairs, NULL);
  float scale[5] = {0.0235f, 3, -0.0f, 1e-20f, 16777217.0f};
  vir_constant(m, "conv1_scale", DT_F32, 5, scale, NULL);

  VirBuilder tile, b;
  vir_func(&tile, m, "conv1_tile", true, "one pixel of conv1");
  const VirBase *x = vir_param(&tile, "x", DT_U8, false, 20);
  const VirBase *y = vir_param(&tile, "y", DT_U8, true, 4);
  const VirVar *acc = VIR_LET(&tile, "acc0", load_s32, vir_at(vir_addr(b0, 0)));
  const VirVar *k = vir_loop(&tile, "k", 0, 5, 1);
  const VirVar *x0 = VIR_LET(&tile, "x0", bcast4, vir_at(vir_plus(vir_addr(x, 0), k, 4)));
  const VirVar *w0 = VIR_LET(&tile, "w0", load_q, vir_at(vir_plus(vir_addr(weights, 0), k, 16)));
  VIR_SET(&tile, acc, dot, vir_v(acc), vir_v(x0), vir_v(w0));
  vir_end(&tile);
  vir_comment(&tile, "the sum is complete after %d steps", 5);
  VIR_DO(&tile, store_u8, vir_at(vir_addr(y, 0)), vir_v(acc));

  vir_func(&b, m, "conv1", false, "conv1: u8[2, 20] -> u8[2, 4]");
  const VirBase *x1 = vir_param(&b, "x", DT_U8, false, 40);
  const VirBase *y1 = vir_param(&b, "y", DT_U8, true, 8);
  vir_param(&b, "idle", DT_F32, false, 0);
  const VirBase *t = vir_local(&b, "row", DT_U8, 4);
  const VirVar *o = vir_loop(&b, "o", 0, 2, 1);
  VirAddr args[] = {vir_plus(vir_addr(x1, 0), o, 20), vir_plus(vir_addr(y1, 4), o, -4)};
  vir_call(&b, m->funcs, 2, args);
  vir_end(&b);
  const VirVar *r = vir_loop(&b, "o", 0, 4, 3);
  const VirVar *c = VIR_LET(&b, "c", int_const, vir_n(INT32_MIN));
  const VirVar *d = VIR_LET(&b, "c", int_requant, vir_v(c), vir_v(VIR_LET(&b, "f", float_const, vir_m(0.1f))),
                            vir_m(-5), vir_m(1e20f), vir_n(-3));
  VIR_DO(&b, put_u8, vir_at(vir_plus(vir_addr(t, 3), r, -1)), vir_v(d));
  vir_end(&b);
  return m;
}

static const char golden[] =
    "/* one pixel of conv1 */\n"
    "static inline void conv1_tile(const uint8_t *restrict x, uint8_t *restrict y) {\n"
    "  v_s32 acc0 = v_load_s32(conv1_bias);\n"
    "  for (int k = 0; k < 5; k++) {\n"
    "    const v_q x0 = v_bcast4(x + k * 4);\n"
    "    const v_q w0 = v_load_q(conv1_weight + k * 16);\n"
    "    acc0 = v_dot(acc0, x0, w0);\n"
    "  }\n"
    "  /* the sum is complete after 5 steps */\n"
    "  v_store_u8(y, acc0);\n"
    "}\n"
    "\n"
    "/* conv1: u8[2, 20] -> u8[2, 4] */\n"
    "static void conv1(const uint8_t *restrict x, uint8_t *restrict y, const float *restrict idle) {\n"
    "  (void)idle;\n"
    "  uint8_t row[4];\n"
    "  for (int o = 0; o < 2; o++) {\n"
    "    conv1_tile(x + o * 20, y + (-o * 4 + 4));\n"
    "  }\n"
    "  for (int o = 0; o < 4; o += 3) {\n"
    "    const int32_t c = v_int_const((-2147483647 - 1));\n"
    "    const float f = v_float_const(0.1f);\n"
    "    const int32_t c2 = v_int_requant(c, f, -5.0f, 1e+20f, -3);\n"
    "    v_put_u8(row + (-o + 3), c2);\n"
    "  }\n"
    "}\n"
    "\n";

static void functions_print(void **state) {
  (void)state;
  VirModule *m = example();
  assert_null(vir_check(arena, m));
  vir_verify(m);
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_functions(&out, m, "");
  assert_string_equal(out.text, golden);
}

static void attributes_stand_before_functions(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 8);
  VirBuilder b;
  vir_func(&b, m, "f", false, NULL);
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_functions(&out, m, "__attribute__((target(\"avx2\")))");
  assert_string_equal(out.text, "__attribute__((target(\"avx2\")))\nstatic void f(void) {\n}\n\n");
}

static void constants_print(void **state) {
  (void)state;
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_constants(&out, example());
  assert_non_null(strstr(out.text, "/* weights of conv1: [5][4][4] */\n"
                                   "static const int8_t conv1_weight[] v_aligned =\n"
                                   "    \"\\0007\\\"\\\\\\77\\77\\200"));
  assert_non_null(strstr(out.text, "/* bias * / of\n * conv1 ? ?/ */\n"
                                   "static const int32_t conv1_bias[4] v_aligned = {\n"
                                   "    1, -2, (-2147483647 - 1), 2147483647,\n};\n"));
  assert_non_null(strstr(out.text, "static const int16_t pairs[2] v_aligned = {\n    -32768, 5,\n};\n"));
  assert_non_null(strstr(out.text, "static const float conv1_scale[5] v_aligned = {\n"
                                   "    0.0235f, 3.0f, -0.0f, 1e-20f, 16777216.0f,\n};\n"));
  assert_null(strstr(out.text, "pragma"));
  for (const char *line = out.text; *line;) {
    size_t n = strcspn(line, "\n");
    assert_true(n <= 110);
    line += n + (line[n] == '\n');
  }
}

/* A C compiler reads every byte value beside every other back as it was. */
static void string_literals_read_back_equal(void **state) {
  (void)state;
  const char *cc = getenv("CC") ? getenv("CC") : "cc";
  VirModule *m = vir_module(arena, 4);
  enum { N = 65536 * 2 };
  uint8_t *data = arena_alloc(arena, N);
  for (int i = 0; i < N / 2; i++) data[2 * i] = (uint8_t)(i >> 8), data[2 * i + 1] = (uint8_t)i;
  vir_constant(m, "w", DT_U8, N, data, NULL);
  StrBuf out;
  strbuf_init(&out, arena);
  strbuf_puts(&out, "#include <stdint.h>\n#define v_aligned __attribute__((aligned(64)))\n");
  vir_print_constants(&out, m);
  strbuf_puts(&out, "int main(void) {\n  for (int i = 0; i < 65536; i++)\n"
                    "    if (w[2 * i] != i / 256 || w[2 * i + 1] != i % 256) return 1;\n"
                    "  return (uintptr_t)w % 64 || sizeof w != 131073;\n}\n");
  char folder[] = "/tmp/test_vir_XXXXXX";
  assert_non_null(mkdtemp(folder));
  FILE *f = fopen(arena_printf(arena, "%s/w.c", folder), "w");
  assert_non_null(f);
  assert_int_equal(fwrite(out.text, 1, out.len, f), out.len);
  fclose(f);
  const char *std[] = {"c99", "gnu17"};
  for (int i = 0; i < 2; i++)
    assert_int_equal(
        system(arena_printf(arena, "%s -std=%s -Wall -Wextra -pedantic -Werror %s/w.c -o %s/w && %s/w", cc,
                            std[i], folder, folder, folder)),
        0);
  assert_int_equal(system(arena_printf(arena, "rm -r %s", folder)), 0);
}

static void long_lines_continue_behind_a_comma(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  VirBuilder b;
  vir_func(&b, m, "f", false, NULL);
  const VirVar *v = VIR_LET(&b, "a_vector_with_a_rather_long_name", splat_s32, vir_n(1));
  VIR_LET(&b, "sum", sum4, vir_v(v), vir_v(v), vir_v(v), vir_v(v));
  assert_null(vir_check(arena, m));
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_functions(&out, m, "");
  assert_non_null(strstr(
      out.text,
      "  const v_s32 sum = v_sum4(a_vector_with_a_rather_long_name, a_vector_with_a_rather_long_name,\n"
      "      a_vector_with_a_rather_long_name, a_vector_with_a_rather_long_name);\n"));
}

static void long_comments_continue_at_a_space(void **state) {
  (void)state;
  StrBuf out, text, word;
  strbuf_init(&out, arena);
  strbuf_init(&text, arena);
  for (int i = 0; i < 60; i++) strbuf_puts(&text, "word ");
  strbuf_puts(&text, "end");
  vir_print_comment(&out, 4, text.text);
  int lines = 0;
  for (const char *line = out.text; *line; lines++) {
    size_t n = strcspn(line, "\n");
    assert_true(n <= 110 && line[n] == '\n');
    assert_memory_equal(line, lines ? "     * " : "    /* ", 7);
    line += n + 1;
  }
  assert_int_equal(lines, 4);
  strbuf_init(&word, arena);
  out.len = 0;
  for (int i = 0; i < 200; i++) strbuf_puts(&word, "x");
  vir_print_comment(&out, 0, word.text);
  assert_string_equal(out.text, arena_printf(arena, "/* %s */\n", word.text));
}

static void equal_constants_are_stored_once(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  const uint8_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  const VirBase *a = vir_constant(m, "a", DT_U8, 8, ones, NULL);
  assert_ptr_equal(vir_constant(m, "b", DT_U8, 8, ones, NULL), a);
  assert_ptr_not_equal(vir_constant(m, "a", DT_S8, 8, ones, NULL), a);
  assert_ptr_not_equal(vir_constant(m, "a", DT_U8, 7, ones, NULL), a);
  assert_ptr_not_equal(vir_constant(m, "a", DT_S32, 2, ones, NULL),
                       vir_constant_s16(m, "a", 4, (int16_t *)ones, ""));
  assert_int_equal(m->n_constants, 5);
  assert_string_equal(m->constants[1]->name, "a2");
  assert_string_equal(m->constants[2]->name, "a3");
  for (uint8_t i = 0; i < 100; i++) vir_constant(m, "many", DT_U8, 1, &i, NULL);
  assert_int_equal(m->n_constants, 105);
  assert_int_equal(*(const uint8_t *)m->constants[104]->data, 99);
}

/* Modules for one file: what is equal stands once, and is known by all that use it. */
static void modules_share_constants(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  m->group = 1u << ARCH_X86_64;
  const uint8_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  const VirBase *a = vir_constant(m, "a", DT_U8, 8, ones, NULL),
                *b = vir_constant(m, "b", DT_U8, 7, ones, NULL);
  VirModule *other = vir_module_beside(m, 8, "other_");
  other->group = 1u << ARCH_ARM64;
  assert_ptr_equal(vir_constant(other, "c", DT_U8, 8, ones, NULL), a);
  assert_string_equal(vir_constant(other, "b", DT_U8, 6, ones, NULL)->name, "b2");
  assert_int_equal(m->n_constants, 3);
  assert_int_equal(other->n_constants, 0);
  assert_int_equal(a->groups, 1u << ARCH_X86_64 | 1u << ARCH_ARM64);
  assert_int_equal(b->groups, 1u << ARCH_X86_64);
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_group(&out, m, a->groups);
  assert_non_null(strstr(out.text, "uint8_t a[8]"));
  assert_null(strstr(out.text, " b"));
  VirBuilder builder;
  vir_func(&builder, other, "f", false, NULL);
  assert_string_equal(other->funcs->name, "other_f");
  assert_null(m->funcs);
}

static void sets_of_architectures(void **state) {
  (void)state;
  unsigned order[8], n = 0;
  for (unsigned s = arch_set_next(0); s; s = arch_set_next(s)) order[n++] = s;
  for (unsigned i = 0; i < n; i++)
    for (unsigned k = 0; k < i; k++) assert_true(order[k] != order[i] && (order[k] & order[i]) != order[k]);
  assert_int_equal(arch_set(1u << ARCH_ANY | 1u << ARCH_ARM64), 1u << ARCH_ANY);
  assert_int_equal(order[0], 1u << ARCH_ANY);
  assert_int_equal(n, 1 + (1u << (ARCH_COUNT - 1)) - 1);
}

static void names_are_safe_and_unique(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  VirBuilder b;
  vir_func(&b, m, "int", false, NULL);
  assert_string_equal(b.f->name, "int2");
  assert_string_equal(vir_param(&b, "x", DT_U8, false, 1)->name, "x");
  assert_string_equal(vir_local(&b, "x", DT_U8, 1)->name, "x2");
  assert_string_equal(vir_loop(&b, "x", 0, 1, 1)->name, "x3");
  assert_string_equal(vir_loop(&b, "register", 0, 1, 1)->name, "register2");
  assert_string_equal(VIR_LET(&b, "v_dot", int_const, vir_n(1))->name, "xv_dot");
  const uint8_t bytes[3] = {1, 2, 3};
  /* a constant that a local array of that name would hide */
  assert_string_equal(vir_constant(m, "x2", DT_U8, 1, bytes, NULL)->name, "x2_2");
  assert_string_equal(vir_constant(m, "0 \"; \xc3\xa9", DT_U8, 2, bytes, NULL)->name, "x0______");
  assert_string_equal(vir_constant(m, "", DT_U8, 3, bytes, NULL)->name, "x4");
  vir_func(&b, m, "int", false, NULL);
  assert_string_equal(b.f->name, "int3");
  assert_string_equal(vir_param(&b, "x", DT_U8, false, 1)->name, "x");
}

/* Names may be used again behind the end of their scope; a constant of the function stands at its head, once.
 */
static void scopes_and_constants(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  VirBuilder b;
  vir_func(&b, m, "f", false, NULL);
  const VirBase *y = vir_param(&b, "y", DT_S32, true, 8);
  for (int i = 0; i < 2; i++) {
    vir_scope(&b, i ? NULL : "the %s", "first");
    const VirVar *v = VIR_LET(&b, "v", splat_s32, vir_n(i));
    const VirVar *k = VIR_ONCE(&b, "k", splat_s32, vir_n(7));
    VIR_DO(&b, store_s32, vir_at(vir_addr(y, 4 * i)), vir_v(VIR_LET(&b, "s", add_s32, vir_v(v), vir_v(k))));
    vir_end(&b);
  }
  vir_verify(m);
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_functions(&out, m, "");
  assert_string_equal(out.text, "static void f(int32_t *restrict y) {\n"
                                "  const v_s32 k = v_splat_s32(7);\n"
                                "  /* the first */\n"
                                "  {\n"
                                "    const v_s32 v = v_splat_s32(0);\n"
                                "    const v_s32 s = v_add_s32(v, k);\n"
                                "    v_store_s32(y, s);\n"
                                "  }\n"
                                "  {\n"
                                "    const v_s32 v = v_splat_s32(1);\n"
                                "    const v_s32 s = v_add_s32(v, k);\n"
                                "    v_store_s32(y + 4, s);\n"
                                "  }\n"
                                "}\n\n");
}

/* A variable ends with its scope. */
static void scopes_end(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  VirBuilder b;
  vir_func(&b, m, "f", false, NULL);
  const VirBase *y = vir_param(&b, "y", DT_S32, true, 4);
  vir_scope(&b, NULL);
  const VirVar *v = VIR_LET(&b, "v", splat_s32, vir_n(1));
  vir_end(&b);
  VIR_DO(&b, store_s32, vir_at(vir_addr(y, 0)), vir_v(v));
  assert_non_null(strstr(vir_check(arena, m), "v is not in scope"));
}

static void targets_are_found(void **state) {
  (void)state;
  assert_non_null(target_find(target_default()));
  assert_null(target_find("pdp11"));
  assert_string_equal(target_find("arm64")->isa, "neon");
  for (const Target *t = target_table; t->name; t++) {
    assert_ptr_equal(target_find(t->name), t);
    assert_true(t->lanes >= 4 && t->registers >= 16 && t->conv_mr > 0 && t->conv_nv > 0);
    assert_true(runtime_has(t->isa, t->broadcast) && runtime_has(t->isa, t->dot) &&
                runtime_has(t->isa, t->dot_wide));
  }
}

/* --- planted faults */

typedef struct {
  VirModule *m;
  VirBuilder b;
  const VirBase *in, *out, *floats, *table;
  const VirVar *i, *j; /* open loops: i in [0, 10), j in {0, 4, 8} */
  const VirVar *vec, *scalar, *quads;
} Fixture;

static Fixture fixture(void) {
  Fixture x = {.m = vir_module(arena, 4)};
  const int8_t table[100] = {1};
  x.table = vir_constant(x.m, "table", DT_S8, 100, table, NULL);
  vir_func(&x.b, x.m, "f", false, NULL);
  x.in = vir_param(&x.b, "in", DT_U8, false, 100);
  x.out = vir_param(&x.b, "out", DT_U8, true, 100);
  x.floats = vir_param(&x.b, "floats", DT_F32, true, 40);
  x.vec = VIR_LET(&x.b, "vec", splat_s32, vir_n(1));
  x.scalar = VIR_LET(&x.b, "scalar", int_const, vir_n(1));
  x.quads = VIR_LET(&x.b, "quads", splat_q, vir_n(128));
  x.i = vir_loop(&x.b, "i", 0, 10, 1);
  x.j = vir_loop(&x.b, "j", 0, 12, 4);
  return x;
}

static void close_loops(Fixture *x) {
  while (x->b.depth) vir_end(&x->b);
}

static void expect(Fixture *x, const char *fault) {
  close_loops(x);
  const char *found = vir_check(arena, x->m);
  if (!fault) {
    if (found) fail_msg("unexpected fault: %s", found);
    return;
  }
  assert_non_null(found);
  if (strncmp(found, "f: ", 3) || !strstr(found, fault)) fail_msg("'%s' does not tell '%s'", found, fault);
}

static VirArg at(const VirBase *base, int64_t offset) { return vir_at(vir_addr(base, offset)); }

/* An op with the address `offset + 9 * i + j` (81 + 8 at the end). */
static void one_load(VirOp op, bool of_table, int64_t offset, int64_t part, const char *fault) {
  Fixture x = fixture();
  VirAddr a = vir_plus(vir_plus(vir_addr(of_table ? x.table : x.in, offset), x.i, 9), x.j, 1);
  VirArg args[2] = {vir_at(a), vir_n(part)};
  vir_let(&x.b, "r", op, part ? 2 : 1, args);
  expect(&x, fault);
}

static void bounds_are_exact(void **state) {
  (void)state;
  /* 100 - (81 + 8) = 11 elements are left behind offset 0 */
  one_load(VIR_load_u8, false, 7, 0, NULL);
  one_load(VIR_load_u8, false, 8, 0, "elements 8..100 of in, which has 100");
  one_load(VIR_load_u8, false, -1, 0, "elements -1..");
  one_load(VIR_load_s8, true, 7, 0, NULL);
  one_load(VIR_load_s8, true, 8, 0, "elements 8..100 of table, which has 100");
  one_load(VIR_load_u8_part, false, 8, 3, NULL);
  one_load(VIR_load_u8_part, false, 9, 3, "elements");
  one_load(VIR_load_u8_part, false, 0, 5, "a part of 5 of 4");
  one_load(VIR_load_u8_part, false, 0, -1, "a part of -1 of 4");
  one_load(VIR_load_q, true, -5, 0, "elements -5..99");
  one_load(VIR_load_q, true, 0, 0, "elements 0..104 of table");
  one_load(VIR_load_q_part, true, 0, 11, NULL);
  one_load(VIR_load_q_part, true, 0, 12, "elements 0..100 of table");
  one_load(VIR_load_q_part, true, 0, 17, "a part of 17 of 16");
  one_load(VIR_bcast4, false, 7, 0, NULL);
  one_load(VIR_bcast4, false, 8, 0, "elements");
  one_load(VIR_get_u8, false, 10, 0, NULL);
  one_load(VIR_get_u8, false, 11, 0, "elements");
}

static void stores_and_negative_steps_are_bounded(void **state) {
  (void)state;
  Fixture x = fixture();
  VIR_DO(&x.b, store_q_part, vir_at(vir_plus(vir_addr(x.out, 92), x.i, -10)), vir_v(x.quads), vir_n(8));
  expect(&x, NULL);
  x = fixture();
  VIR_DO(&x.b, store_q_part, vir_at(vir_plus(vir_addr(x.out, 93), x.i, -10)), vir_v(x.quads), vir_n(8));
  expect(&x, "elements 3..100 of out");
  x = fixture();
  VIR_DO(&x.b, store_q_part, vir_at(vir_plus(vir_addr(x.out, 80), x.i, -9)), vir_v(x.quads), vir_n(8));
  expect(&x, "elements -1..87 of out");
  x = fixture();
  VIR_DO(&x.b, store_q, at(x.out, 85), vir_v(x.quads));
  expect(&x, "elements 85..100");
  x = fixture();
  VIR_DO(&x.b, store_pixels, at(x.out, 88), vir_v(x.quads), vir_n(3));
  expect(&x, NULL);
  x = fixture();
  VIR_DO(&x.b, store_pixels, at(x.out, 89), vir_v(x.quads), vir_n(3));
  expect(&x, "elements 89..100");
}

static void argument_kinds_are_checked(void **state) {
  (void)state;
  Fixture x = fixture();
  VIR_LET(&x.b, "r", add_s32, vir_v(x.vec), vir_v(x.quads));
  expect(&x, "v_add_s32: argument 2 is of kind q where i belongs");
  x = fixture();
  VIR_LET(&x.b, "r", add_s32, vir_v(x.vec));
  expect(&x, "v_add_s32: 1 arguments where 2 belong");
  x = fixture();
  VIR_LET(&x.b, "r", int_add, vir_v(x.scalar), vir_v(x.i));
  expect(&x, "is of kind x where I belongs");
  x = fixture();
  VIR_LET(&x.b, "r", splat_f32, vir_n(1));
  expect(&x, "is of kind n where m belongs");
  x = fixture();
  VIR_LET(&x.b, "r", load_u8, vir_v(x.vec));
  expect(&x, "is of kind i where r belongs");
  x = fixture();
  VIR_LET(&x.b, "r", load_s8, at(x.in, 0));
  expect(&x, "in has elements of another type");
  x = fixture();
  VIR_LET(&x.b, "r", load_q, at(x.floats, 0));
  expect(&x, "floats has elements of another type");
  x = fixture();
  VIR_LET(&x.b, "r", load_p, at(x.in, 0));
  expect(&x, "in has elements of another type");
}

static void constants_are_checked(void **state) {
  (void)state;
  Fixture x = fixture();
  VIR_LET(&x.b, "r", int_requant, vir_v(VIR_LET(&x.b, "acc", int_const, vir_n(1))),
          vir_v(VIR_LET(&x.b, "m", float_const, vir_m(NAN))), vir_m(NAN), vir_m(1), vir_n(0));
  expect(&x, "not a number");
  x = fixture();
  VIR_LET(&x.b, "r", splat_s32, vir_n((int64_t)INT32_MAX + 1));
  expect(&x, "out of range");
  x = fixture();
  VIR_LET(&x.b, "r", shr_s32, vir_v(x.vec), vir_n(32));
  expect(&x, "the constant 32 is out of range");
  x = fixture();
  VIR_LET(&x.b, "r", splat_p, vir_n(1), vir_n(-32769));
  expect(&x, "out of range");
  x = fixture();
  VIR_LET(&x.b, "r", splat_q, vir_n(256));
  expect(&x, "out of range");
  x = fixture();
  VIR_DO(&x.b, store_pixels, at(x.out, 0), vir_v(x.quads), vir_n(5));
  expect(&x, "the constant 5 is out of range");
}

static void scopes_are_checked(void **state) {
  (void)state;
  Fixture x = fixture();
  const VirVar *inner = VIR_LET(&x.b, "inner", splat_s32, vir_n(1));
  vir_end(&x.b);
  VIR_LET(&x.b, "r", add_s32, vir_v(x.vec), vir_v(inner));
  expect(&x, "inner is not in scope");
  x = fixture();
  inner = VIR_LET(&x.b, "inner", splat_s32, vir_n(1));
  vir_end(&x.b);
  VIR_SET(&x.b, inner, splat_s32, vir_n(2));
  expect(&x, "inner is set where it is not in scope");
  x = fixture();
  vir_end(&x.b);
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 0), x.j, 1)));
  expect(&x, "j is no variable of an open loop");
  x = fixture();
  Fixture other = fixture();
  VIR_LET(&x.b, "r", load_u8, at(other.in, 0));
  expect(&x, "in is not in scope");
  x = fixture();
  VIR_LET(&x.b, "r", load_s8, at(other.table, 0));
  expect(&x, "table is not in scope");
  x = fixture();
  const VirBase *row = vir_local(&x.b, "row", DT_U8, 4);
  vir_end(&x.b);
  VIR_LET(&x.b, "r", load_u8, at(row, 0));
  expect(&x, "row is not in scope");
  x = fixture();
  const VirBase *empty = vir_local(&x.b, "row", DT_U8, 0);
  (void)empty;
  expect(&x, "row is empty");
}

static void results_are_checked(void **state) {
  (void)state;
  Fixture x = fixture();
  VIR_SET(&x.b, x.vec, splat_q, vir_n(1));
  expect(&x, "its result does not fit vec");
  x = fixture();
  VIR_DO(&x.b, splat_q, vir_n(1));
  expect(&x, "its result is lost");
  x = fixture();
  VIR_SET(&x.b, x.vec, store_u8, at(x.out, 0), vir_v(x.vec));
  expect(&x, "has no result to put into vec");
  x = fixture();
  VIR_SET(&x.b, x.vec, splat_s32, vir_n(1));
  ((VirVar *)x.vec)->reassigned = false;
  expect(&x, "vec is set, but not marked so");
  x = fixture();
  x.m->used[VIR_splat_s32] = false;
  expect(&x, "v_splat_s32 is not marked as used");
}

static void writes_need_writable_bases(void **state) {
  (void)state;
  Fixture x = fixture();
  VIR_DO(&x.b, store_u8, at(x.in, 0), vir_v(x.vec));
  expect(&x, "v_store_u8 writes to in, which is read-only");
  x = fixture();
  VIR_DO(&x.b, store_s8, at(x.table, 0), vir_v(x.vec));
  expect(&x, "writes to table, which is read-only");
}

static void loops_are_checked(void **state) {
  (void)state;
  Fixture x = fixture();
  vir_loop(&x.b, "bad", 0, 4, 0);
  expect(&x, "the loop over bad has bad bounds");
  x = fixture();
  vir_loop(&x.b, "bad", -1, 4, 1);
  expect(&x, "the loop over bad has bad bounds");
  x = fixture();
  vir_loop(&x.b, "bad", 4, 3, 1);
  expect(&x, "the loop over bad has bad bounds");
  x = fixture();
  VirModule *m = x.m;
  assert_string_equal(vir_check(arena, m), "f: the loop over i is not closed");
  x = fixture(); /* what never runs touches nothing */
  const VirVar *never = vir_loop(&x.b, "never", 5, 5, 1);
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 1000), never, 1)));
  expect(&x, NULL);
  x = fixture();
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 0), x.i, INT32_MAX)));
  expect(&x, "an index of in leaves int");
  x = fixture();
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 0), x.i, (int64_t)1 << 40)));
  expect(&x, "in is indexed too widely");
}

/* Indices from constant tables, and loops between them. */
static const VirBase *index_table(Fixture *x, int32_t low, int32_t high) {
  return vir_constant(x->m, "positions", DT_S32, 12, (int32_t[12]){low, high, low}, NULL);
}

static void indices_print(void **state) {
  (void)state;
  VirModule *m = vir_module(arena, 4);
  const VirBase *t = vir_constant(m, "table", DT_S32, 3, (int32_t[]){2, 5, 7}, NULL);
  VirBuilder b;
  vir_func(&b, m, "f", false, NULL);
  const VirBase *x = vir_param(&b, "x", DT_U8, true, 9);
  const VirVar *i = vir_loop(&b, "i", 0, 2, 1);
  const VirVar *first = vir_index(&b, "first", vir_plus(vir_addr(t, 0), i, 1));
  const VirVar *end = vir_index(&b, "end", vir_plus(vir_addr(t, 2), i, -1));
  const VirVar *k = vir_loop_between(&b, "k", first, end, 2);
  VIR_DO(&b, put_u8, vir_at(vir_plus(vir_plus(vir_addr(x, -4), k, 1), first, 1)),
         vir_v(VIR_LET(&b, "v", int_const, vir_n(1))));
  vir_end(&b);
  vir_end(&b);
  vir_index(&b, "last", vir_addr(t, 0));
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_functions(&out, m, "");
  assert_string_equal(out.text, "static void f(uint8_t *restrict x) {\n"
                                "  for (int i = 0; i < 2; i++) {\n"
                                "    const int first = table[i];\n"
                                "    const int end = table[-i + 2];\n"
                                "    for (int k = first; k < end; k += 2) {\n"
                                "      const int32_t v = v_int_const(1);\n"
                                "      v_put_u8(x + (k + first - 4), v);\n"
                                "    }\n"
                                "  }\n"
                                "  const int last = table[0];\n"
                                "}\n\n");
}

static void indices_are_checked(void **state) {
  (void)state;
  Fixture x = fixture();
  const VirVar *p = vir_index(&x.b, "p", vir_plus(vir_addr(index_table(&x, -3, 96), 0), x.i, 1));
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 3), p, 1))); /* 0 .. 99 + 4 */
  expect(&x, "elements 0..102 of in");
  x = fixture();
  p = vir_index(&x.b, "p", vir_plus(vir_addr(index_table(&x, -3, 93), 0), x.i, 1));
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 3), p, 1)));
  expect(&x, NULL);
  x = fixture();
  p = vir_index(&x.b, "p", vir_plus(vir_addr(index_table(&x, -3, 9), 0), x.i, 1));
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 2), p, 1)));
  expect(&x, "elements -1..14 of in");
  x = fixture();
  vir_index(&x.b, "p", vir_plus(vir_addr(index_table(&x, 0, 9), 3), x.i, 1));
  expect(&x, "p: elements 3..12 of positions, which has 12");
  x = fixture();
  vir_index(&x.b, "p", vir_addr(x.table, 0));
  expect(&x, "the index p is no element of a constant of s32");
  x = fixture();
  vir_index(&x.b, "p", vir_addr(x.in, 0));
  expect(&x, "the index p is no element of a constant of s32");
  x = fixture();
  p = vir_index(&x.b, "p", vir_addr(index_table(&x, 0, 9), 3));
  vir_end(&x.b);
  VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 0), p, 1)));
  expect(&x, "p is no variable of an open loop");
}

static void loops_between_are_checked(void **state) {
  (void)state;
  /* from any low end to any high end, which may be the same table's */
  for (int high = 96; high <= 97; high++) {
    Fixture x = fixture();
    VirAddr t = vir_addr(index_table(&x, 2, high), 0);
    const VirVar *k = vir_loop_between(&x.b, "k", vir_index(&x.b, "a", t), vir_index(&x.b, "b", t), 3);
    VIR_LET(&x.b, "r", load_u8, vir_at(vir_plus(vir_addr(x.in, 1), k, 1)));
    expect(&x, high == 96 ? NULL : "elements 1..100 of in");
  }
  Fixture x = fixture();
  VirAddr t = vir_addr(index_table(&x, -1, 9), 0);
  vir_loop_between(&x.b, "k", vir_index(&x.b, "a", t), vir_index(&x.b, "b", t), 1);
  expect(&x, "the loop over k has bad bounds");
  x = fixture();
  t = vir_addr(index_table(&x, 1, 9), 0);
  const VirVar *a = vir_index(&x.b, "a", t);
  vir_end(&x.b);
  vir_loop_between(&x.b, "k", a, vir_index(&x.b, "b", t), 1);
  expect(&x, "the loop over k has bounds that are not in scope");
}

static void calls_are_checked(void **state) {
  (void)state;
  const char *faults[] = {NULL, "g: elements 97..100 of in", "writes to in", "2 arguments where",
                          "has other elements"};
  for (int i = 0; i < 5; i++) {
    VirModule *m = vir_module(arena, 4);
    VirBuilder b;
    vir_func(&b, m, "g", false, NULL);
    vir_param(&b, "p", DT_U8, i == 2, 4);
    vir_func(&b, m, "f", false, NULL);
    VirAddr args[2] = {vir_addr(vir_param(&b, "in", i == 4 ? DT_S8 : DT_U8, false, 100), i == 1 ? 97 : 96)};
    args[1] = args[0];
    vir_call(&b, m->funcs, i == 3 ? 2 : 1, args);
    Fixture x = {.m = m};
    expect(&x, faults[i]);
  }
  Fixture x = fixture(); /* no recursion, no calls downwards */
  VirAddr args[3] = {vir_addr(x.in, 0), vir_addr(x.out, 0), vir_addr(x.floats, 0)};
  vir_call(&x.b, x.b.f, 3, args);
  expect(&x, "calls a function that is not above it");
}

/* The verifier knows how much memory every operation touches. */
static void every_memory_op_is_known(void **state) {
  (void)state;
  for (int op = 0; op < VIR_OP_COUNT; op++) {
    const VirOpInfo *info = &vir_op_info[op];
    const char *signature = info->signature;
    if (!strpbrk(signature, "rw")) continue;
    /* one of the element types must be accepted, and its last element be checked */
    bool accepted = false;
    for (int type = 0; type < 6; type++) {
      const DType elem[] = {DT_U8, DT_S8, DT_S32, DT_F32, DT_F16, DT_NONE};
      for (int64_t count = 0; count <= 1; count++) {
        VirModule *m = vir_module(arena, 4);
        VirBuilder b;
        vir_func(&b, m, "f", false, NULL);
        VirBase *base = (VirBase *)vir_param(&b, "p", elem[type], true, count ? count : 1000);
        base->elem16 = type == 5;
        const VirVar *i = VIR_LET(&b, "i", splat_s32, vir_n(1)), *f = VIR_LET(&b, "f", splat_f32, vir_m(1)),
                     *q = VIR_LET(&b, "q", splat_q, vir_n(1)),
                     *p = VIR_LET(&b, "pp", splat_p, vir_n(1), vir_n(1)),
                     *scalar = VIR_LET(&b, "si", int_const, vir_n(1)),
                     *real = VIR_LET(&b, "sf", float_const, vir_m(1));
        bool two_pieces = op == VIR_split2 || op == VIR_join2; /* of 8 bytes each */
        VirArg args[VIR_MAX_ARGS];
        int n = 0;
        for (const char *s = signature; *s; s++)
          args[n++] = *s == 'r' || *s == 'w' ? vir_at(vir_addr(base, count ? 1 : 0))
                      : *s == 'n'            ? vir_n(two_pieces ? 8 : 4)
                      : *s == 'i'            ? vir_v(i)
                      : *s == 'f'            ? vir_v(f)
                      : *s == 'q'            ? vir_v(q)
                      : *s == 'p'            ? vir_v(p)
                      : *s == 'I'            ? vir_v(scalar)
                                             : vir_v(real);
        if (info->result == VIR_VOID)
          vir_do(&b, (VirOp)op, n, args);
        else
          vir_let(&b, "r", (VirOp)op, n, args);
        const char *fault = vir_check(arena, m);
        if (!count)
          accepted |= !fault;
        else
          assert_non_null(fault);
      }
    }
    if (!accepted) fail_msg("v_%s is not known", info->name);
  }
}

/* A call of a function outside: what it may touch, and how it prints. */
static void one_extern(int64_t count, bool write, const char *c_type, const char *fault) {
  static const VirExtern mine = {"mine", "void mine(const uint8_t *a, float *b, int n, float m);\n", NULL};
  Fixture x = fixture();
  const VirBase *second = write ? x.in : x.floats;
  const VirArg args[] = {at(x.in, 50), vir_out(vir_addr(second, 0)), vir_n(3), vir_m(0.5f)};
  vir_extern(&x.b, &mine, 4, args, (int64_t[]){count, 40, 0, 0},
             (const char *[]){NULL, NULL, c_type, "float"});
  expect(&x, fault);
}

static void calls_of_functions_outside(void **state) {
  (void)state;
  one_extern(50, false, "int", NULL);
  one_extern(51, false, "int", "elements 50..100 of in, which has 100");
  one_extern(50, true, "int", "in");
  one_extern(50, false, NULL, "mine: argument 3 is no number");
  VirModule *m = vir_module(arena, 4);
  vir_reserve(m, "mine");
  VirBuilder b;
  static const VirExtern mine = {"mine", "", NULL, NULL};
  vir_func(&b, m, "f", false, NULL);
  const VirBase *a = vir_param(&b, "mine", DT_F32, false, 4), *y = vir_param(&b, "y", DT_F32, true, 4);
  vir_extern(&b, &mine, 3, (VirArg[]){at(a, 0), vir_out(vir_addr(y, 2)), vir_n(INT32_MIN)},
             (int64_t[]){4, 2, 0}, (const char *[]){NULL, NULL, "int"});
  assert_null(vir_check(arena, m));
  StrBuf out;
  strbuf_init(&out, arena);
  vir_print_functions(&out, m, "");
  assert_string_equal(out.text, "static void f(const float *restrict mine2, float *restrict y) {\n"
                                "  mine(mine2, y + 2, (-2147483647 - 1));\n"
                                "}\n\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(functions_print),
      cmocka_unit_test(attributes_stand_before_functions),
      cmocka_unit_test(constants_print),
      cmocka_unit_test(string_literals_read_back_equal),
      cmocka_unit_test(long_lines_continue_behind_a_comma),
      cmocka_unit_test(long_comments_continue_at_a_space),
      cmocka_unit_test(equal_constants_are_stored_once),
      cmocka_unit_test(modules_share_constants),
      cmocka_unit_test(sets_of_architectures),
      cmocka_unit_test(names_are_safe_and_unique),
      cmocka_unit_test(targets_are_found),
      cmocka_unit_test(bounds_are_exact),
      cmocka_unit_test(stores_and_negative_steps_are_bounded),
      cmocka_unit_test(argument_kinds_are_checked),
      cmocka_unit_test(constants_are_checked),
      cmocka_unit_test(scopes_are_checked),
      cmocka_unit_test(scopes_and_constants),
      cmocka_unit_test(scopes_end),
      cmocka_unit_test(results_are_checked),
      cmocka_unit_test(writes_need_writable_bases),
      cmocka_unit_test(loops_are_checked),
      cmocka_unit_test(indices_print),
      cmocka_unit_test(indices_are_checked),
      cmocka_unit_test(loops_between_are_checked),
      cmocka_unit_test(calls_are_checked),
      cmocka_unit_test(calls_of_functions_outside),
      cmocka_unit_test(every_memory_op_is_known),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
