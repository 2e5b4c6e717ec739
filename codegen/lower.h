/* What generators (codegen/lower/) see: how each tensor lies in memory, and the module that their kernels go
 * into.
 *
 * Code generation runs in three steps over the nodes: place (each tensor's storage; every generator is first
 * asked for the halo and the scratch that it wants), plan memory (offsets in the workspace), emit (one or
 * more VIR functions per node, and the calls of the run function in order). */
#ifndef QCC_CODEGEN_LOWER_H
#define QCC_CODEGEN_LOWER_H

#include "codegen/codegen.h"
#include "codegen/vir.h"
#include "passes/ranges.h"

typedef enum { BUFFER_WORKSPACE, BUFFER_INPUT, BUFFER_OUTPUT } BufferKind;

/* A piece of memory that holds one tensor, or several that share it (reshapes, in-place results). */
typedef struct Buffer {
  BufferKind kind;
  int index; /* of the graph's input or output */
  int64_t bytes;
  int64_t offset;  /* in the workspace, a multiple of 64; set by plan_memory */
  int first, last; /* positions of the first and last node that touch it */
  struct Buffer *next;
} Buffer;

/* Real zeros around the depth, height and width of a tensor of rank 4 or 5, so that kernels need no border
 * code: before[] are front, top, left, after[] are back, bottom, right. Rank 4 has no depth. */
enum { HALO_DIMS = 3 };
typedef struct {
  int64_t before[HALO_DIMS], after[HALO_DIMS];
} Halo;

/* How a tensor lies in memory. Internal tensors of rank 3 and more are channels-last. 8-bit activations are
 * stored as the target likes them: stored = q - bias. */
typedef struct Storage {
  DType elem;
  int64_t stride[MAX_RANK]; /* in elements, per logical dim */
  int64_t base;             /* from the buffer's start to where kernels begin to count: in another tensor */
  int64_t offset;           /* of element (0, ..., 0) from the base: the halo's */
  int64_t size;             /* elements of the buffer from the base on, halo included */
  Halo halo;
  Buffer *buffer;          /* NULL: a constant */
  const VirBase *constant; /* made when first used */
  int32_t bias;            /* quantized 8-bit: q - stored: 0, 128 or -128 */
  int32_t zero;            /* the zero point as stored */
  const VirVar *filler;    /* while its halo is being filled: what with; NULL: the zero point */
  bool halo_filled;        /* by the kernels so far */
} Storage;

/* Bytes after the workspace's last buffer that kernels may read (never write): a k-group or vector may run
 * over. */
enum { WORKSPACE_SLACK = 64 };

typedef struct KernelArg {
  Buffer *buffer;
  DType elem;
  bool elem16; /* int16 elements, as in VirBase */
  bool writable;
  const char *what;     /* the tensor's name, for the comment */
  int64_t base;         /* elements from the buffer's start to what is passed */
  const Tensor *tensor; /* NULL: scratch */
} KernelArg;

/* One call of the run function. */
typedef struct Kernel {
  VirFunc *func; /* NULL: the node is left to who runs the code (CodegenOptions.host_ops) */
  KernelArg args[12];
  int n_args;
  const char *comment; /* printed above the call; or NULL */
  const Node *node;    /* the layer that it belongs to */
  bool first_of_layer;
  const char *task; /* what its parts are called as; NULL: the function's name and _part */
  struct Kernel *next;
} Kernel;

