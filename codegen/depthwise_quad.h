/* Depthwise kernels by quads. Four rows of the window are interleaved, so that a lane of 32 bits holds a
 * column of one channel: four taps for one dot product. Such a column serves each tap along the row, and
 * where the window of several rows of results lies in it, all of these. Packing the results brings the
 * channels back into their order, because it works within the same blocks of 16 bytes as the interleaving.
 *
 * `down` is the dim along which rows are interleaved, `along` the other one of height and width: a tile is a
 * row of positions along it, for some results down. Its columns slide through registers from position to
 * position, or a tile of several positions goes through its columns once, adding each to all sums it is for.
 */
#ifndef QCC_CODEGEN_DEPTHWISE_QUAD_H
#define QCC_CODEGEN_DEPTHWISE_QUAD_H

#include "codegen/conv_phase.h"
#include "codegen/dense.h"

enum { QUAD = 4, QUAD_RESULTS = 4, QUAD_VECTORS = 4, MAX_QUADS = 20, MAX_POSITIONS = 8, MAX_RING = 8 };

/* Four rows. Where there are fewer, the last ones are one of the others again, by weights of 0. */
typedef struct {
  int64_t x[QUAD];                 /* their places, in elements from the tile's first */
  int64_t tap[QUAD_RESULTS][QUAD]; /* of each result: plane * taps + tap of the window; -1: none */
} Quad;

typedef struct {
  Cg *cg;
  const ConvWindow *window;
  const Tensor *x, *y;
  float act_min, act_max;
  LinearConstants lc;

  int lanes, width; /* of a vector: lanes and bytes */
  int64_t channels, blocks;
  int vectors;          /* that the interleaving makes of a row of bytes */
  int pixels;           /* that lie side by side in a vector: more than 1 where channels are few */
  int64_t block_step;   /* of such pixels that are loaded each on its own: from one to the next; else 0 */
  int64_t stored, last; /* bytes that a position stores; that the last position stores */
  bool whole_reads;     /* what lies behind a row's last bytes may be read */

  int down, along;
  int results;                          /* of a tile, down */
  int positions;                        /* of a tile that goes through its columns once; 0: they slide */
  bool looped;                          /* the taps along are a loop: such a tile has one position */
  int64_t count;                        /* positions along */
  int64_t taps, tap_step, x_step, unit; /* along: taps and positions are so many units of elements apart */
  int ring;                             /* columns that registers hold */
  int quads;
  Quad quad[MAX_QUADS];

  /* set by quad_pack */
  int64_t x_most; /* the largest value that the operand has, as stored */
  const VirBase *weights, *bias, *multiplier;
  bool unclamped;     /* results are proved to fit 32 bits before they are clamped */
  int64_t *weight_at; /* of [quad][tap][result][vector] in a block's weights */
  bool *flipped;      /* the same: a mask of sign flips follows the weights */
  int64_t block_size; /* of the weights */
} DepthwiseQuads;

/* Chooses the form; false where the target or the shape has none. */
bool quad_plan(DepthwiseQuads *s);
/* Makes the constants; false where the target's dot product isn't exact for these weights. */
bool quad_pack(DepthwiseQuads *s);

/* First channel of a block. The last block is moved back over the one before it, so that all are whole. */
int64_t quad_block_start(const DepthwiseQuads *s, int64_t block);
/* Index of [quad][tap][result][vector]. */
int64_t quad_index(const DepthwiseQuads *s, int quad, int64_t tap, int result, int vector);
/* The quad has a tap of one of the first `results`, or of that result. */
bool quad_feeds(const Quad *q, int result);
bool quad_feeds_any(const Quad *q, int results);

/* Positions of a row that one function computes, from a pixel on. */
typedef struct {
  int64_t first, count;
  bool ends; /* the last one is the row's last */
} QuadSegment;
enum { QUAD_SEGMENTS = 3 };
/* All positions; returns how many segments they are. */
int quad_segments(const DepthwiseQuads *s, QuadSegment *out);
/* The function of a segment, for tiles of `results`. */
VirFunc *quad_row(const DepthwiseQuads *s, int results, const QuadSegment *segment);
/* Vector registers that columns and sums take. */
int64_t quad_registers(const DepthwiseQuads *s);
/* Positions after which the registers of sliding columns are as they were. */
int64_t quad_period(const DepthwiseQuads *s);

/* Emits the kernel; false where there is none by quads. */
bool quad_emit(DepthwiseQuads *s);

#endif
