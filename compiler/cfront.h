/* libclang's only user: reads C for a target, in this process. The library is loaded where it is needed, so
 * that runs without it do not pay for it. */
#ifndef QCC_COMPILER_CFRONT_H
#define QCC_COMPILER_CFRONT_H

#include "compiler/c_facts.h"
#include "compiler/c_text.h"
#include "ir/type.h"

/* Whether this qcc was built with libclang. */
bool cfront_built_in(void);

typedef struct Cfront Cfront;
/* NULL after an error: the library is not there. cfront_close is then not needed. */
Cfront *cfront_open(Diag *d, Arena *a);
void cfront_close(Cfront *f);

typedef struct {
  const CText *files; /* the first is read; the others are what it may include, before what is on disk */
  int n_files;
  const char *const *args; /* as for the compiler */
  int n_args;
} CInput;

/* False after diagnostics: each warning or error of clang's is one of `d`'s errors. */
bool cfront_read(Cfront *f, Diag *d, const CInput *in, CFacts *facts);

/* The C functions that a file defines or declares, for whoever calls them. */
typedef struct {
  const char *name;
  SrcLoc loc;
  const char *shown; /* the type as it is spelled */
  bool pointer, to_const;
  DType elem; /* of a pointer: what it points to; DT_NONE: something else */
  bool is_int, is_float;
  const char *c_type; /* of a number: as C declares it everywhere */
} CParameter;

typedef struct CPrototype {
  const char *name;
  SrcLoc loc;
  bool is_static, variadic;
  const char *result; /* its type; "void" */
  CParameter *params;
  int n_params;
  struct CPrototype *next;
} CPrototype;

/* Of the functions in the first file itself, in its order, and what there is in them. Errors of clang's are
 * errors of `d`'s; warnings are the author's affair. */
bool cfront_prototypes(Cfront *f, Diag *d, const CInput *in, CPrototype **out, CFacts *facts);

#endif
