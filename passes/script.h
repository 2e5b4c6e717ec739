/* Users' scripts and what they define: passes, rules of quantization, observers. docs/lua.md is their manual.
 */
#ifndef QCC_PASSES_SCRIPT_H
#define QCC_PASSES_SCRIPT_H

#include "passes/lua_trace.h"
#include "passes/qconfig.h"

typedef struct Scripts Scripts;
typedef struct ScriptPass ScriptPass;

#define SCRIPT_SECONDS 3.0 /* the default */
/* `trace`: of the process that watches, or NULL. `seconds`: what all scripts may take by the clock; half of
 * it of the processor. */
Scripts *scripts_new(Diag *d, Arena *a, LuaTrace *trace, double seconds);
void scripts_free(
    Scripts *s); /* passes and observers of the scripts cannot be used any more; NULL is allowed */

/* Reads a script. False after diagnostics. */
bool scripts_read_source(Scripts *s, const Source *source);
/* A file; where `name` has neither a dot nor a slash, one of qcc's own. */
bool scripts_read(Scripts *s, const char *name);

/* What is done with a set of rules before it is used (options on the command line); NULL after diagnostics.
 */
typedef const QConfigSet *(*ScriptsFinish)(void *user, const QConfigSet *set);
/* Where the rules start from: a preset (NULL: qcc), and what is done with them in the end. */
void scripts_base(Scripts *s, const char *preset, ScriptsFinish finish, void *user);
/* What the rules of all scripts come to. NULL after diagnostics. */
const QConfigSet *scripts_qconfig(Scripts *s);
bool scripts_have_rules(const Scripts *s);
/* The observers that they have defined; ends with NULL. */
const Observer *const *scripts_observers(const Scripts *s);

/* The pipeline as they have changed it; NULL: they have not. */
const Pass *scripts_passes(const Scripts *s);
/* Names and hashes (FNV-1a, 64 bits: to know versions apart, no protection) of what was read, for the header
 * of what is emitted: "a.lua 0123456789abcdef"; ends with NULL. */
const char *const *scripts_ids(const Scripts *s);

/* What a trace says, for the process that watches; no source: it cannot be shown. */
SrcLoc script_place(Diag *d, Arena *a, const LuaTrace *trace);

/* Runs a script's pass. False after diagnostics. */
bool script_pass_run(PassCtx *ctx, const ScriptPass *p, Graph *g);

/* qcc's own scripts (passes/lua/), embedded in the program. */
typedef struct {
  const char *name, *what, *text; /* what: its first line of comment */
} OwnScript;
extern const OwnScript own_scripts[];                        /* ends with a NULL name */
const Source *own_script_source(Arena *a, const char *name); /* NULL where there is none */
/* Runs the passes that one of them defines. */
bool own_script_run(PassCtx *ctx, Graph *g, const char *name);

#endif
