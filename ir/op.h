/* The table of operators: one row per op in ops.def, everything else about it in ir/ops/NAME.c.
 * The attributes table drives the parser, the printer, the importer, the verifier and scripts. */
#ifndef QCC_IR_OP_H
#define QCC_IR_OP_H

#include "ir/diag.h"
#include "ir/type.h"

typedef struct Graph Graph;
struct Node;
struct Tensor;

typedef enum {
#define OP(name, lowering) OP_##name,
#include "ir/ops.def"
#undef OP
  OP_COUNT
} OpId;

/* A list of at most MAX_RANK * 2 integers: strides, pads, permutations, axes, shapes. */
typedef struct {
  int n;
  int64_t v[MAX_RANK * 2];
} IntList;

/* The same of floats: factors. */
typedef struct {
  int n;
  float v[MAX_RANK * 2];
} RealList;

typedef enum {
  ATTR_INT,   /* int64_t */
  ATTR_INTS,  /* IntList */
  ATTR_FLOAT, /* float */
  ATTR_REALS, /* RealList */
  ATTR_BOOL,  /* bool */
  ATTR_ENUM   /* int: an index into `values` */
} AttrKind;

typedef struct {
  const char *name;
  AttrKind kind;
  size_t offset;             /* in the op's attribute struct */
  int count;                 /* lists: how many it must have; 0: any number */
  const char *const *values; /* ATTR_ENUM: the names, NULL-terminated */
} AttrDesc;

/* What quantization does to the op (passes/quantize.c follows it). */
typedef enum {
  QUANT_FLOAT,  /* no integer form: a float island */
  QUANT_LINEAR, /* operands: activation u8/s8, weight s8 per channel on axis 0, bias s32; own result
                   parameters */
  QUANT_MOVE,   /* only moves or selects values: the result has the first operand's parameters */
  QUANT_CONCAT, /* moves or compares: all operands and the result share one set of parameters */
  QUANT_ARITH,  /* add, sub, mul, matmul: each operand and the result have their own */
  QUANT_POOL,   /* means and sums: own result parameters */
  QUANT_UNARY,  /* one value in, one out: becomes a 256-entry table */
  QUANT_FIRST, /* the first operand and the result have their own parameters, the others stay f32 constants */
  QUANT_CONVERT /* quantize, dequantize: their types say it */
} QuantRule;

/* What a kernel may use besides its operands. Reset after each kernel. */
typedef struct {
  Arena *scratch;
} EvalCtx;

typedef struct OpInfo {
  const char *name;
  int min_operands, max_operands; /* max -1: any number */
  unsigned optional;              /* bit i: operand i may be absent, though i < min_operands */
  int n_results;
  size_t attrs_size;         /* 0: no attributes */
  const void *attr_defaults; /* an instance of the attribute struct */
  const AttrDesc *attrs;     /* ends with a NULL name; NULL: none */
  QuantRule quant;
  /* QUANT_UNARY with fixed result parameters (sigmoid: 1/256, 0): scale for u8 results; 0: observed. */
  float fixed_scale;
  int32_t fixed_zero;

  /* Checks operands and attributes and computes the type of each result. For quantized results the rule sets
   * the shape, dtype DT_NONE (to be given by the result's own type) unless it follows from the operands
   * (QUANT_MOVE), then it sets dtype and quant too. Called through node_infer. Returns false after
   * diag_error. */
  bool (*infer)(Diag *d, struct Node *n, Type *results);

  /* The reference kernel, float and quantized, by docs/numerics.md: operands and results in C order, types
   * from the node. Absent optional operands are NULL. Never fails: infer and the verifier have checked
   * everything.
   */
  void (*eval)(EvalCtx *ctx, const struct Node *n, const void *const *in, void *const *out);

  /* QUANT_UNARY: the float function of one element. */
  float (*unary)(const struct Node *n, float x);

  /* Multiply-accumulates of one evaluation, for reports; NULL: 0. */
  int64_t (*macs)(const struct Node *n);
} OpInfo;

extern const OpInfo *const op_info[OP_COUNT];
/* OP_COUNT where unknown. */
OpId op_from_name(const char *name, size_t len);

/* Attributes by name, for the parser, the importer and scripts: a pointer to the field, or NULL. */
const AttrDesc *op_attr(OpId op, const char *name, size_t len);

#define ATTRS(n, T) ((T *)(n)->attrs)

#endif
