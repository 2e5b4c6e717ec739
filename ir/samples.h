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
 * (messages name file, array and sample). NULL after an error. What it reads is the arena's; nothing needs to
 * be closed. */
Samples *samples_open(Diag *d, Arena *a, const char *path, const Graph *g);
int64_t samples_count(const Samples *s);
/* Sample i's data, one pointer per graph input. Safe from any thread; false only where i is out of range. */
bool samples_load(Samples *s, int64_t i, const void **in);

/* How many samples of shape `one` an array of shape `all` holds by the rules above; 0 where it does not fit.
 */
int64_t samples_in_shape(const Shape *all, const Shape *one);

#endif
