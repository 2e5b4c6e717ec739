/* What the parts of the ONNX writer share: operands and results of an IR node as values of ONNX nodes, and
 * the functions that write the ops, by family; onnx_export.c lists them in its table. */
#ifndef QCC_COMPILER_ONNX_EXPORT_OPS_H
#define QCC_COMPILER_ONNX_EXPORT_OPS_H

#include "compiler/onnx_build.h"
#include "compiler/onnx_import.h"
#include "ir/graph.h"
#include "ir/ops/attrs.h"

typedef struct {
  Diag *diag;
  Arena *arena;
  const Graph *graph;
  OnnxBuild build;
  StrMap *initializers; /* constants that have been written, by name */
  StrMap *views;        /* name of a quantized tensor -> that of its dequantized view */
  StrMap *parameters;   /* text of a dtype, scale and zero point -> QuantNames */
} OnnxExport;

/* One row of the table of ops. */
typedef struct {
  const char *name; /* of the ONNX operator; NULL: `write` says it */
  bool (*write)(OnnxExport *e, const Node *n, const char *name);
} OnnxExportOp;

/* Reports at the node. Returns false. */
bool onnx_export_error(OnnxExport *e, const Node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- operands ---- */

/* The ONNX node that stands for `n`: it has its name. It joins the graph with its result. */
Onnx__NodeProto *onnx_export_node(OnnxExport *e, const Node *n, const char *op_type);
/* A tensor as it is: integers as integers. Constants become initializers. */
const char *onnx_export_tensor(OnnxExport *e, const Tensor *t);
/* A tensor as float32: a quantized one behind a DequantizeLinear, float16 behind a Cast, one for all its
 * users. */
const char *onnx_export_view(OnnxExport *e, const Tensor *t);
/* The first `count` operands in their float view. */
void onnx_export_operands(OnnxExport *e, Onnx__NodeProto *p, const Node *n, int count);
/* A constant that the IR has as an attribute, named after the result. */
const char *onnx_export_ints(OnnxExport *e, const Node *n, const char *what, const int64_t *v, int count);
const char *onnx_export_scalar(OnnxExport *e, const Node *n, const char *what, DType dtype, const void *v);

/* ---- results ---- */

/* Appends a node of our own, without a name, with one result; returns the result. */
const char *onnx_export_step(OnnxExport *e, Onnx__NodeProto *p, const char *base, const char *suffix,
                             int elem, const Shape *shape);
/* Appends `p` with the result of `n`, whose dtype is that of the ONNX operator's result. */
void onnx_export_raw_result(OnnxExport *e, const Node *n, Onnx__NodeProto *p);
/* Appends `p`, which computes in float32, then what n's clamp and its quantized result need. */
void onnx_export_result(OnnxExport *e, const Node *n, Onnx__NodeProto *p);

/* ---- quantization (onnx_export_quant.c) ---- */

typedef struct {
  const char *scale, *zero; /* initializers */
} QuantNames;
/* One pair per dtype, scale and zero point; one per tensor where there are several of them. */
const QuantNames *onnx_export_parameters(OnnxExport *e, const Tensor *t);
/* QuantizeLinear of the float value `real` to the result of `n`. `name`: of the ONNX node. */
void onnx_export_quantize(OnnxExport *e, const char *name, const char *real, const Tensor *result);
/* Appends DequantizeLinear without its output. */
Onnx__NodeProto *onnx_export_dequantize(OnnxExport *e, const char *name, const Tensor *t);

bool onnx_export_convert(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_lut(OnnxExport *e, const Node *n, const char *name);

/* ---- ops ---- */

/* onnx_export_math.c: element by element, reductions, matrix products */
bool onnx_export_plain(OnnxExport *e, const Node *n, const char *name); /* operands and no attributes */
bool onnx_export_floats(OnnxExport *e, const Node *n,
                        const char *name);                             /* alpha, beta ... of the same names */
bool onnx_export_call(OnnxExport *e, const Node *n, const char *name); /* of a function of ours */
bool onnx_export_pow(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_clip(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_silu(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_gelu(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_batch_norm(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_custom(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_axis(OnnxExport *e, const Node *n, const char *name); /* float, with an axis */
bool onnx_export_reduce(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_reduce_sum(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_reduce_ends(OnnxExport *e, const Node *n, const char *name);
/* [OC, IC] as [IC, OC], the axis of its scales with it; under the same name. */
Tensor onnx_export_transposed(OnnxExport *e, const Tensor *w);
bool onnx_export_linear(OnnxExport *e, const Node *n, const char *name);

/* onnx_export_dynamic.c */
bool onnx_export_dynamic_quantize(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_dynamic_layer(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_integer_product(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_cast(OnnxExport *e, const Node *n, const char *name);

/* onnx_export_recurrent.c */
bool onnx_export_recurrent(OnnxExport *e, const Node *n, const char *name);

/* onnx_export_norm.c */
bool onnx_export_layer_norm(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_group_norm(OnnxExport *e, const Node *n, const char *name);

/* onnx_export_window.c: what slides a window */
/* A quantized layer's bias must have a scale. */
bool onnx_export_check_bias(OnnxExport *e, const Node *n);
bool onnx_export_conv(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_max_pool(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_average_pool(OnnxExport *e, const Node *n, const char *name);

/* onnx_export_spatial.c */
bool onnx_export_conv_transpose(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_resize(OnnxExport *e, const Node *n, const char *name);

/* onnx_export_shape.c: what only moves values, on the integers where they are quantized */
bool onnx_export_move(OnnxExport *e, const Node *n, const char *name); /* without attributes */
bool onnx_export_move_axis(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_reshape(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_transpose(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_slice(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_pad(OnnxExport *e, const Node *n, const char *name);
bool onnx_export_integer_clip(OnnxExport *e, const Node *n, const char *name);

/* Fills all of a clamp that has bounds: Relu or Clip over `x`, without its output. */
Onnx__NodeProto *onnx_export_clamp(OnnxExport *e, const Node *n, const char *x, float lo, float hi);

#endif
