/* What exact products on AVX2 are planned by: pairs of k-steps, and which channels share a vector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "codegen/channel_order.h"
#include "tests/unit/arena_test.h"

/* ---- pairs ---- */

typedef struct {
  int n, words, partner[PLAN_MATCHED];
  uint64_t with[PLAN_MATCHED * (PLAN_MATCHED / PLAN_WORD)], set[PLAN_MATCHED / PLAN_WORD];
} Sets;

static bool has(const uint64_t *set, int i) { return set[i / PLAN_WORD] >> i % PLAN_WORD & 1; }
static void put(uint64_t *set, int i) { set[i / PLAN_WORD] |= (uint64_t)1 << i % PLAN_WORD; }

static Sets *new_sets(int n) {
  Sets *s = ARENA_NEW(arena, Sets);
  s->n = n;
  s->words = plan_words(n);
  for (int i = 0; i < n; i++) {
    s->partner[i] = -1;
    put(s->set, i);
  }
  return s;
}

static void go_together(Sets *s, int i, int j) {
  put(s->with + i * s->words, j);
  put(s->with + j * s->words, i);
}

/* Partners are each other's and go together; of those that are left no two do. Returns the pairs. */
static int check_pairs(const Sets *s) {
  int pairs = 0;
  for (int i = 0; i < s->n; i++) {
    int j = s->partner[i];
    assert_int_equal(has(s->set, i), j < 0);
    if (j < 0) {
      for (int k = 0; k < i; k++) assert_false(has(s->set, k) && has(s->with + i * s->words, k));
      continue;
    }
    assert_int_equal(s->partner[j], i);
    assert_true(has(s->with + i * s->words, j));
    pairs += i < j;
  }
  return pairs;
}

static void pairs_of_any_sets(void **state) {
  (void)state;
  for (int trial = 0; trial < 300; trial++) {
    Sets *s = new_sets(trial < 3 ? PLAN_MATCHED : 1 + below(150));
    int chance = 1 + below(30);
    for (int i = 0; i < s->n; i++)
      for (int j = 0; j < i; j++)
        if (!below(chance)) go_together(s, i, j);
    plan_match(s->words, s->with, s->set, s->partner);
    check_pairs(s);
  }
}

/* A hidden way to pair all of them, and some more that lead astray. */
static void all_pairs_are_found(void **state) {
  (void)state;
  int found = 0, all = 0;
  for (int trial = 0; trial < 200; trial++) {
    Sets *s = new_sets(2 * (1 + below(40)));
    for (int i = 0; i < s->n; i += 2) go_together(s, i, i + 1);
    for (int i = below(2 * s->n); i > 0; i--) {
      int a = below(s->n), b = below(s->n);
      if (a != b) go_together(s, a, b);
    }
    plan_match(s->words, s->with, s->set, s->partner);
    found += check_pairs(s);
    all += s->n / 2;
  }
  assert_true(found <= all && found * 100 >= all * 99);
}

static void pairs_are_broken_up(void **state) {
  (void)state;
  Sets *s = new_sets(4); /* 0 - 1 - 2 - 3, where 1 and 2 are a pair already */
  for (int i = 0; i < 3; i++) go_together(s, i, i + 1);
  uint64_t alone = 1 << 0 | 1 << 3, all = s->set[0];
  s->partner[1] = 2;
  s->partner[2] = 1;
  plan_match_rest(s->words, s->with, &all, &alone, s->partner);
  assert_int_equal(alone, 0);
  assert_int_equal(s->partner[0], 1);
  assert_int_equal(s->partner[3], 2);
}

static void some_take_those_with_few_choices(void **state) {
  (void)state;
  Sets *s = new_sets(4), *among = new_sets(4); /* 0 goes with all; of 1, 2, 3 only 2 and 3 go together */
  for (int i = 1; i < 4; i++) go_together(s, 0, i);
  go_together(among, 2, 3);
  uint64_t some = 1, set = 0xe;
  plan_match_with(1, s->with, among->with, &some, &set, s->partner);
  assert_int_equal(some, 0);
  assert_int_equal(set, 0xc);
  assert_int_equal(s->partner[0], 1);
}

/* ---- channels ---- */

enum { STEPS = 4, LANES = 8, LIMIT = 128 };

/* Two weights of 127 and -127 in two k-steps, none in the others: these two never go together. */
static void put_channel(int8_t *w, int one, int other) {
  memset(w, 0, STEPS * 4);
  for (int i = 0; i < 4; i++) w[4 * one + i] = w[4 * other + i] = i % 2 ? -127 : 127;
}

static void alike_channels_share_vectors(void **state) {
  (void)state;
  enum { CHANNELS = 48 };
  int8_t w[CHANNELS][STEPS * 4];
  int kind[CHANNELS];
  for (int c = 0; c < CHANNELS; c++) {
    kind[c] = c % 3; /* by turns; where all meet, the first k-step stays alone */
    put_channel(w[c], 0, 1 + kind[c]);
  }
  int32_t *order = order_channels(arena, &(ChannelWeights){w[0], CHANNELS, STEPS, LANES, LIMIT});
  for (int i = 0; i < CHANNELS; i++) assert_int_equal(kind[order[i]], kind[order[i / LANES * LANES]]);
}

static void channels_are_permuted(void **state) {
  (void)state;
  for (int trial = 0; trial < 40; trial++) {
    int64_t channels = 1 + below(70);
    int steps = 1 + below(PLAN_WORD);
    int8_t *w = arena_array(arena, (size_t)(channels * steps), 4);
    char *seen = arena_array(arena, (size_t)channels, 1);
    for (int64_t i = 0; i < channels * steps * 4; i++) w[i] = (int8_t)(below(255) - 127);
    int32_t *order = order_channels(arena, &(ChannelWeights){w, channels, steps, LANES, LIMIT});
    for (int64_t i = 0; i < channels; i++) assert_int_equal(seen[order[i]]++, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(pairs_of_any_sets, setup, teardown),
      cmocka_unit_test_setup_teardown(all_pairs_are_found, setup, teardown),
      cmocka_unit_test_setup_teardown(pairs_are_broken_up, setup, teardown),
      cmocka_unit_test_setup_teardown(some_take_those_with_few_choices, setup, teardown),
      cmocka_unit_test_setup_teardown(alike_channels_share_vectors, setup, teardown),
      cmocka_unit_test_setup_teardown(channels_are_permuted, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
