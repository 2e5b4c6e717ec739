/* Running other programs, without a shell. */
#ifndef QCC_COMPILER_PROCESS_H
#define QCC_COMPILER_PROCESS_H

#include "ir/diag.h"

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

/* The first lines of what is in a log, at most `most` bytes, as notes. */
void note_log(Diag *d, const char *log, int lines, size_t most);

/* A new folder for files that programs share, qcc-WHAT-... in $TMPDIR or /tmp; NULL with errno, and *tried
 * says which it would have been. */
const char *temp_folder(Arena *a, const char *what, const char **tried);
const char *temp_file(Arena *a, const char *folder, const char *name);
/* The files that may be in it, and the folder. */
void temp_remove(Arena *a, const char *folder, const char *const *names, size_t n);

#endif
