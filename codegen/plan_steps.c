#include "codegen/plan_steps.h"

#include <stdlib.h>

Planner planner_new(DensePack *s) {
  return (Planner){.s = s,
                   .limit = dense_pair_limit(s),
                   .x_most = s->x_most ? s->x_most : 255,
                   .pairs = 2 * s->lanes,
                   .most = PLAN_GROUP,
                   .weights = arena_alloc(s->cg->kernel_arena, (size_t)(s->k_steps * s->lanes * 4) + 1)};
}

/* Those of a lane, in all k-steps. */
static void read_lane(Planner *p, int64_t phase, int64_t group, int64_t v, int64_t l) {
  const DensePack *s = p->s;
  int64_t c = dense_channel(s, v, l);
  bool there = c < s->d->oc;
  for (int64_t step = 0; step < s->k_steps; step++) {
    Run run = plan_run(s, phase, step);
    int64_t first = step % s->groups_per_run * 4;
    int8_t *w = p->weights + (step * s->lanes + l) * 4;
    for (int64_t j = 0; j < 4; j++)
      w[j] = there ? (int8_t)dense_weight(s, group * s->d->oc + c, run, first + j) : 0;
  }
}

void planner_seek(Planner *p, int64_t i) {
  int64_t vectors = dense_vectors(p->s), groups = p->s->d->groups;
  p->phase = i / vectors / groups;
  p->group = i / vectors % groups;
  p->v = i % vectors;
  for (int64_t l = 0; l < p->s->lanes; l++) read_lane(p, p->phase, p->group, p->v, l);
}

Run plan_run(const DensePack *s, int64_t phase, int64_t step) {
  int64_t run = step / s->groups_per_run;
  return (Run){phase, run / dense_runs(s->d), run % dense_runs(s->d)};
}

int32_t plan_weight(const Planner *p, int64_t step, int64_t l, int64_t j) {
  return step < 0 ? 0 : p->weights[(step * p->s->lanes + l) * 4 + j];
}

uint16_t plan_flipped_size(const Planner *p, int32_t w) {
  return (uint16_t)((abs(w) * 255 + p->x_most - 1) / p->x_most);
}

void plan_measure(const Planner *p, PlanStep *e, int32_t step) {
  *e = (PlanStep){.step = step};
  for (int i = 0; i < p->pairs; i++) {
    int32_t w0 = plan_weight(p, step, i / 2, i % 2 * 2), w1 = plan_weight(p, step, i / 2, i % 2 * 2 + 1);
    e->positive[i] = (uint16_t)((w0 > 0 ? w0 : 0) + (w1 > 0 ? w1 : 0));
    e->negative[i] = (uint16_t)(e->positive[i] - w0 - w1);
    e->total[i] = (uint16_t)(e->positive[i] + e->negative[i]);
    uint16_t a = plan_flipped_size(p, w0), b = plan_flipped_size(p, w1);
    e->large[i] = a > b ? a : b;
    e->small[i] = a > b ? b : a;
    int32_t sum = e->positive[i] > e->negative[i] ? e->positive[i] : e->negative[i];
    if (sum > e->most) e->most = sum;
  }
  e->fits = e->most <= p->limit;
}

bool plan_add(const Planner *p, PlanSums *s, const PlanStep *e) {
  PlanSums sum;
  uint16_t most = 0;
  for (int at = 0; at < p->pairs; at += PLAN_BLOCK)
    for (int i = at; i < at + PLAN_BLOCK; i++) { /* a constant length: compilers make vectors of it */
      uint16_t positive = (uint16_t)(s->positive[i] + e->positive[i]);
      uint16_t negative = (uint16_t)(s->negative[i] + e->negative[i]);
      uint16_t larger = positive > negative ? positive : negative;
      most = larger > most ? larger : most;
      sum.positive[i] = positive;
      sum.negative[i] = negative;
    }
  if (most > p->limit) return false;
  *s = sum;
  return true;
}

void plan_balance(int32_t *positive, int32_t *negative, int32_t size) {
  if (*positive <= *negative)
    *positive += size;
  else
    *negative += size;
}

bool plan_add_flipped(const Planner *p, PlanSums *s, const PlanStep *e) {
  PlanSums sum;
  uint16_t most = 0;
  for (int at = 0; at < p->pairs; at += PLAN_BLOCK)
    for (int i = at; i < at + PLAN_BLOCK; i++) { /* twice what plan_balance does, without branches */
      uint16_t positive = s->positive[i], negative = s->negative[i], large = e->large[i], small = e->small[i];
      uint16_t first = positive <= negative ? large : 0;
      positive = (uint16_t)(positive + first);
      negative = (uint16_t)(negative + large - first);
      uint16_t second = positive <= negative ? small : 0;
      positive = (uint16_t)(positive + second);
      negative = (uint16_t)(negative + small - second);
      uint16_t larger = positive > negative ? positive : negative;
      most = larger > most ? larger : most;
      sum.positive[i] = positive;
      sum.negative[i] = negative;
    }
  if (most > p->limit) return false;
  *s = sum;
  return true;
}
