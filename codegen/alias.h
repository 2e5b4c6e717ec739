/* Tensors that lie inside of others: the operands of a concatenation in their places in the result, a slice
 * in what it is cut from. The node between the two then moves nothing.
 *
 * Each tensor lies in at most one other, its host; a host may lie in a host of its own. Kernels write and
 * read the pixels of such a tensor with the host's strides. */
#ifndef QCC_CODEGEN_ALIAS_H
#define QCC_CODEGEN_ALIAS_H

#include "codegen/place.h"

/* The first result of `node` and operand `operand` of it: one lies in the other. */
typedef struct Alias {
  const Node *node;
  int operand;
  bool operand_inside;       /* the operand lies in the result; otherwise the result in the operand */
  bool overwrites;           /* they hold different values, one after the other: the node works in place */
  bool wanted;               /* is to be used */
  bool used;                 /* is wanted, and possible with all others that are */
  struct Alias *next_inside; /* the next that is used and has the same host */
} Alias;

Tensor *alias_inside(const Alias *a);
Tensor *alias_host(const Alias *a);
/* The one that is used and says where the tensor lies; NULL: it has memory of its own. */
const Alias *alias_of(const Cg *cg, const Tensor *t);
/* The tensor in whose memory it lies in the end. */
const Tensor *alias_root(const Cg *cg, const Tensor *t);

/* The position of the last node that reads the tensor or something that lies in it. */
int alias_last_use(const Cg *cg, const Tensor *t);

/* True where the kernel of `op` only moves elements. */
bool alias_moves(OpId op);
/* Strides, offset and size of the inside tensor, and what of the host's halo is around it; `s` has the other
 * fields. False where it cannot lie there. */
bool alias_map(const Alias *a, const Storage *host, bool channels_last, Storage *s);
/* The part of the inside tensor's halo that the host has to have around itself. */
Halo alias_outer_halo(const Alias *a, Halo inside);

/* Finds what may lie in what: sets cg->aliases, all wanted. */
void alias_find(Cg *cg);
/* Gives all internal tensors their storages, by the aliases that are wanted and possible. */
void alias_settle(Cg *cg);

#endif
