/* An arena and the same random numbers for each test: cmocka_unit_test_setup_teardown(..., setup, teardown),
 * or once for all of a program. */
#ifndef QCC_TESTS_UNIT_ARENA_TEST_H
#define QCC_TESTS_UNIT_ARENA_TEST_H

#include "ir/arena.h"

static Arena *arena;
static uint32_t random_state;

static int setup(void **state) {
  (void)state;
  arena = arena_new();
  random_state = 1;
  return 0;
}
static int teardown(void **state) {
  (void)state;
  arena_free(arena);
  return 0;
}

static inline int below(int n) { /* a number in [0, n) */
  random_state = random_state * 1664525 + 1013904223;
  return (int)((random_state >> 8) % (uint32_t)n);
}

#endif
