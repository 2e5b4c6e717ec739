/* Running graphs over files of samples: -run and -eval. */
#ifndef QCC_COMPILER_EVAL_H
#define QCC_COMPILER_EVAL_H

#include "ir/interp.h"

typedef struct {
  Diag *diag;
  Arena *arena;
  int threads;
  void (*progress)(void *user, int64_t done, int64_t total); /* NULL: none */
  void *progress_user;
} EvalOptions;

/* Runs `e` over the samples of `path`. The outputs, one array per output, named after it, float32
 * (dequantized where they are quantized), come as the bytes of an .npz; sample i is index i of axis 0. */
bool eval_run(const EvalOptions *o, const Executor *e, const char *path, const void **bytes, size_t *size);

/* Runs `reference` (the graph as it was imported) and `compiled` (the graph after the passes) over the
 * samples and appends a report: accuracy where the file has labels `y`, the share of samples with the same
 * class, SQNR per output against the reference, and of both against expected outputs `y_out` or `y_<output>`
 * where the file has them. `names`: what the two are called in the report. */
bool eval_compare(const EvalOptions *o, const Executor *reference, const Executor *compiled, const char *path,
                  const char *const names[2], StrBuf *report);

#endif
