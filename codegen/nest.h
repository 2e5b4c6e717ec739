/* Loop nests over strided tensors: what elementwise kernels and copies have in common. */
#ifndef QCC_CODEGEN_NEST_H
#define QCC_CODEGEN_NEST_H

#include "codegen/vir.h"

enum { NEST_MAX_ARRAYS = 4 };

/* `n` dims, outermost first; array a steps stride[a][i] elements per step of dim i and starts at offset[a].
 * Array 0 is the one that is written. */
typedef struct {
  int n, n_arrays;
  int64_t dim[MAX_RANK];
  int64_t stride[NEST_MAX_ARRAYS][MAX_RANK];
  int64_t offset[NEST_MAX_ARRAYS];
} Nest;

/* Drops dims of 1, orders dims by array 0's stride (largest outermost) and merges neighbours that every array
 * steps through evenly. At least one dim is left. */
void nest_simplify(Nest *nest);

/* True where the innermost dim is contiguous in array 0 and contiguous or constant (stride 0) in the others.
 */
bool nest_is_dense(const Nest *nest);

/* The dim d becomes the innermost one. */
void nest_make_innermost(Nest *nest, int d);

/* Moves all arrays' addresses `v` steps along the innermost dim, or where it is NULL `offset` steps. */
void nest_step(const Nest *nest, VirAddr *at, const VirVar *v, int64_t offset);

/* Opens loops over all dims but the innermost and gives each array's address at its start. */
void nest_open(VirBuilder *b, const Nest *nest, const VirBase *const *bases, VirAddr *at);
void nest_close(VirBuilder *b, const Nest *nest);

#endif
