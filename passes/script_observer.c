/* Observers that scripts define. What such an observer has seen is kept as numbers here, not in Lua: it goes
 * to files of statistics as that of any other observer, and the script's functions get it as a table. */
#include <math.h>
#include <string.h>

#include "passes/observe.h"
#include "passes/rule_values.h"
#include "passes/script_state.h"

enum { MAX_VARS = 12, MAX_LIST = 1 << 20, STEPS_PER_VALUE = 10 };
static const double seconds_per_call = 1e-4, seconds_per_value = 1e-7;
#define VALUES "values"

typedef struct {
  Observer base; /* first: the spec's observer is this one */
  Script *script;
  int observe, finish, merge; /* functions in the registry; merge may be LUA_NOREF */
  StateField fields[MAX_VARS + 2];
  const char *vars[MAX_VARS + 1]; /* ends with NULL */
  DoubleList initial[MAX_VARS];
  bool is_list[MAX_VARS];
  int n_vars;
} ScriptObserver;

typedef struct {
  int64_t samples;
  DoubleList first[MAX_VARS]; /* of the first channel: what statistics show */
  DoubleList *more;           /* of the others, one channel behind the other */
  Arena *arena;
  const ObserverSpec *spec;
  int64_t channels;
} State;

/* The values of a tensor, while observe runs. */
typedef struct {
  const float *x;
  int64_t n;
} Values;

static const ScriptObserver *observer_of(const State *s) { return (const ScriptObserver *)s->spec->observer; }

static DoubleList *vars_of(State *s, int64_t channel) {
  return channel ? s->more + (channel - 1) * observer_of(s)->n_vars : s->first;
}

/* ---- values ---- */

static Values *values_arg(lua_State *L) {
  Values *v = luaL_checkudata(L, 1, VALUES);
  if (!v->x) luaL_error(L, "these values were there for one call of observe only");
  return v;
}

static int values_min(lua_State *L) {
  const Values *v = values_arg(L);
  float least = v->x[0];
  for (int64_t i = 1; i < v->n; i++) least = v->x[i] < least ? v->x[i] : least;
  lua_pushnumber(L, (lua_Number)least);
  return 1;
}

static int values_max(lua_State *L) {
  const Values *v = values_arg(L);
  float greatest = v->x[0];
  for (int64_t i = 1; i < v->n; i++) greatest = v->x[i] > greatest ? v->x[i] : greatest;
  lua_pushnumber(L, (lua_Number)greatest);
  return 1;
}

static int values_sum(lua_State *L) {
  const Values *v = values_arg(L);
  double sum = 0;
  for (int64_t i = 0; i < v->n; i++) sum += (double)v->x[i];
  lua_pushnumber(L, sum);
  return 1;
}

static int values_squares(lua_State *L) {
  const Values *v = values_arg(L);
  double sum = 0;
  for (int64_t i = 0; i < v->n; i++) sum += (double)v->x[i] * (double)v->x[i];
  lua_pushnumber(L, sum);
  return 1;
}

static int values_length(lua_State *L) {
  lua_pushinteger(L, values_arg(L)->n);
  return 1;
}

/* x[i], and the methods of upvalue 1. */
static int values_index(lua_State *L) {
  const Values *v = values_arg(L);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    lua_Integer i = luaL_checkinteger(L, 2);
    if (i >= 1 && i <= v->n)
      lua_pushnumber(L, (lua_Number)v->x[i - 1]);
    else
      lua_pushnil(L);
  } else {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
  }
  return 1;
}

