#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/parser.h"
#include "ir/suggest.h"
#include "passes/stats.h"

enum { MAX_FIELDS = 16 };
static const int64_t max_samples = (int64_t)1 << 53;

typedef struct {
  PlanGroup *group;
  SrcLoc loc; /* of its entry in this file; no source: none yet */
} Entry;

typedef struct {
  Parser p;
  Entry *entries; /* [n], for the groups that observe, in the plan's order */
  int n;
} Reader;

/* --- fields --- */

static bool parse_double(Parser *p, double *out) {
  if (!parser_at_number(p)) return parser_expected(p, "a number");
  *out = strtod(p->source->text + p->tok.begin, NULL);
  if (!isfinite(*out)) return diag_error(p->diag, parser_here(p), "statistics are finite numbers");
  parser_advance(p);
  return true;
}

static bool parse_finite(Parser *p, float *out) {
  SrcLoc loc = parser_here(p);
  if (!parse_float(p, out)) return false;
  return isfinite(*out) || diag_error(p->diag, loc, "statistics are finite numbers");
}

static bool parse_list(Parser *p, bool doubles, StrBuf *data, int64_t *n) {
  strbuf_init(data, p->arena);
  *n = 0;
  if (!parser_expect(p, '[', "before the list")) return false;
  while (!parser_at(p, ']')) {
    float f;
    double v;
    if (*n && !parser_expect(p, ',', "between the numbers of the list")) return false;
    if (!(doubles ? parse_double(p, &v) : parse_finite(p, &f))) return false;
    strbuf_put(data, doubles ? (void *)&v : (void *)&f, doubles ? sizeof v : sizeof f);
    ++*n;
  }
  parser_advance(p);
  return true;
}

static bool parse_value(Parser *p, const StateField *f, void *state) {
  void *at = (char *)state + f->offset;
  StrBuf data;
  int64_t n;
  switch (f->kind) {
  case STATE_INT:
    return parse_integer(p, "the number of samples", 0, max_samples, at);
  case STATE_FLOAT:
    return parse_finite(p, at);
  case STATE_CHANNELS:
    return parse_finite(p, *(float **)at);
  case STATE_FLOATS:
    if (!parse_list(p, false, &data, &n)) return false;
    *(FloatList *)at = (FloatList){arena_memdup(p->arena, data.text, data.len), n}; /* aligned */
    return true;
  case STATE_DOUBLES:
    if (!parse_list(p, true, &data, &n)) return false;
    *(DoubleList *)at = (DoubleList){arena_memdup(p->arena, data.text, data.len), n};
    return true;
  }
  return false;
}

static int find_field(const Parser *p, const StateField *fields) {
  for (int i = 0; fields[i].name; i++)
    if (token_is_word(p->source, &p->tok, fields[i].name)) return i;
  return -1;
}

static bool unknown_field(Parser *p, const Observer *o) {
  StrBuf names;
  int n;
  const char *text = parser_shown(p, p->tok, &n);
  strbuf_init(&names, p->arena);
  for (const StateField *f = o->fields; f->name; f++)
    strbuf_printf(&names, "%s%s", f == o->fields ? "" : ", ", f->name);
  return diag_error(p->diag, parser_here(p), "%s has no statistic '%.*s'; it has %s", o->name, n, text,
                    names.text);
}

/* All of them but for those that an observer without samples does not have. */
static bool check_complete(Parser *p, const Observer *o, const SrcLoc *given, int64_t samples, SrcLoc entry) {
  for (int i = 0; o->fields[i].name; i++) {
    bool wanted = i == 0 || samples > 0;
    if (wanted && !given[i].source)
      return diag_error(p->diag, entry, "the statistic '%s' is missing", o->fields[i].name);
    if (!wanted && given[i].source)
      return diag_error(p->diag, given[i], "without samples there is no '%s'", o->fields[i].name);
  }
  return true;
}

