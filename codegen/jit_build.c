#include "codegen/jit_build.h"

#include <string.h>

#include "ir/diag.h"

/* ---- types ---- */

gcc_jit_type *jit_elem_type(Jit *j, DType elem, bool elem16) {
  static const enum gcc_jit_types types[] = {[DT_U8] = GCC_JIT_TYPE_UINT8_T,
                                             [DT_S8] = GCC_JIT_TYPE_INT8_T,
                                             [DT_S32] = GCC_JIT_TYPE_INT32_T,
                                             [DT_F32] = GCC_JIT_TYPE_FLOAT,
                                             [DT_F16] = GCC_JIT_TYPE_UINT16_T};
  return gcc_jit_context_get_type(j->context, elem16 ? GCC_JIT_TYPE_INT16_T : types[elem]);
}

static gcc_jit_type *scalar(Jit *j, enum gcc_jit_types t) { return gcc_jit_context_get_type(j->context, t); }

static gcc_jit_type *vector(Jit *j, enum gcc_jit_types t, int lanes) {
  return gcc_jit_type_get_vector(scalar(j, t), (size_t)lanes);
}

static void make_types(Jit *j) {
  JitVectors *v = &j->vectors;
  v->u8 = vector(j, GCC_JIT_TYPE_UINT8_T, 16);
  v->s16 = vector(j, GCC_JIT_TYPE_INT16_T, 8);
  v->u16 = vector(j, GCC_JIT_TYPE_UINT16_T, 8);
  v->s32 = vector(j, GCC_JIT_TYPE_INT32_T, 4);
  v->u32 = vector(j, GCC_JIT_TYPE_UINT32_T, 4);
  v->f32 = vector(j, GCC_JIT_TYPE_FLOAT, 4);
  j->void_type = scalar(j, GCC_JIT_TYPE_VOID);
  j->byte_pointer = gcc_jit_type_get_pointer(scalar(j, GCC_JIT_TYPE_UINT8_T));
  j->type[VIR_VOID] = j->void_type;
  j->type[VIR_VEC_S32] = v->s32;
  j->type[VIR_VEC_F32] = v->f32;
  j->type[VIR_VEC_Q] = v->u8;
  j->type[VIR_VEC_P] = v->s16;
  j->type[VIR_INT] = j->type['n'] = scalar(j, GCC_JIT_TYPE_INT32_T);
  j->type[VIR_FLOAT] = j->type['m'] = scalar(j, GCC_JIT_TYPE_FLOAT);
  j->type[VIR_INDEX] = scalar(j, GCC_JIT_TYPE_INT64_T);
  j->type['r'] = j->type['w'] = j->byte_pointer;
}

/* ---- expressions ---- */

gcc_jit_rvalue *jit_int(Jit *j, int64_t n) {
  return gcc_jit_context_new_rvalue_from_int(j->context, j->type[VIR_INT], (int)n);
}

/* By its bits: NaN and infinities, too. */
gcc_jit_rvalue *jit_float(Jit *j, float v) {
  int32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return jit_bits(j, jit_int(j, bits), j->type[VIR_FLOAT]);
}

gcc_jit_rvalue *jit_index(Jit *j, int64_t n) {
  return gcc_jit_context_new_rvalue_from_long(j->context, j->type[VIR_INDEX], (long)n);
}

gcc_jit_rvalue *jit_binary(Jit *j, enum gcc_jit_binary_op op, gcc_jit_type *t, gcc_jit_rvalue *a,
                           gcc_jit_rvalue *b) {
  return gcc_jit_context_new_binary_op(j->context, NULL, op, t, a, b);
}

gcc_jit_rvalue *jit_cast(Jit *j, gcc_jit_rvalue *a, gcc_jit_type *t) {
  return gcc_jit_context_new_cast(j->context, NULL, a, t);
}

