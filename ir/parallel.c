#include "ir/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64 };

typedef struct {
  atomic_llong next;
  int64_t count;
  void (*fn)(void *user, int64_t i);
  void *user;
} Work;

static void *work(void *p) {
  Work *w = p;
  for (int64_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count;) w->fn(w->user, i);
  return NULL;
}

void parallel_for(int threads, int64_t count, void (*fn)(void *user, int64_t i), void *user) {
  Work w = {.count = count, .fn = fn, .user = user};
  pthread_t extra[MAX_THREADS];
  int n = 0;
  while (n < MAX_THREADS && n + 1 < threads && n + 1 < count && !pthread_create(&extra[n], NULL, work, &w))
    n++;
  work(&w);
  for (int i = 0; i < n; i++) pthread_join(extra[i], NULL);
}
