/* Scripts from inside: what script.c and the files of functions for scripts share. */
#ifndef QCC_PASSES_SCRIPT_STATE_H
#define QCC_PASSES_SCRIPT_STATE_H

#include "passes/lua.h"
#include "passes/pipeline.h"
#include "passes/qconfig_draft.h"
#include "passes/script.h"
#include "passes/snapshot.h"

typedef struct Script Script;

struct Scripts {
  Diag *diag;
  Arena *arena;
  LuaHost *host;
  ConfigDraft draft;
  bool has_rules;
  const char *preset; /* of -config; NULL: qcc */
  ScriptsFinish finish;
  void *finish_user;
  Pipeline pipeline;
  Script **list;
  int n;
  const Observer **observers; /* that they have defined; ends with NULL */
  int n_observers;
};

/* One run of a pass of a script. */
typedef struct {
  PassCtx *ctx;
  Graph *graph;
  Arena *arena;     /* the run's */
  int serial;       /* what scripts keep from earlier runs is of no use */
  Snapshot *before; /* a rewrite is open; else NULL */
  bool rules_changed;
} GraphSession;

/* What the functions that a script calls work on: lua_script_user. */
struct Script {
  Scripts *all;
  LuaScript *lua;
  const char *id;
  GraphSession *session; /* NULL: no pass of it runs */
  int sessions;          /* so far */
};

struct ScriptPass {
  Script *script;
  const char *name;
  int function; /* in the registry */
};

static inline Script *script_here(lua_State *L) { return lua_script_user(L); }

/* The draft of rules, which the caller is about to change. An error of Lua where that is too late. */
ConfigDraft *script_draft(lua_State *L);

/* Ends the running function with an error of Lua that shows the call, and maybe a place in the model. */
_Noreturn void script_error(lua_State *L, SrcLoc note, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A key of the table that is not among `known`: the first in the order of the alphabet, so that a message is
 * the same each time. NULL: there is none. */
const char *script_unknown_key(lua_State *L, int table, const char *const *known);
/* The field of the table as a text of the arena, or NULL. */
const char *script_text_field(lua_State *L, int table, const char *key);

/* The functions that scripts see, by their files. */
void script_open_rules(lua_State *L);     /* qconfig_lua.c */
void script_open_passes(lua_State *L);    /* script.c */
void script_open_graph(lua_State *L);     /* script_graph.c */
void script_open_edits(lua_State *L);     /* script_edit.c */
void script_open_observers(lua_State *L); /* script_observer.c */

/* ---- values of graphs (script_graph.c) ---- */

void script_push_graph(lua_State *L);
void script_push_node(lua_State *L, Node *n);     /* NULL: nil */
void script_push_tensor(lua_State *L, Tensor *t); /* NULL: nil */
/* Arguments; errors of Lua where they are something else, or are not in the graph any more. */
GraphSession *script_session(lua_State *L);
Graph *script_graph(lua_State *L); /* the first argument, of methods of graphs */
Node *script_node(lua_State *L, int arg);
Tensor *script_tensor(lua_State *L, int arg); /* of a node: its first result */
/* A list's length and elements, each of which `what` names in messages. */
int64_t script_list_length(lua_State *L, int arg, const char *what, int64_t most);

/* ---- attributes (script_attrs.c) ---- */

void script_push_attrs(lua_State *L, const Node *n);
/* Sets those that the table at `arg` gives. */
void script_set_attrs(lua_State *L, int arg, Node *n);

/* Adds methods to the table at the top of the stack. */
typedef struct {
  const char *name;
  lua_CFunction f;
} ScriptMethod;
void script_methods(lua_State *L, const ScriptMethod *m);

#define SCRIPT_GRAPH  "graph"
#define SCRIPT_NODE   "node"
#define SCRIPT_TENSOR "tensor"

#endif
