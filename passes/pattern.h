/* What a pattern is made of: between its parser and the matcher. */
#ifndef QCC_PASSES_PATTERN_H
#define QCC_PASSES_PATTERN_H

#include "passes/match.h"

typedef enum {
  TERM_ANY,      /* any tensor */
  TERM_NAMED,    /* one that has, or gets, a name; `parts`: what it fits, if anything */
  TERM_CONSTANT, /* the same of a constant */
  TERM_VALUE,    /* a constant of one value */
  TERM_NODE,     /* the result of an op of `parts` */
  TERM_CHOICE    /* one of `parts` */
} TermKind;

typedef struct {
  const AttrDesc *attr;
  double number; /* of an integer, a float, a bool, or of an enumeration's value */
  IntList list;
} TermAttr;

typedef struct Term {
  TermKind kind;
  int name; /* its number */
  double value;
  OpId op;
  const struct Term **parts;
  int n_parts;
  bool open; /* further operands may follow */
  const TermAttr *attrs;
  int n_attrs;
  bool clamps; /* among them is act_min or act_max */
} Term;

struct Pattern {
  const Term *root;
  const char *names[PATTERN_NAMES];
  int n_names;
};

enum { PATTERN_PARTS = 16, PATTERN_TERMS = 256, PATTERN_DEPTH = 64 };

#endif
