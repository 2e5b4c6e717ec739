/* The register tile of a product kernel: pixels x vectors of channels, chosen for a layer by a model of the
 * core's cost that the target's row gives. */
#ifndef QCC_CODEGEN_TILE_CHOICE_H
#define QCC_CODEGEN_TILE_CHOICE_H

#include "codegen/target.h"

enum { MOST_TILE_PIXELS = 16, MOST_TILE_VECTORS = 16 };

/* What the layer is: `pixels` in each of its rows, `vectors` of output channels, k-steps of a result; what a
 * product costs, in half cycles; registers of a step besides the sums and the
 * weights. */
typedef struct {
  int64_t pixels, vectors, k_steps;
  int product_cost, others;
  int64_t vector_bytes;          /* of a vector of weights */
  int most_pixels, most_vectors; /* that the micro-kernel can have */
} TileLayer;
typedef struct {
  int pixels, vectors;
} TileShape;
TileShape choose_tile(const Target *t, const TileLayer *layer);

#endif
