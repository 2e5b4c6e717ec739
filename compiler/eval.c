#include "compiler/eval.h"
#include "ir/half.h"
#include "ir/npy.h"
#include "ir/quant.h"
#include "ir/samples.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { BATCH = 32 }; /* samples whose outputs are kept at once while comparing */
#define MAX_RUN_BYTES ((int64_t)1 << 30)

/* ---- outputs as float32 ---- */

static int64_t quant_index(const Type *t, int64_t i) {
  if (t->quant->axis < 0) return 0;
  int64_t inner = 1;
  for (int k = t->quant->axis + 1; k < t->shape.rank; k++) inner *= t->shape.dim[k];
  return i / inner % t->quant->count;
}

static int64_t integer_at(const Type *t, const void *data, int64_t i) {
  switch (t->dtype) {
  case DT_S8:
    return ((const int8_t *)data)[i];
  case DT_S32:
    return ((const int32_t *)data)[i];
  case DT_S64:
    return ((const int64_t *)data)[i];
  default: /* u8, bool */
    return ((const uint8_t *)data)[i];
  }
}

static void to_float(const Type *t, const void *data, float *out) {
  int64_t n = shape_count(&t->shape);
  if (t->dtype == DT_F32) {
    memcpy(out, data, sizeof *out * (size_t)n);
    return;
  }
  if (t->dtype == DT_F16) {
    half_widen(data, n, out);
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t q = integer_at(t, data, i), k = t->quant ? quant_index(t, i) : 0;
    out[i] = t->quant ? dequantize_value((int32_t)q, t->quant->scale[k], t->quant->zero[k]) : (float)q;
  }
}

/* ---- running ---- */

/* Runs one graph over the samples [first, first + count) and keeps all outputs as float32. */
typedef struct {
  const EvalOptions *options;
  const Executor *executor;
  Samples *samples;
  int64_t first, total, done_before; /* done_before, total: for the progress bar */
  float **outputs;                   /* per output: [count][elements] */
} Collect;

static bool collect_load(void *user, int64_t i, Arena *a, const void **in) {
  Collect *c = user;
  return samples_load(c->samples, c->first + i, a, in);
}

static bool collect_done(void *user, int64_t i, const void *const *out) {
  Collect *c = user;
  const Graph *g = c->executor->graph;
  for (int k = 0; k < g->n_outputs; k++) {
    const Type *t = &g->outputs[k]->type;
    to_float(t, out[k], c->outputs[k] + i * shape_count(&t->shape));
  }
  if (c->options->progress) c->options->progress(c->options->progress_user, c->done_before + i + 1, c->total);
  return true;
}

static bool collect(Collect *c, int64_t count) {
  const SampleLoop loop = {.load = collect_load, .done = collect_done, .user = c};
  return run_samples(c->executor, count, c->options->threads, &loop);
}

static float **alloc_outputs(Arena *a, const Graph *g, int64_t count) {
  float **out = ARENA_NEW_ARRAY(a, float *, (size_t)g->n_outputs);
  for (int k = 0; k < g->n_outputs; k++)
    out[k] = ARENA_NEW_ARRAY(a, float, (size_t)(shape_count(&g->outputs[k]->type.shape) * count));
  return out;
}

/* ---- -run ---- */

static bool listed_before(const Graph *g, int k) {
  for (int i = 0; i < k; i++)
    if (g->outputs[i] == g->outputs[k]) return true;
  return false;
}

static bool run_all(const EvalOptions *o, const Executor *e, Samples *samples, const char *path,
                    const void **bytes, size_t *size) {
  const Graph *g = e->graph;
  int64_t count = samples_count(samples), total = 0, bytes_of;
  NpyArray *arrays = ARENA_NEW_ARRAY(o->arena, NpyArray, (size_t)g->n_outputs);
  for (int k = 0; k < g->n_outputs; k++) {
    arrays[k] = (NpyArray){.name = g->outputs[k]->name, .dtype = DT_F32};
    if (!samples_stacked(&g->outputs[k]->type.shape, count, &arrays[k].shape) ||
        !size_mul(shape_count(&arrays[k].shape), (int64_t)sizeof(float), &bytes_of) ||
        !size_add(total, bytes_of, &total) || total > MAX_RUN_BYTES)
      return diag_error(o->diag, (SrcLoc){0}, "%s: the outputs of %" PRId64 " samples are larger than 1 GiB",
                        path, count);
  }
  float **outputs = alloc_outputs(o->arena, g, count);
  if (!collect(&(Collect){o, e, samples, 0, count, 0, outputs}, count)) return false;
  int n = 0;
  for (int k = 0; k < g->n_outputs; k++) {
    if (listed_before(g, k)) continue; /* one tensor may be two outputs */
    arrays[k].data = outputs[k];
    arrays[n++] = arrays[k];
  }
  return npz_write(o->arena, arrays, n, bytes, size) ||
         diag_error(o->diag, (SrcLoc){0}, "the name of an output is too long for an .npz member");
}

