#include "compiler/c_text.h"

#include <stdlib.h>
#include <string.h>

enum {
  LEAST = 2048,      /* bytes of a body that is left out */
  MAX_LITERAL = 4095 /* of a string literal without -Woverlength-strings */
};

static const char table_begin[] = "\nstatic const ";

typedef struct {
  const char *type;
  int64_t min, max;
  bool is_float;
} ElementType;
static const ElementType element_types[] = {
    {"int8_t", INT8_MIN, INT8_MAX, false},     {"uint8_t", 0, UINT8_MAX, false},
    {"int16_t", INT16_MIN, INT16_MAX, false},  {"uint16_t", 0, UINT16_MAX, false},
    {"int32_t", -INT32_MAX, INT32_MAX, false}, {"float", 0, 0, true},
};

static const ElementType *find_type(const char *name, size_t n) {
  for (size_t i = 0; i < sizeof element_types / sizeof *element_types; i++)
    if (strlen(element_types[i].type) == n && !strncmp(element_types[i].type, name, n))
      return &element_types[i];
  return NULL;
}

size_t c_word(const char *text) {
  size_t n = 0;
  while ((text[n] >= 'a' && text[n] <= 'z') || (text[n] >= 'A' && text[n] <= 'Z') || text[n] == '_' ||
         (n && text[n] >= '0' && text[n] <= '9'))
    n++;
  return n;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static const char *blanks(const char *p) { return p + strspn(p, " \n"); }

/* `p` behind the word, or NULL. */
static const char *skip(const char *p, const char *word) {
  size_t n = strlen(word);
  return strncmp(p, word, n) ? NULL : p + n;
}

/* ---- bodies: each gives the place behind it, NULL where a compiler had better look ---- */

static const char *digits(const char *p) {
  while (is_digit(*p)) p++;
  return p;
}

/* 1.5e-3f, with at least a point or an exponent. */
static const char *float_element(const char *p) {
  static const char *const special[] = {"(0.0f / 0.0f)", "(1.0f / 0.0f)", "(-1.0f / 0.0f)"};
  for (int i = 0; i < 3; i++)
    if (skip(p, special[i])) return skip(p, special[i]);
  p += *p == '-';
  const char *first = p;
  p = digits(p);
  if (p == first) return NULL;
  const char *whole = p;
  if (*p == '.') p = digits(p + 1);
  if (*p == 'e') {
    p += 1 + (p[1] == '-' || p[1] == '+');
    if (!is_digit(*p)) return NULL;
    p = digits(p);
  }
  return p > whole && *p == 'f' ? p + 1 : NULL;
}

static const char *int_element(const char *p, const ElementType *t) {
  const char *least = t->max == INT32_MAX ? skip(p, "(-2147483647 - 1)") : NULL;
  if (least) return least;
  bool minus = *p == '-';
  const char *first = p += minus;
  int64_t n = 0;
  for (; is_digit(*p) && p - first < 11; p++) n = n * 10 + (*p - '0');
  if (p == first || (*first == '0' && p - first > 1)) return NULL;
  if (minus) n = -n;
  return n >= t->min && n <= t->max ? p : NULL;
}

/* {1, 2, ...} with `count` elements. */
static const char *list_body(const char *p, const ElementType *t, int64_t count) {
  int64_t n = 0;
  for (p = blanks(p + 1); *p != '}'; p = blanks(p)) {
    p = t->is_float ? float_element(p) : int_element(p, t);
    if (!p) return NULL;
    n++;
    if (*p == ',') {
      p++;
    } else if (*blanks(p) != '}') {
      return NULL;
    }
  }
  return n == count ? p + 1 : NULL;
}

/* Behind an escape's backslash. */
static const char *escape(const char *p) {
  if (*p == '\\' || *p == '"') return p + 1;
  int value = 0, n = 0;
  for (; n < 3 && *p >= '0' && *p <= '7'; n++) value = value * 8 + (*p++ - '0');
  return n && value <= 255 ? p : NULL;
}

/* String literals one behind the other; `count` gets their bytes. */
static const char *string_body(const char *p, int64_t *count) {
  for (*count = 0; *p == '"';) {
    for (p++; *p != '"'; ++*count) {
      if (*p < 0x20 || *p > 0x7e || (*p == '?' && p[1] == '?')) return NULL;
      p = *p == '\\' ? escape(p + 1) : p + 1;
      if (!p) return NULL;
    }
    if (*blanks(p + 1) != '"') return p + 1;
    p = blanks(p + 1);
  }
  return NULL;
}

/* ---- tables ---- */

typedef struct {
  Arena *arena;
  CCut *cuts;
  int n, cap;
  bool long_strings; /* -Woverlength-strings is off here */
} Cutter;

static void cut(Cutter *k, const Source *s, const char *begin, const char *end, const char *replace) {
  if (k->n == k->cap) {
    CCut *more = ARENA_NEW_ARRAY(k->arena, CCut, (size_t)k->cap * 2 + 16);
    if (k->n) memcpy(more, k->cuts, sizeof *more * (size_t)k->n);
    k->cuts = more;
    k->cap = k->cap * 2 + 16;
  }
  k->cuts[k->n++] = (CCut){(size_t)(begin - s->text), (size_t)(end - s->text), 0, replace};
}

/* `static const TYPE NAME[COUNT] v_aligned = BODY;`, p being at TYPE. Returns a place behind which the next
 * one can stand. */
static const char *table(Cutter *k, const Source *s, const char *p) {
  const char *start = p;
  size_t n = c_word(p);
  const ElementType *type = find_type(p, n);
  if (!type || p[n] != ' ') return start;
  p += n + 1;
  p += c_word(p);
  if (*p != '[') return start;
  const char *bound = p + 1, *bound_end = digits(bound);
  if (*bound_end != ']' || bound_end - bound > 15) return start;
  p = blanks(bound_end + 1);
  if (skip(p, "v_aligned")) p = blanks(skip(p, "v_aligned"));
  if (*p != '=') return start;
  const char *body = blanks(p + 1), *end = NULL;
  int64_t count = strtoll(bound, NULL, 10);
  bool string = *body == '"' && bound == bound_end;
  if (string)
    end = string_body(body, &count);
  else if (*body == '{' && count > 0)
    end = list_body(body, type, count);
  if (!end || *end != ';' || end - body < LEAST) return start;
  if (string && count > MAX_LITERAL && !k->long_strings) return start;
  if (string) cut(k, s, bound, bound, arena_printf(k->arena, "%lld", (long long)count + 1));
  cut(k, s, body, end, "{0}");
  return end;
}

/* Whether the text from `p` to `end` turns the warning about long literals off, or on. */
static void read_pragmas(Cutter *k, const char *p, const char *end) {
  static const char off[] = "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n",
                    pop[] = "#pragma GCC diagnostic pop\n";
  while ((p = memchr(p, '#', (size_t)(end - p)))) {
    if (skip(p, off)) k->long_strings = true;
    if (skip(p, pop)) k->long_strings = false;
    p++;
  }
}

static void put_text(CText *t, StrBuf *out, CCut *cuts) {
  const Source *s = t->source;
  size_t from = 0;
  for (int i = 0; i < t->n_cuts; i++) {
    strbuf_put(out, s->text + from, cuts[i].begin - from);
    strbuf_puts(out, cuts[i].replace);
    cuts[i].after = out->len;
    from = cuts[i].end;
  }
  strbuf_put(out, s->text + from, s->len - from);
  t->text = out->text;
  t->len = out->len;
}

CText c_text(Arena *a, const Source *s) {
  Cutter k = {.arena = a};
  CText t = {.source = s, .text = s->text, .len = s->len};
  const char *p = s->text, *end = s->text + s->len, *at;
  while ((at = memmem(p, (size_t)(end - p), table_begin, sizeof table_begin - 1))) {
    read_pragmas(&k, p, at);
    p = table(&k, s, at + sizeof table_begin - 1);
  }
  if (!k.n) return t;
  StrBuf out;
  strbuf_init(&out, a);
  t.cuts = k.cuts;
  t.n_cuts = k.n;
  put_text(&t, &out, k.cuts);
  return t;
}

size_t c_text_offset(const CText *t, size_t at) {
  size_t from = 0, text = 0; /* behind the last cut before it, on both sides */
  for (int i = 0; i < t->n_cuts; i++) {
    const CCut *c = &t->cuts[i];
    size_t begin = c->after - strlen(c->replace);
    if (at < begin) break;
    if (at < c->after) return c->begin;
    from = c->end;
    text = c->after;
  }
  return from + (at - text);
}

/* ---- words ---- */

/* The place behind a comment or literal that begins at `p`; NULL: none does. */
static const char *skip_quiet(const char *p) {
  if (p[0] == '/' && p[1] == '*') {
    const char *end = strstr(p + 2, "*/");
    return end ? end + 2 : p + strlen(p);
  }
  if (p[0] == '/' && p[1] == '/') return p + strcspn(p, "\n");
  if (*p != '"' && *p != '\'') return NULL;
  char quote = *p++;
  for (; *p && *p != quote; p++)
    if (*p == '\\' && p[1]) p++;
  return *p ? p + 1 : p;
}

/* The next identifier at or behind `p`, before `end`; NULL: there is none. */
static const char *next_word(const char *p, const char *end) {
  while (p < end) {
    const char *behind = skip_quiet(p);
    if (behind) {
      p = behind;
    } else if (is_digit(*p)) { /* 1.5f, 0x10u */
      while (c_word(p) || is_digit(*p) || *p == '.') p++;
    } else if (c_word(p)) {
      return p;
    } else {
      p++;
    }
  }
  return NULL;
}

void c_text_words(Arena *a, const char *text, size_t len, void (*found)(void *user, const char *word),
                  void *user) {
  const char *p = text, *end = text + len;
  while ((p = next_word(p, end))) {
    size_t n = c_word(p);
    found(user, arena_strndup(a, p, n));
    p += n;
  }
}

static bool is_one_of(const char *word, size_t n, const char *const *list) {
  for (; *list; list++)
    if (strlen(*list) == n && !strncmp(*list, word, n)) return true;
  return false;
}

static char *asm_template(Arena *a, const char *p) {
  StrBuf out;
  strbuf_init(&out, a);
  while (*p == '"') {
    const char *end = skip_quiet(p);
    if (end - p > 1) strbuf_put(&out, p + 1, (size_t)(end - p) - 2);
    p = end + strspn(end, " \t\n");
  }
  return out.text;
}

bool c_text_asm(Arena *a, const char *text, size_t len,
                bool (*found)(void *user, const char *template, size_t at), void *user) {
  static const char *const names[] = {"asm", "__asm", "__asm__", NULL};
  static const char *const qualifiers[] = {"volatile", "__volatile__", "__volatile", "goto", "inline", NULL};
  const char *p = text, *end = text + len;
  while ((p = next_word(p, end))) {
    size_t n = c_word(p);
    const char *word = p;
    p += n;
    if (!is_one_of(word, n, names)) continue;
    p += strspn(p, " \t\n");
    while (is_one_of(p, c_word(p), qualifiers)) {
      p += c_word(p);
      p += strspn(p, " \t\n");
    }
    const char *literal = p + (*p == '(');
    literal += strspn(literal, " \t\n");
    bool plain = *p == '(' && *literal == '"'; /* else a macro hides what it is */
    if (!found(user, plain ? asm_template(a, literal) : "?", (size_t)(word - text))) return false;
  }
  return true;
}

/* The place behind the parenthesis that closes the one at `p`. */
static const char *behind_parens(const char *p, const char *end) {
  int depth = 0;
  while (p < end) {
    const char *quiet = skip_quiet(p);
    depth += (*p == '(') - (*p == ')');
    p = quiet ? quiet : p + 1;
    if (depth <= 0) break;
  }
  return p;
}

bool c_text_attributes(Arena *a, const char *text, size_t len,
                       bool (*found)(void *user, const char *name, size_t at), void *user) {
  static const char *const names[] = {"__attribute__", "__attribute", NULL};
  const char *p = text, *end = text + len;
  while ((p = next_word(p, end))) {
    size_t n = c_word(p);
    bool is_attribute = is_one_of(p, n, names);
    p += n;
    if (!is_attribute) continue;
    const char *stop = behind_parens(p + strspn(p, " \t\n"), end);
    for (const char *w = next_word(p, stop); w; w = next_word(w + c_word(w), stop))
      if (!found(user, arena_strndup(a, w, c_word(w)), (size_t)(w - text))) return false;
    p = stop;
  }
  return true;
}

bool c_text_directives(Arena *a, const char *text, size_t len,
                       bool (*found)(void *user, const char *directive, size_t at), void *user) {
  static const char *const names[] = {"pragma", "line", NULL};
  const char *end = text + len;
  for (const char *line = text; line < end; line += strcspn(line, "\n") + 1) {
    const char *p = line + strspn(line, " \t");
    if (*p != '#') continue;
    p += 1 + strspn(p + 1, " \t");
    size_t n = strcspn(p, "\n");
    bool named = is_one_of(p, c_word(p), names);
    const char *directive = is_digit(*p)            ? "line"
                            : memmem(p, n, "##", 2) ? "##"
                            : named                 ? arena_strndup(a, p, n)
                                                    : NULL;
    if (directive && !found(user, directive, (size_t)(p - text))) return false;
  }
  return true;
}