gcc_jit_rvalue *jit_bits(Jit *j, gcc_jit_rvalue *a, gcc_jit_type *t) {
  return gcc_jit_context_new_bitcast(j->context, NULL, a, t);
}

static gcc_jit_lvalue *new_variable(Jit *j, gcc_jit_type *t, const char *name) {
  return gcc_jit_function_new_local(j->function, NULL, t, name);
}

static void assign(Jit *j, gcc_jit_lvalue *to, gcc_jit_rvalue *value) {
  gcc_jit_block_add_assignment(j->block, NULL, to, value);
}

gcc_jit_lvalue *jit_variable(Jit *j, gcc_jit_type *t, gcc_jit_rvalue *value) {
  gcc_jit_lvalue *v = new_variable(j, t, "t");
  assign(j, v, value);
  return v;
}

gcc_jit_rvalue *jit_once(Jit *j, gcc_jit_type *t, gcc_jit_rvalue *value) {
  return gcc_jit_lvalue_as_rvalue(jit_variable(j, t, value));
}

gcc_jit_block *jit_new_block(Jit *j) {
  return gcc_jit_function_new_block(j->function, arena_printf(j->arena, "b%d", j->blocks++));
}

gcc_jit_rvalue *jit_select(Jit *j, gcc_jit_type *t, gcc_jit_rvalue *condition, gcc_jit_rvalue *a,
                           gcc_jit_rvalue *b) {
  gcc_jit_block *then = jit_new_block(j), *after = jit_new_block(j);
  gcc_jit_lvalue *v = jit_variable(j, t, b);
  gcc_jit_block_end_with_conditional(j->block, NULL, condition, then, after);
  gcc_jit_block_add_assignment(then, NULL, v, a);
  gcc_jit_block_end_with_jump(then, NULL, after);
  j->block = after;
  return gcc_jit_lvalue_as_rvalue(v);
}

static gcc_jit_lvalue *at(Jit *j, gcc_jit_rvalue *address, gcc_jit_type *unaligned) {
  return gcc_jit_rvalue_dereference(jit_cast(j, address, gcc_jit_type_get_pointer(unaligned)), NULL);
}

gcc_jit_rvalue *jit_load(Jit *j, gcc_jit_rvalue *address, gcc_jit_type *t) {
  return jit_bits(j, gcc_jit_lvalue_as_rvalue(at(j, address, gcc_jit_type_get_aligned(t, 1))), t);
}

void jit_store(Jit *j, gcc_jit_rvalue *address, gcc_jit_type *t, gcc_jit_rvalue *value) {
  gcc_jit_type *unaligned = gcc_jit_type_get_aligned(t, 1);
  assign(j, at(j, address, unaligned), jit_bits(j, value, unaligned));
}

gcc_jit_rvalue *jit_plus(Jit *j, gcc_jit_rvalue *address, gcc_jit_rvalue *bytes) {
  return gcc_jit_lvalue_get_address(gcc_jit_context_new_array_access(j->context, NULL, address, bytes), NULL);
}

gcc_jit_rvalue *jit_address(Jit *j, gcc_jit_lvalue *v) {
  return jit_cast(j, gcc_jit_lvalue_get_address(v, NULL), j->byte_pointer);
}

gcc_jit_rvalue *jit_instruction(Jit *j, const char *text, gcc_jit_type *result, int n,
                                gcc_jit_rvalue *const *v) {
  bool adds = !strstr(text, "%1") && n > 1;
  gcc_jit_lvalue *to = new_variable(j, result, "t");
  gcc_jit_extended_asm *a = gcc_jit_block_add_extended_asm(j->block, NULL, text);
  gcc_jit_extended_asm_add_output_operand(a, NULL, "=x", to);
  for (int i = 0; i < n; i++)
    gcc_jit_extended_asm_add_input_operand(a, NULL, adds && i == 0 ? "0" : "x", v[i]);
  return gcc_jit_lvalue_as_rvalue(to);
}

