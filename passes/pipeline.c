#include "passes/pipeline.h"

#include <string.h>

#include "ir/suggest.h"

enum { MAX_PASSES = 200 };

Pipeline pipeline_new(Arena *a) {
  Pipeline p = {.arena = a, .passes = pass_table};
  while (pass_table[p.n].name) p.n++;
  return p;
}

static int index_of(const Pass *passes, const char *name) {
  for (int i = 0; passes[i].name; i++)
    if (!strcmp(passes[i].name, name)) return i;
  return -1;
}

const Pass *pipeline_find(const Pass *passes, const char *name) {
  int i = index_of(passes, name);
  return i < 0 ? NULL : &passes[i];
}

static const char *unknown(const Pipeline *p, const char *name) {
  Suggest near = {.word = name};
  for (int i = 0; i < p->n; i++) suggest_offer(&near, p->passes[i].name);
  return arena_printf(p->arena, "there is no pass '%.60s'%s%s%s", name, near.best ? "; did you mean '" : "",
                      near.best ? near.best : "", near.best ? "'?" : " (-print-passes lists them)");
}

/* A copy with `pass` put in at `at`, or (NULL) without the one that is there. */
static void replace_list(Pipeline *p, int at, const Pass *pass) {
  Pass *list = ARENA_NEW_ARRAY(p->arena, Pass, (size_t)p->n + 2);
  memcpy(list, p->passes, sizeof *list * (size_t)at);
  if (pass) list[at] = *pass;
  memcpy(list + at + (pass != NULL), p->passes + at + !pass, sizeof *list * (size_t)(p->n - at - !pass));
  p->n += pass ? 1 : -1;
  p->passes = list;
  p->changed = true;
}

static const char *insert(Pipeline *p, const Pass *pass, const char *at, bool behind) {
  int i = index_of(p->passes, at);
  if (i < 0) return unknown(p, at);
  i += behind;
  if (i < p->n && (p->passes[i].place & PASS_JOINED))
    return arena_printf(p->arena, "nothing can come between the passes '%s' and '%s'", p->passes[i - 1].name,
                        p->passes[i].name);
  replace_list(p, i, pass);
  return NULL;
}

const char *pipeline_insert(Pipeline *p, Pass pass, const char *at, bool behind) {
  if (index_of(p->passes, pass.name) >= 0)
    return arena_printf(p->arena, "there is a pass '%.60s' already", pass.name);
  if (p->n == MAX_PASSES) return "too many passes";
  return insert(p, &pass, at ? at : "observe", at && behind);
}

const char *pipeline_drop(Pipeline *p, const char *name) {
  int i = index_of(p->passes, name);
  if (i < 0) return unknown(p, name);
  if (p->passes[i].place & PASS_KEPT)
    return arena_printf(p->arena, "the pass '%s' is needed, and cannot be dropped", name);
  replace_list(p, i, NULL);
  return NULL;
}

const char *pipeline_move(Pipeline *p, const char *name, const char *at, bool behind) {
  int i = index_of(p->passes, name);
  if (i < 0) return unknown(p, name);
  if (p->passes[i].place)
    return arena_printf(p->arena, "the pass '%s' has its place, and cannot be moved", name);
  if (!strcmp(name, at)) return "a pass cannot be moved to itself";
  Pipeline before = *p;
  const Pass moved = p->passes[i];
  replace_list(p, i, NULL);
  const char *error = insert(p, &moved, at, behind);
  if (error) *p = before;
  return error;
}
