#include "codegen/plan_steps.h"

#include <stdlib.h>

typedef struct {
  const Planner *p;
  int8_t *weights; /* of the vector: where the next go */
  int32_t *places, *bias;
} Packer;

static void put_plain(Packer *k, int8_t *weights, int64_t step) {
  const Planner *p = k->p;
  for (int64_t l = 0; l < p->s->lanes; l++)
    for (int64_t j = 0; j < 4; j++) weights[4 * l + j] = (int8_t)plan_weight(p, step, l, j);
}

/* Where w has the other sign: w * x = 255 * w + -w * (255 - x). */
static void put_flipped_weight(Packer *k, int8_t *weight, int8_t *mask, int64_t l, int32_t w, bool positive) {
  const Planner *p = k->p;
  bool flip = w && (w > 0) != positive;
  *weight = (int8_t)(flip ? -w : w);
  *mask = flip ? -1 : 0;
  if (!flip) return;
  int64_t c = p->group * p->s->d->oc + dense_channel(p->s, p->v, l);
  k->bias[c] = (int32_t)((uint32_t)k->bias[c] + 255u * (uint32_t)w);
}

/* A flipped k-step beside what `sums` says of the others: signs as plan_add_flipped chooses them. */
static void put_flipped(Packer *k, int8_t *weights, int8_t *masks, int64_t step, const PlanSums *sums) {
  const Planner *p = k->p;
  for (int i = 0; i < p->pairs; i++) {
    int64_t l = i / 2, j = i % 2 * 2;
    int32_t w[2] = {plan_weight(p, step, l, j), plan_weight(p, step, l, j + 1)};
    int32_t positive = sums->positive[i], negative = sums->negative[i];
    int large = abs(w[0]) < abs(w[1]);
    for (int n = 0; n < 2; n++) {
      int which = n ? !large : large;
      int64_t at = 4 * l + j + which;
      put_flipped_weight(k, weights + at, masks + at, l, w[which], positive <= negative);
      plan_balance(&positive, &negative, plan_flipped_size(p, w[which]));
    }
  }
}

/* Where a k-step reads the operand, from the window's first element. */
static int32_t place_of(const DensePack *s, int64_t step) {
  const Dense *d = s->d;
  if (step < 0) return 0;
  int64_t run = plan_run(s, 0, step).run, at = step % s->groups_per_run * 4;
  for (int i = DENSE_RUNS - 1; i >= 0; i--) {
    at += run % d->runs[i] * d->run_step[i];
    run /= d->runs[i];
  }
  return (int32_t)at;
}

/* A group in a place for its kind, which may have masks that the group does not need: the weights of all
 * k-steps, then the masks. */
static void put_group(Packer *k, const PlanSet *g, PlanKind kind) {
  const Planner *p = k->p;
  PlanSums sums = {.positive = {0}};
  int8_t *masks = k->weights + kind.size * p->s->vector;
  for (int i = 0; i < g->size; i++) {
    int8_t *weights = k->weights + i * p->s->vector;
    bool flipped = i >= g->size - g->masks;
    PlanStep e;
    *k->places++ = place_of(p->s, g->step[i]);
    plan_measure(p, &e, g->step[i]);
    if (flipped)
      put_flipped(k, weights, masks + (i - (kind.size - kind.masks)) * p->s->vector, g->step[i], &sums);
    else
      put_plain(k, weights, g->step[i]);
    if (!(flipped ? plan_add_flipped(p, &sums, &e) : plan_add(p, &sums, &e))) BUG("a group leaves 16 bits");
  }
  k->weights += (kind.size + kind.masks) * p->s->vector;
}

static void put_plan(Packer *k, const Plan *plan) {
  static const PlanSet nothing = {.size = 1, .step = {-1}};
  const DensePack *s = k->p->s;
  int64_t next[PLAN_GROUP + 1] = {0};
  for (int kind = 0; kind < PLAN_KINDS; kind++) {
    const PlanKind at = plan_kind[kind];
    for (int64_t i = 0; i < s->plan_groups[kind]; i++) {
      const PlanSet *g = &plan->groups[at.size][next[at.size]];
      bool there = next[at.size] < plan->count[at.size] && g->masks <= at.masks; /* else for the next kind */
      put_group(k, there ? g : &nothing, at);
      next[at.size] += there;
    }
  }
  for (int size = 1; size <= PLAN_GROUP; size++)
    if (next[size] != plan->count[size]) BUG("a plan has more groups than it was counted to have");
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
    static const char *const masks[] = {"", " with a sign-flip mask", " with two masks"};
    strbuf_printf(&b, "%s%lld of %d%s", separator, (long long)s->plan_groups[kind], plan_kind[kind].size,
                  masks[plan_kind[kind].masks]);
    separator = ", ";
  }
  return b.text;
}

void plan_weights(DensePack *s, const DensePlans *plans, int32_t *bias) {
  Arena *a = s->cg->kernel_arena;
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
