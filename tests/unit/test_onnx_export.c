/* What the ONNX writer refuses, and how large its files may be. The files themselves: tests/integration,
 * tests/diff and tests/onnxruntime. */
#include "compiler/onnx_export.h"
#include "ir/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  Arena *arena;
  Diag diag;
  char *said;
  size_t said_size;
  FILE *f;
} Case;

static void start(Case *c) {
  c->arena = arena_new();
  c->f = open_memstream(&c->said, &c->said_size);
  diag_init(&c->diag, c->arena, c->f);
}

static void end(Case *c) {
  fclose(c->f);
  free(c->said);
  arena_free(c->arena);
}

static Graph *parse(Case *c, const char *text) {
  Graph *g = ir_parse(&c->diag, c->arena, source_from_text(c->arena, "m.ir", text, strlen(text)), NULL);
  assert_non_null(g);
  return g;
}

static const char model[] = "model m {\n  input %x : f32[1, 4]\n  %y = exp(%x)\n  output %y\n}\n";

static void a_file_has_a_limit(void **state) {
  (void)state;
  Case c;
  const void *bytes, *again;
  size_t size, size_again;
  start(&c);
  const Graph *g = parse(&c, model);
  assert_true(onnx_export(&c.diag, c.arena, g, ONNX_MAX_FILE, &bytes, &size));
  assert_true(onnx_export(&c.diag, c.arena, g, (int64_t)size, &again, &size_again));
  assert_int_equal(size, size_again);
  assert_memory_equal(bytes, again, size);
  assert_false(onnx_export(&c.diag, c.arena, g, (int64_t)size - 1, &again, &size_again));
  fflush(c.f);
  char *want = arena_printf(c.arena, "error: the ONNX file would have %zu bytes; a protobuf file ends at %zu",
                            size, size - 1);
  assert_non_null(strstr(c.said, want));
  assert_true(ONNX_MAX_FILE == INT32_MAX);
  end(&c);
}

/* Ops that a graph may have at the end of the pipeline and that ONNX has no form for. */
static const char *const without[] = {"adaptive_max_pool", "adaptive_avg_pool", NULL};

static void other_ops_have_a_form(void **state) {
  (void)state;
  for (int op = 0; op < OP_COUNT; op++) {
    bool listed = false;
    for (int i = 0; without[i]; i++) listed |= !strcmp(without[i], op_info[op]->name);
    if (listed == onnx_export_has_form((OpId)op))
      fail_msg("%s: a row in compiler/onnx_export.c, or its name in this test", op_info[op]->name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_has_a_limit),
      cmocka_unit_test(other_ops_have_a_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
