/* The workspace: its plan, and what shares memory so that nothing is copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/arena_plan.h"
#include "codegen/codegen.h"
#include "codegen/lower.h"
#include "ir/text.h"

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

static int below(int n) { /* a number in [0, n) */
  random_state = random_state * 1664525 + 1013904223;
  return (int)((random_state >> 8) % (uint32_t)n);
}

/* ---- places in an arena ---- */

/* No two that live together overlap; returns the end. */
static int64_t check_items(const PlanItem *items, int n) {
  int64_t end = 0;
  for (int i = 0; i < n; i++) {
    const PlanItem *a = &items[i];
    assert_true(a->offset >= 0);
    if (a->offset + a->size > end) end = a->offset + a->size;
    for (int k = i + 1; k < n; k++) {
      const PlanItem *b = &items[k];
      if (a->first > b->last || b->first > a->last) continue;
      assert_true(a->offset + a->size <= b->offset || b->offset + b->size <= a->offset);
    }
  }
  return end;
}

/* The kinds of instances: any lives; short ones, as in chains; some that span much, as skips do; powers of
 * two. */
enum { KINDS = 4 };
static PlanItem random_item(int kind, int n) {
  const int life[KINDS] = {below(n), below(4), below(10) ? below(3) : below(n), 1 + below(8)};
  PlanItem p = {.size = kind == 3 ? 1 << below(8) : 1 + below(100), .first = below(n), .offset = -1};
  p.last = p.first + life[kind];
  return p;
}

static void arena_plans_are_near_the_bound(void **state) {
  (void)state;
  enum { MOST = 120, TRIALS = 6 };
  static const int counts[] = {1, 10, 20, 40, MOST};
  PlanItem items[MOST], again[MOST];
  for (int kind = 0; kind < KINDS; kind++)
    for (int c = 0; c < 5; c++) {
      double over = 0;
      for (int trial = 0; trial < TRIALS; trial++) {
        int n = counts[c], position;
        for (int i = 0; i < n; i++) items[i] = random_item(kind, n);
        memcpy(again, items, sizeof items);
        int64_t bound = arena_bound(arena, items, n, &position), end = arena_plan(arena, items, n);
        assert_int_equal(check_items(items, n), end);
        assert_true(end >= bound);
        assert_true((double)end <= 1.08 * (double)bound);
        over += (double)end / (double)bound - 1;
        if (trial) continue;
        assert_int_equal(arena_plan(arena, again, n), end); /* the same again */
        for (int i = 0; i < n; i++) assert_int_equal(items[i].offset, again[i].offset);
      }
      assert_true(over / TRIALS < 0.02);
    }
}

static void bound_of_an_arena(void **state) {
  (void)state;
  int position;
  assert_int_equal(arena_bound(arena, NULL, 0, &position), 0);
  assert_int_equal(position, -1);
  assert_int_equal(arena_plan(arena, NULL, 0), 0);
  PlanItem items[] = {{5, 0, 2, 0}, {7, 2, 3, 0}, {1, 3, 9, 0}, {0, 4, 5, 0}};
  assert_int_equal(arena_bound(arena, items, 4, &position), 12);
  assert_int_equal(position, 2);
  assert_int_equal(arena_plan(arena, items, 4), 12);
}

/* ---- the plan of the workspace ---- */

static void add_buffer(Cg *cg, BufferKind kind, int64_t bytes, int first, int last) {
  Buffer *b = ARENA_NEW(arena, Buffer);
  *b = (Buffer){.kind = kind, .bytes = bytes, .offset = -1, .first = first, .last = last};
  *cg->buffers_tail = b;
  cg->buffers_tail = &b->next;
}

static int64_t aligned(int64_t n) { return (n + 63) / 64 * 64; }

/* The most bytes that are alive at once: no plan needs less. */
static int64_t lower_bound(const Cg *cg) {
  int64_t most = 0;
  for (const Buffer *at = cg->buffers; at; at = at->next) {
    int64_t sum = 0; /* some maximum lies where a buffer begins */
    for (const Buffer *b = cg->buffers; b; b = b->next)
      if (b->kind == BUFFER_WORKSPACE && b->first <= at->first && at->first <= b->last)
        sum += aligned(b->bytes);
    if (sum > most) most = sum;
  }
  return most;
}

static void check_plan(const Cg *cg) {
  for (const Buffer *a = cg->buffers; a; a = a->next) {
    if (a->kind != BUFFER_WORKSPACE) {
      assert_int_equal(a->offset, -1);
      continue;
    }
    assert_true(a->offset >= 0 && a->offset % 64 == 0);
    assert_true(!a->bytes || a->offset + a->bytes + WORKSPACE_SLACK <= cg->memory.workspace);
    for (const Buffer *b = a->next; b; b = b->next) {
      if (b->kind != BUFFER_WORKSPACE || a->first > b->last || b->first > a->last) continue;
      assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
    }
  }
}

static Cg *plan_for(void) {
  Cg *cg = ARENA_NEW(arena, Cg);
  *cg = (Cg){.arena = arena};
  cg->buffers_tail = &cg->buffers;
  return cg;
}

static void plan_of_chains(void **state) {
  (void)state;
  Cg *cg = plan_for();
  cg_plan_memory(cg);
  assert_int_equal(cg->memory.workspace, 0);

  cg = plan_for(); /* a layer reads the buffer of the one before */
  add_buffer(cg, BUFFER_INPUT, 1000000, 0, 0);
  const int64_t sizes[] = {1000, 3000, 64, 5000, 1, 2000, 2000};
  for (int i = 0; i < 7; i++) add_buffer(cg, BUFFER_WORKSPACE, sizes[i], i, i + 1);
  add_buffer(cg, BUFFER_OUTPUT, 1000000, 7, 7);
  cg_plan_memory(cg);
  check_plan(cg);
  assert_int_equal(cg->memory.workspace, lower_bound(cg) + WORKSPACE_SLACK);

  cg = plan_for(); /* diamonds: a residual lives over two layers */
  for (int i = 0; i < 30; i += 3) {
    add_buffer(cg, BUFFER_WORKSPACE, 4096, i, i + 3);
    add_buffer(cg, BUFFER_WORKSPACE, 8192 - i * 64, i + 1, i + 2);
    add_buffer(cg, BUFFER_WORKSPACE, 4096, i + 2, i + 3);
  }
  cg_plan_memory(cg);
  check_plan(cg);
  assert_int_equal(cg->memory.workspace, lower_bound(cg) + WORKSPACE_SLACK);
}

static void plan_of_random_lives(void **state) {
  (void)state;
  for (int trial = 0; trial < 300; trial++) {
    Cg *cg = plan_for();
    int n = 1 + below(40);
    for (int i = 0; i < n; i++) {
      int first = below(30);
      add_buffer(cg, below(8) ? BUFFER_WORKSPACE : BUFFER_OUTPUT, below(5) ? 1 + below(5000) : below(3),
                 first, first + below(6));
    }
    cg_plan_memory(cg);
    check_plan(cg);
    assert_int_equal(cg->memory.bound, lower_bound(cg) ? lower_bound(cg) + WORKSPACE_SLACK : 0);
    assert_true(cg->memory.workspace <= lower_bound(cg) * 116 / 100 + WORKSPACE_SLACK);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(arena_plans_are_near_the_bound, setup, teardown),
      cmocka_unit_test_setup_teardown(bound_of_an_arena, setup, teardown),
      cmocka_unit_test_setup_teardown(plan_of_chains, setup, teardown),
      cmocka_unit_test_setup_teardown(plan_of_random_lives, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
