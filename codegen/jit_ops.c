/* What operations become on any machine, one row each. Integers wrap, pointers may overlap and no operation
 * is contracted with another: libgccjit is told so. */
#include <string.h>

#include "codegen/jit_build.h"

typedef gcc_jit_rvalue *const *Values;

static gcc_jit_rvalue *same(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)j;
  (void)s;
  (void)row;
  return v[0];
}

/* ---- arithmetic ---- */

static gcc_jit_type *result_type(Jit *j, const VirStmt *s) { return j->type[vir_op_info[s->op].result]; }

static gcc_jit_rvalue *binary(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  return jit_binary(j, (enum gcc_jit_binary_op)row->n, result_type(j, s), v[0], v[1]);
}

static gcc_jit_rvalue *unary(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  return gcc_jit_context_new_unary_op(j->context, NULL, (enum gcc_jit_unary_op)row->n, result_type(j, s),
                                      v[0]);
}

static gcc_jit_rvalue *compare(Jit *j, enum gcc_jit_comparison op, gcc_jit_rvalue *a, gcc_jit_rvalue *b) {
  return gcc_jit_context_new_comparison(j->context, NULL, op, a, b);
}

/* a > b ? a : b, or with < */
static gcc_jit_rvalue *extreme(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  return jit_select(j, result_type(j, s), compare(j, (enum gcc_jit_comparison)row->n, v[0], v[1]), v[0],
                    v[1]);
}

static gcc_jit_rvalue *if_negative(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  gcc_jit_rvalue *negative = compare(j, GCC_JIT_COMPARISON_LT, v[0], jit_float(j, 0));
  return jit_select(j, result_type(j, s), negative, v[1], v[2]);
}

static gcc_jit_rvalue *shift(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  gcc_jit_type *t = result_type(j, s);
  gcc_jit_rvalue *n = s->op == VIR_shr_s32 ? jit_splat(j, t, v[1], JIT_LANES) : v[1];
  return jit_binary(j, GCC_JIT_BINARY_OP_RSHIFT, t, v[0], n);
}

/* The sign bits cleared. */
static gcc_jit_rvalue *abs_lanes(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  gcc_jit_type *t = j->vectors.s32;
  gcc_jit_rvalue *mask = jit_splat(j, t, jit_int(j, 0x7fffffff), JIT_LANES);
  return jit_bits(j, jit_binary(j, GCC_JIT_BINARY_OP_BITWISE_AND, t, jit_bits(j, v[0], t), mask),
                  j->vectors.f32);
}

/* Beside 1.5 * 2^23 the float's unit is 1: the integer stands in the low bits. */
static gcc_jit_rvalue *rne_lanes(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  enum { BITS = 0x4b400000 };
  const JitVectors *t = &j->vectors;
  gcc_jit_rvalue *big = jit_splat(j, t->f32, jit_float(j, 12582912.0f), JIT_LANES);
  gcc_jit_rvalue *sum = jit_binary(j, GCC_JIT_BINARY_OP_PLUS, t->f32, v[0], big);
  return jit_binary(j, GCC_JIT_BINARY_OP_MINUS, t->s32, jit_bits(j, sum, t->s32),
                    jit_splat(j, t->s32, jit_int(j, BITS), JIT_LANES));
}

/* ---- conversions of scalars ---- */

static gcc_jit_rvalue *converted(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  return jit_cast(j, v[0], result_type(j, s));
}

static gcc_jit_rvalue *rne(Jit *j, gcc_jit_rvalue *v) {
  gcc_jit_type *f = j->type[VIR_FLOAT];
  gcc_jit_rvalue *big = jit_float(j, 12582912.0f);
  gcc_jit_rvalue *sum = jit_binary(j, GCC_JIT_BINARY_OP_PLUS, f, v, big);
  return jit_cast(j, jit_binary(j, GCC_JIT_BINARY_OP_MINUS, f, sum, big), j->type[VIR_INT]);
}

static gcc_jit_rvalue *float_rne(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  return rne(j, v[0]);
}

