/* A picture of the graph for Graphviz: a box per node, an edge per tensor with its type. */
#ifndef QCC_COMPILER_DOT_H
#define QCC_COMPILER_DOT_H

#include "ir/graph.h"

void dot_print(StrBuf *out, const Graph *g);

#endif
