/* Items are placed one after the other, each at an offset that is free for its whole life, so a plan is an
 * order of the items and the rule which of the free offsets to take. Several orders are tried with two rules;
 * where none reaches the bound, hill climbing goes on from the best order: one of the items at the top
 * changes its turn with one that it had to stay above. */
#include "codegen/arena_plan.h"

#include <stdlib.h>
#include <string.h>

/* Steps of the search: looks at a neighbour of an item that is being placed. */
enum { SEARCH_STEPS = 300 * 1000 * 1000 };

typedef enum { FIT_LOWEST, FIT_TIGHTEST, FITS } Fit;

typedef struct {
  PlanItem *items;
  int n;
  int **together, *n_together; /* the items that live together with each: the neighbours */
  int64_t *weight;             /* the largest sum of sizes in use during an item's life */
  int *turn;                   /* of an item in the order that is being placed */
  int *below;                  /* neighbours that are placed already; has room for all */
  int64_t steps;               /* that are left */
} Search;

static int last_position(const PlanItem *items, int n) {
  int last = -1;
  for (int i = 0; i < n; i++)
    if (items[i].last > last) last = items[i].last;
  return last;
}

/* The sum of sizes in use at each position. */
static int64_t *profile(Arena *tmp, const PlanItem *items, int n, int positions) {
  int64_t *sum = ARENA_NEW_ARRAY(tmp, int64_t, (size_t)positions + 2);
  for (int i = 0; i < n; i++) {
    sum[items[i].first] += items[i].size;
    sum[items[i].last + 1] -= items[i].size;
  }
  for (int p = 1; p < positions; p++) sum[p] += sum[p - 1];
  return sum;
}

int64_t arena_bound(Arena *tmp, const PlanItem *items, int n, int *position) {
  int positions = last_position(items, n) + 1;
  const int64_t *sum = profile(tmp, items, n, positions);
  *position = -1;
  for (int p = 0; p < positions; p++)
    if (sum[p] > (*position < 0 ? 0 : sum[*position])) *position = p;
  return *position < 0 ? 0 : sum[*position];
}

/* ---- one order ---- */

/* By insertion; returns the steps that it took. */
static int64_t sort_by_offset(const PlanItem *items, int *list, int n) {
  int64_t steps = 0;
  for (int i = 1; i < n; i++) {
    int item = list[i], k = i;
    for (; k > 0 && items[list[k - 1]].offset > items[item].offset; k--) list[k] = list[k - 1];
    list[k] = item;
    steps += i - k;
  }
  return steps;
}

/* A free offset for `size` between the `n` placed items of the list, which is sorted by offset. */
static int64_t free_offset(const PlanItem *items, const int *list, int n, int64_t size, Fit fit) {
  int64_t end = 0, best = -1, best_gap = 0;
  for (int i = 0; i < n; i++) {
    const PlanItem *p = &items[list[i]];
    int64_t gap = p->offset - end;
    if (gap >= size && (best < 0 || gap < best_gap)) {
      best = end;
      best_gap = gap;
      if (fit == FIT_LOWEST) return best;
    }
    if (p->offset + p->size > end) end = p->offset + p->size;
  }
  return best < 0 ? end : best;
}

/* Places all items in this order; returns the end of the highest. Gives up where that exceeds `most`. */
static int64_t place_all(Search *s, const int *order, Fit fit, int64_t most) {
  int64_t end = 0;
  for (int i = 0; i < s->n; i++) s->turn[order[i]] = i;
  for (int i = 0; i < s->n; i++) {
    int item = order[i], placed = 0;
    for (int k = 0; k < s->n_together[item]; k++)
      if (s->turn[s->together[item][k]] < i) s->below[placed++] = s->together[item][k];
    s->steps -= s->n_together[item] + placed + 1;
    s->steps -= sort_by_offset(s->items, s->below, placed);
    PlanItem *p = &s->items[item];
    p->offset = free_offset(s->items, s->below, placed, p->size, fit);
    if (p->offset + p->size > end) end = p->offset + p->size;
    if (end > most) break;
  }
  return end;
}

/* ---- the orders to begin with: by descending key, then size, then ascending start ---- */

typedef int64_t (*Key)(const Search *s, int item);

static int64_t by_size(const Search *s, int i) { return s->items[i].size; }
static int64_t by_life(const Search *s, int i) { return s->items[i].last - s->items[i].first; }
static int64_t by_start(const Search *s, int i) { return -s->items[i].first; }
static int64_t by_end(const Search *s, int i) { return s->items[i].last; }
/* Those that the fullest positions see come first: the others have room around them. */
static int64_t by_weight(const Search *s, int i) { return s->weight[i]; }
static int64_t by_area(const Search *s, int i) {
  int64_t life = by_life(s, i) + 1, size = s->items[i].size;
  return size > INT64_MAX / life ? INT64_MAX : size * life;
}
static const Key keys[] = {by_weight, by_size, by_area, by_life, by_start, by_end};
enum { KEYS = sizeof keys / sizeof *keys };

static bool comes_before(const Search *s, Key key, int a, int b) {
  if (key(s, a) != key(s, b)) return key(s, a) > key(s, b);
  if (s->items[a].size != s->items[b].size) return s->items[a].size > s->items[b].size;
  if (s->items[a].first != s->items[b].first) return s->items[a].first < s->items[b].first;
  return a < b;
}

/* By insertion: there are about as many items as layers. */
static void sort_by_key(const Search *s, Key key, int *order) {
  for (int i = 0; i < s->n; i++) {
    int k = i;
    for (; k > 0 && comes_before(s, key, i, order[k - 1]); k--) order[k] = order[k - 1];
    order[k] = i;
  }
}

