/* -custom: custom operators, read from C files. */
#ifndef QCC_COMPILER_CUSTOM_H
#define QCC_COMPILER_CUSTOM_H

#include "compiler/options.h"
#include "ir/ops/custom.h"

/* NULL after diagnostics. Prototypes and annotations are compared; the operators cannot be called yet. */
CustomOps *custom_read(Diag *d, Arena *a, const OptionList *files);

#endif
