#include "codegen/plan_slices.h"

#include "codegen/plan_steps.h"
#include "ir/ops/attrs.h"

/* What a vector's plan has: pairs of k-steps, and of these with one mask at most. */
typedef struct {
  int64_t pairs, light;
} VectorPlan;

typedef struct {
  int64_t k_steps, vectors;
  const VectorPlan *plan;
} Layer;

/* Of a slice, in vectors: code, calls. */
static const double slice_cost = 0.5;
/* Of what a k-step with a mask takes in a plan: without one, where four vectors are stored together. */
static const double unplanned = 0.95;

/* For each pixel, where all vectors have as many groups as the one with the least. */
static double planned_cost(const Layer *l, VectorPlan least) {
  return plan_kind_cost((PlanKind){2, 1}) * (double)least.light +
         plan_kind_cost((PlanKind){2, 2}) * (double)(least.pairs - least.light) +
         plan_kind_cost((PlanKind){1, 1}) * (double)(l->k_steps - 2 * least.pairs);
}

/* Of vectors [first, end). */
static double range_cost(const Layer *l, int64_t first, int64_t end) {
  VectorPlan least = l->plan[first];
  int64_t n = end - first, fours = (n + 3) / 4 * 4;
  for (int64_t i = first; i < end; i++) {
    if (l->plan[i].pairs < least.pairs) least.pairs = l->plan[i].pairs;
    if (l->plan[i].light < least.light) least.light = l->plan[i].light;
  }
  double single = plan_kind_cost((PlanKind){1, 1}) * (double)l->k_steps, planned = planned_cost(l, least);
  if (planned <= unplanned * single) return (double)n * planned + slice_cost * single;
  return (double)(n + fours) / 2 * unplanned * single + slice_cost * single;
}

typedef struct {
  double cost;
  int n;
  int64_t first[MOST_SLICES + 1];
} Slices;

/* Vectors [first, end) in at most `most` slices. */
static Slices best_slices(const Layer *l, int64_t first, int64_t end, int most) {
  Slices best = {range_cost(l, first, end), 1, {first, end}};
  for (int64_t cut = first + 1; cut < end && most > 1; cut++) {
    Slices rest = best_slices(l, cut, end, most - 1);
    double cost = range_cost(l, first, cut) + rest.cost;
    if (cost >= best.cost) continue;
    best = (Slices){cost, rest.n + 1, {first}};
    for (int i = 0; i <= rest.n; i++) best.first[i + 1] = rest.first[i];
  }
  return best;
}

static VectorPlan plan_of(const DensePlans *p, int64_t v) {
  const Plan *plan = &p->plans[v];
  return (VectorPlan){plan->count[2], plan->within[2][1]};
}

int plan_slices(const DensePack *pack, int64_t first[MOST_SLICES + 1]) {
  DensePack s = *pack;
  first[0] = 0;
  first[1] = s.d->oc;
  if (s.d->groups > 1 || s.d->phases > 1 || s.d->node->op != OP_conv2d || s.result != RESULT_REQUANT)
    return 1;
  dense_shape(&s);
  int64_t vectors = dense_vectors(&s);
  if (s.form != FORM_PLAN || s.k_steps > PLAN_WORD || vectors < 2) return 1;
  VectorPlan *plan = ARENA_NEW_ARRAY(s.cg->kernel_arena, VectorPlan, (size_t)vectors);
  const DensePlans *plans = dense_pairs(&s);
  for (int64_t v = 0; v < vectors; v++) plan[v] = plan_of(plans, v);
  Slices best = best_slices(&(Layer){s.k_steps, vectors, plan}, 0, vectors, MOST_SLICES);
  for (int i = 1; i < best.n; i++) first[i] = best.first[i] * s.lanes;
  first[best.n] = s.d->oc;
  return best.n;
}
