/* The functions that a configuration in Lua is made of: preset, default, op, pattern, node, sharing, results,
 * tuning, and one constructor for each observer. They collect what is said; qconfig_draft.c makes rules of
 * it. What is wrong is reported at its place, and the file goes on: so one run shows all mistakes. */
#include "passes/qconfig.h"

#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "ir/suggest.h"
#include "passes/qconfig_draft.h"
#include "passes/rule_values.h"
#include "passes/script_state.h"

enum { MAX_RULES = 10000, MAX_UNKNOWN = 16 };
#define MAX_CONFIG_BYTES ((int64_t)1 << 20)
#define OBSERVER_TYPE    "observer"

static bool error_at(lua_State *L, SrcLoc loc, const char *message) {
  return diag_error(lua_script_diag(L), loc, "%s", message);
}

/* ---- values ---- */

/* The value at the top of the stack, as messages show it. */
static const char *shown(lua_State *L) {
  Arena *a = lua_script_arena(L);
  switch (lua_type(L, -1)) {
  case LUA_TSTRING:
    return arena_printf(a, "'%.60s'", lua_tostring(L, -1));
  case LUA_TNUMBER:
    return arena_printf(a, "%.9g", lua_tonumber(L, -1));
  case LUA_TBOOLEAN:
    return lua_toboolean(L, -1) ? "true" : "false";
  default:
    return luaL_testudata(L, -1, OBSERVER_TYPE) ? "an observer"
                                                : arena_printf(a, "a %s", luaL_typename(L, -1));
  }
}

/* The value of `key` at the top of the stack is not what it should be. */
static bool wrong(lua_State *L, const char *key, const char *wanted) {
  return diag_error(lua_script_diag(L), lua_script_key(L, key, -1), "'%s' must be %s, not %s", key, wanted,
                    shown(L));
}

/* Pushes the field; false where the table has none. */
static bool has_field(lua_State *L, int table, const char *key) {
  lua_pushstring(L, key);
  return lua_rawget(L, table) != LUA_TNIL;
}

/* The index of the word at the top of the stack among `choices`; -1 after a diagnostic at the key. */
static int choice(lua_State *L, const char *key, const char *const *choices) {
  Suggest near = {.word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : ""};
  StrBuf list;
  strbuf_init(&list, lua_script_arena(L));
  for (int i = 0; choices[i]; i++) {
    if (!strcmp(choices[i], near.word)) return i;
    suggest_offer(&near, choices[i]);
    strbuf_printf(&list, "%s\"%s\"", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
  }
  const char *hint = near.best ? arena_printf(list.arena, "; did you mean \"%s\"?", near.best) : "";
  diag_error(lua_script_diag(L), lua_script_key(L, key, -1), "'%s' must be %s, not %s%s", key, list.text,
             shown(L), hint);
  return -1;
}

/* ---- keys that are not known ---- */

typedef struct {
  const char *name;
  SrcLoc loc;
} Key;

static int by_place(const void *x, const void *y) {
  const Key *a = x, *b = y;
  return a->loc.begin != b->loc.begin ? (a->loc.begin > b->loc.begin) - (a->loc.begin < b->loc.begin)
                                      : strcmp(a->name, b->name);
}

static bool is_known(const char *const *known, const char *name) {
  for (; *known; known++)
    if (!strcmp(*known, name)) return true;
  return false;
}

static void report_key(lua_State *L, const Key *key, const char *const *known) {
  Suggest near = {.word = key->name};
  StrBuf list;
  strbuf_init(&list, lua_script_arena(L));
  for (int i = 0; known[i]; i++) {
    suggest_offer(&near, known[i]);
    strbuf_printf(&list, "%s%s", i ? ", " : "", known[i]);
  }
  if (near.best)
    diag_error(lua_script_diag(L), key->loc, "%s has no '%.60s'; did you mean '%s'?", lua_script_name(L),
               key->name, near.best);
  else
    diag_error(lua_script_diag(L), key->loc, "%s has no '%.60s'; it has %s", lua_script_name(L), key->name,
               list.text);
}

/* Reports the keys of the table that are not among `known`, in the order of the text. */
static void check_keys(lua_State *L, int table, const char *const *known) {
  Key unknown[MAX_UNKNOWN];
  int n = 0;
  bool listed = false;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      listed = true;
    } else if (!is_known(known, lua_tostring(L, -2)) && n < MAX_UNKNOWN) {
      const char *name = arena_strdup(lua_script_arena(L), lua_tostring(L, -2));
      unknown[n++] = (Key){name, lua_script_key(L, name, 0)};
    }
  }
  if (listed)
    error_at(L, lua_script_here(L),
             arena_printf(lua_script_arena(L), "%s takes `key = value`, not a list", lua_script_name(L)));
  qsort(unknown, (size_t)n, sizeof *unknown, by_place);
  for (int i = 0; i < n; i++) report_key(L, &unknown[i], known);
}

