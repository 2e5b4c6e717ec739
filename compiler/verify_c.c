#include "compiler/verify_c.h"
#include "compiler/process.h"
#include "compiler/verify_harness.h"
#include "compiler/verify_inputs.h"
#include "ir/interp.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 2, THREADS = 4, MAX_LOG = 1500 };

typedef struct {
  Diag *diag;
  Arena *arena;
  const Graph *graph;
  const CodegenOptions *options;
  const Target *target; /* the one that is being verified; NULL: all */
  VerifyInputs inputs;
  const char *folder;   /* temporary */
  const char *built_by; /* the compiler that model.o is from; NULL: there is none */
  unsigned char **want; /* per input: the interpreter's outputs, one after the other */
} Verify;

static bool verify_error(Verify *v, const char *what) {
  if (!v->target) return diag_error(v->diag, (SrcLoc){0}, "verify: %s", what);
  return diag_error(v->diag, (SrcLoc){0}, "verify: %s: %s", v->target->name, what);
}

/* ---- the layout of the public tensors ---- */

/* Copies between the graph's order, channels on axis 1, and channels last. */
static void move_channels(const Type *t, const void *from, void *to, bool to_last) {
  const Shape *s = &t->shape;
  size_t bytes = (size_t)dtype_info[t->dtype].bytes;
  int64_t outer = s->dim[0], channels = s->dim[1], inner = shape_count(s);
  if (!inner) return;
  inner /= outer * channels;
  for (int64_t n = 0; n < outer; n++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t i = 0; i < inner; i++) {
        size_t first = (size_t)((n * channels + c) * inner + i) * bytes,
               last = (size_t)((n * inner + i) * channels + c) * bytes;
        memcpy((char *)to + (to_last ? last : first), (const char *)from + (to_last ? first : last), bytes);
      }
}

static bool is_moved(const Verify *v, const Tensor *t) {
  return v->options->nhwc_io && (t->type.shape.rank == 3 || t->type.shape.rank == 4);
}

static int64_t outputs_bytes(const Graph *g) {
  int64_t bytes = 0;
  for (int k = 0; k < g->n_outputs; k++) bytes += type_bytes(&g->outputs[k]->type);
  return bytes;
}

/* ---- files in the temporary folder ---- */

static const char *file_in(Verify *v, const char *name) {
  return arena_printf(v->arena, "%s/%s", v->folder, name);
}

static bool write_file(Verify *v, const char *name, const void *data, size_t size) {
  FILE *f = fopen(file_in(v, name), "wb");
  bool ok = f && fwrite(data, 1, size, f) == size;
  if (f && fclose(f)) ok = false;
  return ok ||
         verify_error(v, arena_printf(v->arena, "cannot write %s: %s", file_in(v, name), strerror(errno)));
}

static bool write_inputs(Verify *v) {
  const Graph *g = v->graph;
  FILE *f = fopen(file_in(v, "inputs.bin"), "wb");
  bool ok = f != NULL;
  for (int i = 0; i < v->inputs.n && ok; i++)
    for (int k = 0; k < g->n_inputs && ok; k++) {
      const Type *t = &g->inputs[k]->type;
      size_t bytes = (size_t)type_bytes(t);
      const void *data = v->inputs.items[i].data[k];
      Arena *scratch = arena_new();
      if (is_moved(v, g->inputs[k])) {
        void *moved = arena_alloc(scratch, bytes);
        move_channels(t, data, moved, true);
        data = moved;
      }
      ok = fwrite(data, 1, bytes, f) == bytes;
      arena_free(scratch);
    }
  if (f && fclose(f)) ok = false;
  return ok || verify_error(v, arena_printf(v->arena, "cannot write the inputs: %s", strerror(errno)));
}

static void put_sizes(StrBuf *out, const char *name, Tensor *const *tensors, int n) {
  strbuf_printf(out, "static const size_t %s[] = {", name);
  for (int i = 0; i < n; i++) strbuf_printf(out, "%" PRId64 ", ", type_bytes(&tensors[i]->type));
  strbuf_puts(out, "0};\n");
}

/* Round 0 is the plain run function, or the one that calls back; round 1 may be the one with threads, whose
 * parts are done from the last to the first. */
