/* -weights: constants that stand in a file of their own, as an object or for .incbin, not in the C file:
 * compilers then need not read them. */
#ifndef QCC_CODEGEN_WEIGHTS_H
#define QCC_CODEGEN_WEIGHTS_H

#include "codegen/module.h"

/* Where the options ask for it: lays the large constants of all variants out one behind the other, each where
 * its elements may be read as vectors, little-endian. */
void weights_lay_out(VirModule *m, const CodegenOptions *o);

/* What the C file says before the constants. */
void weights_declare(const Module *m, StrBuf *c);

/* The file: the bytes, or an ELF object with them. */
void weights_file(const Module *m, StrBuf *out);

#endif
