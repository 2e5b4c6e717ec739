/* The pipeline: the rows of passes.def in order, or what scripts have made of them, the verifier after each.
 * Passes know no target. */
#ifndef QCC_PASSES_PASS_H
#define QCC_PASSES_PASS_H

#include "ir/graph.h"
#include "ir/interp.h"
#include "ir/npy.h"

typedef enum {
  MODE_AUTO,
  MODE_STATIC,
  MODE_NONE
} QuantMode; /* static: by the configuration; auto: so where there is the data that it needs, else none */

/* What the pipeline needs from outside. The driver fills it in; passes only read it, but for what is
 * said to be theirs. */
typedef struct PassCtx {
  Diag *diag;
  Arena *arena; /* the module's: what outlives the pass */
  QuantMode mode;
  const char *const *calib; /* files of -calib, or the model's `calibrate`; passes/calibrate.h */
  int n_calib;
  const char *record; /* -record: where observers that record write; NULL: nowhere */
  StrBuf *stats;      /* -emit calibration: what the observers have seen goes there, and no parameters are
                         chosen; NULL otherwise */
  bool
      quantized_io; /* -io quantized: inputs and outputs of a quantized model lose their (de)quantize nodes */
  bool float_io;    /* -io float: quantized inputs and outputs get (de)quantize nodes */
  const struct QConfigSet *qconfig; /* how a float model is quantized; passes/qconfig.h */
  const struct Pass *passes;        /* what is run, where scripts have changed it; NULL: pass_table */
  const ExecutorSource *executors;  /* of what runs graphs on samples; NULL: interpreters */
  int threads;
  void (*progress)(void *user, int64_t done, int64_t total); /* while calibrating; NULL: none */
  void *progress_user;

  const char *dump_after; /* name of a pass, "all", or NULL */
  const char *stop_after;
  FILE *dump_to;
  bool verbose; /* time of each pass on stderr */

  struct Plan *plan;     /* observe -> quantize; passes/plan.h */
  StrMap *float_reasons; /* quantize -> cleanup: why a node stays in float, by its result's name; or NULL */
  struct Removals *removals; /* ranges: what it has taken out; passes/ranges.h */
} PassCtx;

enum PassPlace {
  PASS_KEPT = 1,  /* is needed: it cannot be dropped, nor moved */
  PASS_JOINED = 2 /* goes by what the pass before has noted about the graph: nothing can come between them */
};

typedef struct Pass {
  const char *name;
  const char *what;                    /* one line for -print-passes */
  unsigned place;                      /* PassPlace */
  bool (*run)(PassCtx *ctx, Graph *g); /* false after a diagnostic */
  const struct ScriptPass *script;     /* a pass of a user's script, which has no `run`; passes/script.h */
} Pass;

extern const Pass pass_table[]; /* passes.def; ends with a NULL name */

/* Runs one pass. */
bool pass_run(PassCtx *ctx, const Pass *p, Graph *g);

/* Runs the pipeline. False after a diagnostic. Sets *stopped where -stop-after ended it. */
bool passes_run(PassCtx *ctx, Graph *g, bool *stopped);

#endif
