/* onnxrun [options] MODEL.onnx: imports a model and verifies the graph; the tool of the ONNX suites.
 *   -shape S      as the compiler's; may be repeated
 *   -print        prints the graph as text, constants declared and not shown
 *   -in F.npz     arrays in0, in1, ... for the graph's inputs in their order, each of the input's own shape
 *   -out F.npz    runs the interpreter; receives out0, out1, ...
 * Exit status: 0, 1 after a diagnostic, 2 for a wrong command line. */
#include "compiler/onnx.h"
#include "ir/interp.h"
#include "ir/npy.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SHAPES = 32 };

typedef struct {
  const char *model, *in, *out;
  const char *shapes[MAX_SHAPES];
  int n_shapes;
  bool print;
} Options;

static bool parse(int argc, char **argv, Options *o) {
  for (int i = 1; i < argc; i++) {
    bool more = i + 1 < argc;
    if (!strcmp(argv[i], "-print")) {
      o->print = true;
    } else if (!strcmp(argv[i], "-shape") && more && o->n_shapes < MAX_SHAPES) {
      o->shapes[o->n_shapes++] = argv[++i];
    } else if (!strcmp(argv[i], "-in") && more) {
      o->in = argv[++i];
    } else if (!strcmp(argv[i], "-out") && more) {
      o->out = argv[++i];
    } else if (argv[i][0] == '-' || o->model) {
      return false;
    } else {
      o->model = argv[i];
    }
  }
  return o->model && !o->in == !o->out;
}

/* The array of that name, whose type must be the input's. NULL after a message. */
static const void *read_input(Diag *d, Arena *a, Npz *npz, int i, const Tensor *t) {
  bool ok;
  const char *name = arena_printf(a, "in%d", i);
  const NpyArray *array = npz_get(npz, name, &ok);
  if (!ok) return NULL;
  if (array && array->dtype == t->type.dtype && shape_equal(&array->shape, &t->type.shape))
    return array->data;
  diag_error(d, t->loc, "%s is missing, or not %s", name, type_text(a, &t->type));
  return NULL;
}

static bool run(Diag *d, Arena *a, const Graph *g, const Options *o) {
  SrcLoc nowhere = {0};
  Npz *npz = npz_open(d, a, o->in, nowhere);
  if (!npz) return false;
  const void **in = ARENA_NEW_ARRAY(a, const void *, (size_t)g->n_inputs + 1);
  void **out = ARENA_NEW_ARRAY(a, void *, (size_t)g->n_outputs + 1);
  NpyArray *results = ARENA_NEW_ARRAY(a, NpyArray, (size_t)g->n_outputs + 1);
  bool ok = true;
  for (int i = 0; i < g->n_inputs && ok; i++) ok = (in[i] = read_input(d, a, npz, i, g->inputs[i])) != NULL;
  npz_close(npz);
  if (!ok) return false;
  for (int i = 0; i < g->n_outputs; i++) {
    const Type *t = &g->outputs[i]->type;
    out[i] = arena_alloc(a, (size_t)type_bytes(t));
    results[i] = (NpyArray){arena_printf(a, "out%d", i), t->dtype, t->shape, out[i]};
  }
  Executor *e = interp_new(a, g);
  e->run(e->self, in, out, NULL, NULL);
  const void *bytes;
  size_t size;
  npz_write(a, results, g->n_outputs, &bytes, &size);
  FILE *f = fopen(o->out, "wb");
  ok = f && fwrite(bytes, 1, size, f) == size;
  if (f && fclose(f)) ok = false;
  return ok || diag_error(d, nowhere, "cannot write %s", o->out);
}

int main(int argc, char **argv) {
  Options o = {0};
  if (!parse(argc, argv, &o)) {
    fputs("usage: onnxrun [-shape S]... [-print] [-in F.npz -out F.npz] MODEL.onnx\n", stderr);
    return 2;
  }
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  OnnxOptions options = {o.shapes, o.n_shapes};
  Graph *g = onnx_import(&d, a, o.model, &options);
  bool ok = g && graph_verify(&d, g);
  if (ok && o.print) {
    StrBuf b;
    strbuf_init(&b, a);
    PrintOptions print = {NULL, 16};
    ir_print(&b, g, &print, NULL, NULL);
    fwrite(b.text, 1, b.len, stdout);
  }
  if (ok && o.in) ok = run(&d, a, g, &o);
  if (!ok && !d.errors) fputs("onnxrun: failed without a message\n", stderr);
  arena_free(a);
  return !ok;
}
