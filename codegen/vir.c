#include "codegen/vir.h"

#include <string.h>

#include "codegen/cpu.h"
#include "ir/diag.h"

const VirOpInfo vir_op_info[VIR_OP_COUNT] = {
#define VIR_TYPE_i                      VIR_VEC_S32
#define VIR_TYPE_f                      VIR_VEC_F32
#define VIR_TYPE_q                      VIR_VEC_Q
#define VIR_TYPE_p                      VIR_VEC_P
#define VIR_TYPE_I                      VIR_INT
#define VIR_TYPE_F                      VIR_FLOAT
#define VIR_TYPE_v                      VIR_VOID
#define VIR_OP(name, result, signature) [VIR_##name] = {#name, VIR_TYPE_##result, signature},
#include "codegen/vir.def"
#undef VIR_OP
};

/* What a name of ours must not be: keywords of C99 to C23, and the macros and types of the included headers
 * that have short names. Names that begin with v_ are the runtime's. */
static const char *const reserved[] = {
    "alignas",  "alignof",  "asm",      "auto",     "bool",    "break",         "case",      "char",
    "const",    "continue", "default",  "do",       "double",  "else",          "enum",      "extern",
    "false",    "float",    "for",      "goto",     "if",      "inline",        "int",       "long",
    "nullptr",  "register", "return",   "restrict", "short",   "signed",        "sizeof",    "static",
    "struct",   "switch",   "true",     "typedef",  "typeof",  "typeof_unqual", "union",     "unsigned",
    "void",     "volatile", "while",    "int8_t",   "uint8_t", "int16_t",       "uint16_t",  "int32_t",
    "uint32_t", "int64_t",  "uint64_t", "unix",     "linux",   "thread_local",  "constexpr", "part_begin",
    "part_end"};

static char taken[] = "taken"; /* what the sets of names hold */

VirModule *vir_module(Arena *a, int lanes) {
  VirModule *m = ARENA_NEW(a, VirModule);
  *m = (VirModule){.arena = a, .lanes = lanes, .group = 1u << ARCH_ANY, .prefix = "", .owner = m};
  m->globals = strmap_new(a);
  m->locals = strmap_new(a);
  m->constant_data = strmap_new(a);
  m->funcs_tail = &m->funcs;
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    strmap_put(m->globals, (char *)reserved[i], taken);
  return m;
}