/* ---- the search ---- */

/* Numbers that are the same everywhere (xorshift64*). */
static int random_below(uint64_t *state, int n) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (int)((*state * 0x2545F4914F6CDD1DULL >> 33) % (uint64_t)n);
}

/* One of the items that end at the top. */
static int item_at_top(const Search *s, int64_t end, uint64_t *random) {
  int chosen = 0, n = 0;
  for (int i = 0; i < s->n; i++)
    if (s->items[i].offset + s->items[i].size == end && random_below(random, ++n) == 0) chosen = i;
  return chosen;
}

/* One of its neighbours that came before it; any item where none did. */
static int neighbour_before(const Search *s, int item, uint64_t *random) {
  int chosen = -1, n = 0;
  for (int k = 0; k < s->n_together[item]; k++) {
    int other = s->together[item][k];
    if (s->turn[other] < s->turn[item] && random_below(random, ++n) == 0) chosen = other;
  }
  return chosen < 0 ? random_below(random, s->n) : chosen;
}

static void change_turns(const Search *s, int *order, int64_t end, uint64_t *random) {
  int item = item_at_top(s, end, random), other = neighbour_before(s, item, random);
  order[s->turn[item]] = other;
  order[s->turn[other]] = item;
}

/* An order with what it leads to. */
typedef struct {
  int *order;
  int64_t *offset;
  int64_t end;
} Plan;

static void keep_plan(const Search *s, Plan *p, const int *order, int64_t end) {
  memcpy(p->order, order, sizeof *order * (size_t)s->n);
  for (int i = 0; i < s->n; i++) p->offset[i] = s->items[i].offset;
  p->end = end;
}

static void recall_plan(Search *s, const Plan *p) {
  for (int i = 0; i < s->n; i++) {
    s->turn[p->order[i]] = i;
    s->items[i].offset = p->offset[i];
  }
}

static Plan new_plan(const Search *s, Arena *tmp) {
  return (Plan){ARENA_NEW_ARRAY(tmp, int, (size_t)s->n), ARENA_NEW_ARRAY(tmp, int64_t, (size_t)s->n),
                INT64_MAX};
}

/* Makes `best` better while there are steps left. */
static void climb(Search *s, Plan *best, Fit fit, int64_t bound, Arena *tmp) {
  enum { PATIENCE = 4096, DETOUR = 64 };
  Plan now = new_plan(s, tmp);
  int *order = ARENA_NEW_ARRAY(tmp, int, (size_t)s->n);
  uint64_t random = 1;
  recall_plan(s, best);
  keep_plan(s, &now, best->order, best->end);
  for (int fruitless = 1; best->end > bound && s->steps > 0; fruitless++) {
    memcpy(order, now.order, sizeof *order * (size_t)s->n);
    change_turns(s, order, now.end, &random);
    int64_t end = place_all(s, order, fit, INT64_MAX);
    /* now and then a plan that needs a little more may lead out of a dead end */
    if (end <= now.end + (fruitless % DETOUR ? 0 : now.end / 32)) {
      keep_plan(s, &now, order, end);
    } else {
      recall_plan(s, &now);
    }
    if (end < best->end) {
      keep_plan(s, best, order, end);
      fruitless = 0;
    } else if (fruitless >= PATIENCE) {
      recall_plan(s, best);
      keep_plan(s, &now, best->order, best->end);
      fruitless = 0;
    }
  }
  recall_plan(s, best);
}

static void find_neighbours(Search *s, Arena *tmp) {
  s->together = ARENA_NEW_ARRAY(tmp, int *, (size_t)s->n);
  s->n_together = ARENA_NEW_ARRAY(tmp, int, (size_t)s->n);
  for (int i = 0; i < s->n; i++) {
    int k = 0;
    for (int j = 0; j < s->n; j++)
      if (j != i && s->items[j].first <= s->items[i].last && s->items[i].first <= s->items[j].last)
        s->below[k++] = j;
    s->together[i] = arena_memdup(tmp, s->below, sizeof(int) * (size_t)k);
    s->n_together[i] = k;
  }
}

static void find_weights(Search *s, Arena *tmp) {
  const int64_t *sum = profile(tmp, s->items, s->n, last_position(s->items, s->n) + 1);
  s->weight = ARENA_NEW_ARRAY(tmp, int64_t, (size_t)s->n);
  for (int i = 0; i < s->n; i++)
    for (int p = s->items[i].first; p <= s->items[i].last; p++)
      if (sum[p] > s->weight[i]) s->weight[i] = sum[p];
}

int64_t arena_plan(Arena *tmp, PlanItem *items, int n) {
  if (!n) return 0;
  int position;
  int64_t bound = arena_bound(tmp, items, n, &position);
  Search s = {.items = items, .n = n, .steps = SEARCH_STEPS};
  s.below = ARENA_NEW_ARRAY(tmp, int, (size_t)n);
  s.turn = ARENA_NEW_ARRAY(tmp, int, (size_t)n);
  find_neighbours(&s, tmp);
  find_weights(&s, tmp);
  int *order = ARENA_NEW_ARRAY(tmp, int, (size_t)n);
  Plan best = new_plan(&s, tmp);
  Fit best_fit = FIT_LOWEST;
  for (int k = 0; k < KEYS; k++) {
    sort_by_key(&s, keys[k], order);
    for (Fit fit = 0; fit < FITS && best.end > bound; fit++) {
      int64_t end = place_all(&s, order, fit, best.end);
      if (end >= best.end) continue;
      keep_plan(&s, &best, order, end);
      best_fit = fit;
    }
  }
  climb(&s, &best, best_fit, bound, tmp);
  return best.end;
}
