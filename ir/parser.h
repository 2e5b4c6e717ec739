/* Internal to the parser of the text IR: its state, and what its parts use of each other: parse.c
 * (the file and its items), parse_names.c, parse_stmt.c, parse_type.c (types, numbers, literals). All
 * functions that return bool return false after a diagnostic. Readers of other texts in these tokens
 * (passes/stats_read.c) use the part that does without a graph. */
#ifndef QCC_IR_PARSER_H
#define QCC_IR_PARSER_H

#include "ir/ops/custom.h"
#include "ir/graph.h"
#include "ir/lex.h"
#include "ir/npy.h"

enum { MAX_RESULTS = 16 }; /* of one statement */

typedef struct {
  Diag *diag;
  Arena *arena;
  const Source *source;
  Lexer lexer;
  Token tok; /* the current token; the lexer stands behind it */
  Graph *graph;
  const CustomOps *customs; /* NULL: there are none */
  int errors_before;        /* what the diagnostics had counted when the parser began */

  Npz *weights; /* NULL: none, or it could not be opened */
  const char *weights_path, *weights_override;
  bool weights_given;
  SrcLoc weights_loc, calibrate_loc;

  /* Names that give way when the model claims them: inline literals have no name of their own, and a name
   * that was used without a definition has been reported. Name -> Tensor. */
  StrMap *soft;
} Parser;

/* Before anything else: a binary file, or UTF-16, is told from a text by its zero bytes. */
bool parser_check_text(Diag *d, const Source *source);
void parser_advance(Parser *p);
SrcLoc parser_loc(const Parser *p, Token from, Token to); /* from the start of one to the end of the other */
SrcLoc parser_here(const Parser *p);
bool parser_at(const Parser *p, char punct);
bool parser_at_number(const Parser *p); /* inf and nan included */
/* The token's text for a message, with its length for "%.*s". */
const char *parser_shown(const Parser *p, Token t, int *len);
int parser_errors(const Parser *p);
/* "expected WHAT, found ..." at the current token; always false. */
bool parser_expected(Parser *p, const char *what);
bool parser_expect(Parser *p, char punct, const char *where);

/* The name that the token defines; NULL after an error where it is taken. */
const char *parser_claim(Parser *p, Token t);
/* The tensor that a %name or @name stands for; after an error an erroneous one. */
Tensor *parser_resolve(Parser *p, Token t);
Tensor *parser_put_erroneous(Parser *p, Token t); /* an erroneous tensor of that name */
void parser_make_soft(Parser *p, Tensor *t);

bool parse_statement(Parser *p);
/* An integer in [min, max]; `what` names it in the message. */
bool parse_integer(Parser *p, const char *what, int64_t min, int64_t max, int64_t *out);
bool parse_float(Parser *p, float *out);
/* dtype [<quantization>] [dims] */
bool parse_type(Parser *p, Type *out);
/* A number or nested lists of them: of exactly this type, or, where type->dtype is DT_NONE, float32 of the
 * shape that the literal has; the type is then set. The data is owned by the arena. */
bool parse_literal(Parser *p, Type *type, const void **data);

#endif
