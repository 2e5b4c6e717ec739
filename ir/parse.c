/* The text IR's parser: the file, its items and statements. One pass, no look-back; after an error it goes on
 * at the next line that starts an item, with whatever the bad one would have defined marked as erroneous
 * (DT_NONE), so that what follows from an error is not reported as another one. */
#include "ir/parser.h"
#include "ir/suggest.h"
#include "ir/text.h"

#include <string.h>

enum { MAX_RESULTS = 16, MAX_ATTRS = 32, SHOWN = 60 };

void parser_advance(Parser *p) { p->tok = lexer_next(&p->lexer); }

SrcLoc parser_loc(const Parser *p, Token from, Token to) {
  return (SrcLoc){.source = p->source, .begin = from.begin, .end = to.end};
}

SrcLoc parser_here(const Parser *p) { return parser_loc(p, p->tok, p->tok); }

bool parser_at(const Parser *p, char punct) { return p->tok.kind == TOK_PUNCT && p->tok.punct == punct; }

/* The token's text for a message, with its length for "%.*s". */
static const char *shown(const Parser *p, Token t, int *len) {
  int n = (int)(t.end - t.begin);
  *len = n > SHOWN ? SHOWN : n;
  return p->source->text + t.begin;
}

bool parser_expected(Parser *p, const char *what) {
  int n;
  const char *text = shown(p, p->tok, &n);
  if (p->tok.kind == TOK_BAD) return diag_error(p->diag, parser_here(p), "%s", p->tok.error);
  if (p->tok.kind == TOK_END)
    return diag_error(p->diag, parser_here(p), "expected %s, found the end of the file", what);
  return diag_error(p->diag, parser_here(p), "expected %s, found '%.*s'", what, n, text);
}

bool parser_expect(Parser *p, char punct, const char *where) {
  if (!parser_at(p, punct)) {
    char what[80];
    snprintf(what, sizeof what, "'%c' %s", punct, where);
    return parser_expected(p, what);
  }
  parser_advance(p);
  return true;
}

/* ---- names ---- */

static void make_soft(Parser *p, Tensor *t) { strmap_put(p->soft, t->name, t); }

/* Gives a soft tensor another name, which is soft too. */
static void yield_name(Parser *p, Tensor *t) {
  strmap_put(p->soft, t->name, NULL);
  strmap_put(p->graph->tensors, t->name, NULL);
  do {
    t->name = arena_printf(p->arena, "t%d", ++p->graph->next_id);
  } while (graph_find(p->graph, t->name));
  strmap_put(p->graph->tensors, t->name, t);
  make_soft(p, t);
}

/* The name that the token defines; NULL after an error where it is taken. */
static const char *claim_name(Parser *p, Token t) {
  char *name = token_text(p->arena, p->source, &t);
  Tensor *taken = graph_find(p->graph, name);
  if (taken && strmap_get(p->soft, name)) {
    yield_name(p, taken);
  } else if (taken) {
    int n;
    const char *text = shown(p, t, &n);
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is defined twice", n, text);
    diag_note(p->diag, taken->loc, "first defined here");
    return NULL;
  }
  return name;
}

/* An erroneous tensor of that name. */
static Tensor *put_erroneous(Parser *p, Token t) {
  char *name = token_text(p->arena, p->source, &t);
  Tensor *old = graph_find(p->graph, name);
  return old ? old : graph_tensor(p->graph, name, (Type){0}, parser_loc(p, t, t));
}

/* The place where a later line defines that name; false where none does. */
static bool find_later(const Parser *p, const char *name, SrcLoc *loc) {
  Lexer l = p->lexer;
  for (Token t = lexer_next(&l); t.kind != TOK_END; t = lexer_next(&l)) {
    if (t.kind != TOK_VALUE || strcmp(token_text(p->arena, p->source, &t), name)) continue;
    Token next = lexer_next(&(Lexer){l.source, l.pos});
    *loc = parser_loc(p, t, t);
    if (next.kind == TOK_PUNCT && (next.punct == '=' || next.punct == ':')) return true;
  }
  return false;
}

