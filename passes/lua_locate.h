/* Where in a Lua file something is written. Lua itself knows lines only. */
#ifndef QCC_PASSES_LUA_LOCATE_H
#define QCC_PASSES_LUA_LOCATE_H

#include "ir/diag.h"

/* A file with its lines, so that places are found without reading it from the start. */
typedef struct LuaIndex LuaIndex;
const LuaIndex *lua_index(Arena *a, const Source *s);

/* What is looked for behind `key =`; NULL or "" matches any value. Strings without their quotes, numbers as C
 * would read them. */
typedef struct {
  const char *text;
  bool is_string;
} LuaValue;

/* The name `function` at the first call of it in `line`; the line's first word where there is none. */
SrcLoc lua_locate_call(const LuaIndex *x, int line, const char *function);
/* The key at the top level of the table in such a call: the one whose value matches, else the first. Not
 * found: source is NULL. */
SrcLoc lua_locate_key(const LuaIndex *x, int line, const char *function, const char *key, LuaValue value);
/* `word` in `line`; the line's first word where it is not there. */
SrcLoc lua_locate_word(const LuaIndex *x, int line, const char *word);

#endif
