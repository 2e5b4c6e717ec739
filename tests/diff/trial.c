#include "tests/diff/trial.h"

#include "ir/interp.h"
#include "ir/npy.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "passes/qconfig.h"
#include "passes/ranges.h"
#include "tests/diff/gen_config.h"
#include "tests/diff/file.h"
#include "tests/diff/onnx_trip.h"

#include <stdlib.h>
#include <string.h>

/* ---- running graphs ---- */

static void **allocate(Arena *a, Tensor *const *t, int n) {
  void **p = ARENA_NEW_ARRAY(a, void *, (size_t)n + 1);
  for (int i = 0; i < n; i++) p[i] = arena_alloc(a, (size_t)type_bytes(&t[i]->type) + 1);
  return p;
}

static void **interpret(Arena *a, const Graph *g, void *const *in) {
  void **out = allocate(a, g->outputs, g->n_outputs);
  Executor *e = interp_new(a, g);
  e->run(e->self, (const void *const *)in, out, NULL, NULL);
  return out;
}

static void **random_inputs(Arena *a, const Graph *g, uint64_t seed, int sample, DataStyle style) {
  void **in = allocate(a, g->inputs, g->n_inputs);
  Rng r = rng_new(seed, 1000 + (uint64_t)sample);
  for (int i = 0; i < g->n_inputs; i++) gen_data(&r, &g->inputs[i]->type, style, in[i]);
  return in;
}

void trial_samples(Trial *t, Arena *a) {
  static const DataStyle styles[TRIAL_SAMPLES] = {DATA_TYPICAL,  DATA_EXTREME, DATA_TYPICAL,
                                                  DATA_CONSTANT, DATA_HOSTILE, DATA_EXTREME};
  t->n_samples = TRIAL_SAMPLES;
  t->in = ARENA_NEW_ARRAY(a, void **, TRIAL_SAMPLES);
  t->expected = ARENA_NEW_ARRAY(a, void **, TRIAL_SAMPLES);
  for (int i = 0; i < TRIAL_SAMPLES; i++) {
    t->in[i] = random_inputs(a, t->final, t->seed, i, styles[i]);
    t->expected[i] = interpret(a, t->final, t->in[i]);
  }
}

/* ---- comparing ---- */

static bool same_element(DType dtype, const char *x, const char *y) {
  if (!memcmp(x, y, (size_t)dtype_info[dtype].bytes)) return true;
  float a, b;
  if (dtype != DT_F32) return false;
  memcpy(&a, x, sizeof a);
  memcpy(&b, y, sizeof b);
  return isnan(a) && isnan(b);
}

static char *element_text(Arena *a, DType dtype, const char *at) {
  float f;
  int32_t word;
  if (dtype == DT_F32) {
    memcpy(&f, at, sizeof f);
    return arena_printf(a, "%.9g", (double)f);
  }
  memcpy(&word, at, dtype_info[dtype].bytes == 4 ? 4 : 1);
  return arena_printf(a, "%d",
                      dtype == DT_S8    ? *(const signed char *)at
                      : dtype == DT_S32 ? word
                                        : *(const unsigned char *)at);
}

const char *compare_outputs(Arena *a, const Graph *g, int n_samples, void *const *const *want,
                            void *const *const *got) {
  for (int s = 0; s < n_samples; s++)
    for (int o = 0; o < g->n_outputs; o++) {
      const Tensor *t = g->outputs[o];
      int64_t count = shape_count(&t->type.shape), differ = 0, first = 0;
      int bytes = dtype_info[t->type.dtype].bytes;
      for (int64_t i = 0; i < count; i++)
        if (!same_element(t->type.dtype, (char *)want[s][o] + i * bytes, (char *)got[s][o] + i * bytes) &&
            !differ++)
          first = i;
      if (differ)
        return arena_printf(
            a, "sample %d, output '%s': %lld of %lld elements differ, the first [%lld]: %s, not %s", s,
            t->name, (long long)differ, (long long)count, (long long)first,
            element_text(a, t->type.dtype, (char *)got[s][o] + first * bytes),
            element_text(a, t->type.dtype, (char *)want[s][o] + first * bytes));
    }
  return NULL;
}