static void offer_values(const Graph *g, Suggest *s) {
  for (int i = 0; i < g->n_inputs; i++) suggest_offer(s, g->inputs[i]->name);
  for (const Node *n = g->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) suggest_offer(s, n->results[i]->name);
}

static Tensor *undefined_value(Parser *p, Token t, const char *name) {
  int n;
  const char *text = shown(p, t, &n);
  SrcLoc later;
  Suggest s = {.word = name};
  offer_values(p->graph, &s);
  if (find_later(p, name, &later)) {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is used before it is defined", n, text);
    diag_note(p->diag, later, "defined here");
  } else if (s.best) {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is not defined; did you mean '%%%.60s'?", n, text,
               s.best);
  } else {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is not defined", n, text);
  }
  Tensor *e = put_erroneous(p, t);
  make_soft(p, e);
  return e;
}

/* An @name without a declaration: the array of that name, with the array's type. */
static Tensor *weight_constant(Parser *p, Token t, const char *name) {
  int n;
  const char *text = shown(p, t, &n);
  bool ok = true;
  const NpyArray *array = p->weights ? npz_get(p->weights, name, &ok) : NULL;
  if (array)
    return graph_constant(p->graph, name, (Type){.dtype = array->dtype, .shape = array->shape}, array->data,
                          parser_loc(p, t, t));
  if (p->weights && ok) {
    Suggest s = {.word = name};
    for (int i = 0; i < npz_count(p->weights); i++) suggest_offer(&s, npz_name(p->weights, i));
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is neither declared nor in '%.200s'%s%.60s%s", n, text,
               p->weights_path, s.best ? "; did you mean '@" : "", s.best ? s.best : "", s.best ? "'?" : "");
  } else if (!p->weights_given) {
    diag_error(p->diag, parser_loc(p, t, t), "'%.*s' is not declared, and no `weights` file is named before",
               n, text);
  }
  Tensor *e = put_erroneous(p, t);
  make_soft(p, e);
  return e;
}

/* The tensor that a %name or @name stands for; after an error an erroneous one. */
static Tensor *resolve(Parser *p, Token t) {
  char *name = token_text(p->arena, p->source, &t);
  Tensor *found = graph_find(p->graph, name);
  bool constant = t.kind == TOK_CONST;
  if (found && strmap_get(p->soft, name) && found->data) { /* an inline literal happens to have this name */
    yield_name(p, found);
    found = NULL;
  }
  if (!found) return constant ? weight_constant(p, t, name) : undefined_value(p, t, name);
  if (found->type.dtype != DT_NONE && constant != tensor_is_const(found)) {
    int n;
    const char *text = shown(p, t, &n);
    diag_error(p->diag, parser_loc(p, t, t),
               constant ? "'%.*s' is no constant: write %%%.60s" : "'%.*s' is a constant: write @%.60s", n,
               text, name);
    diag_note(p->diag, found->loc, "defined here");
  }
  return found;
}

/* ---- items ---- */

/* A file name relative to the folder of the text. */
static const char *beside_source(Parser *p, const char *path) {
  const char *slash = strrchr(p->source->path, '/');
  if (*path == '/' || !slash) return path;
  return arena_printf(p->arena, "%.*s/%s", (int)(slash - p->source->path), p->source->path, path);
}

static void open_weights(Parser *p, const char *path, SrcLoc loc) {
  p->weights_path = path;
  p->weights = npz_open(p->diag, p->arena, path, loc);
}

