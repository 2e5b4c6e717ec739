/* Runs a batch of emitted models: inputs from one file, outputs to another, in the order case, sample,
 * tensor. Each output lies before a canary, and the workspace is poisoned with another byte for each sample.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef THREADS
#include <pthread.h>
#endif

enum { CANARY = 64, CANARY_BYTE = 0xC5, ALIGNMENT = 64 };

static void *take(size_t bytes) {
  void *p = malloc(bytes ? bytes : 1);
  if (!p) exit(4);
  return p;
}

static int canary_is_whole(const unsigned char *p) {
  for (int i = 0; i < CANARY; i++)
    if (p[i] != CANARY_BYTE) return 0;
  return 1;
}

#ifdef THREADS
typedef struct {
  void (*task)(void *context, int index);
  void *context;
  int index;
  pthread_t thread;
} Part;

static void *part_main(void *part) {
  Part *p = part;
  p->task(p->context, p->index);
  return NULL;
}

void harness_parallel_for(void *pool, void (*task)(void *context, int index), void *context, int count) {
  Part *parts = take(sizeof *parts * (size_t)count);
  (void)pool;
  for (int i = 0; i < count; i++) {
    parts[i] = (Part){.task = task, .context = context, .index = i};
    if (pthread_create(&parts[i].thread, NULL, part_main, &parts[i])) exit(5);
  }
  for (int i = 0; i < count; i++) pthread_join(parts[i].thread, NULL);
  free(parts);
}
#else
void harness_parallel_for(void *pool, void (*task)(void *context, int index), void *context, int count) {
  (void)pool;
  while (count > 0) task(context, --count);
}
#endif

static int run_case(const HarnessCase *c, FILE *from, FILE *to, int which) {
  void **in = take(sizeof(void *) * (size_t)c->n_in), **out = take(sizeof(void *) * (size_t)c->n_out);
  void *workspace = NULL;
  int ok = !posix_memalign(&workspace, ALIGNMENT, c->workspace ? c->workspace : 1);
  for (int i = 0; i < c->n_in; i++) in[i] = take(c->in_bytes[i]);
  for (int i = 0; i < c->n_out; i++) out[i] = take(c->out_bytes[i] + CANARY);
  for (int s = 0; s < c->n_samples && ok; s++) {
    for (int i = 0; i < c->n_in; i++) ok &= fread(in[i], 1, c->in_bytes[i], from) == c->in_bytes[i];
    for (int i = 0; i < c->n_out; i++) memset(out[i], CANARY_BYTE, c->out_bytes[i] + CANARY);
    memset(workspace, s % 2 ? 0x5A : 0xA5, c->workspace);
    ok &= c->run((const void *const *)in, out, workspace) == 0;
    for (int i = 0; i < c->n_out; i++) {
      if (!canary_is_whole((unsigned char *)out[i] + c->out_bytes[i])) {
        fprintf(stderr, "model %d writes behind its output %d\n", which, i);
        ok = 0;
      }
      ok &= fwrite(out[i], 1, c->out_bytes[i], to) == c->out_bytes[i];
    }
  }
  for (int i = 0; i < c->n_in; i++) free(in[i]);
  for (int i = 0; i < c->n_out; i++) free(out[i]);
  free(workspace);
  free(in);
  free(out);
  return ok;
}

int main(int argc, char **argv) {
  FILE *from = argc == 3 ? fopen(argv[1], "rb") : NULL, *to = argc == 3 ? fopen(argv[2], "wb") : NULL;
  int ok = from && to;
  for (int i = 0; i < harness_n_cases && ok; i++) {
    ok = run_case(&harness_cases[i], from, to, i);
    if (!ok) fprintf(stderr, "model %d failed\n", i);
  }
  if (from) fclose(from);
  if (to) ok &= !fclose(to);
  return ok ? 0 : 3;
}
