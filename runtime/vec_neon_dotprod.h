/* The vector operations of arm64+dotprod: ARMv8.2 with dot products, such as Cortex-A55, A76 and Neoverse N1.
 */
#ifndef QCC_RUNTIME_VEC_NEON_DOTPROD_H
#define QCC_RUNTIME_VEC_NEON_DOTPROD_H

#include "target_dotprod.h"

#include "neon_dot.h"

#endif