/* `weights "file"` or `calibrate "file"`: the resolved name. */
static bool parse_path(Parser *p, SrcLoc *given, const char **path) {
  Token keyword = p->tok;
  parser_advance(p);
  if (p->tok.kind != TOK_STRING) return parser_expected(p, "a file name in quotes");
  if (given->source) {
    diag_error(p->diag, parser_loc(p, keyword, p->tok), "a model has only one such file");
    diag_note(p->diag, *given, "the first is here");
    return false;
  }
  char *text = token_text(p->arena, p->source, &p->tok);
  if (!*text) return diag_error(p->diag, parser_here(p), "the file name is empty");
  *given = parser_here(p);
  *path = beside_source(p, text);
  parser_advance(p);
  return true;
}

static bool parse_weights(Parser *p) {
  const char *path;
  p->weights_given = true;
  if (!parse_path(p, &p->weights_loc, &path)) return false;
  if (!p->weights_override) open_weights(p, path, p->weights_loc);
  return true;
}

static bool parse_calibrate(Parser *p) { return parse_path(p, &p->calibrate_loc, &p->graph->calibrate_path); }

static bool parse_input(Parser *p) {
  parser_advance(p);
  Token name_at = p->tok;
  if (name_at.kind != TOK_VALUE) return parser_expected(p, "the input's %name");
  const char *name = claim_name(p, name_at);
  Type type = {0};
  parser_advance(p);
  bool ok = parser_expect(p, ':', "and the input's type") && parse_type(p, &type);
  if (name) graph_input(p->graph, name, type, parser_loc(p, name_at, name_at));
  return ok; /* a name that is taken has been reported; no need to skip anything */
}

/* The data of a declared constant without a literal. */
static const void *declared_data(Parser *p, Token name_at, Token type_at, const char *name,
                                 const Type *type) {
  int n;
  const char *text = shown(p, name_at, &n);
  bool ok = true;
  SrcLoc loc = parser_loc(p, name_at, name_at);
  if (!p->weights) {
    if (!p->weights_given)
      diag_error(p->diag, loc, "'%.*s' has no value, and no `weights` file is named before", n, text);
    return NULL;
  }
  const NpyArray *array = npz_get(p->weights, name, &ok);
  if (!array) {
    if (ok)
      diag_error(p->diag, loc, "'%.*s' has no value, and '%.200s' has no such array", n, text,
                 p->weights_path);
    return NULL;
  }
  if (array->dtype == type->dtype && shape_equal(&array->shape, &type->shape)) return array->data;
  Type found = {.dtype = array->dtype, .shape = array->shape};
  diag_error(p->diag, (SrcLoc){.source = p->source, .begin = type_at.begin, .end = p->tok.begin},
             "'%.*s' is %s in '%.200s'", n, text, type_text(p->arena, &found), p->weights_path);
  return NULL;
}

static bool parse_const(Parser *p) {
  parser_advance(p);
  Token name_at = p->tok;
  if (name_at.kind != TOK_CONST) return parser_expected(p, "the constant's @name");
  const char *name = claim_name(p, name_at);
  Type type = {0};
  const void *data = NULL;
  parser_advance(p);
  bool ok = parser_expect(p, ':', "and the constant's type");
  Token type_at = p->tok;
  ok = ok && parse_type(p, &type);
  if (ok && parser_at(p, '=')) {
    parser_advance(p);
    ok = parse_literal(p, &type, &data);
  } else if (ok && name) {
    data = declared_data(p, name_at, type_at, name, &type);
  }
  if (name) graph_constant(p->graph, name, data ? type : (Type){0}, data, parser_loc(p, name_at, name_at));
  return ok;
}

static bool parse_output(Parser *p) {
  do {
    parser_advance(p);
    if (p->tok.kind != TOK_VALUE && p->tok.kind != TOK_CONST) return parser_expected(p, "the output's %name");
    graph_output(p->graph, resolve(p, p->tok));
    parser_advance(p);
  } while (parser_at(p, ','));
  return true;
}

/* ---- statements ---- */

typedef struct {
  Token results[MAX_RESULTS], op_at, last;
  int n_results;
  OpId op;
  Tensor **operands;
  int n_operands, cap_operands;
  Type types[MAX_RESULTS]; /* as written; DT_NONE: not written */
  SrcLoc type_locs[MAX_RESULTS];
} Stmt;

