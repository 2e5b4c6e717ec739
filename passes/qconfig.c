/* Rules: which one a node's configuration comes from. */
#include "passes/qconfig.h"

#include <string.h>

#include "ir/graph.h"
#include "passes/glob.h"

void qconfig_inherit(QRule *rules, int n_rules, bool dynamic_reduce_range) {
  const QConfig *base = &rules[0].config;
  for (int i = 0; i < n_rules; i++) {
    QConfig *c = &rules[i].config;
    if (!(rules[i].given & QGIVEN_MODE)) c->mode = base->mode;
    if (!(rules[i].given & QGIVEN_WEIGHT)) c->weight = base->weight;
    if (rules[i].given & QGIVEN_ACTIVATION) continue;
    c->activation = base->activation;
    if (c->mode == QMODE_DYNAMIC) c->activation.quant = qspec_of(DT_U8, dynamic_reduce_range);
  }
}

const QConfigSet *qconfig_with_observer(Diag *d, Arena *a, const QConfigSet *set, const char *text,
                                        const Observer *const *more) {
  QConfigSet *copy = arena_memdup(a, set, sizeof *set);
  QRule *rules = arena_memdup(a, set->rules, sizeof *rules * (size_t)set->n_rules);
  copy->rules = rules;
  copy->observer = text;
  if (!observer_parse(d, text, more, &rules[0].config.activation)) return NULL;
  qconfig_inherit(rules, set->n_rules, set->dynamic_reduce_range);
  return copy;
}

/* Halves of a placeholder, as PyTorch's float16_dynamic_qconfig has them; s8 of the preset qcc. */
static ObserverSpec weight_spec(Arena *a, DType dtype) {
  static const char noop[] = "noop";
  ObserverSpec spec = {.quant = {.dtype = DT_F16, .symmetric = true}};
  if (dtype != DT_F16) return qconfig_preset(a, "qcc")->rules[0].config.weight;
  if (!observer_named(&spec, noop, sizeof noop - 1)) BUG("no observer '%s'", noop);
  return spec;
}

const QConfigSet *qconfig_with_mode(Arena *a, const QConfigSet *set, QMode mode, DType weight) {
  QConfigSet *copy = arena_memdup(a, set, sizeof *set);
  QRule *rules = arena_memdup(a, set->rules, sizeof *rules * (size_t)set->n_rules);
  QConfig *base = &rules[0].config;
  copy->rules = rules;
  base->mode = mode;
  for (int i = 1; i < set->n_rules; i++) { /* what a preset says for lack of a static form */
    QMode *own = &rules[i].config.mode;
    if (!rules[i].loc.source && (*own == QMODE_DYNAMIC || *own == QMODE_WEIGHTS)) *own = mode;
  }
  copy->quantize = mode == QMODE_DYNAMIC ? "dynamic" : weight == DT_F16 ? "f16" : "weights";
  if (base->weight.quant.dtype != weight) base->weight = weight_spec(a, weight);
  if (mode == QMODE_DYNAMIC) base->activation.quant = qspec_of(DT_U8, set->dynamic_reduce_range);
  qconfig_inherit(rules, set->n_rules, set->dynamic_reduce_range);
  return copy;
}

bool qconfig_needs_no_data(const QConfigSet *set) {
  bool any = false;
  for (int i = 0; i < set->n_rules; i++) {
    if (set->rules[i].config.mode == QMODE_STATIC) return false;
    any |= set->rules[i].config.mode != QMODE_FLOAT;
  }
  return any;
}

static bool fits_name(const QRule *r, const char *name) {
  return r->kind == QRULE_NAME ? !strcmp(r->match, name) : glob_match(r->match, name);
}

static bool fits(const QRule *r, const struct Node *n) {
  if (r->kind == QRULE_DEFAULT) return true;
  if (r->kind == QRULE_OP) return !strcmp(r->match, op_info[n->op]->name);
  if (*n->name && fits_name(r, n->name)) return true;
  for (int i = 0; i < n->n_results; i++)
    if (fits_name(r, n->results[i]->name)) return true;
  return false;
}

const QConfig *qconfig_of(const QConfigSet *set, const struct Node *n, const QRule **rule) {
  const QRule *best = &set->rules[0];
  for (int i = 1; i < set->n_rules; i++)
    if (set->rules[i].kind >= best->kind && fits(&set->rules[i], n)) best = &set->rules[i];
  if (rule) *rule = best;
  return &best->config;
}

const QConfig *qconfig_of_input(const QConfigSet *set, const struct Tensor *t, const QRule **rule) {
  const QRule *best = &set->rules[0];
  for (int i = 1; i < set->n_rules; i++) {
    const QRule *r = &set->rules[i];
    if (r->kind >= QRULE_PATTERN && r->kind >= best->kind && fits_name(r, t->name)) best = r;
  }
  if (rule) *rule = best;
  return &best->config;
}

const QConfig *qconfig_default(const QConfigSet *set) { return &set->rules[0].config; }

static bool fits_any(const QRule *r, const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (fits(r, n)) return true;
  for (int i = 0; i < g->n_inputs && r->kind >= QRULE_PATTERN; i++)
    if (fits_name(r, g->inputs[i]->name)) return true;
  return false;
}

void qconfig_warn_unused(Diag *d, const QConfigSet *set, const Graph *g) {
  static const char *const kinds[] = {
      [QRULE_OP] = "of the operator", [QRULE_PATTERN] = "whose name fits", [QRULE_NAME] = "named"};
  for (int i = 1; i < set->n_rules; i++) {
    const QRule *r = &set->rules[i];
    if (r->loc.source && !fits_any(r, g))
      diag_warning(
          d, "unused-rule", r->loc,
          "there is no node %s '%.200s' in the model once it is fused; -print-qconfig lists the nodes",
          kinds[r->kind], r->match);
  }
}
