/* What a target is to the generators: numbers to ask, never a name. One row per target in targets.def. */
#ifndef QCC_CODEGEN_TARGET_H
#define QCC_CODEGEN_TARGET_H

#include "codegen/cpu.h"
#include "codegen/vir.h"

enum { TARGET_KERNELS = 2 };

/* What Winograd's transform is weighed by (codegen/winograd.h), in half cycles: four products of each lane in
 * the usual way, two of its own; the transforms of 2 * lanes channels of a tile, of a vector of results back.
 * The most MB that a layer's transformed weights may take. */
typedef struct {
  int usual, product, forward, back, megabytes;
} WinogradCost;

typedef struct Target {
  const char *name;      /* -target */
  const char *what;      /* for -print-targets */
  Arch arch;             /* ARCH_ANY: portable C */
  unsigned features;     /* that the code needs of a CPU: a set of CPU_... */
  const char *isa;       /* runtime/vec_<isa>.h */
  const char *attribute; /* what kernels need to use it without compiler flags; "" for none */
  int lanes;             /* 32-bit lanes of a vector */
  int registers;         /* vector registers */
  DType act;             /* storage of 8-bit activations: DT_U8, or DT_S8 (q xor 0x80, zero point - 128) */
  VirOp broadcast, dot, dot_wide; /* the dot product of 4 activation bytes by 4 weights per lane; dot: the
                             fast form, exact under the condition in `dot_limit`; dot_wide: always exact */
  bool pair_major;                /* weight bytes of a k-group lie [k/2][lane][2] instead of [lane][4] */
  int dot_pair_sum; /* dot adds two products in 16 bits: exact where no pair's |sum| can exceed this, and
                       kernels go by plans (codegen/dense_plan.h); 0: always exact */
  int weight_min;   /* dot is exact only for weights >= this */
  bool interleave;  /* vectors interleave in one operation: depthwise kernels go by quads of rows */
  const struct WinogradKernel *winograd_kernel; /* NULL: never */
  WinogradCost winograd;
  int dot_cost;           /* of `dot`, in half cycles: the tile is chosen by it; 0: conv_mr x conv_nv */
  int conv_mr, conv_nv;   /* register tile of a convolution: pixels x vectors */
  int float_mr, float_nv; /* the same for float32 */
  const struct TileKernel *kernels[TARGET_KERNELS]; /* micro-kernels besides broadcasts, the best first */
  const char *cc;                                   /* default compiler for -verify */
  const char *runner; /* runs its binaries: "" on the host, "qemu-aarch64 -L /usr/aarch64-linux-gnu" */
} Target;

extern const Target target_table[];          /* ends with a NULL name */
const Target *target_find(const char *name); /* NULL where unknown */
const char *target_default(void);            /* after the host's architecture */
const Target *target_native(void);           /* the best that this machine runs */
/* True where this machine runs the target's code by itself. `lacks` (NULL: not asked) gets what it has not,
 * in words, or NULL. */
bool target_runs_here(Arena *a, const Target *t, const char **lacks);

#endif
