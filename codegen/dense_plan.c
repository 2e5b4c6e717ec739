#include "codegen/dense_plan.h"

#include <stdlib.h>
#include <string.h>

/* Sums in 16 bits of one k-step of a vector: of the positive and of the negative weights of each pair. */
enum { MOST_LANES = 16, SUMS = 4 * MOST_LANES };
typedef struct {
  uint16_t sum[SUMS];
  int64_t step; /* which k-step it is: plane, run, k-group */
  int most;     /* of the sums */
  bool taken;
} Step;

/* How many candidates of each kind are tried for a place in a group. */
enum { LARGE_TRIES = 48, SMALL_TRIES = 16 };

/* A vector's plan: the k-steps in groups, in order, and those that are flipped. */
typedef struct {
  int64_t *order, ends[PLAN_ENDS];
  int64_t *flipped, flips;
} Plan;

typedef struct {
  DensePack *s;
  int32_t limit; /* of a sum; negative ones have one more at most, which is not used */
  int n_sums;
  Step *steps;
  const Step **by_size;
} Planner;

static Run run_of(const DensePack *s, int64_t phase, int64_t step) {
  int64_t run = step / s->groups_per_run;
  return (Run){phase, run / dense_runs(s->d), run % dense_runs(s->d)};
}

static int32_t weight_at(const DensePack *s, int64_t group, int64_t v, int64_t l, Run r, int64_t i) {
  int64_t c = dense_channel(s, v, l);
  return c < s->d->oc ? dense_weight(s, group * s->d->oc + c, r, i) : 0;
}

static void measure(const Planner *p, Step *e, int64_t phase, int64_t group, int64_t v, int64_t step) {
  const DensePack *s = p->s;
  Run r = run_of(s, phase, step);
  int64_t first = step % s->groups_per_run * 4;
  *e = (Step){.step = step};
  for (int64_t l = 0; l < s->lanes; l++)
    for (int64_t j = 0; j < 4; j++) {
      int32_t w = weight_at(s, group, v, l, r, first + j);
      uint16_t *sum = &e->sum[4 * l + j / 2 * 2 + (w < 0)];
      *sum = (uint16_t)(*sum + abs(w));
      if (*sum > e->most) e->most = *sum;
    }
}

/* Largest first; the order of equals is that of the k-steps, so that it is the same everywhere. */
static int by_size(const void *a, const void *b) {
  const Step *x = *(const Step *const *)a, *y = *(const Step *const *)b;
  if (x->most != y->most) return x->most > y->most ? -1 : 1;
  return x->step < y->step ? -1 : x->step > y->step;
}

static bool fits(const Planner *p, const uint16_t *sum, const Step *e) {
  bool fits = true;
  for (int i = 0; i < p->n_sums; i++) fits &= sum[i] + e->sum[i] <= p->limit;
  return fits;
}

/* The group that begins with by_size[first]: large k-steps where they fit, then the smallest. Returns how
 * many. */
static int make_group(const Planner *p, int64_t n, int64_t first, const Step *group[PLAN_GROUP]) {
  uint16_t sum[SUMS];
  int count = 1;
  group[0] = p->by_size[first];
  memcpy(sum, group[0]->sum, sizeof sum);
  int64_t next = first + 1, last = n - 1;
  for (int tries = 0; tries < LARGE_TRIES + SMALL_TRIES && count < PLAN_GROUP && next <= last; tries++) {
    const Step *e = p->by_size[tries < LARGE_TRIES ? next++ : last--];
    if (e->taken || !fits(p, sum, e)) continue;
    for (int i = 0; i < p->n_sums; i++) sum[i] = (uint16_t)(sum[i] + e->sum[i]);
    ((Step *)e)->taken = true;
    group[count++] = e;
  }
  return count;
}

