/* run_samples: samples are computed in any order, by several threads, and handed out in order, by whichever
 * thread computed them. */
#include "ir/interp.h"

#include <pthread.h>
#include <string.h>

typedef struct {
  const Executor *executor;
  const SampleLoop *loop;
  int64_t count;
  StrMap *wanted; /* names of the tensors to watch; NULL: all */
  pthread_mutex_t lock;
  pthread_cond_t moved; /* turn or stopped has changed */
  int64_t next;         /* the first sample that nobody has taken */
  int64_t turn;         /* the sample whose results are handed out next */
  bool stopped;
} Samples;

/* A tensor that was seen during a run, kept until it is the sample's turn. */
typedef struct Seen {
  struct Seen *next;
  const Tensor *tensor;
  const void *data;
} Seen;

typedef struct {
  Samples *samples;
  int64_t index;
  bool in_turn; /* hand tensors out at once, without copies */
  Arena *arena; /* the sample's */
  Seen *seen, **seen_tail;
} Sample;

static void see(void *user, const Tensor *t, const void *data) {
  Sample *s = user;
  const Samples *all = s->samples;
  if (all->wanted && !strmap_get(all->wanted, t->name)) return;
  if (s->in_turn) {
    all->loop->watch(all->loop->user, s->index, t, data);
    return;
  }
  Seen *seen = ARENA_NEW(s->arena, Seen);
  *seen = (Seen){NULL, t, arena_memdup(s->arena, data, (size_t)type_bytes(&t->type))};
  *s->seen_tail = seen;
  s->seen_tail = &seen->next;
}

/* False when there are no more samples. */
static bool take_sample(Samples *all, int64_t *index) {
  pthread_mutex_lock(&all->lock);
  bool taken = !all->stopped && all->next < all->count;
  if (taken) *index = all->next++;
  pthread_mutex_unlock(&all->lock);
  return taken;
}

static bool wait_for_turn(Samples *all, int64_t index) {
  pthread_mutex_lock(&all->lock);
  while (!all->stopped && all->turn != index) pthread_cond_wait(&all->moved, &all->lock);
  bool mine = !all->stopped;
  pthread_mutex_unlock(&all->lock);
  return mine;
}

static void end_turn(Samples *all, bool go_on) {
  pthread_mutex_lock(&all->lock);
  all->turn++;
  all->stopped |= !go_on;
  pthread_cond_broadcast(&all->moved);
  pthread_mutex_unlock(&all->lock);
}

static void run_one(Samples *all, int64_t index, bool alone) {
  const Executor *e = all->executor;
  const SampleLoop *loop = all->loop;
  const Graph *g = e->graph;
  Sample s = {.samples = all, .index = index, .in_turn = alone, .arena = arena_new()};
  s.seen_tail = &s.seen;
  const void **in = ARENA_NEW_ARRAY(s.arena, const void *, (size_t)g->n_inputs);
  void **out = ARENA_NEW_ARRAY(s.arena, void *, (size_t)g->n_outputs);
  for (int i = 0; i < g->n_outputs; i++)
    out[i] = arena_alloc_raw(s.arena, (size_t)type_bytes(&g->outputs[i]->type));
  bool ok = loop->load(loop->user, index, s.arena, in);
  if (ok) e->run(e->self, in, out, loop->watch ? see : NULL, &s);
  if (wait_for_turn(all, index)) {
    if (ok)
      for (const Seen *t = s.seen; t; t = t->next) loop->watch(loop->user, index, t->tensor, t->data);
    if (ok && loop->done) ok = loop->done(loop->user, index, (const void *const *)out);
    end_turn(all, ok);
  }
  arena_free(s.arena);
}

static void *work(void *arg) {
  Samples *all = arg;
  for (int64_t i; take_sample(all, &i);) run_one(all, i, false);
  return NULL;
}

/* The watched tensors, asked for once and by one thread. */
static StrMap *ask_wants(Arena *a, const Graph *g, const SampleLoop *loop) {
  StrMap *wanted = strmap_new(a);
  for (int i = 0; i < g->n_inputs; i++)
    if (loop->wants(loop->user, g->inputs[i])) strmap_put(wanted, g->inputs[i]->name, wanted);
  for (const Node *n = g->first; n; n = n->next)
    for (int r = 0; r < n->n_results; r++)
      if (loop->wants(loop->user, n->results[r])) strmap_put(wanted, n->results[r]->name, wanted);
  return wanted;
}

bool run_samples(const Executor *e, int64_t count, int threads, const SampleLoop *loop) {
  Arena *a = arena_new();
  Samples all = {.executor = e, .loop = loop, .count = count};
  if (loop->watch && loop->wants) all.wanted = ask_wants(a, e->graph, loop);
  pthread_mutex_init(&all.lock, NULL);
  pthread_cond_init(&all.moved, NULL);
  if (threads > count) threads = (int)count;
  int helpers = 0;
  pthread_t *ids = ARENA_NEW_ARRAY(a, pthread_t, threads > 1 ? (size_t)threads : 0);
  /* where the system gives fewer threads, these do all the work: the caller is always one of them */
  while (helpers + 1 < threads && !pthread_create(&ids[helpers], NULL, work, &all)) helpers++;
  if (helpers)
    work(&all);
  else
    for (int64_t i; take_sample(&all, &i);) run_one(&all, i, true);
  for (int i = 0; i < helpers; i++) pthread_join(ids[i], NULL);
  pthread_cond_destroy(&all.moved);
  pthread_mutex_destroy(&all.lock);
  arena_free(a);
  return !all.stopped;
}
