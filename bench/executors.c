/* Times what runs graphs inside of qcc: the interpreter and the JIT, on one thread.
 *
 * usage: executors MODEL.ir SECONDS INPUT.bin     prints a line of each: the least time of a run in ms, for
 * the JIT also what compiling took in s, kernels, and nodes that the interpreter does; fails where results
 * differ. INPUT.bin gets the first input, for others to run on. */
#include "codegen/jit.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_RUNS = 3 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void **allocate(Arena *a, Tensor *const *t, int n) {
  void **p = ARENA_NEW_ARRAY(a, void *, (size_t)n + 1);
  for (int i = 0; i < n; i++) p[i] = arena_alloc(a, (size_t)type_bytes(&t[i]->type) + 1);
  return p;
}

/* Bytes of all values, floats in [0, 1). */
static void fill(const Type *t, void *data) {
  uint32_t seed = 1;
  int64_t count = shape_count(&t->shape);
  for (int64_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    if (t->dtype == DT_F32)
      ((float *)data)[i] = (float)(seed >> 8) * 0x1p-24f;
    else if (dtype_info[t->dtype].bytes == 1)
      ((uint8_t *)data)[i] = (uint8_t)(seed >> 24);
  }
}

static double least_ms(const Executor *e, void *const *in, void **out, double seconds) {
  double least = 1e9, end = now() + seconds;
  for (int n = 0; n < MIN_RUNS || now() < end; n++) {
    double start = now();
    e->run(e->self, (const void *const *)in, out, NULL, NULL);
    double took = now() - start;
    least = took < least ? took : least;
  }
  return least * 1e3;
}

static bool same(const Graph *g, void *const *x, void *const *y) {
  for (int i = 0; i < g->n_outputs; i++)
    if (memcmp(x[i], y[i], (size_t)type_bytes(&g->outputs[i]->type))) return false;
  return true;
}

static bool measure(Diag *d, Arena *a, const Graph *g, double seconds, const char *input) {
  void **in = allocate(a, g->inputs, g->n_inputs);
  void **want = allocate(a, g->outputs, g->n_outputs), **got = allocate(a, g->outputs, g->n_outputs);
  for (int i = 0; i < g->n_inputs; i++) fill(&g->inputs[i]->type, in[i]);
  FILE *f = fopen(input, "wb");
  if (!f || (g->n_inputs && !fwrite(in[0], (size_t)type_bytes(&g->inputs[0]->type), 1, f)) || fclose(f))
    return diag_error(d, (SrcLoc){0}, "%s cannot be written", input);
  printf("interpreter min %.5f\n", least_ms(interp_new(a, g), in, want, seconds));
  if (jit_missing()) return diag_error(d, (SrcLoc){0}, "%s", jit_missing());
  JitFacts facts;
  const Executor *e = jit_new(d, a, g, &(JitOptions){0}, &facts);
  if (!e) return false;
  if (facts.refused) return diag_error(d, (SrcLoc){0}, "the interpreter runs it: %s", facts.refused);
  printf("jit min %.5f compile %.2f kernels %d left %d\n", least_ms(e, in, got, seconds), facts.seconds,
         facts.kernels, facts.left);
  executor_free(e);
  return same(g, want, got) || diag_error(d, (SrcLoc){0}, "the results differ");
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fputs("usage: executors MODEL.ir SECONDS INPUT.bin\n", stderr);
    return 2;
  }
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  const Source *source = source_read(&d, a, argv[1], (int64_t)1 << 30);
  const Graph *g = source ? ir_parse(&d, a, source, NULL) : NULL;
  bool ok = g && measure(&d, a, g, atof(argv[2]), argv[3]);
  arena_free(a);
  return !ok;
}
