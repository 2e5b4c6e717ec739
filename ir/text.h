/* The text IR: parser, printer, verifier. parse(print(g)) equals g at every stage of the pipeline. */
#ifndef QCC_IR_TEXT_H
#define QCC_IR_TEXT_H

#include "ir/graph.h"
#include "ir/npy.h"

/* Parses the source; several errors in a run; NULL after any. Weights are looked up relative to the source's
 * folder. `weights_override`: an .npz to use in place of the file that `weights` names; NULL: none. What it
 * returns has passed graph_verify. */
Graph *ir_parse(Diag *d, Arena *a, const Source *source, const char *weights_override);
/* The same, where custom operators are known (NULL: none). */
struct CustomOps;
Graph *ir_parse_custom(Diag *d, Arena *a, const Source *source, const char *weights_override,
                       const struct CustomOps *customs);

/* Prints the graph. Constants above `inline_limit` elements (16 is usual; -1: no limit) are declared and
 * their data is left to an .npz: `arrays` (may be NULL) receives them, `weights_name` (may be NULL) is the
 * file name to print. */
typedef struct {
  const char *weights_name;
  int64_t inline_limit;
  bool types;         /* print every result's type, not only those that quantization needs */
  const char *folder; /* of the file that the text goes to: `calibrate` is written relative to it, as it will
                         be read; NULL: the working folder */
} PrintOptions;
void ir_print(StrBuf *out, const Graph *g, const PrintOptions *o, NpyArray **arrays, int *n_arrays);
/* One line per op: `clip(1 operand) { min = -inf, max = inf }`, with the attributes' defaults. */
void ir_print_ops(StrBuf *out);

/* Structure, types, quantization (rules 3 and 4), attribute ranges: reports to `d` at the nodes' places. */
bool graph_verify(Diag *d, Graph *g);

#endif
