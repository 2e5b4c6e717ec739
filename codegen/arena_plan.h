/* Places in one arena for buffers that live at known times: dynamic storage allocation with everything known
 * beforehand. */
#ifndef QCC_CODEGEN_ARENA_PLAN_H
#define QCC_CODEGEN_ARENA_PLAN_H

#include "ir/arena.h"

/* A buffer that is in use at the positions [first, last]. Sizes and offsets are in any unit. */
typedef struct {
  int64_t size;
  int first, last;
  int64_t offset; /* set by arena_plan */
} PlanItem;

/* The largest sum of sizes in use at one position, and the first such position (-1: nothing ever is). No plan
 * can need less. */
int64_t arena_bound(Arena *tmp, const PlanItem *items, int n, int *position);

/* Sets the offsets so that no two items that live together overlap; returns the end of the highest one. The
 * result depends on the items alone: the search for a better plan ends at the bound, or after a number of
 * steps. */
int64_t arena_plan(Arena *tmp, PlanItem *items, int n);

#endif
