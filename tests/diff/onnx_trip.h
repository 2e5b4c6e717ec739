/* A graph that is ready for code generation, written as ONNX and read back. */
#ifndef QCC_TESTS_DIFF_ONNX_TRIP_H
#define QCC_TESTS_DIFF_ONNX_TRIP_H

#include "ir/graph.h"

/* NULL where the passes make the same graph, as text, of what comes back; else what is wrong. *refused: where
 * ONNX has no form for the graph, the writer's diagnostic. */
const char *check_onnx(Arena *a, const Graph *g, const char **refused);

#endif
