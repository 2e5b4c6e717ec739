/* Scripts: their life, their limits, and the places that messages point to. */
#include "passes/lua.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "passes/lua_state.h"

enum {
  MAX_MEMORY_MIB = 64,
  MAX_CHARGE_MIB = 256,
  MAX_STEPS = 10 * 1000 * 1000,
  STEPS_PER_CHECK = 100,
};
/* Parts of the time by the clock. */
static const double processor_share = 0.5, pause_share = 0.25;
/* By which what takes no steps is ended later than what does, and so says more. */
static const double grace_seconds = 0.25;
#define CHUNK "lua" /* Lua puts CHUNK:LINE: before its messages */

LuaScript *lua_script_of(lua_State *L) { return *(LuaScript **)lua_getextraspace(L); }

lua_State *lua_script_state(LuaScript *s) { return s->state; }
const Source *lua_script_source(const LuaScript *s) { return s->source; }
void *lua_script_user(lua_State *L) { return lua_script_of(L)->user; }
Diag *lua_script_diag(lua_State *L) { return lua_script_of(L)->diag; }
Arena *lua_script_arena(lua_State *L) { return lua_script_of(L)->host->arena; }
const char *lua_script_name(lua_State *L) {
  const char *name =
      lua_type(L, lua_upvalueindex(1)) == LUA_TSTRING ? lua_tostring(L, lua_upvalueindex(1)) : NULL;
  return name ? name : "";
}

void lua_script_push(lua_State *L, const char *name, lua_CFunction f) {
  lua_pushstring(L, name);
  lua_pushcclosure(L, f, 1);
}

void lua_script_value(lua_State *L, const char *name) {
  LuaScript *s = lua_script_of(L);
  if (s->n_functions == LUA_MAX_FUNCTIONS) BUG("too many functions for Lua");
  s->functions[s->n_functions++] = name;
  lua_setglobal(L, name);
}

void lua_script_function(lua_State *L, const char *name, lua_CFunction f) {
  lua_script_push(L, name, f);
  lua_script_value(L, name);
}

void lua_script_stop(lua_State *L) {
  LuaScript *s = lua_script_of(L);
  s->ended = true;
  lua_pushlightuserdata(L, &s->stopped);
  lua_error(L);
  abort(); /* lua_error does not return */
}

/* ---- places ---- */

static bool is_own(lua_State *L, lua_Debug *ar) {
  return !lua_script_of(L)->mixed || (lua_getinfo(L, "S", ar) && !strcmp(ar->short_src, CHUNK));
}

int lua_current_line(lua_State *L) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++)
    if (lua_getinfo(L, "l", &ar) && ar.currentline > 0 && is_own(L, &ar)) return ar.currentline;
  return lua_script_of(L)->line;
}

SrcLoc lua_script_here(lua_State *L) {
  return lua_locate_call(lua_script_of(L)->index, lua_current_line(L), lua_script_name(L));
}

SrcLoc lua_script_key(lua_State *L, const char *key, int value) {
  LuaValue v = {NULL, false};
  int type = value ? lua_type(L, value) : LUA_TNIL;
  if (value) lua_pushvalue(L, value); /* lua_tostring would change a number in place */
  if (type == LUA_TNUMBER || type == LUA_TSTRING)
    v = (LuaValue){lua_tostring(L, -1), type == LUA_TSTRING};
  else if (type == LUA_TBOOLEAN)
    v.text = lua_toboolean(L, value) ? "true" : "false";
  SrcLoc loc = lua_locate_key(lua_script_of(L)->index, lua_current_line(L), lua_script_name(L), key, v);
  if (value) lua_pop(L, 1);
  return loc.source ? loc : lua_script_here(L);
}

SrcLoc lua_script_word(lua_State *L, const char *word) {
  return lua_locate_word(lua_script_of(L)->index, lua_current_line(L), word);
}

SrcLoc lua_trace_place(Arena *a, const Source *s, int line) {
  return lua_locate_word(lua_index(a, s), line, "");
}

/* ---- limits ---- */

