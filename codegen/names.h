/* Names of a model as names and comments in C. */
#ifndef QCC_CODEGEN_NAMES_H
#define QCC_CODEGEN_NAMES_H

#include "ir/arena.h"

/* A C identifier made from any bytes: other characters become '_', a digit in front gets one before it; at
 * most 40 characters. Not unique by itself. */
char *c_identifier(Arena *a, const char *name);

/* Text that is harmless in a C comment: nothing that ends it, continues the line or starts a trigraph. */
char *comment_text(Arena *a, const char *s);

/* A member name for each of `n` tensor names, of which the first `n_inputs` are inputs: unique among all of
 * them (macros are made of them too), no keyword of C or C++, no macro that headers define. */
char **c_member_names(Arena *a, const char *const *names, int n, int n_inputs);

/* The name in upper case, for macros. */
char *c_upper(Arena *a, const char *name);

#endif
