/* Between the driver and the wrappers of one instruction set (gen_ops.py). */
#ifndef QCC_TESTS_VEC_TEST_H
#define QCC_TESTS_VEC_TEST_H

#include <stdint.h>

enum { MAX_LANES = 16, MAX_ARGS = 6 };

/* An operand of any kind; vectors and scalars are in `bytes`. */
typedef struct {
  uint8_t bytes[4 * MAX_LANES];
  void *address;
  int32_t n;
  float m;
} Arg;

typedef void RunOp(const Arg *args, uint8_t *result);

enum {
#define VIR_OP(name, result, signature) OP_##name,
#include "codegen/vir.def"
#undef VIR_OP
  OP_COUNT
};

typedef struct {
  const char *name;
  int lanes;
  /* y[l] = x[l] * x[lanes + l] + x[2 * lanes + l]; y[lanes], y[lanes + 1]: the first in scalars, with + and -
   */
  void (*mul_add)(const float *x, float *y);
  RunOp *run[OP_COUNT]; /* in the order of vir.def; NULL where this instruction set has no such operation */
} VecIsa;

extern const VecIsa vec_generic, ISA; /* ISA: vec_<isa>, the one that is tested */

#endif
