/* Samples for a graph's inputs, from an .npz or .npy file: calibration, evaluation and -run take them from
 * here.
 *
 * An input's array is the one of its name, or `x` where the graph has one input, or the only array of an
 * .npy. For an input of shape [b, ...] the array may be [b, ...]      one sample, exactly the input's shape
 *   [N, ...]      N / b samples, stacked on axis 0 (N a multiple of b; b is 1 in most models)
 *   [...]         one sample without its batch dimension, where b is 1
 *   [N, b, ...]   N samples, stacked on an axis of their own (inputs without a batch, such as states)
 * Its element type is the input's; a quantized input takes float32 too, quantized by rule 1 of
 * docs/numerics.md. Other arrays of the file are ignored. */
#ifndef QCC_IR_SAMPLES_H
#define QCC_IR_SAMPLES_H

#include "ir/graph.h"

typedef struct Samples Samples;

/* Reads and checks all of it: names, types, shapes, equal numbers of samples, no NaN and no infinity
 * (messages name file, array and sample). Large arrays are not kept: their samples are read again when they
 * are asked for, so that memory does not grow with their number. NULL after an error. */
Samples *samples_open(Diag *d, Arena *a, const char *path, const Graph *g);
void samples_close(Samples *s); /* what samples_load gave from `a` stays valid; NULL is allowed */
int64_t samples_count(const Samples *s);
/* Sample i's data, one pointer per graph input, in memory of `a` or of the samples. Safe from any thread,
 * fastest in order. False where i is out of range, or after an error (the file has changed meanwhile). */
bool samples_load(Samples *s, int64_t i, Arena *a, const void **in);

/* How many samples of shape `one` an array of shape `all` holds by the rules above; 0 where it does not fit.
 */
int64_t samples_in_shape(const Shape *all, const Shape *one);

/* The shape of an array for `count` samples of shape `one`, the converse: [N, ...] for [1, ...], for others
 * with an axis in front. False where it would be too large. */
bool samples_stacked(const Shape *one, int64_t count, Shape *all);

#endif
