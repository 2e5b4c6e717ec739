/* What the parts of the ONNX importer share: the values by name, the node under import, its attributes and
 * operands, and how IR nodes are emitted for it. */
#ifndef QCC_COMPILER_ONNX_IMPORT_H
#define QCC_COMPILER_ONNX_IMPORT_H

#include "compiler/onnx.h"
#include "ir/ops/attrs.h"
#include "onnx.pb-c.h"

/* Opsets of the default domain whose operators are understood. */
enum { ONNX_MIN_OPSET = 1, ONNX_MAX_OPSET = 21, ONNX_MAX_IR_VERSION = 13 };

/* One named value of the ONNX graph: an input, an initializer or a node's output. */
typedef struct {
  const char *name;
  SrcLoc loc;
  bool bad;  /* reported already: what uses it is skipped in silence */
  Type type; /* constants: of `data`; dtype DT_NONE: an element type that the IR does not have, see elem */
  int elem;  /* constants: the ONNX element type */
  const void *data;      /* constants: C order; NULL otherwise */
  const char *from_half; /* FLOAT constants: the values came as FLOAT16, under this name; or NULL */
  const Onnx__TensorProto
      *doubles;   /* constants of DOUBLE, which only Cast can take: their data; NULL otherwise */
  Tensor *tensor; /* its tensor in the graph. Constants: NULL until a node needs it there */
  int producer;   /* index of the ONNX node; -1: an input or an initializer */
  bool used;      /* by a node that an output depends on, or as an output */
  int uses;       /* by nodes, and as an output */
  Tensor
      *index_of; /* an integer: a quantized tensor's value + index_offset, on its way to a table; or NULL */
  int64_t index_offset;
} OnnxValue;

typedef struct {
  Diag *diag;
  Arena *arena;
  const Source *source;
  const char *path; /* of the model: external data lies beside it */
  const OnnxOptions *options;
  const Onnx__GraphProto *proto;
  int64_t opset; /* of the default domain */
  const Onnx__ModelProto *model;
  Graph *graph;
  StrMap *values;      /* name -> OnnxValue */
  StrMap *annotations; /* tensor name -> Onnx__TensorAnnotation */
  StrMap *readers;     /* value name -> the first DequantizeLinear of it */
  bool own;            /* qcc wrote the file */
  StrMap *functions;   /* of the model, by address: the importer where it is ours, else the function */
  StrMap *unknown;     /* operators that were reported as not supported, with their domains */
} OnnxImporter;

/* An attribute that an operator may have. */
typedef struct {
  const char *name; /* NULL ends a list */
  int type;         /* ONNX_FLOAT ... */
  int until;        /* the last opset that has it; 0: all */
  bool infinite;    /* FLOAT: may be infinite. NaN is refused always */
} OnnxAttr;
#define ONNX_FLOAT   ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
#define ONNX_INT     ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
#define ONNX_STRING  ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
#define ONNX_TENSOR  ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
#define ONNX_FLOATS  ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
#define ONNX_INTS    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
#define ONNX_STRINGS ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS

/* The node under import. */
typedef struct OnnxNode {
  OnnxImporter *im;
  const Onnx__NodeProto *proto;
  const struct OnnxOp *op;
  int64_t opset; /* of the node's domain */
  SrcLoc loc;    /* path: "node 'conv1' (Conv)" */
} OnnxNode;

/* What a constant evaluator says: it has set the outputs, it reported an error, or it has nothing to say and
 * the node is imported as usual. */
typedef enum { FOLD_DONE, FOLD_ERROR, FOLD_NO } OnnxFold;

/* One row of the table of operators. */
typedef struct OnnxOp {
  const char *name, *domain;
  int min_opset, max_opset;      /* max 0: up to the newest that is understood */
  int min_inputs, max_inputs;    /* max -1: any number */
  int max_outputs;               /* -1: any number */
  const OnnxAttr *attrs;         /* NULL: none */
  bool (*import)(OnnxNode *n);   /* emits IR nodes; NULL: constants only */
  OnnxFold (*fold)(OnnxNode *n); /* tried first where every input is a constant; NULL: none */
  bool fold_always;              /* fold needs types only (Shape): try it for any inputs */
} OnnxOp;

