/* observe OBSERVER BATCHES.npz N: feeds the arrays b0 ... bN-1 to an observer and prints the scale and the
 * zero point that its range gives in u8, the scale in hexadecimal. Exit status: 0, 1 after a message, 2 for a
 * wrong command line.
 */
#include "ir/npy.h"
#include "passes/observe.h"

#include <stdlib.h>

static bool observe(Diag *d, Arena *a, const char *name, const char *path, int n) {
  SrcLoc nowhere = {0};
  ObserverSpec spec = {.quant = qspec_of(DT_U8, false)};
  Npz *npz = observer_parse(d, name, &spec) ? npz_open(d, a, path, nowhere) : NULL;
  if (!npz) return false;
  const Observer *o = spec.observer;
  void *state = arena_alloc(a, o->state_size);
  o->init(state, a, &spec, 1);
  bool ok = true;
  int64_t seen = 0;
  for (int i = 0; ok && i < n; i++) {
    const char *key = arena_printf(a, "b%d", i);
    const NpyArray *x = npz_get(npz, key, &ok);
    if (ok && (!x || x->dtype != DT_F32)) ok = diag_error(d, nowhere, "%s is missing, or not float32", key);
    if (!ok) break;
    o->observe(state, x->data, 1, shape_count(&x->shape));
    seen += shape_count(&x->shape);
  }
  npz_close(npz);
  if (!ok) return false;
  if (!seen) return diag_error(d, nowhere, "nothing was observed");
  float lo, hi, scale;
  int32_t zero;
  o->finish(state, &lo, &hi);
  if (!qspec_params(&spec.quant, lo, hi, &scale, &zero)) return diag_error(d, nowhere, "the range is empty");
  printf("%a %d\n", (double)scale, (int)zero);
  return true;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fputs("usage: observe OBSERVER BATCHES.npz N\n", stderr);
    return 2;
  }
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  bool ok = observe(&d, a, argv[1], argv[2], atoi(argv[3]));
  arena_free(a);
  return !ok;
}