static bool parse_results(Parser *p, Stmt *s) {
  for (;;) {
    if (p->tok.kind != TOK_VALUE) return parser_expected(p, "a result's %name");
    if (s->n_results == MAX_RESULTS)
      return diag_error(p->diag, parser_here(p), "a statement has at most %d results", MAX_RESULTS);
    s->results[s->n_results++] = p->tok;
    parser_advance(p);
    if (!parser_at(p, ',')) return parser_expect(p, '=', "after the results");
    parser_advance(p);
  }
}

static bool parse_op(Parser *p, Stmt *s) {
  if (p->tok.kind != TOK_WORD) return parser_expected(p, "an op");
  s->op_at = p->tok;
  size_t n = p->tok.end - p->tok.begin;
  s->op = op_from_name(p->source->text + p->tok.begin, n);
  if (s->op == OP_COUNT) {
    Suggest sg = {.word = token_text(p->arena, p->source, &p->tok)};
    for (int i = 0; i < OP_COUNT; i++)
      if (op_info[i]) suggest_offer(&sg, op_info[i]->name);
    return diag_error(p->diag, parser_here(p), "unknown op '%.60s'%s%s%s", sg.word,
                      sg.best ? "; did you mean '" : "", sg.best ? sg.best : "", sg.best ? "'?" : "");
  }
  parser_advance(p);
  return true;
}

static bool parse_operand(Parser *p, Tensor **t) {
  *t = NULL;
  if (p->tok.kind == TOK_VALUE || p->tok.kind == TOK_CONST) {
    *t = resolve(p, p->tok);
  } else if (!token_is_word(p->source, &p->tok, "_")) {
    if (!parser_at(p, '[') && !parser_at_number(p))
      return parser_expected(p, "an operand (%name, @name, a number, a list or _)");
    Type type = {0};
    const void *data;
    SrcLoc loc = parser_here(p);
    if (!parse_literal(p, &type, &data)) return false;
    *t = graph_constant(p->graph, NULL, type, data, loc);
    make_soft(p, *t);
    return true;
  }
  parser_advance(p);
  return true;
}

static bool parse_operands(Parser *p, Stmt *s) {
  if (!parser_expect(p, '(', "before the operands")) return false;
  while (!parser_at(p, ')')) {
    if (s->n_operands && !parser_expect(p, ',', "or ')' after the operand")) return false;
    if (s->n_operands == s->cap_operands) {
      int cap = s->cap_operands ? s->cap_operands * 2 : 8;
      Tensor **bigger = ARENA_NEW_ARRAY(p->arena, Tensor *, (size_t)cap);
      if (s->n_operands) memcpy(bigger, s->operands, sizeof *bigger * (size_t)s->n_operands);
      s->operands = bigger;
      s->cap_operands = cap;
    }
    if (!parse_operand(p, &s->operands[s->n_operands])) return false;
    s->n_operands++;
  }
  s->last = p->tok;
  parser_advance(p);
  return true;
}

static bool parse_int_list(Parser *p, const AttrDesc *a, IntList *list) {
  Token open = p->tok;
  *list = (IntList){0};
  if (!parser_expect(p, '[', "before the attribute's list")) return false;
  while (!parser_at(p, ']')) {
    if (list->n && !parser_expect(p, ',', "between the elements of the list")) return false;
    if (list->n == MAX_RANK * 2)
      return diag_error(p->diag, parser_here(p), "an attribute's list has at most %d elements", MAX_RANK * 2);
    if (!parse_integer(p, "an element", INT64_MIN, INT64_MAX, &list->v[list->n])) return false;
    list->n++;
  }
  if (a->count && list->n != a->count)
    return diag_error(p->diag, parser_loc(p, open, p->tok), "'%s' takes %d elements, not %d", a->name,
                      a->count, list->n);
  parser_advance(p);
  return true;
}