/* NULL where there is no such row; *other is then a row of the same operator for other opsets, or NULL. */
const OnnxOp *onnx_find_op(const char *name, const char *domain, int64_t opset, const OnnxOp **other);

/* The row of a custom operator, made for it; NULL: there is none of this name, or the domain is ONNX's. */
const OnnxOp *onnx_custom_row(OnnxImporter *im, const char *name, const char *domain);

/* "node 'conv1' (Conv)", an unnamed node by its first output. */
SrcLoc onnx_node_loc(const OnnxImporter *im, const Onnx__NodeProto *p);
/* Imports one node: checks it against its row, then folds or emits. False after a diagnostic. */
bool onnx_import_node(OnnxImporter *im, const Onnx__NodeProto *proto);

/* ---- diagnostics ---- */

/* Reports at the node. Returns false. */
bool onnx_error(const OnnxNode *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A name from the file, cut to a length fit for a message. NULL counts as "". */
const char *onnx_shown(Arena *a, const char *name);
static inline const char *onnx_str(const char *s) { return s ? s : ""; }

/* ---- inputs and outputs ---- */

bool onnx_has_input(const OnnxNode *n, int i);
/* The value of an input that is given, after onnx_import_node's checks. */
OnnxValue *onnx_input(const OnnxNode *n, int i);
/* An input as a tensor of the graph: float32, or quantized where `quantized_too`. Constants must be finite.
 * NULL after a diagnostic. */
Tensor *onnx_operand(const OnnxNode *n, int i, bool quantized_too);
/* The same for bytes, whatever they stand for. */
Tensor *onnx_integer_operand(const OnnxNode *n, int i);
/* An input that must be constant, of any element type that the IR has. NULL after a diagnostic that calls it
 * `what`. */
const OnnxValue *onnx_const_input(const OnnxNode *n, int i, const char *what);
/* A constant float32 scalar (one element); NaN is refused. */
bool onnx_scalar_input(const OnnxNode *n, int i, const char *what, float *v);

typedef struct {
  int64_t n;
  const int64_t *v;
} OnnxInts;
/* A constant vector (or scalar) of INT64 or INT32. */
bool onnx_ints_input(const OnnxNode *n, int i, const char *what, OnnxInts *ints);

const char *onnx_output_name(const OnnxNode *n, int i);
/* Whether an output is given and some node or graph output uses it. */
bool onnx_output_used(const OnnxNode *n, int i);
/* Binds output i. False where `t` is NULL: the error has been reported. */
bool onnx_set_output(OnnxNode *n, int i, Tensor *t);
void onnx_set_const(OnnxNode *n, int i, Type type, const void *data);
void onnx_mark_halves(OnnxNode *n, int i); /* the constant's values came as FLOAT16 */

/* ---- attributes (onnx_attr.c); the row's list has been checked, so names and types are right ---- */

bool onnx_check_attrs(OnnxNode *n);
bool onnx_has_attr(const OnnxNode *n, const char *name);
int64_t onnx_attr_int(const OnnxNode *n, const char *name, int64_t absent);
float onnx_attr_float(const OnnxNode *n, const char *name, float absent);
const char *onnx_attr_string(const OnnxNode *n, const char *name, const char *absent);
bool onnx_attr_ints(const OnnxNode *n, const char *name, OnnxInts *ints); /* false where absent */
const Onnx__AttributeProto *onnx_attr(const OnnxNode *n, const char *name);
/* INT attributes that are flags: anything but 0 and 1 is an error. */
bool onnx_attr_flag(const OnnxNode *n, const char *name, bool absent, bool *v);
/* Axes count from the end where negative. False after a diagnostic when outside [-rank, limit). */
bool onnx_axis(const OnnxNode *n, int64_t axis, int rank, int *out);
/* A list of axes: each in range, none twice; `mask[axis]` is set for each. */
bool onnx_axes(const OnnxNode *n, const OnnxInts *axes, int rank, bool mask[MAX_RANK]);

/* ---- emission ---- */

/* A node with one result. `name`: of the result, NULL for a fresh one; `attrs`: the op's attribute struct,
 * NULL for defaults. Where every operand is a constant the result is computed at once and is a constant (but
 * dequantize stays: the integers are what later passes want). NULL after a diagnostic, or where an operand is
 * NULL because its own error has been reported. */
Tensor *onnx_emit(OnnxNode *n, OpId op, const char *name, Tensor *const *operands, int n_operands,
                  const void *attrs);
Tensor *onnx_emit1(OnnxNode *n, OpId op, const char *name, Tensor *x, const void *attrs);
Tensor *onnx_emit2(OnnxNode *n, OpId op, const char *name, Tensor *x, Tensor *y, const void *attrs);
/* For quantized results (quantize, requantize, lut): the result's type says dtype and parameters. */
Tensor *onnx_emit_typed(OnnxNode *n, OpId op, const char *name, Tensor *const *operands, int n_operands,
                        const void *attrs, Type result);
/* The name and what else the file's node says of an IR node that is made without these. */
void onnx_label_node(const OnnxNode *n, Node *node);
/* Reshapes; `t` itself where it has the shape already and `name` is NULL. Constants, and the constant under a
 * dequantize, are given the new shape without a node. */
Tensor *onnx_reshape(OnnxNode *n, const char *name, Tensor *t, const Shape *shape);
Tensor *onnx_constant(OnnxNode *n, const char *name, Type type, const void *data);
/* The same, where the graph may have that constant already: it has one of that name, type and data. */
Tensor *onnx_shared_constant(OnnxNode *n, const char *name, Type type, const void *data);
/* Gives a tensor the name of the node's first output. */
void onnx_rename(OnnxNode *n, Tensor *t);
/* "base.suffix", for tensors that the model has no name for. */
const char *onnx_temp_name(const OnnxNode *n, const char *suffix);

/* A constant, or a dequantize of one: what weights are. */
bool onnx_is_weight(const Tensor *t);
/* The transpose of a rank 2 weight, integers and axis of the quantization with it. */
Tensor *onnx_transpose_weight(OnnxNode *n, Tensor *w);

/* ---- graph inputs (onnx_input.c) ---- */

/* Makes the graph's inputs of those that have no initializer; -shape options are applied. */
bool onnx_add_inputs(OnnxImporter *im);
/* At the end: every UINT8 or INT8 input has got its quantization from a DequantizeLinear. */
bool onnx_check_inputs_used(OnnxImporter *im);

/* ---- quantization that no QuantizeLinear states (onnx_annotation.c, onnx_op_quant.c) ---- */

void onnx_find_annotations(OnnxImporter *im);
/* *quant is NULL where the tensor has no annotation. False after a diagnostic at `loc`. */
bool onnx_annotated_quant(OnnxImporter *im, SrcLoc loc, const char *name, DType dtype, const Quant **quant);
/* The parameters of a result that its annotation or its first reader states. NULL after a diagnostic. */
const Quant *onnx_result_quant(const OnnxNode *n, const char *name, DType dtype);

/* "3", "batch" or "?". */
const char *onnx_dim_text(Arena *a, const Onnx__TensorShapeProto__Dimension *d);

/* ---- tensors (onnx_tensor.c) ---- */

DType onnx_dtype(int elem);           /* DT_NONE where the IR has no such type */
const char *onnx_elem_name(int elem); /* "FLOAT16"; NULL where ONNX has no such type */
int onnx_elem_of(DType t);            /* the reverse of onnx_dtype */
/* Checks and reads a TensorProto, external data included. *type gets DT_NONE where the IR has no such element
 * type (the sizes have been checked all the same). False after a diagnostic at `loc`. */
bool onnx_read_tensor(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, Type *type,
                      const void **data);
bool onnx_is_double(const Onnx__TensorProto *t);
/* The `count` elements of a DOUBLE tensor that onnx_read_tensor has checked, each rounded to float32. False
 * after a diagnostic. */
bool onnx_read_doubles(const OnnxNode *n, const Onnx__TensorProto *t, int64_t count, float *out);

/* ---- external data (onnx_external.c) ---- */

/* Reads `bytes` bytes of the file that the entries name, which must lie under the model's directory: no
 * absolute path, no .., no symbolic link on the way, a regular file with one link. NULL after a diagnostic.
 */
const void *onnx_read_external(OnnxImporter *im, SrcLoc loc, const Onnx__TensorProto *t, int64_t bytes);

#endif