static void put_run(Verify *v, StrBuf *out) {
  const CodegenOptions *o = v->options;
  const char *plain = codegen_run_name(v->arena, o, "", v->target);
  const char *first = arena_printf(v->arena, "%s(in, out, ws)", plain), *second = first;
  if (o->threads) {
    strbuf_printf(out,
                  "static void backwards(void *pool, %s_task task, void *context, int count) {\n"
                  "  (void)pool;\n"
                  "  while (count > 0) task(context, --count);\n"
                  "}\n",
                  o->name);
    second = arena_printf(v->arena, "%s(in, out, ws, backwards, NULL)",
                          codegen_run_name(v->arena, o, "_threads", v->target));
  }
  if (o->instrument) {
    strbuf_puts(out, "static void ignore(void *user, int layer, int done) {\n"
                     "  (void)user;\n"
                     "  (void)layer;\n"
                     "  (void)done;\n"
                     "}\n");
    first = arena_printf(v->arena, "%s(in, out, ws, ignore, NULL)",
                         codegen_run_name(v->arena, o, "_layers", v->target));
  }
  strbuf_printf(out, "#define RUN(round, in, out, ws) (round ? %s : %s)\n", second, first);
}

static bool write_harness(Verify *v) {
  StrBuf out;
  const char *name = v->options->name;
  strbuf_init(&out, v->arena);
  strbuf_puts(&out, "#define _GNU_SOURCE\n#include \"model.h\"\n");
  strbuf_printf(&out, "typedef %s_inputs Inputs;\ntypedef %s_outputs Outputs;\n", name, name);
  put_run(v, &out);
  strbuf_printf(&out, "#define WORKSPACE %s\n", codegen_workspace_name(v->arena, v->options, v->target));
  strbuf_printf(&out, "enum { SAMPLES = %d, N_IN = %d, N_OUT = %d };\n", v->inputs.n, v->graph->n_inputs,
                v->graph->n_outputs);
  put_sizes(&out, "in_bytes", v->graph->inputs, v->graph->n_inputs);
  put_sizes(&out, "out_bytes", v->graph->outputs, v->graph->n_outputs);
  strbuf_puts(&out, verify_harness);
  return write_file(v, "harness.c", out.text, out.len);
}

/* Beside the emitted file, by WeightsKind. */
static const char *const weights_names[] = {NULL, "model.bin", "model_weights.o"};

static bool write_code(Verify *v) {
  StrBuf c, h;
  CodegenOptions o = *v->options;
  StrBuf weights;
  o.include_runtime = false; /* the headers' text is the same, and need not be installed */
  o.header_name = "model.h";
  o.weights_file = weights_names[o.weights];
  o.weights_out = &weights;
  strbuf_init(&weights, v->arena);
  strbuf_init(&c, v->arena);
  strbuf_init(&h, v->arena);
  return codegen_c(v->diag, v->arena, v->graph, &o, &c, &h) && write_file(v, "model.c", c.text, c.len) &&
         write_file(v, "model.h", h.text, h.len) &&
         (!o.weights || write_file(v, o.weights_file, weights.text, weights.len)) && write_inputs(v);
}

/* ---- building and running ---- */

static void note_said(Verify *v) { note_log(v->diag, file_in(v, "log"), 4, MAX_LOG); }

static const char *compiler(const Verify *v) {
  const char *cc = getenv("QCC_CC");
  return cc && *cc ? cc : v->target->cc;
}

/* The functions of custom operators, which mean the same bits where nothing is contracted. */
static void add_customs(const Verify *v, Words *w) {
  const CodegenOptions *o = v->options;
  if (!o->n_custom_files) return;
  words_add(v->arena, w, "-ffp-contract=off");
  for (int i = 0; i < o->n_custom_files; i++) {
    const char *file = o->custom_files[i];
    words_add(v->arena, w, *file == '-' ? arena_printf(v->arena, "./%s", file) : file);
  }
}

/* cc -O2 SOURCE WORD -o RESULT */
static bool build(Verify *v, const char *source, const char *word, const char *result) {
  Words w = {0};
  words_split(v->arena, &w, compiler(v));
  if (!w.n) return verify_error(v, "QCC_CC names no compiler");
  words_add(v->arena, &w, "-O2");
  words_add(v->arena, &w, arena_printf(v->arena, "-I%s", v->folder)); /* for .incbin */
  words_add(v->arena, &w, file_in(v, source));
  if (strcmp(word, "-c") && v->options->weights == WEIGHTS_OBJECT)
    words_add(v->arena, &w, file_in(v, weights_names[WEIGHTS_OBJECT]));
  if (strcmp(word, "-c")) add_customs(v, &w);
  words_add(v->arena, &w, word);
  words_add(v->arena, &w, "-o");
  words_add(v->arena, &w, file_in(v, result));
  if (v->options->n_custom_files && strcmp(word, "-c")) words_add(v->arena, &w, "-lm");
  int code = spawn_wait(v->arena, &w, file_in(v, "log"));
  if (code < 0)
    return verify_error(v, arena_printf(v->arena, "cannot run %s: %s", w.words[0], strerror(errno)));
  if (code == 0) return true;
  verify_error(v, arena_printf(v->arena, "%s does not build the emitted code", w.words[0]));
  note_said(v);
  return false;
}

