#include "compiler/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 32 };

Progress progress_start(const char *what) {
  return (Progress){.what = what, .shown = isatty(STDERR_FILENO), .width = -1};
}

void progress_update(void *user, int64_t done, int64_t total) {
  Progress *p = user;
  if (!p->shown || total <= 0) return;
  if (done >= total) {
    progress_end(p);
    return;
  }
  int width = (int)(done * BAR_WIDTH / total);
  if (width == p->width) return;
  p->width = width;
  fprintf(stderr, "\r%s [", p->what);
  for (int i = 0; i < BAR_WIDTH; i++) fputc(i < width ? '#' : ' ', stderr);
  fprintf(stderr, "] %" PRId64 "/%" PRId64, done, total);
  fflush(stderr);
}

void progress_end(Progress *p) {
  if (!p->shown || p->width < 0) return;
  fputs("\r\033[K", stderr); /* back to the first column, clear to the end of the line */
  fflush(stderr);
  p->width = -1;
}
