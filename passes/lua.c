/* The sandbox that users' Lua files run in. */
#include "passes/lua.h"
#include "ir/suggest.h"
#include "passes/lua_locate.h"

#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  MAX_MEMORY_MIB = 32,
  MAX_STEPS = 10 * 1000 * 1000,
  STEPS_PER_CHECK = 100,
  MAX_FUNCTIONS = 64,
  MAX_SECONDS = 2, /* of the processor's time: few steps can do much, too */
};
#define CHUNK "lua" /* Lua puts CHUNK:LINE: before its messages */

typedef struct {
  Diag *diag;
  Arena *arena;
  const Source *source;
  const LuaIndex *index; /* its lines */
  void *user;
  size_t memory;
  int64_t steps;
  clock_t start;
  void (*open)(lua_State *L);
  const char *functions[MAX_FUNCTIONS]; /* the application's */
  int n_functions;
  int line;     /* that is being run */
  char stopped; /* its address is the error value of lua_script_stop */
} Script;

static Script *script_of(lua_State *L) { return *(Script **)lua_getextraspace(L); }

void *lua_script_user(lua_State *L) { return script_of(L)->user; }
Diag *lua_script_diag(lua_State *L) { return script_of(L)->diag; }
Arena *lua_script_arena(lua_State *L) { return script_of(L)->arena; }
const char *lua_script_name(lua_State *L) { return lua_tostring(L, lua_upvalueindex(1)); }

void lua_script_function(lua_State *L, const char *name, lua_CFunction f) {
  Script *s = script_of(L);
  if (s->n_functions == MAX_FUNCTIONS) BUG("too many functions for Lua");
  s->functions[s->n_functions++] = name;
  lua_pushstring(L, name);
  lua_pushcclosure(L, f, 1);
  lua_setglobal(L, name);
}

void lua_script_stop(lua_State *L) {
  lua_pushlightuserdata(L, &script_of(L)->stopped);
  lua_error(L);
  abort(); /* lua_error does not return */
}

/* ---- places ---- */

static int current_line(lua_State *L) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++)
    if (lua_getinfo(L, "l", &ar) && ar.currentline > 0) return ar.currentline;
  return script_of(L)->line;
}

SrcLoc lua_script_here(lua_State *L) {
  return lua_locate_call(script_of(L)->index, current_line(L), lua_script_name(L));
}

SrcLoc lua_script_key(lua_State *L, const char *key, int value) {
  LuaValue v = {NULL, false};
  int type = value ? lua_type(L, value) : LUA_TNIL;
  if (value) lua_pushvalue(L, value); /* lua_tostring would change a number in place */
  if (type == LUA_TNUMBER || type == LUA_TSTRING)
    v = (LuaValue){lua_tostring(L, -1), type == LUA_TSTRING};
  else if (type == LUA_TBOOLEAN)
    v.text = lua_toboolean(L, value) ? "true" : "false";
  SrcLoc loc = lua_locate_key(script_of(L)->index, current_line(L), lua_script_name(L), key, v);
  if (value) lua_pop(L, 1);
  return loc.source ? loc : lua_script_here(L);
}

SrcLoc lua_script_word(lua_State *L, const char *word) {
  return lua_locate_word(script_of(L)->index, current_line(L), word);
}

/* ---- limits ---- */

static void *allocate(void *user, void *block, size_t old, size_t size) {
  Script *s = user;
  if (!block) old = 0; /* Lua passes the kind of the new object there */
  if (!size) {
    free(block);
    s->memory -= old;
    return NULL;
  }
  if (size > old && s->memory + (size - old) > (size_t)MAX_MEMORY_MIB << 20) return NULL;
  void *fresh = realloc(block, size);
  if (!fresh) return size <= old ? block : NULL;
  s->memory += size - old;
  return fresh;
}

static void check_limits(lua_State *L, lua_Debug *ar) {
  Script *s = script_of(L);
  if (ar->event == LUA_HOOKLINE) {
    s->line = ar->currentline;
    return;
  }
  s->steps += STEPS_PER_CHECK;
  bool long_time = (clock() - s->start) / CLOCKS_PER_SEC >= MAX_SECONDS;
  if (s->steps < MAX_STEPS && !long_time) return;
  SrcLoc loc = lua_locate_word(s->index, current_line(L), "");
  if (long_time)
    diag_error(s->diag, loc, "this file runs for more than %d seconds", MAX_SECONDS);
  else
    diag_error(s->diag, loc, "this file runs for more than %d million steps", MAX_STEPS / 1000000);
  lua_script_stop(L);
}

