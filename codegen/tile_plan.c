/* The micro-kernel for products that are added up in 16 bits: one vector of channels, its groups of k-steps
 * in the order of its plan. */
#include <stdio.h>

#include "codegen/dense_plan.h"
#include "codegen/tile_build.h"

/* The weights of a group, where its k-steps read the operand, and their masks (NULL: none). */
typedef struct {
  const VirVar *place[PLAN_GROUP], *weight[PLAN_GROUP], *mask[PLAN_GROUP];
} Group;

static Group load_group(TileBuild *t, int kind, VirAddr w, VirAddr place) {
  VirBuilder *b = t->b;
  int size = plan_kind[kind].size, masks = plan_kind[kind].masks;
  Group g = {.mask = {NULL}};
  char name[32];
  for (int i = 0; i < size; i++) {
    snprintf(name, sizeof name, "at%d", i);
    g.place[i] = vir_index(b, name, vir_offset(place, i));
    snprintf(name, sizeof name, "w%d", i);
    g.weight[i] = VIR_LET(b, name, load_q, vir_at(vir_offset(w, i * t->s->vector)));
  }
  for (int i = 0; i < masks; i++)
    g.mask[size - masks + i] = VIR_LET(b, "flip", load_q, vir_at(vir_offset(w, (size + i) * t->s->vector)));
  return g;
}

/* The products of k-step i of a group and pixel m. */
static const VirVar *pixel_products(TileBuild *t, const Group *g, int i, int m) {
  VirBuilder *b = t->b;
  VirAddr at = vir_plus(vir_offset(t->x, m * t->s->d->x_step[DENSE_PIXELS - 1]), g->place[i], 1);
  const VirVar *x = vir_let(b, "x0", t->s->cg->target->broadcast, VIR_ARGS(vir_at(at)));
  if (g->mask[i]) x = VIR_LET(b, "x0", xor_q, vir_v(x), vir_v(g->mask[i]));
  return VIR_LET(b, "p", products, vir_v(x), vir_v(g->weight[i]));
}

/* All groups of a kind, the first of which is at `w` and `place`. */
static void section(TileBuild *t, int kind, int64_t count, VirAddr w, VirAddr place) {
  VirBuilder *b = t->b;
  int size = plan_kind[kind].size;
  if (count > 1) {
    const VirVar *k = vir_loop(b, "k", 0, count, 1);
    w = vir_plus(w, k, plan_group_vectors(kind) * t->s->vector);
    place = vir_plus(place, k, size);
  }
  Group g = load_group(t, kind, w, place);
  for (int m = 0; m < t->mr; m++) {
    vir_scope(b, NULL);
    const VirVar *sum = NULL;
    for (int i = 0; i < size; i++) {
      const VirVar *p = pixel_products(t, &g, i, m);
      sum = sum ? VIR_LET(b, "sum", add_p, vir_v(sum), vir_v(p)) : p;
    }
    VIR_SET(b, t->acc[m][0], add_pairs, vir_v(t->acc[m][0]), vir_v(sum));
    vir_end(b);
  }
  if (count > 1) vir_end(b);
}

void plan_steps(TileBuild *t) {
  VirAddr w = t->w, place = vir_addr(t->places, 0);
  for (int kind = 0; kind < PLAN_KINDS; kind++) {
    int64_t count = t->s->plan_groups[kind];
    if (!count) continue;
    section(t, kind, count, w, place);
    w = vir_offset(w, count * plan_group_vectors(kind) * t->s->vector);
    place = vir_offset(place, count * plan_kind[kind].size);
  }
}
