/* VIR: what generators build and printers (or a JIT) consume. Structured loops, affine addresses, mutable
 * typed variables, calls, and the operations of vir.def. Everything is owned by the module's arena. */
#ifndef QCC_CODEGEN_VIR_H
#define QCC_CODEGEN_VIR_H

#include "ir/arena.h"
#include "ir/type.h"

typedef enum {
#define VIR_OP(name, result, signature) VIR_##name,
#include "codegen/vir.def"
#undef VIR_OP
  VIR_OP_COUNT
} VirOp;

typedef enum {
  VIR_VOID = 'v',
  VIR_VEC_S32 = 'i',
  VIR_VEC_F32 = 'f',
  VIR_VEC_Q = 'q',
  VIR_VEC_P = 'p',
  VIR_INT = 'I',
  VIR_FLOAT = 'F',
  VIR_INDEX = 'x' /* what addresses are made of: loop variables, elements of constant tables */
} VirType;

typedef struct {
  const char *name; /* without the v_ */
  VirType result;
  const char *signature;
} VirOpInfo;
extern const VirOpInfo vir_op_info[VIR_OP_COUNT];

typedef struct VirVar {
  const char *name; /* unique in its function; [a-z0-9_]+ */
  VirType type;
  bool reassigned; /* vir_set has it as a target */
} VirVar;

/* What addresses start from: a parameter, a constant array of the module, or a local array. */
typedef struct VirBase {
  const char *name;
  DType elem;  /* u8 s8 s16 (as DT_NONE with elem16) s32 f32 f16 */
  bool elem16; /* int16 elements: depthwise weight pairs */
  bool writable;
  bool aliased;  /* parameters: may share memory with another one, so not restrict */
  int64_t count; /* elements; parameters: what the callee may touch, from the base (for the verifier); 0:
                    unknown */
  bool indices;  /* a parameter of indices in [0, most]: callers pass constants */
  int32_t most;
  const void *data;    /* constants: C order, host byte order; NULL otherwise */
  const char *comment; /* printed above constants: what it is, shape, packing */
  unsigned groups;     /* constants: architectures of the modules that use it, a set (codegen/cpu.h) */
} VirBase;

enum { VIR_MAX_TERMS = 12 };
/* A function of the user's, which the file only declares. */
typedef struct {
  const char *name;
  const char *prototype; /* in C, with the line's end */
  /* The same call in this process, for a JIT: it gets the addresses among the arguments, in their order, and
   * `user`, which knows the numbers. NULL: the function is not loaded. */
  void (*call)(const void *user, void *const *addresses);
  const void *user;
} VirExtern;

/* base + offset + sum of coef * variable, in elements of the base. */
typedef struct {
  const VirBase *base;
  int64_t offset;
  int n_terms;
  struct {
    const VirVar *var;
    int64_t coef;
  } term[VIR_MAX_TERMS];
} VirAddr;

typedef struct {
  char kind; /* the signature's letter */
  const VirVar *var;
  VirAddr addr;
  int64_t n;
  float m;
} VirArg;

typedef enum {
  VIR_STMT_OP,
  VIR_STMT_LOOP,
  VIR_STMT_CALL,
  VIR_STMT_EXTERN,
  VIR_STMT_COMMENT,
  VIR_STMT_LOCAL,
  VIR_STMT_SCOPE,
  VIR_STMT_INDEX,
  VIR_STMT_OPAQUE,
  VIR_STMT_FENCE
} VirStmtKind;
enum { VIR_MAX_ARGS = 6 };

typedef struct VirFunc VirFunc;
typedef struct VirStmt {
  VirStmtKind kind;
  struct VirStmt *next;
  /* op: dst = op(args); dst NULL for stores. `declares`: dst is new here */
  VirOp op;
  const VirVar *dst;
  bool declares;
  int n_args;
  VirArg args[VIR_MAX_ARGS];
  /* loop: for (var = begin; var < end; var += step) body; begin_var, end_var: the bounds where they are
   * variables, else NULL. index: var = the constant at args[0]. opaque: the base of args[0], a parameter */
  const VirVar *var, *begin_var, *end_var;
  int64_t begin, end, step;
  struct VirStmt *body, **body_tail;
  /* extern: a call of `external` with n_args of extern_args: addresses ('r' and 'w', from where the function
   * may touch `count` elements), 'n' and 'm', of the types c_types[i] of C (addresses: NULL) */
  const VirExtern *external;
  VirArg *extern_args;
  const int64_t *extern_counts;
  const char *const *c_types;
  /* call: callee(addresses...), local: an array `local` of the function */
  VirFunc *callee;
  VirAddr *call_args;
  const VirBase *local;
  const char *text; /* comment; of a scope: NULL for none */
  /* in a function of several parts: iterations of a loop that are shared out, 0: all parts run it; what is
   * left to the first one */
  int64_t shared;
  bool first_part;
} VirStmt;