/* ---- checks that need no C ---- */

/* parse(print(g)) prints as g does, and computes the same. */
static const char *check_round_trip(Arena *a, const Graph *g) {
  const PrintOptions o = {.inline_limit = -1};
  char *said = NULL;
  size_t size;
  FILE *f = open_memstream(&said, &size);
  Diag d;
  diag_init(&d, a, f);
  StrBuf first, second;
  strbuf_init(&first, a);
  strbuf_init(&second, a);
  ir_print(&first, g, &o, NULL, NULL);
  Graph *back = ir_parse(&d, a, source_from_text(a, "printed.ir", first.text, first.len), NULL);
  if (back) ir_print(&second, back, &o, NULL, NULL);
  fclose(f);
  const char *message = !back ? arena_printf(a, "printed text does not parse: %s", said)
                        : strcmp(first.text, second.text) ? "the text IR does not round-trip"
                                                          : NULL;
  free(said);
  return message;
}

/* The passes find nothing to do in what they made: a model that is saved and read again stays as it is. */
static const char *check_settled(Arena *a, const Graph *g) {
  const PrintOptions o = {.inline_limit = -1};
  Diag d;
  diag_init(&d, a, NULL);
  PassCtx ctx = {.diag = &d, .arena = a, .mode = MODE_NONE, .threads = 1};
  Graph *again = graph_clone(a, g);
  StrBuf first, second;
  bool stopped;
  strbuf_init(&first, a);
  strbuf_init(&second, a);
  ir_print(&first, g, &o, NULL, NULL);
  if (!passes_run(&ctx, again, &stopped)) return "the passes refuse what they made";
  ir_print(&second, again, &o, NULL, NULL);
  return strcmp(first.text, second.text) ? "the passes change what they made" : NULL;
}

static bool has_op(const Graph *g, OpId op) {
  for (const Node *n = g->first; n; n = n->next)
    if (n->op == op) return true;
  return false;
}

/* The result may jump where the operand moves by a rounding. */
static bool jumps(OpId op) { return op == OP_floor || op == OP_ceil || op == OP_round || op == OP_sign; }

static bool has_jumps(const Graph *g) {
  for (const Node *n = g->first; n; n = n->next)
    if (jumps(n->op)) return true;
  return false;
}

/* Float results after the passes, which fold and so round elsewhere: close, on inputs without hostile values.
 */
static const char *check_close(Arena *a, const Trial *t, double relative) {
  void **in = random_inputs(a, t->source, t->seed, 0, DATA_TYPICAL);
  void **want = interpret(a, t->source, in), **got = interpret(a, t->final, in);
  for (int o = 0; o < t->source->n_outputs; o++) {
    const float *x = want[o], *y = got[o];
    int64_t count = shape_count(&t->source->outputs[o]->type.shape);
    double most = 0;
    for (int64_t i = 0; i < count; i++)
      if (isfinite(x[i]) && fabs((double)x[i]) > most) most = fabs((double)x[i]);
    for (int64_t i = 0; i < count; i++)
      if (x[i] != y[i] && !(isnan(x[i]) && isnan(y[i])) &&
          !(fabs((double)x[i] - (double)y[i]) <= relative * most + 1e-6))
        return arena_printf(a, "the passes change output '%s'[%lld] from %.9g to %.9g",
                            t->source->outputs[o]->name, (long long)i, (double)x[i], (double)y[i]);
  }
  return NULL;
}

