#include "passes/observe/aten_sum.h"

/* A vector of 8 lanes; rows of 4 such vectors (or of 4 numbers, where there are less than 8) are added into
 * four levels of partial sums. */
enum { LANES = 8, ROW = 4, LEVELS = 4, MAX_WIDTH = LANES * ROW };

static int ceil_log2(int64_t v) {
  int bits = 0;
  while (((int64_t)1 << bits) < v) bits++;
  return bits;
}

static void add(float *to, const float *from, int n) {
  for (int i = 0; i < n; i++) to[i] += from[i];
}

/* Moves level j's sum up while level j - 1 is full. */
static void carry(float level[LEVELS][MAX_WIDTH], int width, int64_t row, int64_t step, int power) {
  for (int j = 1; j < LEVELS; j++) {
    add(level[j], level[j - 1], width);
    for (int k = 0; k < width; k++) level[j - 1][k] = 0;
    if (row & ((step - 1) << (j * power))) return;
  }
}

/* The column sums of x[rows][width]. */
static void add_rows(const float *x, int64_t rows, int width, float *sum) {
  int power = ceil_log2(rows) / LEVELS;
  if (power < 4) power = 4;
  int64_t step = (int64_t)1 << power, i = 0;
  float level[LEVELS][MAX_WIDTH] = {{0}};
  while (i + step <= rows) {
    for (int64_t end = i + step; i < end; i++) add(level[0], x + i * width, width);
    carry(level, width, i, step, power);
  }
  for (; i < rows; i++) add(level[0], x + i * width, width);
  for (int j = 1; j < LEVELS; j++) add(level[0], level[j], width);
  for (int k = 0; k < width; k++) sum[k] = level[0][k];
}

float aten_sum(const float *x, int64_t n) {
  int lanes = n < LANES ? 1 : LANES;
  int64_t vectors = n / lanes, rows = vectors / ROW;
  float sum[MAX_WIDTH], total = 0;
  add_rows(x, rows, lanes * ROW, sum);
  for (int64_t v = rows * ROW; v < vectors; v++) add(sum, x + v * lanes, lanes);
  for (int k = 1; k < ROW; k++) add(sum, sum + k * lanes, lanes);
  if (lanes == 1) return sum[0];
  for (int64_t i = vectors * lanes; i < n; i++) total += x[i];
  for (int k = 0; k < lanes; k++) total += sum[k];
  return total;
}
