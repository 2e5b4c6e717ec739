/* Tokens of the text IR (docs/ir.md has the grammar), read one at a time from a source in memory.
 * The lexer prints nothing and never fails: what is no token comes out as TOK_BAD with the reason. */
#ifndef QCC_IR_LEX_H
#define QCC_IR_LEX_H

#include "ir/diag.h"

typedef enum {
  TOK_END,
  TOK_WORD,   /* keywords, ops, attributes, types: [A-Za-z_][A-Za-z0-9_.$-]* */
  TOK_VALUE,  /* %name or %"any bytes" */
  TOK_CONST,  /* @name or @"any bytes" */
  TOK_NUMBER, /* -1, 2.5, 1e-5, -inf */
  TOK_STRING, /* "any bytes", with escapes \" \\ \n \t \r \xHH */
  TOK_PUNCT,  /* one byte of { } ( ) [ ] < > = : , */
  TOK_BAD
} TokenKind;

typedef struct {
  TokenKind kind;
  char punct; /* TOK_PUNCT: the byte; otherwise 0 */
  bool starts_line;
  uint32_t begin, end; /* byte offsets */
  const char *error;   /* TOK_BAD: what is wrong with it */
} Token;

typedef struct {
  const Source *source; /* at most UINT32_MAX bytes */
  uint32_t pos;
} Lexer;

/* Skips a byte order mark. */
Lexer lexer_at_start(const Source *source);
/* After the end it returns TOK_END again and again. */
Token lexer_next(Lexer *l);

bool token_is_word(const Source *s, const Token *t, const char *word);
/* What the token stands for: a name without its sigil and quotes, a string with its escapes resolved, the
 * plain text of any other token. */
char *token_text(Arena *a, const Source *s, const Token *t);

/* The writing side: names are quoted only where they have to be. */
void put_name(StrBuf *out, char sigil, const char *name);
void put_word(StrBuf *out, const char *word); /* a model's name */
void put_string(StrBuf *out, const char *s);

#endif
