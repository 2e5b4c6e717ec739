#include "codegen/plan_match.h"
#include "codegen/plan_steps.h"

#include <string.h>

/* Candidates that are tried for each k-step, first, and to mend what was found. */
enum { LARGE_TRIES = 24, SMALL_TRIES = 8, MEND_TRIES = 64, ROUNDS = 2 };
typedef struct {
  const Planner *p;
  int64_t n;
  int64_t *partner;             /* of each, in the order of their sizes; -1: none */
  int saved[PLAN_MASKS + 1][3]; /* by a pair: with so many masks, by how many of the two need one alone */
} Match;

/* In hundredths of a cycle. */
static int cost(int size, int masks) { return (int)(100 * plan_kind_cost((PlanKind){size, masks}) + 0.5); }

static void set_saved(Match *m) {
  for (int masks = 0; masks <= PLAN_MASKS; masks++)
    for (int alone = 0; alone < 3; alone++)
      m->saved[masks][alone] = (2 - alone) * cost(1, 0) + alone * cost(1, 1) - cost(2, masks);
}

static const PlanStep *at(const Match *m, int64_t i) { return m->p->by_size[i]; }

/* Of a k-step alone, as plan_add and plan_add_flipped leave them. */
static PlanSums sums_of(const PlanStep *e, bool flipped) {
  PlanSums s;
  memcpy(s.positive, flipped ? e->large : e->positive, sizeof s.positive);
  memcpy(s.negative, flipped ? e->small : e->negative, sizeof s.negative);
  return s;
}

/* Two k-steps, the last `masks` of them flipped. */
static bool go_together(const Planner *p, const PlanStep *first, const PlanStep *second, int masks) {
  if (masks < 2 && !first->fits) return false;
  PlanSums sums = sums_of(first, masks == 2);
  return masks ? plan_add_flipped(p, &sums, second) : plan_add(p, &sums, second);
}

/* The masks of a pair, and whether it is x that stands last; -1: they do not go together. */
static int pair_masks(const Planner *p, const PlanStep *x, const PlanStep *y, bool *x_is_last) {
  uint16_t most = 0;
  for (int i = 0; i < PLAN_PAIRS; i++) {
    uint16_t sum = (uint16_t)(x->total[i] + y->total[i]);
    most = sum > most ? sum : most;
  }
  *x_is_last = false;
  if (most > 2 * p->limit) return -1;
  for (int masks = 0; masks <= PLAN_MASKS; masks++) {
    *x_is_last = false;
    if (go_together(p, x, y, masks)) return masks;
    *x_is_last = true;
    if (masks && go_together(p, y, x, masks)) return masks;
  }
  return -1;
}

/* What a pair saves; 0 where they do not go together, or one is not there. */
static int gain(const Match *m, int64_t i, int64_t j) {
  bool x_is_last;
  if (i < 0 || j < 0) return 0;
  int masks = pair_masks(m->p, at(m, i), at(m, j), &x_is_last);
  return masks < 0 ? 0 : m->saved[masks][!at(m, i)->fits + !at(m, j)->fits];
}

static void separate(Match *m, int64_t i) {
  if (i < 0 || m->partner[i] < 0) return;
  m->partner[m->partner[i]] = -1;
  m->partner[i] = -1;
}

static void pair_up(Match *m, int64_t i, int64_t j) {
  m->partner[i] = j;
  m->partner[j] = i;
}

/* Large ones first, each with the best of the next largest and of the smallest. */
static void match_greedily(Match *m) {
  for (int64_t i = 0; i < m->n; i++) {
    int64_t next = i + 1, last = m->n - 1, best = -1;
    int most = 0;
    if (m->partner[i] >= 0) continue;
    for (int tries = 0; tries < LARGE_TRIES + SMALL_TRIES && next <= last; tries++) {
      int64_t j = tries < LARGE_TRIES ? next++ : last--;
      int saved = m->partner[j] < 0 ? gain(m, i, j) : 0;
      if (saved <= most) continue;
      most = saved;
      best = j;
    }
    if (best >= 0) pair_up(m, i, best);
  }
}

/* What goes together with so many masks at most, as sets for codegen/plan_match.h. */
typedef struct {
  int words;
  uint64_t *with[PLAN_MASKS + 1], *all, *large; /* large: those that do not fit without a mask */
  uint64_t *left;                               /* not yet paired up */
} Choices;

static void put(uint64_t *set, int64_t i) { set[i / PLAN_WORD] |= (uint64_t)1 << i % PLAN_WORD; }

