/* Reads patterns. */
#include "passes/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  Arena *arena;
  const char *text, *at;
  const char *error;
  Pattern *pattern;
  int terms, depth;
} Reader;

static const Term *read_term(Reader *r);
static const Term *read_choice(Reader *r);

/* The first thing that is wrong counts. */
static const Term *wrong(Reader *r, const char *what) {
  if (!r->error)
    r->error =
        arena_printf(r->arena, "%s at character %d, before '%.20s'", what, (int)(r->at - r->text) + 1, r->at);
  return NULL;
}

static void skip_blanks(Reader *r) { r->at += strspn(r->at, " \t\r\n"); }

static bool is_next(Reader *r, const char *sign) {
  skip_blanks(r);
  return !strncmp(r->at, sign, strlen(sign));
}

static bool take(Reader *r, const char *sign) {
  if (!is_next(r, sign)) return false;
  r->at += strlen(sign);
  return true;
}

static bool expect(Reader *r, const char *sign) {
  if (take(r, sign)) return true;
  wrong(r, arena_printf(r->arena, "expected '%s'", sign));
  return false;
}

/* NULL where there is none. */
static const char *take_word(Reader *r) {
  skip_blanks(r);
  size_t n = 0;
  while (isalnum((unsigned char)r->at[n]) || r->at[n] == '_') n++;
  if (!n) return NULL;
  const char *word = arena_strndup(r->arena, r->at, n);
  r->at += n;
  return word;
}

static bool take_number(Reader *r, double *value) {
  skip_blanks(r);
  const char *digits = r->at + (*r->at == '-');
  bool infinite = !strncmp(digits, "inf", 3);
  char *end;
  if (!isdigit((unsigned char)*digits) && !infinite) return false;
  *value = strtod(r->at, &end);
  r->at = end;
  return true;
}

static Term *new_term(Reader *r, TermKind kind) {
  if (++r->terms > PATTERN_TERMS) wrong(r, "the pattern is too large");
  Term *t = ARENA_NEW(r->arena, Term);
  *t = (Term){.kind = kind};
  return t;
}

static bool add_part(Reader *r, Term *t, const Term *part) {
  if (!part) return false;
  if (!t->parts) t->parts = ARENA_NEW_ARRAY(r->arena, const Term *, PATTERN_PARTS);
  if (t->n_parts == PATTERN_PARTS) return wrong(r, "too many parts");
  t->parts[t->n_parts++] = part;
  return true;
}

/* ---- attributes ---- */

static bool read_list(Reader *r, IntList *list) {
  while (!take(r, "]")) {
    double v;
    if (list->n && !expect(r, ",")) return false;
    if (!take_number(r, &v) || list->n == MAX_RANK * 2) return wrong(r, "expected a list of integers");
    list->v[list->n++] = (int64_t)v;
  }
  return true;
}

static bool read_value(Reader *r, TermAttr *a) {
  AttrKind kind = a->attr->kind;
  if (kind == ATTR_INTS && take(r, "[")) return read_list(r, &a->list);
  if ((kind == ATTR_INT || kind == ATTR_FLOAT) && take_number(r, &a->number)) return true;
  const char *word = kind == ATTR_BOOL || kind == ATTR_ENUM ? take_word(r) : NULL;
  static const char *const flags[] = {"false", "true", NULL};
  const char *const *values = kind == ATTR_BOOL ? flags : a->attr->values;
  for (int i = 0; word && values[i]; i++)
    if (!strcmp(values[i], word)) {
      a->number = i;
      return true;
    }
  return wrong(r, arena_printf(r->arena, "this is no value of '%s'", a->attr->name));
}

static bool read_attrs(Reader *r, Term *t) {
  TermAttr *attrs = ARENA_NEW_ARRAY(r->arena, TermAttr, PATTERN_PARTS);
  t->attrs = attrs;
  while (!take(r, "}")) {
    if (t->n_attrs && !expect(r, ",")) return false;
    if (t->n_attrs == PATTERN_PARTS) return wrong(r, "too many attributes");
    const char *name = take_word(r);
    TermAttr *a = &attrs[t->n_attrs++];
    a->attr = name ? op_attr(t->op, name, strlen(name)) : NULL;
    if (!a->attr)
      return wrong(
          r, arena_printf(r->arena, "%s has no attribute '%.40s'", op_info[t->op]->name, name ? name : ""));
    t->clamps |= !strcmp(name, "act_min") || !strcmp(name, "act_max");
    if (!expect(r, "=") || !read_value(r, a)) return false;
  }
  return true;
}