/* The model is compiled once for all targets of a compiler, and once more with each target's harness. */
static bool build_program(Verify *v) {
  if (!v->built_by || strcmp(v->built_by, compiler(v))) {
    v->built_by = NULL;
    if (!build(v, "model.c", "-c", "model.o")) return false;
    v->built_by = compiler(v);
  }
  return write_harness(v) && build(v, "harness.c", file_in(v, "model.o"), "program");
}

/* The outputs that the program wrote: fewer than expected where it crashed. NULL after an error. */
static unsigned char *run(Verify *v, int64_t *size) {
  Words w = {0};
  if (!target_runs_here(v->arena, v->target, NULL)) words_split(v->arena, &w, v->target->runner);
  words_add(v->arena, &w, file_in(v, "program"));
  words_add(v->arena, &w, file_in(v, "inputs.bin"));
  words_add(v->arena, &w, file_in(v, "outputs.bin"));
  int code = spawn_wait(v->arena, &w, file_in(v, "log"));
  if (code < 0) {
    verify_error(v, arena_printf(v->arena, "cannot run %s: %s", w.words[0], strerror(errno)));
    return NULL;
  }
  int64_t each = ROUNDS * outputs_bytes(v->graph), expected = each * v->inputs.n;
  unsigned char *data = arena_alloc(v->arena, (size_t)expected + 1);
  FILE *f = fopen(file_in(v, "outputs.bin"), "rb");
  *size = f ? (int64_t)fread(data, 1, (size_t)expected + 1, f) : 0;
  if (f) fclose(f);
  if (code == 0 && *size == expected) return data;
  int64_t at = each ? *size / each : 0;
  const VerifyInput *in = &v->inputs.items[at < v->inputs.n ? at : v->inputs.n - 1];
  verify_error(v, code >= 128
                      ? arena_printf(v->arena, "the emitted code was stopped by signal %d on input '%s %d'",
                                     code - 128, in->what, in->number)
                      : arena_printf(v->arena, "the program ended with code %d on input '%s %d'", code,
                                     in->what, in->number));
  note_said(v);
  return NULL;
}

/* ---- the interpreter's side, and the comparison ---- */

static bool load_input(void *user, int64_t i, Arena *a, const void **in) {
  (void)a;
  const Verify *v = user;
  if (v->graph->n_inputs) memcpy(in, v->inputs.items[i].data, sizeof *in * (size_t)v->graph->n_inputs);
  return true;
}

static bool keep_outputs(void *user, int64_t i, const void *const *out) {
  Verify *v = user;
  unsigned char *to = v->want[i];
  for (int k = 0; k < v->graph->n_outputs; k++) {
    const Type *t = &v->graph->outputs[k]->type;
    if (is_moved(v, v->graph->outputs[k])) {
      move_channels(t, out[k], to, true);
    } else {
      memcpy(to, out[k], (size_t)type_bytes(t));
    }
    to += type_bytes(t);
  }
  return true;
}

static bool interpret(Verify *v) {
  int64_t bytes = outputs_bytes(v->graph);
  v->want = ARENA_NEW_ARRAY(v->arena, unsigned char *, (size_t)v->inputs.n + 1);
  for (int i = 0; i < v->inputs.n; i++) v->want[i] = arena_alloc(v->arena, (size_t)bytes);
  const SampleLoop loop = {.load = load_input, .done = keep_outputs, .user = v};
  return run_samples(interp_new(v->arena, v->graph), v->inputs.n, THREADS, &loop);
}

/* Any NaN equals any other: which of its bits are set differs from machine to machine. */
static bool same_element(DType t, const void *a, const void *b) {
  if (t != DT_F32) return !memcmp(a, b, (size_t)dtype_info[t].bytes);
  float x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return !memcmp(a, b, sizeof x) || (isnan(x) && isnan(y));
}

