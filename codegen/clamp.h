/* The clamp of results: a fused activation, clip. */
#ifndef QCC_CODEGEN_CLAMP_H
#define QCC_CODEGEN_CLAMP_H

#include "codegen/lower.h"

/* v = min(max(v, lo), hi), for a vector or a scalar variable; nothing at all for (-inf, inf), so that NaN
 * passes. The maximum with -inf is there where hi is finite: it is what turns NaN into the low end. */
void clamp_float(VirBuilder *b, const VirVar *v, float lo, float hi);

/* Bounds of stored bytes; NULL: the type's. */
typedef struct {
  const VirVar *least, *most;
} ByteBounds;
ByteBounds byte_bounds(VirBuilder *b, const ActOps *ops, int32_t lo, int32_t hi);
/* The bytes of `y` within them. */
const VirVar *clamp_bytes(VirBuilder *b, const ActOps *ops, const VirVar *y, ByteBounds bounds);

#endif
