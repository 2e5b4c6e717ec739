/* 3x3 convolutions with stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2015), exactly: 6x6 elements of each channel become 36 sums
 * of 16 bits, whose products with 36 transformed weights give 4x4 results, with 36 multiplications instead of
 * 144. The fractions of the paper are left out of the transforms and divided out at the end, modulo 2^32.
 * docs/decisions/winograd.md. */
#ifndef QCC_CODEGEN_WINOGRAD_H
#define QCC_CODEGEN_WINOGRAD_H

#include "codegen/dense.h"
#include "ir/ops/attrs.h"

enum {
  WINOGRAD_TILE = 6,       /* rows and columns of the operand that make a tile, */
  WINOGRAD_RESULTS = 4,    /* and of its results */
  WINOGRAD_POINTS = 36,    /* products of a tile */
  WINOGRAD_BIAS = 36,      /* times the bias, added to the sum of the second row and column, adds it to all */
  WINOGRAD_MOST_SUMS = 16, /* vectors of sums of a group */
};

/* What is transformed, into scratch, before it is multiplied: the tiles of one group, which are multiplied
 * together; a row of groups; the image. */
typedef enum { STRIP_GROUP, STRIP_ROW, STRIP_IMAGE } WinogradStrip;

typedef struct {
  const struct WinogradKernel *kernel; /* codegen/winograd_product.h */
  Cg *cg;
  const Node *node;
  const Node *add; /* that the kernel does with its results (codegen/residual.h); NULL: none */
  const Tensor *x, *y;
  int64_t images, height, width;   /* of the result */
  int64_t ic, oc, channels;        /* channels: ic in whole vectors of int16 */
  int64_t rows, columns;           /* of tiles */
  int64_t x_row, x_pixel, x_first; /* steps, and where the window of the first result begins */
  int64_t y_row, y_pixel, y_first;
  int lanes, nv;    /* vectors of result channels that are multiplied together: a panel */
  int down, across; /* tiles of a group: those of the last row and column may have fewer */
  int64_t group_rows, group_columns;
  WinogradStrip strip;
  LinearConstants lc;
  bool unclamped;
  const VirBase *weights;           /* bytes of int16 [panel][point][step][vector][lane][channel of a step] */
  const VirBase *bias, *multiplier; /* as the lanes of the vectors are numbered */
} Winograd;

/* True for a node whose attributes and shapes allow it and make it worth while, before anything is placed. */
bool winograd_has_shape(const Target *t, const Node *n);
/* True for a node that winograd_emit is for; its scratch in bytes. */
bool winograd_suits(const Cg *cg, const Node *n);
int64_t winograd_scratch(const Cg *cg, const Node *n);
void winograd_emit(Cg *cg, const Node *n, Buffer *scratch);

/* Elements of a transformed group, [point][tile][channel]; of its sums for a panel,
 * [point][tile][vector][lane]. Groups with fewer tiles leave the last ones out. */
int64_t winograd_elements(const Winograd *s);
int64_t winograd_sums(const Winograd *s);
/* Vectors of result channels that have weights; bytes of the weights of one. */
int64_t winograd_vectors(const Winograd *s);
int64_t winograd_weights(const Winograd *s);

/* codegen/winograd_pack.c: the constants. */
void winograd_pack(Winograd *s);

/* codegen/winograd_product.c, a function: the sums of so many tiles of a group (v) with the weights (w) of
 * `nv` vectors. */
VirFunc *winograd_product(const Winograd *s, int tiles, int nv);

/* codegen/winograd_tile.c, functions. A tile of the operand (x), transformed to its place in a group (v). */
VirFunc *winograd_transform(const Winograd *s);
/* From these sums of one tile, with biases and multipliers (m), its results (y): of the last vector `last`
 * lanes. With an addition, what it adds (r) stands before y. */
VirFunc *winograd_results(const Winograd *s, int nv, int last);

#endif