struct VirFunc {
  const char *name;    /* a C identifier, unique in the module */
  const char *comment; /* what it computes: model node, shapes, scales; lines separated by \n */
  VirBase **params;
  int n_params;
  bool is_inline; /* a register tile: printed static inline */
  VirStmt *body;
  int parts; /* it can be done in (codegen/split.h): it gets the parameters part_begin and part_end; 0: as a
                whole */
  VirFunc *next; /* in the order they were made: callees before callers */
  int n_stmts;
};

typedef struct VirModule {
  Arena *arena;
  int lanes;
  StrMap *globals; /* functions (VirFunc), constants (VirBase) and C's keywords by name */
  StrMap *locals;  /* names that some function uses inside: a later constant must not be hidden by one */
  StrMap *constant_data; /* hash of a constant's data -> the constants that have it */
  VirFunc *funcs, **funcs_tail;
  VirBase **constants;
  int n_constants, cap_constants;
  bool used[VIR_OP_COUNT]; /* set as operations are added */
  unsigned group;          /* its architecture, as a set */
  const char *prefix;      /* of its functions' names */
  struct VirModule
      *owner;    /* of the constants, and of what is named in the file: itself, or the first of several */
  StrMap *apart; /* of the owner: constants in a file of their own -> their offset + 1; NULL: none are */
  StrBuf blob;   /* that file's bytes */
  const char *blob_name; /* what the C file calls them */
  const StrMap
      *renamed; /* operations and types of the runtime -> their names in this file; NULL: their own */
} VirModule;

VirModule *vir_module(Arena *a, int lanes);
/* Another one for the same file: its functions' names begin with `prefix`, its constants go to the first
 * module, where equal ones are already. */
VirModule *vir_module_beside(VirModule *first, int lanes, const char *prefix);
/* A constant array; data is copied; equal data of the same type is stored once. Its name is made from `hint`:
 * bytes that C does not allow become _, a number makes it unique. */
const VirBase *vir_constant(VirModule *m, const char *hint, DType elem, int64_t count, const void *data,
                            const char *comment);
/* Bytes of all constants. */
int64_t vir_constant_bytes(const VirModule *m);
const VirBase *vir_constant_s16(VirModule *m, const char *hint, int64_t count, const int16_t *data,
                                const char *comment);

/* The builder: a cursor into one function. */
typedef struct VirBuilder {
  VirModule *m;
  VirFunc *f;
  VirStmt **tail;    /* where the next statement goes */
  VirStmt **head;    /* behind the function's constants */
  VirStmt *open[32]; /* the open loops and scopes, outermost first */
  int depth;
  StrMap *names;             /* that can be named here: parameters, locals, variables, constants */
  StrMap *all_names;         /* that the function ever had */
  struct VirName *newest;    /* names that end with their loop or scope */
  struct VirName *outer[32]; /* the newest before each open loop or scope */
} VirBuilder;

/* `name` is made unique by a number where it is taken. */
void vir_func(VirBuilder *b, VirModule *m, const char *name, bool is_inline, const char *comment);
/* One that was made under this name; NULL: none was. */
VirFunc *vir_find_func(const VirModule *m, const char *name);
const VirBase *vir_param(VirBuilder *b, const char *name, DType elem, bool writable, int64_t count);
/* `count` s32 that vir_index may read: callers pass constants whose elements are all in [0, most]. */
const VirBase *vir_index_param(VirBuilder *b, const char *name, int64_t count, int32_t most);
const VirBase *vir_local(VirBuilder *b, const char *name, DType elem, int64_t count);
/* Of int16. */
const VirBase *vir_param_s16(VirBuilder *b, const char *name, bool writable, int64_t count);
const VirVar *vir_loop(VirBuilder *b, const char *name, int64_t begin, int64_t end, int64_t step);
/* The same between two variables of type VIR_INDEX, which are never negative. */
const VirVar *vir_loop_between(VirBuilder *b, const char *name, const VirVar *begin, const VirVar *end,
                               int64_t step);
/* A variable that addresses and loops may use: the element at `table`, which lies in a constant of s32 or a
 * parameter of indices. What else depends on it must be right for every value that this may hold. */
