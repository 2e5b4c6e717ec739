/* How the products of transformed tiles are formed: what differs between targets. */
#ifndef QCC_CODEGEN_WINOGRAD_PRODUCT_H
#define QCC_CODEGEN_WINOGRAD_PRODUCT_H

#include "codegen/winograd.h"

enum { WINOGRAD_MOST_NV = 4 };

/* A product while it is built. */
typedef struct {
  const Winograd *s;
  VirBuilder b;
  int tiles, nv;
  const VirBase *w;
  const VirVar *acc[WINOGRAD_MOST_SUMS][WINOGRAD_MOST_NV];
} WinogradProduct;

/* Weights lie [step][vector][lane][channel of the step]. */
typedef struct WinogradKernel {
  int step;    /* channels of the operand that are multiplied at a time */
  int vectors; /* so many vectors of weights are loaded at a time, of channels that there may not be */
  /* Vectors of result channels that are multiplied together, at most. */
  int (*panel)(const Winograd *s);
  /* Adds all products of a point to the sums. */
  void (*multiply)(WinogradProduct *t, VirAddr v, VirAddr w);
} WinogradKernel;

extern const WinogradKernel winograd_pairs; /* two channels of the operand in every lane */
extern const WinogradKernel winograd_lanes; /* a channel of each lane of the operand */

#endif