typedef struct Cg {
  Diag *diag;
  Arena *arena;
  Arena *kernel_arena; /* while a node's kernels are built: what constants are packed in and made of */
  const CodegenOptions *options;
  const Target *target;
  Graph *graph; /* a clone, made legal: public tensors touch only copies and conversions */
  const Tensor *const *public_outputs; /* the outputs as the caller's graph names them */
  const Ranges *ranges;                /* of that graph */
  VirModule *module;
  StrMap *channels_last;   /* names of the tensors that lie so */
  StrMap *storage_of;      /* tensor name -> Storage */
  StrMap *scratch_of;      /* name of a node's first result -> Buffer */
  StrMap *position_of;     /* name of a node's first result -> its position + 1 */
  const StrMap *origins;   /* of the nodes of bands: codegen/chain.h; NULL: there are none */
  bool saves_memory;       /* -max-workspace: what has scratch only to be faster does not pay */
  const FusedChain *fused; /* what -max-workspace has fused */
  int n_fused;
  int64_t unfused;            /* bytes of workspace without that */
  struct Residual *residuals; /* additions that layers may do: codegen/residual.h */
  int n_residuals;
  StrMap *shared;        /* kernels that bands share: codegen/share.h */
  struct Alias *aliases; /* what may lie in what: codegen/alias.h */
  int n_aliases;
  StrMap *alias_of,
      *insides_of; /* those that are used, by the tensor that lies inside; of a host the first */
  Buffer *buffers, **buffers_tail;
  int position; /* of the node being placed or emitted */
  MemoryFacts memory;
  Kernel *kernels, **kernels_tail;
  Kernel *open;      /* between cg_kernel and cg_done */
  StrMap *methods;   /* name of a node's first result -> how its kernel works, in words: cg_method */
  const Node *layer; /* of the newest kernel */
} Cg;

/* Which strides a kernel takes. PLACE_WHOLE: the tensor lies alone in its buffer, without gaps. PLACE_ROWS:
 * its last dim has no gaps, and what is before steps evenly. PLACE_STRIDED: any strides in the order of its
 * layout; the kernel touches nothing between the tensor's elements (it may read there, but for the last
 * bytes). */
typedef enum { PLACE_WHOLE, PLACE_ROWS, PLACE_STRIDED } PlaceDemand;

/* How operands and results of rank 3 and more must lie. */
typedef enum { LAYOUT_ANY, LAYOUT_CHANNELS_LAST, LAYOUT_ROW_MAJOR } LayoutDemand;

/* A generator. */
typedef struct Lowering {
  LayoutDemand layout;
  /* The halo that the kernel wants around operand `i` (all zero: none). NULL: none. */
  Halo (*halo)(const Node *n, int i);
  /* The kernel can read public inputs and write public outputs in any strides (copies, conversions). */
  bool any_strides;
  /* Operands from this one on are packed into constants: computed ones are refused. 0: none are. */
  int constants;
  unsigned computed;     /* bit i: operand i, though behind that one, is read as it lies */
  unsigned idle_results; /* bit i: the kernel does not write result i where nobody reads it */
  /* Before placement: may put other nodes in the node's place, or before it. False after a diagnostic. */
  bool (*expand)(struct Cg *cg, Node *n);
  /* Bit i: operand i, where it is a constant, is packed or read element by element: it stays where it lies.
   */
  unsigned stays;
  /* The result may take the first operand's memory where that dies and lies alike. */
  bool in_place;
  PlaceDemand reads, writes;
  /* Scratch bytes in the workspace while the kernel runs; NULL: none. */
  int64_t (*scratch)(const Cg *cg, const Node *n);
  /* Builds the kernels: cg_kernel, VIR, cg_done. False after a diagnostic. */
  bool (*emit)(Cg *cg, const Node *n, Buffer *scratch);
} Lowering;
extern const Lowering *const lowering_of[OP_COUNT];
/* Operand i is packed into a constant. */
static inline bool lowering_packs(const Lowering *l, int i) {
  return l->constants && i >= l->constants && !(l->computed >> i & 1);
}

Storage *cg_storage(const Cg *cg, const Tensor *t);
/* A result that nobody reads and that the kernel then does not write. */
bool cg_is_idle(const Cg *cg, const Node *n, const Tensor *t);
/* True where operand i and the first result lie in each other: the node need not move it. */
bool cg_lies_in_place(const Cg *cg, const Node *n, int i);

