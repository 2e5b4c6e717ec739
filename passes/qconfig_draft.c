#include "passes/qconfig_draft.h"

#include <string.h>

#include "ir/type.h"

/* ---- what an observer quantizes to ---- */

/* The range of integers: the base's, unless the type changes or the file says another. */
static bool draft_range(Diag *d, const ObserverDraft *o, const QuantSpec *base, QuantSpec *q) {
  const DTypeInfo *type = &dtype_info[q->dtype];
  const QuantSpec whole = qspec_of(q->dtype, false);
  bool same = q->dtype == base->dtype && !o->given[QUANT_REDUCE_RANGE],
       integer = q->dtype == DT_U8 || q->dtype == DT_S8;
  int32_t min = o->given[QUANT_MIN] ? o->spec.quant.quant_min : same ? base->quant_min : whole.quant_min;
  int32_t max = o->given[QUANT_MAX] ? o->spec.quant.quant_max : same ? base->quant_max : whole.quant_max;
  bool custom = o->given[QUANT_MIN] || o->given[QUANT_MAX] || (same && base->custom_range);
  if (integer && (min < type->min || max > type->max))
    return diag_error(d, o->range_loc, "%s takes values from %d to %d, not from %d to %d", type->name,
                      (int)type->min, (int)type->max, min, max);
  QuantSpec range = custom ? qspec_custom(q->dtype, min, max, o->reduce_range)
                    : same ? *base
                           : qspec_of(q->dtype, o->reduce_range);
  q->quant_min = range.quant_min;
  q->quant_max = range.quant_max;
  q->custom_range = range.custom_range;
  if (!integer || q->quant_min < q->quant_max) return true;
  return diag_error(d, o->range_loc, "the values from %d to %d are no range", q->quant_min, q->quant_max);
}

/* Observers that are per channel by name are so; others where the weights of the default are. */
static bool draft_channels(Diag *d, const ObserverDraft *o, const QuantSpec *base, QuantSpec *q) {
  const Observer *observer = o->spec.observer;
  bool asked = o->given[QUANT_PER_CHANNEL] ? o->spec.quant.per_channel : o->given[QUANT_CH_AXIS];
  if (asked && !observer->per_channel)
    return diag_error(d, o->loc, "%s cannot observe channels apart", observer->name);
  if (o->given[QUANT_PER_CHANNEL] || o->given[QUANT_CH_AXIS])
    q->per_channel = asked;
  else
    q->per_channel = observer->per_channel && (base->per_channel || strstr(observer->name, "per_channel"));
  q->ch_axis = o->given[QUANT_CH_AXIS] ? o->spec.quant.ch_axis : 0;
  return true;
}

static bool draft_spec(Diag *d, const ObserverDraft *o, const QuantSpec *base, ObserverSpec *spec) {
  *spec = o->spec;
  QuantSpec *q = &spec->quant;
  if (!o->given[QUANT_DTYPE]) q->dtype = base->dtype;
  if (!o->given[QUANT_SYMMETRIC]) q->symmetric = base->symmetric;
  if (!o->given[QUANT_EPS]) q->eps = base->eps;
  return draft_range(d, o, base, q) && draft_channels(d, o, base, q);
}

/* ---- what fits together ---- */

static bool observes(const ObserverSpec *s) { return s->observer->needs_data || s->observer->params_of; }

static bool check_static(Diag *d, const ObserverSpec *s, SrcLoc loc) {
  const char *type = dtype_info[s->quant.dtype].name;
  if (s->quant.dtype != DT_U8 && s->quant.dtype != DT_S8)
    return diag_error(
        d, loc,
        "activations are u8 or s8 in the mode static, not %s (mode = \"float\" leaves them in float32)",
        type);
  if (s->quant.per_channel)
    return diag_error(d, loc, "%s observes channels apart, but an activation has one scale",
                      s->observer->name);
  if (!observes(s))
    return diag_error(d, loc, "%s finds no range, which the mode static needs", s->observer->name);
  return true;
}

