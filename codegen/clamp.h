/* The clamp of float results: a fused activation, clip. */
#ifndef QCC_CODEGEN_CLAMP_H
#define QCC_CODEGEN_CLAMP_H

#include "codegen/vir.h"

/* v = min(max(v, lo), hi), for a vector or a scalar variable; nothing at all for (-inf, inf), so that NaN
 * passes. The maximum with -inf is there where hi is finite: it is what turns NaN into the low end. */
void clamp_float(VirBuilder *b, const VirVar *v, float lo, float hi);

#endif
