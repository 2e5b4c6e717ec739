/* Diagnostics: `file:line:col: error: message`, the source line, a caret; for ONNX `file: node 'name' (Op):
 * error: ...`. Several errors are reported in one run. A user's mistake never reaches BUG(), which is for
 * ours. */
#ifndef QCC_IR_DIAG_H
#define QCC_IR_DIAG_H

#include "ir/arena.h"
#include <stdio.h>

/* A text or model file as it was read. `text` is NULL for binary models. */
typedef struct Source {
  const char *path; /* as the user gave it */
  const char *text; /* NUL-terminated */
  size_t len;
} Source;

/* A place: a byte range of a text source, or a node's path in an ONNX file. Zeroed: no place known. */
typedef struct {
  const Source *source;
  uint32_t begin, end; /* text: byte offsets */
  const char *path;    /* ONNX: "node 'conv1' (Conv)"; NULL for text */
} SrcLoc;

typedef struct Diag {
  Arena *arena;
  FILE *out;            /* stderr, unless a test captures it; NULL: silent, the first error is kept below */
  int errors, warnings; /* counted */
  int max_errors;       /* further errors are counted, not printed; default 8 */
  bool warnings_as_errors;
  SrcLoc first_loc;
  const char *first_message; /* or NULL */
  StrMap *disabled;          /* names given with -Wno-NAME, or NULL */
  const char **files; /* every file read in this run, in order, each once: for depfiles, and so that no output
                         overwrites an input */
  int n_files;
} Diag;

void diag_init(Diag *d, Arena *a, FILE *out);

/* Each prints one message (control bytes in it are escaped) and counts it. Both error forms return false, so
 * that a function can say `return diag_error(...)`. `name` is the flag's: -Wno-name silences the warning. */
bool diag_error(Diag *d, SrcLoc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(Diag *d, const char *name, SrcLoc loc, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void diag_note(Diag *d, SrcLoc loc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Records a file that was opened for reading; source_read and npz_open do it themselves. */
void diag_add_file(Diag *d, const char *path);

/* An internal error: prints the place in qcc's own source and exits with status 70. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Reads a whole regular file. Errors (missing, a directory, larger than `limit` bytes) go to `d`.
 * Returns NULL after an error. The text is owned by the arena. */
Source *source_read(Diag *d, Arena *a, const char *path, int64_t limit);
/* A source from memory, for tests and standard input. */
Source *source_from_text(Arena *a, const char *path, const char *text, size_t len);
/* Line (from 1) and column (from 1, in bytes) of a byte offset. */
void source_position(const Source *s, uint32_t offset, int *line, int *col);

#endif
