/* Times the emitted code of one model. Built by bench/run, which writes model_io.h: buffers for the model's
 * inputs and outputs, IN and OUT over them, INPUT and OUTPUT for the first of each, RUN and WORKSPACE.
 *
 * usage: ours INPUT.bin SECONDS [OUTPUT.bin]     prints the least and the median time of a run in ms
 * INPUT.bin: the first input, in its own element type; what it holds beyond that is ignored. Other inputs are
 * zeros. */
#define _GNU_SOURCE
#include "model_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_RUNS = 200000, MIN_RUNS = 5, WARM_UP = 3 };

static _Alignas(64) unsigned char workspace[WORKSPACE + 1];
static double times[MAX_RUNS];

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

static double run_once(void) {
  double start = now_ms();
  if (RUN(&IN, &OUT, workspace)) {
    fputs("the run function refused the workspace\n", stderr);
    exit(1);
  }
  return now_ms() - start;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fputs("usage: ours INPUT.bin SECONDS [OUTPUT.bin]\n", stderr);
    return 2;
  }
  FILE *f = fopen(argv[1], "rb");
  if (!f || fread(INPUT, sizeof INPUT, 1, f) != 1) return fail(argv[1]);
  fclose(f);
  for (int i = 0; i < WARM_UP; i++) run_once();
  double end = now_ms() + atof(argv[2]) * 1e3;
  int n = 0;
  while (n < MAX_RUNS && (n < MIN_RUNS || now_ms() < end)) times[n++] = run_once();
  qsort(times, (size_t)n, sizeof *times, ascending);
  printf("min %.5f  median %.5f ms  %d runs\n", times[0], times[n / 2], n);
  if (argc < 4) return 0;
  f = fopen(argv[3], "wb");
  if (!f || fwrite(OUTPUT, sizeof OUTPUT, 1, f) != 1 || fclose(f)) return fail(argv[3]);
  return 0;
}