/* ---- observers: minmax { dtype = "s8" } ---- */

static const char *const quant_keys[] = {[QUANT_DTYPE] = "dtype",
                                         [QUANT_SYMMETRIC] = "symmetric",
                                         [QUANT_PER_CHANNEL] = "per_channel",
                                         [QUANT_CH_AXIS] = "ch_axis",
                                         [QUANT_MIN] = "quant_min",
                                         [QUANT_MAX] = "quant_max",
                                         [QUANT_REDUCE_RANGE] = "reduce_range",
                                         [QUANT_EPS] = "eps"};

static void read_dtype(lua_State *L, const char *key, DType *value) {
  static const char *const names[] = {"u8", "s8", "f16", NULL};
  static const DType types[] = {DT_U8, DT_S8, DT_F16};
  int i = choice(L, key, names);
  if (i >= 0) *value = types[i];
}

static void read_bool(lua_State *L, const char *key, bool *value) {
  if (lua_isboolean(L, -1))
    *value = lua_toboolean(L, -1);
  else
    wrong(L, key, "true or false");
}

static void read_int(lua_State *L, const char *key, int32_t least, int32_t greatest, int32_t *value) {
  int ok;
  lua_Integer v = lua_tointegerx(L, -1, &ok);
  if (ok && lua_type(L, -1) == LUA_TNUMBER && v >= least && v <= greatest)
    *value = (int32_t)v;
  else
    wrong(L, key, arena_printf(lua_script_arena(L), "an integer from %d to %d", least, greatest));
}

static void read_eps(lua_State *L, const char *key, float *value) {
  double v = lua_tonumber(L, -1);
  if (lua_type(L, -1) == LUA_TNUMBER && v >= 0 && v <= 3.40282347e38)
    *value = (float)v;
  else
    wrong(L, key, "a number, 0 or greater");
}

static void read_quant_key(lua_State *L, QuantKey k, ObserverDraft *o) {
  const char *key = quant_keys[k];
  QuantSpec *q = &o->spec.quant;
  o->given[k] = true;
  switch (k) {
  case QUANT_DTYPE:
    read_dtype(L, key, &q->dtype);
    break;
  case QUANT_SYMMETRIC:
    read_bool(L, key, &q->symmetric);
    break;
  case QUANT_PER_CHANNEL:
    read_bool(L, key, &q->per_channel);
    break;
  case QUANT_CH_AXIS:
    read_int(L, key, 0, MAX_RANK - 1, &q->ch_axis);
    break;
  case QUANT_MIN:
    read_int(L, key, -128, 255, &q->quant_min);
    o->range_loc = lua_script_key(L, key, -1);
    break;
  case QUANT_MAX:
    read_int(L, key, -128, 255, &q->quant_max);
    o->range_loc = lua_script_key(L, key, -1);
    break;
  case QUANT_REDUCE_RANGE:
    read_bool(L, key, &o->reduce_range);
    break;
  case QUANT_EPS:
    read_eps(L, key, &q->eps);
    break;
  case QUANT_KEYS:
    break;
  }
}

/* Words are for choices, true and false for flags, numbers for everything else. */
static void read_param(lua_State *L, const ObserverParam *p, ObserverDraft *o) {
  const char *complaint = NULL;
  if (p->choices && lua_type(L, -1) == LUA_TSTRING)
    complaint = observer_set_text(lua_script_arena(L), &o->spec, p->name, lua_tostring(L, -1));
  else if (p->choices == observer_flag && lua_isboolean(L, -1))
    complaint = observer_set(lua_script_arena(L), &o->spec, p->name, lua_toboolean(L, -1));
  else if (!p->choices && lua_type(L, -1) == LUA_TNUMBER)
    complaint = observer_set(lua_script_arena(L), &o->spec, p->name, lua_tonumber(L, -1));
  else
    wrong(L, p->name, p->choices == observer_flag ? "true or false" : p->choices ? "a word" : "a number");
  if (complaint) error_at(L, lua_script_key(L, p->name, -1), complaint);
}