static bool parse_fields(Parser *p, const Observer *o, void *state, SrcLoc entry, int64_t *samples) {
  SrcLoc given[MAX_FIELDS] = {{0}};
  Token open = p->tok;
  if (!parser_expect(p, '{', "before the statistics")) return false;
  while (!parser_at(p, '}')) {
    if (p->tok.kind == TOK_END) {
      parser_expected(p, "'}' at the end of the statistics");
      diag_note(p->diag, parser_loc(p, open, open), "they begin here");
      return false;
    }
    if (p->tok.kind != TOK_WORD) return parser_expected(p, "the name of a statistic");
    int i = find_field(p, o->fields);
    if (i < 0) return unknown_field(p, o);
    if (given[i].source)
      return diag_error(p->diag, parser_here(p), "'%s' stands here twice", o->fields[i].name);
    given[i] = parser_here(p);
    parser_advance(p);
    if (!parser_expect(p, '=', "and a value") || !parse_value(p, &o->fields[i], state)) return false;
  }
  parser_advance(p);
  *samples = *(int64_t *)((char *)state + o->fields[0].offset);
  if (!check_complete(p, o, given, *samples, entry)) return false;
  const char *wrong = *samples > 0 ? o->check(state) : NULL;
  return !wrong || diag_error(p->diag, entry, "%s", wrong);
}

/* --- observers --- */

/* Do two observers gather the same statistics, and differ in what they make of them? */
static bool gather_alike(const Observer *a, const Observer *b) {
  return a && a->observe == b->observe && a->fields == b->fields;
}

static bool parse_param(Parser *p, const ObserverSpec *wanted, ObserverSpec *found, uint32_t *given) {
  if (p->tok.kind != TOK_WORD) return parser_expected(p, "the name of a parameter");
  const char *name = token_text(p->arena, p->source, &p->tok), *error;
  SrcLoc loc = parser_here(p);
  parser_advance(p);
  if (!parser_expect(p, '=', "and the parameter's value")) return false;
  if (p->tok.kind != TOK_NUMBER && p->tok.kind != TOK_WORD) return parser_expected(p, "a value");
  error = observer_set_text(p->arena, found, name, token_text(p->arena, p->source, &p->tok));
  if (error) return diag_error(p->diag, loc, "%s", error);
  parser_advance(p);
  const ObserverParam *params = wanted->observer->params;
  for (int i = 0; params[i].name; i++)
    if (!strcmp(params[i].name, name)) {
      if (*given & 1u << i) return diag_error(p->diag, loc, "'%s' stands here twice", name);
      *given |= 1u << i;
    }
  return true;
}

/* The parameters on which the statistics depend must be this run's. */
static bool check_params(Parser *p, const ObserverSpec *wanted, const ObserverSpec *found, uint32_t given,
                         SrcLoc loc) {
  const ObserverParam *params = wanted->observer->params;
  for (int i = 0; params[i].name; i++) {
    if (params[i].late) continue;
    const char *name = params[i].name;
    if (!(given & 1u << i))
      return diag_error(p->diag, loc, "the parameter '%s' of %s is missing", name, wanted->observer->name);
    double have = found->param[i], want = wanted->param[i];
    if (have == want) continue;
    const char *const *c = params[i].choices;
    if (c)
      return diag_error(p->diag, loc, "these statistics were gathered with %s = %s, this run wants %s", name,
                        c[(int)have], c[(int)want]);
    return diag_error(p->diag, loc, "these statistics were gathered with %s = %.9g, this run wants %.9g",
                      name, have, want);
  }
  return true;
}

/* The observer as the file has it, which must be the group's, or gather the same. */
static bool parse_observer(Parser *p, const PlanGroup *g) {
  const ObserverSpec *wanted = &g->spec;
  ObserverSpec found = *wanted; /* with parameters in the order of the group's observer */
  uint32_t given = 0;
  if (p->tok.kind != TOK_WORD) return parser_expected(p, "the name of an observer");
  const char *name = token_text(p->arena, p->source, &p->tok);
  SrcLoc loc = parser_here(p);
  const Observer *o =
      strcmp(wanted->observer->name, name) ? observer_find(name, strlen(name)) : wanted->observer;
  if (!o) return diag_error(p->diag, loc, "there is no observer '%.60s'", name);
  if (!gather_alike(o, wanted->observer))
    return diag_error(p->diag, loc, "'%.100s' was observed by %s, this run wants %s", g->name, name,
                      wanted->observer->name);
  parser_advance(p);
  if (parser_at(p, '(')) {
    do {
      parser_advance(p);
      if (!parse_param(p, wanted, &found, &given)) return false;
    } while (parser_at(p, ','));
    if (!parser_expect(p, ')', "after the parameters")) return false;
  }
  return check_params(p, wanted, &found, given, loc);
}

/* --- entries --- */

static void follow(PlanGroup *g, void *state, size_t samples_at) {
  const Observer *o = g->spec.observer;
  if (*(int64_t *)((char *)g->state + samples_at) > 0)
    o->merge(g->state, state);
  else
    memcpy(g->state, state, o->state_size);
}

