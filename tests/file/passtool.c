/* passtool [options] FILE.ir: runs passes over a graph and prints what comes out, for the file tests.
 *   -run P,Q,...     these passes in this order, the verifier after each (default: the pipeline)
 *   -stop-after P, -dump-after P (to stdout), -observer O, -io quantized|float, -quantize MODE, -calib FILE,
 *   -record FILE     as the compiler's
 *   -stats           print the statistics of the calibration
 *   -config FILE.lua (before -observer and -quantize), -print-qconfig
 *   -make-calib FILE write random samples there first, and calibrate with them
 *   -same TOL        the outputs on random inputs must be the same before and after: bit for bit where TOL is
 * 0, else within TOL of the largest magnitude -Werror, -Wno-X, -types, -quiet, -inline N Exit status: 0, 1
 * after a diagnostic, 2 for a wrong command line, 3 where the outputs differ. */
#include "ir/text.h"
#include "passes/pass.h"
#include "passes/qconfig.h"
#include "passes/qconfig_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *path, *run, *make_calib;
  double tolerance; /* negative: do not compare */
  bool quiet, print_qconfig, stats;
  const char *calib[8];
  PrintOptions print;
  PassCtx ctx;
} Options;

static bool parse_mode(const char *text, PassCtx *ctx) {
  static const struct {
    const char *name;
    QuantMode mode;
    QMode layers; /* of all layers, where MODE_STATIC is not that */
    DType weight;
  } modes[] = {{"auto", MODE_AUTO, QMODE_STATIC, DT_S8},       {"static", MODE_STATIC, QMODE_STATIC, DT_S8},
               {"dynamic", MODE_STATIC, QMODE_DYNAMIC, DT_S8}, {"weights", MODE_STATIC, QMODE_WEIGHTS, DT_S8},
               {"f16", MODE_STATIC, QMODE_WEIGHTS, DT_F16},    {"none", MODE_NONE, QMODE_STATIC, DT_S8}};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp(text, modes[i].name)) continue;
    ctx->mode = modes[i].mode;
    if (modes[i].layers != QMODE_STATIC)
      ctx->qconfig = qconfig_with_mode(ctx->arena, ctx->qconfig, modes[i].layers, modes[i].weight);
    return true;
  }
  return false;
}

static bool add_calib(Options *o, const char *path) {
  if (o->ctx.n_calib == (int)(sizeof o->calib / sizeof *o->calib)) return false;
  o->calib[o->ctx.n_calib++] = path;
  return true;
}

static bool parse_value(Options *o, const char *name, const char *value) {
  if (!strcmp(name, "-run"))
    o->run = value;
  else if (!strcmp(name, "-stop-after"))
    o->ctx.stop_after = value;
  else if (!strcmp(name, "-dump-after"))
    o->ctx.dump_after = value;
  else if (!strcmp(name, "-observer"))
    return (o->ctx.qconfig = qconfig_with_observer(o->ctx.diag, o->ctx.arena, o->ctx.qconfig, value, NULL));
  else if (!strcmp(name, "-config"))
    return (o->ctx.qconfig = strpbrk(value, "./") ? qconfig_read(o->ctx.diag, o->ctx.arena, value)
                                                  : qconfig_preset(o->ctx.arena, value));
  else if (!strcmp(name, "-calib"))
    return add_calib(o, value);
  else if (!strcmp(name, "-make-calib"))
    return add_calib(o, o->make_calib = value);
  else if (!strcmp(name, "-record"))
    o->ctx.record = value;
  else if (!strcmp(name, "-same"))
    o->tolerance = atof(value);
  else if (!strcmp(name, "-inline"))
    o->print.inline_limit = atoll(value);
  else if (!strcmp(name, "-quantize"))
    return parse_mode(value, &o->ctx);
  else if (!strcmp(name, "-io")) {
    o->ctx.quantized_io = !strcmp(value, "quantized");
    o->ctx.float_io = !strcmp(value, "float");
  } else {
    return false;
  }
  return true;
}

