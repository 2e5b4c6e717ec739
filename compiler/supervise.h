/* Work that runs users' scripts or custom operators is done by a child process, which this one watches: where
 * Lua cannot be interrupted, the system ends the child, and here it is said which line of which script that
 * was; the same of an operator that crashes. Files are
 * written by the child at its end, so none appears then. */
#ifndef QCC_COMPILER_SUPERVISE_H
#define QCC_COMPILER_SUPERVISE_H

#include "ir/diag.h"
#include "compiler/custom_trace.h"
#include "passes/lua_trace.h"

/* What the child says of itself while it runs. */
typedef struct {
  LuaTrace lua;
  CustomTrace custom;
} Watch;

/* Returns the exit code of `work`, run in a child. Signals that are sent to this process reach the child;
 * where the child ends by one, so does this process. */
int supervise(Diag *d, Arena *a, int (*work)(void *user, Watch *watch), void *user);

/* In the child, behind the last script: what it starts may take the memory that it needs. */
void supervise_lift_limit(const LuaTrace *trace);

#endif
