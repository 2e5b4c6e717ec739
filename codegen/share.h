/* Kernels that bands share (codegen/chain.h): a band's node that is like one before it in all but the places
 * of its tensors is done by calls of the same functions. */
#ifndef QCC_CODEGEN_SHARE_H
#define QCC_CODEGEN_SHARE_H

#include "codegen/lower.h"

/* What kernels of a node do: its own work, or the zeros around its result. */
typedef enum { SHARE_WORK, SHARE_HALO } ShareKind;

/* Calls the kernels of a node that is like this one; false where there is none. */
bool share_kernels(Cg *cg, const Node *n, ShareKind kind);
/* `first` and all behind it are the node's kernels: others may share them. NULL: it needs none. */
void share_offer(Cg *cg, const Node *n, ShareKind kind, const Kernel *first);

#endif
