/* The micro-kernel for products that are added up in 16 bits: one vector of channels, its k-steps in the
 * order of its plan. */
#include <stdio.h>

#include "codegen/dense_plan.h"
#include "codegen/tile_build.h"

/* The weights of a group, and where its k-steps read the operand. */
typedef struct {
  const VirVar *place[PLAN_GROUP], *weight[PLAN_GROUP], *mask;
} Group;

/* `size` k-steps; 0: a flipped one. */
static Group load_group(TileBuild *t, const VirVar *k, int size) {
  VirBuilder *b = t->b;
  int64_t vector = t->s->vector, room = t->s->plan_room;
  VirAddr w = vir_plus(t->w, k, vector), place = vir_plus(vir_addr(t->places, 0), k, 1);
  if (!size) {
    w = vir_offset(vir_plus(t->w, k, 2 * vector), room * vector);
    place = vir_offset(place, room);
  }
  Group g = {.mask = NULL};
  char name[24];
  for (int i = 0; i < (size ? size : 1); i++) {
    snprintf(name, sizeof name, "at%d", i);
    g.place[i] = vir_index(b, name, vir_offset(place, i));
    snprintf(name, sizeof name, "w%d", i);
    g.weight[i] = VIR_LET(b, name, load_q, vir_at(vir_offset(w, i * vector)));
  }
  if (!size) g.mask = VIR_LET(b, "flip", load_q, vir_at(vir_offset(w, vector)));
  return g;
}

/* The products of one k-step of pixel m. */
static const VirVar *pixel_products(TileBuild *t, const Group *g, int i, int m) {
  VirBuilder *b = t->b;
  VirAddr at = vir_plus(vir_offset(t->x, m * t->s->d->x_step[DENSE_PIXELS - 1]), g->place[i], 1);
  const VirVar *x = vir_let(b, "x0", t->s->cg->target->broadcast, VIR_ARGS(vir_at(at)));
  if (g->mask) x = VIR_LET(b, "x0", xor_q, vir_v(x), vir_v(g->mask));
  return VIR_LET(b, "p", products, vir_v(x), vir_v(g->weight[i]));
}

/* A loop over the groups of `size` k-steps; size 0: the flipped k-steps. */
static void section(TileBuild *t, int size, const VirVar *begin, const VirVar *end) {
  VirBuilder *b = t->b;
  const VirVar *k = vir_loop_between(b, "k", begin, end, size ? size : 1);
  Group g = load_group(t, k, size);
  for (int m = 0; m < t->mr; m++) {
    vir_scope(b, NULL);
    const VirVar *sum = pixel_products(t, &g, 0, m);
    for (int i = 1; i < size; i++) {
      const VirVar *more = pixel_products(t, &g, i, m);
      sum = VIR_LET(b, "sum", add_p, vir_v(sum), vir_v(more));
    }
    VIR_SET(b, t->acc[m][0], add_pairs, vir_v(t->acc[m][0]), vir_v(sum));
    vir_end(b);
  }
  vir_end(b);
}

void plan_steps(TileBuild *t) {
  static const char *const names[PLAN_ENDS] = {"begin", "ones", "twos", "threes", "fours"};
  unsigned sections = t->s->plan_sections;
  if (!sections) return; /* all weights are 0 */
  const VirVar *end[PLAN_ENDS] = {vir_index(t->b, names[0], vir_addr(t->ends, 0))};
  for (int size = 1; size <= PLAN_GROUP; size++) {
    end[size] = end[size - 1];
    if (!(sections >> size & 1)) continue;
    end[size] = vir_index(t->b, names[size], vir_addr(t->ends, size));
    section(t, size, end[size - 1], end[size]);
  }
  if (sections & 1) section(t, 0, end[0], vir_index(t->b, "flips", vir_addr(t->flips, 0)));
}
