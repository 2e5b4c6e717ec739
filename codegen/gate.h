/* The functions of a recurrent network's gates, on vectors: the operations of recurrent_function in ir/ops/,
 * in its order. */
#ifndef QCC_CODEGEN_GATE_H
#define QCC_CODEGEN_GATE_H

#include "codegen/vir.h"
#include "ir/ops/attrs.h"

/* name = f(x), x clamped to [-clip, clip] first; x itself is not changed. */
const VirVar *gate_function(VirBuilder *b, const char *name, const GateFunction *f, float clip,
                            const VirVar *x);

#endif
