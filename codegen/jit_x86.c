/* x86-64 with AVX2: instructions for operations that libgccjit 12 has no expression for, or a long one. It
 * reaches none of gcc's intrinsics, but inline assembler. */
#include "codegen/cpu.h"
#include "codegen/jit_build.h"

typedef gcc_jit_rvalue *const *Values;

static gcc_jit_rvalue *one(Jit *j, const char *text, gcc_jit_type *t, gcc_jit_rvalue *a) {
  return jit_instruction(j, text, t, 1, &a);
}

static gcc_jit_rvalue *two(Jit *j, const char *text, gcc_jit_type *t, gcc_jit_rvalue *a, gcc_jit_rvalue *b) {
  return jit_instruction(j, text, t, 2, (gcc_jit_rvalue *[]){a, b});
}

static gcc_jit_type *result_type(Jit *j, const VirStmt *s) { return j->type[vir_op_info[s->op].result]; }

/* The row's, of the values as they are. */
static gcc_jit_rvalue *instruction(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  return jit_instruction(j, row->text, result_type(j, s), s->n_args, v);
}

/* ---- bytes from memory ---- */

/* The first n bytes at the address, n <= 4, as an int whose others are 0. */
static gcc_jit_rvalue *load_word(Jit *j, gcc_jit_rvalue *address, int64_t n) {
  gcc_jit_type *t = j->type[VIR_INT], *byte = jit_elem_type(j, DT_U8, false);
  if (n == 4) return jit_load(j, address, t);
  gcc_jit_rvalue *word = jit_cast(j, jit_load(j, address, byte), t);
  for (int64_t i = 1; i < n; i++) {
    gcc_jit_rvalue *next = jit_cast(j, jit_load(j, jit_plus(j, address, jit_index(j, i)), byte), t);
    next = jit_binary(j, GCC_JIT_BINARY_OP_LSHIFT, t, next, jit_int(j, 8 * i));
    word = jit_binary(j, GCC_JIT_BINARY_OP_BITWISE_OR, t, word, next);
  }
  return word;
}

/* The word in the first lane, 0 in the others. */
static gcc_jit_rvalue *word_vector(Jit *j, gcc_jit_rvalue *word, gcc_jit_type *t) {
  gcc_jit_rvalue *zero = jit_int(j, 0), *lanes[] = {word, zero, zero, zero};
  gcc_jit_rvalue *v =
      gcc_jit_context_new_rvalue_from_vector(j->context, NULL, j->vectors.s32, JIT_LANES, lanes);
  return jit_once(j, t, jit_bits(j, v, t));
}

/* Widened by the row's instruction; n bytes where the operation has an n. */
static gcc_jit_rvalue *load_widened(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  int64_t n = s->n_args > 1 ? s->args[1].n : JIT_LANES;
  return one(j, row->text, j->vectors.s32, word_vector(j, load_word(j, v[0], n), j->vectors.s32));
}

/* Two rows of bytes, interleaved, then widened. */
static gcc_jit_rvalue *load_pairs(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  int64_t n = s->n_args > 2 ? s->args[2].n : JIT_LANES;
  gcc_jit_rvalue *a = word_vector(j, load_word(j, v[0], n), j->vectors.u8);
  gcc_jit_rvalue *b = word_vector(j, load_word(j, v[1], n), j->vectors.u8);
  return one(j, row->text, j->vectors.s16, two(j, "vpunpcklbw %2, %1, %0", j->vectors.u8, a, b));
}

/* ---- bytes to memory ---- */

/* The lanes of n vectors as saturated bytes, from the first one on; `zero` (NULL: none) is added to them. */
static gcc_jit_rvalue *packed(Jit *j, const char *text, int n, Values v, gcc_jit_rvalue *zero) {
  const JitVectors *t = &j->vectors;
  gcc_jit_rvalue *halves[2];
  for (int i = 0; i < 2; i++) {
    int first = 2 * i < n ? 2 * i : 0, second = first + 1 < n ? first + 1 : first;
    halves[i] = i && n <= 2 ? halves[0] : two(j, "vpackssdw %2, %1, %0", t->s16, v[first], v[second]);
    if (zero && !(i && n <= 2)) halves[i] = two(j, "vpaddsw %2, %1, %0", t->s16, halves[i], zero);
  }
  return two(j, text, t->u8, halves[0], halves[1]);
}

static gcc_jit_rvalue *store_packed(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  gcc_jit_rvalue *bytes = packed(j, row->text, 1, v + 1, NULL);
  gcc_jit_type *t = j->type[VIR_INT];
  (void)s;
  jit_store(j, v[0], t, jit_load(j, jit_address(j, jit_variable(j, j->vectors.u8, bytes)), t));
  return NULL;
}