/* The plan of one vector of channels. */
static Plan plan_vector(Planner *p, int64_t phase, int64_t group, int64_t v) {
  const DensePack *s = p->s;
  Arena *a = s->cg->arena;
  size_t most = (size_t)s->k_steps + 1;
  Plan plan = {.order = ARENA_NEW_ARRAY(a, int64_t, most), .flipped = ARENA_NEW_ARRAY(a, int64_t, most)};
  int64_t n = 0, count[PLAN_GROUP] = {0}, *in_group[PLAN_GROUP];
  for (int i = 0; i < PLAN_GROUP; i++) in_group[i] = ARENA_NEW_ARRAY(a, int64_t, most);
  for (int64_t k = 0; k < s->k_steps; k++) {
    Step *e = &p->steps[n];
    measure(p, e, phase, group, v, k);
    if (e->most > p->limit) plan.flipped[plan.flips++] = k;
    if (e->most && e->most <= p->limit) p->by_size[n++] = e;
  }
  qsort(p->by_size, (size_t)n, sizeof *p->by_size, by_size);
  for (int64_t i = 0; i < n; i++) {
    const Step *members[PLAN_GROUP];
    if (p->by_size[i]->taken) continue;
    int size = make_group(p, n, i, members);
    for (int m = 0; m < size; m++) in_group[size - 1][count[size - 1]++] = members[m]->step;
  }
  for (int i = 0; i < PLAN_GROUP; i++) {
    memcpy(plan.order + plan.ends[i], in_group[i], sizeof *plan.order * (size_t)count[i]);
    plan.ends[i + 1] = plan.ends[i] + count[i];
  }
  return plan;
}

/* One k-step of a vector; where `mask` is not NULL pairs that do not fit are flipped. */
static void pack_step(const Planner *p, int8_t *out, int8_t *mask, int32_t *bias, int64_t group, int64_t v,
                      Run r, int64_t i) {
  const DensePack *s = p->s;
  for (int64_t l = 0; l < s->lanes; l++)
    for (int64_t j = 0; j < 4; j += 2) {
      int32_t w0 = weight_at(s, group, v, l, r, i + j), w1 = weight_at(s, group, v, l, r, i + j + 1);
      out[4 * l + j] = (int8_t)w0;
      out[4 * l + j + 1] = (int8_t)w1;
      if (!mask || abs(w0 + w1) <= p->limit) continue;
      out[4 * l + j + 1] = (int8_t)-w1; /* w1 * x = 255 * w1 + -w1 * (255 - x) */
      mask[4 * l + j + 1] = -1;
      int64_t c = group * s->d->oc + dense_channel(s, v, l);
      bias[c] = (int32_t)((uint32_t)bias[c] + 255u * (uint32_t)w1);
    }
}

static void pack_plan(const Planner *p, const Plan *plan, int8_t *out, int32_t *bias, int64_t phase,
                      int64_t group, int64_t v) {
  const DensePack *s = p->s;
  for (int64_t i = 0; i < plan->ends[PLAN_GROUP]; i++) {
    int64_t k = plan->order[i];
    pack_step(p, out + i * s->vector, NULL, bias, group, v, run_of(s, phase, k), k % s->groups_per_run * 4);
  }
  out += s->plan_room * s->vector;
  for (int64_t i = 0; i < plan->flips; i++, out += 2 * s->vector) {
    int64_t k = plan->flipped[i];
    pack_step(p, out, out + s->vector, bias, group, v, run_of(s, phase, k), k % s->groups_per_run * 4);
  }
}

/* Where a k-step reads the operand, from the window's first element. */
static int64_t place_of(const DensePack *s, int64_t step) {
  const Dense *d = s->d;
  int64_t run = run_of(s, 0, step).run, at = step % s->groups_per_run * 4;
  for (int i = DENSE_RUNS - 1; i >= 0; i--) {
    at += run % d->runs[i] * d->run_step[i];
    run /= d->runs[i];
  }
  return at;
}

/* How long the longest plan is. */
static void measure_plans(DensePack *s, const Plan *plans, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    if (plans[i].ends[PLAN_GROUP] > s->plan_steps) s->plan_steps = plans[i].ends[PLAN_GROUP];
    if (plans[i].flips > s->plan_flips) s->plan_flips = plans[i].flips;
    if (plans[i].flips) s->plan_sections |= 1u;
    for (int k = 0; k < PLAN_GROUP; k++)
      if (plans[i].ends[k + 1] > plans[i].ends[k]) s->plan_sections |= 2u << k;
  }
  s->plan_room = s->plan_steps + PLAN_GROUP - 1;
}

int64_t plan_vectors(const DensePack *s) { return s->plan_room + 2 * s->plan_flips; }
int64_t plan_places(const DensePack *s) { return s->plan_room + s->plan_flips; }

