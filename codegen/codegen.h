/* From an executable graph (only ops whose lowering is not `none`, see ir/ops.def) to one C file and its
 * header. */
#ifndef QCC_CODEGEN_CODEGEN_H
#define QCC_CODEGEN_CODEGEN_H

#include "codegen/target.h"
#include "ir/graph.h"

/* What is known of the workspace of a target, in bytes. */
typedef struct {
  int64_t workspace; /* what the run function is given */
  int64_t bound;     /* what the tensors need that are live at the fullest position: no plan can need less */
} MemoryFacts;

/* Layers that -max-workspace made band by band: so many rows of the last one's result at a time. */
typedef struct {
  const char *first, *last; /* their names */
  int layers;
  int64_t rows, bands;
} FusedChain;

/* What the code needs, in bytes. */
typedef struct {
  MemoryFacts memory; /* of the target that needs most */
  int64_t constants;
  int64_t unfused; /* with a limit: the workspace that this target would have had without it */
  const FusedChain *chains;
  int n_chains;
  StrMap *methods; /* name of a node's first result -> how its kernel works; of the first target */
} CodegenFacts;

/* Where large constants stand: in the C file, as string literals; in a file that it includes by the
 * assembler's .incbin; in an ELF object that it is linked with. */
typedef enum { WEIGHTS_STRING, WEIGHTS_INCBIN, WEIGHTS_OBJECT } WeightsKind;

typedef struct {
  const Target *const *targets; /* ends with NULL; different ones. Several: the file chooses at run time */
  const char *name;             /* prefix of the public names: a C identifier */
  const char *header_name; /* what the C file includes: "model.h"; NULL: the header's text stands in it */
  const char *model_file;  /* for the comment at the top: the model's file name without folders */
  const char *const
      *scripts;          /* for the same: names and hashes of users' scripts; ends with NULL; NULL: none */
  bool threads;          /* also a run function whose kernels are done in parts by the caller's threads */
  int64_t part_ops;      /* vector operations that a part has at least; 0: as many as pay (tests take 1) */
  bool instrument;       /* also one that calls back before and after each layer */
  int64_t max_workspace; /* bytes that the workspace may take; 0: any */
  bool host_ops;         /* nodes that no generator is for become kernels without a function: their caller
                            evaluates them (codegen/jit.c) */
  bool all_results;      /* results that nobody reads are computed, too: somebody looks at them */
  bool nhwc_io;          /* public tensors of rank 3 and 4 are channels-last; default: as the model says */
  const char *const
      *custom_files; /* with the functions of custom operators: what is built beside the C file */
  int n_custom_files;
  bool include_runtime; /* of one target: the vector operations are included from qcc's headers */
  WeightsKind weights;
  const char *weights_file; /* its name; NULL with WEIGHTS_STRING */
  StrBuf *weights_out;      /* gets its bytes; initialised */
  CodegenFacts *facts;      /* is filled in; NULL: nobody asks */
} CodegenOptions;

/* What a run function of a target is called: `model_run`, of one of several `model_run_x86_64_v3`; `kind` is
 * "", "_threads" or "_layers". */
char *codegen_run_name(Arena *a, const CodegenOptions *o, const char *kind, const Target *t);
/* And the macro of its workspace's size. */
char *codegen_workspace_name(Arena *a, const CodegenOptions *o, const Target *t);

/* Appends the text of the C file to `c` and of the header to `h`. `g` is not changed. False after a
 * diagnostic. */
bool codegen_c(Diag *d, Arena *a, const Graph *g, const CodegenOptions *o, StrBuf *c, StrBuf *h);

#endif
