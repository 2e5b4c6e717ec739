#include "codegen/dense_plan.h"

#include <stdlib.h>
#include <string.h>

/* A k-step of a vector: of each pair of weights of a channel, whose products are one sum in 16 bits, the
 * larger and the smaller magnitude, and what of them is positive and negative. */
enum { MOST_LANES = 16, PAIRS = 2 * MOST_LANES };
typedef struct {
  uint16_t positive[PAIRS], negative[PAIRS];
  uint16_t large[PAIRS], small[PAIRS]; /* as flipped: in units of the operand's largest value, rounded up */
  int32_t step;                        /* which k-step it is: plane, run, k-group */
  int most;                            /* of its sums without a mask */
  bool taken;
} Step;

/* Sums of a group: of its positive and of its negative weights in each pair. */
typedef struct {
  uint16_t positive[PAIRS], negative[PAIRS];
} Sums;

/* K-steps that are added up in 16 bits; -1: nothing, with weights of 0. A flipped one is the last. */
typedef struct {
  int32_t step[PLAN_GROUP];
  int size;
  bool flipped;
} Group;

/* A vector's groups by their size; those without masks first. */
typedef struct {
  Group *groups[PLAN_GROUP + 1];
  int64_t count[PLAN_GROUP + 1], plain[PLAN_GROUP + 1];
} Plan;

struct DensePlans {
  int64_t n; /* [phase][group][vector] */
  Plan *plans;
};

/* How many candidates of each kind are tried for a place in a group. */
enum { LARGE_TRIES = 40, SMALL_TRIES = 16 };

typedef struct {
  DensePack *s;
  int32_t limit;  /* of a sum, in units of the operand's largest value */
  int32_t x_most; /* that value */
  int pairs;
  int most; /* k-steps of a group */
  int64_t phase, group, v;
  Step *steps;    /* by their k-step */
  Step **by_size; /* those that have a weight, largest first */
  int64_t n_sized;
} Planner;

static Planner planner_new(DensePack *s) {
  return (Planner){.s = s,
                   .limit = dense_pair_limit(s),
                   .x_most = s->x_most ? s->x_most : 255,
                   .pairs = 2 * s->lanes,
                   .most = PLAN_GROUP};
}

/* Goes to the vector that plan `i` is for. */
static void planner_seek(Planner *p, int64_t i) {
  int64_t vectors = dense_vectors(p->s);
  p->phase = i / vectors / p->s->d->groups;
  p->group = i / vectors % p->s->d->groups;
  p->v = i % vectors;
}

/* ---- weights ---- */

static Run run_of(const DensePack *s, int64_t phase, int64_t step) {
  int64_t run = step / s->groups_per_run;
  return (Run){phase, run / dense_runs(s->d), run % dense_runs(s->d)};
}

/* Weight j of 4 of lane l in a k-step of a vector. */
static int32_t weight_at(const Planner *p, int64_t step, int64_t l, int64_t j) {
  const DensePack *s = p->s;
  int64_t c = dense_channel(s, p->v, l);
  if (c >= s->d->oc || step < 0) return 0;
  return dense_weight(s, p->group * s->d->oc + c, run_of(s, p->phase, step),
                      step % s->groups_per_run * 4 + j);
}

static uint16_t flipped_size(const Planner *p, int32_t w) {
  return (uint16_t)((abs(w) * 255 + p->x_most - 1) / p->x_most);
}

static void measure(const Planner *p, Step *e, int32_t step) {
  *e = (Step){.step = step};
  for (int i = 0; i < p->pairs; i++) {
    int32_t w0 = weight_at(p, step, i / 2, i % 2 * 2), w1 = weight_at(p, step, i / 2, i % 2 * 2 + 1);
    e->positive[i] = (uint16_t)((w0 > 0 ? w0 : 0) + (w1 > 0 ? w1 : 0));
    e->negative[i] = (uint16_t)(e->positive[i] - w0 - w1);
    uint16_t a = flipped_size(p, w0), b = flipped_size(p, w1);
    e->large[i] = a > b ? a : b;
    e->small[i] = a > b ? b : a;
    int32_t sum = e->positive[i] > e->negative[i] ? e->positive[i] : e->negative[i];
    if (sum > e->most) e->most = sum;
  }
}

