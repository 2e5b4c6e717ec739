#include "ir/samples.h"
#include "ir/npy.h"
#include "ir/quant.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

typedef struct {
  const char *data;
  int64_t bytes; /* of one sample */
} InputData;

struct Samples {
  InputData *inputs;
  int n_inputs;
  int64_t count;
};

typedef struct {
  Diag *diag;
  Arena *arena;
  const char *path;
  const Graph *graph;
  Npz *npz;
} Reader;

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

/* "array 'x'", or "the array" of a bare .npy. */
static const char *array_name(const Reader *r, const NpyArray *array) {
  return *array->name ? arena_printf(r->arena, "array '%.100s'", array->name) : "the array";
}

static const NpyArray *find_array(Reader *r, const Tensor *input, bool *ok) {
  const NpyArray *array = npz_get(r->npz, input->name, ok);
  if (array || !*ok || r->graph->n_inputs > 1) return array;
  array = npz_get(r->npz, "x", ok);
  if (array || !*ok) return array;
  return npz_get(r->npz, "", ok);
}

static bool no_array(Reader *r, const Tensor *input) {
  const char *also = r->graph->n_inputs == 1 ? ", nor 'x'" : "";
  StrBuf names;
  strbuf_init(&names, r->arena);
  int n = npz_count(r->npz);
  for (int i = 0; i < n && i < 5; i++) strbuf_printf(&names, "%s'%.60s'", i ? ", " : "", npz_name(r->npz, i));
  return diag_error(r->diag, (SrcLoc){0}, "%s: no array for the input '%.100s'%s (it holds %s%s)", r->path,
                    input->name, also, names.text, n > 5 ? ", ..." : "");
}

static bool check_finite(Reader *r, const NpyArray *array, int64_t samples) {
  const float *v = array->data;
  int64_t n = shape_count(&array->shape), each = n / samples;
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(v[i]))
      return diag_error(r->diag, (SrcLoc){0},
                        "%s: %s: sample %" PRId64 " holds %s (element %" PRId64 " of the sample)", r->path,
                        array_name(r, array), i / each, isnan(v[i]) ? "a NaN" : "an infinity", i % each);
  return true;
}

static const void *quantized(Reader *r, const NpyArray *array, const Type *type) {
  const float *v = array->data;
  const DTypeInfo *info = &dtype_info[type->dtype];
  int64_t n = shape_count(&array->shape);
  uint8_t *q = arena_alloc(r->arena, (size_t)n);
  for (int64_t i = 0; i < n; i++) /* s8 in two's complement, as a byte */
    q[i] = (uint8_t)quantize_value(v[i], type->quant->scale[0], type->quant->zero[0], (int32_t)info->min,
                                   (int32_t)info->max);
  return q;
}

static bool read_input(Reader *r, const Tensor *input, InputData *out, int64_t *samples) {
  bool ok;
  const NpyArray *array = find_array(r, input, &ok);
  if (!array) return ok ? no_array(r, input) : false;
  const Type *type = &input->type;
  bool to_quantize =
      array->dtype == DT_F32 && type->quant && type->quant->axis < 0 && dtype_info[type->dtype].bytes == 1;
  if (array->dtype != type->dtype && !to_quantize)
    return diag_error(r->diag, (SrcLoc){0}, "%s: %s is %s, the input '%.100s' is %s", r->path,
                      array_name(r, array), dtype_info[array->dtype].name, input->name,
                      dtype_info[type->dtype].name);
  int64_t n = samples_in_shape(&array->shape, &type->shape);
  if (n == 0 && array->shape.rank > 0 && array->shape.dim[0] == 0)
    return diag_error(r->diag, (SrcLoc){0}, "%s: %s holds no samples", r->path, array_name(r, array));
  if (n == 0 || shape_count(&array->shape) == 0)
    return diag_error(r->diag, (SrcLoc){0}, "%s: %s has the shape %s, the input '%.100s' has %s", r->path,
                      array_name(r, array), shape_text(r->arena, &array->shape), input->name,
                      shape_text(r->arena, &type->shape));
  if (array->dtype == DT_F32 && !check_finite(r, array, n)) return false;
  *out = (InputData){to_quantize ? quantized(r, array, type) : array->data, type_bytes(type)};
  *samples = n;
  return true;
}

static Samples *read_inputs(Reader *r) {
  Samples *s = ARENA_NEW(r->arena, Samples);
  s->n_inputs = r->graph->n_inputs;
  s->inputs = ARENA_NEW_ARRAY(r->arena, InputData, (size_t)s->n_inputs);
  for (int i = 0; i < s->n_inputs; i++) {
    int64_t n = 0;
    if (!read_input(r, r->graph->inputs[i], &s->inputs[i], &n)) return NULL;
    if (i > 0 && n != s->count) {
      diag_error(r->diag, (SrcLoc){0},
                 "%s: %" PRId64 " samples for the input '%.100s', but %" PRId64 " for '%.100s'", r->path,
                 s->count, r->graph->inputs[0]->name, n, r->graph->inputs[i]->name);
      return NULL;
    }
    s->count = n;
  }
  return s;
}

Samples *samples_open(Diag *d, Arena *a, const char *path, const Graph *g) {
  Reader r = {d, a, path, g, npz_open(d, a, path, (SrcLoc){0})};
  if (!r.npz) return NULL;
  Samples *s = read_inputs(&r);
  npz_close(r.npz);
  return s;
}

int64_t samples_count(const Samples *s) { return s->count; }

bool samples_load(Samples *s, int64_t i, const void **in) {
  if (i < 0 || i >= s->count) return false;
  for (int k = 0; k < s->n_inputs; k++) in[k] = s->inputs[k].data + i * s->inputs[k].bytes;
  return true;
}
