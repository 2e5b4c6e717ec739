/* In place of cfront.c where qcc is built without libclang. */
#include "compiler/cfront.h"

bool cfront_built_in(void) { return false; }

Cfront *cfront_open(Diag *d, Arena *a) {
  (void)a;
  diag_error(d, (SrcLoc){0},
             "this qcc was built without libclang, which reads C (Debian: libclang-14-dev; meson setup "
             "-Dlibclang=enabled)");
  return NULL;
}

void cfront_close(Cfront *f) { (void)f; }

bool cfront_read(Cfront *f, Diag *d, const CInput *in, CFacts *facts) {
  (void)f;
  (void)d;
  (void)in;
  (void)facts;
  return false;
}

bool cfront_prototypes(Cfront *f, Diag *d, const CInput *in, CPrototype **out, CFacts *facts) {
  (void)f;
  (void)d;
  (void)in;
  (void)out;
  (void)facts;
  return false;
}
