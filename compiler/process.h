/* Running other programs, without a shell. */
#ifndef QCC_COMPILER_PROCESS_H
#define QCC_COMPILER_PROCESS_H

#include "ir/arena.h"

typedef struct {
  const char **words;
  int n;
} Words;

void words_add(Arena *a, Words *w, const char *word);
/* Splits at blanks, as QCC_CC="gcc -std=c99" is meant. */
void words_split(Arena *a, Words *w, const char *text);

/* Runs words[0] (found in PATH) with standard input closed, standard output and error in the file `log`.
 * Returns its exit code, 128 + the signal that ended it, or -1 with errno where it could not be started. */
int spawn_wait(Arena *a, const Words *w, const char *log);

#endif
