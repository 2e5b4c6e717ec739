/* Residual connections: the kernel of a convolution or linear layer may do the addition that follows too. It
 * reads the other operand where it writes the sum; what is added to it is never in memory and counts as lying
 * in the sum's place (codegen/alias.h). Where that does not make the workspace smaller, additions have
 * kernels of their own, which are faster: docs/decisions/residual.md. */
#ifndef QCC_CODEGEN_RESIDUAL_H
#define QCC_CODEGEN_RESIDUAL_H

#include "codegen/lower.h"

typedef struct Residual {
  const Node *layer, *add;
  int operand; /* of the addition: the layer's result */
  bool wanted;
} Residual;

/* Finds the layers and additions that can go together, and moves the additions right behind their layers.
 * Sets cg->residuals, none of them wanted. Before anything is placed. */
void residual_find(Cg *cg);

/* What is wanted of an addition, of a layer; NULL: nothing. */
const Residual *residual_of_sum(const Cg *cg, const Node *add);
const Residual *residual_of_layer(const Cg *cg, const Node *layer);
const Tensor *residual_other(const Residual *r);
/* Whether the other operand may lie in the sum's place: it is read there once, before it is written over. */
bool residual_may_overwrite(const Cg *cg, const Residual *r);

/* What a layer's kernel hands to its tiles: the other operand, which lies as the results do, and constants of
 * the sum (codegen/fixed_sum.h). */
typedef struct {
  const VirBase *other, *terms;
} ResidualBases;
/* In the open kernel; all NULL without an addition. */
ResidualBases residual_bases(Cg *cg, VirBuilder *b, const Node *add);
/* The same as parameters of a tile with so many results. */
ResidualBases residual_params(const Cg *cg, VirBuilder *b, const Node *add, int64_t results);
/* The arguments for them, put into `args`, where the results are written at `y`; returns how many: 2 or 0. */
int residual_args(const ResidualBases *r, VirAddr y, VirAddr *args);

/* After placement: the addition that the layer's kernel does; NULL: none. Where the two could not be placed
 * so, the addition has a kernel of its own. */
const Node *residual_of(const Cg *cg, const Node *layer);
/* For comments of the layer's kernel: ", + 'name'"; "" for none. */
const char *residual_text(const Cg *cg, const Node *add);
/* The addition is done by its operand's kernel. */
bool residual_is_done(const Cg *cg, const Node *add);

#endif