/* ---- what a file may use ---- */

/* Not what shows addresses, the order of hash tables or chance, not what works without steps (patterns, rep,
 * move, sort, insert, remove), not what differs from libm to libm, nothing that hides errors. */
static const char *const base_names[] = {"assert",   "error",    "ipairs", "select",
                                         "tonumber", "tostring", "type",   NULL};
static const char *const string_names[] = {"byte",    "char", "format", "len", "lower",
                                           "reverse", "sub",  "upper",  NULL};
static const char *const table_names[] = {"concat", "pack", "unpack", NULL};
static const char *const math_names[] = {"abs",        "ceil", "floor",      "fmod", "huge", "max",
                                         "maxinteger", "min",  "mininteger", "modf", "pi",   "sqrt",
                                         "tointeger",  "type", "ult",        NULL};
/* What a user may know from Lua and miss here. */
static const char *const missing_names[] = {
    "_G",           "_VERSION", "collectgarbage", "coroutine", "debug",  "dofile",  "getmetatable",
    "io",           "load",     "loadfile",       "next",      "os",     "package", "pairs",
    "pcall",        "print",    "rawequal",       "rawget",    "rawlen", "rawset",  "require",
    "setmetatable", "utf8",     "warn",           "xpcall",    NULL};

static const struct {
  const char *name;
  lua_CFunction open;
  const char *const *names;
} libraries[] = {
    {LUA_GNAME, luaopen_base, base_names},
    {LUA_STRLIBNAME, luaopen_string, string_names},
    {LUA_TABLIBNAME, luaopen_table, table_names},
    {LUA_MATHLIBNAME, luaopen_math, math_names},
};

static bool is_among(const char *const *names, const char *name) {
  for (; *names; names++)
    if (!strcmp(*names, name)) return true;
  return false;
}

/* Removes all other fields of the table at the top of the stack. */
static void keep_only(lua_State *L, const char *const *names) {
  for (lua_pushnil(L); lua_next(L, -2);) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING && is_among(names, lua_tostring(L, -1))) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* tostring, but for the addresses of tables and functions. */
static int to_string(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_type(L, 1) <= LUA_TSTRING && lua_type(L, 1) != LUA_TLIGHTUSERDATA)
    luaL_tolstring(L, 1, NULL);
  else
    lua_pushstring(L, luaL_typename(L, 1));
  return 1;
}

/* string.format (in upvalue 1), but for addresses. */
static int format(lua_State *L) {
  for (const char *f = strchr(luaL_checkstring(L, 1), '%'); f; f = *f ? strchr(f + 1, '%') : NULL) {
    f += 1 + strspn(f + 1, "-+ #0123456789.");
    if (*f == 'p') return luaL_error(L, "'%%p' is not available in this file");
  }
  int n = lua_gettop(L);
  for (int i = 2; i <= n; i++)
    if (lua_type(L, i) > LUA_TSTRING)
      return luaL_argerror(L, i, lua_pushfstring(L, "a %s has no text", luaL_typename(L, i)));
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, n, 1);
  return 1;
}

/* What is no global of the file's own: a function of the application (upvalue 1), or a mistake. */
static int other_global(lua_State *L) {
  Script *s = script_of(L);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  if (lua_getfield(L, lua_upvalueindex(1), name) != LUA_TNIL) return 1;
  SrcLoc loc = lua_locate_word(s->index, current_line(L), name);
  Suggest near = {.word = name};
  for (int i = 0; i < s->n_functions; i++) suggest_offer(&near, s->functions[i]);
  for (int i = 0; base_names[i]; i++) suggest_offer(&near, base_names[i]);
  if (is_among(missing_names, name))
    diag_error(s->diag, loc, "Lua's '%s' is not available in this file", name);
  else if (near.best)
    diag_error(s->diag, loc, "there is no '%.100s'; did you mean '%s'?", name, near.best);
  else
    diag_error(s->diag, loc, "there is no '%.100s'", name);
  lua_script_stop(L);
}

/* `default = {}` would take the place of the function, and say nothing. */
static int new_global(lua_State *L) {
  Script *s = script_of(L);
  if (lua_type(L, 2) == LUA_TSTRING && lua_getfield(L, lua_upvalueindex(1), lua_tostring(L, 2)) != LUA_TNIL) {
    const char *name = lua_tostring(L, 2);
    diag_error(s->diag, lua_locate_word(s->index, current_line(L), name),
               "'%s' is a function to call, and cannot be set", name);
    lua_script_stop(L);
  }
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 0;
}

