/* Tensors between the order in which kernels keep them and C order, the interpreter's. */
#ifndef QCC_CODEGEN_JIT_TENSOR_H
#define QCC_CODEGEN_JIT_TENSOR_H

#include "codegen/lower.h"

/* The buffer of `s` as it is given to a run. */
typedef struct {
  const void *const *in;
  void *const *out;
  uint8_t *workspace;
} JitPlaces;

/* Its first element. */
char *jit_tensor_at(const JitPlaces *p, const Storage *s);
void jit_gather(const JitPlaces *p, const Storage *s, const Type *t, void *to);
void jit_scatter(const JitPlaces *p, const Storage *s, const Type *t, const void *from);

#endif