static void read_observer(lua_State *L, ObserverDraft *o) {
  const ObserverParam *params = o->spec.observer->params;
  const char *known[OBSERVER_PARAMS + QUANT_KEYS + 1] = {NULL};
  int n = 0;
  for (; params[n].name; n++) {
    known[n] = params[n].name;
    if (has_field(L, 1, known[n])) read_param(L, &params[n], o);
    lua_pop(L, 1);
  }
  for (int k = 0; k < QUANT_KEYS; k++) {
    known[n + k] = quant_keys[k];
    if (has_field(L, 1, quant_keys[k])) read_quant_key(L, (QuantKey)k, o);
    lua_pop(L, 1);
  }
  check_keys(L, 1, known);
}

static int make_observer(lua_State *L) {
  const char *name = lua_script_name(L);
  ObserverDraft o = {.loc = lua_script_here(L)};
  o.range_loc = o.loc;
  observer_defaults(&o.spec, lua_touserdata(L, lua_upvalueindex(2)));
  if (lua_gettop(L) == 1 && lua_istable(L, 1))
    read_observer(L, &o);
  else if (lua_gettop(L) > 0)
    error_at(L, o.loc,
             arena_printf(lua_script_arena(L), "%s takes a table: %s { dtype = \"u8\" }", name, name));
  memcpy(lua_newuserdatauv(L, sizeof o, 0), &o, sizeof o);
  luaL_setmetatable(L, OBSERVER_TYPE);
  return 1;
}

/* ---- rules ---- */

static const char *const mode_names[] = {[QMODE_STATIC] = "static",
                                         [QMODE_DYNAMIC] = "dynamic",
                                         [QMODE_WEIGHTS] = "weights",
                                         [QMODE_FLOAT] = "float",
                                         NULL};

static const ObserverDraft *read_observer_key(lua_State *L, int table, const char *key, SrcLoc *loc) {
  const ObserverDraft *copy = NULL;
  if (has_field(L, table, key)) {
    const ObserverDraft *o = luaL_testudata(L, -1, OBSERVER_TYPE);
    *loc = lua_script_key(L, key, 0);
    if (o)
      copy = arena_memdup(lua_script_arena(L), o, sizeof *o);
    else
      wrong(L, key, "an observer, such as minmax {}");
  }
  lua_pop(L, 1);
  return copy;
}

/* Adds what the table says to the rule. */
static void read_rule(lua_State *L, int table, RuleDraft *r) {
  static const char *const known[] = {"mode", "activation", "weight", NULL};
  if (has_field(L, table, "mode")) {
    int mode = choice(L, "mode", mode_names);
    r->has_mode |= mode >= 0;
    if (mode >= 0) r->mode = (QMode)mode;
  }
  lua_pop(L, 1);
  const ObserverDraft *activation = read_observer_key(L, table, "activation", &r->activation_loc);
  const ObserverDraft *weight = read_observer_key(L, table, "weight", &r->weight_loc);
  if (activation) r->activation = activation;
  if (weight) r->weight = weight;
  check_keys(L, table, known);
}

static int make_default(lua_State *L) {
  ConfigDraft *c = script_draft(L);
  c->base.loc = lua_script_here(L);
  if (lua_gettop(L) == 1 && lua_istable(L, 1))
    read_rule(L, 1, &c->base);
  else
    error_at(L, c->base.loc, "default takes a table: default { activation = minmax {} }");
  return 0;
}

static RuleDraft *add_rule(lua_State *L) {
  ConfigDraft *c = script_draft(L);
  if (c->n_rules == MAX_RULES) {
    diag_error(lua_script_diag(L), lua_script_here(L), "more than %d rules", MAX_RULES);
    lua_script_stop(L);
  }
  if (c->n_rules == c->cap_rules) {
    c->cap_rules = c->cap_rules ? 2 * c->cap_rules : 16;
    RuleDraft *more = ARENA_NEW_ARRAY(lua_script_arena(L), RuleDraft, (size_t)c->cap_rules);
    if (c->n_rules) memcpy(more, c->rules, sizeof *more * (size_t)c->n_rules);
    c->rules = more;
  }
  return &c->rules[c->n_rules++];
}

