/* Emitted C, built and run: one file per graph, one program per batch. */
#ifndef QCC_TESTS_DIFF_EMIT_H
#define QCC_TESTS_DIFF_EMIT_H

#include <sys/types.h>

#include "codegen/codegen.h"

/* A graph with inputs; emit_run fills `out`. Data in C order, [sample][tensor]. */
typedef struct {
  const Graph *graph;
  const Graph *source; /* as it was before the passes; NULL: not known */
  int n_samples;
  void ***in, ***out;
  bool nhwc;           /* the emitted code takes and gives channels-last tensors (-layout nhwc) */
  const char *refused; /* codegen's diagnostic; then the case has not run */
} EmitCase;

typedef struct {
  const Target *target;
  const char *cc;    /* NULL: the target's */
  const char *flags; /* separated by blanks */
  const char *dir;   /* for the files; exists */
  bool threads; /* kernels are done in parts, however small, from the last to the first; at once, where the
                   flags have -fsanitize=thread */
  int squeeze;  /* percent of its workspace that the code may take, or as near to it as can be; 0: no limit */
  bool check;   /* libclang reads the code first */
} Toolchain;

/* NULL, or what went wrong: the compiler's or the program's last words, in the arena. */
const char *emit_run(Arena *a, const Toolchain *tc, EmitCase *cases, int n);

/* A child whose output goes to a file, with a limit of time; its exit code, or a message where it has none;
 * the end of a file, for messages. */
pid_t fork_logged(const char *log);
const char *wait_for(Arena *a, pid_t pid, const char *what, int *code);
char *tail_of(Arena *a, const char *path);
/* The outputs of all cases, one behind the other. */
const char *read_outputs(const char *path, const EmitCase *cases, int n);

#endif