/* ---- terms ---- */

static bool check_operands(Reader *r, const Term *t) {
  const OpInfo *info = op_info[t->op];
  if (info->max_operands >= 0 && t->n_parts > info->max_operands)
    return wrong(r, arena_printf(r->arena, "%s takes at most %d operands", info->name, info->max_operands));
  if (!t->open && t->n_parts < info->min_operands)
    return wrong(r, arena_printf(r->arena, "%s takes at least %d operands", info->name, info->min_operands));
  return true;
}

static const Term *read_node(Reader *r, const char *word) {
  Term *t = new_term(r, TERM_NODE);
  t->op = op_from_name(word, strlen(word));
  if (t->op == OP_COUNT) return wrong(r, arena_printf(r->arena, "there is no operator '%.40s'", word));
  if (!expect(r, "(")) return NULL;
  while (!take(r, ")")) {
    if (t->n_parts && !expect(r, ",")) return NULL;
    t->open = take(r, "...");
    if (!t->open && !add_part(r, t, read_term(r))) return NULL;
    if (t->open && !is_next(r, ")")) return wrong(r, "'...' stands at the end");
  }
  if (!check_operands(r, t)) return NULL;
  return !take(r, "{") || read_attrs(r, t) ? t : NULL;
}

static const Term *read_named(Reader *r, TermKind kind) {
  Pattern *p = r->pattern;
  Term *t = new_term(r, kind);
  const char *name = take_word(r);
  if (!name) return wrong(r, "expected a name");
  while (t->name < p->n_names && strcmp(p->names[t->name], name)) t->name++;
  if (t->name == PATTERN_NAMES) return wrong(r, "too many names");
  if (t->name == p->n_names) p->names[p->n_names++] = name;
  return !take(r, "=") || add_part(r, t, read_term(r)) ? t : NULL;
}

static const Term *read_single(Reader *r) {
  double value;
  if (take(r, "(")) {
    const Term *t = read_choice(r);
    return t && expect(r, ")") ? t : NULL;
  }
  if (take(r, "%")) return read_named(r, TERM_NAMED);
  if (take(r, "@")) return read_named(r, TERM_CONSTANT);
  if (take_number(r, &value)) {
    Term *t = new_term(r, TERM_VALUE);
    t->value = value;
    return t;
  }
  const char *word = take_word(r);
  if (!word) return wrong(r, "expected a pattern");
  return strcmp(word, "_") ? read_node(r, word) : new_term(r, TERM_ANY);
}

static const Term *read_term(Reader *r) {
  if (++r->depth > PATTERN_DEPTH) return wrong(r, "the pattern is nested too deeply");
  const Term *t = read_single(r);
  r->depth--;
  return r->error ? NULL : t;
}

static const Term *read_choice(Reader *r) {
  const Term *first = read_term(r);
  if (!first || !is_next(r, "|")) return first;
  Term *t = new_term(r, TERM_CHOICE);
  if (!add_part(r, t, first)) return NULL;
  while (take(r, "|"))
    if (!add_part(r, t, read_term(r))) return NULL;
  return t;
}

const Pattern *pattern_parse(Arena *a, const char *text, const char **error) {
  Pattern *p = ARENA_NEW(a, Pattern);
  Reader r = {.arena = a, .text = text, .at = text, .pattern = p};
  p->root = read_choice(&r);
  skip_blanks(&r);
  if (p->root && *r.at) wrong(&r, "expected the end");
  *error = r.error;
  return r.error ? NULL : p;
}

const Pattern *pattern_of(Arena *a, const char *text) {
  const char *error;
  const Pattern *p = pattern_parse(a, text, &error);
  if (!p) BUG("pattern: %s", error);
  return p;
}
