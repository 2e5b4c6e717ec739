/* Operators that opset 17 lacks, as functions of the model: their bodies are standard operators, so that
 * every runtime that knows functions computes them, and qcc knows them by name. */
#ifndef QCC_COMPILER_ONNX_FUNCTION_H
#define QCC_COMPILER_ONNX_FUNCTION_H

#include "ir/arena.h"
#include "onnx.pb-c.h"

#define ONNX_FUNCTION_DOMAIN "qcc"

/* The function of that name, as it is written. NULL: there is none. */
Onnx__FunctionProto *onnx_function_new(Arena *a, const char *name);
/* Is it one of those, with the body that it is written with? */
bool onnx_function_is_ours(Arena *a, const Onnx__FunctionProto *f);

#endif
