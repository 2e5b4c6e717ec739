/* Public C names: members of the input and output structs, macros. */
#ifndef QCC_CODEGEN_NAMES_H
#define QCC_CODEGEN_NAMES_H

#include "ir/arena.h"

/* A member name for each of `n` tensor names, of which the first `n_inputs` are inputs: unique among all of
 * them (macros are made of them too), no keyword of C or C++, no macro that headers define. */
char **c_member_names(Arena *a, const char *const *names, int n, int n_inputs);

/* The name in upper case, for macros. */
char *c_upper(Arena *a, const char *name);

#endif
