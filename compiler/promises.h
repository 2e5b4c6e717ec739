/* What qcc promises of the C that it writes, judged by what libclang saw of it: nothing is called but the
 * file's own functions, instructions of the target and what the caller hands in; no recursion, no array of
 * variable length, no state; and how much stack it takes, up to a limit. */
#ifndef QCC_COMPILER_PROMISES_H
#define QCC_COMPILER_PROMISES_H

#include "compiler/c_facts.h"
#include "compiler/c_text.h"

/* What may stand in a file, as the runtime's own text shows it. */
typedef struct {
  StrMap *words;     /* identifiers: names of intrinsics and builtins */
  StrMap *templates; /* of assembler */
  StrMap *functions; /* of custom operators, which are elsewhere, and their stack */
} Allowed;

Allowed allowed_new(Arena *a);
/* Adds what the code of an instruction set is made of. */
void allowed_add_isa(Arena *a, Allowed *to, const char *isa);

/* `stack`: the bytes that it takes; -1: nobody knows. */
void allowed_add_function(Arena *a, Allowed *to, const char *name, int64_t stack);

/* The stack of a function and of what it calls in its file; -1: it is not known. */
int64_t promises_stack(Arena *a, const CFacts *facts, const char *name);

/* False after errors; `stack` gets the deepest way, where it is no smaller than what is in it. */
bool promises_check(Diag *d, Arena *a, CFacts *facts, const Allowed *allowed, CStack *stack);
/* What is to be found in the text rather than by libclang: assembler, attributes and directives that are none
 * of the emitted code's. */
bool promises_check_text(Diag *d, Arena *a, const CText *text, const Allowed *allowed);

#endif
