/* What scripts may use of Lua's libraries, and what guards the application's functions. */
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "ir/refmath.h"
#include "ir/suggest.h"
#include "passes/lua_state.h"

enum { MAX_PRINTED = 1 << 20 };

/* Not what shows addresses, the order of hash tables or chance, not what differs from libm to libm, nothing
 * that loads code. */
static const char *const base_names[] = {
    "assert", "error",  "getmetatable", "ipairs",       "pairs",    "pcall",    "print", "rawequal", "rawget",
    "rawlen", "rawset", "select",       "setmetatable", "tonumber", "tostring", "type",  NULL};
static const char *const string_names[] = {"byte",    "char", "format", "len", "lower",
                                           "reverse", "sub",  "upper",  NULL};
static const char *const table_names[] = {"concat", "pack", "unpack", NULL};
static const char *const math_names[] = {
    "abs",        "ceil", "exp", "floor", "fmod",   "huge",       "log",       "max",  "min", "maxinteger",
    "mininteger", "modf", "pi",  "sqrt",  "random", "randomseed", "tointeger", "type", "ult", NULL};
/* These can run long without a step; they are there where another process watches. */
static const char *const long_string_names[] = {"find", "gmatch", "gsub",     "match", "rep",
                                                "pack", "unpack", "packsize", NULL};
static const char *const long_table_names[] = {"insert", "move", "remove", "sort", NULL};
static const char *const no_names[] = {NULL};
/* What a user may know from Lua and miss here. */
static const char *const missing_names[] = {
    "_G",   "_VERSION", "collectgarbage", "coroutine", "debug", "dofile", "io",     "load", "loadfile",
    "next", "os",       "package",        "require",   "utf8",  "warn",   "xpcall", NULL};

static const struct {
  const char *name;
  lua_CFunction open;
  const char *const *names, *const *long_names;
} libraries[] = {
    {LUA_GNAME, luaopen_base, base_names, no_names},
    {LUA_STRLIBNAME, luaopen_string, string_names, long_string_names},
    {LUA_TABLIBNAME, luaopen_table, table_names, long_table_names},
    {LUA_MATHLIBNAME, luaopen_math, math_names, no_names},
};

static bool is_among(const char *const *names, const char *name) {
  for (; *names; names++)
    if (!strcmp(*names, name)) return true;
  return false;
}

