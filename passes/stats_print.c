#include <stdlib.h>
#include <string.h>

#include "ir/lex.h"
#include "passes/stats.h"

enum { WIDTH = 100 };

static void put_float(StrBuf *out, float v) {
  char text[32];
  float_text(text, v);
  strbuf_puts(out, text);
}

static void put_double(StrBuf *out, double v) {
  char text[32];
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, v);
    if (strtod(text, NULL) == v) break;
  }
  strbuf_puts(out, text);
}

/* In brackets, broken into lines. */
static void put_list(StrBuf *out, const float *f, const double *d, int64_t n) {
  strbuf_puts(out, "[");
  size_t line = out->len;
  for (int64_t i = 0; i < n; i++) {
    if (i == 0 || out->len - line > WIDTH) {
      strbuf_puts(out, i ? ",\n      " : "\n      ");
      line = out->len - 6;
    } else {
      strbuf_puts(out, ", ");
    }
    if (f)
      put_float(out, f[i]);
    else
      put_double(out, d[i]);
  }
  strbuf_puts(out, n ? "\n    ]" : "]");
}

static void put_field(StrBuf *out, const StateField *f, const void *state) {
  const void *at = (const char *)state + f->offset;
  const FloatList *floats = at;
  const DoubleList *doubles = at;
  strbuf_printf(out, "    %s = ", f->name);
  switch (f->kind) {
  case STATE_INT:
    strbuf_printf(out, "%lld", (long long)*(const int64_t *)at);
    break;
  case STATE_FLOAT:
    put_float(out, *(const float *)at);
    break;
  case STATE_CHANNELS: /* activations are observed as a whole */
    put_float(out, **(const float *const *)at);
    break;
  case STATE_FLOATS:
    put_list(out, floats->v, NULL, floats->n);
    break;
  case STATE_DOUBLES:
    put_list(out, NULL, doubles->v, doubles->n);
    break;
  }
  strbuf_puts(out, "\n");
}

static void put_params(StrBuf *out, const ObserverSpec *spec) {
  bool any = false;
  for (const ObserverParam *p = spec->observer->params; p->name; p++) {
    if (p->late) continue;
    double v = spec->param[p - spec->observer->params];
    strbuf_printf(out, "%s%s = ", any ? ", " : "(", p->name);
    if (p->choices)
      strbuf_puts(out, p->choices[(int)v]);
    else
      put_double(out, v);
    any = true;
  }
  if (any) strbuf_puts(out, ")");
}

/* The other tensors whose values the group's observer sees. */
static void put_others(StrBuf *out, const Plan *plan, const PlanGroup *group) {
  const Graph *g = plan->graph;
  int others = 0;
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) {
      const TensorPlan *t = plan_of(plan, n->results[i]);
      if (!t || t->observer != group || !strcmp(n->results[i]->name, group->name)) continue;
      strbuf_puts(out, others++ ? ", " : " // and ");
      put_name(out, '%', n->results[i]->name);
    }
}

static void put_group(StrBuf *out, const Plan *plan, const PlanGroup *group) {
  const StateField *f = group->spec.observer->fields;
  strbuf_puts(out, "  ");
  put_name(out, '%', group->name);
  strbuf_printf(out, " : %s", group->spec.observer->name);
  put_params(out, &group->spec);
  strbuf_puts(out, " {");
  put_others(out, plan, group);
  strbuf_puts(out, "\n");
  bool seen = *(const int64_t *)((const char *)group->state + f->offset) > 0;
  put_field(out, f, group->state);
  for (f++; seen && f->name; f++) put_field(out, f, group->state);
  strbuf_puts(out, "  }\n");
}

void stats_print(StrBuf *out, const Plan *plan) {
  strbuf_puts(
      out, "// What calibration saw; -calib takes this file in place of the data. Numbers may be edited.\n");
  strbuf_puts(out, "calibration 1 {\n");
  for (int i = 0; i < plan->n_groups; i++)
    if (plan_group_observes(plan->groups[i])) put_group(out, plan, plan->groups[i]);
  strbuf_puts(out, "}\n");
}
