#include "passes/qconfig_print.h"
#include "passes/dynamic.h"
#include "passes/plan.h"
#include "ir/ops/custom.h"

#include <string.h>

enum { COLUMNS = 6, MAX_WIDTH = 64 };

typedef struct {
  const char *cell[COLUMNS];
} Row;

typedef struct {
  Arena *arena;
  const Plan *plan;
  const char **rules; /* the last cell of each, once it is known */
  Row *rows;
  int n;
} Table;

static const char *const mode_names[] = {[QMODE_STATIC] = "static",
                                         [QMODE_DYNAMIC] = "dynamic",
                                         [QMODE_WEIGHTS] = "weights",
                                         [QMODE_FLOAT] = "float"};

/* ---- cells ---- */

/* Names may hold any bytes. */
static const char *printable(Arena *a, const char *s) {
  StrBuf b;
  strbuf_init(&b, a);
  for (; *s; s++)
    if ((unsigned char)*s < 32 || *s == 127)
      strbuf_printf(&b, "\\x%02x", (unsigned char)*s);
    else
      strbuf_put(&b, s, 1);
  return b.text;
}

static void put_param(StrBuf *b, const ObserverParam *p, double value) {
  if (p->choices)
    strbuf_printf(b, " %s=%s", p->name, p->choices[(int)value]);
  else
    strbuf_printf(b, " %s=%.9g", p->name, value);
}

/* "histogram bins=1024, u8 0..127". */
static const char *spec_text(Arena *a, const ObserverSpec *s) {
  const QuantSpec *q = &s->quant;
  const DTypeInfo *type = &dtype_info[q->dtype];
  StrBuf b;
  strbuf_init(&b, a);
  strbuf_puts(&b, s->observer->name);
  for (int i = 0; s->observer->params[i].name; i++)
    if (s->param[i] != s->observer->params[i].value || !s->observer->needs_data)
      put_param(&b, &s->observer->params[i], s->param[i]);
  strbuf_printf(&b, ", %s", type->name);
  if (q->dtype != DT_U8 && q->dtype != DT_S8) return b.text;
  if (q->quant_min != type->min || q->quant_max != type->max)
    strbuf_printf(&b, " %d..%d", (int)q->quant_min, (int)q->quant_max);
  if (q->symmetric) strbuf_puts(&b, " symmetric");
  if (q->per_channel && !strstr(s->observer->name, "per_channel")) strbuf_puts(&b, " per channel");
  if (!q->per_channel && strstr(s->observer->name, "per_channel")) strbuf_puts(&b, " per tensor");
  if (q->eps > 0) strbuf_printf(&b, " eps=%.3g", (double)q->eps);
  return b.text;
}

static const char *make_rule_text(const Table *t, const QRule *r) {
  static const char *const kinds[] = {
      [QRULE_DEFAULT] = "default", [QRULE_OP] = "op ", [QRULE_PATTERN] = "pattern ", [QRULE_NAME] = "node "};
  static const char *const parts[] = {"mode", "activation", "weight"};
  const QConfigSet *set = t->plan->qconfig;
  StrBuf b;
  strbuf_init(&b, t->arena);
  int line = 0, column;
  if (r->loc.source) source_position(r->loc.source, r->loc.begin, &line, &column);
  if (line)
    strbuf_printf(&b, "%s:%d: ", printable(t->arena, r->loc.source->path), line);
  else
    strbuf_printf(&b, "preset %s", set->name);
  if (line || r->kind != QRULE_DEFAULT)
    strbuf_printf(&b, "%s%s%s", line ? "" : ": ", kinds[r->kind],
                  r->match ? printable(t->arena, r->match) : "");
  if (set->observer && (r->kind == QRULE_DEFAULT || !(r->given & QGIVEN_ACTIVATION)))
    strbuf_printf(&b, ", -observer %s", printable(t->arena, set->observer));
  if (set->quantize && !(r->kind != QRULE_DEFAULT && (r->given & QGIVEN_MODE)))
    strbuf_printf(&b, ", -quantize %s", set->quantize);
  const char *between = " (";
  for (int i = 0; i < 3 && r->kind != QRULE_DEFAULT; i++) {
    if (!(r->given & 1u << i)) continue;
    strbuf_printf(&b, "%s%s", between, parts[i]);
    between = ", ";
  }
  if (*between == ',') strbuf_puts(&b, ")");
  return b.text;
}

static const char *rule_text(const Table *t, const QRule *r) {
  const char **known = &t->rules[r - t->plan->qconfig->rules];
  return *known ? *known : (*known = make_rule_text(t, r));
}

/* How the tensor's values become integers. */
static const char *group_text(const Table *t, const Tensor *x, const PlanGroup *g) {
  if (g->of)
    return arena_printf(t->arena, "%.9g times %s", (double)g->factor, printable(t->arena, g->of->name));
  if (strcmp(g->name, x->name)) return arena_printf(t->arena, "as %s", printable(t->arena, g->name));
  if (g->fixed)
    return arena_printf(t->arena, "fixed by %s, %s", g->fixed->name, dtype_info[g->spec.quant.dtype].name);
  return spec_text(t->arena, &g->spec);
}