static bool unknown_tensor(Reader *r, const char *name) {
  Parser *p = &r->p;
  Suggest s = {.word = name};
  for (int i = 0; i < r->n; i++) suggest_offer(&s, r->entries[i].group->name);
  diag_error(p->diag, parser_here(p), "this run observes no tensor '%.100s'", name);
  if (s.best) diag_note(p->diag, (SrcLoc){0}, "it observes '%s'", s.best);
  return false;
}

static bool parse_entry(Reader *r) {
  Parser *p = &r->p;
  Entry *e = r->entries, *end = e + r->n;
  if (p->tok.kind != TOK_VALUE) return parser_expected(p, "a tensor's %name");
  const char *name = token_text(p->arena, p->source, &p->tok);
  SrcLoc loc = parser_here(p);
  while (e < end && strcmp(e->group->name, name)) e++;
  if (e == end) return unknown_tensor(r, name);
  if (e->loc.source) {
    diag_error(p->diag, loc, "the statistics of '%.100s' stand here twice", name);
    diag_note(p->diag, e->loc, "the first are here");
    return false;
  }
  e->loc = loc;
  parser_advance(p);
  if (!parser_expect(p, ':', "and an observer") || !parse_observer(p, e->group)) return false;
  const Observer *o = e->group->spec.observer;
  void *state = arena_alloc(p->arena, o->state_size);
  int64_t samples = 0;
  o->init(state, p->arena, &e->group->spec, 1);
  if (!parse_fields(p, o, state, loc, &samples)) return false;
  if (samples > 0) follow(e->group, state, o->fields[0].offset);
  return true;
}

/* To the next entry after an error. */
static void recover(Parser *p) {
  do parser_advance(p);
  while (p->tok.kind != TOK_END && !(p->tok.starts_line && p->tok.kind == TOK_VALUE));
}

static void parse_file(Reader *r) {
  Parser *p = &r->p;
  int64_t version;
  if (!token_is_word(p->source, &p->tok, "calibration")) {
    parser_expected(p, "`calibration 1 {`");
    return;
  }
  parser_advance(p);
  if (!parse_integer(p, "the version of the format", 1, 1, &version)) return;
  Token open = p->tok;
  if (!parser_expect(p, '{', "before the statistics")) return;
  while (!parser_at(p, '}')) {
    if (parser_errors(p) >= p->diag->max_errors) return;
    if (p->tok.kind == TOK_END) {
      parser_expected(p, "'}' at the end of the statistics");
      diag_note(p->diag, parser_loc(p, open, open), "they begin here");
      return;
    }
    if (!parse_entry(r)) recover(p);
  }
  parser_advance(p);
  if (p->tok.kind != TOK_END) parser_expected(p, "nothing after the statistics");
}

bool stats_read(Diag *d, Arena *a, const Source *source, Plan *plan) {
  if (!parser_check_text(d, source)) return false;
  Reader r = {.p = {.diag = d,
                    .arena = a,
                    .source = source,
                    .lexer = lexer_at_start(source),
                    .errors_before = d->errors}};
  r.entries = ARENA_NEW_ARRAY(a, Entry, (size_t)plan->n_groups + 1);
  for (int i = 0; i < plan->n_groups; i++)
    if (plan_group_observes(plan->groups[i])) r.entries[r.n++].group = plan->groups[i];
  parser_advance(&r.p);
  parse_file(&r);
  if (parser_errors(&r.p)) return false;
  for (int i = 0; i < r.n; i++)
    if (!r.entries[i].loc.source)
      diag_error(d, (SrcLoc){.source = &(Source){.path = source->path}},
                 "has no statistics of the tensor '%.100s'", r.entries[i].group->name);
  return !parser_errors(&r.p);
}

bool stats_is_file(const char *path) {
  static const char first[] = "calibration";
  char head[4096] = {0};
  size_t len = strlen(path), suffix = strlen(".calib");
  if (len >= suffix && !strcmp(path + len - suffix, ".calib")) return true;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  if (fd < 0) return false;
  bool regular = !fstat(fd, &st) && S_ISREG(st.st_mode) && pread(fd, head, sizeof head - 1, 0) > 0;
  close(fd);
  const Source s = {path, head, strlen(head)};
  Lexer l = lexer_at_start(&s);
  Token t = lexer_next(&l);
  return regular && token_is_word(&s, &t, first);
}