static void open_values(lua_State *L) {
  static const ScriptMethod methods[] = {
      {"min", values_min}, {"max", values_max}, {"sum", values_sum}, {"squares", values_squares}, {0}};
  luaL_newmetatable(L, VALUES);
  lua_newtable(L);
  script_methods(L, methods);
  lua_pushcclosure(L, values_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, values_length);
  lua_setfield(L, -2, "__len");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

/* ---- the state as a table ---- */

static void push_numbers(lua_State *L, const DoubleList *v, bool is_list) {
  if (!is_list) {
    lua_pushnumber(L, v->n ? v->v[0] : 0);
    return;
  }
  lua_createtable(L, (int)v->n, 0);
  for (int64_t i = 0; i < v->n; i++) {
    lua_pushnumber(L, v->v[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static void push_state(lua_State *L, State *s, int64_t channel) {
  const ScriptObserver *o = observer_of(s);
  lua_createtable(L, 0, o->n_vars);
  for (int i = 0; i < o->n_vars; i++) {
    push_numbers(L, &vars_of(s, channel)[i], o->is_list[i]);
    lua_setfield(L, -2, o->vars[i]);
  }
}

static void push_params(lua_State *L, const ObserverSpec *spec) {
  lua_newtable(L);
  for (int i = 0; spec->observer->params[i].name; i++) {
    lua_pushnumber(L, spec->param[i]);
    lua_setfield(L, -2, spec->observer->params[i].name);
  }
}

static double finite_at(lua_State *L, const char *what) {
  double v = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(v))
    luaL_error(L, "the state '%s' of an observer holds finite numbers, not %s", what, lua_script_text(L, -1));
  return v;
}

/* The numbers at the top of the stack; of the arena. Where there is room in `old` they go there. */
static DoubleList numbers_at(lua_State *L, Arena *a, const char *what, bool is_list, DoubleList old) {
  if (is_list != lua_istable(L, -1))
    luaL_error(L, "the state '%s' of an observer is a %s, not a %s", what, is_list ? "list" : "number",
               luaL_typename(L, -1));
  int64_t n = is_list ? (int64_t)lua_rawlen(L, -1) : 1;
  if (n > MAX_LIST) luaL_error(L, "the state '%s' of an observer has more than %d numbers", what, MAX_LIST);
  DoubleList list = {old.v, n};
  if (n > old.n) {
    lua_script_charge(L, n * (int64_t)sizeof(double));
    list.v = ARENA_NEW_ARRAY(a, double, (size_t)n);
  }
  if (!is_list) list.v[0] = finite_at(L, what);
  for (int64_t i = 0; is_list && i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    list.v[i] = finite_at(L, what);
    lua_pop(L, 1);
  }
  return list;
}

/* A part that was not declared would be lost. */
static void check_parts(lua_State *L, int table, const ScriptObserver *o) {
  const char *key = script_unknown_key(L, table, o->vars);
  if (key) luaL_error(L, "the state of the observer %s has no '%s'", o->base.name, key);
}

static void read_state(lua_State *L, int table, State *s, int64_t channel) {
  const ScriptObserver *o = observer_of(s);
  check_parts(L, table, o);
  for (int i = 0; i < o->n_vars; i++) {
    DoubleList *v = &vars_of(s, channel)[i];
    lua_getfield(L, table, o->vars[i]);
    *v = numbers_at(L, s->arena, o->vars[i], o->is_list[i], *v);
    lua_pop(L, 1);
  }
}

/* ---- the functions of an observer ---- */

typedef struct {
  State *state, *other;
  int64_t channel;
  Values values;
  float *lo, *hi;
  bool found;
} Call;

/* Runs `body`, which gets the call as a light userdata, under the limits of scripts; `values`: that it sees.
 * Time is given by the data, since there may be any number of calls. */
static bool call(State *s, lua_CFunction body, Call *c, int64_t values) {
  LuaAllowance more = {.steps = STEPS_PER_VALUE * values,
                       .seconds = seconds_per_call + seconds_per_value * (double)values};
  LuaScript *lua = observer_of(s)->script->lua;
  lua_State *L = lua_script_state(lua);
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, c);
  return lua_script_call(lua, observer_of(s)->script->all->diag, 1, 0, more);
}

static void init(void *state, Arena *a, const ObserverSpec *spec, int64_t channels) {
  State *s = state;
  *s = (State){.arena = a, .spec = spec, .channels = channels};
  const ScriptObserver *o = observer_of(s);
  s->more = ARENA_NEW_ARRAY(a, DoubleList, (size_t)(channels * o->n_vars) + 1);
  for (int64_t c = 0; c < channels; c++)
    for (int i = 0; i < o->n_vars; i++) {
      const DoubleList *v = &o->initial[i];
      vars_of(s, c)[i] = (DoubleList){arena_memdup(a, v->v, sizeof *v->v * (size_t)v->n), v->n};
    }
}

/* observe(state, values, params) */
static int observe_body(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, observer_of(c->state)->observe);
  push_state(L, c->state, c->channel);
  lua_pushvalue(L, -1);
  lua_insert(L, 2);
  Values *v = lua_newuserdatauv(L, sizeof *v, 0);
  *v = c->values;
  luaL_setmetatable(L, VALUES);
  lua_pushvalue(L, -1);
  lua_insert(L, 2);
  push_params(L, c->state->spec);
  lua_call(L, 3, 0);
  v->x = NULL;
  read_state(L, 3, c->state, c->channel);
  return 0;
}

static void observe(void *state, const float *x, int64_t outer, int64_t inner) {
  State *s = state;
  int64_t n = outer * inner;
  if (n < 1) return;
  Arena *tmp = arena_new();
  float *gathered = outer > 1 && s->channels > 1 ? ARENA_NEW_ARRAY(tmp, float, (size_t)n) : NULL;
  bool ok = true;
  for (int64_t c = 0; ok && c < s->channels; c++) {
    for (int64_t o = 0; gathered && o < outer; o++)
      memcpy(gathered + o * inner, x + (o * s->channels + c) * inner, sizeof *x * (size_t)inner);
    Call one = {.state = s, .channel = c, .values = {gathered ? gathered : x + c * inner, n}};
    ok = call(s, observe_body, &one, n);
  }
  s->samples++;
  arena_free(tmp);
}

/* finish(state, params): the range, or nil */
static int finish_body(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, observer_of(c->state)->finish);
  push_state(L, c->state, c->channel);
  push_params(L, c->state->spec);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 0;
  double lo = lua_tonumber(L, -2), hi = lua_tonumber(L, -1);
  bool numbers = lua_type(L, -2) == LUA_TNUMBER && lua_type(L, -1) == LUA_TNUMBER;
  if (!numbers || !isfinite((float)lo) || !isfinite((float)hi) || lo > hi)
    return luaL_error(L, "the observer %s gives a range, two numbers in their order, not %s and %s",
                      c->state->spec->observer->name, lua_script_text(L, -2), lua_script_text(L, -2));
  *c->lo = (float)lo;
  *c->hi = (float)hi;
  c->found = true;
  return 0;
}

static bool finish(const void *state, float *lo, float *hi) {
  const State *s = state;
  if (!s->samples) return false;
  for (int64_t c = 0; c < s->channels; c++) {
    Call one = {.state = (State *)(uintptr_t)state, .channel = c, .lo = &lo[c], .hi = &hi[c]};
    if (!call(one.state, finish_body, &one, 0) || !one.found) return false;
  }
  return true;
}

static const char *check(void *state) {
  const State *s = state;
  const ScriptObserver *o = observer_of(s);
  for (int i = 0; i < o->n_vars; i++)
    if (!o->is_list[i] && s->first[i].n != 1)
      return arena_printf(s->arena, "'%s' is a list of one number", o->vars[i]);
  return NULL;
}

/* merge(state, other, params): as if state had seen what other has, behind its own */
static int merge_body(lua_State *L) {
  Call *c = lua_touserdata(L, 1);
  const ScriptObserver *o = observer_of(c->state);
  if (o->merge == LUA_NOREF)
    return luaL_error(L, "the observer %s has no function merge, which several files of statistics need",
                      o->base.name);
  push_state(L, c->state, c->channel);
  lua_rawgeti(L, LUA_REGISTRYINDEX, o->merge);
  lua_pushvalue(L, 2);
  push_state(L, c->other, c->channel);
  push_params(L, c->state->spec);
  lua_call(L, 3, 0);
  read_state(L, 2, c->state, c->channel);
  return 0;
}

static void merge(void *state, const void *other) {
  State *s = state;
  State *t = (State *)(uintptr_t)other;
  bool ok = true;
  for (int64_t c = 0; ok && c < s->channels; c++) {
    Call one = {.state = s, .other = t, .channel = c};
    ok = call(s, merge_body, &one, 0);
  }
  s->samples += t->samples;
}

/* ---- defining one ---- */

/* The keys of the table at the top of the stack, sorted: the order of statistics and parameters. */
static int sorted_keys(lua_State *L, const char **keys, int most, const char *what) {
  int n = 0, named = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), n++) named += lua_type(L, -2) == LUA_TSTRING;
  if (named < n) script_error(L, (SrcLoc){0}, "%s have names", what);
  if (n > most) script_error(L, (SrcLoc){0}, "%s are at most %d", what, most);
  n = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *key = arena_strdup(lua_script_arena(L), lua_tostring(L, -2));
    int i = n++;
    for (; i > 0 && strcmp(keys[i - 1], key) > 0; i--) keys[i] = keys[i - 1];
    keys[i] = key;
  }
  return n;
}

