/* Depfiles (-MD, -MF): a rule for make and ninja that names what the output was made from. */
#ifndef QCC_COMPILER_DEPFILE_H
#define QCC_COMPILER_DEPFILE_H

#include "ir/diag.h"

/* "out1 out2: in1 in2\n", and an empty rule for each input, so that make survives a file that has gone. */
void depfile_text(StrBuf *out, const char *const *outputs, int n_outputs, const char *const *inputs,
                  int n_inputs);

#endif