static bool parse_bool(Parser *p, bool *out) {
  *out = token_is_word(p->source, &p->tok, "true");
  if (!*out && !token_is_word(p->source, &p->tok, "false")) return parser_expected(p, "true or false");
  parser_advance(p);
  return true;
}

static bool parse_enum(Parser *p, const AttrDesc *a, int *out) {
  StrBuf names;
  strbuf_init(&names, p->arena);
  for (int i = 0; a->values[i]; i++) {
    if (token_is_word(p->source, &p->tok, a->values[i])) {
      *out = i;
      parser_advance(p);
      return true;
    }
    strbuf_printf(&names, "%s%s", i ? " or " : "", a->values[i]);
  }
  return parser_expected(p, names.text);
}

static bool parse_attr_value(Parser *p, const AttrDesc *a, void *attrs) {
  void *field = (char *)attrs + a->offset;
  switch (a->kind) {
  case ATTR_INT:
    return parse_integer(p, "the attribute's integer", INT64_MIN, INT64_MAX, field);
  case ATTR_INTS:
    return parse_int_list(p, a, field);
  case ATTR_FLOAT:
    return parse_float(p, field);
  case ATTR_BOOL:
    return parse_bool(p, field);
  case ATTR_ENUM:
    return parse_enum(p, a, field);
  }
  return false;
}

static bool unknown_attr(Parser *p, OpId op) {
  Suggest s = {.word = token_text(p->arena, p->source, &p->tok)};
  StrBuf all;
  strbuf_init(&all, p->arena);
  for (const AttrDesc *a = op_info[op]->attrs; a && a->name; a++) {
    suggest_offer(&s, a->name);
    strbuf_printf(&all, "%s%s", all.len ? ", " : "", a->name);
  }
  if (s.best)
    return diag_error(p->diag, parser_here(p), "%s has no attribute '%.60s'; did you mean '%s'?",
                      op_info[op]->name, s.word, s.best);
  return diag_error(p->diag, parser_here(p), "%s has no attribute '%.60s' (it has %s)", op_info[op]->name,
                    s.word, all.len ? all.text : "none");
}

static bool parse_attrs(Parser *p, Node *n) {
  SrcLoc given[MAX_ATTRS] = {{0}};
  parser_advance(p); /* the opening brace */
  for (bool first = true; !parser_at(p, '}'); first = false) {
    if (!first && !parser_expect(p, ',', "or '}' after the attribute")) return false;
    if (p->tok.kind != TOK_WORD) return parser_expected(p, "an attribute's name");
    const AttrDesc *a = op_attr(n->op, p->source->text + p->tok.begin, p->tok.end - p->tok.begin);
    if (!a) return unknown_attr(p, n->op);
    SrcLoc *before = &given[a - op_info[n->op]->attrs];
    if (before->source) {
      diag_error(p->diag, parser_here(p), "'%s' is given twice", a->name);
      diag_note(p->diag, *before, "first given here");
      return false;
    }
    *before = parser_here(p);
    parser_advance(p);
    if (!parser_expect(p, '=', "after the attribute's name") || !parse_attr_value(p, a, n->attrs))
      return false;
  }
  parser_advance(p);
  return true;
}

static bool parse_result_types(Parser *p, Stmt *s) {
  int n = 0;
  do {
    parser_advance(p); /* the colon or comma */
    Token first = p->tok;
    if (n == s->n_results) return diag_error(p->diag, parser_here(p), "more types than results");
    if (!parse_type(p, &s->types[n])) return false;
    s->type_locs[n++] = parser_loc(p, first, first);
  } while (parser_at(p, ','));
  if (n < s->n_results)
    return diag_error(p->diag, s->type_locs[0], "%d results, but %d type%s: give all or none", s->n_results,
                      n, n == 1 ? "" : "s");
  return true;
}

/* Infers the results' types; where they are written they must agree, and where nothing else tells them they
 * must be written. Errors here are no syntax errors: nothing has to be skipped. */