gcc_jit_rvalue *jit_splat(Jit *j, gcc_jit_type *vector, gcc_jit_rvalue *value, int lanes) {
  gcc_jit_rvalue *elements[JIT_VECTOR_BYTES];
  for (int i = 0; i < lanes; i++) elements[i] = value;
  return gcc_jit_context_new_rvalue_from_vector(j->context, NULL, vector, (size_t)lanes, elements);
}

/* ---- addresses ---- */

static gcc_jit_rvalue *value_of(Jit *j, const char *name) {
  gcc_jit_lvalue *v = strmap_get(j->values, name);
  if (!v) BUG("%s is used before it is declared", name);
  return gcc_jit_lvalue_as_rvalue(v);
}

static int64_t elem_bytes(const VirBase *b) { return b->elem16 ? 2 : dtype_info[b->elem].bytes; }

/* The first byte of a base. Constants stay where they are. */
static gcc_jit_rvalue *base_address(Jit *j, const VirBase *b, int64_t offset) {
  int64_t bytes = offset * elem_bytes(b);
  if (b->data)
    return gcc_jit_context_new_rvalue_from_ptr(j->context, j->byte_pointer, (char *)b->data + bytes);
  gcc_jit_rvalue *p = value_of(j, b->name);
  if (!bytes) return p;
  return jit_plus(j, p, jit_index(j, bytes));
}

static gcc_jit_rvalue *address_of(Jit *j, const VirAddr *a) {
  gcc_jit_rvalue *sum = NULL;
  int64_t bytes = elem_bytes(a->base);
  for (int i = 0; i < a->n_terms; i++) {
    if (!a->term[i].coef) continue;
    gcc_jit_rvalue *term =
        jit_binary(j, GCC_JIT_BINARY_OP_MULT, j->type[VIR_INDEX], value_of(j, a->term[i].var->name),
                   jit_index(j, a->term[i].coef * bytes));
    sum = sum ? jit_binary(j, GCC_JIT_BINARY_OP_PLUS, j->type[VIR_INDEX], sum, term) : term;
  }
  gcc_jit_rvalue *base = base_address(j, a->base, a->offset);
  return sum ? jit_plus(j, base, sum) : base;
}

/* ---- operations ---- */

static gcc_jit_rvalue *argument(Jit *j, const VirArg *a) {
  if (a->kind == 'r' || a->kind == 'w') return address_of(j, &a->addr);
  if (a->kind == 'n') return jit_int(j, a->n);
  if (a->kind == 'm') return jit_float(j, a->m);
  return value_of(j, a->var->name);
}

static gcc_jit_rvalue *call_generic(Jit *j, const VirStmt *s, gcc_jit_rvalue *const *v) {
  gcc_jit_type *types[VIR_MAX_ARGS];
  gcc_jit_rvalue *values[VIR_MAX_ARGS];
  const VirOpInfo *info = &vir_op_info[s->op];
  for (int i = 0; i < s->n_args; i++) {
    types[i] = j->type[(int)info->signature[i]];
    values[i] = v[i];
  }
  gcc_jit_type *type =
      gcc_jit_context_new_function_ptr_type(j->context, NULL, j->type[info->result], s->n_args, types, 0);
  gcc_jit_rvalue *f = gcc_jit_context_new_rvalue_from_ptr(j->context, type, (void *)jit_calls[s->op]);
  gcc_jit_rvalue *call = gcc_jit_context_new_call_through_ptr(j->context, NULL, f, s->n_args, values);
  if (info->result != VIR_VOID) return call;
  gcc_jit_block_add_eval(j->block, NULL, call);
  return NULL;
}

static gcc_jit_rvalue *operation(Jit *j, const VirStmt *s) {
  gcc_jit_rvalue *v[VIR_MAX_ARGS];
  for (int i = 0; i < s->n_args; i++) v[i] = argument(j, &s->args[i]);
  const JitRow *row = jit_x86_row(s->op, j->features);
  if (!row && j->rows != JIT_CALLS) row = &jit_rows[s->op];
  return row && row->build ? row->build(j, s, v, row) : call_generic(j, s, v);
}