/* a * 2^16 + b */
static gcc_jit_rvalue *wide_sum(Jit *j, Values v) {
  gcc_jit_type *t = j->type[VIR_INDEX];
  gcc_jit_rvalue *high = jit_binary(j, GCC_JIT_BINARY_OP_MULT, t, jit_cast(j, v[0], t), jit_index(j, 65536));
  return jit_binary(j, GCC_JIT_BINARY_OP_PLUS, t, high, jit_cast(j, v[1], t));
}

static gcc_jit_rvalue *wide_to_float(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  return jit_cast(j, wide_sum(j, v), result_type(j, s));
}

/* rne(min(max(acc * m, lo), hi)) + z */
static gcc_jit_rvalue *requant(Jit *j, gcc_jit_rvalue *acc, Values v) {
  gcc_jit_type *f = j->type[VIR_FLOAT];
  gcc_jit_rvalue *x = jit_once(j, f, jit_binary(j, GCC_JIT_BINARY_OP_MULT, f, acc, v[0]));
  x = jit_select(j, f, compare(j, GCC_JIT_COMPARISON_GT, x, v[1]), x, v[1]);
  x = jit_select(j, f, compare(j, GCC_JIT_COMPARISON_LT, x, v[2]), x, v[2]);
  return jit_binary(j, GCC_JIT_BINARY_OP_PLUS, j->type[VIR_INT], rne(j, x), v[3]);
}

static gcc_jit_rvalue *int_requant(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  return requant(j, jit_cast(j, v[0], j->type[VIR_FLOAT]), v + 1);
}

static gcc_jit_rvalue *int_requant_wide(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  return requant(j, jit_cast(j, wide_sum(j, v), j->type[VIR_FLOAT]), v + 2);
}

/* ---- vectors from constants and scalars ---- */

/* Of the scalar, in as many lanes as the row says. */
static gcc_jit_rvalue *splat(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  return jit_splat(j, result_type(j, s), v[0], JIT_LANES);
}

static gcc_jit_rvalue *splat_bytes(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  gcc_jit_type *byte = jit_elem_type(j, DT_U8, false);
  return jit_splat(j, j->vectors.u8, jit_once(j, byte, jit_cast(j, v[0], byte)), JIT_VECTOR_BYTES);
}

static gcc_jit_rvalue *splat_word(Jit *j, gcc_jit_rvalue *word, gcc_jit_type *t) {
  return jit_bits(j, jit_splat(j, j->vectors.s32, jit_once(j, j->type[VIR_INT], word), JIT_LANES), t);
}

static gcc_jit_rvalue *splat_pair(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)v;
  (void)row;
  const uint32_t low = (uint16_t)s->args[0].n, high = (uint16_t)s->args[1].n;
  return splat_word(j, jit_int(j, (int32_t)(high << 16 | low)), j->vectors.s16);
}

static gcc_jit_rvalue *bcast_pair(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  (void)row;
  return splat_word(j, v[0], j->vectors.s16);
}

static gcc_jit_rvalue *bcast_four(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  return splat_word(j, jit_load(j, v[0], j->type[VIR_INT]), result_type(j, s));
}

/* The same bits: machines that qcc runs on are little-endian. */
static gcc_jit_rvalue *same_bits(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  return jit_bits(j, v[0], result_type(j, s));
}

/* ---- memory ---- */

static gcc_jit_rvalue *load_vector(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  return jit_load(j, v[0], result_type(j, s));
}

static gcc_jit_rvalue *store_value(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)row;
  jit_store(j, v[0], j->type[(int)vir_op_info[s->op].signature[1]], v[1]);
  return NULL;
}

/* Elements of the type at the address. */
static gcc_jit_rvalue *element_at(Jit *j, gcc_jit_rvalue *address, DType elem, int64_t i) {
  return jit_load(j, jit_plus(j, address, jit_index(j, i * dtype_info[elem].bytes)),
                  jit_elem_type(j, elem, false));
}

