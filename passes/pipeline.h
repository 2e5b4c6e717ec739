/* A list of passes that scripts may change. */
#ifndef QCC_PASSES_PIPELINE_H
#define QCC_PASSES_PIPELINE_H

#include "passes/pass.h"

typedef struct {
  Arena *arena;
  const Pass *passes; /* ends with a NULL name; it is replaced, never changed */
  int n;
  bool changed; /* it is not pass_table */
} Pipeline;

Pipeline pipeline_new(Arena *a);

/* Each returns NULL, or what is wrong. */
/* `pass` behind or before the pass `at`; without `at` before observe: the model is float there, and its ops
 * have their final form. */
const char *pipeline_insert(Pipeline *p, Pass pass, const char *at, bool behind);
const char *pipeline_drop(Pipeline *p, const char *name);
const char *pipeline_move(Pipeline *p, const char *name, const char *at, bool behind);

const Pass *pipeline_find(const Pass *passes, const char *name); /* NULL where there is none */

#endif