static void infer_results(Parser *p, Node *n, const Stmt *s) {
  const char *op = op_info[n->op]->name;
  for (int i = 0; i < n->n_results; i++) n->results[i]->type = s->types[i];
  if (!node_infer(p->diag, n)) return; /* what is written is believed */
  for (int i = 0; i < n->n_results; i++) {
    Tensor *r = n->results[i];
    if (r->type.dtype == DT_NONE) {
      diag_error(p->diag, r->loc, "the result's type must be written: %s takes its quantization from there",
                 op);
    } else if (s->types[i].dtype != DT_NONE && !type_equal(&r->type, &s->types[i])) {
      diag_error(p->diag, s->type_locs[i], "the type is written as %s, but %s gives %s",
                 type_text(p->arena, &s->types[i]), op, type_text(p->arena, &r->type));
      diag_note(p->diag, node_loc(n), "inferred here");
      r->type = s->types[i];
    }
  }
}

static bool parse_source_name(Parser *p, Node *n) {
  parser_advance(p);
  if (p->tok.kind != TOK_STRING) return parser_expected(p, "the source model's node in quotes");
  n->name = token_text(p->arena, p->source, &p->tok);
  parser_advance(p);
  return true;
}

static bool parse_after_operands(Parser *p, Stmt *s) {
  const char *names[MAX_RESULTS];
  bool claimed = true;
  for (int i = 0; i < s->n_results; i++) {
    names[i] = claim_name(p, s->results[i]);
    claimed &= names[i] != NULL;
    for (int j = 0; j < i && names[i]; j++)
      if (names[j] && !strcmp(names[i], names[j])) {
        claimed =
            diag_error(p->diag, parser_loc(p, s->results[i], s->results[i]), "two results have one name");
        names[i] = NULL;
      }
  }
  Node *n = graph_node(p->graph, s->op, s->operands, s->n_operands, names, s->n_results,
                       parser_loc(p, s->op_at, s->op_at), NULL);
  for (int i = 0; i < s->n_results; i++) n->results[i]->loc = parser_loc(p, s->results[i], s->results[i]);
  if (parser_at(p, '{') && !parse_attrs(p, n)) return false;
  if (parser_at(p, ':') && !parse_result_types(p, s)) return false;
  if (token_is_word(p->source, &p->tok, "from") && !parse_source_name(p, n)) return false;
  if (claimed) infer_results(p, n, s);
  return true;
}

static bool parse_statement(Parser *p) {
  Stmt s = {0};
  if (parse_results(p, &s) && parse_op(p, &s) && parse_operands(p, &s)) return parse_after_operands(p, &s);
  for (int i = 0; i < s.n_results; i++) put_erroneous(p, s.results[i]);
  return false;
}

/* ---- the file ---- */

typedef struct {
  const char *keyword;
  bool (*parse)(Parser *p); /* the keyword is the current token */
} Item;
static const Item items[] = {
    {"weights", parse_weights}, {"calibrate", parse_calibrate}, {"input", parse_input},
    {"const", parse_const},     {"output", parse_output},
};
enum { N_ITEMS = sizeof items / sizeof *items };

static const Item *find_item(const Parser *p, const Token *t) {
  for (int i = 0; i < N_ITEMS; i++)
    if (token_is_word(p->source, t, items[i].keyword)) return &items[i];
  return NULL;
}

static bool parse_item(Parser *p) {
  const Item *item = find_item(p, &p->tok);
  if (item) return item->parse(p);
  if (p->tok.kind == TOK_VALUE) return parse_statement(p);
  if (p->tok.kind != TOK_WORD) return parser_expected(p, "a statement");
  Suggest s = {.word = token_text(p->arena, p->source, &p->tok)};
  for (int i = 0; i < N_ITEMS; i++) suggest_offer(&s, items[i].keyword);
  if (!s.best) return parser_expected(p, "weights, calibrate, input, const, output or %result = ...");
  return diag_error(p->diag, parser_here(p), "unknown word '%.60s'; did you mean '%s'?", s.word, s.best);
}