/* The first n bytes. */
static gcc_jit_rvalue *store_packed_part(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  gcc_jit_type *byte = jit_elem_type(j, DT_U8, false);
  gcc_jit_lvalue *bytes = jit_variable(j, j->vectors.u8, packed(j, row->text, 1, v + 1, NULL));
  gcc_jit_rvalue *from = jit_address(j, bytes);
  for (int64_t i = 0; i < s->args[2].n; i++)
    jit_store(j, jit_plus(j, v[0], jit_index(j, i)), byte,
              jit_load(j, jit_plus(j, from, jit_index(j, i)), byte));
  return NULL;
}

static gcc_jit_rvalue *narrow(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  int n = (int)row->n;
  gcc_jit_rvalue *bytes = packed(j, row->text, n, v, v[s->n_args - 1]);
  if (n == 4) return bytes;
  if (n == 2) return one(j, "vmovq %1, %0", j->vectors.u8, bytes);
  gcc_jit_rvalue *from = jit_address(j, jit_variable(j, j->vectors.u8, bytes));
  return word_vector(j, jit_load(j, from, j->type[VIR_INT]), j->vectors.u8);
}

/* ---- products ---- */

/* Bytes of even or of odd places as int16, signed or not. */
static gcc_jit_rvalue *every_other(Jit *j, gcc_jit_rvalue *q, bool odd, bool is_signed) {
  gcc_jit_type *t = is_signed ? j->vectors.s16 : j->vectors.u16;
  gcc_jit_type *lane =
      gcc_jit_context_get_type(j->context, is_signed ? GCC_JIT_TYPE_INT16_T : GCC_JIT_TYPE_UINT16_T);
  gcc_jit_rvalue *eight = jit_splat(j, t, jit_cast(j, jit_int(j, 8), lane), 8), *x = jit_bits(j, q, t);
  if (!odd) x = jit_binary(j, GCC_JIT_BINARY_OP_LSHIFT, t, x, eight);
  return jit_once(j, t, jit_binary(j, GCC_JIT_BINARY_OP_RSHIFT, t, x, eight));
}

static gcc_jit_rvalue *plus(Jit *j, gcc_jit_rvalue *a, gcc_jit_rvalue *b) {
  return jit_binary(j, GCC_JIT_BINARY_OP_PLUS, j->vectors.s32, a, b);
}

static const char madd[] = "vpmaddwd %2, %1, %0";

/* The row's instruction adds to its first operand; without one: two products of words. */
static gcc_jit_rvalue *dot(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  bool in_memory = vir_op_info[s->op].signature[2] == 'r';
  gcc_jit_rvalue *w = in_memory ? jit_once(j, j->vectors.u8, jit_load(j, v[2], j->vectors.u8)) : v[2];
  if (row->text) return jit_instruction(j, row->text, j->vectors.s32, 3, (gcc_jit_rvalue *[]){v[0], v[1], w});
  gcc_jit_rvalue *sums[2];
  for (int odd = 0; odd < 2; odd++)
    sums[odd] = two(j, madd, j->vectors.s32, every_other(j, v[1], odd, false), every_other(j, w, odd, true));
  return plus(j, v[0], plus(j, sums[0], sums[1]));
}

static gcc_jit_rvalue *dot_pairs(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  return plus(j, v[0], two(j, madd, j->vectors.s32, v[1], v[2]));
}

/* ---- floats ---- */

static const char to_float[] = "vcvtdq2ps %1, %0", to_int[] = "vcvtps2dq %1, %0",
                  max_text[] = "vmaxps %2, %1, %0", min_text[] = "vminps %2, %1, %0";

static gcc_jit_rvalue *times(Jit *j, gcc_jit_rvalue *acc, gcc_jit_rvalue *m) {
  gcc_jit_type *f = j->vectors.f32;
  return jit_once(j, f, jit_binary(j, GCC_JIT_BINARY_OP_MULT, f, one(j, to_float, f, acc), m));
}

/* The rounding mode is to nearest even. */
static gcc_jit_rvalue *scale(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  return one(j, to_int, j->vectors.s32, times(j, v[0], v[1]));
}

static gcc_jit_rvalue *requant(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  gcc_jit_rvalue *x = two(j, max_text, j->vectors.f32, times(j, v[0], v[1]), v[2]);
  x = two(j, min_text, j->vectors.f32, x, v[3]);
  return plus(j, one(j, to_int, j->vectors.s32, x), v[4]);
}

static gcc_jit_rvalue *if_negative(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  gcc_jit_type *f = j->vectors.f32;
  gcc_jit_rvalue *zero = jit_once(j, f, jit_splat(j, f, jit_float(j, 0), JIT_LANES));
  gcc_jit_rvalue *negative = two(j, "vcmpltps %2, %1, %0", f, v[0], zero);
  return jit_instruction(j, "vblendvps %1, %2, %3, %0", f, 3, (gcc_jit_rvalue *[]){negative, v[1], v[2]});
}

#define PACK_U8 "vpackuswb %2, %1, %0"
#define PACK_S8 "vpacksswb %2, %1, %0"

