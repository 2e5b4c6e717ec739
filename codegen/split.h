/* -threads: which kernels can be done in parts, by several threads at once. It is proved from the VIR, so
 * that no generator has to say it. */
#ifndef QCC_CODEGEN_SPLIT_H
#define QCC_CODEGEN_SPLIT_H

#include "codegen/lower.h"

/* Marks loops of the kernel's function and sets its number of parts; 0 where it is too small to be worth it,
 * or where the parts are not proved to be independent: no part may write what another one reads or writes. */
void cg_split(const Cg *cg, const Kernel *k);

#endif
