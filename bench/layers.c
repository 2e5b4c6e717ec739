/* Times each layer of a model that qcc -instrument has emitted. Built by bench/layers, which writes
 * model_io.h: buffers for the model's inputs and outputs, IN and OUT over them, RUN and RUN_LAYERS, LAYERS,
 * LAYER_INFO, WORKSPACE.
 *
 * usage: layers INPUT.bin SECONDS     prints for each layer "name op macs bytes us", and the whole run's "us"
 * last */
#define _GNU_SOURCE
#include "model_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LEAST_RUNS = 20 };

static _Alignas(64) unsigned char workspace[WORKSPACE + 1];
static double least[LAYERS + 1], started;

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void keep(double *where, double us) {
  if (!*where || us < *where) *where = us;
}

static void tell(void *user, int layer, int done) {
  (void)user;
  if (done)
    keep(&least[layer], now_us() - started);
  else
    started = now_us();
}

int main(int argc, char **argv) {
  FILE *f = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (!f || fread(INPUT, sizeof INPUT, 1, f) != 1) {
    fputs("usage: layers INPUT.bin SECONDS\n", stderr);
    return 2;
  }
  fclose(f);
  double end = now_us() + atof(argv[2]) * 1e6;
  for (int i = 0; i < LEAST_RUNS || now_us() < end; i++) {
    double start = now_us();
    if (RUN(&IN, &OUT, workspace)) return 1;
    keep(&least[LAYERS], now_us() - start);
    if (RUN_LAYERS(&IN, &OUT, workspace, tell, NULL)) return 1;
  }
  for (int i = 0; i < LAYERS; i++)
    printf("%s %s %lld %lld %.3f\n", LAYER_INFO[i].name, LAYER_INFO[i].op, LAYER_INFO[i].macs,
           LAYER_INFO[i].bytes, least[i]);
  printf("%.3f\n", least[LAYERS]);
  return 0;
}
