/* Users' scripts in Lua 5.4: configurations and passes. A script runs in a state of its own that has
 * arithmetic, strings and tables, but nothing of the machine: no files, no clock, no chance, no addresses, no
 * order of hash tables. So a script gives the same on every machine. Steps of each call, memory and
 * the time of all calls together are limited, which no pcall catches.
 *
 * A few functions of Lua run long without taking a step (patterns, table.move ...). They are there only where
 * another process watches: it reads from a LuaTrace what runs when the system ends the one that it watches.
 */
#ifndef QCC_PASSES_LUA_H
#define QCC_PASSES_LUA_H

#include "ir/diag.h"
#include "passes/lua_trace.h"

#include <lauxlib.h>
#include <lua.h>

/* The scripts of one compilation. `trace` may be NULL: nobody watches. All calls together take `seconds` by
 * the clock at most, and half of it of the processor. */
typedef struct LuaHost LuaHost;
LuaHost *lua_host_new(Diag *d, Arena *a, LuaTrace *trace, double seconds);
void lua_host_free(LuaHost *h); /* closes the scripts; NULL is allowed */

typedef struct LuaScript LuaScript;

/* A state for the script. `open` is called with the globals of the sandbox already there, and adds those of
 * the application (lua_script_function); `user` is what its functions work on. The state lives as long as the
 * host. NULL after a diagnostic. */
LuaScript *lua_script_new(LuaHost *h, const Source *s, void (*open)(lua_State *L), void *user);
/* Runs the script. False after diagnostics, also where it ran to its end but functions called from it
 * reported errors. */
bool lua_script_load(LuaScript *s);
/* What a call may take beyond the usual limits, by what it is to look at. */
typedef struct {
  int64_t steps;
  double seconds; /* of the processor; what is left of them is lost */
} LuaAllowance;
/* Calls the function below `args` values at the top of its stack, and leaves `results` values there. False
 * after diagnostics, which go to `d`; the stack is then empty. */
bool lua_script_call(LuaScript *s, Diag *d, int args, int results, LuaAllowance more);
lua_State *lua_script_state(LuaScript *s);
LuaScript *lua_script_of(lua_State *L);
const Source *lua_script_source(const LuaScript *s);

/* All in one, without anybody who watches. */
bool lua_script_run(Diag *d, Arena *a, const Source *s, double seconds, void (*open)(lua_State *L),
                    void *user);

/* The place for a watching process to show: the script's line. */
SrcLoc lua_trace_place(Arena *a, const Source *s, int line);

/* ---- for the functions that scripts call ---- */

void lua_script_function(lua_State *L, const char *name, lua_CFunction f); /* a global function */
/* The same of the value at the top of the stack, which is popped. */
void lua_script_value(lua_State *L, const char *name);
/* Pushes a function that knows its name: a method. */
void lua_script_push(lua_State *L, const char *name, lua_CFunction f);
/* Loads one of qcc's own scripts into the state, with an error of Lua where it is wrong, and leaves what it
 * returns on the stack. */
void lua_script_use(lua_State *L, const Source *s);
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
/* An error that pcall may catch; else `message` (of the arena) is shown at `loc`, and a note at `note`, where
 * there is such a place. */
_Noreturn void lua_script_error(lua_State *L, SrcLoc loc, SrcLoc note, const char *message);
/* After a protected call of C with that status: goes on to the end where it has ended the script. */
void lua_script_caught(lua_State *L, int status);
/* Counts memory of qcc that the script makes it take; ends the script where that is too much. */
void lua_script_charge(lua_State *L, int64_t bytes);
/* The same of work that takes no steps of Lua. */
void lua_script_work(lua_State *L, int64_t steps);
/* Between these the script's processor time stands still: qcc works for it. Up to a limit, too. */
void lua_script_pause(lua_State *L);
void lua_script_resume(lua_State *L);
/* Pushes the text that `print` shows of the value: never an address. */
const char *lua_script_text(lua_State *L, int value);

#endif
