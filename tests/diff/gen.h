/* Random valid graphs of every op, and data for them. The same seed gives the same graph. */
#ifndef QCC_TESTS_DIFF_GEN_H
#define QCC_TESTS_DIFF_GEN_H

#include "ir/graph.h"
#include "tests/diff/rng.h"

typedef enum {
  GEN_FLOAT,    /* f32 throughout, for the quantizer or for float code */
  GEN_QUANTIZED /* quantized by hand: types that no quantizer of ours would choose */
} GenForm;

typedef struct {
  uint64_t seed;
  GenForm form;
  int max_ops;
  OpId only; /* every step makes this op; OP_COUNT: any */
} GenOptions;

/* Everything is owned by the arena. The graph has been inferred; NULL after a diagnostic (a fault of the
 * generator). */
Graph *gen_graph(Diag *d, Arena *a, const GenOptions *o);

/* The same computation with dequantize before and quantize behind each op, as exporters write it. NULL where
 * an op has no such form. */
Graph *gen_qdq(Arena *a, const Graph *quantized, uint64_t seed);

/* How the elements of an input are spread. */
typedef enum {
  DATA_TYPICAL,  /* floats about +-2; quantized: uniform */
  DATA_EXTREME,  /* the ends of the range, and little between */
  DATA_CONSTANT, /* one value throughout */
  DATA_HOSTILE,  /* floats: NaN, infinities, -0, subnormals, 1e30 among typical ones */
  DATA_COUNT
} DataStyle;
void gen_data(Rng *r, const Type *t, DataStyle style, void *data);

#endif