static uint64_t *new_set(Arena *a, int64_t words) { return ARENA_NEW_ARRAY(a, uint64_t, (size_t)words + 1); }

static Choices read_choices(const Match *m, Arena *a) {
  int64_t words = plan_words(m->n);
  Choices c = {.words = (int)words, .all = new_set(a, words), .large = new_set(a, words)};
  for (int masks = 0; masks <= PLAN_MASKS; masks++) c.with[masks] = new_set(a, m->n * words);
  for (int64_t i = 0; i < m->n; i++) {
    put(c.all, i);
    if (!at(m, i)->fits) put(c.large, i);
    for (int64_t j = 0; j < i; j++) {
      bool x_is_last;
      int masks = pair_masks(m->p, at(m, i), at(m, j), &x_is_last);
      if (masks < 0 || m->saved[masks][!at(m, i)->fits + !at(m, j)->fits] <= 0) continue;
      for (; masks <= PLAN_MASKS; masks++) {
        put(c.with[masks] + i * words, j);
        put(c.with[masks] + j * words, i);
      }
    }
  }
  c.left = arena_memdup(a, c.all, sizeof *c.all * (size_t)words);
  return c;
}

/* Many: those that need a mask take such as hardly go without one, and the others are paired without any. */
static void match_large(Choices *c, int *partner) {
  for (int w = 0; w < c->words; w++) c->left[w] &= ~c->large[w];
  plan_match_with(c->words, c->with[1], c->with[0], c->large, c->left, partner);
  plan_match(c->words, c->with[0], c->left, partner);
  for (int w = 0; w < c->words; w++) c->left[w] |= c->large[w];
}

/* As many pairs as are found. */
static void match_most(Match *m) {
  Arena *tmp = arena_new();
  Choices c = read_choices(m, tmp);
  int *partner = ARENA_NEW_ARRAY(tmp, int, (size_t)m->n + 1);
  for (int64_t i = 0; i < m->n; i++) partner[i] = -1;
  if (m->n > PLAN_WORD) match_large(&c, partner);
  for (int masks = 1; masks <= PLAN_MASKS; masks++) {
    plan_match(c.words, c.with[masks], c.left, partner);
    plan_match_rest(c.words, c.with[masks], c.all, c.left, partner);
  }
  for (int64_t i = 0; i < m->n; i++) m->partner[i] = partner[i];
  arena_free(tmp);
}

/* A better partner for i, whose old one may go with that of the new one; false where there is none. */
static bool mend(Match *m, int64_t i) {
  int64_t tries = m->n < MEND_TRIES ? m->n : MEND_TRIES, p = m->partner[i];
  int own = gain(m, i, p);
  if (own > m->saved[PLAN_MASKS][2]) return false; /* better than alone, or with two masks */
  for (int64_t t = 1; t < tries; t++) {
    int64_t j = (i + t * (m->n / tries)) % m->n, q = m->partner[j];
    int saved = j == i || j == p ? 0 : gain(m, i, j);
    if (!saved) continue;
    int before = own + gain(m, j, q);
    if (saved > before || saved + gain(m, p, q) > before) {
      separate(m, i);
      separate(m, j);
      pair_up(m, i, j);
      if (gain(m, p, q)) pair_up(m, p, q);
      return true;
    }
  }
  return false;
}

static PlanSet set_of(const Match *m, int64_t i) {
  const PlanStep *x = at(m, i), *y = m->partner[i] < 0 ? NULL : at(m, m->partner[i]);
  if (!y) return plan_single(x);
  bool x_is_last;
  int masks = pair_masks(m->p, x, y, &x_is_last);
  if (x_is_last) {
    const PlanStep *z = x;
    x = y;
    y = z;
  }
  PlanSet g = plan_single(x);
  plan_join(&g, y);
  g.masks = masks;
  return g;
}

void plan_pairs(const Planner *p, Plan *plan) {
  Arena *tmp = arena_new();
  Match m = {.p = p, .n = p->n_sized, .partner = ARENA_NEW_ARRAY(tmp, int64_t, (size_t)p->n_sized + 1)};
  for (int64_t i = 0; i < m.n; i++) m.partner[i] = -1;
  set_saved(&m);
  if (m.n <= PLAN_MATCHED)
    match_most(&m);
  else
    match_greedily(&m);
  bool mended = true;
  for (int round = 0; round < ROUNDS && mended; round++) {
    mended = false;
    for (int64_t i = 0; i < m.n; i++) mended |= mend(&m, i);
  }
  for (int64_t i = 0; i < m.n; i++)
    if (m.partner[i] < i) plan_add_group(plan, set_of(&m, i));
  arena_free(tmp);
}