static bool parse_options(int argc, char **argv, Options *o, Diag *d) {
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-types"))
      o->print.types = true;
    else if (!strcmp(argv[i], "-quiet"))
      o->quiet = true;
    else if (!strcmp(argv[i], "-print-qconfig"))
      o->print_qconfig = true;
    else if (!strcmp(argv[i], "-stats"))
      o->stats = true;
    else if (!strcmp(argv[i], "-Werror"))
      d->warnings_as_errors = true;
    else if (!strncmp(argv[i], "-Wno-", 5))
      strmap_put(d->disabled, argv[i] + 5, argv[i]);
    else if (argv[i][0] != '-' && !o->path)
      o->path = argv[i];
    else if (i + 1 < argc && parse_value(o, argv[i], argv[i + 1]))
      i++;
    else
      return false;
  }
  return o->path;
}

/* A small generator, so that every machine makes the same inputs. */
static uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

static void fill_random(const Type *t, void *data, int64_t n, uint64_t *seed) {
  for (int64_t i = 0; i < n; i++) {
    uint32_t r = next_random(seed);
    if (t->dtype == DT_F32)
      ((float *)data)[i] = r % 16 ? ((float)(r % 20001) - 10000) / 4000 : 0;
    else if (dtype_info[t->dtype].bytes == 1)
      ((uint8_t *)data)[i] = (uint8_t)(t->dtype == DT_BOOL ? r & 1 : r);
    else
      memset((char *)data + i * dtype_info[t->dtype].bytes, 0, (size_t)dtype_info[t->dtype].bytes);
  }
}

enum { CALIB_SAMPLES = 16, TRIALS = 4 };

static bool write_calibration(Arena *a, const Graph *g, const char *path) {
  uint64_t seed = 7;
  NpyArray *arrays = ARENA_NEW_ARRAY(a, NpyArray, (size_t)g->n_inputs);
  for (int i = 0; i < g->n_inputs; i++) {
    const Type *t = &g->inputs[i]->type;
    NpyArray *x = &arrays[i];
    *x = (NpyArray){.name = g->inputs[i]->name, .dtype = t->dtype, .shape = t->shape};
    x->shape.dim[0] *= CALIB_SAMPLES;
    void *data = arena_alloc(a, (size_t)type_bytes(t) * CALIB_SAMPLES);
    fill_random(t, data, shape_count(&x->shape), &seed);
    x->data = data;
  }
  const void *bytes;
  size_t size;
  npz_write(a, arrays, g->n_inputs, &bytes, &size);
  FILE *f = fopen(path, "wb");
  if (!f) return false;
  bool ok = fwrite(bytes, 1, size, f) == size;
  return !fclose(f) && ok;
}

static bool equal_values(const Type *t, const void *x, const void *y, double tolerance) {
  if (tolerance > 0 && t->quant) {
    for (int64_t i = 0; i < shape_count(&t->shape); i++) {
      int v = t->dtype == DT_U8 ? ((const uint8_t *)x)[i] : ((const int8_t *)x)[i];
      int w = t->dtype == DT_U8 ? ((const uint8_t *)y)[i] : ((const int8_t *)y)[i];
      if (abs(v - w) > 1) return false;
    }
    return true;
  }
  if (tolerance == 0 || t->dtype != DT_F32) return !memcmp(x, y, (size_t)type_bytes(t));
  const float *a = x, *b = y;
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < shape_count(&t->shape); i++) {
    largest = fmax(largest, fabs((double)a[i]));
    worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    if (isnan(a[i]) != isnan(b[i])) return false;
  }
  if (worst <= tolerance * largest) return true;
  fprintf(stderr, "passtool: off by %g where values reach %g\n", worst, largest);
  return false;
}

