/* The table of observers, and observers over constants. */
#include <stdlib.h>
#include <string.h>

#include "ir/quant.h"
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

const Observer *observer_find(const char *name, size_t len) {
  for (int i = 0; observer_table[i]; i++)
    if (strlen(observer_table[i]->name) == len && !memcmp(observer_table[i]->name, name, len))
      return observer_table[i];
  return NULL;
}

static bool parse_param(Diag *d, const Observer *o, const char *text, double *value) {
  const ObserverParam *p = o->params;
  if (!p->name) return diag_error(d, (SrcLoc){0}, "-observer: %s takes no parameter", o->name);
  char *end;
  *value = strtod(text, &end);
  bool whole = !p->integer || *value == (double)(int64_t)*value;
  if (*text && !*end && *value >= p->min && *value <= p->max && whole) return true;
  return diag_error(d, (SrcLoc){0}, "-observer: the %s of %s is %s from %g to %g, not '%s'", p->name, o->name,
                    p->integer ? "an integer" : "a number", p->min, p->max, text);
}

bool observer_parse(Diag *d, const char *text, ObserverSpec *spec) {
  size_t len = strcspn(text, "=");
  const Observer *o = observer_find(text, len);
  if (o) {
    spec->observer = o;
    for (int i = 0; o->params[i].name; i++) spec->param[i] = o->params[i].value;
    return !text[len] || parse_param(d, o, text + len + 1, &spec->param[0]);
  }
  StrBuf names;
  strbuf_init(&names, d->arena);
  for (int i = 0; observer_table[i]; i++)
    strbuf_printf(&names, "%s%s", i ? ", " : "", observer_table[i]->name);
  return diag_error(d, (SrcLoc){0}, "-observer: there is no observer '%.*s'; there are: %s", (int)len, text,
                    names.text);
}

bool observe_channels(Diag *d, Arena *a, const ObserverSpec *spec, const char *name, SrcLoc loc,
                      const float *x, const Shape *shape, ObservedChannels *result) {
  const QuantSpec *q = &spec->quant;
  int64_t outer = 1, inner = 1, channels = q->per_channel ? shape->dim[q->ch_axis] : 1;
  for (int i = 0; i < shape->rank; i++) {
    if (!q->per_channel || i > q->ch_axis) inner *= shape->dim[i];
    if (q->per_channel && i < q->ch_axis) outer *= shape->dim[i];
  }
  float least, greatest;
  if (outer * inner > 0 && !finite_range(x, outer * channels * inner, &least, &greatest))
    return diag_error(d, loc, "the constant '%s' holds values that are not finite numbers", name);
  void *state = arena_alloc(a, spec->observer->state_size);
  *result = (ObservedChannels){
      channels, ARENA_NEW_ARRAY(a, float, (size_t)channels), ARENA_NEW_ARRAY(a, float, (size_t)channels),
      ARENA_NEW_ARRAY(a, float, (size_t)channels), ARENA_NEW_ARRAY(a, int32_t, (size_t)channels)};
  spec->observer->init(state, a, spec, channels);
  spec->observer->observe(state, x, outer, inner);
  spec->observer->finish(state, result->lo, result->hi);
  for (int64_t c = 0; c < channels; c++) {
    float *scale = &result->scale[c];
    if (!spec->observer->params_of || !spec->observer->params_of(state, q, c, scale, &result->zero[c]))
      qspec_params(q, result->lo[c], result->hi[c], scale, &result->zero[c]);
  }
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
