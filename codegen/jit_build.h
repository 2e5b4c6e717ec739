/* From VIR to libgccjit's functions, blocks and expressions. What an operation becomes is a row of jit_ops.c,
 * or an instruction of jit_asm.c; without either it is a call of the function in runtime/vec_generic.h, which
 * is compiled into qcc. */
#ifndef QCC_CODEGEN_JIT_BUILD_H
#define QCC_CODEGEN_JIT_BUILD_H

#include <libgccjit.h>

#include "codegen/jit.h"
#include "codegen/vir.h"

enum { JIT_LANES = 4, JIT_VECTOR_BYTES = 16 };

/* Integers of a lane's width and of its parts, as vectors: what bytes and pairs are computed in. */
typedef struct {
  gcc_jit_type *u8, *s16, *u16, *u32, *f32, *s32;
} JitVectors;

typedef struct Jit {
  gcc_jit_context *context;
  Arena *arena;
  unsigned features; /* of this machine that may be used: CPU_... */
  JitRows rows;
  gcc_jit_type *type[128];                /* of a value, by VirType */
  gcc_jit_type *void_type, *byte_pointer; /* uint8_t * */
  JitVectors vectors;
  StrMap *functions; /* name -> gcc_jit_function */
  /* of the function that is being built */
  gcc_jit_function *function;
  gcc_jit_block *block; /* where the next statement goes */
  StrMap *values;       /* name -> gcc_jit_lvalue: variables, parameters, local arrays */
  int blocks;
} Jit;

/* All functions of the module. */
void jit_build(Jit *j, const VirModule *m);
gcc_jit_block *jit_new_block(Jit *j);

/* ---- expressions ---- */

gcc_jit_type *jit_elem_type(Jit *j, DType elem, bool elem16);
gcc_jit_rvalue *jit_int(Jit *j, int64_t n); /* int32_t */
gcc_jit_rvalue *jit_float(Jit *j, float v);
gcc_jit_rvalue *jit_index(Jit *j, int64_t n); /* what addresses are made of */
gcc_jit_rvalue *jit_binary(Jit *j, enum gcc_jit_binary_op op, gcc_jit_type *t, gcc_jit_rvalue *a,
                           gcc_jit_rvalue *b);
gcc_jit_rvalue *jit_cast(Jit *j, gcc_jit_rvalue *a, gcc_jit_type *t);
gcc_jit_rvalue *jit_bits(Jit *j, gcc_jit_rvalue *a, gcc_jit_type *t); /* the same bits as another type */
/* A variable with this value, for what is used more than once. */
gcc_jit_lvalue *jit_variable(Jit *j, gcc_jit_type *t, gcc_jit_rvalue *value);
gcc_jit_rvalue *jit_once(Jit *j, gcc_jit_type *t, gcc_jit_rvalue *value);
/* condition ? a : b */
gcc_jit_rvalue *jit_select(Jit *j, gcc_jit_type *t, gcc_jit_rvalue *condition, gcc_jit_rvalue *a,
                           gcc_jit_rvalue *b);
/* What lies at an address, of any alignment. Addresses are pointers to bytes, and grow by bytes. */
gcc_jit_rvalue *jit_load(Jit *j, gcc_jit_rvalue *address, gcc_jit_type *t);
void jit_store(Jit *j, gcc_jit_rvalue *address, gcc_jit_type *t, gcc_jit_rvalue *value);
gcc_jit_rvalue *jit_plus(Jit *j, gcc_jit_rvalue *address, gcc_jit_rvalue *bytes);
gcc_jit_rvalue *jit_address(Jit *j, gcc_jit_lvalue *v);
/* The value in each lane of a vector. */
gcc_jit_rvalue *jit_splat(Jit *j, gcc_jit_type *vector, gcc_jit_rvalue *value, int lanes);

/* ---- operations ---- */

/* How an operation is built: the result of s, whose arguments are `v` (addresses as pointers to bytes); NULL
 * for a store, which it adds to the block. */
typedef struct JitRow {
  gcc_jit_rvalue *(*build)(Jit *j, const VirStmt *s, gcc_jit_rvalue *const *v, const struct JitRow *row);
  int64_t n;        /* what functions for several operations differ in */
  const char *text; /* an instruction: %0 is the result, %1 ... the values, all in vector registers */
} JitRow;
/* On any machine; without `build` the operation is a call. */
extern const JitRow jit_rows[VIR_OP_COUNT];
/* Of x86-64 with these features; NULL: none. */
const JitRow *jit_x86_row(VirOp op, unsigned features);
/* Where the result is added to what is given, %1 is the register of %0. */
gcc_jit_rvalue *jit_instruction(Jit *j, const char *text, gcc_jit_type *result, int n,
                                gcc_jit_rvalue *const *v);

/* vir.def's operations as functions (tools/jit_calls.py): arguments and results as vir.def says, vectors as
 * those of 16 bytes. */
typedef void (*JitCall)(void);
extern const JitCall jit_calls[VIR_OP_COUNT];

#endif