/* Largest first; the order of equals is that of the k-steps, so that it is the same everywhere. */
static int by_size(const void *a, const void *b) {
  const Step *x = *(const Step *const *)a, *y = *(const Step *const *)b;
  if (x->most != y->most) return x->most > y->most ? -1 : 1;
  return x->step < y->step ? -1 : x->step > y->step;
}

/* ---- groups ---- */

static bool add_plain(const Planner *p, Sums *s, const Step *e) {
  for (int i = 0; i < p->pairs; i++)
    if (s->positive[i] + e->positive[i] > p->limit || s->negative[i] + e->negative[i] > p->limit)
      return false;
  for (int i = 0; i < p->pairs; i++) {
    s->positive[i] = (uint16_t)(s->positive[i] + e->positive[i]);
    s->negative[i] = (uint16_t)(s->negative[i] + e->negative[i]);
  }
  return true;
}

/* A weight of this size on the lesser side of the sums. */
static void balance(int32_t *positive, int32_t *negative, int32_t size) {
  if (*positive <= *negative)
    *positive += size;
  else
    *negative += size;
}

/* With each weight of the sign that serves best: the mask sees to the rest. */
static bool add_flipped(const Planner *p, Sums *s, const Step *e) {
  Sums sum = *s;
  for (int i = 0; i < p->pairs; i++) {
    int32_t positive = s->positive[i], negative = s->negative[i];
    balance(&positive, &negative, e->large[i]);
    balance(&positive, &negative, e->small[i]);
    if (positive > p->limit || negative > p->limit) return false;
    sum.positive[i] = (uint16_t)positive;
    sum.negative[i] = (uint16_t)negative;
  }
  *s = sum;
  return true;
}

/* Does the k-step fit, with `flipped` (NULL: none) beside it? */
static bool fits_with(const Planner *p, const Step *e, const Step *flipped) {
  Sums sums = {.positive = {0}};
  return add_plain(p, &sums, e) && (!flipped || add_flipped(p, &sums, flipped));
}

/* Of k-steps without masks. */
static Group grow_plain(const Planner *p, int64_t first) {
  Sums sums = {.positive = {0}};
  Group g = {.size = 1, .step = {p->by_size[first]->step}};
  add_plain(p, &sums, p->by_size[first]);
  int64_t next = first + 1, last = p->n_sized - 1;
  for (int tries = 0; tries < LARGE_TRIES + SMALL_TRIES && g.size < p->most && next <= last; tries++) {
    const Step *e = p->by_size[tries < LARGE_TRIES ? next++ : last--];
    if (!e->taken && add_plain(p, &sums, e)) g.step[g.size++] = e->step;
  }
  return g;
}

/* By_size[first] flipped, with the largest k-step from `from` on that fits beside it. */
static Group grow_flipped(const Planner *p, int64_t first, int64_t from) {
  const Step *flipped = p->by_size[first];
  Group g = {.size = 1, .flipped = true, .step = {flipped->step}};
  int64_t next = from, last = p->n_sized - 1;
  for (int tries = 0; tries < LARGE_TRIES + SMALL_TRIES && next <= last; tries++) {
    const Step *e = p->by_size[tries < LARGE_TRIES ? next++ : last--];
    if (e->taken || !fits_with(p, e, flipped)) continue;
    return (Group){.size = 2, .flipped = true, .step = {e->step, flipped->step}};
  }
  return g;
}

static void add_group(Plan *plan, Group g) { plan->groups[g.size][plan->count[g.size]++] = g; }

/* Groups that need no mask go before those that do. */
static void order_groups(Plan *plan, int size) {
  Group *groups = plan->groups[size];
  int64_t n = plan->count[size], at = 0;
  Arena *tmp = arena_new();
  Group *ordered = ARENA_NEW_ARRAY(tmp, Group, (size_t)n + 1);
  for (int flipped = 0; flipped < 2; flipped++) {
    for (int64_t i = 0; i < n; i++)
      if (groups[i].flipped == flipped) ordered[at++] = groups[i];
    if (!flipped) plan->plain[size] = at;
  }
  memcpy(groups, ordered, sizeof *groups * (size_t)n);
  arena_free(tmp);
}