static const char *check_exact(Arena *a, const Trial *t, const Graph *before) {
  const DataStyle styles[] = {DATA_TYPICAL, DATA_EXTREME};
  for (int s = 0; s < 2; s++) {
    void **in = random_inputs(a, before, t->seed, s, styles[s]);
    void **want = interpret(a, before, in), **got = interpret(a, t->final, in);
    const char *message =
        compare_outputs(a, before, 1, (void *const *const *)&want, (void *const *const *)&got);
    if (message) return arena_printf(a, "the passes change the result: %s", message);
  }
  return NULL;
}

/* ---- what the pass ranges proves and does ---- */

typedef struct {
  Arena *arena;
  const Ranges *ranges;
  const char *message;
} RangeWatch;

static int64_t integer_at(DType dtype, const void *data, int64_t i) {
  return dtype == DT_U8   ? ((const uint8_t *)data)[i]
         : dtype == DT_S8 ? ((const int8_t *)data)[i]
                          : ((const int32_t *)data)[i];
}

/* Every value lies in the interval that was proved. */
static void watch_ranges(void *user, const Tensor *t, const void *data) {
  RangeWatch *w = user;
  const ChannelRanges *r = ranges_tensor(w->ranges, t);
  if (!r || w->message || (t->type.dtype != DT_U8 && t->type.dtype != DT_S8 && t->type.dtype != DT_S32))
    return;
  const Shape *s = &t->type.shape;
  int64_t inner = 1;
  for (int i = r->axis + 1; r->axis >= 0 && i < s->rank; i++) inner *= s->dim[i];
  for (int64_t i = 0, n = shape_count(s); i < n; i++) {
    int64_t v = integer_at(t->type.dtype, data, i), c = r->axis < 0 ? 0 : i / inner % r->count;
    Interval known = range_of_channel(r, c);
    if (v >= known.lo && v <= known.hi) continue;
    w->message = arena_printf(w->arena, "'%s'[%lld] is %lld, though it was proved to lie in [%lld, %lld]",
                              t->name, (long long)i, (long long)v, (long long)known.lo, (long long)known.hi);
    return;
  }
}

static const char *check_proofs(Arena *a, const Graph *g, void *const *in, void **out) {
  RangeWatch w = {a, ranges_analyse(a, g), NULL};
  Executor *e = interp_new(a, g);
  e->run(e->self, (const void *const *)in, out, watch_ranges, &w);
  return w.message;
}

static const char *check_ranges(Arena *a, const Trial *t) {
  const DataStyle styles[] = {DATA_TYPICAL, DATA_EXTREME, DATA_HOSTILE, DATA_CONSTANT};
  for (int s = 0; s < (int)(sizeof styles / sizeof *styles); s++) {
    void **in = random_inputs(a, t->wide, t->seed, 20 + s, styles[s]);
    void **want = allocate(a, t->wide->outputs, t->wide->n_outputs);
    void **got = allocate(a, t->final->outputs, t->final->n_outputs);
    const char *message = check_proofs(a, t->wide, in, want);
    if (!message) message = check_proofs(a, t->final, in, got);
    if (message) return message;
    message = compare_outputs(a, t->wide, 1, (void *const *const *)&want, (void *const *const *)&got);
    if (message) return arena_printf(a, "the pass ranges changes the result: %s", message);
  }
  return NULL;
}

/* ---- the way through the passes ---- */

static const char *write_calibration(Arena *a, const Graph *g, uint64_t seed, bool constant,
                                     const char *dir) {
  enum { SAMPLES = 4 };
  NpyArray *arrays = ARENA_NEW_ARRAY(a, NpyArray, (size_t)g->n_inputs);
  for (int i = 0; i < g->n_inputs; i++) {
    Type all = g->inputs[i]->type;
    all.shape.rank++;
    memmove(all.shape.dim + 1, all.shape.dim,
            sizeof all.shape.dim[0] * (size_t)g->inputs[i]->type.shape.rank);
    all.shape.dim[0] = SAMPLES;
    void *data = arena_alloc(a, (size_t)type_bytes(&all));
    Rng r = rng_new(seed, 500 + (uint64_t)i);
    gen_data(&r, &all, constant ? DATA_CONSTANT : DATA_TYPICAL, data);
    arrays[i] = (NpyArray){g->inputs[i]->name, all.dtype, all.shape, data};
  }
  const void *bytes;
  size_t size;
  npz_write(a, arrays, g->n_inputs, &bytes, &size);
  char *path = arena_printf(a, "%s/calib.npz", dir);
  return write_file(path, bytes, size) ? path : NULL;
}

