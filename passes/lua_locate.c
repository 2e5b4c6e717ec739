#include "passes/lua_locate.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_OTHER } TokenKind;

typedef struct {
  TokenKind kind;
  int line;
  uint32_t begin, end;
} Token;

typedef struct {
  const Source *source;
  uint32_t at;
  int line;
} Lexer;

static char peek(const Lexer *l, uint32_t ahead) {
  return l->at + ahead < l->source->len ? l->source->text[l->at + ahead] : 0;
}

static bool at_end(const Lexer *l) { return l->at >= l->source->len; }

static void skip(Lexer *l, uint32_t n) {
  for (; n > 0 && !at_end(l); n--)
    if (l->source->text[l->at++] == '\n') l->line++;
}

/* At "[[", "[=[", ...: the number of signs between the brackets; -1 for anything else. */
static int long_bracket(const Lexer *l) {
  int n = 0;
  if (peek(l, 0) != '[') return -1;
  while (peek(l, 1 + (uint32_t)n) == '=') n++;
  return peek(l, 1 + (uint32_t)n) == '[' ? n : -1;
}

static void skip_long(Lexer *l, int level) {
  skip(l, (uint32_t)level + 2);
  for (; !at_end(l); skip(l, 1)) {
    int n = 0;
    if (peek(l, 0) != ']') continue;
    while (peek(l, 1 + (uint32_t)n) == '=') n++;
    if (n == level && peek(l, 1 + (uint32_t)n) == ']') {
      skip(l, (uint32_t)level + 2);
      return;
    }
  }
}

static void skip_blanks(Lexer *l) {
  for (;;) {
    if (!at_end(l) && isspace((unsigned char)peek(l, 0))) {
      skip(l, 1);
    } else if (peek(l, 0) == '-' && peek(l, 1) == '-') {
      skip(l, 2);
      int level = long_bracket(l);
      if (level >= 0)
        skip_long(l, level);
      else
        while (!at_end(l) && peek(l, 0) != '\n') skip(l, 1);
    } else {
      return;
    }
  }
}

static void skip_string(Lexer *l) {
  char quote = peek(l, 0);
  skip(l, 1);
  while (!at_end(l) && peek(l, 0) != quote && peek(l, 0) != '\n') skip(l, peek(l, 0) == '\\' ? 2 : 1);
  skip(l, peek(l, 0) == quote);
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static TokenKind skip_token(Lexer *l) {
  char c = peek(l, 0), next = peek(l, 1);
  int level = long_bracket(l);
  bool number = isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)next));
  if (level >= 0) {
    skip_long(l, level);
    return TOKEN_STRING;
  }
  if (c == '"' || c == '\'') {
    skip_string(l);
    return TOKEN_STRING;
  }
  if (number) {
    while (is_word(peek(l, 0)) || peek(l, 0) == '.' ||
           (strchr("+-", peek(l, 0)) && peek(l, 0) && strchr("eEpP", l->source->text[l->at - 1])))
      skip(l, 1);
    return TOKEN_NUMBER;
  }
  if (is_word(c)) {
    while (is_word(peek(l, 0))) skip(l, 1);
    return TOKEN_NAME;
  }
  skip(l, c && strchr("=~<>", c) && next == '=' ? 2 : 1); /* so that "=" is an assignment */
  return TOKEN_OTHER;
}

static Token next_token(Lexer *l) {
  skip_blanks(l);
  Token t = {TOKEN_END, l->line, l->at, l->at};
  if (at_end(l)) return t;
  t.kind = skip_token(l);
  t.end = l->at;
  return t;
}

/* A line that starts with # may stand in front, and a byte order mark, as in any Lua file. */
static Lexer lexer_of(const Source *s) {
  Lexer l = {s, 0, 1};
  if (!strncmp(s->text, "\xef\xbb\xbf", 3)) skip(&l, 3);
  if (peek(&l, 0) == '#')
    while (!at_end(&l) && peek(&l, 0) != '\n') skip(&l, 1);
  return l;
}

/* ---- lines ---- */

typedef struct {
  uint32_t begin;
  uint32_t token; /* the first in the line or below */
  int token_line;
} Line;

struct LuaIndex {
  const Source *source;
  Line *lines; /* by number; 0 is not used */
  int n;       /* the last one */
};

const LuaIndex *lua_index(Arena *a, const Source *s) {
  LuaIndex *x = ARENA_NEW(a, LuaIndex);
  *x = (LuaIndex){.source = s, .n = 1};
  for (size_t i = 0; i < s->len; i++) x->n += s->text[i] == '\n';
  x->lines = ARENA_NEW_ARRAY(a, Line, (size_t)x->n + 1);
  int line = 1;
  for (size_t i = 0; i < s->len; i++)
    if (s->text[i] == '\n') x->lines[++line].begin = (uint32_t)i + 1;
  Lexer l = lexer_of(s);
  Token t;
  line = 0;
  do {
    t = next_token(&l);
    for (int last = t.kind == TOKEN_END ? x->n : t.line; line <= last; line++) {
      x->lines[line].token = t.begin;
      x->lines[line].token_line = t.line;
    }
  } while (t.kind != TOKEN_END);
  return x;
}

