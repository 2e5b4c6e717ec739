/* C as libclang gets it: which tables are left out, which are left for it to complain of, and where places
 * are; and the words and the assembler in a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compiler/c_text.h"
#include "tests/unit/arena_test.h"

static const Source *source(const char *text) { return source_from_text(arena, "m.c", text, strlen(text)); }

/* `text` n times. */
static const char *times(const char *text, int n) {
  StrBuf b;
  strbuf_init(&b, arena);
  for (int i = 0; i < n; i++) strbuf_puts(&b, text);
  return b.text;
}

/* A file with a table of this head and body. */
static const Source *file(const char *head, const char *body) {
  return source(arena_printf(arena, "/* top */\nstatic const %s =\n    %s;\n\nint behind;\n", head, body));
}

static bool left_out(const char *head, const char *body) {
  const CText t = c_text(arena, file(head, body));
  return t.n_cuts > 0;
}

#define LIST(first, last) arena_printf(arena, "{%s%s%s}", first, times("1, ", 998), last)

static void tables_are_left_out(void **state) {
  (void)state;
  static const struct {
    const char *head, *first, *last;
  } lists[] = {
      {"int8_t a[1000] v_aligned", "-128, ", "127,"},
      {"uint8_t a[1000]", "0, ", "255"},
      {"int16_t a[1000] v_aligned", "-32768, ", "32767"},
      {"uint16_t a[1000] v_aligned", "0, ", "65535"},
      {"int32_t a[1000] v_aligned", "(-2147483647 - 1), ", "2147483647"},
  };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    assert_true(left_out(lists[i].head, LIST(lists[i].first, lists[i].last)));
  const char *floats = times("1.5f, -0.0f, 1e-5f, 2.5e+10f, (0.0f / 0.0f), (-1.0f / 0.0f), ", 50);
  assert_true(left_out("float a[300] v_aligned", arena_printf(arena, "{\n%s\n}", floats)));
  assert_true(
      left_out("int8_t a[] v_aligned", arena_printf(arena, "\"%s\"", times("\\0\\377\\\\\\\"x", 400))));
}

static void others_are_not(void **state) {
  (void)state;
  static const struct {
    const char *head, *first, *last;
  } lists[] = {
      {"int8_t a[1000]", "-129, ", "1"},
      {"int8_t a[1000]", "1, ", "128"},
      {"uint8_t a[1000]", "-1, ", "1"},
      {"uint8_t a[1000]", "1, ", "256"},
      {"int32_t a[1000]", "-2147483648, ", "1"},
      {"int32_t a[1000]", "1, ", "99999999999999999999"},
      {"int8_t a[999]", "1, ", "1"},
      {"int8_t a[1001]", "1, ", "1"},
      {"int8_t a[1000]", "x, ", "1"},
      {"int8_t a[1000]", "1, ", "f()"},
      {"int8_t a[1000]", "1 + 1, ", "1"},
      {"int8_t a[1000]", "010, ", "1"},
      {"double a[1000]", "1, ", "1"},
      {"int8_t a[n]", "1, ", "1"},
      {"int8_t a[10][100]", "1, ", "1"},
      {"int8_t *a[1000]", "1, ", "1"},
      {"int8_t a[1000] v_aligned b", "1, ", "1"},
      {"float a[1000]", "1.0f, ", "1.0f"},
  };
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (left_out(lists[i].head, LIST(lists[i].first, lists[i].last))) fail_msg("%s", lists[i].head);
  static const char *const strings[] = {"\\400", "\\x41", "\\8", "?\?/", "\t", "\303\244", "\\n"};
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
    const char *body = arena_printf(arena, "\"%s%s\"", times("abcd", 600), strings[i]);
    if (left_out("int8_t a[] v_aligned", body)) fail_msg("%s", strings[i]);
  }
  const char *open = arena_printf(arena, "\"%s", times("abcd", 600));
  assert_false(left_out("int8_t a[]", open));
  assert_false(left_out("int8_t a[3]", "{1, 2, 3}")); /* small */
}

static void long_literals_need_the_pragma(void **state) {
  (void)state;
  static const char off[] = "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n",
                    pop[] = "#pragma GCC diagnostic pop\n";
  const char *table =
      arena_printf(arena, "static const int8_t a[] v_aligned =\n    \"%s\";\n", times("abcd", 1200));
  assert_int_equal(c_text(arena, source(arena_printf(arena, "int a;\n%s", table))).n_cuts, 0);
  assert_int_equal(c_text(arena, source(arena_printf(arena, "%s%s", off, table))).n_cuts, 2);
  assert_int_equal(c_text(arena, source(arena_printf(arena, "%s%s%s", off, pop, table))).n_cuts, 0);
}

