/* What -verify feeds to a model: samples, random values, and values chosen to break things. */
#ifndef QCC_COMPILER_VERIFY_INPUTS_H
#define QCC_COMPILER_VERIFY_INPUTS_H

#include "ir/graph.h"

typedef struct {
  const char *what;  /* "sample", "random", "greatest" ... */
  int number;        /* among its kind, from 0 */
  const void **data; /* per graph input, in the graph's own layout */
} VerifyInput;

typedef struct {
  VerifyInput *items;
  int n;
} VerifyInputs;

/* The same inputs each time. `samples`: an .npz, or NULL. Large networks get fewer. Float inputs are drawn
 * from the range of the samples, or of the quantization that follows; NaN, infinities and the like only where
 * a quantization follows, because arithmetic on NaN may set any of its bits. False after a diagnostic. */
bool verify_inputs(Diag *d, Arena *a, const Graph *g, const char *samples, VerifyInputs *out);

#endif
