#include "passes/equalize/statistics.h"

#include <math.h>

#include "passes/observe/extremes.h"
#include "passes/plan.h"
#include "passes/tuning.h"

enum { MAX_SAMPLES = 32, DEVIATIONS = 6 };

/* An entry while samples are seen. */
typedef struct {
  float lo, hi;
  Extreme most; /* of the samples' greatest magnitudes */
  double squares;
  int64_t values;
} Entry;

typedef struct {
  const ChannelMap *map;
  Entry *entry;
} Watched;

typedef struct {
  StrMap *watched;
  SampleSet samples;
  int64_t used;
} Collector;

static bool load(void *user, int64_t i, Arena *a, const void **in) {
  const Collector *c = user;
  return sample_set_load(&c->samples, i, c->used, a, in);
}

static bool wants(void *user, const Tensor *t) { return strmap_get(((Collector *)user)->watched, t->name); }

/* The values of one entry in one sample. */
static void see_entry(const ChannelMap *m, int64_t at, const float *x, Entry *e) {
  float lo = 0, hi = 0;
  double squares = 0;
  for (int64_t o = 0; o < m->outer; o++) {
    const float *v = x + (o * m->count + at) * m->inner;
    for (int64_t i = 0; i < m->inner; i++) {
      lo = v[i] < lo ? v[i] : lo;
      hi = v[i] > hi ? v[i] : hi;
      squares += (double)v[i] * (double)v[i];
    }
  }
  e->lo = lo < e->lo ? lo : e->lo;
  e->hi = hi > e->hi ? hi : e->hi;
  e->squares += squares;
  e->values += m->outer * m->inner;
  extreme_add(&e->most, 1, (double)fmaxf(-lo, hi), 0);
}

static void watch(void *user, int64_t i, const Tensor *t, const void *data) {
  (void)i;
  const Watched *w = strmap_get(((Collector *)user)->watched, t->name);
  for (int64_t k = 0; w && k < w->map->count; k++) see_entry(w->map, k, data, &w->entry[k]);
}

static TensorStatistics *finish(Arena *a, const Watched *w) {
  TensorStatistics *s = ARENA_NEW(a, TensorStatistics);
  *s = (TensorStatistics){.map = w->map,
                          .entry = ARENA_NEW_ARRAY(a, EntryStatistics, (size_t)w->map->count + 1)};
  double squares = 0, values = 0;
  for (int64_t k = 0; k < w->map->count; k++) {
    const Entry *e = &w->entry[k];
    double seen = (double)fmaxf(-e->lo, e->hi),
           likely = extreme_reach(&e->most, extreme_deviations(DEVIATIONS, e->values));
    s->entry[k] = (EntryStatistics){e->lo, e->hi, fmax(seen, fmin(likely, 2 * seen)),
                                    e->values ? e->squares / (double)e->values : 0};
    s->lo = fminf(s->lo, e->lo);
    s->hi = fmaxf(s->hi, e->hi);
    s->reach = fmax(s->reach, seen);
    squares += e->squares;
    values += (double)e->values;
  }
  s->mean_square = values > 0 ? squares / values : 0;
  return s;
}

/* What is made anew, and what layers read. */
static bool is_needed(const Channels *c, const Tensor *t) {
  ChannelLayer l;
  if (t->producer && !plan_is_mover(t->producer)) return true;
  for (int i = 0; i < t->n_uses; i++)
    if (channel_layer(c, t->uses[i].node, &l)) return true;
  return false;
}

static void add_tensor(Arena *a, StrMap *watched, const Channels *c, const Tensor *t) {
  const ChannelMap *m = channels_of(c, t);
  if (!m || !is_needed(c, t)) return;
  Watched *w = ARENA_NEW(a, Watched);
  *w = (Watched){m, ARENA_NEW_ARRAY(a, Entry, (size_t)m->count + 1)};
  strmap_put(watched, t->name, w);
}

static void each_tensor(Arena *a, StrMap *map, const Channels *c,
                        void (*fn)(Arena *, StrMap *, const Channels *, const Tensor *)) {
  for (int i = 0; i < c->graph->n_inputs; i++) fn(a, map, c, c->graph->inputs[i]);
  for (const Node *n = c->graph->first; n; n = n->next)
    for (int i = 0; i < n->n_results; i++) fn(a, map, c, n->results[i]);
}

static void finish_tensor(Arena *a, StrMap *map, const Channels *c, const Tensor *t) {
  (void)c;
  const Watched *w = strmap_get(map, t->name);
  if (w) strmap_put(map, t->name, finish(a, w));
}

Statistics *statistics_new(PassCtx *ctx, Arena *a, const Channels *c) {
  Collector collector = {.watched = strmap_new(a)};
  if (!sample_set_open(ctx, a, c->graph, &collector.samples)) return NULL;
  collector.used = collector.samples.count < MAX_SAMPLES ? collector.samples.count : MAX_SAMPLES;
  each_tensor(a, collector.watched, c, add_tensor);
  SampleLoop loop = {load, watch, wants, NULL, &collector};
  /* too few samples for executors that take their time to begin */
  bool ok = run_samples(interp_new(a, c->graph), collector.used, ctx->threads > 0 ? ctx->threads : 1, &loop);
  sample_set_close(&collector.samples);
  each_tensor(a, collector.watched, c, finish_tensor);
  Statistics *s = ARENA_NEW(a, Statistics);
  s->tensors = collector.watched; /* what was watched is finished now */
  return ok ? s : NULL;
}

const TensorStatistics *statistics_of(const Statistics *s, const Tensor *t) {
  return t ? strmap_get(s->tensors, t->name) : NULL;
}
