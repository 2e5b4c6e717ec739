/* -target: one target, `native`, or a list of them with commas. */
#ifndef QCC_COMPILER_TARGET_LIST_H
#define QCC_COMPILER_TARGET_LIST_H

#include "codegen/target.h"
#include "ir/diag.h"

/* The targets, with a NULL behind the last. NULL after an error, which says which word of the list is meant.
 */
const Target *const *target_list(Diag *d, Arena *a, const char *text);
/* For -print-targets: a line for each, and where its code runs here. */
void target_list_print(StrBuf *out);

#endif
