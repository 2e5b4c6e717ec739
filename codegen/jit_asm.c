/* Instructions for operations that libgccjit has no expression for, or only a long one. */
#include "codegen/cpu.h"
#include "codegen/jit_build.h"

static const JitAsm table[] = {
    {VIR_s32_to_f32, CPU_avx2, "vcvtdq2ps %1, %0"},
};

const JitAsm *jit_asm_of(VirOp op, unsigned features) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].op == op && !(table[i].features & ~features)) return &table[i];
  return NULL;
}

gcc_jit_rvalue *jit_asm(Jit *j, const char *text, gcc_jit_type *result, int n, gcc_jit_rvalue *const *v) {
  gcc_jit_lvalue *to = gcc_jit_function_new_local(j->function, NULL, result, "t");
  gcc_jit_extended_asm *a = gcc_jit_block_add_extended_asm(j->block, NULL, text);
  gcc_jit_extended_asm_add_output_operand(a, NULL, "=x", to);
  for (int i = 0; i < n; i++) gcc_jit_extended_asm_add_input_operand(a, NULL, "x", v[i]);
  return gcc_jit_lvalue_as_rvalue(to);
}
