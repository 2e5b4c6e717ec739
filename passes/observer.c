/* The table of observers, and observers over constants. */
#include <stdlib.h>
#include <string.h>

#include "ir/quant.h"
#include "ir/suggest.h"
#include "passes/constant.h"
#include "passes/observe.h"

#define OBSERVER(name) extern const Observer observer_##name;
#include "passes/observers.def"
#undef OBSERVER

const Observer *const observer_table[] = {
#define OBSERVER(name) &observer_##name,
#include "passes/observers.def"
#undef OBSERVER
    NULL,
};

const char *const observer_flag[] = {"false", "true", NULL};

const Observer *observer_among(const Observer *const *list, const char *name, size_t len) {
  for (; *list; list++)
    if (strlen((*list)->name) == len && !memcmp((*list)->name, name, len)) return *list;
  return NULL;
}

const Observer *observer_find(const char *name, size_t len) {
  return observer_among(observer_table, name, len);
}

/* "0 to 1", "float, int". */
static const char *domain(Arena *a, const ObserverParam *p) {
  if (!p->choices && p->max >= OBSERVER_ANY) return "of any size";
  if (!p->choices)
    return arena_printf(a, p->integer ? "from %.0f to %.0f" : "from %.9g to %.9g", p->min, p->max);
  StrBuf list;
  strbuf_init(&list, a);
  for (int i = 0; p->choices[i]; i++) strbuf_printf(&list, "%s%s", i ? ", " : "", p->choices[i]);
  return list.text;
}

static const ObserverParam *find_param(const Observer *o, const char *name) {
  for (const ObserverParam *p = o->params; p->name; p++)
    if (!strcmp(p->name, name)) return p;
  return NULL;
}

static const char *no_param(Arena *a, const Observer *o, const char *name) {
  StrBuf list;
  strbuf_init(&list, a);
  for (const ObserverParam *p = o->params; p->name; p++)
    strbuf_printf(&list, "%s%s", p == o->params ? "; there are: " : ", ", p->name);
  return arena_printf(a, "%s has no parameter '%.100s'%s", o->name, name, list.text ? list.text : "");
}

const char *observer_set(Arena *a, ObserverSpec *spec, const char *name, double value) {
  const ObserverParam *p = find_param(spec->observer, name);
  if (!p) return no_param(a, spec->observer, name);
  bool whole = !p->integer || (value >= p->min && value <= p->max && value == (double)(int64_t)value);
  if (!(value >= p->min && value <= p->max && whole))
    return arena_printf(a, "the %s of %s is %s %s, not %.9g", p->name, spec->observer->name,
                        p->integer ? "an integer" : "a number", domain(a, p), value);
  spec->param[p - spec->observer->params] = value;
  return NULL;
}

const char *observer_set_text(Arena *a, ObserverSpec *spec, const char *name, const char *value) {
  const ObserverParam *p = find_param(spec->observer, name);
  if (!p) return no_param(a, spec->observer, name);
  for (int i = 0; p->choices && p->choices[i]; i++)
    if (!strcmp(p->choices[i], value)) {
      spec->param[p - spec->observer->params] = i;
      return NULL;
    }
  char *end;
  double number = strtod(value, &end);
  if (!p->choices && *value && !*end) return observer_set(a, spec, name, number);
  return arena_printf(a, "the %s of %s is %s %s, not '%.100s'", p->name, spec->observer->name,
                      p->choices   ? "one of"
                      : p->integer ? "an integer"
                                   : "a number",
                      domain(a, p), value);
}

void observer_defaults(ObserverSpec *spec, const Observer *o) {
  spec->observer = o;
  for (int i = 0; o->params[i].name; i++) spec->param[i] = o->params[i].value;
}

bool observer_named(ObserverSpec *spec, const char *name, size_t len) {
  const Observer *o = observer_find(name, len);
  if (o) observer_defaults(spec, o);
  return o != NULL;
}

static bool unknown_observer(Diag *d, const char *name, const Observer *const *more) {
  const Observer *const *const lists[] = {observer_table, more};
  Suggest s = {.word = name};
  StrBuf names;
  strbuf_init(&names, d->arena);
  for (int i = 0; i < 2; i++)
    for (const Observer *const *o = lists[i]; o && *o; o++) {
      suggest_offer(&s, (*o)->name);
      strbuf_printf(&names, "%s%s", names.len ? ", " : "", (*o)->name);
    }
  if (s.best)
    return diag_error(d, (SrcLoc){0}, "-observer: there is no observer '%.100s'; did you mean '%s'?", name,
                      s.best);
  return diag_error(d, (SrcLoc){0}, "-observer: there is no observer '%.100s'; there are: %s", name,
                    names.text);
}