/* The same inputs, as the types of both graphs want them, give the same outputs. */
static bool same_outputs(Arena *a, const Graph *before, const Graph *after, double tolerance) {
  const Graph *graphs[2] = {before, after};
  uint64_t seed = 11;
  for (int trial = 0; trial < TRIALS; trial++) {
    const void **in = ARENA_NEW_ARRAY(a, const void *, (size_t)before->n_inputs + 1);
    for (int i = 0; i < before->n_inputs; i++) {
      const Type *t = &before->inputs[i]->type;
      void *data = arena_alloc(a, (size_t)type_bytes(t) + 1);
      fill_random(t, data, shape_count(&t->shape), &seed);
      in[i] = data;
      if (before->inputs[i]->type.dtype != after->inputs[i]->type.dtype) {
        fprintf(stderr, "passtool: -same: the input '%s' has another type now\n", before->inputs[i]->name);
        return false;
      }
    }
    void **out[2];
    for (int k = 0; k < 2; k++) {
      out[k] = ARENA_NEW_ARRAY(a, void *, (size_t)before->n_outputs + 1);
      for (int i = 0; i < before->n_outputs; i++)
        out[k][i] = arena_alloc(a, (size_t)type_bytes(&graphs[k]->outputs[i]->type) + 1);
      Executor *e = interp_new(a, graphs[k]);
      e->run(e->self, in, out[k], NULL, NULL);
    }
    for (int i = 0; i < before->n_outputs; i++) {
      const Tensor *x = before->outputs[i], *y = after->outputs[i];
      if (!strcmp(x->name, y->name) && type_equal(&x->type, &y->type) &&
          equal_values(&x->type, out[0][i], out[1][i], tolerance))
        continue;
      fprintf(stderr, "passtool: the output '%s' differs from '%s' before\n", y->name, x->name);
      return false;
    }
  }
  return true;
}

static const Pass *find_pass(const char *name, size_t len) {
  for (const Pass *p = pass_table; p->name; p++)
    if (strlen(p->name) == len && !memcmp(p->name, name, len)) return p;
  return NULL;
}

/* -run: single passes. Returns the exit status. */
static int run_listed(Options *o, Graph *g) {
  for (const char *s = o->run; *s;) {
    size_t len = strcspn(s, ",");
    const Pass *p = find_pass(s, len);
    if (!p) {
      fprintf(stderr, "passtool: no pass '%.*s'\n", (int)len, s);
      return 2;
    }
    if (!p->run(&o->ctx, g) || !graph_verify(o->ctx.diag, g)) return 1;
    s += len + (s[len] == ',');
  }
  return 0;
}

static int run(Arena *a, Diag *d, Options *o) {
  Source *source = source_read(d, a, o->path, (int64_t)1 << 30);
  Graph *g = source ? ir_parse(d, a, source, NULL) : NULL;
  if (!g) return 1;
  const Graph *before = graph_clone(a, g);
  if (o->make_calib && !write_calibration(a, g, o->make_calib)) {
    fprintf(stderr, "passtool: cannot write '%s'\n", o->make_calib);
    return 2;
  }
  if (!o->ctx.n_calib && g->calibrate_path) add_calib(o, g->calibrate_path);
  o->ctx.calib = o->calib;
  StrBuf text;
  strbuf_init(&text, a);
  if (o->stats) {
    o->ctx.stats = &text;
    o->ctx.stop_after = "observe";
  }
  if (o->print_qconfig) {
    bool ok = qconfig_print(&text, &o->ctx, g) && !d->errors;
    fputs(text.text, stdout);
    return !ok;
  }
  bool stopped;
  int status = o->run ? run_listed(o, g) : !passes_run(&o->ctx, g, &stopped);
  if (status) return status;
  if (d->errors) return 1;
  ir_print(&text, g, &o->print, NULL, NULL);
  if (!o->quiet) fwrite(text.text, 1, text.len, stdout);
  return o->tolerance < 0 || same_outputs(a, before, g, o->tolerance) ? 0 : 3;
}

int main(int argc, char **argv) {
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  d.disabled = strmap_new(a);
  Options o = {.tolerance = -1, .print.inline_limit = 16};
  o.ctx =
      (PassCtx){.diag = &d, .arena = a, .threads = 2, .dump_to = stdout, .qconfig = qconfig_preset(a, "qcc")};
  bool parsed = parse_options(argc, argv, &o, &d);
  if (!parsed && !d.errors) fputs("usage: passtool [options] FILE.ir (see its source)\n", stderr);
  int status = parsed ? run(a, &d, &o) : d.errors ? 1 : 2;
  arena_free(a);
  return status;
}