static double seconds_of(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double thread_seconds(void) { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

static void *allocate(void *user, void *block, size_t old, size_t size) {
  LuaScript *s = user;
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

static void check_steps(lua_State *L) {
  LuaScript *s = lua_script_of(L);
  bool long_time = thread_seconds() - s->start >= s->max_seconds;
  if (s->steps < s->max_steps && !long_time) return;
  SrcLoc loc = lua_locate_word(s->index, lua_current_line(L), "");
  if (s->ended)
    ; /* said once */
  else if (long_time)
    diag_error(s->diag, loc,
               "this script runs for more than %.3g seconds of the processor (-script-seconds gives it more)",
               s->host->seconds * processor_share);
  else
    diag_error(s->diag, loc, "this script runs for more than %lld million steps",
               (long long)(s->max_steps / 1000000));
  lua_script_stop(L);
}

static void follow(lua_State *L, lua_Debug *ar) {
  LuaScript *s = lua_script_of(L);
  if (ar->event != LUA_HOOKLINE) {
    s->steps += STEPS_PER_CHECK;
    check_steps(L);
  } else if (is_own(L, ar)) {
    s->line = ar->currentline;
    if (s->host->trace) s->host->trace->line = s->line;
  }
}

void lua_script_work(lua_State *L, int64_t steps) {
  lua_script_of(L)->steps += steps;
  check_steps(L);
}

void lua_script_charge(lua_State *L, int64_t bytes) {
  LuaScript *s = lua_script_of(L);
  s->host->charged += bytes;
  if (s->host->charged <= (int64_t)MAX_CHARGE_MIB << 20) return;
  diag_error(s->diag, lua_script_here(L), "the scripts make qcc take more than %d MiB", MAX_CHARGE_MIB);
  lua_script_stop(L);
}

/* ---- what a message speaks of ---- */

/* The word that it quotes last. */
static SrcLoc place_of(const LuaScript *s, int line, const char *message) {
  const char *last = strrchr(message, '\''), *first = last;
  size_t n = strlen(message), eof = strlen("<eof>");
  if (n >= eof && !strcmp(message + n - eof, "<eof>")) {
    size_t end = s->source->len;
    while (end > 0 && strchr(" \t\r\n", s->source->text[end - 1])) end--;
    return (SrcLoc){.source = s->source, .begin = (uint32_t)end, .end = (uint32_t)end};
  }
  while (first && first > message && first[-1] != '\'') first--;
  const char *word =
      first && first > message ? arena_strndup(s->host->arena, first, (size_t)(last - first)) : "";
  return lua_locate_word(s->index, line, word);
}

void lua_script_error(lua_State *L, SrcLoc loc, SrcLoc note, const char *message) {
  LuaScript *s = lua_script_of(L);
  s->error = (LuaError){message, loc, note};
  lua_pushstring(L, message);
  lua_error(L);
  abort();
}

/* The last error of lua_script_error, unless pcall has caught it and there is another one. */
static bool report_placed(LuaScript *s, const char *message) {
  const LuaError *e = &s->error;
  if (!e->message || strcmp(e->message, message)) return false;
  diag_error(s->diag, e->loc, "%s", message);
  if (e->note.source) diag_note(s->diag, e->note, "here in the model");
  return true;
}

static void report(lua_State *L, LuaScript *s, int status) {
  if (status == LUA_ERRMEM || s->no_memory) {
    diag_error(s->diag, lua_locate_word(s->index, s->line, ""),
               "this script needs more than %d MiB of memory", MAX_MEMORY_MIB);
  } else if (s->ended) {
    ; /* reported */
  } else if (lua_type(L, -1) == LUA_TNUMBER) {
    /* lua_tostring would take memory. */
    diag_error(s->diag, lua_locate_word(s->index, s->line, "error"), "%.14g", lua_tonumber(L, -1));
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    const char *message = lua_tostring(L, -1);
    int line = s->line;
    if (report_placed(s, message)) return;
    if (!strncmp(message, CHUNK ":", strlen(CHUNK ":"))) {
      char *end;
      line = (int)strtol(message + strlen(CHUNK ":"), &end, 10);
      message = end + strspn(end, ": ");
    }
    diag_error(s->diag, place_of(s, line, message), "%s", message);
  } else {
    diag_error(s->diag, lua_locate_word(s->index, s->line, "error"), "an error that is no text but %s%s",
               lua_isnil(L, -1) ? "" : "a ", luaL_typename(L, -1));
  }
}

static int panic(lua_State *L) {
  (void)L;
  BUG("an error in Lua outside of a protected call");
}

/* ---- running ---- */

/* Ends this process when its thread has run too long, whatever it does. */
static bool start_timer(LuaScript *s) {
  timer_t *timer = &s->timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGXCPU};
  double limit = fmax(s->max_seconds, 0) + grace_seconds;
  struct itimerspec when = {.it_value = {(time_t)limit, (long)((limit - (double)(time_t)limit) * 1e9)}};
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, timer)) return false;
  if (!timer_settime(*timer, 0, &when, NULL)) return true;
  timer_delete(*timer);
  return false;
}

void lua_script_pause(lua_State *L) {
  static const struct itimerspec never = {{0, 0}, {0, 0}};
  LuaScript *s = lua_script_of(L);
  s->pause_start = thread_seconds();
  if (s->host->trace && s->host->pauses > 0) timer_settime(s->timer, 0, &never, &s->left);
}

void lua_script_resume(lua_State *L) {
  LuaScript *s = lua_script_of(L);
  double seconds = thread_seconds() - s->pause_start;
  if (s->host->pauses <= 0) return;
  s->host->pauses -= seconds;
  s->start += seconds;
  if (s->host->trace) timer_settime(s->timer, 0, &s->left, NULL);
}

