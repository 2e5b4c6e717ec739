#include "codegen/plan_steps.h"

#include <stdlib.h>
#include <string.h>

/* How many candidates of each kind are tried for a place in a group. */
enum { LARGE_TRIES = 40, SMALL_TRIES = 16 };

/* Largest first; the order of equals is that of the k-steps, so that it is the same everywhere. */
static int by_size(const void *a, const void *b) {
  const PlanStep *x = *(const PlanStep *const *)a, *y = *(const PlanStep *const *)b;
  if (x->most != y->most) return x->most > y->most ? -1 : 1;
  return x->step < y->step ? -1 : x->step > y->step;
}

const PlanKind plan_kind[PLAN_KINDS] = {{4, 0}, {4, 1}, {3, 0}, {3, 1}, {2, 0},
                                        {2, 1}, {2, 2}, {1, 0}, {1, 1}};

static int most_masks(int size) { return size == 2 ? 2 : 1; }

/* ---- groups ---- */

PlanSet plan_single(const PlanStep *e) {
  return (PlanSet){.size = 1, .masks = !e->fits, .step = {e->step}, .fits = e->fits};
}

void plan_join(PlanSet *g, const PlanStep *e) {
  g->fits |= (unsigned)e->fits << g->size;
  g->step[g->size++] = e->step;
}

/* Of k-steps without masks. */
static PlanSet grow_plain(const Planner *p, int64_t first) {
  PlanSums sums = {.positive = {0}};
  PlanSet g = plan_single(p->by_size[first]);
  plan_add(p, &sums, p->by_size[first]);
  int64_t next = first + 1, last = p->n_sized - 1;
  for (int tries = 0; tries < LARGE_TRIES + SMALL_TRIES && g.size < p->most && next <= last; tries++) {
    const PlanStep *e = p->by_size[tries < LARGE_TRIES ? next++ : last--];
    if (!e->taken && plan_add(p, &sums, e)) plan_join(&g, e);
  }
  return g;
}

/* By_size[first] flipped, with the largest k-step from `from` on that fits beside it. */
static PlanSet grow_flipped(const Planner *p, int64_t first, int64_t from) {
  const PlanStep *flipped = p->by_size[first];
  int64_t next = from, last = p->n_sized - 1;
  for (int tries = 0; tries < LARGE_TRIES + SMALL_TRIES && next <= last; tries++) {
    const PlanStep *e = p->by_size[tries < LARGE_TRIES ? next++ : last--];
    PlanSums sums = {.positive = {0}};
    if (e->taken || !plan_add(p, &sums, e) || !plan_add_flipped(p, &sums, flipped)) continue;
    PlanSet g = plan_single(e);
    plan_join(&g, flipped);
    g.masks = 1;
    return g;
  }
  return plan_single(flipped);
}

void plan_add_group(Plan *plan, PlanSet g) { plan->groups[g.size][plan->count[g.size]++] = g; }

/* Groups with fewer masks go before those with more. */
static void order_groups(Plan *plan, int size) {
  PlanSet *groups = plan->groups[size];
  int64_t n = plan->count[size], at = 0;
  Arena *tmp = arena_new();
  PlanSet *ordered = ARENA_NEW_ARRAY(tmp, PlanSet, (size_t)n + 1);
  for (int masks = 0; masks <= PLAN_MASKS; masks++) {
    for (int64_t i = 0; i < n; i++)
      if (groups[i].masks == masks) ordered[at++] = groups[i];
    plan->within[size][masks] = at;
  }
  memcpy(groups, ordered, sizeof *groups * (size_t)n);
  arena_free(tmp);
}

static void take(const Planner *p, Plan *plan, PlanSet g) {
  for (int i = 0; i < g.size; i++) p->steps[g.step[i]].taken = true;
  plan_add_group(plan, g);
}

/* First those that do not fit alone, each flipped and with another beside it; then what fits without masks;
 * what is left over by pairs of which one is flipped, since a mask costs less than a widening. */
