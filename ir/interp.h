/* The oracle: evaluates a graph by the reference kernels, node by node, float and quantized. */
#ifndef QCC_IR_INTERP_H
#define QCC_IR_INTERP_H

#include "ir/graph.h"

/* Called for each graph input and each node result, in topological order, while the data is alive. */
typedef void (*TensorWatch)(void *user, const Tensor *t, const void *data);

/* Whatever runs a graph: the interpreter, or a JIT handed in by the driver. `in` and `out` are in the order
 * of the graph's inputs and outputs, C order, one sample (the graph's own shapes). `watch` may be NULL.
 * Thread-safe: distinct calls may run at once. */
typedef struct Executor {
  void *self;
  const Graph *graph;
  void (*run)(void *self, const void *const *in, void *const *out, TensorWatch watch, void *user);
  void (*release)(void *self); /* NULL: all of it is the arena's */
} Executor;

/* An interpreter for `g`, which must not change while it lives. Owned by the arena. */
Executor *interp_new(Arena *a, const Graph *g);

/* Where executors come from: handed in to what runs graphs. NULL, or without `make`: interpreters. */
typedef struct ExecutorSource {
  /* `watched`: its runs have a watch. NULL after a diagnostic. */
  Executor *(*make)(void *user, Arena *a, const Graph *g, bool watched);
  void *user;
} ExecutorSource;
Executor *executor_new(const ExecutorSource *s, Arena *a, const Graph *g, bool watched);
void executor_free(const Executor *e); /* before its arena; NULL is allowed */

/* Runs `count` samples on up to `threads` threads. For sample i the input pointers come from `load` (called
 * in any order, from any thread), and `done` and `watch` are called in order of i, never at once: so
 * observers merge in order and results do not depend on threads. load returns false to stop (after a
 * diagnostic of its own): the samples before i are still handed out, none from i on; what it pointed to stays
 * in use until done(i), `a` lives as long. `wants` is asked once per tensor, before the first sample. At most
 * `threads` samples are in memory. Returns false where something stopped it. */
typedef struct {
  bool (*load)(void *user, int64_t i, Arena *a, const void **in);
  void (*watch)(void *user, int64_t i, const Tensor *t, const void *data); /* or NULL */
  bool (*wants)(void *user, const Tensor *t);                              /* tensors to watch; NULL: all */
  bool (*done)(void *user, int64_t i, const void *const *out);             /* or NULL; false stops */
  void *user;
} SampleLoop;
bool run_samples(const Executor *e, int64_t count, int threads, const SampleLoop *loop);

#endif