/* ---- statements ---- */

static gcc_jit_lvalue *declare(Jit *j, const VirVar *var) {
  gcc_jit_lvalue *v = new_variable(j, j->type[var->type], var->name);
  strmap_put(j->values, var->name, v);
  return v;
}

static void build_op(Jit *j, const VirStmt *s) {
  gcc_jit_rvalue *value = operation(j, s);
  if (!s->dst) return;
  assign(j, s->declares ? declare(j, s->dst) : strmap_get(j->values, s->dst->name), value);
}

static void build_call(Jit *j, const VirStmt *s) {
  gcc_jit_rvalue **args = ARENA_NEW_ARRAY(j->arena, gcc_jit_rvalue *, (size_t)s->n_args + 1);
  for (int i = 0; i < s->n_args; i++) args[i] = address_of(j, &s->call_args[i]);
  gcc_jit_function *f = strmap_get(j->functions, s->callee->name);
  gcc_jit_block_add_eval(j->block, NULL, gcc_jit_context_new_call(j->context, NULL, f, s->n_args, args));
}

static gcc_jit_lvalue *element(Jit *j, gcc_jit_lvalue *array, int i) {
  return gcc_jit_context_new_array_access(j->context, NULL, gcc_jit_lvalue_as_rvalue(array), jit_index(j, i));
}

/* A function of the user's: its caller gets the addresses as an array. */
static void build_extern(Jit *j, const VirStmt *s) {
  gcc_jit_type *any = gcc_jit_context_get_type(j->context, GCC_JIT_TYPE_VOID_PTR);
  gcc_jit_type *types[] = {any, any};
  gcc_jit_lvalue *addresses = new_variable(
      j, gcc_jit_context_new_array_type(j->context, NULL, j->byte_pointer, s->n_args), "addresses");
  int n = 0;
  for (int i = 0; i < s->n_args; i++)
    if (s->extern_args[i].kind == 'r' || s->extern_args[i].kind == 'w')
      assign(j, element(j, addresses, n++), address_of(j, &s->extern_args[i].addr));
  gcc_jit_type *type = gcc_jit_context_new_function_ptr_type(
      j->context, NULL, gcc_jit_context_get_type(j->context, GCC_JIT_TYPE_VOID), 2, types, 0);
  gcc_jit_rvalue *args[] = {gcc_jit_context_new_rvalue_from_ptr(j->context, any, (void *)s->external->user),
                            jit_cast(j, gcc_jit_lvalue_get_address(element(j, addresses, 0), NULL), any)};
  gcc_jit_rvalue *f = gcc_jit_context_new_rvalue_from_ptr(j->context, type, (void *)s->external->call);
  gcc_jit_block_add_eval(j->block, NULL, gcc_jit_context_new_call_through_ptr(j->context, NULL, f, 2, args));
}

static void build_local(Jit *j, const VirBase *b) {
  gcc_jit_type *array = gcc_jit_context_new_array_type(
      j->context, NULL, gcc_jit_context_get_type(j->context, GCC_JIT_TYPE_UINT8_T),
      (int)(b->count * elem_bytes(b)));
  gcc_jit_lvalue *memory = new_variable(j, array, b->name);
  gcc_jit_lvalue_set_alignment(memory, JIT_VECTOR_BYTES);
  gcc_jit_rvalue *first = gcc_jit_lvalue_get_address(element(j, memory, 0), NULL);
  gcc_jit_lvalue *pointer = new_variable(j, j->byte_pointer, b->name);
  assign(j, pointer, first);
  strmap_put(j->values, b->name, pointer);
}

static void build_index(Jit *j, const VirStmt *s) {
  gcc_jit_rvalue *element = jit_load(j, address_of(j, &s->args[0].addr), j->type[VIR_INT]);
  assign(j, declare(j, s->var), jit_cast(j, element, j->type[VIR_INDEX]));
}