static const char *activation_text(const Table *t, const Tensor *x) {
  const TensorPlan *p = plan_of(t->plan, x);
  if (!p) return "-";
  if (p->kind == PLAN_STEP) return "part of a table";
  return p->group ? group_text(t, x, p->group) : "-";
}

/* ---- rows ---- */

static Row *add_row(Table *t) { return &t->rows[t->n++]; }

static void add_input(Table *t, const Tensor *x) {
  const QRule *rule;
  qconfig_of_input(t->plan->qconfig, x, &rule);
  *add_row(t) =
      (Row){{printable(t->arena, x->name), "input", "-", activation_text(t, x), "-", rule_text(t, rule)}};
}

static const char *weight_text(const Table *t, const Node *n, const QConfig *c) {
  bool layer = c->mode == QMODE_STATIC ? op_info[n->op]->quant == QUANT_LINEAR : !dynamic_why_float(n);
  return layer ? spec_text(t->arena, &c->weight) : "-";
}

/* NULL: the node is quantized as its mode says. */
static const char *why_float(const Table *t, const Node *n, QMode mode) {
  const TensorPlan *p = plan_of(t->plan, n->results[0]);
  if (mode == QMODE_FLOAT) return "as configured";
  if (mode != QMODE_STATIC) return dynamic_why_float(n);
  return p && p->kind == PLAN_FLOAT ? plan_why_float(t->plan, n) : NULL;
}

/* How the result becomes integers: where it does, of a node in float too. */
static const char *result_text(const Table *t, const Node *n, const QConfig *c, const char *why) {
  const char *text = activation_text(t, n->results[0]), *first = why;
  if (!why && c->mode == QMODE_DYNAMIC)
    first = arena_printf(t->arena, "operand u8 0..%d at run time",
                         c->activation.quant.quant_max == 127 ? 127 : 255);
  if (!first) return text;
  return *text == '-' ? first : arena_printf(t->arena, "%s; then %s", first, text);
}

static void add_node(Table *t, const Node *n) {
  const QRule *rule;
  const QConfig *c = qconfig_of(t->plan->qconfig, n, &rule);
  const char *why = why_float(t, n, c->mode);
  *add_row(t) =
      (Row){{printable(t->arena, node_label(n)), node_op_name(n), why ? "float" : mode_names[c->mode],
             result_text(t, n, c, why), why ? "-" : weight_text(t, n, c), rule_text(t, rule)}};
}

static void put_table(StrBuf *out, const Table *t) {
  size_t width[COLUMNS] = {0};
  for (int i = 0; i < t->n; i++)
    for (int k = 0; k < COLUMNS; k++) {
      size_t n = strlen(t->rows[i].cell[k]);
      if (n > width[k]) width[k] = n < MAX_WIDTH ? n : MAX_WIDTH;
    }
  for (int i = 0; i < t->n; i++) {
    for (int k = 0; k + 1 < COLUMNS; k++) strbuf_printf(out, "%-*s  ", (int)width[k], t->rows[i].cell[k]);
    strbuf_printf(out, "%s\n", t->rows[i].cell[COLUMNS - 1]);
  }
}

static void print_plan(StrBuf *out, const Plan *plan) {
  Table t = {.arena = out->arena, .plan = plan};
  t.rules = ARENA_NEW_ARRAY(t.arena, const char *, (size_t)plan->qconfig->n_rules);
  t.rows = ARENA_NEW_ARRAY(t.arena, Row, (size_t)(plan->graph->n_inputs + plan->graph->n_nodes) + 1);
  *add_row(&t) = (Row){{"NODE", "OP", "MODE", "RESULT", "WEIGHT", "RULE"}};
  for (int i = 0; i < plan->graph->n_inputs; i++) add_input(&t, plan->graph->inputs[i]);
  for (const Node *n = plan->graph->first; n; n = n->next) add_node(&t, n);
  put_table(out, &t);
}

static const char *pass_before_plan(const PassCtx *ctx) {
  const Pass *p = ctx->passes ? ctx->passes : pass_table;
  while (strcmp(p[1].name, "observe")) p++;
  return p->name;
}

bool qconfig_print(StrBuf *out, const PassCtx *ctx, const Graph *original) {
  Graph *g = graph_clone(out->arena, original);
  PassCtx before = *ctx;
  Plan *plan;
  bool stopped;
  before.stop_after = pass_before_plan(ctx);
  before.dump_after = NULL;
  before.verbose = false;
  if (ctx->mode == MODE_AUTO) before.mode = MODE_STATIC; /* as it would be with data */
  if (!passes_run(&before, g, &stopped)) return false;
  if (graph_is_quantized(g)) {
    strbuf_puts(out, "the model is quantized already and stays as it is\n");
  } else if (ctx->mode == MODE_NONE) {
    strbuf_puts(out, "nothing is quantized: -quantize none\n");
  } else {
    if (!plan_make(ctx->diag, out->arena, g, before.qconfig, ctx->quantized_io, &plan)) return false;
    qconfig_warn_unused(ctx->diag, before.qconfig, g);
    print_plan(out, plan);
  }
  return true;
}