static void take(const Planner *p, Plan *plan, Group g) {
  for (int i = 0; i < g.size; i++) p->steps[g.step[i]].taken = true;
  add_group(plan, g);
}

/* First those that do not fit alone, each flipped and with another beside it; then what fits without masks;
 * what is left over by pairs of which one is flipped, since a mask costs less than a widening. */
static void make_groups(const Planner *p, Plan *plan) {
  Arena *tmp = arena_new();
  int64_t fitting = 0, n_alone = 0, *alone = ARENA_NEW_ARRAY(tmp, int64_t, (size_t)p->n_sized + 1);
  for (; fitting < p->n_sized && !fits_with(p, p->by_size[fitting], NULL); fitting++) {
  }
  for (int64_t i = 0; i < fitting; i++) take(p, plan, grow_flipped(p, i, fitting));
  for (int64_t i = fitting; i < p->n_sized; i++) {
    if (p->by_size[i]->taken) continue;
    Group g = grow_plain(p, i);
    if (g.size > 1)
      take(p, plan, g);
    else
      alone[n_alone++] = i;
  }
  for (int64_t i = 0; i < n_alone; i++) {
    if (p->by_size[alone[i]]->taken) continue;
    Group g = grow_flipped(p, alone[i], alone[i] + 1);
    g.flipped = g.size > 1;
    take(p, plan, g);
  }
  arena_free(tmp);
}

static Plan plan_vector(Planner *p) {
  Arena *a = p->s->cg->arena;
  int64_t k = p->s->k_steps;
  Plan plan = {.count = {0}};
  for (int size = 1; size <= PLAN_GROUP; size++)
    plan.groups[size] = ARENA_NEW_ARRAY(a, Group, (size_t)(k / size) + 1);
  p->n_sized = 0;
  for (int32_t i = 0; i < k; i++) {
    measure(p, &p->steps[i], i);
    if (p->steps[i].most) p->by_size[p->n_sized++] = &p->steps[i];
  }
  qsort(p->by_size, (size_t)p->n_sized, sizeof *p->by_size, by_size);
  make_groups(p, &plan);
  for (int size = 1; size <= PLAN_GROUP; size++) order_groups(&plan, size);
  return plan;
}

/* ---- the same numbers for all vectors ---- */

/* A part of a group: what fits is still so, but a mask may no longer be needed, which costs nothing. */
static Group part_of(const Group *g, int first, int size) {
  Group part = {.size = size, .flipped = g->flipped && first + size == g->size};
  memcpy(part.step, g->step + first, sizeof *part.step * (size_t)size);
  return part;
}

/* Groups beyond `keep` become smaller ones. */
static void break_up(Plan *plan, int size, int64_t keep) {
  int half = size == PLAN_GROUP ? size / 2 : size - 1;
  while (plan->count[size] > keep) {
    const Group *g = &plan->groups[size][--plan->count[size]];
    add_group(plan, part_of(g, 0, half));
    add_group(plan, part_of(g, half, size - half));
  }
  if (plan->plain[size] > keep) plan->plain[size] = keep;
  for (int smaller = 1; smaller < size; smaller++) order_groups(plan, smaller);
}

/* Less than an eighth of the k-steps is not worth the code of a loop. */
static int64_t worth(const DensePack *s, int64_t groups, int size) {
  return groups * size * 8 < s->k_steps ? 0 : groups;
}

static void unify(DensePack *s, DensePlans *p) {
  for (int size = PLAN_GROUP; size >= 1; size--) {
    int64_t groups = size > 1 ? INT64_MAX : 0, plain = INT64_MAX;
    for (int64_t i = 0; i < p->n; i++) {
      int64_t n = p->plans[i].count[size];
      if (size > 1 ? n < groups : n > groups) groups = n;
    }
    if (size > 1) groups = p->n ? worth(s, groups, size) : 0;
    for (int64_t i = 0; i < p->n; i++) {
      Plan *plan = &p->plans[i];
      if (size > 1) break_up(plan, size, groups);
      /* what a vector has less of than others it fills with weights of 0 */
      int64_t n = plan->plain[size] + groups - plan->count[size];
      if (n < plain) plain = n;
    }
    if (!p->n) plain = 0;
    if (plain < groups) plain = worth(s, plain, size);
    int kind = 2 * (PLAN_GROUP - size);
    s->plan_groups[kind] = plain;
    s->plan_groups[kind + 1] = groups - plain;
  }
}