static void make_groups(const Planner *p, Plan *plan) {
  Arena *tmp = arena_new();
  int64_t fitting = 0, n_alone = 0, *alone = ARENA_NEW_ARRAY(tmp, int64_t, (size_t)p->n_sized + 1);
  while (fitting < p->n_sized && !p->by_size[fitting]->fits) fitting++;
  for (int64_t i = 0; i < fitting; i++) take(p, plan, grow_flipped(p, i, fitting));
  for (int64_t i = fitting; i < p->n_sized; i++) {
    if (p->by_size[i]->taken) continue;
    PlanSet g = grow_plain(p, i);
    if (g.size > 1)
      take(p, plan, g);
    else
      alone[n_alone++] = i;
  }
  for (int64_t i = 0; i < n_alone; i++)
    if (!p->by_size[alone[i]]->taken) take(p, plan, grow_flipped(p, alone[i], alone[i] + 1));
  arena_free(tmp);
}

static Plan plan_vector(Planner *p) {
  Arena *a = p->s->cg->kernel_arena;
  int64_t k = p->s->k_steps;
  Plan plan = {.count = {0}};
  for (int size = 1; size <= PLAN_GROUP; size++)
    plan.groups[size] = ARENA_NEW_ARRAY(a, PlanSet, (size_t)(k / size) + 1);
  p->n_sized = 0;
  for (int32_t i = 0; i < k; i++) {
    plan_measure(p, &p->steps[i], i);
    if (p->steps[i].most) p->by_size[p->n_sized++] = &p->steps[i];
  }
  qsort(p->by_size, (size_t)p->n_sized, sizeof *p->by_size, by_size);
  if (p->most > 2)
    make_groups(p, &plan);
  else
    plan_pairs(p, &plan);
  for (int size = 1; size <= PLAN_GROUP; size++) order_groups(&plan, size);
  return plan;
}

/* ---- the same numbers for all vectors ---- */

/* Of a group: what fits is still so. */
static PlanSet part_of(const PlanSet *g, int first, int size) {
  int unmasked = g->size - g->masks, end = first + size;
  PlanSet part = {.size = size, .masks = end > unmasked ? end - (first > unmasked ? first : unmasked) : 0};
  part.fits = g->fits >> first & ((1u << size) - 1);
  if (size == 1) part.masks = !part.fits;
  memcpy(part.step, g->step + first, sizeof *part.step * (size_t)size);
  return part;
}

/* Groups beyond `keep` become smaller ones. */
static void break_up(Plan *plan, int size, int64_t keep) {
  int half = size == PLAN_GROUP ? size / 2 : size - 1;
  while (plan->count[size] > keep) {
    const PlanSet *g = &plan->groups[size][--plan->count[size]];
    plan_add_group(plan, part_of(g, 0, half));
    plan_add_group(plan, part_of(g, half, size - half));
  }
  for (int some = 1; some <= size; some++) order_groups(plan, some);
}

/* Less than an eighth of the k-steps is not worth the code of a loop. */
static int64_t worth(const DensePack *s, int64_t groups, int size) {
  return groups * size * 8 < s->k_steps ? 0 : groups;
}

/* The least or the greatest number of groups of this size that a vector has. */
static int64_t count_groups(const DensePlans *p, int size, bool least) {
  int64_t groups = p->n ? p->plans[0].count[size] : 0;
  for (int64_t i = 0; i < p->n; i++) {
    int64_t n = p->plans[i].count[size];
    if (least ? n < groups : n > groups) groups = n;
  }
  return groups;
}

/* Of `groups` how many have at most so many masks in all vectors. What a vector has less of than others it
 * fills with weights of 0, which need none. */
static int64_t count_within(const DensePlans *p, int size, int64_t groups, int masks) {
  int64_t least = groups;
  for (int64_t i = 0; i < p->n; i++) {
    int64_t n = p->plans[i].within[size][masks] + groups - p->plans[i].count[size];
    if (n < least) least = n;
  }
  return least < 0 ? 0 : least;
}