static const Line *line_at(const LuaIndex *x, int line) {
  return &x->lines[line < 1 ? 1 : line < x->n ? line : x->n];
}

static Lexer lexer_at(const LuaIndex *x, int line) {
  const Line *l = line_at(x, line);
  return (Lexer){x->source, l->token, l->token_line};
}

/* ---- calls and words ---- */

static bool is(const Source *s, Token t, const char *text) {
  size_t n = strlen(text);
  return t.end - t.begin == n && !memcmp(s->text + t.begin, text, n);
}

static SrcLoc loc_of(const Source *s, Token t) {
  return (SrcLoc){.source = s, .begin = t.begin, .end = t.end};
}

/* The next token in `line` that calls the function; TOKEN_END: none. */
static Token next_call(Lexer *l, int line, const char *function) {
  for (Token t = next_token(l); t.kind != TOKEN_END && t.line <= line; t = next_token(l)) {
    if (t.kind != TOKEN_NAME || !is(l->source, t, function)) continue;
    Lexer ahead = *l;
    Token after = next_token(&ahead);
    if (is(l->source, after, "{") || is(l->source, after, "(") || after.kind == TOKEN_STRING) return t;
  }
  return (Token){0};
}

static SrcLoc first_word(const LuaIndex *x, int line) {
  Lexer l = lexer_at(x, line);
  return loc_of(x->source, next_token(&l));
}

SrcLoc lua_locate_call(const LuaIndex *x, int line, const char *function) {
  Lexer l = lexer_at(x, line);
  Token t = next_call(&l, line, function);
  return t.kind == TOKEN_END ? first_word(x, line) : loc_of(x->source, t);
}

/* Is the token a string or number of that value? */
static bool has_value(const Source *s, Token t, LuaValue v) {
  if (!v.text || !*v.text) return true;
  uint32_t n = t.end - t.begin;
  if (v.is_string)
    return t.kind == TOKEN_STRING && n >= 2 && strlen(v.text) == n - 2 &&
           !memcmp(s->text + t.begin + 1, v.text, n - 2);
  if (t.kind != TOKEN_NUMBER) return is(s, t, v.text);
  return strtod(s->text + t.begin, NULL) == fabs(strtod(v.text, NULL)); /* the sign is a token of its own */
}

/* `key =` or `["key"] =` at the lexer: moves behind the sign. `t` is its first token. */
static bool is_key(Lexer *l, Token *t, const char *key) {
  Lexer ahead = *l;
  Token name = *t;
  bool bracket = is(l->source, *t, "[");
  if (bracket) {
    name = next_token(&ahead);
    if (!has_value(l->source, name, (LuaValue){key, true}) || !is(l->source, next_token(&ahead), "]"))
      return false;
  } else if (t->kind != TOKEN_NAME || !is(l->source, name, key)) {
    return false;
  }
  if (!is(l->source, next_token(&ahead), "=")) return false;
  *l = ahead;
  *t = name;
  return true;
}

/* Looks through the arguments of one call, from behind the function's name. True where the value matches,
 * too; *found becomes the first key in any case. */
static bool key_in_call(Lexer *l, const char *key, LuaValue value, Token *found) {
  int braces = 0, parens = 0;
  do {
    Token t = next_token(l);
    if (t.kind == TOKEN_END) return false;
    braces += is(l->source, t, "{") - is(l->source, t, "}");
    parens += is(l->source, t, "(") - is(l->source, t, ")");
    if (braces != 1 || parens > 1 || !is_key(l, &t, key)) continue;
    Lexer ahead = *l;
    Token v = next_token(&ahead);
    if (is(l->source, v, "-")) v = next_token(&ahead);
    if (has_value(l->source, v, value)) {
      *found = t;
      return true;
    }
    if (found->kind == TOKEN_END) *found = t;
  } while (braces > 0 || parens > 0);
  return false;
}

SrcLoc lua_locate_key(const LuaIndex *x, int line, const char *function, const char *key, LuaValue value) {
  Lexer l = lexer_at(x, line);
  Token found = {0};
  while (next_call(&l, line, function).kind != TOKEN_END) {
    Lexer inside = l;
    if (key_in_call(&inside, key, value, &found)) break;
  }
  return found.kind == TOKEN_END ? (SrcLoc){0} : loc_of(x->source, found);
}

SrcLoc lua_locate_word(const LuaIndex *x, int line, const char *word) {
  const Source *s = x->source;
  size_t n = strlen(word);
  for (uint32_t i = line_at(x, line)->begin; n && i + n <= s->len && s->text[i] != '\n'; i++) {
    bool cut = (i > 0 && is_word(word[0]) && is_word(s->text[i - 1])) ||
               (is_word(word[n - 1]) && is_word(s->text[i + n])); /* part of a longer word */
    if (!cut && !memcmp(s->text + i, word, n))
      return (SrcLoc){.source = s, .begin = i, .end = i + (uint32_t)n};
  }
  return first_word(x, line);
}