DensePlans *dense_plans(DensePack *s) {
  Arena *a = s->cg->arena;
  DensePlans *plans = ARENA_NEW(a, DensePlans);
  plans->n = s->d->phases * s->d->groups * dense_vectors(s);
  plans->plans = ARENA_NEW_ARRAY(a, Plan, (size_t)plans->n + 1);
  Planner p = planner_new(s);
  p.steps = ARENA_NEW_ARRAY(a, Step, (size_t)s->k_steps + 1);
  p.by_size = ARENA_NEW_ARRAY(a, Step *, (size_t)s->k_steps + 1);
  for (int64_t i = 0; i < plans->n; i++) {
    planner_seek(&p, i);
    plans->plans[i] = plan_vector(&p);
    while (p.most > 2 && !worth(s, plans->plans[i].count[p.most], p.most)) {
      p.most--; /* what would be broken up is not made */
      plans->plans[i] = plan_vector(&p);
    }
  }
  unify(s, plans);
  return plans;
}

int64_t plan_vectors(const DensePack *s) {
  int64_t n = 0;
  for (int kind = 0; kind < PLAN_KINDS; kind++) n += plan_group_vectors(kind) * s->plan_groups[kind];
  return n;
}

int64_t plan_places(const DensePack *s) {
  int64_t n = 0;
  for (int kind = 0; kind < PLAN_KINDS; kind++) n += plan_size(kind) * s->plan_groups[kind];
  return n;
}

double plan_cost(const DensePack *s) {
  /* two multiplications go at a time, each k-step is one, each widening another; a mask takes the time of
   * half of one */
  double products = 0;
  for (int kind = 0; kind < PLAN_KINDS; kind++)
    products += (plan_size(kind) + 1 + 0.4 * plan_is_flipped(kind)) * (double)s->plan_groups[kind];
  return s->k_steps ? products / 2.4 / (double)s->k_steps : 1;
}

/* ---- packing ---- */

typedef struct {
  const Planner *p;
  int8_t *weights; /* of the vector: where the next go */
  int32_t *places, *bias;
} Packer;

static void put_plain(Packer *k, int64_t step) {
  const Planner *p = k->p;
  for (int64_t l = 0; l < p->s->lanes; l++)
    for (int64_t j = 0; j < 4; j++) k->weights[4 * l + j] = (int8_t)weight_at(p, step, l, j);
  k->weights += p->s->vector;
}

/* Where w has the other sign: w * x = 255 * w + -w * (255 - x). */
static void put_flipped_weight(Packer *k, int64_t l, int64_t j, int32_t w, bool positive) {
  const Planner *p = k->p;
  bool flip = w && (w > 0) != positive;
  k->weights[4 * l + j] = (int8_t)(flip ? -w : w);
  k->weights[p->s->vector + 4 * l + j] = flip ? -1 : 0;
  if (!flip) return;
  int64_t c = p->group * p->s->d->oc + dense_channel(p->s, p->v, l);
  k->bias[c] = (int32_t)((uint32_t)k->bias[c] + 255u * (uint32_t)w);
}

/* The last k-step of a group with what `sums` says of the others: signs as add_flipped chooses them. */
static void put_flipped(Packer *k, int64_t step, const Sums *sums) {
  const Planner *p = k->p;
  for (int i = 0; i < p->pairs; i++) {
    int64_t l = i / 2, j = i % 2 * 2;
    int32_t w[2] = {weight_at(p, step, l, j), weight_at(p, step, l, j + 1)};
    int32_t positive = sums->positive[i], negative = sums->negative[i];
    int large = abs(w[0]) < abs(w[1]);
    for (int n = 0; n < 2; n++) {
      int which = n ? !large : large;
      bool to_positive = positive <= negative;
      put_flipped_weight(k, l, j + which, w[which], to_positive);
      balance(&positive, &negative, flipped_size(p, w[which]));
    }
  }
  k->weights += 2 * p->s->vector;
}

