/* What the plans of a dense kernel are made of: the k-steps of one vector and what they sum to. */
#ifndef QCC_CODEGEN_PLAN_STEPS_H
#define QCC_CODEGEN_PLAN_STEPS_H

#include "codegen/dense_plan.h"
#include "codegen/plan_match.h"

enum { PLAN_LANES = 16, PLAN_PAIRS = 2 * PLAN_LANES, PLAN_BLOCK = 16 };

/* A k-step of a vector: of each pair of weights of a channel, whose products are one sum in 16 bits, what of
 * them is positive and negative, and the larger and the smaller magnitude. */
typedef struct {
  uint16_t positive[PLAN_PAIRS], negative[PLAN_PAIRS], total[PLAN_PAIRS];
  uint16_t large[PLAN_PAIRS],
      small[PLAN_PAIRS]; /* as flipped: in units of the operand's largest value, rounded up */
  int32_t step;          /* which k-step it is: plane, run, k-group */
  int most;              /* of its sums without a mask */
  bool fits;             /* in 16 bits without one */
  bool taken;
} PlanStep;

/* Sums of a group: of its positive and of its negative weights in each pair. */
typedef struct {
  uint16_t positive[PLAN_PAIRS], negative[PLAN_PAIRS];
} PlanSums;

/* K-steps that are added up in 16 bits; -1: nothing, with weights of 0. The last ones are flipped. */
typedef struct {
  int32_t step[PLAN_GROUP];
  int size, masks;
  unsigned fits; /* bit i: step i fits without a mask by itself */
} PlanSet;

/* A vector's groups by their size; those with fewer masks first. */
typedef struct {
  PlanSet *groups[PLAN_GROUP + 1];
  int64_t count[PLAN_GROUP + 1];
  int64_t within[PLAN_GROUP + 1][PLAN_MASKS + 1]; /* with at most so many masks */
} Plan;

struct DensePlans {
  int64_t n; /* [phase][group][vector] */
  Plan *plans;
};

/* The vector that is being planned or packed. */
typedef struct {
  DensePack *s;
  int32_t limit;  /* of a sum, in units of the operand's largest value */
  int32_t x_most; /* that value */
  int pairs;
  int most; /* k-steps of a group */
  int64_t phase, group, v;
  int8_t *weights;    /* [k-step][lane][4] */
  PlanStep *steps;    /* by their k-step */
  PlanStep **by_size; /* those that have a weight, largest first */
  int64_t n_sized;
} Planner;

Planner planner_new(DensePack *s);
/* Goes to the vector that plan `i` is for. */
void planner_seek(Planner *p, int64_t i);

/* Weight j of 4 of lane l in a k-step of the vector. */
int32_t plan_weight(const Planner *p, int64_t step, int64_t l, int64_t j);
Run plan_run(const DensePack *s, int64_t phase, int64_t step);
/* The magnitude of a weight whose mask is set, in units of the operand's largest value. */
uint16_t plan_flipped_size(const Planner *p, int32_t w);
void plan_measure(const Planner *p, PlanStep *e, int32_t step);
/* A k-step more in the sums; false, and nothing changes, where it does not fit. */
bool plan_add(const Planner *p, PlanSums *s, const PlanStep *e);
/* With each weight of the sign that serves best: the mask sees to the rest. */
bool plan_add_flipped(const Planner *p, PlanSums *s, const PlanStep *e);
/* A weight of this size on the lesser side of the sums. */
void plan_balance(int32_t *positive, int32_t *negative, int32_t size);

/* Cycles of a group of this kind, for each pixel. */
double plan_kind_cost(PlanKind k);
/* A k-step alone; one more in a group. */
PlanSet plan_single(const PlanStep *e);
void plan_join(PlanSet *g, const PlanStep *e);

/* codegen/plan_pairs.c: all k-steps by twos, as many and with as few masks as is found. */
void plan_pairs(const Planner *p, Plan *plan);
void plan_add_group(Plan *plan, PlanSet g);

#endif