static bool is_word(const char *s) {
  return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] &&
         (*s < '0' || *s > '9') && strlen(s) <= 40;
}

static void read_params(lua_State *L, ScriptObserver *o) {
  const char *keys[OBSERVER_PARAMS];
  if (lua_getfield(L, 2, "params") != LUA_TNIL) {
    luaL_checktype(L, -1, LUA_TTABLE);
    int n = sorted_keys(L, keys, OBSERVER_PARAMS - 1, "parameters");
    for (int i = 0; i < n; i++) {
      if (!is_word(keys[i])) script_error(L, (SrcLoc){0}, "'%.60s' is no name of a parameter", keys[i]);
      if (lua_getfield(L, -1, keys[i]) != LUA_TNUMBER)
        script_error(L, (SrcLoc){0}, "the parameter '%.60s' has a number for its default", keys[i]);
      o->base.params[i] =
          (ObserverParam){keys[i], lua_tonumber(L, -1), -OBSERVER_ANY, OBSERVER_ANY, false, NULL, false};
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

static void read_vars(lua_State *L, ScriptObserver *o) {
  Arena *a = lua_script_arena(L);
  lua_getfield(L, 2, "state");
  luaL_checktype(L, -1, LUA_TTABLE);
  o->n_vars = sorted_keys(L, o->vars, MAX_VARS, "parts of the state");
  o->fields[0] = (StateField){"samples", STATE_INT, offsetof(State, samples)};
  for (int i = 0; i < o->n_vars; i++) {
    if (!is_word(o->vars[i]) || !strcmp(o->vars[i], "samples"))
      script_error(L, (SrcLoc){0}, "'%.60s' is no name of a part of the state", o->vars[i]);
    lua_getfield(L, -1, o->vars[i]);
    o->is_list[i] = lua_istable(L, -1);
    o->initial[i] = numbers_at(L, a, o->vars[i], o->is_list[i], (DoubleList){0});
    lua_pop(L, 1);
    o->fields[i + 1] =
        (StateField){o->vars[i], STATE_DOUBLES, offsetof(State, first) + (size_t)i * sizeof(DoubleList)};
  }
  lua_pop(L, 1);
}

static int function_field(lua_State *L, const char *key, bool needed) {
  if (lua_getfield(L, 2, key) == LUA_TFUNCTION) return luaL_ref(L, LUA_REGISTRYINDEX);
  if (needed || !lua_isnil(L, -1))
    script_error(L, (SrcLoc){0}, "an observer has a function: %s = function(...) ... end", key);
  lua_pop(L, 1);
  return LUA_NOREF;
}

static void check_definition(lua_State *L, const char *name) {
  static const char *const known[] = {"what", "params", "state", "observe", "finish", "merge", NULL};
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *key = script_unknown_key(L, 2, known);
  if (key) script_error(L, (SrcLoc){0}, "observer has no '%.60s'", key);
  if (!is_word(name)) script_error(L, (SrcLoc){0}, "an observer's name is a word");
  if (observer_find(name, strlen(name)))
    script_error(L, (SrcLoc){0}, "there is an observer '%s' already", name);
}

/* For -observer, which takes the first of a name. */
static void keep_observer(Scripts *all, const Observer *o) {
  int n = all->n_observers, room = n + 1;
  bool full = (n & room) == 0; /* the room is a power of two */
  if (full) {
    const Observer **list = ARENA_NEW_ARRAY(all->arena, const Observer *, (size_t)room * 2);
    if (n) memcpy(list, all->observers, sizeof *list * (size_t)n);
    all->observers = list;
  }
  all->observers[all->n_observers++] = o;
  all->observers[all->n_observers] = NULL;
}

/* observer(name, { what, params, state, observe, finish, merge }): a function as those of the other
 * observers. */
static int define_observer(lua_State *L) {
  Arena *a = lua_script_arena(L);
  const char *name = arena_strdup(a, luaL_checkstring(L, 1));
  check_definition(L, name);
  const char *what = script_text_field(L, 2, "what");
  lua_script_charge(L, (int64_t)sizeof(ScriptObserver));
  ScriptObserver *o = ARENA_NEW(a, ScriptObserver);
  o->base = (Observer){.name = name,
                       .what = what ? what : "of a script",
                       .per_channel = true,
                       .needs_data = true,
                       .state_size = sizeof(State),
                       .init = init,
                       .observe = observe,
                       .finish = finish,
                       .fields = o->fields,
                       .check = check,
                       .merge = merge};
  o->script = script_here(L);
  read_params(L, o);
  read_vars(L, o);
  o->observe = function_field(L, "observe", true);
  o->finish = function_field(L, "finish", true);
  o->merge = function_field(L, "merge", false);
  keep_observer(o->script->all, &o->base);
  rule_push_observer(L, &o->base);
  return 1;
}

void script_open_observers(lua_State *L) {
  open_values(L);
  lua_script_function(L, "observer", define_observer);
}
