/* A matching of k-steps, which finds more pairs than taking one after the other: those with the fewest
 * choices first, then pairs are broken up for those that are left. */
#include "codegen/plan_match.h"

enum { MOST_WORDS = PLAN_MATCHED / PLAN_WORD };

typedef struct {
  int words;
  const uint64_t *with;
  int *partner;
} Match;

static uint64_t bit(int i) { return (uint64_t)1 << i % PLAN_WORD; }
static void drop(uint64_t *set, int i) { set[i / PLAN_WORD] &= ~bit(i); }
static const uint64_t *row(const Match *m, int i) { return m->with + (int64_t)i * m->words; }

static int common(const Match *m, const uint64_t *a, const uint64_t *b) {
  int n = 0;
  for (int w = 0; w < m->words; w++) n += plan_count(a[w] & b[w]);
  return n;
}

/* The first one from `i` on that is in both sets; -1: none. */
static int next_common(const Match *m, const uint64_t *a, const uint64_t *b, int i) {
  for (int w = i / PLAN_WORD; w < m->words; w++) {
    uint64_t left = a[w] & b[w];
    if (w == i / PLAN_WORD) left &= ~(uint64_t)0 << i % PLAN_WORD;
    if (left) return w * PLAN_WORD + __builtin_ctzll(left);
  }
  return -1;
}

/* Of those in both sets the one with the fewest choices; -1: none. */
static int fewest(const Match *m, const uint64_t *a, const uint64_t *b, const int *choices) {
  int best = -1;
  for (int i = next_common(m, a, b, 0); i >= 0; i = next_common(m, a, b, i + 1))
    if (best < 0 || choices[i] < choices[best]) best = i;
  return best;
}

/* How many of `set` each of `some` goes with. */
static void count_choices(const Match *m, const uint64_t *some, const uint64_t *set, int *choices) {
  for (int i = next_common(m, some, some, 0); i >= 0; i = next_common(m, some, some, i + 1))
    choices[i] = common(m, row(m, i), set);
}

/* `i` leaves the set. */
static void leave(const Match *m, uint64_t *set, int i, const uint64_t *some, int *choices) {
  drop(set, i);
  for (int j = next_common(m, row(m, i), some, 0); j >= 0; j = next_common(m, row(m, i), some, j + 1))
    choices[j]--;
}

static void pair_up(const Match *m, int i, int j) {
  m->partner[i] = j;
  m->partner[j] = i;
}

/* `u`, which is alone, and another one that is, by breaking up a pair: u - v, w - x. */
static void break_for(const Match *m, const uint64_t *taken, uint64_t *alone, int u) {
  for (int v = next_common(m, row(m, u), taken, 0); v >= 0; v = next_common(m, row(m, u), taken, v + 1)) {
    int w = m->partner[v], x = next_common(m, row(m, w), alone, 0);
    if (x == u) x = next_common(m, row(m, w), alone, u + 1);
    if (x < 0) continue;
    pair_up(m, u, v);
    pair_up(m, w, x);
    drop(alone, u);
    drop(alone, x);
    return;
  }
}

void plan_match_rest(int words, const uint64_t *with, const uint64_t *all, uint64_t *alone, int *partner) {
  Match m = {words, with, partner};
  uint64_t taken[MOST_WORDS];
  for (int u = next_common(&m, alone, alone, 0); u >= 0; u = next_common(&m, alone, alone, u + 1)) {
    for (int w = 0; w < words; w++) taken[w] = all[w] & ~alone[w];
    break_for(&m, taken, alone, u);
  }
}

void plan_match(int words, const uint64_t *with, uint64_t *set, int *partner) {
  Match m = {words, with, partner};
  uint64_t all[MOST_WORDS], free[MOST_WORDS];
  int choices[PLAN_MATCHED];
  for (int w = 0; w < words; w++) all[w] = free[w] = set[w];
  count_choices(&m, free, free, choices);
  for (int i; (i = fewest(&m, free, free, choices)) >= 0;) {
    leave(&m, free, i, free, choices);
    int j = fewest(&m, row(&m, i), free, choices);
    if (j < 0) continue;
    leave(&m, free, j, free, choices);
    drop(set, i);
    drop(set, j);
    pair_up(&m, i, j);
  }
  plan_match_rest(words, with, all, set, partner);
}

void plan_match_with(int words, const uint64_t *with, const uint64_t *among, uint64_t *some, uint64_t *set,
                     int *partner) {
  Match m = {words, with, partner}, by = {words, among, partner};
  uint64_t left[MOST_WORDS];
  int choices[PLAN_MATCHED], others[PLAN_MATCHED];
  for (int w = 0; w < words; w++) left[w] = some[w];
  count_choices(&m, left, set, choices);
  count_choices(&by, set, set, others);
  for (int i; (i = fewest(&m, left, left, choices)) >= 0;) {
    drop(left, i);
    int j = fewest(&m, row(&m, i), set, others);
    if (j < 0) continue;
    leave(&m, set, j, left, choices);
    for (int k = next_common(&by, row(&by, j), set, 0); k >= 0; k = next_common(&by, row(&by, j), set, k + 1))
      others[k]--;
    drop(some, i);
    pair_up(&m, i, j);
  }
}