static void start_watch(LuaScript *s, double seconds) {
  LuaTrace *trace = s->host->trace;
  if (!start_timer(s)) BUG("no timer for a script");
  snprintf(trace->path, sizeof trace->path, "%s", s->source->path);
  trace->line = s->line;
  trace->seconds = seconds;
  trace->calls++;
  trace->running = true;
}

static void stop_watch(LuaScript *s) {
  timer_delete(s->timer);
  s->host->trace->running = false;
}

static int limited_call(LuaScript *s, int args, int results, LuaAllowance more) {
  LuaHost *h = s->host;
  double most = h->clock + more.seconds / processor_share, began = seconds_of(CLOCK_MONOTONIC);
  s->ended = s->no_memory = false;
  s->steps = 0;
  s->max_steps = MAX_STEPS + more.steps;
  s->max_seconds = h->processor + more.seconds;
  s->start = thread_seconds();
  if (h->trace) start_watch(s, most);
  int status = lua_pcall(s->state, args, results, 0);
  if (h->trace) stop_watch(s);
  h->processor = fmin(h->processor, s->max_seconds - (thread_seconds() - s->start));
  h->clock = fmin(h->clock, most - (seconds_of(CLOCK_MONOTONIC) - began));
  return status;
}

bool lua_script_call(LuaScript *s, Diag *d, int args, int results, LuaAllowance more) {
  int errors = d->errors;
  s->diag = d;
  int status = limited_call(s, args, results, more);
  if (status) report(s->state, s, status);
  if (d->errors == errors) return true;
  lua_settop(s->state, 0);
  return false;
}

/* A byte order mark and a first line with # are not Lua's; its lines must still be counted. */
static int load(lua_State *L, const Source *s, const char *chunk) {
  const char *text = s->text;
  if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3;
  if (*text == '#') text += strcspn(text, "\n");
  return luaL_loadbufferx(L, text, s->len - (size_t)(text - s->text), chunk, "t");
}

bool lua_script_load(LuaScript *s) {
  int status = load(s->state, s->source, "=" CHUNK);
  if (!status) return lua_script_call(s, s->diag, 0, 0, (LuaAllowance){0});
  report(s->state, s, status);
  return false;
}

void lua_script_use(lua_State *L, const Source *s) {
  lua_script_of(L)->mixed = true;
  if (load(L, s, lua_pushfstring(L, "=%s", s->path))) lua_error(L);
  lua_remove(L, -2);
  lua_call(L, 0, 1);
}

static bool is_text(LuaScript *s) {
  if (s->source->len && s->source->text[0] == LUA_SIGNATURE[0])
    return diag_error(s->diag, (SrcLoc){.source = &(Source){.path = s->source->path}},
                      "is compiled Lua; only its source can be read");
  return true;
}

LuaHost *lua_host_new(Diag *d, Arena *a, LuaTrace *trace, double seconds) {
  LuaHost *h = ARENA_NEW(a, LuaHost);
  *h = (LuaHost){.diag = d,
                 .arena = a,
                 .trace = trace,
                 .seconds = seconds,
                 .processor = seconds * processor_share,
                 .pauses = seconds * pause_share,
                 .clock = seconds};
  return h;
}

void lua_host_free(LuaHost *h) {
  for (LuaScript *s = h ? h->scripts : NULL; s; s = s->next) lua_close(s->state);
  if (h) h->scripts = NULL;
}

LuaScript *lua_script_new(LuaHost *h, const Source *source, void (*open)(lua_State *L), void *user) {
  LuaScript *s = ARENA_NEW(h->arena, LuaScript);
  *s = (LuaScript){.host = h,
                   .diag = h->diag,
                   .source = source,
                   .index = lua_index(h->arena, source),
                   .open = open,
                   .user = user};
  if (!is_text(s)) return NULL;
  lua_State *L = s->state = lua_newstate(allocate, s);
  if (!L) {
    diag_error(s->diag, (SrcLoc){0}, "out of memory");
    return NULL;
  }
  s->next = h->scripts;
  h->scripts = s;
  *(LuaScript **)lua_getextraspace(L) = s;
  lua_atpanic(L, panic);
  lua_pushcfunction(L, lua_open_all);
  int status = lua_pcall(L, 0, 0, 0);
  if (status) report(L, s, status);
  lua_sethook(L, follow, LUA_MASKCOUNT | LUA_MASKLINE, STEPS_PER_CHECK);
  return status ? NULL : s;
}

bool lua_script_run(Diag *d, Arena *a, const Source *source, double seconds, void (*open)(lua_State *L),
                    void *user) {
  LuaHost *h = lua_host_new(d, a, NULL, seconds);
  LuaScript *s = lua_script_new(h, source, open, user);
  bool ok = s && lua_script_load(s);
  lua_host_free(h);
  return ok;
}