static bool check_dynamic(Diag *d, const ObserverSpec *s, SrcLoc loc) {
  const QuantSpec *q = &s->quant;
  if (q->dtype == DT_U8 && !q->per_channel && q->quant_min == 0 &&
      (q->quant_max == 255 || q->quant_max == 127))
    return true;
  return diag_error(d, loc,
                    "the mode dynamic takes its operands as u8 from 0 to 255, or to 127 with reduce_range");
}

static bool check_weight(Diag *d, QMode mode, const ObserverSpec *s, SrcLoc loc) {
  static const struct {
    const char *name, *types;
  } modes[] = {[QMODE_STATIC] = {"static", "s8 or u8"},
               [QMODE_DYNAMIC] = {"dynamic", "s8 or u8"},
               [QMODE_WEIGHTS] = {"weights", "s8, u8 or f16"}};
  DType t = s->quant.dtype;
  if (t != DT_S8 && t != DT_U8 && !(t == DT_F16 && mode == QMODE_WEIGHTS))
    return diag_error(d, loc, "weights are %s in the mode %s, not %s", modes[mode].types, modes[mode].name,
                      dtype_info[t].name);
  if (t != DT_F16 && !observes(s))
    return diag_error(d, loc, "%s finds no range, which %s weights need", s->observer->name,
                      dtype_info[t].name);
  if (s->quant.per_channel && s->quant.ch_axis != 0)
    return diag_error(d, loc, "a weight's scales are those of its output channels, which are axis 0, not %d",
                      s->quant.ch_axis);
  return true;
}

static bool check_config(Diag *d, const QConfig *c, const RuleDraft *r) {
  SrcLoc activation = r->activation ? r->activation_loc : r->loc, weight = r->weight ? r->weight_loc : r->loc;
  if (c->mode == QMODE_STATIC && !check_static(d, &c->activation, activation)) return false;
  if (c->mode == QMODE_DYNAMIC && !check_dynamic(d, &c->activation, activation)) return false;
  return c->mode == QMODE_FLOAT || check_weight(d, c->mode, &c->weight, weight);
}

/* ---- rules ---- */

/* `base`: what the draft leaves open comes from there. */
static bool draft_rule(Diag *d, const RuleDraft *r, const QConfig *base, QRule *rule) {
  if (r->has_mode) {
    rule->config.mode = r->mode;
    rule->given |= QGIVEN_MODE;
  }
  if (r->activation) {
    rule->given |= QGIVEN_ACTIVATION;
    if (!draft_spec(d, r->activation, &base->activation.quant, &rule->config.activation)) return false;
  }
  if (r->weight) {
    rule->given |= QGIVEN_WEIGHT;
    if (!draft_spec(d, r->weight, &base->weight.quant, &rule->config.weight)) return false;
  }
  return true;
}

const QConfigSet *config_draft_complete(Diag *d, Arena *a, const ConfigDraft *draft) {
  const QConfigSet *preset = qconfig_preset(a, draft->preset ? draft->preset : "qcc");
  QConfigSet *set = arena_memdup(a, preset, sizeof *set);
  int n = preset->n_rules, errors = d->errors;
  QRule *rules = ARENA_NEW_ARRAY(a, QRule, (size_t)(n + draft->n_rules));
  memcpy(rules, preset->rules, sizeof *rules * (size_t)n);
  rules[0].loc = draft->base.loc;
  if (!draft_rule(d, &draft->base, &preset->rules[0].config, &rules[0])) return NULL;
  for (int i = 0; i < draft->n_rules; i++) {
    const RuleDraft *r = &draft->rules[i];
    rules[n + i] = (QRule){.kind = r->kind, .match = r->match, .loc = r->loc};
    draft_rule(d, r, &rules[0].config, &rules[n + i]);
  }
  set->rules = rules;
  set->n_rules = n + draft->n_rules;
  if (draft->has_sharing) set->torch_sharing = draft->torch_sharing;
  if (draft->has_results) set->float_results = draft->float_results;
  if (draft->has_tuning) set->tune = draft->tune;
  if (d->errors > errors) return NULL;
  qconfig_inherit(rules, set->n_rules, set->dynamic_reduce_range);
  check_config(d, &rules[0].config, &draft->base);
  for (int i = 0; i < draft->n_rules; i++) check_config(d, &rules[n + i].config, &draft->rules[i]);
  return d->errors > errors ? NULL : set;
}
