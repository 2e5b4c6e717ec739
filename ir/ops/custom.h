/* Custom operators: C functions of the user's, which take tensors in C order and numbers. What they take
 * stands in an annotation beside the function (docs/custom-ops.md); compiler/custom.c reads it. In the graph
 * such a node is an op_custom whose attributes name the operator.
 *
 * Where the annotation says that a tensor is quantized, a node has two forms. In its real form all is
 * float32, and the reference kernel quantizes operands and dequantizes the result around the call: what the
 * float model computes. The integer form takes and gives integers; pass_custom makes it. */
#ifndef QCC_IR_OPS_CUSTOM_H
#define QCC_IR_OPS_CUSTOM_H

#include "ir/graph.h"

enum { CUSTOM_MAX_OPERANDS = 8, CUSTOM_MAX_SYMBOLS = 16, CUSTOM_MAX_ATTRS = 16, CUSTOM_MAX_PARAMS = 48 };

/* CUSTOM_PLAIN: not quantized. CUSTOM_ANY: quantized, the function is told how. CUSTOM_FIXED: by these
 * parameters. */
typedef enum { CUSTOM_PLAIN, CUSTOM_ANY, CUSTOM_FIXED } CustomQuant;

/* A dim: a number, the value of a symbol, or two of them with + - * / between. */
typedef struct CustomDim {
  char kind; /* 'n', 'x', or the operator */
  int64_t number;
  int symbol;
  const struct CustomDim *left, *right;
} CustomDim;

typedef struct {
  const char *name;
  DType dtype;
  CustomQuant kind;
  const Quant *quant; /* CUSTOM_FIXED */
  bool any_shape;     /* [...]: that of the other such tensors */
  int rank;
  const CustomDim *dim[MAX_RANK];
  SrcLoc loc; /* in the annotation */
} CustomTensor;

/* What a name in a dim stands for. */
typedef struct {
  const char *name;
  int attr; /* the attribute; -1: what the operands' shapes say */
} CustomSymbol;

typedef struct {
  int64_t i;
  float f;
} CustomValue;

/* What a parameter of the function gets. Of tensors, `index` tells which: the operands, then the result. */
typedef enum {
  CUSTOM_TENSOR,
  CUSTOM_SYMBOL, /* also the attributes that are integers and stand in dims */
  CUSTOM_ATTR,
  CUSTOM_SCALE,
  CUSTOM_ZERO,
  CUSTOM_COUNT /* elements */
} CustomParamKind;

typedef struct {
  CustomParamKind kind;
  int index;
  const char *name;
  const char *c_type; /* of a number: as C declares it everywhere */
  bool is_float;
} CustomParam;

typedef struct CustomOp {
  const char *name;  /* of the function, and of the operator */
  const char *title; /* with CUSTOM_PREFIX: of nodes, in texts for people */
  SrcLoc loc;        /* the annotation */
  SrcLoc prototype;
  int64_t stack; /* bytes of it and of what it calls in its file, about; -1: not known */
  CustomTensor operands[CUSTOM_MAX_OPERANDS], result;
  int n_operands;
  CustomSymbol symbols[CUSTOM_MAX_SYMBOLS];
  int n_symbols;
  AttrDesc attrs[CUSTOM_MAX_ATTRS + 1]; /* offsets are in CustomAttrs; ends with a NULL name */
  struct CustomAttrs *defaults;
  CustomParam params[CUSTOM_MAX_PARAMS];
  int n_params;
  /* Calls it in this process, with the operands' elements and then the result's, and a number for each
   * parameter that is no tensor, in their order. NULL: it is not loaded. */
  void (*call)(const struct CustomOp *op, void *const *tensors, const CustomValue *numbers);
  void (*shim)(void *const *tensors, const CustomValue *numbers); /* for `call` */
} CustomOp;

typedef struct CustomAttrs {
  const CustomOp *op;
  CustomValue value[CUSTOM_MAX_ATTRS];
} CustomAttrs;

typedef struct CustomOps {
  CustomOp **ops;
  int n;
} CustomOps;
const CustomOp *custom_find(const CustomOps *ops, const char *name, size_t len); /* NULL where absent */

/* "custom.": before the name in the text IR. */
#define CUSTOM_PREFIX "custom."

static inline const CustomOp *custom_op(const struct Node *n) { return ATTRS(n, CustomAttrs)->op; }
/* Operand i, or the result behind the last one. */
static inline const CustomTensor *custom_tensor(const CustomOp *op, int i) {
  return i < op->n_operands ? &op->operands[i] : &op->result;
}
static inline struct Tensor *custom_value(const struct Node *n, int i) {
  return i < n->n_operands ? n->operands[i] : n->results[0];
}

/* What a node is called in texts for people. */
static inline const char *node_op_name(const struct Node *n) {
  return n->op == OP_custom && custom_op(n) ? custom_op(n)->title : op_info[n->op]->name;
}

/* A node of the operator, its attributes as they are by default. */
struct Node *custom_node(Graph *g, const CustomOp *op, struct Tensor *const *operands, int n_operands,
                         const char *result_name, SrcLoc loc, struct Node *before);

/* The type in which the function takes tensor i (custom_value) of a node of either form, or gives it. Of the
 * real form, parameters that the annotation leaves open are those of the dequantize before it or of the
 * quantize behind it. False: there is none. */
bool custom_call_type(const struct Node *n, int i, Type *type);
bool custom_is_real(const struct Node *n); /* real form, with something to quantize */

/* One for each of op->params that is no tensor. */
void custom_numbers(const struct Node *n, CustomValue numbers[CUSTOM_MAX_PARAMS]);

/* "void name(const float *x, float *y, int n);" and the line's end. */
void custom_put_prototype(StrBuf *out, const CustomOp *op);

/* Whether all nodes of the real form can be computed. False after diagnostics. */
bool custom_check(Diag *d, const Graph *g);

#endif
