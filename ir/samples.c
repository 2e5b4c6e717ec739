#include "ir/samples.h"
#include "ir/npy.h"
#include "ir/quant.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

/* Arrays up to this size stay in memory; larger ones are read sample by sample. */
enum { KEEP_BYTES = 16 << 20 };
/* Threads may ask for samples a little out of order: those that a stream has passed are set aside. */
enum { ASIDE = 16 };

typedef struct {
  const Tensor *input;
  const char *array; /* its name in the file */
  bool quantize;     /* float32 in the file, 8 bits in the graph */
  int64_t count;     /* elements of one sample */
  const char *data;  /* of all samples, as the graph has them; NULL: they come from the stream */
  NpyStream *stream; /* NULL: not open */
} InputData;

typedef struct {
  int64_t index; /* -1: free */
  Arena *arena;
  const void **in;
} Aside;

struct Samples {
  Diag *diag;
  Arena *arena;
  const char *path;
  const Graph *graph;
  Npz *npz;
  InputData *inputs;
  int n_inputs;
  int64_t count;
  pthread_mutex_t lock; /* of what follows, and of the streams */
  int64_t next;         /* the sample that the streams are at */
  Aside aside[ASIDE];
};

static bool dims_equal(const int64_t *a, const int64_t *b, int n) {
  return n <= 0 || !memcmp(a, b, sizeof *a * (size_t)n);
}

int64_t samples_in_shape(const Shape *all, const Shape *one) {
  if (shape_equal(all, one)) return 1;
  bool rest =
      one->rank > 0 && all->rank == one->rank && dims_equal(all->dim + 1, one->dim + 1, one->rank - 1);
  if (rest && one->dim[0] > 0 && all->dim[0] % one->dim[0] == 0) return all->dim[0] / one->dim[0];
  if (one->rank > 0 && one->dim[0] == 1 && all->rank == one->rank - 1 &&
      dims_equal(all->dim, one->dim + 1, all->rank))
    return 1;
  if (all->rank == one->rank + 1 && dims_equal(all->dim + 1, one->dim, one->rank)) return all->dim[0];
  return 0;
}

bool samples_stacked(const Shape *one, int64_t count, Shape *all) {
  bool batch = one->rank > 0 && one->dim[0] == 1;
  if (!batch && one->rank == MAX_RANK) return false;
  *all = (Shape){.rank = batch ? one->rank : one->rank + 1, .dim = {count}};
  for (int i = batch; i < one->rank; i++) all->dim[i + !batch] = one->dim[i];
  return shape_check(all);
}

/* ---- opening: names, types, shapes ---- */

/* "array 'x'", or "the array" of a bare .npy. */
static const char *array_name(const Samples *s, const char *name) {
  return *name ? arena_printf(s->arena, "array '%.100s'", name) : "the array";
}

static NpyStream *find_array(Samples *s, const Tensor *input, bool *ok) {
  NpyStream *array = npz_stream(s->npz, input->name, ok);
  if (array || !*ok || s->graph->n_inputs > 1) return array;
  array = npz_stream(s->npz, "x", ok);
  if (array || !*ok) return array;
  return npz_stream(s->npz, "", ok);
}

static bool no_array(const Samples *s, const Tensor *input) {
  const char *also = s->graph->n_inputs == 1 ? ", nor 'x'" : "";
  StrBuf names;
  strbuf_init(&names, s->arena);
  int n = npz_count(s->npz);
  for (int i = 0; i < n && i < 5; i++) strbuf_printf(&names, "%s'%.60s'", i ? ", " : "", npz_name(s->npz, i));
  return diag_error(s->diag, (SrcLoc){0}, "%s: no array for the input '%.100s'%s (it holds %s%s)", s->path,
                    input->name, also, names.text, n > 5 ? ", ..." : "");
}

