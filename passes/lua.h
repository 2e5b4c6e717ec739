/* Users' files in Lua 5.4: configurations, and whatever else is scripted. A file runs in a state of its own
 * that has arithmetic, strings and tables, but nothing of the machine: no files, no clock, no chance, no
 * addresses, no order of hash tables. So a file gives the same on every machine, and can neither hang qcc nor
 * eat its memory: steps, processor time and memory are limited. */
#ifndef QCC_PASSES_LUA_H
#define QCC_PASSES_LUA_H

#include "ir/diag.h"

#include <lauxlib.h>
#include <lua.h>

/* Runs the file. `open` is called first, with the globals of the sandbox already there, and adds those of the
 * application (lua_script_function); `user` is what its functions work on. The state is gone afterwards.
 * False after diagnostics, also where the file ran to its end but functions called from it reported errors.
 */
bool lua_script_run(Diag *d, Arena *a, const Source *s, void (*open)(lua_State *L), void *user);

/* ---- for the functions that files call ---- */

void lua_script_function(lua_State *L, const char *name, lua_CFunction f); /* a global function */
void *lua_script_user(lua_State *L);
Diag *lua_script_diag(lua_State *L);
Arena *lua_script_arena(lua_State *L);
/* The name under which the running function was registered. */
const char *lua_script_name(lua_State *L);

/* The place of the running call: its function's name in the line that is being run. */
SrcLoc lua_script_here(lua_State *L);
/* The place of `key =` in the table that the running function was called with. Where several calls in a line
 * have that key, the value at the stack index `value` (0: none) tells them apart. lua_script_here where the
 * key is not written in the call. */
SrcLoc lua_script_key(lua_State *L, const char *key, int value);

/* `word` in the line of the running call; lua_script_here where it is not there. */
SrcLoc lua_script_word(lua_State *L, const char *word);

/* Ends the script; the error has been reported. */
_Noreturn void lua_script_stop(lua_State *L);

#endif
