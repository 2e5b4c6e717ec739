/* Convolutions as kernels see them. A convolution reads each window with the same steps; of a transposed one
 * the output positions fall into phases by their remainder modulo the stride, and each phase is an ordinary
 * convolution with a part of the kernel, which stands in the result with gaps. */
#ifndef QCC_CODEGEN_CONV_PHASE_H
#define QCC_CODEGEN_CONV_PHASE_H

#include "codegen/lower.h"
#include "ir/ops/attrs.h"

/* A phase along one dim. Tap t of its output p reads input x_first + p * x_step + t * tap_step, which may lie
 * in the halo, by the kernel's element w_first + t * w_step. */
typedef struct {
  int64_t count;           /* outputs, at least 1 */
  int64_t y_first, y_step; /* their positions in the result */
  int64_t x_first, x_step;
  int64_t taps, tap_step; /* taps: 0 where the kernel has nothing for this phase */
  int64_t w_first, w_step;
} ConvPhase;

/* Phases that differ only in where they begin: one kernel does them all. */
typedef struct {
  const Node *node;
  const Tensor *weight;
  const char *what; /* completes the kernel's name; "" where there is one kernel */
  ConvPhase
      dim[3]; /* depth, height, width (without depth a single element): counts and steps of each phase */
  int64_t phases;
  const ConvPhase (*place)[3]; /* [phases]: where each begins */
  bool empty;                  /* the kernel has nothing for them: their results are the bias */
} ConvWindow;

/* The weight of a convolution of any kind. */
const Tensor *conv_weight_of(const Node *n);

/* The kernels of a convolution; returns how many. */
int conv_windows(Arena *a, const Node *n, ConvWindow **out);
/* The first element of each phase in the operand and in the result, counted as these lie: [phases]. */
int64_t *conv_origins(Arena *a, const ConvWindow *w, const Storage *s, bool result);
/* The stride of a storage along dim `dim` of three; 0 for a depth that is not there. */
int64_t conv_stride(const ConvWindow *w, const Storage *s, int dim);
/* What the phases read around the operand. */
Halo conv_halo(const Node *n, int operand);
/* The element of the weight for output channel c, input channel ic of its group and a tap of the phase. */
int64_t conv_weight_at(const ConvWindow *w, int64_t phase, int64_t c, int64_t ic, const int64_t tap[3]);

#endif
