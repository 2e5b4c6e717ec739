#include "passes/calibrate.h"

#include <inttypes.h>
#include <math.h>

#include "ir/npz_writer.h"
#include "ir/samples.h"
#include "passes/stats.h"

/* A tensor that an observer sees. Reading its entry is safe from any thread; entries change in `watch` only,
 * which run_samples never calls twice at once. */
typedef struct {
  const Tensor *tensor;
  PlanGroup *group;
  int recorded; /* its array in the file of -record, or -1 */
  bool finite;
  bool seen, varies; /* graph inputs: it has values, and some are not `first` */
  float first;
} Watched;

typedef struct {
  PassCtx *ctx;
  const Graph *graph;
  Arena *arena;
  StrMap *watched; /* by name */
  Watched **list;  /* in topological order */
  int n_list;
  Samples **files; /* [ctx->n_calib]; NULL: statistics */
  int file;        /* the one that is being read */
  int64_t done, total;
  NpzWriter *record;
  bool failed;    /* in the sample at hand; the rest of it is not seen */
  int64_t sample; /* of its file */
} Calibration;

/* --- what is seen --- */

static bool load_sample(void *user, int64_t i, Arena *a, const void **in) {
  const Calibration *c = user;
  return samples_load(c->files[c->file], i, a, in);
}

static bool wants_tensor(void *user, const Tensor *t) {
  return strmap_get(((Calibration *)user)->watched, t->name) != NULL;
}

static bool all_finite(const float *x, int64_t n) {
  bool ok = true;
  for (int64_t i = 0; i < n; i++) ok &= fabsf(x[i]) <= 3.40282347e38f;
  return ok;
}

static void watch_input(Watched *w, const float *x, int64_t n) {
  if (!w->seen) w->first = x[0];
  for (int64_t k = 0; k < n && !w->varies; k++) w->varies = x[k] != w->first;
  w->seen = true;
}

static void watch_tensor(void *user, int64_t i, const Tensor *t, const void *data) {
  (void)i;
  Calibration *c = user;
  Watched *w = strmap_get(c->watched, t->name);
  int64_t n = shape_count(&t->type.shape);
  if (!w || c->failed || n < 1) return;
  if (!t->producer) watch_input(w, data, n);
  w->finite = all_finite(data, n);
  c->failed = !w->finite ||
              (w->recorded >= 0 && !npz_writer_put(c->record, w->recorded, data, (size_t)n * sizeof(float)));
  if (c->failed) return;
  int errors = c->ctx->diag->errors;
  w->group->spec.observer->observe(w->group->state, data, 1, n);
  c->failed = c->ctx->diag->errors > errors; /* the observer is a script's, which has failed */
}

static bool sample_done(void *user, int64_t i, const void *const *out) {
  (void)out;
  Calibration *c = user;
  c->done++;
  c->sample = i;
  if (c->ctx->progress) c->ctx->progress(c->ctx->progress_user, c->done, c->total);
  return !c->failed;
}

static void watch(Calibration *c, const Tensor *t) {
  const TensorPlan *plan = plan_of(c->ctx->plan, t);
  if (!plan || !plan->observer || !plan_group_observes(plan->observer)) return;
  Watched *w = ARENA_NEW(c->arena, Watched);
  *w = (Watched){.tensor = t, .group = plan->observer, .recorded = -1, .finite = true};
  strmap_put(c->watched, t->name, w);
  c->list[c->n_list++] = w;
}

static void watch_all(Calibration *c) {
  const Graph *g = c->graph;
  int n = g->n_inputs;
  for (const Node *node = g->first; node; node = node->next) n += node->n_results;
  c->watched = strmap_new(c->arena);
  c->list = ARENA_NEW_ARRAY(c->arena, Watched *, (size_t)n + 1);
  for (int i = 0; i < g->n_inputs; i++) watch(c, g->inputs[i]);
  for (const Node *node = g->first; node; node = node->next)
    for (int i = 0; i < node->n_results; i++) watch(c, node->results[i]);
}

/* --- -record --- */

