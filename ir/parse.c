/* The text IR's parser: the file, its items and statements. One pass, no look-back; after an error it goes on
 * at the next line that starts an item, with whatever the bad one would have defined marked as erroneous
 * (DT_NONE), so that what follows from an error is not reported as another one. */
#include "ir/parser.h"
#include "ir/suggest.h"
#include "ir/text.h"

#include <string.h>

enum { SHOWN = 60 };

/* The end of the text is put behind the last token, not behind whatever comments follow. */
void parser_advance(Parser *p) {
  uint32_t end = p->tok.end;
  p->tok = lexer_next(&p->lexer);
  if (p->tok.kind == TOK_END) p->tok.begin = p->tok.end = end;
}

int parser_errors(const Parser *p) { return p->diag->errors - p->errors_before; }

SrcLoc parser_loc(const Parser *p, Token from, Token to) {
  return (SrcLoc){.source = p->source, .begin = from.begin, .end = to.end};
}

SrcLoc parser_here(const Parser *p) { return parser_loc(p, p->tok, p->tok); }

bool parser_at(const Parser *p, char punct) { return p->tok.kind == TOK_PUNCT && p->tok.punct == punct; }

/* The token's text for a message, with its length for "%.*s". */
const char *parser_shown(const Parser *p, Token t, int *len) {
  int n = (int)(t.end - t.begin);
  *len = n > SHOWN ? SHOWN : n;
  return p->source->text + t.begin;
}

bool parser_expected(Parser *p, const char *what) {
  int n;
  const char *text = parser_shown(p, p->tok, &n);
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
  const char *name = parser_claim(p, name_at);
  Type type = {0};
  parser_advance(p);
  bool ok = parser_expect(p, ':', "and the input's type") && parse_type(p, &type);
  if (ok && type.dtype == DT_F16) {
    diag_error(p->diag, parser_loc(p, name_at, name_at), "an input cannot be f16: only constants are");
    type = (Type){0};
  }
  if (name) graph_input(p->graph, name, type, parser_loc(p, name_at, name_at));
  return ok; /* a name that is taken has been reported; no need to skip anything */
}

/* The data of a declared constant without a literal. */
static const void *declared_data(Parser *p, Token name_at, Token type_at, const char *name,
                                 const Type *type) {
  int n;
  const char *text = parser_shown(p, name_at, &n);
  bool ok = true;
  SrcLoc loc = parser_loc(p, name_at, name_at);
  if (!p->weights) {
    if (!p->weights_given)
      diag_error(p->diag, loc, "'%.*s' has no value, and no `weights` file is named before", n, text);
    return NULL;
  }
  const NpyArray *array = npz_get_stored(p->weights, name, &ok);
  if (!array) {
    if (ok)
      diag_error(p->diag, loc, "'%.*s' has no value, and '%.200s' has no such array", n, text,
                 p->weights_path);
    return NULL;
  }
  if (array->dtype == DT_F16 && type->dtype == DT_F32) array = npz_get(p->weights, name, &ok);
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
  const char *name = parser_claim(p, name_at);
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
    graph_output(p->graph, parser_resolve(p, p->tok));
    parser_advance(p);
  } while (parser_at(p, ','));
  return true;
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

/* True where the token that starts a line probably begins an item: a keyword, a word that may be a misspelt
 * one, `%a =` or `%a, %b =`, or something that begins nothing else either. */
static bool at_item_start(const Parser *p) {
  Lexer l = p->lexer;
  Token t = p->tok;
  if (find_item(p, &t) || t.kind == TOK_BAD) return true;
  if (t.kind == TOK_WORD && !token_is_word(p->source, &t, "from") &&
      !token_is_word(p->source, &t, "in_float")) {
    t = lexer_next(&l);
    return t.kind == TOK_VALUE || t.kind == TOK_CONST || t.kind == TOK_STRING;
  }
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
  while (!parser_at(p, '}') && parser_errors(p) < p->diag->max_errors) {
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
  if (parser_errors(p) >= p->diag->max_errors || !parser_at(p, '}')) return;
  SrcLoc close = parser_here(p);
  parser_advance(p);
  if (p->tok.kind != TOK_END) {
    parser_expected(p, "nothing after the model");
  } else if (!p->graph->n_outputs && !parser_errors(p)) {
    diag_error(p->diag, close, "the model has no output");
  }
}

bool parser_check_text(Diag *d, const Source *source) {
  SrcLoc whole = {.source = &(Source){.path = source->path}};
  if (source->len >= 2 && (!memcmp(source->text, "\xFF\xFE", 2) || !memcmp(source->text, "\xFE\xFF", 2)))
    return diag_error(d, whole, "is UTF-16 text; qcc reads UTF-8");
  if (source->len >= UINT32_MAX) return diag_error(d, whole, "is larger than the limit of 4 GiB");
  if (memchr(source->text, 0, source->len)) return diag_error(d, whole, "is no text: it has zero bytes");
  return true;
}

Graph *ir_parse(Diag *d, Arena *a, const Source *source, const char *weights_override) {
  return ir_parse_custom(d, a, source, weights_override, NULL);
}

Graph *ir_parse_custom(Diag *d, Arena *a, const Source *source, const char *weights_override,
                       const CustomOps *customs) {
  if (!parser_check_text(d, source)) return NULL;
  Parser p = {.diag = d,
              .arena = a,
              .source = source,
              .customs = customs,
              .lexer = lexer_at_start(source),
              .soft = strmap_new(a),
              .errors_before = d->errors,
              .weights_override = weights_override};
  if (weights_override) {
    p.weights_given = true;
    open_weights(&p, weights_override, (SrcLoc){0});
  }
  parser_advance(&p);
  parse_model(&p);
  if (p.weights) npz_close(p.weights);
  if (parser_errors(&p) || !graph_verify(d, p.graph)) return NULL;
  return p.graph;
}