/* Where a k-step reads the operand, from the window's first element. */
static int32_t place_of(const DensePack *s, int64_t step) {
  const Dense *d = s->d;
  if (step < 0) return 0;
  int64_t run = run_of(s, 0, step).run, at = step % s->groups_per_run * 4;
  for (int i = DENSE_RUNS - 1; i >= 0; i--) {
    at += run % d->runs[i] * d->run_step[i];
    run /= d->runs[i];
  }
  return (int32_t)at;
}

/* A group in a place for its kind, which may have a mask that the group does not need. */
static void put_group(Packer *k, const Group *g, bool masked) {
  const Planner *p = k->p;
  Sums sums = {.positive = {0}};
  for (int i = 0; i < g->size; i++) {
    bool last = i == g->size - 1;
    Step e;
    *k->places++ = place_of(p->s, g->step[i]);
    if (last && g->flipped) {
      put_flipped(k, g->step[i], &sums);
      return;
    }
    measure(p, &e, g->step[i]);
    if (!add_plain(p, &sums, &e)) BUG("a group leaves 16 bits");
    put_plain(k, g->step[i]);
  }
  if (masked) k->weights += p->s->vector;
}

static void put_plan(Packer *k, const Plan *plan) {
  static const Group nothing = {.size = 1, .step = {-1}};
  const DensePack *s = k->p->s;
  int64_t next[PLAN_GROUP + 1] = {0};
  for (int kind = 0; kind < PLAN_KINDS; kind++) {
    int size = plan_size(kind);
    for (int64_t i = 0; i < s->plan_groups[kind]; i++) {
      bool flipped = plan_is_flipped(kind), there = next[size] < plan->count[size];
      if (!flipped && there && plan->groups[size][next[size]].flipped) there = false; /* for the next kind */
      put_group(k, there ? &plan->groups[size][next[size]++] : &nothing, flipped);
    }
  }
}

static char *comment_of(const DensePack *s, const DensePlans *p) {
  StrBuf b;
  strbuf_init(&b, s->cg->arena);
  strbuf_printf(&b,
                "weights of '%s', packed [%lld vectors][%lld k-steps in the order of each vector's plan]:",
                cg_title(s->cg, s->d->node), (long long)p->n, (long long)plan_places(s));
  const char *separator = " ";
  for (int kind = 0; kind < PLAN_KINDS; kind++) {
    if (!s->plan_groups[kind]) continue;
    strbuf_printf(&b, "%s%lld of %d%s", separator, (long long)s->plan_groups[kind], plan_size(kind),
                  plan_is_flipped(kind) ? " with a sign-flip mask" : "");
    separator = ", ";
  }
  return b.text;
}

void plan_weights(DensePack *s, const DensePlans *plans, int32_t *bias) {
  Arena *a = s->cg->arena;
  const Dense *d = s->d;
  int64_t each = plan_vectors(s) * s->vector, places_each = plan_places(s);
  int8_t *weights = arena_alloc(a, (size_t)(plans->n * each + s->vector));
  int32_t *places = ARENA_NEW_ARRAY(a, int32_t, (size_t)(plans->n * places_each) + 1);
  Planner p = planner_new(s);
  for (int64_t i = 0; i < plans->n; i++) {
    planner_seek(&p, i);
    Packer k = {&p, weights + i * each, places + i * places_each, bias + p.phase * s->lc.channels};
    put_plan(&k, &plans->plans[i]);
  }
  int64_t n = plans->n * places_each, size = n ? plans->n * each : s->vector; /* nothing is read */
  for (int64_t i = 0; i < n; i++)
    if (places[i] > s->plan_reach) s->plan_reach = places[i];
  s->weights = vir_constant(s->cg->module, cg_name(s->cg, d->node, "weights"), DT_S8, size, weights,
                            comment_of(s, plans));
  if (n) s->places = vir_constant(s->cg->module, cg_name(s->cg, d->node, "places"), DT_S32, n, places, NULL);
}
