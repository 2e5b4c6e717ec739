/* The graph as an ONNX model: float ops as they are, integer ops between DequantizeLinear and QuantizeLinear,
 * so that ONNX Runtime runs it and qcc reads it back as the same graph. docs/onnx.md says how each op is
 * written. */
#ifndef QCC_COMPILER_ONNX_EXPORT_H
#define QCC_COMPILER_ONNX_EXPORT_H

#include "ir/graph.h"

/* A protobuf file ends below 2 GiB. */
#define ONNX_MAX_FILE (((int64_t)1 << 31) - 1)

/* The bytes of the file, the arena's; at most `limit` of them. They depend on nothing but the graph. False
 * after a diagnostic for each op, name and size that ONNX has no place for. */
bool onnx_export(Diag *d, Arena *a, const Graph *g, int64_t limit, const void **bytes, size_t *size);

/* Whether the op has a form in ONNX; of another, onnx_export refuses each node. */
bool onnx_export_has_form(OpId op);

#endif
