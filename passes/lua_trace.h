/* What a script is doing, in memory that a watching process shares. */
#ifndef QCC_PASSES_LUA_TRACE_H
#define QCC_PASSES_LUA_TRACE_H

#include <stdbool.h>

typedef struct {
  char path[4096]; /* of the script, as the user gave it */
  volatile int line;
  volatile bool running;
  volatile unsigned calls;   /* how many there were: a call that is still the same one goes on */
  volatile double seconds;   /* what the running call may take by the clock */
  unsigned long long memory; /* the limit of memory that there was before */
} LuaTrace;

#endif