bool eval_run(const EvalOptions *o, const Executor *e, const char *path, const void **bytes, size_t *size) {
  Samples *samples = samples_open(o->diag, o->arena, path, e->graph);
  bool ok = samples && run_all(o, e, samples, path, bytes, size);
  samples_close(samples);
  return ok;
}

/* ---- -eval ---- */

/* Signal and noise power over all samples, in order: the report does not depend on threads. */
typedef struct {
  double signal, noise;
} Sqnr;

static void sqnr_add(Sqnr *s, const float *reference, const float *got, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double r = reference[i], e = r - got[i];
    s->signal += r * r;
    s->noise += e * e;
  }
}

/* Expected outputs of one output, from the file. */
typedef struct {
  const NpyArray *array; /* NULL: none */
  Sqnr sqnr[2];
} Expected;

typedef struct {
  const EvalOptions *options;
  const Graph *graph; /* the reference's */
  const char *path;
  int64_t count;
  int64_t *labels;  /* [count], or NULL */
  int64_t right[2]; /* reference, compiled */
  Expected *expected;
  Sqnr *sqnr;    /* per output: compiled against reference */
  int64_t *same; /* per output: samples of the same class */
} Report;

static int64_t argmax(const float *v, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++)
    if (v[i] > v[best]) best = i;
  return best;
}

/* A vector of scores, one per class: [1, C] or [C]. */
static bool has_classes(const Tensor *t) {
  int64_t n = shape_count(&t->type.shape);
  return n > 1 && t->type.shape.rank > 0 && t->type.shape.dim[t->type.shape.rank - 1] == n;
}

/* `y`: one integer per sample. False after an error; labels stay NULL where y is something else. */
static bool read_labels(Report *r, const NpyArray *y) {
  const Tensor *t = r->graph->outputs[0];
  int64_t n = y ? shape_count(&y->shape) : 0, classes = shape_count(&t->type.shape);
  if (!y || y->dtype == DT_F32 || n != r->count || !has_classes(t)) return true;
  const Type type = {y->dtype, y->shape, NULL};
  r->labels = ARENA_NEW_ARRAY(r->options->arena, int64_t, (size_t)n);
  for (int64_t i = 0; i < n; i++) {
    r->labels[i] = integer_at(&type, y->data, i);
    if (r->labels[i] < 0 || r->labels[i] >= classes)
      return diag_error(r->options->diag, (SrcLoc){0},
                        "%s: array 'y': label %" PRId64 " of sample %" PRId64 " is not one of %" PRId64
                        " classes",
                        r->path, r->labels[i], i, classes);
  }
  return true;
}

/* `y_<output>`, or `y_out` (or a float `y`) where there is one output. */
static bool read_expected(Report *r, Npz *z, int k, const NpyArray *y) {
  bool ok = true;
  const Tensor *t = r->graph->outputs[k];
  Arena *a = r->options->arena;
  const NpyArray *array = npz_get(z, arena_printf(a, "y_%s", t->name), &ok);
  if (ok && !array && r->graph->n_outputs == 1) array = npz_get(z, "y_out", &ok);
  if (!ok) return false;
  bool named = array != NULL;
  if (!array && y && r->graph->n_outputs == 1) array = y;
  if (!array) return true;
  int64_t n;
  bool fits = array->dtype == DT_F32 && size_mul(r->count, shape_count(&t->type.shape), &n) &&
              n == shape_count(&array->shape);
  if (!fits && named)
    return diag_error(r->options->diag, (SrcLoc){0},
                      "%s: array '%.100s' is %s%s, %" PRId64
                      " samples of the output '%.100s' are f32 of %s each",
                      r->path, array->name, dtype_info[array->dtype].name, shape_text(a, &array->shape),
                      r->count, t->name, shape_text(a, &t->type.shape));
  if (fits) r->expected[k].array = array;
  return true;
}

static bool read_truth(Report *r) {
  bool ok;
  const EvalOptions *o = r->options;
  Npz *z = npz_open(o->diag, o->arena, r->path, (SrcLoc){0});
  if (!z) return false;
  const NpyArray *y = npz_get(z, "y", &ok);
  ok = ok && read_labels(r, y);
  for (int k = 0; k < r->graph->n_outputs && ok; k++) ok = read_expected(r, z, k, y);
  npz_close(z);
  if (ok && y && !r->labels && !(r->graph->n_outputs == 1 && r->expected[0].array))
    diag_warning(o->diag, "eval-labels", (SrcLoc){0},
                 "%s: array 'y', %s%s, holds neither labels (%" PRId64
                 " integers, one a sample) nor outputs of the model: "
                 "not used",
                 r->path, dtype_info[y->dtype].name, shape_text(o->arena, &y->shape), r->count);
  return ok;
}

static void add_sample(Report *r, int64_t i, int k, const float *const v[2]) {
  const Tensor *t = r->graph->outputs[k];
  int64_t n = shape_count(&t->type.shape);
  sqnr_add(&r->sqnr[k], v[0], v[1], n);
  for (int side = 0; side < 2; side++) {
    if (r->expected[k].array)
      sqnr_add(&r->expected[k].sqnr[side], (const float *)r->expected[k].array->data + i * n, v[side], n);
    if (r->labels && k == 0) r->right[side] += argmax(v[side], n) == r->labels[i];
  }
  r->same[k] += argmax(v[0], n) == argmax(v[1], n);
}