static bool open_record(Calibration *c) {
  PassCtx *ctx = c->ctx;
  NpyArray *arrays = ARENA_NEW_ARRAY(c->arena, NpyArray, (size_t)c->n_list + 1);
  int n = 0;
  for (int i = 0; i < c->n_list; i++) {
    Watched *w = c->list[i];
    if (!w->group->spec.observer->records) continue;
    w->recorded = n;
    arrays[n] = (NpyArray){.name = w->tensor->name, .dtype = DT_F32};
    if (!samples_stacked(&w->tensor->type.shape, c->total, &arrays[n++].shape))
      return diag_error(ctx->diag, (SrcLoc){0}, "%s: %" PRId64 " samples of the tensor '%.100s' are too many",
                        ctx->record, c->total, w->tensor->name);
  }
  if (n && c->total && !ctx->record)
    diag_warning(ctx->diag, "record", (SrcLoc){0},
                 "the observer recording keeps nothing: give it a file with -record FILE.npz");
  if (!ctx->record) {
    for (int i = 0; i < c->n_list; i++) c->list[i]->recorded = -1;
    return true;
  }
  if (!n)
    return diag_error(ctx->diag, (SrcLoc){0},
                      "-record: no tensor has the observer recording (-observer recording gives it to all)");
  if (!c->total) return diag_error(ctx->diag, (SrcLoc){0}, "-record: there are no samples, only statistics");
  c->record = npz_writer_open(ctx->diag, c->arena, ctx->record, arrays, n);
  return c->record != NULL;
}

/* --- the files --- */

static bool open_files(Calibration *c) {
  PassCtx *ctx = c->ctx;
  c->files = ARENA_NEW_ARRAY(c->arena, Samples *, (size_t)ctx->n_calib);
  for (int i = 0; i < ctx->n_calib; i++) {
    const char *path = ctx->calib[i];
    if (stats_is_file(path)) continue;
    c->files[i] = samples_open(ctx->diag, c->arena, path, c->graph);
    if (!c->files[i]) return false;
    if (samples_count(c->files[i]) < 1)
      return diag_error(ctx->diag, (SrcLoc){0}, "%s: it holds no calibration samples", path);
    c->total += samples_count(c->files[i]);
  }
  return true;
}

/* The first tensor that overflows is the cause, those behind it follow. */
static bool report_failure(const Calibration *c) {
  for (int i = 0; i < c->n_list; i++) {
    const Tensor *t = c->list[i]->tensor;
    if (!c->list[i]->finite)
      return diag_error(
          c->ctx->diag, t->producer ? node_loc(t->producer) : t->loc,
          "calibration: tensor '%s' takes values that are not finite numbers, in sample %" PRId64 " of '%s'",
          t->name, c->sample, c->ctx->calib[c->file]);
  }
  return false; /* what could not be recorded, or a script's observer, has been reported */
}

static bool run_file(Calibration *c, const Executor *e) {
  const SampleLoop loop = {load_sample, watch_tensor, wants_tensor, sample_done, c};
  int threads = c->ctx->threads > 0 ? c->ctx->threads : 1;
  return run_samples(e, samples_count(c->files[c->file]), threads, &loop) || report_failure(c);
}

static void warn_constant_inputs(const Calibration *c) {
  for (int i = 0; i < c->n_list; i++) {
    const Watched *w = c->list[i];
    const Tensor *t = w->tensor;
    if (!t->producer && w->seen && !w->varies && shape_count(&t->type.shape) * c->total > 1)
      diag_warning(c->ctx->diag, "constant-input", t->loc,
                   "calibration: all values of the input '%s' are %g: its data says nothing about real ones",
                   t->name, (double)w->first);
  }
}

static bool read_stats(Calibration *c) {
  static const int64_t max_bytes = (int64_t)1 << 30;
  const Source *source = source_read(c->ctx->diag, c->arena, c->ctx->calib[c->file], max_bytes);
  return source && stats_read(c->ctx->diag, c->arena, source, c->ctx->plan);
}

bool calibrate(PassCtx *ctx, const Graph *g, Arena *a) {
  Plan *p = ctx->plan;
  Calibration c = {.ctx = ctx, .graph = g, .arena = a};
  for (int i = 0; i < p->n_groups; i++) {
    PlanGroup *group = p->groups[i];
    if (!plan_group_observes(group)) continue;
    group->state = arena_alloc(a, group->spec.observer->state_size);
    group->spec.observer->init(group->state, a, &group->spec, 1);
  }
  if (!plan_needs_data(p)) return true;
  watch_all(&c);
  bool ok = open_files(&c) && open_record(&c);
  const Executor *e = ok && c.total ? executor_new(ctx->executors, a, g, true) : NULL;
  ok = ok && (e || !c.total);
  for (c.file = 0; ok && c.file < ctx->n_calib; c.file++)
    ok = c.files[c.file] ? run_file(&c, e) : read_stats(&c);
  executor_free(e);
  if (c.record) ok &= npz_writer_close(c.record, ok);
  for (int i = 0; i < ctx->n_calib; i++) samples_close(c.files[i]);
  if (ok) warn_constant_inputs(&c);
  return ok;
}
