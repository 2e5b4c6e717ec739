/* Runs the digit classifier with 1 to N threads: the results must be the same bits.
 *
 * usage: demo [N [RUNS]] */
#include "digits.h"
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static float image[DIGITS_IMAGE_SIZE], want[DIGITS_LOGITS_SIZE], logits[DIGITS_LOGITS_SIZE];
static _Alignas(DIGITS_WORKSPACE_ALIGN) unsigned char workspace[DIGITS_WORKSPACE_SIZE];

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

int main(int argc, char **argv) {
  int most = argc > 1 ? atoi(argv[1]) : 4, runs = argc > 2 ? atoi(argv[2]) : 200;
  digits_inputs in = {image};
  digits_outputs plain = {want}, out = {logits};
  for (int i = 0; i < DIGITS_IMAGE_SIZE; i++) image[i] = (float)(i * 37 % 101) / 100;
  if (digits_run(&in, &plain, workspace)) return 1;
  for (int threads = 1; threads <= most; threads++) {
    Pool *pool = pool_new(threads);
    double least = 1e30;
    if (!pool) return 1;
    for (int i = 0; i < runs; i++) {
      double start = now_us();
      if (digits_run_threads(&in, &out, workspace, pool_parallel_for, pool)) return 1;
      double us = now_us() - start;
      if (us < least) least = us;
      if (memcmp(logits, want, sizeof want)) {
        printf("%d threads: other results\n", threads);
        return 1;
      }
    }
    pool_free(pool);
    printf("%d threads: %.0f us, the same bits\n", threads, least);
  }
  return 0;
}