/* The passes up to `ranges`, which the comparison wants to see the graph of, then that. */
static bool run_both(Trial *t, Arena *a, PassCtx *ctx) {
  bool stopped;
  const Pass *last = pass_table;
  ctx->stop_after = "cleanup";
  if (!passes_run(ctx, t->final, &stopped)) return false;
  t->wide = graph_clone(a, t->final);
  while (strcmp(last->name, "ranges")) last++;
  return last->run(ctx, t->final) && graph_verify(ctx->diag, t->final);
}

/* Runs the passes over a copy of the source. */
static void run_passes(Trial *t, Arena *a, PassCtx *ctx) {
  char *said = NULL;
  size_t size;
  FILE *f = open_memstream(&said, &size);
  Diag d;
  diag_init(&d, a, f);
  if (!ctx->qconfig) ctx->qconfig = qconfig_preset(a, "qcc");
  ctx->diag = &d;
  ctx->arena = a;
  ctx->threads = 1;
  t->final = graph_clone(a, t->source);
  bool ok = run_both(t, a, ctx);
  fclose(f);
  if (!ok) {
    t->final = NULL;
    t->refused = arena_strdup(a, said);
    /* what only a fault of ours can cause */
    if (strstr(said, "was valid before the pass")) t->failed = t->refused;
  }
  free(said);
}

static void generate(Trial *t, Arena *a, const GenOptions *o) {
  Diag d;
  char *said = NULL;
  size_t size;
  FILE *f = open_memstream(&said, &size);
  diag_init(&d, a, f);
  t->source = gen_graph(&d, a, o);
  if (t->source && !graph_verify(&d, t->source)) t->source = NULL;
  fclose(f);
  if (!t->source && d.errors) t->failed = arena_printf(a, "the generator made no valid graph: %s", said);
  free(said);
}

void trial_prepare(Trial *t, Arena *a, uint64_t seed, int max_ops, OpId only, const char *dir) {
  *t = (Trial){.seed = seed};
  Rng r = rng_new(seed, 0);
  bool quantized = rng_chance(&r, 40), calibrated = rng_chance(&r, 70);
  generate(t, a, &(GenOptions){seed, quantized ? GEN_QUANTIZED : GEN_FLOAT, max_ops, only});
  if (!t->source || (t->failed = check_round_trip(a, t->source))) return;
  Graph *qdq = quantized && rng_chance(&r, 40) ? gen_qdq(a, t->source, seed) : NULL;
  if (qdq) {
    t->integer = t->source;
    t->source = qdq;
    if ((t->failed = check_round_trip(a, qdq))) return;
  }
  const char *calib;
  PassCtx ctx = {.mode = MODE_NONE};
  if (!quantized && calibrated) {
    ctx.mode = MODE_STATIC;
    ctx.qconfig = gen_config(a, seed);
    calib = write_calibration(a, t->source, seed, rng_chance(&r, 3), dir);
    ctx.calib = &calib;
    ctx.n_calib = 1;
  }
  ctx.quantized_io = rng_chance(&r, 30);
  ctx.float_io = !ctx.quantized_io && rng_chance(&r, 20);
  run_passes(t, a, &ctx);
  if (!t->final) return;
  if ((t->failed = check_round_trip(a, t->final))) return;
  if ((t->failed = check_ranges(a, t))) return;
  if ((t->failed = check_settled(a, t->final)) || (t->failed = check_onnx(a, t->final, &t->no_onnx))) return;
  /* a folded batch norm rounds elsewhere, and may move a value that is quantized behind it */
  if (quantized && !ctx.quantized_io && !ctx.float_io && !has_op(t->source, OP_batch_norm))
    t->failed = check_exact(a, t, qdq ? t->integer : t->source);
  if (!quantized && ctx.mode == MODE_NONE && !has_jumps(t->source)) t->failed = check_close(a, t, 1e-3);
  if (!t->failed) trial_samples(t, a);
}

