/* A script from inside: what lua.c (running, limits, places) and lua_libs.c (the libraries) share. */
#ifndef QCC_PASSES_LUA_STATE_H
#define QCC_PASSES_LUA_STATE_H

#include <time.h>

#include "passes/lua.h"
#include "passes/lua_locate.h"

enum { LUA_MAX_FUNCTIONS = 64 };

struct LuaHost {
  Diag *diag;
  Arena *arena;
  LuaTrace *trace;
  LuaScript *scripts;
  int64_t charged; /* bytes of the arena that scripts took */
  /* Seconds that are left to all scripts together: of the processor, of qcc's own work for them, by the
   * clock.
   */
  double seconds, processor, pauses, clock;
};

/* An error whose place is known. */
typedef struct {
  const char *message;
  SrcLoc loc, note;
} LuaError;

struct LuaScript {
  LuaHost *host;
  LuaScript *next;
  lua_State *state;
  Diag *diag;
  const Source *source;
  const LuaIndex *index; /* its lines */
  void (*open)(lua_State *L);
  void *user;
  size_t memory;
  int64_t steps, max_steps;                 /* of the running call */
  double start, max_seconds;                /* of the processor */
  double pause_start;                       /* of work that does not count */
  timer_t timer;                            /* of a call that is watched */
  struct itimerspec left;                   /* of it, while paused */
  const char *functions[LUA_MAX_FUNCTIONS]; /* the application's */
  int n_functions;
  int line;   /* that is being run */
  bool mixed; /* there are qcc's own scripts in the state, too */
  bool ended; /* by a limit or lua_script_stop: nothing may catch that */
  bool no_memory;
  int64_t printed;
  LuaError error;
  char stopped; /* its address is the error value of lua_script_stop */
};

/* In lua_libs.c: the libraries, the application's functions and what guards them. */
int lua_open_all(lua_State *L);
/* The line of the script that is being run. */
int lua_current_line(lua_State *L);

#endif