/* Removes all other fields of the table at the top of the stack. */
static void keep_only(lua_State *L, const char *const *names, const char *const *more) {
  for (lua_pushnil(L); lua_next(L, -2);) {
    lua_pop(L, 1);
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (is_among(names, name) || is_among(more, name)) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* ---- texts ---- */

static bool has_text(lua_State *L, int value) {
  int type = lua_type(L, value);
  if (type == LUA_TNONE) return false;
  if (type <= LUA_TSTRING && type != LUA_TLIGHTUSERDATA) return true;
  if (luaL_getmetafield(L, value, "__tostring") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

const char *lua_script_text(lua_State *L, int value) {
  if (has_text(L, value)) return luaL_tolstring(L, value, NULL);
  return lua_pushstring(L, luaL_typename(L, value));
}

static int to_string(lua_State *L) {
  luaL_checkany(L, 1);
  lua_script_text(L, 1);
  return 1;
}

/* string.format (in upvalue 1), but for addresses. */
static int format(lua_State *L) {
  for (const char *f = strchr(luaL_checkstring(L, 1), '%'); f; f = *f ? strchr(f + 1, '%') : NULL) {
    f += 1 + strspn(f + 1, "-+ #0123456789.");
    if (*f == 'p') return luaL_error(L, "'%%p' is not available in this script");
  }
  int n = lua_gettop(L);
  for (int i = 2; i <= n; i++)
    if (!has_text(L, i))
      return luaL_argerror(L, i, lua_pushfstring(L, "a %s has no text", luaL_typename(L, i)));
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, 1);
  return 1;
}

/* Control bytes must not reach a terminal. */
static void put_escaped(StrBuf *out, const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if ((c < 32 && c != '\n' && c != '\t') || c == 127)
      strbuf_printf(out, "\\x%02x", c);
    else
      strbuf_put(out, &c, 1);
  }
}

/* To standard error, since the output may go to the standard one. */
static int print(lua_State *L) {
  LuaScript *s = lua_script_of(L);
  int n = lua_gettop(L);
  luaL_checkstack(L, n + 8, "too many values to print");
  for (int i = 1; i <= n; i++) {
    size_t len;
    lua_script_text(L, i);
    lua_tolstring(L, -1, &len);
    s->printed += (int64_t)len + 1;
  }
  if (s->printed > MAX_PRINTED)
    return luaL_error(L, "this script prints more than %d KiB", MAX_PRINTED >> 10);
  Arena *tmp = arena_new();
  StrBuf line;
  strbuf_init(&line, tmp);
  for (int i = 1; i <= n; i++) {
    size_t len;
    const char *text = lua_tolstring(L, n + i, &len);
    if (i > 1) strbuf_puts(&line, "\t");
    put_escaped(&line, text, len);
  }
  strbuf_puts(&line, "\n");
  fwrite(line.text, 1, line.len, stderr);
  arena_free(tmp);
  return 0;
}

/* ---- pairs in a fixed order: numbers, texts, false, true ---- */

typedef struct {
  int type; /* of Lua; numbers come first */
  double number;
  bool is_integer;
  lua_Integer integer;
  const char *text; /* alive: it is a key of a table */
  size_t len;
} PairKey;

static int rank_of(const PairKey *k) { return k->type == LUA_TNUMBER ? 0 : k->type == LUA_TSTRING ? 1 : 2; }

static int by_key(const void *x, const void *y) {
  const PairKey *a = x, *b = y;
  if (rank_of(a) != rank_of(b)) return rank_of(a) - rank_of(b);
  if (a->type == LUA_TSTRING) {
    int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
    return order ? order : (a->len > b->len) - (a->len < b->len);
  }
  if (a->type == LUA_TNUMBER && a->is_integer && b->is_integer)
    return (a->integer > b->integer) - (a->integer < b->integer);
  return (a->number > b->number) - (a->number < b->number);
}

static PairKey key_at(lua_State *L, int at) {
  PairKey k = {.type = lua_type(L, at)};
  if (k.type == LUA_TSTRING) {
    k.text = lua_tolstring(L, at, &k.len);
  } else if (k.type == LUA_TNUMBER) {
    k.number = lua_tonumber(L, at);
    k.is_integer = lua_isinteger(L, at);
    if (k.is_integer) k.integer = lua_tointeger(L, at);
  } else if (k.type == LUA_TBOOLEAN) {
    k.number = lua_toboolean(L, at);
  } else {
    luaL_error(L, "pairs has no order for a key that is a %s", luaL_typename(L, at));
  }
  return k;
}

static void push_key(lua_State *L, const PairKey *k) {
  if (k->type == LUA_TSTRING)
    lua_pushlstring(L, k->text, k->len);
  else if (k->type == LUA_TBOOLEAN)
    lua_pushboolean(L, k->number != 0);
  else if (k->is_integer)
    lua_pushinteger(L, k->integer);
  else
    lua_pushnumber(L, k->number);
}

/* The keys of the table at 1 as a list, sorted. */
static void push_sorted_keys(lua_State *L) {
  lua_Integer n = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) n++;
  PairKey *keys = lua_newuserdatauv(L, (size_t)n * sizeof *keys + 1, 0);
  lua_Integer i = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) keys[i++] = key_at(L, -2);
  qsort(keys, (size_t)n, sizeof *keys, by_key);
  lua_createtable(L, (int)n, 0);
  for (i = 0; i < n; i++) {
    push_key(L, &keys[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_script_work(L, n);
}

/* Upvalues: the list of keys, and how many were given. */
static int next_pair(lua_State *L) {
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
  for (;;) {
    if (lua_rawgeti(L, lua_upvalueindex(1), ++i) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) break; /* else it has been removed meanwhile */
    lua_pop(L, 2);
  }
  lua_pushinteger(L, i);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

static int pairs(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  push_sorted_keys(L);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_pair, 2);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* ---- what must not hide an end, or run behind our back ---- */

void lua_script_caught(lua_State *L, int status) {
  LuaScript *s = lua_script_of(L);
  s->no_memory |= status == LUA_ERRMEM;
  if (s->ended || s->no_memory) lua_script_stop(L);
}

static int protected_call(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, true);
  lua_insert(L, 1);
  int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  if (status == LUA_OK) return lua_gettop(L);
  lua_script_caught(L, status);
  lua_pushboolean(L, false);
  lua_insert(L, -2);
  return 2;
}

/* setmetatable (in upvalue 1) without finalizers, where no limit holds, and weak tables, which show when the
 * collector runs. */
static int set_metatable(lua_State *L) {
  static const char *const refused[] = {"__gc", "__mode", NULL};
  for (int i = 0; lua_istable(L, 2) && refused[i]; i++) {
    lua_pushstring(L, refused[i]);
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "'%s' is not available in this script", refused[i]);
    lua_pop(L, 1);
  }
  int n = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, 1);
  return 1;
}

/* math.randomseed (in upvalue 1), but for chance. */
static int random_seed(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checknumber(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, 0);
  return 0;
}

/* In single precision, as the operators of the IR have them: the same everywhere. */
static int exponential(lua_State *L) {
  lua_pushnumber(L, (lua_Number)ref_exp((float)luaL_checknumber(L, 1)));
  return 1;
}

static int logarithm(lua_State *L) {
  lua_pushnumber(L, (lua_Number)ref_log((float)luaL_checknumber(L, 1)));
  return 1;
}

/* ---- the application's functions ---- */

/* What is no global of the file's own: a function of the application (upvalue 1), or a mistake. */
static int other_global(lua_State *L) {
  LuaScript *s = lua_script_of(L);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  if (lua_getfield(L, lua_upvalueindex(1), name) != LUA_TNIL) return 1;
  SrcLoc loc = lua_script_word(L, name);
  Suggest near = {.word = name};
  for (int i = 0; i < s->n_functions; i++) suggest_offer(&near, s->functions[i]);
  for (int i = 0; base_names[i]; i++) suggest_offer(&near, base_names[i]);
  if (is_among(missing_names, name))
    diag_error(s->diag, loc, "Lua's '%s' is not available in this script", name);
  else if (near.best)
    diag_error(s->diag, loc, "there is no '%.100s'; did you mean '%s'?", name, near.best);
  else
    diag_error(s->diag, loc, "there is no '%.100s'", name);
  lua_script_stop(L);
}

/* `default = {}` would take the place of the function, and say nothing. */
static int new_global(lua_State *L) {
  LuaScript *s = lua_script_of(L);
  if (lua_type(L, 2) == LUA_TSTRING && lua_getfield(L, lua_upvalueindex(1), lua_tostring(L, 2)) != LUA_TNIL) {
    const char *name = lua_tostring(L, 2);
    diag_error(s->diag, lua_script_word(L, name), "'%s' is a function to call, and cannot be set", name);
    lua_script_stop(L);
  }
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 0;
}

/* Moves the application's functions out of the globals, where files could overwrite them. */
static void guard_functions(lua_State *L) {
  const LuaScript *s = lua_script_of(L);
  lua_pushglobaltable(L);
  lua_createtable(L, 0, 3); /* its metatable */
  lua_createtable(L, 0, s->n_functions);
  for (int i = 0; i < s->n_functions; i++) {
    lua_getglobal(L, s->functions[i]);
    lua_setfield(L, -2, s->functions[i]);
    lua_pushnil(L);
    lua_setglobal(L, s->functions[i]);
  }
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, other_global, 1);
  lua_setfield(L, -3, "__index");
  lua_pushcclosure(L, new_global, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

/* Puts `f` in the place of a function of a library (NULL: the globals), which becomes its upvalue 1. */
static void replace(lua_State *L, const char *library, const char *name, lua_CFunction f) {
  if (library)
    lua_getglobal(L, library);
  else
    lua_pushglobaltable(L);
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

static void open_libraries(lua_State *L) {
  bool watched = lua_script_of(L)->host->trace != NULL;
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    luaL_requiref(L, libraries[i].name, libraries[i].open, i > 0);
    keep_only(L, libraries[i].names, watched ? libraries[i].long_names : no_names);
    lua_pop(L, 1);
  }
  replace(L, NULL, "tostring", to_string);
  replace(L, NULL, "print", print);
  replace(L, NULL, "pairs", pairs);
  replace(L, NULL, "pcall", protected_call);
  replace(L, NULL, "setmetatable", set_metatable);
  replace(L, LUA_STRLIBNAME, "format", format);
  replace(L, LUA_MATHLIBNAME, "randomseed", random_seed);
  replace(L, LUA_MATHLIBNAME, "exp", exponential);
  replace(L, LUA_MATHLIBNAME, "log", logarithm);
}

static void seed_random(lua_State *L) {
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, 1);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

int lua_open_all(lua_State *L) {
  open_libraries(L);
  seed_random(L);
  lua_settop(L, 0);
  lua_script_of(L)->open(L);
  guard_functions(L);
  return 0;
}
