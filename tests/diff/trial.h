/* One random graph on its way: generated, checked without any C, and made ready for code generation. */
#ifndef QCC_TESTS_DIFF_TRIAL_H
#define QCC_TESTS_DIFF_TRIAL_H

#include "tests/diff/gen.h"

typedef struct {
  uint64_t seed;
  Graph *source;       /* as generated; NULL: the seed gives none */
  Graph *integer;      /* where the source is in Q/DQ form: the integer graph that it came from */
  Graph *wide;         /* as the last pass, ranges, found it */
  Graph *final;        /* after the passes; NULL where they refuse */
  const char *failed;  /* what went wrong, or NULL */
  const char *refused; /* the passes' diagnostic, where refusing is right */
  const char *no_onnx; /* why ONNX has no form for `final`, or NULL */
  int n_samples;
  void ***in, ***expected; /* of `final`, [sample][tensor] */
} Trial;

enum { TRIAL_SAMPLES = 6 };

/* `only`: all ops are this one, OP_COUNT: any. `dir` takes the calibration file. Checks that the text IR
 * round-trips, that the passes keep what the graph computes, and that every stage verifies. */
void trial_prepare(Trial *t, Arena *a, uint64_t seed, int max_ops, OpId only, const char *dir);
/* NULL where what the passes make of the graph is settled, and comes back from text and from ONNX. */
const char *trial_passes(Arena *a, Graph *g);
/* A float graph of one op through the quantizer, its error against float within a bound that tells a wrong
 * kernel from rounding. */
void trial_single_op(Trial *t, Arena *a, uint64_t seed, OpId op, const char *dir);
/* Inputs of each style and what the interpreter makes of them, for a graph that is ready. */
void trial_samples(Trial *t, Arena *a);

/* Equal bit for bit; two NaN are equal. NULL, or where the first difference is. */
const char *compare_outputs(Arena *a, const Graph *g, int n_samples, void *const *const *want,
                            void *const *const *got);

#endif
