/* Statements of the text IR: %r = op(operands) { attributes } : types from "source node". */
#include "ir/parser.h"
#include "ir/suggest.h"

#include <string.h>

enum { MAX_ATTRS = 32 };

typedef struct {
  Token results[MAX_RESULTS], op_at, last;
  int n_results;
  OpId op;
  const CustomOp *custom; /* of an OP_custom */
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

/* custom.NAME, or NAME where no op of qcc's has it. */
static const CustomOp *find_custom(const Parser *p, const char *word, size_t n, bool *named_so) {
  size_t prefix = sizeof CUSTOM_PREFIX - 1;
  *named_so = n > prefix && !memcmp(word, CUSTOM_PREFIX, prefix);
  return *named_so ? custom_find(p->customs, word + prefix, n - prefix) : custom_find(p->customs, word, n);
}

static bool parse_op(Parser *p, Stmt *s) {
  if (p->tok.kind != TOK_WORD) return parser_expected(p, "an op");
  bool named_custom;
  s->op_at = p->tok;
  size_t n = p->tok.end - p->tok.begin;
  s->op = op_from_name(p->source->text + p->tok.begin, n);
  if (s->op == OP_COUNT || s->op == OP_custom) {
    s->custom = find_custom(p, p->source->text + p->tok.begin, n, &named_custom);
    s->op = s->custom ? OP_custom : OP_COUNT;
  }
  if (s->op == OP_COUNT) {
    Suggest sg = {.word = token_text(p->arena, p->source, &p->tok)};
    for (int i = 0; i < OP_COUNT && !named_custom; i++)
      if (i != OP_custom) suggest_offer(&sg, op_info[i]->name);
    for (int i = 0; p->customs && i < p->customs->n; i++)
      suggest_offer(
          &sg, arena_printf(p->arena, "%s%s", named_custom ? CUSTOM_PREFIX : "", p->customs->ops[i]->name));
    if (named_custom && !sg.best)
      return diag_error(p->diag, parser_here(p), "unknown custom operator '%.60s': no file of -custom has it",
                        sg.word);
    return diag_error(p->diag, parser_here(p), "unknown op '%.60s'%s%s%s", sg.word,
                      sg.best ? "; did you mean '" : "", sg.best ? sg.best : "", sg.best ? "'?" : "");
  }
  parser_advance(p);
  return true;
}

static bool parse_operand(Parser *p, Tensor **t) {
  *t = NULL;
  if (p->tok.kind == TOK_VALUE || p->tok.kind == TOK_CONST) {
    *t = parser_resolve(p, p->tok);
  } else if (!token_is_word(p->source, &p->tok, "_")) {
    if (!parser_at(p, '[') && !parser_at_number(p))
      return parser_expected(p, "an operand (%name, @name, a number, a list or _)");
    Type type = {0};
    const void *data;
    SrcLoc loc = parser_here(p);
    if (!parse_literal(p, &type, &data)) return false;
    *t = graph_constant(p->graph, NULL, type, data, loc);
    parser_make_soft(p, *t);
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

/* An IntList or a RealList. */
static bool parse_list(Parser *p, const AttrDesc *a, void *field) {
  Token open = p->tok;
  IntList ints = {0};
  RealList reals = {0};
  int n = 0;
  if (!parser_expect(p, '[', "before the attribute's list")) return false;
  for (; !parser_at(p, ']'); n++) {
    if (n && !parser_expect(p, ',', "between the elements of the list")) return false;
    if (n == MAX_RANK * 2)
      return diag_error(p->diag, parser_here(p), "an attribute's list has at most %d elements", MAX_RANK * 2);
    if (a->kind == ATTR_REALS ? !parse_float(p, &reals.v[n])
                              : !parse_integer(p, "an integer element", INT64_MIN, INT64_MAX, &ints.v[n]))
      return false;
  }
  ints.n = reals.n = n;
  if (a->kind == ATTR_REALS) {
    *(RealList *)field = reals;
  } else {
    *(IntList *)field = ints;
  }
  if (a->count && n != a->count)
    return diag_error(p->diag, parser_loc(p, open, p->tok), "'%s' takes %d elements, not %d", a->name,
                      a->count, n);
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
    return parse_integer(p, "an integer", INT64_MIN, INT64_MAX, field);
  case ATTR_INTS:
  case ATTR_REALS:
    return parse_list(p, a, field);
  case ATTR_FLOAT:
    return parse_float(p, field);
  case ATTR_BOOL:
    return parse_bool(p, field);
  case ATTR_ENUM:
    return parse_enum(p, a, field);
  }
  return false;
}

static const AttrDesc *attrs_of(const Node *n) {
  return n->op == OP_custom ? custom_op(n)->attrs : op_info[n->op]->attrs;
}

static const AttrDesc *find_attr(const Node *n, const char *name, size_t len) {
  for (const AttrDesc *a = attrs_of(n); a && a->name; a++)
    if (strlen(a->name) == len && !memcmp(a->name, name, len)) return a;
  return NULL;
}

static bool unknown_attr(Parser *p, const Node *n) {
  const char *op = n->op == OP_custom ? custom_op(n)->name : op_info[n->op]->name;
  Suggest s = {.word = token_text(p->arena, p->source, &p->tok)};
  StrBuf all;
  strbuf_init(&all, p->arena);
  for (const AttrDesc *a = attrs_of(n); a && a->name; a++) {
    suggest_offer(&s, a->name);
    strbuf_printf(&all, "%s%s", all.len ? ", " : "", a->name);
  }
  if (s.best)
    return diag_error(p->diag, parser_here(p), "%s has no attribute '%.60s'; did you mean '%s'?", op, s.word,
                      s.best);
  return diag_error(p->diag, parser_here(p), "%s has no attribute '%.60s' (it has %s)", op, s.word,
                    all.len ? all.text : "none");
}

static bool parse_attrs(Parser *p, Node *n) {
  SrcLoc given[MAX_ATTRS] = {{0}};
  parser_advance(p); /* the opening brace */
  for (bool first = true; !parser_at(p, '}'); first = false) {
    if (!first && !parser_expect(p, ',', "or '}' after the attribute")) return false;
    if (p->tok.kind != TOK_WORD) return parser_expected(p, "an attribute's name");
    const AttrDesc *a = find_attr(n, p->source->text + p->tok.begin, p->tok.end - p->tok.begin);
    if (!a) return unknown_attr(p, n);
    SrcLoc *before = &given[a - attrs_of(n)];
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
    names[i] = parser_claim(p, s->results[i]);
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
  if (s->custom) *ATTRS(n, CustomAttrs) = *s->custom->defaults;
  for (int i = 0; i < s->n_results; i++) {
    n->results[i]->loc = parser_loc(p, s->results[i], s->results[i]);
    if (!names[i]) parser_make_soft(p, n->results[i]);
  }
  if (parser_at(p, '{') && !parse_attrs(p, n)) return false;
  if (parser_at(p, ':') && !parse_result_types(p, s)) return false;
  if (token_is_word(p->source, &p->tok, "from") && !parse_source_name(p, n)) return false;
  if (token_is_word(p->source, &p->tok, "in_float")) {
    n->in_float = true;
    parser_advance(p);
  }
  if (claimed) infer_results(p, n, s);
  return true;
}

bool parse_statement(Parser *p) {
  Stmt s = {0};
  if (parse_results(p, &s) && parse_op(p, &s) && parse_operands(p, &s)) return parse_after_operands(p, &s);
  for (int i = 0; i < s.n_results; i++) parser_put_erroneous(p, s.results[i]);
  return false;
}
