/* 3x3 convolutions with stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2015), exactly: 4x4 elements of each channel become 16 sums
 * and differences of 16 bits, whose products with 16 transformed weights give 2x2 results, with 16
 * multiplications instead of 36. Weights are transformed by 2G instead of G, which has halves: so sums are
 * four times those of the convolution, and multipliers a quarter of its. docs/decisions/winograd.md. */
#ifndef QCC_CODEGEN_WINOGRAD_H
#define QCC_CODEGEN_WINOGRAD_H

#include "codegen/dense.h"
#include "ir/ops/attrs.h"

enum {
  WINOGRAD_TILE = 4,    /* rows and columns of the operand that make a tile, */
  WINOGRAD_RESULTS = 2, /* and of its results */
  WINOGRAD_POINTS = 16, /* products of a tile */
};

/* What is transformed, into scratch, before it is multiplied: the tiles of one group, which are multiplied
 * together; a row of tiles; the image. */
typedef enum { STRIP_GROUP, STRIP_ROW, STRIP_IMAGE } WinogradStrip;

typedef struct {
  Cg *cg;
  const Node *node;
  const Node *add; /* that the kernel does with its results (codegen/residual.h); NULL: none */
  const Tensor *x, *y;
  int64_t images, height, width;   /* of the result */
  int64_t ic, oc, channels;        /* channels: ic in whole vectors of int16 */
  int64_t rows, columns;           /* of tiles */
  int64_t x_row, x_pixel, x_first; /* steps, and where the window of the first result begins */
  int64_t y_row, y_pixel, y_first;
  int lanes, nv;  /* vectors of result channels that are multiplied together */
  int mr;         /* tiles of a group, but for the last of a row */
  int64_t groups; /* of a row */
  WinogradStrip strip;
  bool sums_on_stack; /* of a group; else in scratch too */
  LinearConstants lc;
  bool unclamped;
  const VirBase *weights; /* bytes of int16 [panel of nv vectors][point][pair of channels][vector][lane][2] */
  const VirBase *bias, *multiplier; /* as the lanes of the vectors are numbered */
} Winograd;

/* True for a node whose attributes and shapes allow it, before anything is placed. */
bool winograd_has_shape(const Node *n);
/* True for a node that winograd_emit is for; its scratch in bytes. */
bool winograd_suits(const Cg *cg, const Node *n);
int64_t winograd_scratch(const Cg *cg, const Node *n);
void winograd_emit(Cg *cg, const Node *n, Buffer *scratch);

/* How many tiles; whether the last one of several begins a column earlier, so that it ends with the row. */
typedef struct {
  int tiles;
  bool shifted;
} WinogradGroup;

/* Sums of a group: [point][tile][vector][lane]. */
int64_t winograd_sums(const Winograd *s);
/* Elements of the transformed operand of so many tiles. */
int64_t winograd_elements(const Winograd *s, int64_t tiles);
/* Vectors of result channels; bytes of the weights of one. */
int64_t winograd_vectors(const Winograd *s);
int64_t winograd_weights(const Winograd *s);

/* codegen/winograd_pack.c: the constants. */
void winograd_pack(Winograd *s);

/* codegen/winograd_tile.c, inline functions. From the operand (x) to int16 [point][tile][channel] (v): */
VirFunc *winograd_transform(const Winograd *s, WinogradGroup g);
/* From these (v), the weights (w) of `nv` vectors, biases and multipliers (m), and memory for the sums where
 * they are not on the stack, to the results (y), of the last vector `last` lanes. With an addition, what it
 * adds (r) stands before y. */
VirFunc *winograd_product(const Winograd *s, WinogradGroup g, int nv, int last);

#endif
