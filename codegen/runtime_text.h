/* The runtime's headers, embedded in qcc at build time, as text for emitted files. */
#ifndef QCC_CODEGEN_RUNTIME_TEXT_H
#define QCC_CODEGEN_RUNTIME_TEXT_H

#include "codegen/vir.h"

/* Appends what the used operations need of runtime/vec_<isa>.h and the headers below it: types, functions and
 * those that they call, in their original order, with their comments. */
void runtime_extract(StrBuf *out, const char *isa, const bool used[VIR_OP_COUNT]);

#endif
