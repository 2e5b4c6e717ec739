/* A C file as it is handed to libclang: the bodies of large constant tables are left out, since an element of
 * one is some 100 bytes to a compiler. What is left out was read here, and is what no compiler complains of:
 * numbers that their type holds, as many as the table has, or string literals without a doubtful byte. All
 * else is the file's own text, and places in it can be told. */
#ifndef QCC_COMPILER_C_TEXT_H
#define QCC_COMPILER_C_TEXT_H

#include "ir/diag.h"

typedef struct {
  size_t begin, end;   /* in the file: what is replaced */
  size_t after;        /* in the text: where the replacement ends */
  const char *replace; /* by what */
} CCut;

typedef struct {
  const Source *source;
  const char *text; /* NUL-terminated; the source's own where nothing is left out */
  size_t len;
  const CCut *cuts;
  int n_cuts;
} CText;

CText c_text(Arena *a, const Source *s);

/* The offset in the file of one in the text. */
size_t c_text_offset(const CText *t, size_t at);

/* Calls back with the template of each asm statement or definition in a text, as it is spelled: its first
 * string literals without their quotes. Comments and literals do not count. False where a call says so. */
bool c_text_asm(Arena *a, const char *text, size_t len,
                bool (*found)(void *user, const char *template, size_t at), void *user);

/* The same with each name in __attribute__((...)). */
bool c_text_attributes(Arena *a, const char *text, size_t len,
                       bool (*found)(void *user, const char *name, size_t at), void *user);

/* The same with what a preprocessor's line says that begins with one of these words: "pragma ...", "line
 * ...", with "line" for # 1 "file", and with "##" where it puts words together. */
bool c_text_directives(Arena *a, const char *text, size_t len,
                       bool (*found)(void *user, const char *directive, size_t at), void *user);

/* The same with each identifier. */
void c_text_words(Arena *a, const char *text, size_t len, void (*found)(void *user, const char *word),
                  void *user);

/* How long the identifier is that stands there; 0: none. */
size_t c_word(const char *text);

#endif