/* The first lanes from memory, the others 0; elements are converted to those of lanes. */
static gcc_jit_rvalue *load_lanes(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  gcc_jit_type *lane = j->type[vir_op_info[s->op].result == VIR_VEC_F32 ? VIR_FLOAT : VIR_INT];
  int64_t n = s->n_args > 1 ? s->args[1].n : JIT_LANES;
  gcc_jit_rvalue *lanes[JIT_LANES];
  for (int i = 0; i < JIT_LANES; i++)
    lanes[i] = i < n ? jit_once(j, lane, jit_cast(j, element_at(j, v[0], (DType)row->n, i), lane))
                     : jit_cast(j, jit_int(j, 0), lane);
  return gcc_jit_context_new_rvalue_from_vector(j->context, NULL, result_type(j, s), JIT_LANES, lanes);
}

/* The first lanes of 32 bits to memory, through a variable. */
static gcc_jit_rvalue *store_lanes(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  gcc_jit_type *t = j->type[(int)vir_op_info[s->op].signature[1]];
  gcc_jit_rvalue *from = jit_address(j, jit_variable(j, t, v[1]));
  gcc_jit_type *elem = jit_elem_type(j, (DType)row->n, false);
  for (int64_t i = 0; i < s->args[2].n; i++)
    jit_store(j, jit_plus(j, v[0], jit_index(j, 4 * i)), elem, element_at(j, from, (DType)row->n, i));
  return NULL;
}

static gcc_jit_rvalue *get(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  gcc_jit_rvalue *x = jit_load(j, v[0], jit_elem_type(j, (DType)row->n, false));
  return jit_cast(j, x, result_type(j, s));
}

/* The element at table[index]. */
static gcc_jit_rvalue *lookup(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  gcc_jit_rvalue *at =
      jit_binary(j, GCC_JIT_BINARY_OP_MULT, j->type[VIR_INDEX], jit_cast(j, v[1], j->type[VIR_INDEX]),
                 jit_index(j, dtype_info[row->n].bytes));
  gcc_jit_rvalue *x = jit_load(j, jit_plus(j, v[0], at), jit_elem_type(j, (DType)row->n, false));
  return jit_cast(j, x, result_type(j, s));
}

/* Saturated to the element's range. */
static gcc_jit_rvalue *put_saturated(Jit *j, const VirStmt *s, Values v, const JitRow *row) {
  (void)s;
  gcc_jit_type *t = j->type[VIR_INT], *elem = jit_elem_type(j, (DType)row->n, false);
  gcc_jit_rvalue *lo = jit_int(j, dtype_info[row->n].min), *hi = jit_int(j, dtype_info[row->n].max),
                 *x = v[1];
  x = jit_select(j, t, compare(j, GCC_JIT_COMPARISON_LT, x, lo), lo, x);
  x = jit_select(j, t, compare(j, GCC_JIT_COMPARISON_GT, x, hi), hi, x);
  jit_store(j, v[0], elem, jit_cast(j, x, elem));
  return NULL;
}

