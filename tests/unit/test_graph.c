/* Arenas, names, diagnostics and the graph's use lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "tests/unit/arena_test.h"

static void arena_aligns_and_zeroes(void **state) {
  (void)state;
  for (size_t n = 0; n < 100000; n = n * 3 + 1) {
    unsigned char *p = arena_alloc(arena, n);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (size_t i = 0; i < n; i++) assert_int_equal(p[i], 0);
    memset(p, 0xFF, n);
  }
}

static void strbuf_keeps_what_it_holds(void **state) {
  (void)state;
  StrBuf b;
  strbuf_init(&b, arena);
  strbuf_reserve(&b, 10);
  assert_string_equal(b.text, "");
  const char *text = b.text;
  for (int i = 0; i < 10; i++) strbuf_puts(&b, "x");
  assert_ptr_equal(b.text, text); /* there was room */
  for (int i = 0; i < 100000; i++) strbuf_printf(&b, "%d", i % 10);
  strbuf_reserve(&b, 1); /* there is room, or more is made: nothing is lost */
  strbuf_reserve(&b, 1000000);
  assert_int_equal(b.len, 100010);
  assert_int_equal(strlen(b.text), b.len);
  for (int i = 0; i < 100010; i++) assert_int_equal(b.text[i], i < 10 ? 'x' : '0' + (i - 10) % 10);
}

static void strmap_holds_many(void **state) {
  (void)state;
  StrMap *m = strmap_new(arena);
  for (intptr_t i = 1; i <= 5000; i++) strmap_put(m, arena_printf(arena, "key%d", (int)i), (void *)i);
  for (intptr_t i = 1; i <= 5000; i++)
    assert_ptr_equal(strmap_get(m, arena_printf(arena, "key%d", (int)i)), (void *)i);
  assert_null(strmap_get(m, "absent"));
}

static void sizes_do_not_wrap(void **state) {
  (void)state;
  int64_t r;
  assert_true(size_mul(1 << 20, 1 << 20, &r));
  assert_false(size_mul((int64_t)1 << 40, (int64_t)1 << 40, &r));
  assert_false(size_mul(-1, 2, &r));
  assert_false(size_add(INT64_MAX, 1, &r));
}

static void floats_read_back_equal(void **state) {
  (void)state;
  const float values[] = {0.1f, 1e-5f, 3.4028235e38f, 1.17549435e-38f, -0.0f, 0.0235f, 16777217.0f, 1.0f / 3};
  char text[32];
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    float_text(text, values[i]);
    float back = strtof(text, NULL);
    assert_memory_equal(&back, &values[i], sizeof back);
  }
}

static void broadcast_follows_numpy(void **state) {
  (void)state;
  Shape r, a = shape_of(3, (int64_t)2, (int64_t)1, (int64_t)4), b = shape_of(2, (int64_t)3, (int64_t)1);
  assert_true(shape_broadcast(&a, &b, &r));
  assert_string_equal(shape_text(arena, &r), "[2, 3, 4]");
  Shape c = shape_of(1, (int64_t)3);
  assert_false(shape_broadcast(&a, &c, &r));
}

/* The caret stands under the byte that the location names; control bytes are escaped. */
static void diagnostics_show_the_place(void **state) {
  (void)state;
  char *buf = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&buf, &size);
  Diag d;
  diag_init(&d, arena, f);
  Source *s = source_from_text(arena, "m.ir", "model x {\n  input %a : f3\n}\n", 28);
  assert_false(diag_error(&d, (SrcLoc){.source = s, .begin = 23, .end = 25}, "unknown type '%s'", "f3\x1b"));
  fclose(f);
  assert_string_equal(buf, "m.ir:2:14: error: unknown type 'f3\\x1b'\n  input %a : f3\n             ^~\n");
  assert_int_equal(d.errors, 1);
  free(buf);
}

static void warnings_can_be_silenced_or_errors(void **state) {
  (void)state;
  Diag d;
  diag_init(&d, arena, NULL);
  diag_warning(&d, "float-model", (SrcLoc){0}, "x");
  assert_int_equal(d.warnings, 1);
  d.warnings_as_errors = true;
  diag_warning(&d, "float-model", (SrcLoc){0}, "x");
  assert_int_equal(d.errors, 1);
  d.disabled = strmap_new(arena);
  strmap_put(d.disabled, "float-model", "");
  diag_warning(&d, "float-model", (SrcLoc){0}, "x");
  assert_int_equal(d.errors, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arena_aligns_and_zeroes),    cmocka_unit_test(strbuf_keeps_what_it_holds),
      cmocka_unit_test(strmap_holds_many),          cmocka_unit_test(sizes_do_not_wrap),
      cmocka_unit_test(floats_read_back_equal),     cmocka_unit_test(broadcast_follows_numpy),
      cmocka_unit_test(diagnostics_show_the_place), cmocka_unit_test(warnings_can_be_silenced_or_errors),
  };
  return cmocka_run_group_tests_name("graph", tests, setup, teardown);
}