VirModule *vir_module_beside(VirModule *first, int lanes, const char *prefix) {
  VirModule *m = ARENA_NEW(first->arena, VirModule);
  *m = (VirModule){.arena = first->arena,
                   .lanes = lanes,
                   .globals = first->globals,
                   .locals = first->locals,
                   .constant_data = first->constant_data,
                   .prefix = prefix,
                   .owner = first};
  m->funcs_tail = &m->funcs;
  return m;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* `hint` as an identifier that neither set holds. */
static const char *unique_name(Arena *a, const StrMap *used1, const StrMap *used2, const char *hint) {
  char *base = arena_strdup(a, hint);
  for (char *p = base; *p; p++)
    if (!is_digit(*p) && !is_letter(*p)) *p = '_';
  /* a leading underscore and v_ are reserved */
  if (!is_letter(*base) || *base == '_' || !strncmp(base, "v_", 2)) base = arena_printf(a, "x%s", base);
  bool ends_in_digit = is_digit(base[strlen(base) - 1]);
  const char *name = base;
  for (int i = 2; strmap_get(used1, name) || strmap_get(used2, name); i++)
    name = arena_printf(a, ends_in_digit ? "%s_%d" : "%s%d", base, i);
  return name;
}

static const char *global_name(VirModule *m, const char *hint, void *what) {
  const char *name = unique_name(m->arena, m->globals, m->locals, hint);
  strmap_put(m->globals, name, what);
  return name;
}

/* Functions may use the same names inside, but hide no constant. */
/* A name that ends with the loop or scope it was given in. */
typedef struct VirName {
  const char *name;
  struct VirName *older;
} VirName;

static const char *local_name(VirBuilder *b, const char *hint) {
  bool once = b->tail == b->head; /* a constant of the function: no name of an inner scope may hide it */
  const char *name = unique_name(b->m->arena, once ? b->all_names : b->names, b->m->globals, hint);
  strmap_put(b->names, name, taken);
  strmap_put(b->all_names, name, taken);
  if (!once) {
    VirName *n = ARENA_NEW(b->m->arena, VirName);
    *n = (VirName){name, b->newest};
    b->newest = n;
  }
  strmap_put(b->m->locals, name, taken);
  return name;
}

/* Constants of equal hash. */
typedef struct SameHash {
  VirBase *base;
  struct SameHash *next;
} SameHash;

static uint64_t hash_bytes(const uint8_t *p, size_t n) { /* FNV-1a */
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
  return h;
}

static void keep_constant(VirModule *m, VirBase *base) {
  if (m->n_constants == m->cap_constants) {
    m->cap_constants = m->cap_constants ? 2 * m->cap_constants : 16;
    VirBase **grown = ARENA_NEW_ARRAY(m->arena, VirBase *, (size_t)m->cap_constants);
    if (m->n_constants) memcpy(grown, m->constants, sizeof *grown * (size_t)m->n_constants);
    m->constants = grown;
  }
  m->constants[m->n_constants++] = base;
}

static const VirBase *add_constant(VirModule *m, const char *hint, VirBase shape, const void *data,
                                   const char *comment) {
  Arena *a = m->arena;
  if (shape.count < 1) BUG("the constant %s is empty", hint);
  size_t bytes = (size_t)shape.count * (shape.elem16 ? 2 : (size_t)dtype_info[shape.elem].bytes);
  char *key = arena_printf(a, "%016llx %d %d %lld", (unsigned long long)hash_bytes(data, bytes), shape.elem,
                           shape.elem16, (long long)shape.count);
  SameHash *same = strmap_get(m->constant_data, key);
  for (SameHash *s = same; s; s = s->next)
    if (!memcmp(s->base->data, data, bytes)) {
      s->base->groups |= m->group;
      return s->base;
    }

  VirBase *base = ARENA_NEW(a, VirBase);
  *base = shape;
  base->name = global_name(m, hint, base);
  base->data = arena_memdup(a, data, bytes);
  base->comment = comment ? arena_strdup(a, comment) : NULL;
  base->groups = m->group;
  SameHash *entry = ARENA_NEW(a, SameHash);
  *entry = (SameHash){base, same};
  strmap_put(m->constant_data, key, entry);
  keep_constant(m->owner, base);
  return base;
}

int64_t vir_constant_bytes(const VirModule *m) {
  int64_t bytes = 0;
  for (int i = 0; i < m->n_constants; i++)
    bytes += m->constants[i]->count * (m->constants[i]->elem16 ? 2 : dtype_info[m->constants[i]->elem].bytes);
  return bytes;
}

const VirBase *vir_constant(VirModule *m, const char *hint, DType elem, int64_t count, const void *data,
                            const char *comment) {
  if (elem != DT_U8 && elem != DT_S8 && elem != DT_S32 && elem != DT_F32 && elem != DT_F16)
    BUG("the constant %s has elements of a type that code does not use", hint);
  return add_constant(m, hint, (VirBase){.elem = elem, .count = count}, data, comment);
}

const VirBase *vir_constant_s16(VirModule *m, const char *hint, int64_t count, const int16_t *data,
                                const char *comment) {
  return add_constant(m, hint, (VirBase){.elem16 = true, .count = count}, data, comment);
}

static char *prefixed(const VirModule *m, const char *name) {
  return arena_printf(m->arena, "%s%s", m->prefix, name);
}

VirFunc *vir_find_func(const VirModule *m, const char *name) {
  const char *full = prefixed(m, name);
  for (VirFunc *f = m->funcs; f; f = f->next)
    if (!strcmp(f->name, full)) return f;
  return NULL;
}

void vir_func(VirBuilder *b, VirModule *m, const char *name, bool is_inline, const char *comment) {
  VirFunc *f = ARENA_NEW(m->arena, VirFunc);
  f->name = global_name(m, prefixed(m, name), f);
  f->comment = comment ? arena_strdup(m->arena, comment) : NULL;
  f->is_inline = is_inline;
  *m->funcs_tail = f;
  m->funcs_tail = &f->next;
  *b = (VirBuilder){.m = m,
                    .f = f,
                    .tail = &f->body,
                    .head = &f->body,
                    .names = strmap_new(m->arena),
                    .all_names = strmap_new(m->arena)};
}

static VirBase *own_base(VirBuilder *b, const char *name, DType elem, bool writable, int64_t count) {
  VirBase *base = ARENA_NEW(b->m->arena, VirBase);
  *base = (VirBase){.name = local_name(b, name), .elem = elem, .writable = writable, .count = count};
  return base;
}

const VirBase *vir_param(VirBuilder *b, const char *name, DType elem, bool writable, int64_t count) {
  VirFunc *f = b->f;
  VirBase **grown = ARENA_NEW_ARRAY(b->m->arena, VirBase *, (size_t)f->n_params + 1);
  if (f->n_params) memcpy(grown, f->params, sizeof *grown * (size_t)f->n_params);
  f->params = grown;
  return f->params[f->n_params++] = own_base(b, name, elem, writable, count);
}

const VirBase *vir_index_param(VirBuilder *b, const char *name, int64_t count, int32_t most) {
  vir_param(b, name, DT_S32, false, count);
  VirBase *param = b->f->params[b->f->n_params - 1];
  param->indices = true;
  param->most = most;
  return param;
}

static VirStmt *add_stmt(VirBuilder *b, VirStmtKind kind) {
  VirStmt *s = ARENA_NEW(b->m->arena, VirStmt);
  s->kind = kind;
  *b->tail = s;
  b->tail = &s->next;
  b->f->n_stmts++;
  return s;
}

const VirBase *vir_local(VirBuilder *b, const char *name, DType elem, int64_t count) {
  VirBase *base = own_base(b, name, elem, true, count);
  add_stmt(b, VIR_STMT_LOCAL)->local = base;
  return base;
}

const VirBase *vir_param_s16(VirBuilder *b, const char *name, bool writable, int64_t count) {
  vir_param(b, name, DT_NONE, writable, count);
  VirBase *param = b->f->params[b->f->n_params - 1];
  param->elem16 = true;
  return param;
}

void vir_opaque(VirBuilder *b, const VirBase *param) {
  VirStmt *s = add_stmt(b, VIR_STMT_OPAQUE);
  s->n_args = 1;
  s->args[0] = vir_at(vir_addr(param, 0));
}

void vir_extern(VirBuilder *b, const VirExtern *e, int n_args, const VirArg *args, const int64_t *counts,
                const char *const *c_types) {
  VirStmt *s = add_stmt(b, VIR_STMT_EXTERN);
  size_t n = (size_t)n_args;
  s->external = e;
  s->n_args = n_args;
  s->extern_args = arena_memdup(b->m->arena, args, sizeof *args * n);
  s->extern_counts = arena_memdup(b->m->arena, counts, sizeof *counts * n);
  s->c_types = arena_memdup(b->m->arena, c_types, sizeof *c_types * n);
}

void vir_reserve(VirModule *m, const char *name) { strmap_put(m->globals, name, taken); }

void vir_fence(VirBuilder *b) { add_stmt(b, VIR_STMT_FENCE); }

static VirVar *new_var(VirBuilder *b, const char *name, VirType type) {
  VirVar *v = ARENA_NEW(b->m->arena, VirVar);
  *v = (VirVar){.name = local_name(b, name), .type = type};
  return v;
}

static VirStmt *open_block(VirBuilder *b, VirStmtKind kind) {
  if (b->depth == (int)(sizeof b->open / sizeof *b->open)) BUG("loops of %s are nested too deep", b->f->name);
  VirStmt *s = add_stmt(b, kind);
  b->outer[b->depth] = b->newest;
  b->open[b->depth++] = s;
  b->tail = &s->body;
  return s;
}

const VirVar *vir_loop(VirBuilder *b, const char *name, int64_t begin, int64_t end, int64_t step) {
  VirStmt *s = open_block(b, VIR_STMT_LOOP);
  s->begin = begin;
  s->end = end;
  s->step = step;
  return s->var = new_var(b, name, VIR_INDEX);
}

const VirVar *vir_loop_between(VirBuilder *b, const char *name, const VirVar *begin, const VirVar *end,
                               int64_t step) {
  const VirVar *v = vir_loop(b, name, 0, 0, step);
  VirStmt *s = b->open[b->depth - 1];
  s->begin_var = begin;
  s->end_var = end;
  return v;
}

const VirVar *vir_index(VirBuilder *b, const char *name, VirAddr table) {
  VirStmt *s = add_stmt(b, VIR_STMT_INDEX);
  s->n_args = 1;
  s->args[0] = vir_at(table);
  return s->var = new_var(b, name, VIR_INDEX);
}

void vir_scope(VirBuilder *b, const char *fmt, ...) {
  VirStmt *s = open_block(b, VIR_STMT_SCOPE);
  if (!fmt) return;
  va_list ap;
  va_start(ap, fmt);
  s->text = arena_vprintf(b->m->arena, fmt, ap);
  va_end(ap);
}

void vir_end(VirBuilder *b) {
  if (!b->depth) BUG("%s has no open loop", b->f->name);
  VirStmt *block = b->open[--b->depth];
  for (; b->newest != b->outer[b->depth]; b->newest = b->newest->older)
    strmap_put(b->names, b->newest->name, NULL);
  block->body_tail = b->tail;
  b->tail = &block->next;
}

void vir_comment(VirBuilder *b, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  add_stmt(b, VIR_STMT_COMMENT)->text = arena_vprintf(b->m->arena, fmt, ap);
  va_end(ap);
}

VirArg vir_v(const VirVar *v) { return (VirArg){.kind = (char)v->type, .var = v}; }
VirArg vir_n(int64_t n) { return (VirArg){.kind = 'n', .n = n}; }
VirArg vir_m(float m) { return (VirArg){.kind = 'm', .m = m}; }
VirArg vir_out(VirAddr a) { return (VirArg){.kind = 'w', .addr = a}; }
VirArg vir_at(VirAddr a) { return (VirArg){.kind = 'r', .addr = a}; }

VirAddr vir_addr(const VirBase *base, int64_t offset) { return (VirAddr){.base = base, .offset = offset}; }

VirAddr vir_plus(VirAddr a, const VirVar *index, int64_t coef) {
  if (!coef) return a;
  for (int i = 0; i < a.n_terms; i++)
    if (a.term[i].var == index) {
      a.term[i].coef += coef;
      return a;
    }
  if (a.n_terms == VIR_MAX_TERMS) BUG("an address on %s has too many terms", a.base->name);
  a.term[a.n_terms].var = index;
  a.term[a.n_terms++].coef = coef;
  return a;
}

VirAddr vir_offset(VirAddr a, int64_t elements) {
  a.offset += elements;
  return a;
}

static VirStmt *add_op(VirBuilder *b, const VirVar *dst, VirOp op, int n_args, const VirArg *args) {
  if (n_args < 0 || n_args > VIR_MAX_ARGS) BUG("v_%s with %d arguments", vir_op_info[op].name, n_args);
  VirStmt *s = add_stmt(b, VIR_STMT_OP);
  s->op = op;
  s->dst = dst;
  s->n_args = n_args;
  memcpy(s->args, args, sizeof *args * (size_t)n_args);
  b->m->used[op] = true;
  return s;
}

const VirVar *vir_let(VirBuilder *b, const char *name, VirOp op, int n_args, const VirArg *args) {
  VirVar *v = new_var(b, name, vir_op_info[op].result);
  add_op(b, v, op, n_args, args)->declares = true;
  return v;
}

static bool same_constants(const VirStmt *s, VirOp op, int n_args, const VirArg *args) {
  if (s->kind != VIR_STMT_OP || s->op != op) return false;
  for (int i = 0; i < n_args; i++) {
    const VirArg *a = &s->args[i], *b = &args[i];
    if (a->n != b->n || memcmp(&a->m, &b->m, sizeof a->m) || a->var != b->var ||
        a->addr.base != b->addr.base || a->addr.offset != b->addr.offset)
      return false;
  }
  return true;
}

const VirVar *vir_once(VirBuilder *b, const char *name, VirOp op, int n_args, const VirArg *args) {
  for (const VirStmt *s = b->f->body; s && s != *b->head; s = s->next)
    if (same_constants(s, op, n_args, args) && !strncmp(s->dst->name, name, strlen(name))) return s->dst;
  VirStmt **tail = b->tail == b->head ? NULL : b->tail, *rest = *b->head;
  b->tail = b->head;
  const VirVar *v = vir_let(b, name, op, n_args, args);
  b->head = b->tail; /* behind the new statement */
  *b->head = rest;
  if (tail) b->tail = tail;
  return v;
}

void vir_set(VirBuilder *b, const VirVar *dst, VirOp op, int n_args, const VirArg *args) {
  ((VirVar *)dst)->reassigned = true; /* every VirVar was made by new_var */
  add_op(b, dst, op, n_args, args);
}

void vir_do(VirBuilder *b, VirOp op, int n_args, const VirArg *args) { add_op(b, NULL, op, n_args, args); }

void vir_call(VirBuilder *b, VirFunc *callee, int n_args, const VirAddr *args) {
  VirStmt *s = add_stmt(b, VIR_STMT_CALL);
  s->callee = callee;
  s->n_args = n_args;
  s->call_args = arena_memdup(b->m->arena, args, sizeof *args * (size_t)n_args);
}