static int make_rule(lua_State *L, QRuleKind kind) {
  Arena *a = lua_script_arena(L);
  const char *name = lua_script_name(L);
  SrcLoc here = lua_script_here(L);
  if (lua_gettop(L) != 2 || lua_type(L, 1) != LUA_TSTRING || !lua_istable(L, 2)) {
    error_at(L, here,
             arena_printf(a, "%s takes a name and a table: %s(\"name\", { mode = \"float\" })", name, name));
    return 0;
  }
  RuleDraft *r = add_rule(L);
  *r = (RuleDraft){.kind = kind, .match = arena_strdup(a, lua_tostring(L, 1)), .loc = here};
  read_rule(L, 2, r);
  return 0;
}

static int make_node(lua_State *L) { return make_rule(L, QRULE_NAME); }
static int make_pattern(lua_State *L) { return make_rule(L, QRULE_PATTERN); }

static int make_op(lua_State *L) {
  const char *op = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
  if (!op || op_from_name(op, strlen(op)) != OP_COUNT) return make_rule(L, QRULE_OP);
  Suggest near = {.word = op};
  for (int i = 0; i < OP_COUNT; i++) suggest_offer(&near, op_info[i]->name);
  diag_error(lua_script_diag(L), lua_script_word(L, op), "there is no operator '%.60s'%s%s%s", op,
             near.best ? "; did you mean '" : " (qcc -print-ops lists them)", near.best ? near.best : "",
             near.best ? "'?" : "");
  return 0;
}

/* ---- the set ---- */

static int set_preset(lua_State *L) {
  ConfigDraft *c = script_draft(L);
  Arena *a = lua_script_arena(L);
  if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
    error_at(L, lua_script_here(L), "preset takes a name: preset \"fbgemm\"");
    return 0;
  }
  if (c->preset) {
    error_at(L, lua_script_here(L), arena_printf(a, "there is a preset already, '%s'", c->preset));
    return 0;
  }
  c->preset = arena_strdup(a, lua_tostring(L, 1));
  const char *complaint = qconfig_unknown_preset(a, c->preset);
  if (complaint) {
    error_at(L, lua_script_word(L, c->preset), complaint);
    c->preset = "qcc";
  }
  return 0;
}

/* The one argument is one of two words: is it the first? Says `message` where it is neither. */
static bool first_of_two(lua_State *L, const char *first, const char *second, const char *message) {
  const char *word = lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : "";
  bool is_first = !strcmp(word, first);
  if (!is_first && strcmp(word, second)) error_at(L, lua_script_here(L), message);
  return is_first;
}

static int set_sharing(lua_State *L) {
  ConfigDraft *c = script_draft(L);
  c->has_sharing = true;
  c->torch_sharing = first_of_two(L, "torch", "moves", "sharing is \"torch\" or \"moves\"");
  return 0;
}

static int set_results(lua_State *L) {
  ConfigDraft *c = script_draft(L);
  c->has_results = true;
  c->float_results = first_of_two(L, "float", "quantized", "results is \"float\" or \"quantized\"");
  return 0;
}

static int set_tuning(lua_State *L) {
  ConfigDraft *c = script_draft(L);
  c->has_tuning = true;
  c->tune = first_of_two(L, "data", "none", "tuning is \"data\" or \"none\"");
  return 0;
}

void rule_push_observer(lua_State *L, const Observer *o) {
  lua_pushstring(L, o->name);
  lua_pushlightuserdata(L, (void *)(uintptr_t)o);
  lua_pushcclosure(L, make_observer, 2);
}

void script_open_rules(lua_State *L) {
  luaL_newmetatable(L, OBSERVER_TYPE);
  lua_pop(L, 1);
  lua_script_function(L, "preset", set_preset);
  lua_script_function(L, "sharing", set_sharing);
  lua_script_function(L, "results", set_results);
  lua_script_function(L, "tuning", set_tuning);
  lua_script_function(L, "default", make_default);
  lua_script_function(L, "op", make_op);
  lua_script_function(L, "pattern", make_pattern);
  lua_script_function(L, "node", make_node);
  for (int i = 0; observer_table[i]; i++) {
    rule_push_observer(L, observer_table[i]);
    lua_script_value(L, observer_table[i]->name);
  }
}

const QConfigSet *qconfig_read_source(Diag *d, Arena *a, const Source *source) {
  Scripts *s = scripts_new(d, a, NULL, SCRIPT_SECONDS);
  const QConfigSet *set = scripts_read_source(s, source) ? scripts_qconfig(s) : NULL;
  scripts_free(s);
  return set;
}

const QConfigSet *qconfig_read(Diag *d, Arena *a, const char *path) {
  const Source *s = source_read(d, a, path, MAX_CONFIG_BYTES);
  return s ? qconfig_read_source(d, a, s) : NULL;
}
