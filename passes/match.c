/* Fitting patterns to graphs. What is still to be fitted is a list of goals; a goal that can be reached in
 * several ways tries each with all the goals behind it, so no choice is final before everything fits. */
#include "passes/match.h"

#include <math.h>
#include <string.h>

#include "passes/pattern.h"
#include "passes/rewrite.h"

enum { MAX_STEPS = 200 * 1000 };

typedef struct Goal {
  const Term *term;
  Tensor *tensor;
  const struct Goal *next;
} Goal;

typedef struct {
  Tensor **found;
  int steps;
} Matcher;

static bool reach(Matcher *m, const Goal *g);

static bool is_value(const Tensor *t, double want) {
  return is_const_f32(t) && shape_count(&t->type.shape) == 1 &&
         fabs((double)const_f32(t)[0] - want) <= 1e-6 * fabs(want);
}

static bool attr_fits(const Node *n, const TermAttr *a) {
  const void *field = (const char *)n->attrs + a->attr->offset;
  const IntList *list = field;
  switch (a->attr->kind) {
  case ATTR_INT:
    return (double)*(const int64_t *)field == a->number;
  case ATTR_FLOAT:
    return *(const float *)field == (float)a->number;
  case ATTR_BOOL:
    return *(const bool *)field == (a->number != 0);
  case ATTR_ENUM:
    return *(const int *)field == (int)a->number;
  case ATTR_INTS:
    return list->n == a->list.n && !memcmp(list->v, a->list.v, sizeof *list->v * (size_t)list->n);
  case ATTR_REALS: /* the parser refuses it */
    break;
  }
  return false;
}

static bool node_fits(const Term *t, const Tensor *x) {
  const Node *n = x->producer;
  if (!n || n->op != t->op || n->results[0] != x || (!t->clamps && node_has_clamp(n))) return false;
  if (t->open ? n->n_operands < t->n_parts : n->n_operands != t->n_parts) return false;
  for (int i = 0; i < t->n_attrs; i++)
    if (!attr_fits(n, &t->attrs[i])) return false;
  return true;
}

static bool commutes(OpId op) { return op == OP_add || op == OP_mul || op == OP_max || op == OP_min; }

/* The operands, the first two of them in their order or exchanged. */
static bool reach_operands(Matcher *m, const Goal *g, bool exchanged) {
  const Term *t = g->term;
  Goal goals[PATTERN_PARTS];
  const Goal *first = g->next;
  for (int i = t->n_parts - 1; i >= 0; i--) {
    int operand = exchanged && i < 2 ? 1 - i : i;
    goals[i] = (Goal){t->parts[i], g->tensor->producer->operands[operand], first};
    if (!goals[i].tensor) return false; /* an operand that is not given */
    first = &goals[i];
  }
  return reach(m, first);
}

static bool reach_node(Matcher *m, const Goal *g) {
  if (!node_fits(g->term, g->tensor)) return false;
  if (reach_operands(m, g, false)) return true;
  return commutes(g->term->op) && g->term->n_parts == 2 && reach_operands(m, g, true);
}

static bool reach_named(Matcher *m, const Goal *g) {
  const Term *t = g->term;
  Tensor **found = &m->found[t->name], *before = *found;
  if ((before && before != g->tensor) || (t->kind == TERM_CONSTANT && !tensor_is_const(g->tensor)))
    return false;
  *found = g->tensor;
  const Goal inner = {t->n_parts ? t->parts[0] : NULL, g->tensor, g->next};
  bool ok = reach(m, t->n_parts ? &inner : g->next);
  if (!ok) *found = before;
  return ok;
}

static bool reach(Matcher *m, const Goal *g) {
  if (!g) return true;
  if (m->steps++ > MAX_STEPS) return false;
  const Term *t = g->term;
  switch (t->kind) {
  case TERM_ANY:
    return reach(m, g->next);
  case TERM_NAMED:
  case TERM_CONSTANT:
    return reach_named(m, g);
  case TERM_VALUE:
    return is_value(g->tensor, t->value) && reach(m, g->next);
  case TERM_NODE:
    return reach_node(m, g);
  case TERM_CHOICE:
    for (int i = 0; i < t->n_parts; i++)
      if (reach(m, &(Goal){t->parts[i], g->tensor, g->next})) return true;
    return false;
  }
  return false;
}

MatchResult pattern_match(const Pattern *p, Tensor *t, Tensor *found[PATTERN_NAMES]) {
  Matcher m = {.found = found};
  memset(found, 0, sizeof *found * PATTERN_NAMES);
  if (reach(&m, &(Goal){p->root, t, NULL})) return MATCH_YES;
  return m.steps > MAX_STEPS ? MATCH_TOO_LONG : MATCH_NO;
}

Tensor *pattern_found(const Pattern *p, Tensor *const *found, const char *name) {
  for (int i = 0; i < p->n_names; i++)
    if (!strcmp(p->names[i], name)) return found[i];
  BUG("the pattern has no name '%s'", name);
}

int pattern_names(const Pattern *p) { return p->n_names; }
const char *pattern_name(const Pattern *p, int i) { return p->names[i]; }
