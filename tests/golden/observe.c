/* observe BATCHES.npz N OBSERVER [KEY=VALUE ...]: feeds the arrays b0 ... bN-1 to an observer (as -observer
 * names it) and prints, a line each, scale and zero (the parameters), low and high (the range) and the fields
 * of its state, numbers in hexadecimal, one per channel. Keys: dtype (u8), scheme (affine, symmetric or
 * float), axis (none or a number), min, max, reduce, eps: the spec. Exit status: 0, 1 after a message, 2 for
 * a wrong command line.
 */
#include "ir/npy.h"
#include "passes/observe.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  Diag *diag;
  Arena *arena;
  ObserverSpec spec;
  bool float_zero;
  int axis; /* -1: per tensor */
  void *state;
  int64_t channels;
} Tool;

static bool fail(Tool *t, const char *what, const char *word) {
  return diag_error(t->diag, (SrcLoc){0}, "%s '%s'", what, word);
}

static bool parse_spec(Tool *t, char **words) {
  DType dtype = DT_U8;
  const char *min = NULL, *max = NULL, *eps = NULL, *scheme = "affine";
  bool reduce = false;
  t->axis = -1;
  for (; *words; words++) {
    char *value = strchr(*words, '=');
    if (!value) return fail(t, "not KEY=VALUE:", *words);
    *value++ = 0;
    if (!strcmp(*words, "dtype")) {
      if ((dtype = dtype_from_name(value, strlen(value))) == DT_NONE) return fail(t, "dtype", value);
    } else if (!strcmp(*words, "scheme")) {
      scheme = value;
    } else if (!strcmp(*words, "axis")) {
      t->axis = atoi(value);
    } else if (!strcmp(*words, "min")) {
      min = value;
    } else if (!strcmp(*words, "max")) {
      max = value;
    } else if (!strcmp(*words, "eps")) {
      eps = value;
    } else if (!strcmp(*words, "reduce")) {
      reduce = atoi(value);
    } else {
      return fail(t, "unknown key", *words);
    }
  }
  t->spec.quant = min && max ? qspec_custom(dtype, atoi(min), atoi(max), reduce) : qspec_of(dtype, reduce);
  if (eps) t->spec.quant.eps = strtof(eps, NULL);
  t->spec.quant.symmetric = !strcmp(scheme, "symmetric");
  t->spec.quant.per_channel = t->axis >= 0;
  t->spec.quant.ch_axis = t->axis < 0 ? 0 : t->axis;
  t->float_zero = !strcmp(scheme, "float");
  return true;
}

static void observe_batch(Tool *t, const NpyArray *x) {
  const Observer *o = t->spec.observer;
  int64_t outer = 1, inner = 1, channels = 1;
  for (int i = 0; i < x->shape.rank; i++) {
    if (i == t->axis)
      channels = x->shape.dim[i];
    else if (i < t->axis)
      outer *= x->shape.dim[i];
    else
      inner *= x->shape.dim[i];
  }
  if (!t->state) {
    t->state = arena_alloc(t->arena, o->state_size);
    t->channels = channels;
    o->init(t->state, t->arena, &t->spec, channels);
  }
  o->observe(t->state, x->data, outer, inner);
}

static bool observe(Tool *t, const char *path, int n) {
  SrcLoc nowhere = {0};
  Npz *npz = n > 0 ? npz_open(t->diag, t->arena, path, nowhere) : NULL;
  bool ok = npz || n < 1;
  for (int i = 0; ok && i < n; i++) {
    const char *key = arena_printf(t->arena, "b%d", i);
    const NpyArray *x = npz_get(npz, key, &ok);
    if (ok && (!x || x->dtype != DT_F32)) ok = fail(t, "missing, or not float32:", key);
    if (ok) observe_batch(t, x);
  }
  if (npz) npz_close(npz);
  return ok;
}

static void put_floats(const char *name, const float *v, int64_t n) {
  printf("%s", name);
  for (int64_t i = 0; i < n; i++) printf(" %a", (double)v[i]);
  printf("\n");
}

static void put_doubles(const char *name, const DoubleList *list) {
  printf("%s", name);
  for (int64_t i = 0; i < list->n; i++) printf(" %a", list->v[i]);
  printf("\n");
}

static void put_state(const Tool *t) {
  for (const StateField *f = t->spec.observer->fields; f && f->name; f++) {
    const void *at = (const char *)t->state + f->offset;
    const FloatList *list = at;
    if (f->kind == STATE_INT)
      printf("%s %lld\n", f->name, (long long)*(const int64_t *)at);
    else if (f->kind == STATE_FLOAT)
      put_floats(f->name, at, 1);
    else if (f->kind == STATE_CHANNELS)
      put_floats(f->name, *(const float *const *)at, t->channels);
    else if (f->kind == STATE_FLOATS)
      put_floats(f->name, list->v, list->n);
    else
      put_doubles(f->name, at);
  }
}

static bool put_params(Tool *t) {
  int64_t n = t->channels;
  float *lo = ARENA_NEW_ARRAY(t->arena, float, (size_t)n), *hi = ARENA_NEW_ARRAY(t->arena, float, (size_t)n);
  float *scale = ARENA_NEW_ARRAY(t->arena, float, (size_t)n);
  DoubleList zero = {ARENA_NEW_ARRAY(t->arena, double, (size_t)n), n};
  bool seen = t->state && t->spec.observer->finish(t->state, lo, hi);
  for (int64_t c = 0; c < n; c++) {
    int32_t integer;
    float real;
    if (t->float_zero)
      qspec_float_params(&t->spec.quant, lo[c], hi[c], &scale[c], &real);
    else if (!observer_params(&t->spec, seen, lo[c], hi[c], &scale[c], &integer))
      return fail(t, "no valid parameters from", t->spec.observer->name);
    zero.v[c] = t->float_zero ? (double)real : integer; /* of s32: no float */
  }
  put_floats("scale", scale, n);
  put_doubles("zero", &zero);
  put_floats("low", lo, n);
  put_floats("high", hi, n);
  return true;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fputs("usage: observe BATCHES.npz N OBSERVER [KEY=VALUE ...]\n", stderr);
    return 2;
  }
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  Tool t = {.diag = &d, .arena = a, .channels = 1};
  bool ok = parse_spec(&t, argv + 4) && observer_parse(&d, argv[3], NULL, &t.spec);
  if (ok && t.spec.observer->needs_data) ok = observe(&t, argv[1], atoi(argv[2]));
  ok = ok && put_params(&t);
  if (ok && t.state) put_state(&t);
  arena_free(a);
  return !ok;
}
