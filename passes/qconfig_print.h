/* -print-qconfig: what each node is quantized to, how, and by which rule. */
#ifndef QCC_PASSES_QCONFIG_PRINT_H
#define QCC_PASSES_QCONFIG_PRINT_H

#include "passes/pass.h"

/* Runs the passes before the plan over a copy of the graph and prints a table, one line for each graph input
 * and node in their order, or why nothing is quantized. False after a diagnostic. */
bool qconfig_print(StrBuf *out, const PassCtx *ctx, const Graph *g);

#endif
