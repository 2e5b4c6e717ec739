/* Rows of register tiles: what dense and depthwise kernels have in common around their tiles. */
#ifndef QCC_CODEGEN_TILE_ROW_H
#define QCC_CODEGEN_TILE_ROW_H

#include "codegen/residual.h"

/* What a tile is called with: the first pixel's window, the weights, biases, then where they have a base
 * multipliers, another array with an element for each channel, and the table of codegen/dense_plan.h,
 * what is added to the results, and the first pixel's result. */
typedef struct {
  VirAddr x, w, bias, m, extra, places;
  ResidualBases residual;
  VirAddr y;
} TilePlace;

/* A row of `count` pixels that are x_step and y_step apart: whole tiles of `mr` pixels, then `rest`, a tile
 * of what is left (NULL: nothing is). */
typedef struct {
  int64_t count, x_step, y_step;
  int mr;
  VirFunc *tile, *rest;
} TileRow;
void tile_row(VirBuilder *b, TilePlace p, const TileRow *row);

/* Pixels of a tile: at most `most`, spread evenly over a row of `count`. */
int tile_pixels(int64_t count, int most);

#endif