static bool check_array(const Samples *s, InputData *in, const NpyArray *array, int64_t *samples) {
  const Type *type = &in->input->type;
  in->array = array->name;
  in->count = shape_count(&type->shape);
  in->quantize =
      array->dtype == DT_F32 && type->quant && type->quant->axis < 0 && dtype_info[type->dtype].bytes == 1;
  if (array->dtype != type->dtype && !in->quantize)
    return diag_error(s->diag, (SrcLoc){0}, "%s: %s is %s, the input '%.100s' is %s", s->path,
                      array_name(s, array->name), dtype_info[array->dtype].name, in->input->name,
                      dtype_info[type->dtype].name);
  *samples = samples_in_shape(&array->shape, &type->shape);
  if (*samples == 0 && array->shape.rank > 0 && array->shape.dim[0] == 0)
    return diag_error(s->diag, (SrcLoc){0}, "%s: %s holds no samples", s->path, array_name(s, array->name));
  if (*samples == 0 || shape_count(&array->shape) == 0)
    return diag_error(s->diag, (SrcLoc){0}, "%s: %s has the shape %s, the input '%.100s' has %s", s->path,
                      array_name(s, array->name), shape_text(s->arena, &array->shape), in->input->name,
                      shape_text(s->arena, &type->shape));
  return true;
}

/* ---- values ---- */

static bool check_finite(const Samples *s, const InputData *in, const float *v, int64_t sample) {
  for (int64_t i = 0; i < in->count; i++)
    if (!isfinite(v[i]))
      return diag_error(s->diag, (SrcLoc){0},
                        "%s: %s: sample %" PRId64 " holds %s (element %" PRId64 " of the sample)", s->path,
                        array_name(s, in->array), sample, isnan(v[i]) ? "a NaN" : "an infinity", i);
  return true;
}

static const void *quantized(Arena *a, const InputData *in, const float *v, int64_t samples) {
  const Type *type = &in->input->type;
  const DTypeInfo *info = &dtype_info[type->dtype];
  uint8_t *q = arena_array(a, (size_t)in->count, (size_t)samples);
  for (int64_t i = 0; i < in->count * samples; i++) /* s8 in two's complement, as a byte */
    q[i] = (uint8_t)quantize_value(v[i], type->quant->scale[0], type->quant->zero[0], (int32_t)info->min,
                                   (int32_t)info->max);
  return q;
}

/* A whole array in memory. */
static bool keep_input(Samples *s, InputData *in, int64_t samples) {
  bool ok;
  const NpyArray *array = npz_get(s->npz, in->array, &ok);
  if (!array) return false;
  for (int64_t i = 0; i < samples && array->dtype == DT_F32; i++)
    if (!check_finite(s, in, (const float *)array->data + i * in->count, i)) return false;
  in->data = in->quantize ? quantized(s->arena, in, array->data, samples) : array->data;
  return true;
}

/* Reads a stream through once, before any sample is used: what is wrong with the file shows at once. */
static bool check_stream(Samples *s, InputData *in, int64_t samples) {
  Arena *a = arena_new();
  DType dtype = npy_stream_array(in->stream)->dtype;
  void *one = arena_array(a, (size_t)in->count, (size_t)dtype_info[dtype].bytes);
  bool ok = true;
  for (int64_t i = 0; ok && i < samples; i++)
    ok = npy_stream_read(in->stream, one, in->count) && (dtype != DT_F32 || check_finite(s, in, one, i));
  arena_free(a);
  return ok;
}

static void close_stream(InputData *in) {
  npy_stream_close(in->stream);
  in->stream = NULL;
}

static bool read_input(Samples *s, InputData *in, int64_t *samples) {
  bool ok;
  in->stream = find_array(s, in->input, &ok);
  if (!in->stream) return ok ? no_array(s, in->input) : false;
  const NpyArray *array = npy_stream_array(in->stream);
  ok = check_array(s, in, array, samples);
  bool keep = !npy_stream_in_order(in->stream) ||
              shape_count(&array->shape) * dtype_info[array->dtype].bytes <= KEEP_BYTES;
  if (ok && !keep) ok = check_stream(s, in, *samples);
  close_stream(in);
  return ok && (!keep || keep_input(s, in, *samples));
}

static bool read_inputs(Samples *s) {
  for (int i = 0; i < s->n_inputs; i++) {
    int64_t n = 0;
    s->inputs[i].input = s->graph->inputs[i];
    if (!read_input(s, &s->inputs[i], &n)) return false;
    if (i > 0 && n != s->count)
      return diag_error(s->diag, (SrcLoc){0},
                        "%s: %" PRId64 " samples for the input '%.100s', but %" PRId64 " for '%.100s'",
                        s->path, s->count, s->graph->inputs[0]->name, n, s->graph->inputs[i]->name);
    s->count = n;
  }
  return true;
}

