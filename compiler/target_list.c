#include "compiler/target_list.h"

#include "ir/suggest.h"

#include <string.h>

static const char native[] = "native";

/* " of 'generic,x86'" where it is a list: which word. */
static char *place(Arena *a, const char *list, int number) {
  return strchr(list, ',') ? arena_printf(a, " (number %d of '%.100s')", number, list) : arena_strdup(a, "");
}

static const Target *unknown(Diag *d, const char *word, const char *where) {
  Suggest s = {.word = word};
  StrBuf known;
  strbuf_init(&known, d->arena);
  for (const Target *t = target_table; t->name; t++) {
    suggest_offer(&s, t->name);
    strbuf_printf(&known, "%s, ", t->name);
  }
  suggest_offer(&s, native);
  if (s.best)
    diag_error(d, (SrcLoc){0}, "unknown target '%.100s'%s; did you mean '%s'?", word, where, s.best);
  else
    diag_error(d, (SrcLoc){0}, "unknown target '%.100s'%s (it may be %s%s)", word, where, known.text, native);
  return NULL;
}

static const Target *find(Diag *d, const char *word, const char *where) {
  const Target *t = strcmp(word, native) ? target_find(word) : target_native();
  if (t) return t;
  if (*word) return unknown(d, word, where);
  diag_error(d, (SrcLoc){0}, "a target without a name%s", where);
  return NULL;
}

const Target *const *target_list(Diag *d, Arena *a, const char *text) {
  const Target **list = ARENA_NEW_ARRAY(a, const Target *, strlen(text) + 2);
  const char *p = text;
  for (int n = 0;; n++) {
    size_t length = strcspn(p, ",");
    const char *word = arena_strndup(a, p, length), *where = place(a, text, n + 1);
    list[n] = find(d, word, where);
    if (!list[n]) return NULL;
    for (int i = 0; i < n; i++)
      if (list[i] == list[n]) {
        diag_error(d, (SrcLoc){0}, "the target '%s' is there twice%s", list[n]->name, where);
        return NULL;
      }
    if (!p[length]) return list;
    p += length + 1;
  }
}

void target_list_print(StrBuf *out) {
  for (const Target *t = target_table; t->name; t++) {
    const char *lacks, *what = t == target_native() ? "runs here: native" : "runs here";
    bool here = target_runs_here(out->arena, t, &lacks);
    strbuf_printf(out, "%-22s %-40s ", t->name, t->what);
    if (here)
      strbuf_printf(out, "%s\n", what);
    else if (*t->runner)
      strbuf_printf(out, "runs in %.*s\n", (int)strcspn(t->runner, " "), t->runner);
    else
      strbuf_printf(out, "not here: needs %s\n", lacks);
  }
}
