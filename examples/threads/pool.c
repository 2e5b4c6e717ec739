/* Each thread begins with a share of the indices of its own, the same one in every job: what it wrote in one
 * layer is what it reads in the next, and lies in its cache. Who is done helps the others. Between jobs
 * threads look out for a while, because the next layer comes soon, and then sleep; so does the caller at the
 * end of a job. */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LOOK_OUT = 20000 }; /* times */

typedef struct {
  _Alignas(64) atomic_int next; /* index to do */
  int end;
} Share;

typedef struct {
  Pool *pool;
  int number; /* 0 is the caller of pool_parallel_for */
  pthread_t thread;
} Worker;

struct Pool {
  Share *shares; /* of each thread */
  Worker *workers;
  pthread_mutex_t lock;
  pthread_cond_t begin, end;
  void (*task)(void *context, int index); /* NULL: there is no job */
  void *context;
  atomic_uint jobs;   /* so far: changes when one begins */
  atomic_int working; /* threads that are at the job, the caller's apart */
  int quit, n;
};

static void work(Pool *p, int number, void (*task)(void *context, int index), void *context) {
  for (int k = 0; k < p->n; k++) {
    Share *s = &p->shares[(number + k) % p->n];
    for (int i; (i = atomic_fetch_add(&s->next, 1)) < s->end;) task(context, i);
  }
}

static void *worker_main(void *worker) {
  Worker *w = worker;
  Pool *p = w->pool;
  for (unsigned seen = 0;;) {
    for (int i = 0; i < LOOK_OUT && atomic_load(&p->jobs) == seen; i++) continue;
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->jobs) == seen) pthread_cond_wait(&p->begin, &p->lock);
    seen = atomic_load(&p->jobs);
    void (*task)(void *context, int index) = p->task; /* NULL: it is done already */
    void *context = p->context;
    int quit = p->quit;
    atomic_fetch_add(&p->working, task != NULL);
    pthread_mutex_unlock(&p->lock);
    if (quit) return NULL;
    if (!task) continue;
    work(p, w->number, task, context);
    pthread_mutex_lock(&p->lock);
    if (atomic_fetch_sub(&p->working, 1) == 1) pthread_cond_signal(&p->end);
    pthread_mutex_unlock(&p->lock);
  }
}

/* A new job for the workers. */
static void announce(Pool *p, void (*task)(void *context, int index), void *context, int quit) {
  pthread_mutex_lock(&p->lock);
  p->task = task;
  p->context = context;
  p->quit = quit;
  atomic_fetch_add(&p->jobs, 1);
  pthread_cond_broadcast(&p->begin);
  pthread_mutex_unlock(&p->lock);
}

void pool_parallel_for(void *pool, void (*task)(void *context, int index), void *context, int count) {
  Pool *p = pool;
  for (int i = 0; i < p->n; i++) {
    atomic_store(&p->shares[i].next, (int)((long long)count * i / p->n));
    p->shares[i].end = (int)((long long)count * (i + 1) / p->n);
  }
  announce(p, task, context, 0);
  work(p, 0, task, context);
  pthread_mutex_lock(&p->lock);
  p->task = NULL; /* who comes now is too late */
  pthread_mutex_unlock(&p->lock);
  for (int i = 0; i < LOOK_OUT && atomic_load(&p->working); i++) continue;
  pthread_mutex_lock(&p->lock);
  while (atomic_load(&p->working)) pthread_cond_wait(&p->end, &p->lock);
  pthread_mutex_unlock(&p->lock);
}

Pool *pool_new(int threads) {
  int n = threads > 1 ? threads : 1;
  Pool *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->begin, NULL);
  pthread_cond_init(&p->end, NULL);
  p->shares = aligned_alloc(64, sizeof *p->shares * (size_t)n);
  p->workers = calloc((size_t)n, sizeof *p->workers);
  for (p->n = 1; p->shares && p->workers && p->n < n; p->n++) {
    Worker *w = &p->workers[p->n];
    *w = (Worker){.pool = p, .number = p->n};
    if (pthread_create(&w->thread, NULL, worker_main, w)) break;
  }
  if (p->n == n && p->shares && p->workers) return p;
  pool_free(p);
  return NULL;
}

void pool_free(Pool *p) {
  announce(p, NULL, NULL, 1);
  for (int i = 1; i < p->n; i++) pthread_join(p->workers[i].thread, NULL);
  pthread_mutex_destroy(&p->lock);
  pthread_cond_destroy(&p->begin);
  pthread_cond_destroy(&p->end);
  free(p->shares);
  free(p->workers);
  free(p);
}
