/* Output files, written so that each is old or complete new, never half: to a temporary name in the same
 * folder, synced, then renamed. Several files go together: all are written or none. */
#ifndef QCC_COMPILER_OUTPUT_H
#define QCC_COMPILER_OUTPUT_H

#include "ir/diag.h"

typedef struct {
  const char *path; /* "-": standard output. A device or FIFO is written directly */
  const void *data;
  size_t size;
} OutputFile;

/* Errors name the path. After an error the files are as they were before. */
bool output_write(Diag *d, const OutputFile *files, int n);

/* Before the work: could `path` be written? Refuses a folder, a path in a missing folder, and a file that is
 * also an input of this run (d->files). */
bool output_check(Diag *d, const char *path);
/* Standard output, or something that is not a regular file: nothing can stand beside it. */
bool output_is_stream(const char *path);

#endif