/* Moves the application's functions out of the globals, where files could overwrite them. */
static void guard_functions(lua_State *L) {
  const Script *s = script_of(L);
  lua_pushglobaltable(L);
  lua_createtable(L, 0, 2); /* its metatable */
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
  lua_setmetatable(L, -2);
}

static int open_all(lua_State *L) {
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    luaL_requiref(L, libraries[i].name, libraries[i].open, i > 0);
    keep_only(L, libraries[i].names);
  }
  lua_getglobal(L, LUA_STRLIBNAME);
  lua_getfield(L, -1, "format");
  lua_pushcclosure(L, format, 1);
  lua_setfield(L, -2, "format");
  lua_pushcfunction(L, to_string);
  lua_setglobal(L, "tostring");
  lua_settop(L, 0);
  script_of(L)->open(L);
  guard_functions(L);
  return 0;
}

/* ---- running ---- */

/* What a message of Lua speaks of: the word that it quotes last. */
static SrcLoc place_of(const Script *s, int line, const char *message) {
  const char *last = strrchr(message, '\''), *first = last;
  size_t n = strlen(message), eof = strlen("<eof>");
  if (n >= eof && !strcmp(message + n - eof, "<eof>")) {
    size_t end = s->source->len;
    while (end > 0 && strchr(" \t\r\n", s->source->text[end - 1])) end--;
    return (SrcLoc){.source = s->source, .begin = (uint32_t)end, .end = (uint32_t)end};
  }
  while (first && first > message && first[-1] != '\'') first--;
  const char *word = first && first > message ? arena_strndup(s->arena, first, (size_t)(last - first)) : "";
  return lua_locate_word(s->index, line, word);
}

static void report(lua_State *L, Script *s, int status) {
  if (status == LUA_ERRMEM) {
    diag_error(s->diag, lua_locate_word(s->index, s->line, ""), "this file needs more than %d MiB of memory",
               MAX_MEMORY_MIB);
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    const char *message = lua_tostring(L, -1);
    int line = s->line;
    if (!strncmp(message, CHUNK ":", strlen(CHUNK ":"))) {
      char *end;
      line = (int)strtol(message + strlen(CHUNK ":"), &end, 10);
      message = end + strspn(end, ": ");
    }
    diag_error(s->diag, place_of(s, line, message), "%s", message);
  } else if (lua_touserdata(L, -1) != &s->stopped) {
    diag_error(s->diag, lua_locate_word(s->index, s->line, "error"), "an error that is no text but a %s",
               luaL_typename(L, -1));
  }
}

static int panic(lua_State *L) {
  (void)L;
  BUG("an error in Lua outside of a protected call");
}

static bool is_text(Script *s) {
  if (s->source->len && s->source->text[0] == LUA_SIGNATURE[0])
    return diag_error(s->diag, (SrcLoc){.source = &(Source){.path = s->source->path}},
                      "is compiled Lua; only its source can be read");
  return true;
}

/* A byte order mark and a first line with # are not Lua's; its lines must still be counted. */
static int load(lua_State *L, const Source *s) {
  const char *text = s->text;
  if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3;
  if (*text == '#') text += strcspn(text, "\n");
  return luaL_loadbufferx(L, text, s->len - (size_t)(text - s->text), "=" CHUNK, "t");
}

bool lua_script_run(Diag *d, Arena *a, const Source *source, void (*open)(lua_State *L), void *user) {
  Script s = {.diag = d,
              .arena = a,
              .source = source,
              .index = lua_index(a, source),
              .open = open,
              .user = user,
              .start = clock()};
  int errors = d->errors;
  if (!is_text(&s)) return false;
  lua_State *L = lua_newstate(allocate, &s);
  if (!L) return diag_error(d, (SrcLoc){0}, "out of memory");
  *(Script **)lua_getextraspace(L) = &s;
  lua_atpanic(L, panic);
  lua_pushcfunction(L, open_all);
  int status = lua_pcall(L, 0, 0, 0);
  lua_sethook(L, check_limits, LUA_MASKCOUNT | LUA_MASKLINE, STEPS_PER_CHECK);
  if (!status) status = load(L, source);
  if (!status) status = lua_pcall(L, 0, 0, 0);
  if (status) report(L, &s, status);
  lua_close(L);
  return d->errors == errors;
}