const char *trial_passes(Arena *a, Graph *g) {
  Trial t = {.source = g};
  PassCtx ctx = {.mode = MODE_NONE};
  const char *failed;
  run_passes(&t, a, &ctx);
  if (!t.final) return t.refused;
  if ((failed = check_round_trip(a, t.final)) || (failed = check_settled(a, t.final))) return failed;
  return check_onnx(a, t.final, &t.no_onnx);
}

/* ---- one op, float against quantized ---- */

static double rms(const float *x, const float *y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += ((double)x[i] - (y ? (double)y[i] : 0)) * ((double)x[i] - (y ? (double)y[i] : 0));
  return sqrt(sum / (double)n);
}

/* May the result move much further than the operand? */
static bool is_steep(OpId op) { return jumps(op) || op == OP_reciprocal || op == OP_log || op == OP_pow; }

/* 8 % of the result, and what one op may make of the operand's own step of quantization. */
static const char *check_error(Arena *a, const Trial *t, const void *const *in) {
  enum { FEW = 12 };
  void **want = interpret(a, t->source, (void *const *)in), **got = interpret(a, t->final, (void *const *)in);
  double step = 0;
  for (int i = 0; i < t->source->n_inputs; i++)
    step = fmax(step, rms(in[i], NULL, shape_count(&t->source->inputs[i]->type.shape)) / 30);
  for (int o = 0; o < t->source->n_outputs; o++) {
    const Tensor *y = t->source->outputs[o];
    int64_t count = shape_count(&y->type.shape);
    if (count < FEW) continue; /* a lone value may cancel to nothing */
    if (y->producer && is_steep(y->producer->op)) continue;
    double error = rms(want[o], got[o], count), size = rms(want[o], NULL, count);
    double bound = 0.08 * size + step + (y->producer && y->producer->op == OP_sqrt ? sqrt(step) : 0);
    if (!(error <= bound))
      return arena_printf(a, "output '%s': the quantized result is off by %g (rms) of %g", y->name, error,
                          size);
  }
  return NULL;
}

void trial_single_op(Trial *t, Arena *a, uint64_t seed, OpId op, const char *dir) {
  *t = (Trial){.seed = seed};
  generate(t, a, &(GenOptions){seed, GEN_FLOAT, 1, op});
  if (!t->source || t->failed) return;
  const char *calib = write_calibration(a, t->source, seed, false, dir);
  PassCtx ctx = {.mode = MODE_STATIC,
                 .calib = &calib,
                 .n_calib = 1,
                 .qconfig = qconfig_preset(a, seed % 2 ? "minmax" : "qcc")};
  run_passes(t, a, &ctx);
  if (!t->final) return;
  /* the first calibration sample: nothing in it leaves the calibrated range */
  const void **in = ARENA_NEW_ARRAY(a, const void *, (size_t)t->source->n_inputs);
  for (int i = 0; i < t->source->n_inputs; i++) {
    const Type *type = &t->source->inputs[i]->type;
    void *data = arena_alloc(a, (size_t)type_bytes(type));
    Rng r = rng_new(seed, 500 + (uint64_t)i);
    gen_data(&r, type, DATA_TYPICAL, data);
    in[i] = data;
  }
  t->failed = check_error(a, t, in);
}
