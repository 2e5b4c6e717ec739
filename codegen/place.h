/* What the files that place tensors share: layouts, storages as tensors have them when they lie alone. */
#ifndef QCC_CODEGEN_PLACE_H
#define QCC_CODEGEN_PLACE_H

#include "codegen/layout.h"
#include "codegen/lower.h"

/* codegen/legalize.c. False after a diagnostic. */
bool cg_legalize(Cg *cg);

bool cg_channels_last(const Cg *cg, const Tensor *t);
/* The halo that the users of the tensor want around it. */
Halo cg_wanted_halo(const Tensor *t);
Storage cg_public_storage(const Cg *cg, const Tensor *t);
Storage cg_internal_storage(const Cg *cg, const Tensor *t, Halo halo);

/* The position of the node in the graph, from 0. */
int cg_position(const Cg *cg, const Node *n);
/* The position of the last node that reads the tensor; that of its producer where none does; behind all for a
 * public result. */
int cg_last_use(const Cg *cg, const Tensor *t);

#endif