/* ---- the text of the report: a label, then values, in columns that line up ---- */

enum { MAX_LABEL = 40 };

static void put_label(StrBuf *out, int width, const char *what, const char *name) {
  char *label = arena_printf(out->arena, "%s%s%.*s", what, *name ? " " : "", MAX_LABEL, name);
  for (char *p = label; *p; p++)
    if ((unsigned char)*p < 32 || *p == 127) *p = '?'; /* a hostile name must not reach the terminal */
  strbuf_printf(out, "%-*s", width + 2, label);
}

static void put_db(StrBuf *out, const Sqnr *s) {
  if (s->noise == 0) {
    strbuf_puts(out, "exact");
  } else {
    strbuf_printf(out, "%.1f dB", 10 * log10(s->signal / s->noise));
  }
}

static void put_report(const Report *r, const char *const names[2], StrBuf *out) {
  const Graph *g = r->graph;
  int width = (int)strlen("same class");
  for (int k = 0; k < g->n_outputs; k++) {
    size_t n = strnlen(g->outputs[k]->name, MAX_LABEL) + strlen(g->n_outputs > 1 ? "same class " : "sqnr ");
    if ((int)n > width) width = (int)n;
  }
  double count = (double)r->count;
  if (r->labels) {
    put_label(out, width, "accuracy", "");
    strbuf_printf(out, "%s %.4f  %s %.4f  (%" PRId64 " samples)\n", names[0], (double)r->right[0] / count,
                  names[1], (double)r->right[1] / count, r->count);
  } else {
    put_label(out, width, "samples", "");
    strbuf_printf(out, "%" PRId64 "\n", r->count);
  }
  for (int k = 0; k < g->n_outputs; k++) {
    if (!has_classes(g->outputs[k])) continue;
    put_label(out, width, "same class", g->n_outputs > 1 ? g->outputs[k]->name : "");
    strbuf_printf(out, "%.4f\n", (double)r->same[k] / count);
  }
  for (int k = 0; k < g->n_outputs; k++) {
    put_label(out, width, "sqnr", g->outputs[k]->name);
    put_db(out, &r->sqnr[k]);
    strbuf_puts(out, "\n");
  }
  for (int k = 0; k < g->n_outputs; k++) {
    const Expected *e = &r->expected[k];
    if (!e->array) continue;
    put_label(out, width, "sqnr", e->array->name);
    for (int side = 0; side < 2; side++) {
      strbuf_printf(out, "%s%s ", side ? "  " : "", names[side]);
      put_db(out, &e->sqnr[side]);
    }
    strbuf_puts(out, "\n");
  }
}

static bool compare_all(Report *r, const Executor *const runs[2], Samples *const samples[2]) {
  const EvalOptions *o = r->options;
  float **outputs[2];
  for (int side = 0; side < 2; side++) outputs[side] = alloc_outputs(o->arena, runs[side]->graph, BATCH);
  for (int64_t first = 0; first < r->count; first += BATCH) {
    int64_t n = r->count - first < BATCH ? r->count - first : BATCH;
    for (int side = 0; side < 2; side++) {
      Collect c = {o, runs[side], samples[side], first, 2 * r->count, 2 * first + side * n, outputs[side]};
      if (!collect(&c, n)) return false;
    }
    for (int64_t i = 0; i < n; i++)
      for (int k = 0; k < r->graph->n_outputs; k++) {
        int64_t at = i * shape_count(&r->graph->outputs[k]->type.shape);
        add_sample(r, first + i, k, (const float *const[2]){outputs[0][k] + at, outputs[1][k] + at});
      }
  }
  return true;
}

static bool compare_samples(const EvalOptions *o, const Executor *const runs[2], Samples *const samples[2],
                            const char *path, const char *const names[2], StrBuf *report) {
  int n = runs[0]->graph->n_outputs;
  Report r = {
      .options = o,
      .graph = runs[0]->graph,
      .path = path,
      .count = samples_count(samples[0]),
      .expected = ARENA_NEW_ARRAY(o->arena, Expected, (size_t)n),
      .sqnr = ARENA_NEW_ARRAY(o->arena, Sqnr, (size_t)n),
      .same = ARENA_NEW_ARRAY(o->arena, int64_t, (size_t)n),
  };
  if (!read_truth(&r) || !compare_all(&r, runs, samples)) return false;
  put_report(&r, names, report);
  return true;
}

bool eval_compare(const EvalOptions *o, const Executor *reference, const Executor *compiled, const char *path,
                  const char *const names[2], StrBuf *report) {
  /* One for each: they are not always read in step, and -io may have changed the input types. */
  Samples *samples[2] = {samples_open(o->diag, o->arena, path, reference->graph), NULL};
  if (samples[0]) samples[1] = samples_open(o->diag, o->arena, path, compiled->graph);
  bool ok = samples[1] &&
            compare_samples(o, (const Executor *[]){reference, compiled}, samples, path, names, report);
  samples_close(samples[0]);
  samples_close(samples[1]);
  return ok;
}
