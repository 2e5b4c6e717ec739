/* Elementwise kernels: result[i] = f(operands[i]), operands broadcast by NumPy's rules. The generator gives f
 * for a vector of lanes and for one element; this file makes the loops. */
#ifndef QCC_CODEGEN_ELEMENTWISE_H
#define QCC_CODEGEN_ELEMENTWISE_H

#include "codegen/lower.h"
#include "codegen/nest.h"
#include "codegen/pixels.h"

typedef struct Elementwise Elementwise;
struct Elementwise {
  const Node *node;
  int n_operands;
  const Tensor *operands[NEST_MAX_ARRAYS - 1];
  const Tensor *result;
  const char *what; /* for the comment; "" for none */
  /* Emits one vector (part: that many lanes; 0: all) or, for vector == NULL, one element: reads at[1..],
   * writes at[0]. `constant[i]`: operand i (from 0) does not step with the innermost loop: broadcast the
   * element at its address. */
  void (*vector)(const Elementwise *e, VirBuilder *b, const VirAddr *at, const bool *constant, int part);
  void (*element)(const Elementwise *e, VirBuilder *b, const VirAddr *at);
  /* 4 * lanes elements, that is bytes, where all operands step; NULL: `vector` does them. */
  void (*bytes)(const Elementwise *e, VirBuilder *b, const VirAddr *at);
  /* `vector` can write bytes that are `apart` elements from each other; 0: beside each other. */
  bool scatters;
  int64_t apart;
  /* Writes a vector of pixels whose channels are planes of the first operand. NULL: it can't. */
  void (*pixels)(const Elementwise *e, VirBuilder *b, const VirAddr *at, const Pixels *p);
  Cg *cg;
  const void *user;
};

/* Builds the node's kernel. Without `vector`, or where the tensors do not lie alike, it goes element by
 * element. */
void elementwise_emit(Elementwise *e);

#endif
