#include "ir/lex.h"

#include <string.h>

/* Not <ctype.h>: that depends on the locale. */
static bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
static bool is_word_start(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_word(unsigned char c) {
  return is_word_start(c) || is_digit(c) || c == '.' || c == '$' || c == '-';
}
static bool is_space(unsigned char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static int hex_value(unsigned char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The byte at offset i; 0 past the end (a source with zero bytes in it is refused before it gets here). */
static unsigned char peek(const Lexer *l, uint32_t i) {
  return i < l->source->len ? (unsigned char)l->source->text[i] : 0;
}

Lexer lexer_at_start(const Source *source) {
  bool bom = source->len >= 3 && !memcmp(source->text, "\xEF\xBB\xBF", 3);
  return (Lexer){source, bom ? 3 : 0};
}

/* Skips spaces and comments; true where a line break was among them, or at the start of the text. */
static bool skip_space(Lexer *l) {
  bool line = l->pos == 0;
  for (;;) {
    unsigned char c = peek(l, l->pos);
    if (is_space(c)) {
      line |= c == '\n';
      l->pos++;
    } else if (c == '/' && peek(l, l->pos + 1) == '/') {
      while (l->pos < l->source->len && peek(l, l->pos) != '\n') l->pos++;
    } else {
      return line;
    }
  }
}

static void bad(Token *t, const char *error) {
  t->kind = TOK_BAD;
  t->error = error;
}

/* `i` is just behind the opening quote. Sets t->end behind the closing one. */
static void lex_quoted(const Lexer *l, Token *t, uint32_t i) {
  uint32_t first = i;
  for (;; i++) {
    unsigned char c = peek(l, i);
    if (i >= l->source->len || c == '\n' || c == '\r') {
      t->end = first; /* the caret goes under the opening quote */
      bad(t, "the string has no closing quote on this line");
      return;
    }
    if (c == '"') break;
    if (c < 32 || c == 127) {
      t->begin = i;
      t->end = i + 1;
      bad(t, "control bytes in strings are written \\xHH");
      return;
    }
    if (c != '\\') continue;
    unsigned char e = peek(l, i + 1);
    bool hex = e == 'x' && hex_value(peek(l, i + 2)) >= 0 && hex_value(peek(l, i + 3)) >= 0;
    bool nul = hex && peek(l, i + 2) == '0' && peek(l, i + 3) == '0';
    if (nul || (!hex && (!e || !strchr("\"\\ntr", e)))) {
      t->begin = i;
      t->end = i + (nul ? 4 : e >= 32 ? 2 : 1);
      bad(t, nul ? "names and strings hold no zero bytes"
                 : "unknown escape: strings have \\\" \\\\ \\n \\t \\r and \\xHH");
      return;
    }
    i += hex ? 3 : 1;
  }
  t->end = i + 1;
  if (i == first && t->kind != TOK_STRING) bad(t, "a name cannot be empty");
}

static void lex_name(const Lexer *l, Token *t) {
  uint32_t i = t->begin + 1;
  t->kind = peek(l, t->begin) == '%' ? TOK_VALUE : TOK_CONST;
  if (peek(l, i) == '"') {
    lex_quoted(l, t, i + 1);
    return;
  }
  while (is_word(peek(l, i)) || (peek(l, i) == '/' && peek(l, i + 1) != '/')) i++;
  t->end = i;
  if (i == t->begin + 1) bad(t, "a name is missing here");
}

static void lex_number(const Lexer *l, Token *t) {
  uint32_t i = t->begin + (peek(l, t->begin) == '-');
  int digits = 0;
  bool ok = true;
  t->kind = TOK_NUMBER;
  if (is_word_start(peek(l, i))) { /* -inf, -nan */
    uint32_t word = i;
    while (is_word(peek(l, i))) i++;
    ok = i - word == 3 &&
         (!memcmp(l->source->text + word, "inf", 3) || !memcmp(l->source->text + word, "nan", 3));
  } else {
    for (; is_digit(peek(l, i)); i++) digits++;
    if (peek(l, i) == '.')
      for (i++; is_digit(peek(l, i)); i++) digits++;
    ok = digits > 0;
    if (ok && (peek(l, i) == 'e' || peek(l, i) == 'E')) {
      i++;
      if (peek(l, i) == '-' || peek(l, i) == '+') i++;
      ok = is_digit(peek(l, i));
      while (is_digit(peek(l, i))) i++;
    }
    if (is_word(peek(l, i))) ok = false;
    while (is_word(peek(l, i))) i++;
  }
  t->end = i > t->begin ? i : t->begin + 1;
  if (!ok) bad(t, "malformed number");
}

Token lexer_next(Lexer *l) {
  Token t = {.starts_line = skip_space(l)};
  unsigned char c = peek(l, l->pos);
  t.begin = l->pos;
  t.end = l->pos;
  if (l->pos >= l->source->len) return t; /* TOK_END */
  if (c == '%' || c == '@') {
    lex_name(l, &t);
  } else if (c == '"') {
    t.kind = TOK_STRING;
    lex_quoted(l, &t, l->pos + 1);
  } else if (is_word_start(c)) {
    t.kind = TOK_WORD;
    while (is_word(peek(l, t.end))) t.end++;
  } else if (is_digit(c) || c == '-' || c == '.') {
    lex_number(l, &t);
  } else {
    t.end++;
    if (c && strchr("{}()[]<>=:,", c)) {
      t.kind = TOK_PUNCT;
      t.punct = (char)c;
    } else {
      bad(&t, c < 32 || c >= 127 ? "this byte has no meaning outside of strings and comments"
                                 : "this character has no meaning outside of strings and comments");
    }
  }
  l->pos = t.end;
  return t;
}

bool token_is_word(const Source *s, const Token *t, const char *word) {
  size_t n = t->end - t->begin;
  return t->kind == TOK_WORD && strlen(word) == n && !memcmp(s->text + t->begin, word, n);
}

char *token_text(Arena *a, const Source *s, const Token *t) {
  const char *p = s->text + t->begin, *end = s->text + t->end;
  p += t->kind == TOK_VALUE || t->kind == TOK_CONST;
  if (p == end || *p != '"') return arena_strndup(a, p, (size_t)(end - p));
  char *text = arena_alloc(a, (size_t)(end - p)), *q = text;
  for (p++, end--; p < end; p++) {
    if (*p != '\\') {
      *q++ = *p;
      continue;
    }
    static const char from[] = "ntr", to[] = "\n\t\r";
    const char *plain = strchr(from, *++p);
    if (*p == 'x') {
      *q++ = (char)(hex_value((unsigned char)p[1]) * 16 + hex_value((unsigned char)p[2]));
      p += 2;
    } else {
      *q++ = plain ? to[plain - from] : *p;
    }
  }
  return text;
}

/* The length of the UTF-8 sequence at s if it is well formed and shows itself as what it is: no control
 * characters, and none of the invisible ones that reorder or hide text. Otherwise 0. */
static int printable_utf8(const unsigned char *s) {
  int n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  uint32_t c = s[0] & (0x7Fu >> n), least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
  for (int i = 1; i < n; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
    c = c << 6 | (s[i] & 0x3Fu);
  }
  bool valid = c >= least[n] && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
  bool hidden = c < 0xA0 || c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
                (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFF) || c >= 0xE0000;
  return valid && !hidden ? n : 0;
}

void put_string(StrBuf *out, const char *s) {
  static const char special[] = "\"\\\n\t\r", escape[] = "\"\\ntr";
  strbuf_puts(out, "\"");
  for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
    const char *e = strchr(special, *p);
    int n;
    if (e) {
      strbuf_printf(out, "\\%c", escape[e - special]);
    } else if (*p >= 32 && *p < 127) {
      strbuf_put(out, p, 1);
    } else if ((n = printable_utf8(p)) > 0) {
      strbuf_put(out, p, (size_t)n);
      p += n - 1;
    } else {
      strbuf_printf(out, "\\x%02x", *p);
    }
  }
  strbuf_puts(out, "\"");
}

void put_name(StrBuf *out, char sigil, const char *name) {
  bool plain = *name;
  for (const char *p = name; *p && plain; p++)
    plain = is_word((unsigned char)*p) || (*p == '/' && p[1] != '/');
  strbuf_put(out, &sigil, 1);
  if (plain) {
    strbuf_puts(out, name);
  } else {
    put_string(out, name);
  }
}

void put_word(StrBuf *out, const char *word) {
  bool plain = is_word_start((unsigned char)*word);
  for (const char *p = word; *p && plain; p++) plain = is_word((unsigned char)*p);
  if (plain) {
    strbuf_puts(out, word);
  } else {
    put_string(out, word);
  }
}
