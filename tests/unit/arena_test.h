/* An arena for each test: cmocka_unit_test_setup_teardown(..., setup, teardown), or once for all of a
 * program. */
#ifndef QCC_TESTS_UNIT_ARENA_TEST_H
#define QCC_TESTS_UNIT_ARENA_TEST_H

#include "ir/arena.h"

static Arena *arena;

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

#endif
