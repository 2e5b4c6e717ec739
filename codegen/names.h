/* Public C names: members of the input and output structs, macros. */
#ifndef QCC_CODEGEN_NAMES_H
#define QCC_CODEGEN_NAMES_H

#include "ir/arena.h"

/* A member name for each of `n` tensor names: unique among them, no keyword of C or C++, no macro that
 * headers define. `role`: "in" or "out", put before a name that would not do. */
char **c_member_names(Arena *a, const char *role, const char *const *names, int n);

/* The name in upper case, for macros. */
char *c_upper(Arena *a, const char *name);

#endif
