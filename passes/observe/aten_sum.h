/* torch.sum of floats, in the order in which PyTorch adds them on a CPU (ATen/native/cpu/SumKernel.cpp,
 * cascade_sum): searches that compare such sums end where PyTorch's do. */
#ifndef QCC_PASSES_OBSERVE_ATEN_SUM_H
#define QCC_PASSES_OBSERVE_ATEN_SUM_H

#include <stdint.h>

/* Single precision throughout, as one thread adds. */
float aten_sum(const float *x, int64_t n);

#endif