const VirVar *vir_index(VirBuilder *b, const char *name, VirAddr table);
/* Hides from compilers where a parameter that is only read points to (v_opaque in runtime/preamble.h). */
void vir_opaque(VirBuilder *b, const VirBase *param);
/* Between steps that gcc shall not mix (v_fence in runtime/preamble.h). */
void vir_fence(VirBuilder *b);
/* A block of its own, so that names may be used again in the next one; `fmt` is its comment, NULL for none.
 */
void vir_scope(VirBuilder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vir_end(VirBuilder *b); /* closes the innermost loop or scope */
void vir_comment(VirBuilder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Arguments. */
VirArg vir_v(const VirVar *v);
VirArg vir_n(int64_t n);
VirArg vir_m(float m);
VirArg vir_at(VirAddr a);  /* for both r and w */
VirArg vir_out(VirAddr a); /* w, where the operation does not say it: vir_extern */
VirAddr vir_addr(const VirBase *base, int64_t offset);
VirAddr vir_plus(VirAddr a, const VirVar *index,
                 int64_t coef); /* a + coef * index; a coef of 0 adds nothing */
VirAddr vir_offset(VirAddr a, int64_t elements);

/* dst = op(args): as a new variable named `name` (made unique by a number where it is taken), ... */
const VirVar *vir_let(VirBuilder *b, const char *name, VirOp op, int n_args, const VirArg *args);
/* ... as a constant of the function: stated once, at its head, whatever loop is open. For splats, scalar
 * constants and what is made of them or read at a fixed place, where nothing sets it again. */
const VirVar *vir_once(VirBuilder *b, const char *name, VirOp op, int n_args, const VirArg *args);
/* ... into an existing variable, ... */
void vir_set(VirBuilder *b, const VirVar *dst, VirOp op, int n_args, const VirArg *args);
/* ... or for its effect. */
void vir_do(VirBuilder *b, VirOp op, int n_args, const VirArg *args);
void vir_call(VirBuilder *b, VirFunc *callee, int n_args, const VirAddr *args);
/* A call of a function outside; counts[i]: elements that it touches behind an address. */
void vir_extern(VirBuilder *b, const VirExtern *e, int n_args, const VirArg *args, const int64_t *counts,
                const char *const *c_types);
/* A name of C that no other may hide in the module. */
void vir_reserve(VirModule *m, const char *name);
#define VIR_ARGS(...)                                                                                        \
  (int)(sizeof((VirArg[]){__VA_ARGS__}) / sizeof(VirArg)), (VirArg[]) { __VA_ARGS__ }
#define VIR_LET(b, name, op, ...)  vir_let((b), (name), VIR_##op, VIR_ARGS(__VA_ARGS__))
#define VIR_ONCE(b, name, op, ...) vir_once((b), (name), VIR_##op, VIR_ARGS(__VA_ARGS__))
#define VIR_SET(b, dst, op, ...)   vir_set((b), (dst), VIR_##op, VIR_ARGS(__VA_ARGS__))
#define VIR_DO(b, op, ...)         vir_do((b), VIR_##op, VIR_ARGS(__VA_ARGS__))

/* Checks every function: argument kinds against vir.def, variables declared before use and in scope, writes
 * only to writable bases, every address within its base's count over all loop iterations (partial forms
 * included: loads of a k-group, vectors). Loop variables are never negative, loops may run zero times.
 * vir_check returns NULL or the first fault as "function: what", in the arena; vir_verify makes it a BUG().
 */
const char *vir_check(Arena *a, const VirModule *m);
void vir_verify(const VirModule *m);

/* The number of elements that a memory operation touches. */
int64_t vir_extent(const VirModule *m, const VirStmt *s);
/* The pieces of equal size that these are in, as far apart as the last argument says; usually 1. */
int vir_pieces(VirOp op);

/* Prints the functions and constants as C (codegen/print_c.c). `v_` names refer to runtime/vec_<isa>.h,
 * v_aligned to runtime/preamble.h. `function_attribute` is put before every function ("" for none). */
void vir_print_constants(StrBuf *out, const VirModule *m);
/* Those whose groups are this set (in its normal form, arch_set). */
void vir_print_group(StrBuf *out, const VirModule *m, unsigned set);
void vir_print_functions(StrBuf *out, const VirModule *m, const char *function_attribute);
/* One comment as both print it: as many lines as the text has, with what could end or disturb it replaced. */
void vir_print_comment(StrBuf *out, int indent, const char *text);
/* A C99 expression that reads back equal: a literal, or a quotient for infinities and NaN. */
void vir_print_float(StrBuf *out, float v);

#endif