static void build_body(Jit *j, const VirStmt *s);

static gcc_jit_rvalue *bound(Jit *j, const VirVar *var, int64_t constant) {
  return var ? value_of(j, var->name) : jit_index(j, constant);
}

/* The condition stands behind the body; before it, too, where the loop may run zero times. */
static void build_loop(Jit *j, const VirStmt *s) {
  if (!s->begin_var && s->begin >= s->end) return;
  gcc_jit_lvalue *i = declare(j, s->var);
  gcc_jit_rvalue *value = gcc_jit_lvalue_as_rvalue(i), *end = bound(j, s->end_var, s->end);
  gcc_jit_block *body = jit_new_block(j), *after = jit_new_block(j);
  gcc_jit_rvalue *more = gcc_jit_context_new_comparison(j->context, NULL, GCC_JIT_COMPARISON_LT, value, end);
  assign(j, i, bound(j, s->begin_var, s->begin));
  if (s->begin_var)
    gcc_jit_block_end_with_conditional(j->block, NULL, more, body, after);
  else
    gcc_jit_block_end_with_jump(j->block, NULL, body);
  j->block = body;
  build_body(j, s->body);
  assign(j, i, jit_binary(j, GCC_JIT_BINARY_OP_PLUS, j->type[VIR_INDEX], value, jit_index(j, s->step)));
  gcc_jit_block_end_with_conditional(j->block, NULL, more, body, after);
  j->block = after;
}

static void build_stmt(Jit *j, const VirStmt *s) {
  switch (s->kind) {
  case VIR_STMT_OP:
    build_op(j, s);
    break;
  case VIR_STMT_CALL:
    build_call(j, s);
    break;
  case VIR_STMT_EXTERN:
    build_extern(j, s);
    break;
  case VIR_STMT_LOCAL:
    build_local(j, s->local);
    break;
  case VIR_STMT_SCOPE:
    build_body(j, s->body);
    break;
  case VIR_STMT_INDEX:
    build_index(j, s);
    break;
  case VIR_STMT_LOOP:
    build_loop(j, s);
    break;
  case VIR_STMT_COMMENT:
  case VIR_STMT_OPAQUE: /* hints for compilers of the C file */
  case VIR_STMT_FENCE:
    break;
  }
}

static void build_body(Jit *j, const VirStmt *s) {
  for (; s; s = s->next) build_stmt(j, s);
}

/* ---- functions ---- */

/* Parameters are pointers to bytes. */
static void build_function(Jit *j, const VirFunc *f) {
  if (f->parts) BUG("%s is split for threads", f->name);
  gcc_jit_param **params = ARENA_NEW_ARRAY(j->arena, gcc_jit_param *, (size_t)f->n_params + 1);
  for (int i = 0; i < f->n_params; i++)
    params[i] = gcc_jit_context_new_param(j->context, NULL, j->byte_pointer, f->params[i]->name);
  j->function = gcc_jit_context_new_function(j->context, NULL, GCC_JIT_FUNCTION_INTERNAL, j->void_type,
                                             f->name, f->n_params, params, 0);
  strmap_put(j->functions, f->name, j->function);
  j->values = strmap_new(j->arena);
  for (int i = 0; i < f->n_params; i++)
    strmap_put(j->values, f->params[i]->name, gcc_jit_param_as_lvalue(params[i]));
  j->blocks = 0;
  j->block = jit_new_block(j);
  build_body(j, f->body);
  gcc_jit_block_end_with_void_return(j->block, NULL);
}

void jit_build(Jit *j, const VirModule *m) {
  if (m->lanes != JIT_LANES) BUG("vectors of %d lanes", m->lanes);
  make_types(j);
  j->functions = strmap_new(j->arena);
  for (const VirFunc *f = m->funcs; f; f = f->next) build_function(j, f);
}
