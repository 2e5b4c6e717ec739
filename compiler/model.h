/* Models as they come: text IR or ONNX, from a file or standard input. */
#ifndef QCC_COMPILER_MODEL_H
#define QCC_COMPILER_MODEL_H

#include "compiler/options.h"
#include "ir/graph.h"

/* Reads the model that the options name: .ir and .onnx by suffix, other files by what they hold, `-` as text
 * IR on standard input. `customs`: operators that it may have; NULL: none. NULL after diagnostics. */
struct CustomOps;
Graph *model_read(Diag *d, Arena *a, const Options *o, const struct CustomOps *customs);

#endif
