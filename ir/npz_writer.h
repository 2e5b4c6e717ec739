/* An .npz written piece by piece: all arrays grow at once, none is in memory. Their shapes are known before,
 * so each has its place in the file from the start. */
#ifndef QCC_IR_NPZ_WRITER_H
#define QCC_IR_NPZ_WRITER_H

#include "ir/npy.h"

typedef struct NpzWriter NpzWriter;

/* Begins a file of `n` arrays, without their data, under a temporary name beside `path`. NULL after a
 * diagnostic. */
NpzWriter *npz_writer_open(Diag *d, Arena *a, const char *path, const NpyArray *arrays, int n);
/* Appends the next part of an array: one of the equal parts along axis 0. False after a diagnostic. */
bool npz_writer_put(NpzWriter *s, int array, const void *data, size_t bytes);
/* `keep`: all arrays are complete; the file takes its name. Otherwise it is dropped. False after a
 * diagnostic. */
bool npz_writer_close(NpzWriter *s, bool keep);

#endif
