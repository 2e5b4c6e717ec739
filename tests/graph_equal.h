/* For tests: two graphs say the same, down to names, attributes, types and constant data. Places in sources
 * and constants that nothing uses do not count. */
#ifndef QCC_TESTS_GRAPH_EQUAL_H
#define QCC_TESTS_GRAPH_EQUAL_H

#include "ir/graph.h"

/* Where they differ, `why` (may be NULL) is set to a text in `a` that says how. */
bool graph_equal(Arena *a, const Graph *x, const Graph *y, const char **why);

#endif
