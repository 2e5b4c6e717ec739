/* What libclang saw of a C file, as far as it bears on what qcc promises of the files that it writes.
 * compiler/cfront.c fills it in, compiler/promises.c judges. */
#ifndef QCC_COMPILER_C_FACTS_H
#define QCC_COMPILER_C_FACTS_H

#include "ir/diag.h"

struct CFunction;

/* A function that is called, or whose address is taken, by its name. */
typedef struct {
  const char *name;
  bool declared;             /* before it is used, in the file or a header that is not the compiler's */
  bool of_compiler;          /* from a header of the compiler's, or built in */
  struct CFunction *defined; /* in the file; NULL: elsewhere */
  const struct CFunction *last_user;
  struct CUse *last_use; /* by it */
} CCallee;

typedef struct CUse {
  CCallee *callee;     /* NULL: a pointer is called */
  const char *pointer; /* the parameter's type; NULL: the pointer is no parameter */
  bool called;         /* false: its address is taken, and no more */
  SrcLoc loc;
  struct CUse *next;
} CUse;

typedef struct CFunction {
  const char *name;
  SrcLoc loc;
  bool is_static;
  int64_t frame;     /* bytes of parameters, variables and compound literals that live at once */
  CUse *uses, **end; /* each callee once */
  struct CFunction *next;
} CFunction;

/* A variable that there should not be. */
typedef enum { FAULT_MUTABLE, FAULT_STATIC_LOCAL, FAULT_LITERAL, FAULT_VLA, FAULT_COUNT } VariableFault;

typedef struct CVariable {
  const char *name;
  SrcLoc loc;
  VariableFault fault;
  struct CVariable *next;
} CVariable;

typedef struct {
  Arena *arena;
  CFunction *functions, **last_function;
  CVariable *variables, **last_variable;
  StrMap *callees;
} CFacts;

/* The deepest way through the calls: estimates, since what a compiler keeps in registers counts, and what it
 * spills does not. */
typedef struct {
  int64_t bytes; /* -1: not known */
  const char *path;
} CStack;

#endif
