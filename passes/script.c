/* Users' scripts: reading them, and the passes that they add, drop and move. */
#include <inttypes.h>
#include <string.h>

#include "passes/script_state.h"

#define MAX_SCRIPT_BYTES ((int64_t)1 << 20)
enum { STEPS_PER_VALUE = 10 };
static const double own_seconds = 1e6; /* of qcc's own scripts: they end, on slow machines too */

Scripts *scripts_new(Diag *d, Arena *a, LuaTrace *trace, double seconds) {
  Scripts *s = ARENA_NEW(a, Scripts);
  LuaHost *host = lua_host_new(d, a, trace, seconds);
  *s = (Scripts){.diag = d, .arena = a, .host = host, .pipeline = pipeline_new(a)};
  return s;
}

void scripts_free(Scripts *s) {
  if (s) lua_host_free(s->host);
}

/* ---- errors ---- */

void script_error(lua_State *L, SrcLoc note, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *message = arena_vprintf(lua_script_arena(L), fmt, ap);
  va_end(ap);
  lua_script_charge(L, 256); /* pcall may catch it, again and again */
  lua_script_error(L, lua_script_here(L), note, message);
}

/* ---- passes ---- */

static int complain(lua_State *L, const char *error) {
  if (error) script_error(L, (SrcLoc){0}, "%s", error);
  return 0;
}

const char *script_text_field(lua_State *L, int table, const char *key) {
  lua_getfield(L, table, key);
  if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
    script_error(L, (SrcLoc){0}, "'%s' is a text", key);
  const char *text = lua_isnil(L, -1) ? NULL : arena_strdup(lua_script_arena(L), lua_tostring(L, -1));
  lua_pop(L, 1);
  return text;
}

/* before = "x" or after = "x"; NULL where the table has neither. */
static const char *place_field(lua_State *L, int table, bool *behind) {
  const char *before = script_text_field(L, table, "before"), *after = script_text_field(L, table, "after");
  if (before && after) script_error(L, (SrcLoc){0}, "'before' and 'after' exclude each other");
  *behind = after != NULL;
  return before ? before : after;
}

const char *script_unknown_key(lua_State *L, int table, const char *const *known) {
  const char *found = NULL;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "1";
    int i = 0;
    while (known[i] && strcmp(known[i], key)) i++;
    if (!known[i] && (!found || strcmp(key, found) < 0)) found = key; /* alive as long as the table */
  }
  return found ? arena_strdup(lua_script_arena(L), found) : NULL;
}

static void check_keys(lua_State *L, int table, const char *const *known) {
  const char *key = script_unknown_key(L, table, known);
  if (key) script_error(L, (SrcLoc){0}, "%s has no '%.60s'", lua_script_name(L), key);
}

static bool is_name(const char *s) {
  return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] &&
         strlen(s) <= 40;
}

static void must_be_loading(lua_State *L) {
  if (script_here(L)->session)
    script_error(L, (SrcLoc){0}, "the list of passes cannot be changed while a pass runs");
}

