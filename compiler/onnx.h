/* The ONNX front end: a .onnx file (opsets 1 to 21 of the default domain) becomes a Graph with static shapes.
 * Nothing in the file is trusted; what has no equivalent in the IR is refused with the place of the node. */
#ifndef QCC_COMPILER_ONNX_H
#define QCC_COMPILER_ONNX_H

#include "ir/graph.h"

typedef struct {
  /* As given with -shape: "input=1,3,224,224" fixes a whole input, "N=1" a symbolic dimension by its name. */
  const char *const *shapes;
  int n_shapes;
  const struct CustomOps *customs; /* NULL: there are none */
} OnnxOptions;

/* Reads, checks and converts the model. Tensors and nodes keep the names they have in the file. Everything is
 * owned by the arena. NULL after diagnostics. */
Graph *onnx_import(Diag *d, Arena *a, const char *path, const OnnxOptions *o);

/* The same for bytes in memory, which are changed; nothing of the graph lies in them. `path` names them in
 * messages, and external data lies beside it. */
Graph *onnx_import_bytes(Diag *d, Arena *a, const char *path, uint8_t *bytes, size_t len,
                         const OnnxOptions *o);

#endif
