/* A progress bar on standard error, where that is a terminal. */
#ifndef QCC_COMPILER_PROGRESS_H
#define QCC_COMPILER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  const char *what; /* "calibrating" */
  bool shown;       /* stderr is a terminal */
  int width;        /* columns filled when it was last drawn; -1: not drawn yet */
} Progress;

Progress progress_start(const char *what);
/* Has the form of PassCtx.progress: `user` is a Progress. The bar vanishes when done reaches total. */
void progress_update(void *user, int64_t done, int64_t total);
/* Wipes a bar that was left unfinished, before messages are printed. */
void progress_end(Progress *p);

#endif