/* Starts a VIR function for the node; `what` completes the name: "n3_conv1" or "n3_conv1_<what>". The comment
 * gets the node's name, op, and the text. */
void cg_kernel(Cg *cg, VirBuilder *b, const Node *n, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* How the node's kernel works, for those who are told; of several kernels once. */
void cg_method(Cg *cg, const Node *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The base of a tensor in the open kernel: a parameter bound to its buffer, or the constant. Element
 * (0, ..., 0) is at cg_storage(t)->offset from it. */
const VirBase *cg_read(Cg *cg, VirBuilder *b, const Tensor *t, const char *name);
const VirBase *cg_write(Cg *cg, VirBuilder *b, const Tensor *t, const char *name);
const VirBase *cg_scratch(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, DType elem);
const VirBase *cg_scratch_s16(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, bool writable);
/* From a byte of it on. */
const VirBase *cg_scratch_at(Cg *cg, VirBuilder *b, Buffer *scratch, const char *name, DType elem,
                             int64_t byte);
/* Ends it: the run function calls it at this point. */
void cg_done(Cg *cg, VirBuilder *b);
/* What cg_done does with any kernel. */
void cg_call(Cg *cg, Kernel *k);
/* A kernel that does the same thing at `phases` places, whose origins in x and y are given in elements: adds
 * the only one to the addresses, or opens a loop over them and returns its variable (the caller ends it). */
const VirVar *cg_phases(Cg *cg, VirBuilder *b, const Node *n, int64_t phases, const int64_t *x_origin,
                        const int64_t *y_origin, VirAddr *x, VirAddr *y);
/* The name for a helper function (a register tile) of the node. */
char *cg_name(Cg *cg, const Node *n, const char *what);
/* What comments call the node: its name in the model it came from. */
char *cg_title(const Cg *cg, const Node *n);

/* The operations by the storage type of 8-bit activations. */
typedef struct ActOps {
  VirOp load, load_part, load_pairs, store, store_part, scatter, pair, pair_part, widen_lo, widen_hi, max,
      min, narrow, narrow_x2, narrow_x4, get, put, lookup;
  int32_t lowest, highest;
} ActOps;
const ActOps *act_ops(DType elem);

/* The stored range [lo, hi] of a result after its fused activation. */
void cg_stored_range(const Cg *cg, const Tensor *t, float act_min, float act_max, int32_t *lo, int32_t *hi);

/* The largest value of an operand of bytes as it is stored, the zero point that a halo holds included. */
int32_t cg_largest_stored(const Cg *cg, const Tensor *t);

/* codegen/halo.c: zeros around a tensor that wants a halo, before its producer writes the inside. Around
 * bytes without parameters nothing: only their users know the zero point. */
void cg_fill_halo(Cg *cg, const Node *n, const Tensor *t);
/* The zero point that the tensor `zero` holds (NULL: 0) around the bytes t, before `n` reads them. */
void cg_fill_halo_with(Cg *cg, const Node *n, const Tensor *t, const Tensor *zero);

/* codegen/place.c, plan_memory.c, module_c.c */
bool cg_place(Cg *cg);
void cg_plan_memory(Cg *cg);
/* What the buffers need at least, in bytes, and the position of the node where they do (-1: nothing). */
int64_t cg_memory_bound(const Cg *cg, int *position);
/* The same of each position. */
int64_t *cg_memory_profile(const Cg *cg, Arena *a);
/* Of the variant whose workspace is the largest. */
MemoryFacts cg_most_memory(Cg *const *variants, int n);
/* The three steps for one target; `first`: the code for a list's first one, NULL for itself. `common` has the
 * diagnostics, the arena, the options and the names of outputs. NULL after a diagnostic. */
Cg *cg_generate(const Cg *common, const Target *t, const Graph *g, const Cg *first);
void cg_write_module(Cg *const *variants, int n, StrBuf *c, StrBuf *h);

#endif
