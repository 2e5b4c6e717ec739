#include "passes/qconfig.h"

#include <fnmatch.h>
#include <string.h>

#include "ir/graph.h"

const char *const qconfig_presets[] = {"qcc", NULL};

static ObserverSpec observer_spec(const char *name, QuantSpec quant) {
  ObserverSpec s = {.observer = observer_find(name, strlen(name)), .quant = quant};
  for (int i = 0; s.observer->params[i].name; i++) s.param[i] = s.observer->params[i].value;
  return s;
}

const QConfigSet *qconfig_preset(Arena *a, const char *name) {
  if (strcmp(name, "qcc")) return NULL;
  QuantSpec activation = qspec_of(DT_U8, false), weight = qspec_of(DT_S8, false);
  activation.eps = weight.eps = 0;
  weight.symmetric = weight.per_channel = true;
  weight.quant_min = -127;
  QRule *rule = ARENA_NEW(a, QRule);
  rule->config.activation = observer_spec("minmax", activation);
  rule->config.weight = observer_spec("per_channel_minmax", weight);
  QConfigSet *set = ARENA_NEW(a, QConfigSet);
  *set = (QConfigSet){.name = "qcc", .rules = rule, .n_rules = 1};
  return set;
}

const QConfigSet *qconfig_with_observer(Diag *d, Arena *a, const QConfigSet *set, const char *text) {
  QConfigSet *copy = arena_memdup(a, set, sizeof *set);
  QRule *rules = arena_memdup(a, set->rules, sizeof *rules * (size_t)set->n_rules);
  copy->rules = rules;
  for (int i = 0; i < set->n_rules; i++)
    if (!observer_parse(d, text, &rules[i].config.activation)) return NULL;
  return copy;
}

static bool fits(const QRule *r, const struct Node *n) {
  switch (r->kind) {
  case QRULE_DEFAULT:
    return true;
  case QRULE_OP:
    return !strcmp(r->match, op_info[n->op]->name);
  case QRULE_PATTERN:
    return !fnmatch(r->match, n->name, 0) || !fnmatch(r->match, n->results[0]->name, 0);
  case QRULE_NAME:
    return !strcmp(r->match, n->name) || !strcmp(r->match, n->results[0]->name);
  }
  return false;
}

const QConfig *qconfig_of(const QConfigSet *set, const struct Node *n, const QRule **rule) {
  const QRule *best = &set->rules[0];
  for (int i = 1; i < set->n_rules; i++)
    if (set->rules[i].kind >= best->kind && fits(&set->rules[i], n)) best = &set->rules[i];
  if (rule) *rule = best;
  return &best->config;
}

const QConfig *qconfig_default(const QConfigSet *set) {
  const QRule *best = &set->rules[0];
  for (int i = 1; i < set->n_rules; i++)
    if (set->rules[i].kind == QRULE_DEFAULT) best = &set->rules[i];
  return &best->config;
}
