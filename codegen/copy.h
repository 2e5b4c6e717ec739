/* Copies between strided tensors, converting between public and internal 8-bit storage where they differ. */
#ifndef QCC_CODEGEN_COPY_H
#define QCC_CODEGEN_COPY_H

#include "codegen/lower.h"

/* A block of `rank` dims: element i goes from offset_x + sum i*stride_x to offset_y + sum i*stride_y. Strides
 * of x may be 0 or negative. */
typedef struct {
  int rank;
  int64_t dim[MAX_RANK], stride_x[MAX_RANK], stride_y[MAX_RANK];
  int64_t offset_x, offset_y;
} CopyBlock;

/* Emits loops into the open function. `flip`: the stored bytes differ by the sign bit. */
void copy_block(Cg *cg, VirBuilder *b, const VirBase *x, const VirBase *y, const CopyBlock *block, bool flip);

/* `count` elements that lie one behind the other, by vectors; and one element. */
void copy_run(Cg *cg, VirBuilder *b, VirAddr x, VirAddr y, int64_t count, bool flip);
void copy_element(VirBuilder *b, VirAddr x, VirAddr y, bool flip);

/* The dim along which a concat joins its operands, from 0. */
int concat_axis(const Node *n);

/* True where stored values of the two differ by 128. */
bool copy_flips(const Storage *a, const Storage *b);

#endif
