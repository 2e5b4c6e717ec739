/* Threads take indices from a counter until there are none left. Between jobs they look out for a while,
 * because the next layer comes soon, and then sleep. */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LOOK_OUT = 20000 }; /* times */

struct Pool {
  pthread_mutex_t lock;
  pthread_cond_t begin, end;
  void (*task)(void *context, int index); /* NULL: there is no job */
  void *context;
  int count;
  atomic_int next;  /* index */
  atomic_uint jobs; /* so far: changes when one begins */
  int working;      /* threads that are at the job */
  int quit, n;
  pthread_t threads[];
};

static void work(Pool *p, void (*task)(void *context, int index), void *context, int count) {
  for (int i; (i = atomic_fetch_add(&p->next, 1)) < count;) task(context, i);
}

static void *thread_main(void *pool) {
  Pool *p = pool;
  for (unsigned seen = 0;;) {
    for (int i = 0; i < LOOK_OUT && atomic_load(&p->jobs) == seen; i++) continue;
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->jobs) == seen && !p->quit) pthread_cond_wait(&p->begin, &p->lock);
    if (p->quit) break;
    seen = atomic_load(&p->jobs);
    if (p->task) { /* else it is done already */
      void (*task)(void *context, int index) = p->task;
      void *context = p->context;
      int count = p->count;
      p->working++;
      pthread_mutex_unlock(&p->lock);
      work(p, task, context, count);
      pthread_mutex_lock(&p->lock);
      if (--p->working == 0) pthread_cond_signal(&p->end);
    }
    pthread_mutex_unlock(&p->lock);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

void pool_parallel_for(void *pool, void (*task)(void *context, int index), void *context, int count) {
  Pool *p = pool;
  pthread_mutex_lock(&p->lock);
  p->task = task;
  p->context = context;
  p->count = count;
  atomic_store(&p->next, 0);
  atomic_fetch_add(&p->jobs, 1);
  pthread_cond_broadcast(&p->begin);
  pthread_mutex_unlock(&p->lock);
  work(p, task, context, count);
  pthread_mutex_lock(&p->lock);
  p->task = NULL; /* who comes now is too late */
  while (p->working) pthread_cond_wait(&p->end, &p->lock);
  pthread_mutex_unlock(&p->lock);
}

Pool *pool_new(int threads) {
  int n = threads > 1 ? threads - 1 : 0;
  Pool *p = calloc(1, sizeof *p + sizeof *p->threads * (size_t)n);
  if (!p) return NULL;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->begin, NULL);
  pthread_cond_init(&p->end, NULL);
  for (; p->n < n; p->n++)
    if (pthread_create(&p->threads[p->n], NULL, thread_main, p)) {
      pool_free(p);
      return NULL;
    }
  return p;
}

void pool_free(Pool *p) {
  pthread_mutex_lock(&p->lock);
  p->quit = 1;
  atomic_fetch_add(&p->jobs, 1);
  pthread_cond_broadcast(&p->begin);
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < p->n; i++) pthread_join(p->threads[i], NULL);
  pthread_mutex_destroy(&p->lock);
  pthread_cond_destroy(&p->begin);
  pthread_cond_destroy(&p->end);
  free(p);
}
