/* An ONNX model under construction: nodes, initializers and descriptions of values are appended to protobuf
 * messages that an arena owns. Knows nothing of the IR's operators. */
#ifndef QCC_COMPILER_ONNX_BUILD_H
#define QCC_COMPILER_ONNX_BUILD_H

#include "ir/type.h"
#include "onnx.pb-c.h"

/* What is written. Opset 17 is the newest that goes with IR version 8, which everything reads that was
 * released since 2022, the checker of today's stable distributions included; the operators that later opsets
 * add are written as functions or refused. */
enum { ONNX_WRITTEN_OPSET = 17, ONNX_WRITTEN_IR_VERSION = 8 };

typedef struct {
  Arena *arena;
  Onnx__ModelProto *model;
  Onnx__GraphProto *graph;
  StrMap *values;    /* names of values that are taken */
  StrMap *nodes;     /* names of nodes that are taken */
  StrMap *functions; /* that the model has, by name */
} OnnxBuild;

void onnx_build_init(OnnxBuild *b, Arena *a, const char *graph_name);

/* Reserves the name of a value. False where it is taken. */
bool onnx_build_claim(OnnxBuild *b, const char *name);
/* "base.suffix", or "base.suffix.2" ... where that is taken; reserved. */
const char *onnx_build_fresh(OnnxBuild *b, const char *base, const char *suffix);

/* ---- nodes ---- */

/* A node that is not in the graph yet. A name that another node has goes to the node's description, from
 * which the importer takes it: ONNX Runtime wants names to be unique. "": no name. */
Onnx__NodeProto *onnx_build_node(OnnxBuild *b, const char *op_type, const char *name);
#define ONNX_NAME_NOTE  "qcc node: "
#define ONNX_FLOAT_NOTE "qcc: in float32; " /* before it */
void onnx_build_input(OnnxBuild *b, Onnx__NodeProto *n,
                      const char *value); /* "": an optional one is left out */
void onnx_build_output(OnnxBuild *b, Onnx__NodeProto *n, const char *value);
void onnx_build_int(OnnxBuild *b, Onnx__NodeProto *n, const char *name, int64_t v);
void onnx_build_float(OnnxBuild *b, Onnx__NodeProto *n, const char *name, float v);
void onnx_build_string(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const char *v);
void onnx_build_floats(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const float *v, int count);
void onnx_build_strings(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const char *const *v, int count);
void onnx_build_ints(OnnxBuild *b, Onnx__NodeProto *n, const char *name, const int64_t *v, int count);
/* A TENSOR that is one double. */
void onnx_build_double(OnnxBuild *b, Onnx__NodeProto *n, const char *name, double v);
/* In the body of a function: the value of its attribute `of`, of that AttributeType. */
void onnx_build_reference(OnnxBuild *b, Onnx__NodeProto *n, const char *name, int type, const char *of);
/* Behind all nodes so far. */
void onnx_build_append(OnnxBuild *b, Onnx__NodeProto *n);

/* An operator of another domain. */
void onnx_build_domain(OnnxBuild *b, Onnx__NodeProto *n, const char *domain, int64_t opset);

/* Makes it a call of one of our functions, of that name (onnx_function.h). */
void onnx_build_call(OnnxBuild *b, Onnx__NodeProto *n);

/* ---- values ---- */

/* Element types by their ONNX number. */
void onnx_build_initializer(OnnxBuild *b, const char *name, int elem, const Shape *shape, const void *data,
                            int64_t bytes);
/* Describes a value inside the graph, an input or an output. */
void onnx_build_value(OnnxBuild *b, const char *name, int elem, const Shape *shape);
void onnx_build_graph_input(OnnxBuild *b, const char *name, int elem, const Shape *shape);
void onnx_build_graph_output(OnnxBuild *b, const char *name, int elem, const Shape *shape);
/* Says which initializers hold the scale and zero point of a tensor. */
void onnx_build_annotation(OnnxBuild *b, const char *tensor, const char *scale, const char *zero);

/* The file's bytes, the arena's. False where they would be more than `limit`: *size then says how many. */
bool onnx_build_pack(OnnxBuild *b, int64_t limit, const void **bytes, int64_t *size);

#endif
