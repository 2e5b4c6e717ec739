/* -verify: builds the C file as a user would, runs it, and compares every output byte with the interpreter's.
 */
#ifndef QCC_COMPILER_VERIFY_C_H
#define QCC_COMPILER_VERIFY_C_H

#include "codegen/codegen.h"

/* Inputs: up to 16 samples of the .npz `samples` (NULL: none), random ones, and extremes (all least, all
 * greatest, alternating; NaN and infinities for float inputs). Every buffer stands flush against an
 * unreadable page; the workspace is filled with 0xA5, then with 0x5A. The compiler is the target's, or the
 * one in the environment variable QCC_CC; binaries for other machines run in the target's runner. Each target
 * of a list is verified, in the file that holds them all, but for those that this machine cannot run, which
 * the report tells. Appends "verify: arm64: 48 inputs, 0 mismatches" to `report`; a mismatch is an error that
 * names output, element and both values. */
bool verify_c(Diag *d, Arena *a, const Graph *g, const CodegenOptions *o, const char *samples,
              StrBuf *report);

#endif