static const char *element_text(Verify *v, DType t, const void *p) {
  char text[32];
  float x;
  int32_t word;
  int64_t wide;
  switch (t) {
  case DT_F32:
    memcpy(&x, p, sizeof x);
    float_text(text, x);
    return arena_strdup(v->arena, text);
  case DT_S32:
    memcpy(&word, p, sizeof word);
    return arena_printf(v->arena, "%" PRId32, word);
  case DT_S64:
    memcpy(&wide, p, sizeof wide);
    return arena_printf(v->arena, "%" PRId64, wide);
  case DT_S8:
    return arena_printf(v->arena, "%d", *(const int8_t *)p);
  default:
    return arena_printf(v->arena, "%d", *(const uint8_t *)p);
  }
}

/* Index in the public layout, as a C programmer sees it. */
static bool compare_output(Verify *v, const VerifyInput *in, int k, const unsigned char *got,
                           const unsigned char *want) {
  const Tensor *t = v->graph->outputs[k];
  int bytes = dtype_info[t->type.dtype].bytes;
  for (int64_t i = 0; i < shape_count(&t->type.shape); i++) {
    const unsigned char *g = got + i * bytes, *w = want + i * bytes;
    if (same_element(t->type.dtype, g, w)) continue;
    return diag_error(v->diag, (SrcLoc){0},
                      "verify: %s: output '%.100s', element %" PRId64
                      ", input '%s %d': the emitted code gives %s, the interpreter %s",
                      v->target->name, t->name, i, in->what, in->number, element_text(v, t->type.dtype, g),
                      element_text(v, t->type.dtype, w));
  }
  return true;
}

/* Both rounds of one input. */
static bool compare_input(Verify *v, int i, const unsigned char *got) {
  for (int round = 0; round < ROUNDS; round++) {
    const unsigned char *want = v->want[i];
    for (int k = 0; k < v->graph->n_outputs; k++) {
      int64_t bytes = type_bytes(&v->graph->outputs[k]->type);
      if (!compare_output(v, &v->inputs.items[i], k, got, want)) return false;
      got += bytes;
      want += bytes;
    }
  }
  return true;
}

static int count_mismatches(Verify *v, const unsigned char *got) {
  Diag *loud = v->diag, quiet = {.arena = v->arena};
  int mismatches = 0;
  for (int i = 0; i < v->inputs.n; i++, got += ROUNDS * outputs_bytes(v->graph)) {
    if (mismatches) v->diag = &quiet; /* only the first is told */
    mismatches += !compare_input(v, i, got);
  }
  v->diag = loud;
  return mismatches;
}

static bool verify_target(Verify *v, StrBuf *report) {
  int64_t size = 0;
  if (!build_program(v)) return false;
  const unsigned char *got = run(v, &size);
  if (!got) return false;
  int mismatches = count_mismatches(v, got);
  strbuf_printf(report, "verify: %s: %d inputs, %d mismatches\n", v->target->name, v->inputs.n, mismatches);
  return mismatches == 0;
}

/* Each target that this machine can run; what it cannot is said. One of them there must be. */
static bool verify_in_folder(Verify *v, StrBuf *report) {
  const Target *const *all = v->options->targets;
  bool ok = write_code(v) && interpret(v), any = false;
  for (int i = 0; all[i] && ok; i++) {
    const char *lacks;
    v->target = all[i];
    if (target_runs_here(v->arena, all[i], &lacks) || *all[i]->runner) {
      ok = verify_target(v, report);
      any = true;
    } else if (all[1]) {
      strbuf_printf(report, "verify: %s: not run: this machine lacks %s\n", all[i]->name, lacks);
    } else {
      return verify_error(v, arena_printf(v->arena, "this machine cannot run it: it lacks %s", lacks));
    }
  }
  v->target = NULL;
  return ok && (any || verify_error(v, "this machine can run none of the targets"));
}

static void remove_folder(Verify *v) {
  const char *const names[] = {"model.c",   "model.h", "model.o",    "model.bin",   "model_weights.o",
                               "harness.c", "program", "inputs.bin", "outputs.bin", "log"};
  temp_remove(v->arena, v->folder, names, sizeof names / sizeof *names);
}

bool verify_c(Diag *d, Arena *a, const Graph *g, const CodegenOptions *o, const char *samples,
              StrBuf *report) {
  Verify v = {.diag = d, .arena = a, .graph = g, .options = o};
  if (!verify_inputs(d, a, g, samples, &v.inputs)) return false;
  const char *tried;
  v.folder = temp_folder(a, "verify", &tried);
  if (!v.folder)
    return verify_error(&v, arena_printf(a, "cannot make a temporary folder %s: %s", tried, strerror(errno)));
  bool ok = verify_in_folder(&v, report);
  remove_folder(&v);
  return ok;
}
