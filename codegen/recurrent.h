/* lstm, gru and rnn before placement. */
#ifndef QCC_CODEGEN_RECURRENT_H
#define QCC_CODEGEN_RECURRENT_H

#include "codegen/lower.h"

/* Puts a linear layer before the node that makes the input projection of all steps and directions; the node
 * is left with the projected form of its op. */
bool recurrent_expand(Cg *cg, Node *n);

#endif