bool observer_parse(Diag *d, const char *text, const Observer *const *more, ObserverSpec *spec) {
  size_t len = strcspn(text, "=,");
  const Observer *o = observer_find(text, len);
  if (!o && more) o = observer_among(more, text, len);
  if (!o) return unknown_observer(d, arena_strndup(d->arena, text, len), more);
  observer_defaults(spec, o);
  const char *p = text + len, *error = NULL;
  const ObserverParam *first = spec->observer->params;
  if (*p == '=' && !first->name)
    return diag_error(d, (SrcLoc){0}, "-observer: %s takes no parameter", spec->observer->name);
  for (bool named = *p == ','; *p && !error; named = true) {
    size_t key = named ? strcspn(p + 1, "=,") : 0;
    const char *name = named ? arena_strndup(d->arena, p + 1, key) : first->name;
    p += named + key;
    size_t n = *p == '=' ? strcspn(p + 1, ",") : 0;
    error = observer_set_text(d->arena, spec, name, *p == '=' ? arena_strndup(d->arena, p + 1, n) : "");
    p += (*p == '=') + n;
  }
  return !error || diag_error(d, (SrcLoc){0}, "-observer: %s", error);
}

void observers_list(StrBuf *out, const Observer *const *list) {
  for (int i = 0; list[i]; i++) {
    const Observer *o = list[i];
    strbuf_printf(out, "%-26s %s\n", o->name, o->what);
    for (const ObserverParam *p = o->params; p->name; p++)
      if (p->choices)
        strbuf_printf(out, "  %s=%s, one of %s\n", p->name, p->choices[(int)p->value], domain(out->arena, p));
      else
        strbuf_printf(out, "  %s=%.9g, %s\n", p->name, p->value, domain(out->arena, p));
  }
}

bool observer_params(const ObserverSpec *spec, bool seen, float lo, float hi, float *scale, int32_t *zero) {
  if (spec->observer->params_of) return spec->observer->params_of(spec, scale, zero);
  if (seen) return qspec_params(&spec->quant, lo, hi, scale, zero);
  *scale = 1;
  *zero = 0;
  return true;
}

bool observe_channels(Diag *d, Arena *a, const ObserverSpec *spec, const char *name, SrcLoc loc,
                      const float *x, const Shape *shape, ObservedChannels *result) {
  const QuantSpec *q = &spec->quant;
  const Observer *o = spec->observer;
  int64_t outer = 1, inner = 1, channels = q->per_channel ? shape->dim[q->ch_axis] : 1;
  for (int i = 0; i < shape->rank; i++) {
    if (!q->per_channel || i > q->ch_axis) inner *= shape->dim[i];
    if (q->per_channel && i < q->ch_axis) outer *= shape->dim[i];
  }
  float least, greatest;
  if (outer * inner > 0 && !finite_range(x, outer * channels * inner, &least, &greatest))
    return diag_error(d, loc, "the constant '%s' holds values that are not finite numbers", name);
  *result = (ObservedChannels){
      channels, ARENA_NEW_ARRAY(a, float, (size_t)channels), ARENA_NEW_ARRAY(a, float, (size_t)channels),
      ARENA_NEW_ARRAY(a, float, (size_t)channels), ARENA_NEW_ARRAY(a, int32_t, (size_t)channels)};
  bool seen = false;
  int errors = d->errors;
  if (o->needs_data) {
    void *state = arena_alloc(a, o->state_size);
    o->init(state, a, spec, channels);
    o->observe(state, x, outer, inner);
    seen = o->finish(state, result->lo, result->hi);
  }
  if (d->errors > errors) return false; /* the observer is a script's, which has failed */
  for (int64_t c = 0; c < channels; c++)
    if (!observer_params(spec, seen, result->lo[c], result->hi[c], &result->scale[c], &result->zero[c]) &&
        o->params_of)
      return diag_error(d, loc, "'%s' cannot be quantized: its type does not have the parameters of %s", name,
                        o->name);
  return true;
}

bool observe_constant(Diag *d, Arena *a, const ObserverSpec *spec, const char *name, SrcLoc loc,
                      const float *x, const Shape *shape, Quant **quant) {
  ObservedChannels o;
  if (!observe_channels(d, a, spec, name, loc, x, shape, &o)) return false;
  for (int64_t c = 0; c < o.channels; c++)
    if (!scale_is_valid(o.scale[c]))
      return diag_error(d, loc, "'%s' cannot be quantized: its range, %g to %g, is too small", name,
                        (double)o.lo[c], (double)o.hi[c]);
  *quant = quant_new(a, spec->quant.per_channel ? spec->quant.ch_axis : -1, o.channels, o.scale, o.zero);
  return true;
}