static const JitRow rows[VIR_OP_COUNT] = {
    [VIR_load_u8] = {load_widened, 0, "vpmovzxbd %1, %0"},
    [VIR_load_s8] = {load_widened, 0, "vpmovsxbd %1, %0"},
    [VIR_load_u8_part] = {load_widened, 0, "vpmovzxbd %1, %0"},
    [VIR_load_s8_part] = {load_widened, 0, "vpmovsxbd %1, %0"},
    [VIR_pair_u8] = {load_pairs, 0, "vpmovzxbw %1, %0"},
    [VIR_pair_s8] = {load_pairs, 0, "vpmovsxbw %1, %0"},
    [VIR_pair_u8_part] = {load_pairs, 0, "vpmovzxbw %1, %0"},
    [VIR_pair_s8_part] = {load_pairs, 0, "vpmovsxbw %1, %0"},
    [VIR_store_u8] = {store_packed, 1, PACK_U8},
    [VIR_store_s8] = {store_packed, 1, PACK_S8},
    [VIR_store_u8_part] = {store_packed_part, 1, PACK_U8},
    [VIR_store_s8_part] = {store_packed_part, 1, PACK_S8},
    [VIR_narrow_u8] = {narrow, 1, PACK_U8},
    [VIR_narrow_s8] = {narrow, 1, PACK_S8},
    [VIR_narrow_u8_x2] = {narrow, 2, PACK_U8},
    [VIR_narrow_s8_x2] = {narrow, 2, PACK_S8},
    [VIR_narrow_u8_x4] = {narrow, 4, PACK_U8},
    [VIR_narrow_s8_x4] = {narrow, 4, PACK_S8},
    [VIR_dot] = {dot},
    [VIR_dot_sat] = {dot},
    [VIR_dot_mem] = {dot},
    [VIR_dot_sat_mem] = {dot},
    [VIR_dot2] = {dot_pairs},
    [VIR_max_u8] = {instruction, 0, "vpmaxub %2, %1, %0"},
    [VIR_max_s8] = {instruction, 0, "vpmaxsb %2, %1, %0"},
    [VIR_min_u8] = {instruction, 0, "vpminub %2, %1, %0"},
    [VIR_min_s8] = {instruction, 0, "vpminsb %2, %1, %0"},
    [VIR_zip_lo8] = {instruction, 0, "vpunpcklbw %2, %1, %0"},
    [VIR_zip_hi8] = {instruction, 0, "vpunpckhbw %2, %1, %0"},
    [VIR_zip_lo16] = {instruction, 0, "vpunpcklwd %2, %1, %0"},
    [VIR_zip_hi16] = {instruction, 0, "vpunpckhwd %2, %1, %0"},
    [VIR_widen_lo_u8] = {instruction, 0, "vpmovzxbw %1, %0"},
    [VIR_widen_lo_s8] = {instruction, 0, "vpmovsxbw %1, %0"},
    [VIR_widen_hi_u8] = {instruction, 0, "vpsrldq $8, %1, %0\n\tvpmovzxbw %0, %0"},
    [VIR_widen_hi_s8] = {instruction, 0, "vpsrldq $8, %1, %0\n\tvpmovsxbw %0, %0"},
    [VIR_min_s32] = {instruction, 0, "vpminsd %2, %1, %0"},
    [VIR_max_s32] = {instruction, 0, "vpmaxsd %2, %1, %0"},
    [VIR_min_f32] = {instruction, 0, min_text},
    [VIR_max_f32] = {instruction, 0, max_text},
    [VIR_sqrt_f32] = {instruction, 0, "vsqrtps %1, %0"},
    [VIR_if_negative_f32] = {if_negative},
    [VIR_s32_to_f32] = {instruction, 0, to_float},
    [VIR_requant] = {requant},
    [VIR_scale] = {scale},
    [VIR_float_sqrt] = {instruction, 0, "vsqrtss %1, %1, %0"},
    [VIR_float_round] = {instruction, 0, "vroundss $8, %1, %1, %0"},
    [VIR_float_floor] = {instruction, 0, "vroundss $9, %1, %1, %0"},
    [VIR_float_ceil] = {instruction, 0, "vroundss $10, %1, %1, %0"},
};

/* Where the processor has the instruction for four products, which are exact. */
static const JitRow vnni[2] = {{dot, 0, "%{vex%} vpdpbusd %3, %2, %0"}, {dot, 0, "vpdpbusd %3, %2, %0"}};

static bool is_dot(VirOp op) {
  return op == VIR_dot || op == VIR_dot_sat || op == VIR_dot_mem || op == VIR_dot_sat_mem;
}

const JitRow *jit_x86_row(VirOp op, unsigned features) {
  const unsigned avx512 = CPU_avx512_vnni | CPU_avx512vl;
  if (!(features & CPU_avx2) || !rows[op].build) return NULL;
  if (is_dot(op) && features & CPU_avx_vnni) return &vnni[0];
  if (is_dot(op) && (features & avx512) == avx512) return &vnni[1];
  return &rows[op];
}