/* True where the current token begins an item: `%a =` or `%a, %b =`, a keyword. */
static bool at_item_start(const Parser *p) {
  if (find_item(p, &p->tok)) return true;
  Lexer l = p->lexer;
  Token t = p->tok;
  for (int i = 0; i < MAX_RESULTS && t.kind == TOK_VALUE; i++) {
    t = lexer_next(&l);
    if (t.punct == '=') return true;
    if (t.punct != ',') return false;
    t = lexer_next(&l);
  }
  return false;
}

static bool at_model_end(const Parser *p) {
  Lexer l = p->lexer;
  return parser_at(p, '}') && lexer_next(&l).kind == TOK_END;
}

static void recover(Parser *p) {
  while (p->tok.kind != TOK_END && !at_model_end(p) && !(p->tok.starts_line && at_item_start(p)))
    parser_advance(p);
}

static void parse_items(Parser *p, Token open) {
  while (!parser_at(p, '}') && p->diag->errors < p->diag->max_errors) {
    if (p->tok.kind == TOK_END) {
      parser_expected(p, "'}' at the end of the model");
      diag_note(p->diag, parser_loc(p, open, open), "the model begins here");
      return;
    }
    uint32_t begin = p->tok.begin;
    if (parse_item(p)) continue;
    if (p->tok.begin == begin && p->tok.kind != TOK_END) parser_advance(p);
    recover(p);
  }
}

static void parse_model(Parser *p) {
  if (!token_is_word(p->source, &p->tok, "model")) {
    parser_expected(p, "`model NAME {`");
    return;
  }
  parser_advance(p);
  Token name = p->tok;
  if (name.kind != TOK_WORD && name.kind != TOK_STRING) {
    parser_expected(p, "the model's name");
    return;
  }
  p->graph = graph_new(p->arena, token_text(p->arena, p->source, &name));
  parser_advance(p);
  Token open = p->tok;
  if (!parser_expect(p, '{', "after the model's name")) return;
  parse_items(p, open);
  if (p->diag->errors >= p->diag->max_errors || !parser_at(p, '}')) return;
  SrcLoc close = parser_here(p);
  parser_advance(p);
  if (p->tok.kind != TOK_END) {
    parser_expected(p, "nothing after the model");
  } else if (!p->graph->n_outputs && !p->diag->errors) {
    diag_error(p->diag, close, "the model has no output");
  }
}

/* A binary file, or UTF-16, is told from a text by its zero bytes. */
static bool check_text(Diag *d, const Source *source) {
  SrcLoc whole = {.source = &(Source){.path = source->path}};
  if (source->len >= 2 && (!memcmp(source->text, "\xFF\xFE", 2) || !memcmp(source->text, "\xFE\xFF", 2)))
    return diag_error(d, whole, "is UTF-16 text; the text IR is UTF-8");
  if (source->len >= UINT32_MAX) return diag_error(d, whole, "is larger than the limit of 4 GiB");
  if (memchr(source->text, 0, source->len)) return diag_error(d, whole, "is no text: it has zero bytes");
  return true;
}

Graph *ir_parse(Diag *d, Arena *a, const Source *source, const char *weights_override) {
  int before = d->errors;
  if (!check_text(d, source)) return NULL;
  Parser p = {.diag = d,
              .arena = a,
              .source = source,
              .lexer = lexer_at_start(source),
              .soft = strmap_new(a),
              .weights_override = weights_override};
  if (weights_override) {
    p.weights_given = true;
    open_weights(&p, weights_override, (SrcLoc){0});
  }
  parser_advance(&p);
  parse_model(&p);
  if (p.weights) npz_close(p.weights);
  if (d->errors > before || !graph_verify(d, p.graph)) return NULL;
  return p.graph;
}
