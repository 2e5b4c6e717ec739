/* A build without libgccjit. */
#include "codegen/jit.h"

const char *jit_missing(void) {
  return "this qcc was built without libgccjit (Debian: libgccjit-12-dev, then meson configure "
         "-Djit=enabled)";
}

Executor *jit_new(Diag *d, Arena *a, const Graph *g, const JitOptions *o, JitFacts *facts) {
  (void)a;
  (void)g;
  (void)o;
  (void)facts;
  diag_error(d, (SrcLoc){0}, "-jit: %s", jit_missing());
  return NULL;
}
