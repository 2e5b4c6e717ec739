/* The vector operations of arm64: any ARMv8-A, such as Cortex-A53 and Cortex-A72. */
#ifndef QCC_RUNTIME_VEC_NEON_H
#define QCC_RUNTIME_VEC_NEON_H

#include "neon_common.h"

#endif