/* The numbers of groups of this size, by masks. */
static void unify_size(DensePack *s, DensePlans *p, int size) {
  int64_t groups = count_groups(p, size, size > 1), within[PLAN_MASKS + 1];
  int most = most_masks(size);
  if (size > 1) groups = worth(s, groups, size);
  for (int64_t i = 0; i < p->n && size > 1; i++) break_up(&p->plans[i], size, groups);
  for (int masks = 0; masks < most; masks++) {
    int64_t before = masks ? within[masks - 1] : 0;
    within[masks] = count_within(p, size, groups, masks);
    if (within[masks] < groups) within[masks] = before + worth(s, within[masks] - before, size);
  }
  within[most] = groups;
  for (int kind = 0; kind < PLAN_KINDS; kind++) {
    int masks = plan_kind[kind].masks;
    if (plan_kind[kind].size == size) s->plan_groups[kind] = within[masks] - (masks ? within[masks - 1] : 0);
  }
}

static DensePlans *no_plans(DensePack *s, Planner *p) {
  Arena *a = s->cg->kernel_arena;
  DensePlans *plans = ARENA_NEW(a, DensePlans);
  plans->n = s->d->phases * s->d->groups * dense_vectors(s);
  plans->plans = ARENA_NEW_ARRAY(a, Plan, (size_t)plans->n + 1);
  *p = planner_new(s);
  p->steps = ARENA_NEW_ARRAY(a, PlanStep, (size_t)s->k_steps + 1);
  p->by_size = ARENA_NEW_ARRAY(a, PlanStep *, (size_t)s->k_steps + 1);
  return plans;
}

DensePlans *dense_pairs(DensePack *s) {
  Planner p;
  DensePlans *plans = no_plans(s, &p);
  p.most = 2;
  for (int64_t i = 0; i < plans->n; i++) {
    planner_seek(&p, i);
    plans->plans[i] = plan_vector(&p);
  }
  return plans;
}

DensePlans *dense_plans(DensePack *s) {
  Planner p;
  DensePlans *plans = no_plans(s, &p);
  for (int64_t i = 0; i < plans->n; i++) {
    planner_seek(&p, i);
    plans->plans[i] = plan_vector(&p);
    while (p.most > 2 && !worth(s, plans->plans[i].count[p.most], p.most)) {
      p.most--; /* what would be broken up is not made */
      plans->plans[i] = plan_vector(&p);
    }
  }
  for (int size = PLAN_GROUP; size >= 1; size--) unify_size(s, plans, size);
  return plans;
}

int64_t plan_vectors(const DensePack *s) {
  int64_t n = 0;
  for (int kind = 0; kind < PLAN_KINDS; kind++) n += plan_group_vectors(kind) * s->plan_groups[kind];
  return n;
}

int64_t plan_places(const DensePack *s) {
  int64_t n = 0;
  for (int kind = 0; kind < PLAN_KINDS; kind++) n += plan_kind[kind].size * s->plan_groups[kind];
  return n;
}

/* Two multiplications go at a time, and of all operations 3.5 (as measured on Zen 5): a k-step takes one
 * multiplication and one operation more for adding up, a group one of each for widening, a mask one
 * operation. */
double plan_kind_cost(PlanKind k) {
  double products = (k.size + 1) / 2.0, operations = (2 * k.size + 1 + k.masks) / 3.5;
  return products > operations ? products : operations;
}

double plan_cost(const DensePack *s) {
  double cycles = 0, single = plan_kind_cost((PlanKind){1, 1});
  for (int kind = 0; kind < PLAN_KINDS; kind++)
    cycles += plan_kind_cost(plan_kind[kind]) * (double)s->plan_groups[kind];
  return s->k_steps ? cycles / single / (double)s->k_steps : 1;
}
