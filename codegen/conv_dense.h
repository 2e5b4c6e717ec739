/* Convolutions as dense kernels: windows are read row by row, or tap by tap. */
#ifndef QCC_CODEGEN_CONV_DENSE_H
#define QCC_CODEGEN_CONV_DENSE_H

#include "codegen/conv_phase.h"
#include "codegen/dense.h"

/* All but the bias; it points to `w`. */
Dense conv_dense(Cg *cg, const ConvWindow *w);

#endif
