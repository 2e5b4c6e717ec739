/* A graph as it was: rewrites that turn out to be wrong are taken back. Nodes and tensors stay where they are
 * in memory, so that pointers to them hold. */
#ifndef QCC_PASSES_SNAPSHOT_H
#define QCC_PASSES_SNAPSHOT_H

#include "ir/graph.h"

typedef struct Snapshot Snapshot;
Snapshot *snapshot_take(Arena *a, Graph *g); /* lives as long as the arena */
void snapshot_restore(const Snapshot *s);
/* Have the graph's inputs and outputs the names and types that they had? NULL, or what has changed. */
const char *snapshot_interface(const Snapshot *s, Arena *a);

#endif
