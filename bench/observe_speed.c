/* What observing costs: each observer with its defaults over an activation of MobileNetV2, as a ReLU6 leaves
 * it. usage: observe_speed [samples] */
#include "passes/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COUNT = 96 * 112 * 112 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(float *x) {
  uint32_t seed = 1;
  for (int i = 0; i < COUNT; i++) {
    float v = -6; /* four uniform numbers make something like a normal one */
    for (int k = 0; k < 4; k++) v += 3 * (float)((seed = seed * 1664525u + 1013904223u) >> 8) / (1 << 24);
    x[i] = v < 0 ? 0 : v > 6 ? 6 : v;
  }
}

static void measure(const Observer *o, const float *x, int samples) {
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
  if (!observer_parse(&d, o->name, NULL, &spec)) exit(1);
  void *state = arena_alloc(a, o->state_size);
  float lo, hi;
  o->init(state, a, &spec, 1);
  double start = seconds();
  for (int i = 0; i < samples; i++) o->observe(state, x, 1, COUNT);
  double seen = seconds();
  o->finish(state, &lo, &hi);
  printf("%-28s %6.2f ns an element, %6.1f ms to finish\n", o->name, (seen - start) / samples / COUNT * 1e9,
         (seconds() - seen) * 1e3);
  arena_free(a);
}

int main(int argc, char **argv) {
  int samples = argc > 1 ? atoi(argv[1]) : 20;
  float *x = malloc(sizeof *x * COUNT);
  if (!x || samples < 1) return 1;
  fill(x);
  for (int i = 0; observer_table[i]; i++)
    if (observer_table[i]->needs_data) measure(observer_table[i], x, samples);
  free(x);
  return 0;
}