static int add_pass(lua_State *L) {
  static const char *const known[] = {"what", "before", "after", "run", NULL};
  Script *s = script_here(L);
  Scripts *all = s->all;
  const char *name = luaL_checkstring(L, 1);
  must_be_loading(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  check_keys(L, 2, known);
  if (!is_name(name)) script_error(L, (SrcLoc){0}, "a pass has a name of letters, digits, '_' and '-'");
  bool behind;
  const char *what = script_text_field(L, 2, "what"), *at = place_field(L, 2, &behind);
  if (lua_getfield(L, 2, "run") != LUA_TFUNCTION)
    script_error(L, (SrcLoc){0}, "a pass has a function: run = function(graph) ... end");
  ScriptPass *p = ARENA_NEW(all->arena, ScriptPass);
  *p = (ScriptPass){s, arena_strdup(all->arena, name), luaL_ref(L, LUA_REGISTRYINDEX)};
  const char *by = lua_script_source(s->lua)->path;
  Pass pass = {.name = p->name, .what = what ? what : arena_printf(all->arena, "of %s", by), .script = p};
  return complain(L, pipeline_insert(&all->pipeline, pass, at, behind));
}

static int drop_pass(lua_State *L) {
  must_be_loading(L);
  return complain(L, pipeline_drop(&script_here(L)->all->pipeline, luaL_checkstring(L, 1)));
}

static int move_pass(lua_State *L) {
  static const char *const known[] = {"before", "after", NULL};
  const char *name = luaL_checkstring(L, 1);
  bool behind;
  must_be_loading(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  check_keys(L, 2, known);
  const char *at = place_field(L, 2, &behind);
  if (!at)
    script_error(L, (SrcLoc){0}, "move takes a place: move(\"%.40s\", { before = \"observe\" })", name);
  return complain(L, pipeline_move(&script_here(L)->all->pipeline, name, at, behind));
}

/* The names of all passes in their order. */
static int list_passes(lua_State *L) {
  const Pipeline *p = &script_here(L)->all->pipeline;
  lua_createtable(L, p->n, 0);
  for (int i = 0; i < p->n; i++) {
    lua_pushstring(L, p->passes[i].name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int use_own(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const Source *source = own_script_source(lua_script_arena(L), name);
  if (!source)
    script_error(L, (SrcLoc){0}, "qcc has no script '%.60s' of its own (-print-passes lists them)", name);
  lua_script_use(L, source);
  return 1;
}

void script_open_passes(lua_State *L) {
  lua_script_function(L, "pass", add_pass);
  lua_script_function(L, "drop", drop_pass);
  lua_script_function(L, "move", move_pass);
  lua_script_function(L, "passes", list_passes);
  lua_script_function(L, "use", use_own);
}

/* ---- reading ---- */

static void open_script(lua_State *L) {
  script_open_rules(L);
  script_open_passes(L);
  script_open_graph(L);
  script_open_edits(L);
  script_open_observers(L);
}

static const char *id_of(Arena *a, const Source *source) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < source->len; i++) hash = (hash ^ (unsigned char)source->text[i]) * 0x100000001b3u;
  const char *slash = strrchr(source->path, '/');
  return arena_printf(a, "%.60s %016" PRIx64, slash ? slash + 1 : source->path, hash);
}

bool scripts_read_source(Scripts *s, const Source *source) {
  Script *one = ARENA_NEW(s->arena, Script);
  Script **list = ARENA_NEW_ARRAY(s->arena, Script *, (size_t)s->n + 1);
  if (s->n) memcpy(list, s->list, sizeof *list * (size_t)s->n);
  list[s->n++] = one;
  s->list = list;
  *one = (Script){.all = s, .id = id_of(s->arena, source)};
  one->lua = lua_script_new(s->host, source, open_script, one);
  return one->lua && lua_script_load(one->lua);
}

bool scripts_read(Scripts *s, const char *name) {
  const Source *source = strpbrk(name, "./") ? source_read(s->diag, s->arena, name, MAX_SCRIPT_BYTES)
                                             : own_script_source(s->arena, name);
  if (!source && !strpbrk(name, "./"))
    return diag_error(s->diag, (SrcLoc){0},
                      "-pass: qcc has no script '%.60s' of its own (the name of a file has a dot or a slash)",
                      name);
  return source && scripts_read_source(s, source);
}

const Pass *scripts_passes(const Scripts *s) { return s->pipeline.changed ? s->pipeline.passes : NULL; }

const char *const *scripts_ids(const Scripts *s) {
  const char **ids = ARENA_NEW_ARRAY(s->arena, const char *, (size_t)s->n + 1);
  for (int i = 0; i < s->n; i++) ids[i] = s->list[i]->id;
  return ids;
}

/* ---- rules ---- */

bool scripts_have_rules(const Scripts *s) { return s->has_rules; }

const Observer *const *scripts_observers(const Scripts *s) {
  static const Observer *const none[] = {NULL};
  return s->observers ? s->observers : none;
}

ConfigDraft *script_draft(lua_State *L) {
  Script *s = script_here(L);
  if (s->session && s->session->ctx->plan)
    script_error(L, (SrcLoc){0},
                 "the rules of quantization are in use already: this pass runs behind observe");
  if (s->session) s->session->rules_changed = true;
  s->all->has_rules = true;
  return &s->all->draft;
}

const QConfigSet *scripts_qconfig(Scripts *s) {
  ConfigDraft draft = s->draft;
  if (!draft.preset) draft.preset = s->preset;
  const QConfigSet *set = config_draft_complete(s->diag, s->arena, &draft);
  return set && s->finish ? s->finish(s->finish_user, set) : set;
}

void scripts_base(Scripts *s, const char *preset, ScriptsFinish finish, void *user) {
  s->preset = preset;
  s->finish = finish;
  s->finish_user = user;
}

/* ---- running ---- */

/* How many values a script may want to look at. */
static int64_t values_of(const Graph *g) {
  int64_t n = 0;
  for (const Node *node = g->first; node; node = node->next) {
    n += 100;
    for (int i = 0; i < node->n_operands; i++)
      if (node->operands[i] && tensor_is_const(node->operands[i]))
        n += shape_count(&node->operands[i]->type.shape);
  }
  return n;
}

/* The body of the call, so that running out of memory is caught here, too. */
static int run_body(lua_State *L) {
  const ScriptPass *p = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, p->function);
  script_push_graph(L);
  lua_call(L, 1, 0);
  return 0;
}

bool script_pass_run(PassCtx *ctx, const ScriptPass *p, Graph *g) {
  Script *s = p->script;
  lua_State *L = lua_script_state(s->lua);
  GraphSession session = {.ctx = ctx, .graph = g, .arena = arena_new(), .serial = ++s->sessions};
  s->session = &session;
  lua_pushcfunction(L, run_body);
  lua_pushlightuserdata(L, (void *)(uintptr_t)p);
  bool ok = lua_script_call(s->lua, ctx->diag, 1, 0, (LuaAllowance){.steps = STEPS_PER_VALUE * values_of(g)});
  s->session = NULL;
  arena_free(session.arena);
  if (ok && session.rules_changed) ctx->qconfig = scripts_qconfig(s->all);
  return ok && (!session.rules_changed || ctx->qconfig);
}

/* ---- qcc's own ---- */

const Source *own_script_source(Arena *a, const char *name) {
  for (const OwnScript *s = own_scripts; s->name; s++)
    if (!strcmp(s->name, name))
      return source_from_text(a, arena_printf(a, "qcc/%s.lua", name), s->text, strlen(s->text));
  return NULL;
}

SrcLoc script_place(Diag *d, Arena *a, const LuaTrace *trace) {
  static const char own[] = "qcc/";
  const char *path = trace->path;
  const char *name = strncmp(path, own, strlen(own))
                         ? NULL
                         : arena_strndup(a, path + strlen(own), strcspn(path + strlen(own), "."));
  const Source *s = name ? own_script_source(a, name) : NULL;
  if (!s) s = source_read(d, a, path, MAX_SCRIPT_BYTES);
  return s ? lua_trace_place(a, s, trace->line) : (SrcLoc){0};
}

bool own_script_run(PassCtx *ctx, Graph *g, const char *name) {
  Scripts *s = scripts_new(ctx->diag, ctx->arena, NULL, own_seconds);
  pipeline_drop(&s->pipeline, name); /* the row of passes.def, whose place the script's pass takes */
  bool ok = scripts_read_source(s, own_script_source(ctx->arena, name));
  for (const Pass *p = s->pipeline.passes; ok && p->name; p++)
    if (p->script) ok = script_pass_run(ctx, p->script, g);
  scripts_free(s);
  return ok;
}

bool pass_gelu(PassCtx *ctx, Graph *g);
bool pass_gelu(PassCtx *ctx, Graph *g) { return own_script_run(ctx, g, "gelu"); }