const JitRow jit_rows[VIR_OP_COUNT] = {
    [VIR_load_s32] = {load_vector},
    [VIR_load_f32] = {load_vector},
    [VIR_load_q] = {load_vector},
    [VIR_load_q_once] = {load_vector},
    [VIR_load_q_blocks] = {load_vector}, /* one block */
    [VIR_load_p] = {load_vector},
    [VIR_load_s32_part] = {load_lanes, DT_S32},
    [VIR_load_f32_part] = {load_lanes, DT_F32},
    [VIR_load_u8] = {load_lanes, DT_U8},
    [VIR_load_s8] = {load_lanes, DT_S8},
    [VIR_load_u8_part] = {load_lanes, DT_U8},
    [VIR_load_s8_part] = {load_lanes, DT_S8},
    [VIR_store_s32] = {store_value},
    [VIR_store_f32] = {store_value},
    [VIR_store_q] = {store_value},
    [VIR_store_p] = {store_value},
    [VIR_store_s32_part] = {store_lanes, DT_S32},
    [VIR_store_f32_part] = {store_lanes, DT_F32},
    [VIR_splat_s32] = {splat},
    [VIR_splat_f32] = {splat},
    [VIR_bcast_s32] = {splat},
    [VIR_bcast_f32] = {splat},
    [VIR_splat_q] = {splat_bytes},
    [VIR_bcast_q] = {splat_bytes},
    [VIR_splat_p] = {splat_pair},
    [VIR_bcast_p] = {bcast_pair},
    [VIR_bcast4] = {bcast_four},
    [VIR_bcast2] = {bcast_four},
    [VIR_words] = {same_bits},
    [VIR_xor_q] = {binary, GCC_JIT_BINARY_OP_BITWISE_XOR},
    [VIR_add_p] = {binary, GCC_JIT_BINARY_OP_PLUS},
    [VIR_sub_p] = {binary, GCC_JIT_BINARY_OP_MINUS},
    [VIR_add_s32] = {binary, GCC_JIT_BINARY_OP_PLUS},
    [VIR_sub_s32] = {binary, GCC_JIT_BINARY_OP_MINUS},
    [VIR_mul_s32] = {binary, GCC_JIT_BINARY_OP_MULT},
    [VIR_shr_s32] = {shift},
    [VIR_add_f32] = {binary, GCC_JIT_BINARY_OP_PLUS},
    [VIR_sub_f32] = {binary, GCC_JIT_BINARY_OP_MINUS},
    [VIR_mul_f32] = {binary, GCC_JIT_BINARY_OP_MULT},
    [VIR_div_f32] = {binary, GCC_JIT_BINARY_OP_DIVIDE},
    [VIR_abs_f32] = {abs_lanes},
    [VIR_rne_f32] = {rne_lanes},
    [VIR_get_u8] = {get, DT_U8},
    [VIR_get_s8] = {get, DT_S8},
    [VIR_get_s32] = {get, DT_S32},
    [VIR_get_f32] = {get, DT_F32},
    [VIR_put_u8] = {put_saturated, DT_U8},
    [VIR_put_s8] = {put_saturated, DT_S8},
    [VIR_put_s32] = {store_value},
    [VIR_put_f32] = {store_value},
    [VIR_int_const] = {same},
    [VIR_float_const] = {same},
    [VIR_int_add] = {binary, GCC_JIT_BINARY_OP_PLUS},
    [VIR_int_sub] = {binary, GCC_JIT_BINARY_OP_MINUS},
    [VIR_int_mul] = {binary, GCC_JIT_BINARY_OP_MULT},
    [VIR_int_max] = {extreme, GCC_JIT_COMPARISON_GT},
    [VIR_int_min] = {extreme, GCC_JIT_COMPARISON_LT},
    [VIR_int_shr] = {shift},
    [VIR_float_add] = {binary, GCC_JIT_BINARY_OP_PLUS},
    [VIR_float_sub] = {binary, GCC_JIT_BINARY_OP_MINUS},
    [VIR_float_mul] = {binary, GCC_JIT_BINARY_OP_MULT},
    [VIR_float_div] = {binary, GCC_JIT_BINARY_OP_DIVIDE},
    [VIR_float_max] = {extreme, GCC_JIT_COMPARISON_GT},
    [VIR_float_min] = {extreme, GCC_JIT_COMPARISON_LT},
    [VIR_float_neg] = {unary, GCC_JIT_UNARY_OP_MINUS},
    [VIR_float_abs] = {unary, GCC_JIT_UNARY_OP_ABS},
    [VIR_float_if_negative] = {if_negative},
    [VIR_int_to_float] = {converted},
    [VIR_float_rne] = {float_rne},
    [VIR_int_requant] = {int_requant},
    [VIR_int_requant_wide] = {int_requant_wide},
    [VIR_int_wide_to_float] = {wide_to_float},
    [VIR_lookup_u8] = {lookup, DT_U8},
    [VIR_lookup_s8] = {lookup, DT_S8},
    [VIR_lookup_f32] = {lookup, DT_F32},
};