static char *comment_of(const DensePack *s, const Plan *plans, int64_t n) {
  int64_t in[PLAN_GROUP] = {0}, flips = 0;
  for (int64_t i = 0; i < n; i++) {
    flips += plans[i].flips;
    for (int k = 0; k < PLAN_GROUP; k++) in[k] += plans[i].ends[k + 1] - plans[i].ends[k];
  }
  return arena_printf(
      s->cg->arena,
      "weights of '%s', packed [%lld vectors][k-steps in the order of each vector's plan]: of %lld "
      "k-steps %lld alone, %lld in twos, %lld in threes, %lld in fours, %lld with sign-flip masks",
      cg_title(s->cg, s->d->node), (long long)n, (long long)(n * s->k_steps), (long long)in[0],
      (long long)in[1], (long long)in[2], (long long)in[3], (long long)flips);
}

/* A table of indices, which are not negative, with `each` of them for each plan. */
typedef struct {
  int32_t *values;
  int64_t each;
} Table;

static Table table_of(const DensePack *s, int64_t n, int64_t each) {
  return (Table){ARENA_NEW_ARRAY(s->cg->arena, int32_t, (size_t)(n * each) + 1), each};
}
static const VirBase *table_constant(const DensePack *s, const char *what, int64_t n, const Table *t) {
  return vir_constant(s->cg->module, cg_name(s->cg, s->d->node, what), DT_S32, n * t->each, t->values, NULL);
}

static void make_tables(DensePack *s, const Plan *plans, int64_t n) {
  Table ends = table_of(s, n, PLAN_ENDS), flips = table_of(s, n, 1), places = table_of(s, n, plan_places(s));
  for (int64_t i = 0; i < n; i++) {
    const Plan *plan = &plans[i];
    int32_t *place = places.values + i * places.each;
    for (int k = 0; k < PLAN_ENDS; k++) ends.values[i * PLAN_ENDS + k] = (int32_t)plan->ends[k];
    flips.values[i] = (int32_t)plan->flips;
    for (int64_t k = 0; k < plan->ends[PLAN_GROUP]; k++) place[k] = (int32_t)place_of(s, plan->order[k]);
    for (int64_t k = 0; k < plan->flips; k++)
      place[s->plan_room + k] = (int32_t)place_of(s, plan->flipped[k]);
    for (int64_t k = 0; k < places.each; k++)
      if (place[k] > s->plan_reach) s->plan_reach = place[k];
  }
  s->ends = table_constant(s, "ends", n, &ends);
  s->flips = table_constant(s, "flips", n, &flips);
  s->places = table_constant(s, "places", n, &places);
}

void plan_weights(DensePack *s, int32_t *bias) {
  Arena *a = s->cg->arena;
  const Dense *d = s->d;
  int64_t vectors = dense_vectors(s), n = d->phases * d->groups * vectors;
  Planner p = {.s = s,
               .limit = s->cg->target->dot_pair_sum / (s->x_most ? s->x_most : 255),
               .n_sums = 4 * s->lanes,
               .steps = ARENA_NEW_ARRAY(a, Step, (size_t)s->k_steps + 1),
               .by_size = ARENA_NEW_ARRAY(a, const Step *, (size_t)s->k_steps + 1)};
  Plan *plans = ARENA_NEW_ARRAY(a, Plan, (size_t)n + 1);
  for (int64_t i = 0; i < n; i++)
    plans[i] = plan_vector(&p, i / vectors / d->groups, i / vectors % d->groups, i % vectors);
  measure_plans(s, plans, n);
  int64_t each = plan_vectors(s) * s->vector;
  int8_t *weights = arena_alloc(a, (size_t)(n * each) + 1);
  for (int64_t i = 0; i < n; i++) {
    int64_t phase = i / vectors / d->groups;
    pack_plan(&p, &plans[i], weights + i * each, bias + phase * s->lc.channels, phase,
              i / vectors % d->groups, i % vectors);
  }
  s->weights = vir_constant(s->cg->module, cg_name(s->cg, d->node, "weights"), DT_S8, n * each, weights,
                            comment_of(s, plans, n));
  make_tables(s, plans, n);
}