static void what_is_left_has_its_place(void **state) {
  (void)state;
  const Source *s =
      source(arena_printf(arena,
                          "int a;\nstatic const int8_t b[] v_aligned =\n    \"%s\"\n    \"cd\";\n"
                          "int c;\nstatic const int8_t d[2000] v_aligned = {\n%s};\nint e;\n",
                          times("\\12", 1000), times("1,", 2000)));
  const CText t = c_text(arena, s);
  assert_string_equal(t.text, "int a;\nstatic const int8_t b[1003] v_aligned =\n    {0};\nint c;\n"
                              "static const int8_t d[2000] v_aligned = {0};\nint e;\n");
  assert_int_equal(t.len, strlen(t.text));
  static const char *const words[] = {"int a", "b[", "] v_aligned =\n    ", "int c", "d[2000] v", "int e"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t at = (size_t)(strstr(t.text, words[i]) - t.text);
    assert_int_equal(c_text_offset(&t, at), strstr(s->text, words[i]) - s->text);
  }
  assert_int_equal(s->text[c_text_offset(&t, (size_t)(strstr(t.text, "{0}") - t.text) + 1)], '"');
}

static void note(void *user, const char *word) { strbuf_printf(user, "%s ", word); }

static void words_are_found(void **state) {
  (void)state;
  static const char text[] = "int f2(/* no */ char *s) { // nor this\n  return \"no \\\" x\"[0] + 'n' + "
                             "0x1fu + 1.5e3f + _mm_x(1); }";
  StrBuf out;
  strbuf_init(&out, arena);
  c_text_words(arena, text, strlen(text), note, &out);
  assert_string_equal(out.text, "int f2 char s return _mm_x ");
}

static bool note_asm(void *user, const char *template, size_t at) {
  strbuf_printf(user, "%zu:%s|", at, template);
  return strcmp(template, "last") != 0;
}

static void assembler_is_found(void **state) {
  (void)state;
  static const char text[] =
      "__asm__ volatile(\"a %1\\n\"\n \"b\" : \"=r\"(x)); /* asm(\"c\") */ asm ( \"\" );\n"
      "__asm(\"last\"); asm(\"more\");";
  StrBuf out;
  strbuf_init(&out, arena);
  assert_false(c_text_asm(arena, text, strlen(text), note_asm, &out));
  assert_string_equal(out.text, "0:a %1\\nb|58:|70:last|");
  static const char hidden[] = "#define A __asm__\n#define B(x) __asm__ volatile(x)\n";
  strbuf_init(&out, arena);
  assert_true(c_text_asm(arena, hidden, strlen(hidden), note_asm, &out));
  assert_string_equal(out.text, "10:?|31:?|");
}

static void attributes_are_found(void **state) {
  (void)state;
  static const char text[] =
      "/* __attribute__((no)) */ static __attribute__((aligned(64), target(\"avx2\"))) int x;\n"
      "#define m __attribute__ ((weak)) y\nint attribute __attribute((last, more));";
  StrBuf out;
  strbuf_init(&out, arena);
  assert_false(c_text_attributes(arena, text, strlen(text), note_asm, &out));
  assert_string_equal(out.text, "48:aligned|61:target|111:weak|147:last|");
}

static void directives_are_found(void **state) {
  (void)state;
  static const char text[] =
      "#include <x.h>\n  # pragma GCC a \"b\"\n#define A(x) y##x\nint x; # line\n# 1 \"f\" 3\n#line 7";
  StrBuf out;
  strbuf_init(&out, arena);
  assert_true(c_text_directives(arena, text, strlen(text), note_asm, &out));
  assert_string_equal(out.text, "19:pragma GCC a \"b\"|37:##|70:line|79:line 7|");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables_are_left_out),
      cmocka_unit_test(others_are_not),
      cmocka_unit_test(long_literals_need_the_pragma),
      cmocka_unit_test(what_is_left_has_its_place),
      cmocka_unit_test(words_are_found),
      cmocka_unit_test(assembler_is_found),
      cmocka_unit_test(attributes_are_found),
      cmocka_unit_test(directives_are_found),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
