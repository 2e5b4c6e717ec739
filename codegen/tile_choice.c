#include "codegen/tile_choice.h"

/* In half cycles. */
enum {
  LATENCY =
      10, /* of a product into its sum: a tile of few sums waits for it; with a margin for other delays */
  TILE_COST = 24,  /* a call of a tile: addresses, the loop around it */
  VECTOR_COST = 5, /* the first value and the requantization of one vector of results */
  SINGLE_COST = 3, /* more, for a vector that is packed and stored alone, not with three others */
};
/* Weights of a panel that do not stay in the first cache beside the operand come from the second for each
 * tile: so many bytes in half a cycle. */
enum { NEAR_BYTES = 24 << 10, FAR_RATE = 13 };

/* Where many vectors meet few pixels, gcc keeps the epilogue's constants in registers and reads weights again
 * for each pixel instead. */
static bool fits(const Target *t, const TileLayer *l, int m, int n) {
  int constants = m > 1 && n > m;
  return m * n + n + l->others + constants <= t->registers;
}

static int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* One tile. Two loads go at a time, which never is quite reached, and four of all instructions. */
static int64_t tile_cost(const TileLayer *l, int m, int n) {
  int64_t products = (int64_t)m * n, loads = m + n, bytes = n * l->vector_bytes;
  int64_t step = max_of(max_of(products * l->product_cost, loads + loads / 8), LATENCY);
  if (bytes * l->k_steps > NEAR_BYTES) step = max_of(step, bytes / FAR_RATE);
  int64_t single = n % 4 * m * SINGLE_COST;
  return TILE_COST + l->k_steps * step + products * VECTOR_COST + single;
}

/* All tiles of a row of pixels under a panel of n vectors. */
static int64_t row_cost(const TileLayer *l, int m, int n) {
  int64_t whole = l->pixels / m, rest = l->pixels % m;
  return whole * tile_cost(l, m, n) + (rest ? tile_cost(l, (int)rest, n) : 0);
}

static int64_t layer_cost(const TileLayer *l, int m, int n) {
  int64_t whole = l->vectors / n, rest = l->vectors % n;
  return whole * row_cost(l, m, n) + (rest ? row_cost(l, m, (int)rest) : 0);
}

TileShape choose_tile(const Target *t, const TileLayer *layer) {
  TileShape best = {1, 1};
  int64_t least = INT64_MAX;
  for (int n = 1; n <= layer->most_vectors && n <= layer->vectors; n++)
    for (int m = 1; m <= layer->most_pixels && m <= layer->pixels; m++) {
      if (!fits(t, layer, m, n)) continue;
      int64_t cost = layer_cost(layer, m, n);
      if (cost >= least) continue;
      least = cost;
      best = (TileShape){m, n};
    }
  return best;
}
