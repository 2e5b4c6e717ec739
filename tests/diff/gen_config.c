#include "tests/diff/gen_config.h"

#include <string.h>

#include "ir/op.h"
#include "tests/diff/rng.h"

enum { STREAM = 900, MAX_RULES = 6 };

/* One that finds ranges; with a histogram that small graphs can afford. */
static void random_observer(Rng *r, ObserverSpec *s) {
  int n = 0;
  while (observer_table[n]) n++;
  do s->observer = observer_table[rng_range(r, 0, n - 1)];
  while (!s->observer->needs_data || strstr(s->observer->name, "per_channel"));
  for (int i = 0; s->observer->params[i].name; i++) {
    const ObserverParam *p = &s->observer->params[i];
    s->param[i] = strcmp(p->name, "bins") ? p->value : 512;
    if (p->choices) s->param[i] = (double)rng_range(r, (int64_t)p->min, (int64_t)p->max);
  }
}

static QuantSpec random_spec(Rng *r, DType dtype) {
  QuantSpec q = qspec_of(dtype, rng_chance(r, 25));
  if (rng_chance(r, 20)) {
    int32_t min = q.quant_min + (int32_t)rng_range(r, 0, 40),
            max = q.quant_max - (int32_t)rng_range(r, 0, 40);
    q = qspec_custom(dtype, min, max, false);
  }
  q.symmetric = rng_chance(r, 40);
  q.eps = rng_chance(r, 50) ? 0 : rng_chance(r, 80) ? 0x1p-23f : 0x1p-6f;
  return q;
}

static ObserverSpec random_activation(Rng *r, QMode mode) {
  ObserverSpec s = {.quant = random_spec(r, rng_chance(r, 50) ? DT_U8 : DT_S8)};
  random_observer(r, &s);
  if (mode == QMODE_DYNAMIC) s.quant = qspec_of(DT_U8, rng_chance(r, 50));
  return s;
}

static ObserverSpec random_weight(Rng *r, QMode mode) {
  ObserverSpec s = {.quant = random_spec(r, rng_chance(r, 85) ? DT_S8 : DT_U8)};
  if (mode == QMODE_WEIGHTS && rng_chance(r, 40)) {
    observer_named(&s, "noop", strlen("noop"));
    s.quant = (QuantSpec){.dtype = DT_F16};
    return s;
  }
  if (rng_chance(r, 60)) {
    s.quant.per_channel = true;
    observer_named(&s, "per_channel_minmax", strlen("per_channel_minmax"));
  } else {
    random_observer(r, &s);
  }
  return s;
}

static QMode random_mode(Rng *r) {
  return rng_chance(r, 70)   ? QMODE_STATIC
         : rng_chance(r, 40) ? QMODE_DYNAMIC
         : rng_chance(r, 50) ? QMODE_WEIGHTS
                             : QMODE_FLOAT;
}

static QConfig random_config(Rng *r) {
  QMode mode = random_mode(r);
  ObserverSpec activation = random_activation(r, mode);
  return (QConfig){mode, activation, random_weight(r, mode)};
}

static QRule random_rule(Arena *a, Rng *r) {
  QRule rule = {
      .kind = QRULE_OP, .config = random_config(r), .given = QGIVEN_MODE | QGIVEN_ACTIVATION | QGIVEN_WEIGHT};
  rule.match = op_info[rng_range(r, 0, OP_COUNT - 1)]->name;
  if (rng_chance(r, 50)) return rule;
  rule.kind = QRULE_PATTERN;
  rule.match = arena_printf(a, "*[%d-%d]", (int)rng_range(r, 0, 5), (int)rng_range(r, 5, 9));
  return rule;
}

const QConfigSet *gen_config(Arena *a, uint64_t seed) {
  Rng r = rng_new(seed, STREAM);
  if (rng_chance(&r, 50)) {
    int n = 0;
    while (qconfig_preset_info(n).name) n++;
    return qconfig_preset(a, qconfig_preset_info((int)rng_range(&r, 0, n - 1)).name);
  }
  QConfigSet *set = ARENA_NEW(a, QConfigSet);
  QRule *rules = ARENA_NEW_ARRAY(a, QRule, MAX_RULES);
  *set = (QConfigSet){.name = "random", .rules = rules, .n_rules = (int)rng_range(&r, 1, MAX_RULES)};
  set->torch_sharing = rng_chance(&r, 40);
  set->float_results = rng_chance(&r, 50);
  set->tune = rng_chance(&r, 50);
  for (int i = 0; i < set->n_rules; i++) rules[i] = random_rule(a, &r);
  rules[0].kind = QRULE_DEFAULT;
  return set;
}