Samples *samples_open(Diag *d, Arena *a, const char *path, const Graph *g) {
  Npz *npz = npz_open(d, a, path, (SrcLoc){0});
  if (!npz) return NULL;
  Samples *s = ARENA_NEW(a, Samples);
  *s = (Samples){.diag = d, .arena = a, .path = path, .graph = g, .npz = npz, .n_inputs = g->n_inputs};
  s->inputs = ARENA_NEW_ARRAY(a, InputData, (size_t)s->n_inputs);
  for (int i = 0; i < ASIDE; i++) s->aside[i].index = -1;
  pthread_mutex_init(&s->lock, NULL);
  if (read_inputs(s)) return s;
  samples_close(s);
  return NULL;
}

void samples_close(Samples *s) {
  if (!s) return;
  for (int i = 0; i < s->n_inputs; i++) close_stream(&s->inputs[i]);
  for (int i = 0; i < ASIDE; i++)
    if (s->aside[i].index >= 0) arena_free(s->aside[i].arena);
  npz_close(s->npz);
  pthread_mutex_destroy(&s->lock);
}

int64_t samples_count(const Samples *s) { return s->count; }

/* ---- loading; under the lock ---- */

/* The sample that the streams are at. */
static bool read_next(Samples *s, Arena *a, const void **in) {
  for (int k = 0; k < s->n_inputs; k++) {
    InputData *d = &s->inputs[k];
    bool ok;
    if (d->data) {
      in[k] = d->data + s->next * type_bytes(&d->input->type);
      continue;
    }
    if (!d->stream && !(d->stream = npz_stream(s->npz, d->array, &ok))) return false;
    void *values =
        arena_array(a, (size_t)d->count, (size_t)dtype_info[npy_stream_array(d->stream)->dtype].bytes);
    if (!npy_stream_read(d->stream, values, d->count)) return false;
    in[k] = d->quantize ? quantized(a, d, values, 1) : values;
  }
  s->next++;
  return true;
}

/* A place for the sample that the streams are at: a free one, or that of the oldest. */
static Aside *place_aside(Samples *s) {
  Aside *best = &s->aside[0];
  for (int i = 0; i < ASIDE; i++)
    if (s->aside[i].index < best->index) best = &s->aside[i];
  if (best->index >= 0) arena_free(best->arena);
  *best = (Aside){s->next, arena_new(), NULL};
  best->in = ARENA_NEW_ARRAY(best->arena, const void *, (size_t)s->n_inputs);
  return best;
}

static bool take_aside(Samples *s, int64_t i, Arena *a, const void **in) {
  for (int n = 0; n < ASIDE; n++) {
    Aside *p = &s->aside[n];
    if (p->index != i) continue;
    for (int k = 0; k < s->n_inputs; k++)
      in[k] = s->inputs[k].data ? p->in[k]
                                : arena_memdup(a, p->in[k], (size_t)type_bytes(&s->inputs[k].input->type));
    arena_free(p->arena);
    p->index = -1;
    return true;
  }
  return false;
}

static bool load_streamed(Samples *s, int64_t i, Arena *a, const void **in) {
  if (take_aside(s, i, a, in)) return true;
  if (i < s->next) { /* long gone: from the start */
    for (int k = 0; k < s->n_inputs; k++) close_stream(&s->inputs[k]);
    s->next = 0;
  }
  while (s->next < i) {
    Aside *p = place_aside(s);
    if (!read_next(s, p->arena, p->in)) return false;
  }
  return read_next(s, a, in);
}

bool samples_load(Samples *s, int64_t i, Arena *a, const void **in) {
  if (i < 0 || i >= s->count) return false;
  bool streamed = false;
  for (int k = 0; k < s->n_inputs; k++) {
    const InputData *d = &s->inputs[k];
    streamed |= !d->data;
    if (d->data) in[k] = d->data + i * type_bytes(&d->input->type);
  }
  if (!streamed) return true;
  pthread_mutex_lock(&s->lock);
  bool ok = load_streamed(s, i, a, in);
  pthread_mutex_unlock(&s->lock);
  return ok;
}
