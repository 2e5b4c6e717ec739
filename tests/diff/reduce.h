/* Makes a failing graph small: the fault is easier to see in two nodes than in twelve. */
#ifndef QCC_TESTS_DIFF_REDUCE_H
#define QCC_TESTS_DIFF_REDUCE_H

#include "ir/graph.h"

/* True where the graph still shows the fault. */
typedef bool (*GraphFails)(void *user, Graph *g);

/* A smaller graph for which `fails` holds, or `g` itself: outputs are dropped, nodes become inputs or give
 * way to their operand, dims shrink. `fails` is called at most `trials` times, on graphs that verify. */
Graph *reduce_graph(Arena *a, Graph *g, GraphFails fails, void *user, int trials);

/* Writes NAME.ir and NAME.npz into `dir`. NULL, or what went wrong. */
const char *save_graph(Arena *a, const Graph *g, const char *dir, const char *name);

#endif
