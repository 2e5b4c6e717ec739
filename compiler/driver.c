#include "compiler/driver.h"

#include "codegen/codegen.h"
#include "codegen/jit.h"
#include "codegen/names.h"
#include "compiler/cfront.h"
#include "compiler/check_c.h"
#include "compiler/custom.h"
#include "compiler/custom_load.h"
#include "compiler/depfile.h"
#include "compiler/dot.h"
#include "compiler/eval.h"
#include "compiler/model.h"
#include "compiler/names.h"
#include "compiler/onnx_export.h"
#include "compiler/output.h"
#include "compiler/progress.h"
#include "compiler/report.h"
#include "compiler/supervise.h"
#include "compiler/target_list.h"
#include "compiler/verify_c.h"
#include "ir/suggest.h"
#include "ir/text.h"
#include "passes/qconfig.h"
#include "passes/pass.h"
#include "passes/qconfig_print.h"
#include "passes/rewrite.h"
#include "passes/script.h"
#include "passes/stats.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, MAX_THREADS = 8, MAX_FILES = 4 };

/* Of a C file that -check reads: offsets in it have 32 bits. */
#define MAX_C ((int64_t)2 << 30)

/* One compilation, from the options to the files. */
typedef struct {
  Diag *diag;
  Arena *arena;
  const Options *options;
  const Target *const *targets; /* ends with NULL */
  EmitKind emit;                /* EMIT_UNSET: nothing is written but what -run gives */
  const char *output;           /* the main file, "-", or NULL */
  const char *beside;           /* model.h beside model.c, model.npz beside model.ir; NULL: none */
  const char *weights;          /* the file of -weights; or NULL */
  const char *depfile;          /* or NULL */
  const char *c_name;           /* prefix of the C names */
  Scripts *scripts;             /* NULL: there are none */
  bool wants_scripts;
  Watch *watch;       /* of the process that watches them, and custom operators; NULL: none does */
  CustomOps *customs; /* NULL: there are none */
  const QConfigSet *qconfig;
  Graph *graph;
  Graph *reference; /* -eval: as it was imported */
  bool stopped;     /* by -stop-after */
  ExecutorSource executors;
  const Removals *removals;
  StrBuf stats; /* -emit calibration */
  OutputFile files[MAX_FILES];
  int n_files;
} Driver;

static int threads(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (int)n;
}

static bool put_text(Diag *d, const StrBuf *text) {
  return output_write(d, &(OutputFile){"-", text->text, text->len}, 1);
}

static void add_file(Driver *r, const char *path, const void *data, size_t size) {
  r->files[r->n_files++] = (OutputFile){path, data, size};
}

/* ---- lists ---- */

static void put_row(StrBuf *out, const char *name, const char *what) {
  strbuf_printf(out, "%-16s %s\n", name, what);
}

/* The pipeline as scripts have changed it, and qcc's own scripts that are not in it. */
static void put_passes(StrBuf *out, const Pass *passes) {
  for (const Pass *p = passes; p->name; p++) put_row(out, p->name, p->what);
  strbuf_puts(out, "\nscripts for -pass NAME and use \"NAME\":\n");
  for (const OwnScript *s = own_scripts; s->name; s++) put_row(out, s->name, s->what);
}

/* `observers`: those of scripts, or NULL. */
static bool print_lists(Diag *d, const Options *o, const Pass *passes, const Observer *const *observers) {
  StrBuf out;
  strbuf_init(&out, d->arena);
  if (o->help) options_help(&out);
  if (o->version) strbuf_puts(&out, "qcc " QCC_VERSION "\n");
  if (o->print_passes) put_passes(&out, passes);
  if (o->print_targets) target_list_print(&out);
  if (o->print_observers) observers_list(&out, observer_table);
  if (o->print_observers && observers) observers_list(&out, observers);
  for (int i = 0; o->print_ops && i < OP_COUNT; i++) strbuf_printf(&out, "%s\n", op_info[i]->name);
  return put_text(d, &out);
}

/* ---- what runs graphs ---- */

static void say_jit(const JitFacts *f, const Graph *g, bool watched) {
  const char *what = watched ? "calibration" : graph_form(g);
  if (f->refused)
    fprintf(stderr, "jit: %s: the interpreter runs it: %s\n", what, f->refused);
  else
    fprintf(stderr, "jit: %s: %d kernels in %.2f s, %d nodes left to the interpreter\n", what, f->kernels,
            f->seconds, f->left);
}

static Executor *make_executor(void *user, Arena *a, const Graph *g, bool watched) {
  const Driver *r = user;
  if (!r->options->jit) return interp_new(a, g);
  JitFacts facts;
  Executor *e = jit_new(r->diag, a, g, &(JitOptions){.watched = watched}, &facts);
  if (e && r->options->verbose) say_jit(&facts, g, watched);
  return e;
}

/* ---- what the options name ---- */

static bool usage(Diag *d, const char *message, const char *word, const Suggest *s) {
  if (s && s->best)
    return diag_error(d, (SrcLoc){0}, "%s '%.100s'; did you mean '%s'?", message, word, s->best);
  return diag_error(d, (SrcLoc){0}, "%s '%.100s'", message, word);
}

/* `list` is what could have been meant, where nothing is near. */
static bool unknown(Diag *d, const char *kind, const char *word, const Suggest *s, const char *list) {
  if (s->best) return usage(d, arena_printf(d->arena, "unknown %s", kind), word, s);
  return diag_error(d, (SrcLoc){0}, "unknown %s '%.100s' (%s)", kind, word, list);
}

static bool find_targets(Driver *r) {
  const char *text = r->options->target ? r->options->target : target_default();
  r->targets = target_list(r->diag, r->arena, text);
  if (r->targets && r->targets[1] && r->options->runtime == RUNTIME_INCLUDE)
    return usage(r->diag, "-runtime include takes one target, not", text, NULL);
  return r->targets != NULL;
}

/* A script may have passes of any name: where there is one, the pipeline asks. */
static bool check_pass_name(Driver *r, const char *name, bool all) {
  Diag *d = r->diag;
  Suggest s = {.word = name};
  if (!name || r->options->pass.n || (all && !strcmp(name, "all"))) return true;
  for (const Pass *p = pass_table; p->name; p++) {
    if (!strcmp(p->name, name)) return true;
    suggest_offer(&s, p->name);
  }
  return unknown(d, "pass", name, &s, "-print-passes lists them");
}

static bool is_identifier(const char *s) {
  const char *first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
  return *s && strchr(first, *s) && !s[n] && n <= 40;
}

/* What is emitted, and to which main file: -o, or a name after the model's. -eval, -verify and -run alone
 * emit nothing. */
static void name_main_output(Driver *r) {
  const Options *o = r->options;
  bool only_checks = !o->emit && (o->run || (!o->output && (o->eval || o->verify || o->print_qconfig)));
  r->emit = only_checks ? EMIT_UNSET : o->emit ? (EmitKind)o->emit : o->stop_after ? EMIT_IR : EMIT_C;
  r->output = o->output;
  if (r->output || r->emit == EMIT_UNSET) return;
  const char *suffix = r->emit == EMIT_C ? ".c" : r->emit == EMIT_ONNX ? ".onnx" : NULL;
  bool named = suffix && strcmp(o->model, "-");
  r->output = named ? path_with_suffix(r->arena, file_base(o->model), suffix) : "-";
}

/* An object is for one architecture. */
static bool check_object(Driver *r) {
  for (int i = 0; r->targets[i]; i++)
    if (r->targets[i]->arch != r->targets[0]->arch || r->targets[i]->arch == ARCH_ANY)
      return usage(r->diag, "-weights obj is for one architecture (-weights incbin for any), not for",
                   r->targets[i]->name, NULL);
  return true;
}

static bool name_weights(Driver *r) {
  static const char *const suffixes[] = {[WEIGHTS_IN_BIN] = ".bin", [WEIGHTS_IN_OBJECT] = "_weights.o"};
  int kind = r->options->weights;
  if (kind <= WEIGHTS_IN_TEXT) return true;
  if (kind == WEIGHTS_IN_OBJECT && !check_object(r)) return false;
  if (r->emit != EMIT_C) return true;
  if (output_is_stream(r->output))
    return usage(r->diag, "-weights makes a second file: it needs -o FILE.c, not", r->output, NULL);
  r->weights = path_with_suffix(r->arena, r->output, suffixes[kind]);
  return true;
}

/* What stands beside the main file, and the depfile. */
static bool name_companions(Driver *r) {
  const Options *o = r->options;
  bool stream = r->output && output_is_stream(r->output), wants_depfile = o->make_depfile || o->depfile;
  if (r->output && !stream && r->emit == EMIT_C) r->beside = path_with_suffix(r->arena, r->output, ".h");
  if (r->output && !stream && r->emit == EMIT_IR) r->beside = path_with_suffix(r->arena, r->output, ".npz");
  if (!name_weights(r)) return false;
  if (!wants_depfile) return true;
  if (!r->output) return diag_error(r->diag, (SrcLoc){0}, "a depfile needs an output file: -o FILE");
  if (stream && !o->depfile) return usage(r->diag, "-MD needs -MF FILE where the output is", r->output, NULL);
  r->depfile = o->depfile ? o->depfile : path_with_suffix(r->arena, r->output, ".d");
  return true;
}

static bool check_outputs_fit(Driver *r) {
  const char *const paths[] = {r->output, r->beside, r->weights, r->depfile, r->options->record};
  for (int i = 0; i < (int)(sizeof paths / sizeof *paths); i++)
    for (int k = 0; k < i; k++)
      if (paths[i] && paths[k] && !strcmp(paths[i], paths[k]))
        return usage(r->diag, "two outputs have the same name", paths[i], NULL);
  for (const char *p = r->emit == EMIT_C && r->beside ? file_base(r->beside) : ""; *p; p++)
    if (strchr("\"\\", *p) || (unsigned char)*p < 32)
      return usage(r->diag, "the header's name cannot stand in an #include:", file_base(r->beside), NULL);
  const char *lists = r->options->eval ? "-eval" : r->options->print_qconfig ? "-print-qconfig" : NULL;
  if (r->output && !strcmp(r->output, "-") && lists)
    return diag_error(r->diag, (SrcLoc){0}, "%s writes to standard output itself; not with -o -", lists);
  return true;
}

static bool name_prefix(Driver *r) {
  const Options *o = r->options;
  r->c_name = o->name;
  if (o->name)
    return is_identifier(o->name) ||
           usage(r->diag, "-name takes a C identifier of at most 40 characters, not", o->name, NULL);
  const char *from = r->output && !output_is_stream(r->output) ? r->output
                     : strcmp(o->model, "-")                   ? o->model
                                                               : "model";
  r->c_name = c_identifier(r->arena, path_with_suffix(r->arena, file_base(from), ""));
  return true;
}

/* What the modes of -quantize make of the configuration's default. */
static const struct {
  const char *name;
  bool sets_mode;
  QMode mode;
  DType weight;
} quantize_modes[] = {[QUANTIZE_STATIC] = {"-quantize static"},
                      [QUANTIZE_DYNAMIC] = {"-quantize dynamic", true, QMODE_DYNAMIC, DT_S8},
                      [QUANTIZE_WEIGHTS] = {"-quantize weights", true, QMODE_WEIGHTS, DT_S8},
                      [QUANTIZE_F16] = {"-quantize f16", true, QMODE_WEIGHTS, DT_F16},
                      [QUANTIZE_NONE] = {"-quantize none"}};

/* The set with what the command line says on top; NULL after a diagnostic. */
static const QConfigSet *with_options(void *user, const QConfigSet *set) {
  Driver *r = user;
  const Options *o = r->options;
  if (set && quantize_modes[o->quantize].sets_mode)
    set = qconfig_with_mode(r->arena, set, quantize_modes[o->quantize].mode,
                            quantize_modes[o->quantize].weight);
  if (!set || !o->observer) return set;
  return qconfig_with_observer(r->diag, r->arena, set, o->observer,
                               r->scripts ? scripts_observers(r->scripts) : NULL);
}

static bool is_file(const char *name) { return strpbrk(name, "./") != NULL; }

/* The configuration of quantization, as far as the options name it: a preset, and -observer for the
 * activations that no rule gives one. A word with a dot or a slash is a file, which is read with the model.
 */
static bool choose_qconfig(Driver *r) {
  const Options *o = r->options;
  const char *name = !o->config || is_file(o->config) ? "qcc" : o->config;
  const char *complaint = qconfig_unknown_preset(r->arena, name);
  if (complaint)
    return diag_error(r->diag, (SrcLoc){0}, "-config: %s (the name of a file has a dot or a slash)",
                      complaint);
  r->qconfig = qconfig_preset(r->arena, name);
  if (!r->scripts) r->qconfig = with_options(r, r->qconfig); /* they may define what -observer names */
  return r->qconfig != NULL;
}

/* The files of -config and -pass, in this order. */
static bool read_files(Driver *r) {
  const Options *o = r->options;
  bool ok = !o->config || !is_file(o->config) || scripts_read(r->scripts, o->config);
  for (int i = 0; ok && i < o->pass.n; i++) ok = scripts_read(r->scripts, o->pass.items[i]);
  return ok;
}

static bool read_scripts(Driver *r) {
  const Options *o = r->options;
  bool file = o->config && is_file(o->config);
  if (!r->scripts) return true;
  scripts_base(r->scripts, file ? NULL : o->config, with_options, r);
  if (!read_files(r)) return false;
  bool rules = file || scripts_have_rules(r->scripts);
  r->qconfig = rules ? scripts_qconfig(r->scripts) : with_options(r, r->qconfig);
  return r->qconfig != NULL;
}

/* ---- -check ---- */

static void say_stack(const CStack *s) {
  if (s->bytes >= 0)
    fprintf(stderr, "stack about %" PRId64 " bytes: %s\n", s->bytes, s->path);
  else
    fputs(cfront_built_in() ? "the C is not checked\n"
                            : "the C is not checked: qcc was built without libclang\n",
          stderr);
}

/* Of the file, where -target does not say it. */
static bool find_check_targets(Driver *r, const Source *c) {
  const char *said = r->options->target ? r->options->target : check_c_targets(r->arena, c);
  if (!said)
    return diag_error(r->diag, (SrcLoc){.source = &(Source){.path = c->path}},
                      "does not say what it is for: -target T");
  r->targets = target_list(r->diag, r->arena, said);
  return r->targets != NULL;
}

/* Returns the exit code. */
static int check_file(Driver *r) {
  const Source *c = source_read(r->diag, r->arena, r->options->model, MAX_C);
  CStack stack;
  if (!c) return EXIT_INPUT;
  if (!find_check_targets(r, c)) return EXIT_USAGE;
  if (r->options->custom.n && !(r->customs = custom_read(r->diag, r->arena, &r->options->custom)))
    return EXIT_INPUT;
  if (!check_c(r->diag, r->arena, &(CheckInput){c, NULL, r->targets, r->customs}, &stack)) return EXIT_INPUT;
  if (r->options->verbose) say_stack(&stack);
  return EXIT_DONE;
}

static bool resolve_options(Driver *r) {
  const Options *o = r->options;
  name_main_output(r);
  return choose_qconfig(r) && find_targets(r) && check_pass_name(r, o->dump_after, true) &&
         check_pass_name(r, o->stop_after, false) && name_companions(r) && check_outputs_fit(r) &&
         name_prefix(r);
}

/* ---- the pipeline ---- */

static bool check_outputs(Driver *r) {
  return (!r->output || output_check(r->diag, r->output)) &&
         (!r->beside || output_check(r->diag, r->beside)) &&
         (!r->weights || output_check(r->diag, r->weights)) &&
         (!r->depfile || output_check(r->diag, r->depfile)) &&
         (!r->options->record || output_check(r->diag, r->options->record));
}

/* Options that choose how a float model is quantized say nothing about one that is already. -verify takes its
 * inputs from the calibration data, too. */
static void warn_quantized(Driver *r) {
  const Options *o = r->options;
  const char *idle = o->calib.n && !o->verify ? "-calib"
                     : o->config              ? "-config"
                     : o->observer            ? "-observer"
                     : o->record              ? "-record"
                                              : quantize_modes[o->quantize].name;
  if (idle)
    diag_warning(r->diag, "quantized-model", (SrcLoc){0},
                 "%s is not used: the model is quantized already and stays as it is", idle);
}

/* Read, and ready for the interpreter to call. */
static bool read_customs(Driver *r) {
  const OptionList *files = &r->options->custom;
  if (!files->n) return true;
  r->customs = custom_read(r->diag, r->arena, files);
  return r->customs && custom_load(r->diag, r->arena, r->customs, files->items, files->n, &r->watch->custom);
}

static bool read_model(Driver *r) {
  r->graph = model_read(r->diag, r->arena, r->options, r->customs);
  if (!r->graph || !custom_check(r->diag, r->graph)) return false;
  if (graph_is_quantized(r->graph)) warn_quantized(r);
  if (r->options->eval) r->reference = graph_clone(r->arena, r->graph);
  for (int i = 0; i < r->options->calib.n; i++)
    diag_add_file(r->diag, r->options->calib.items[i]); /* before anything could be written over it */
  return check_outputs(r);
}

static PassCtx pass_context(const Driver *r) {
  const Options *o = r->options;
  return (PassCtx){
      .diag = r->diag,
      .arena = r->arena,
      .mode = o->quantize == QUANTIZE_NONE ? MODE_NONE
              : o->quantize                ? MODE_STATIC
                                           : MODE_AUTO,
      .calib = o->calib.n ? o->calib.items : &r->graph->calibrate_path,
      .n_calib = o->calib.n ? o->calib.n : r->graph->calibrate_path != NULL,
      .record = o->record,
      .quantized_io = o->io == IO_QUANTIZED,
      .float_io = o->io == IO_FLOAT,
      .qconfig = r->qconfig,
      .passes = r->scripts ? scripts_passes(r->scripts) : NULL,
      .executors = &r->executors,
      .threads = threads(),
      .dump_after = o->dump_after,
      .stop_after = o->stop_after,
      .dump_to = stderr,
      .verbose = o->verbose,
  };
}

static bool run_passes(Driver *r) {
  Progress progress = progress_start("calibrating");
  PassCtx ctx = pass_context(r);
  ctx.progress = progress_update;
  ctx.progress_user = &progress;
  if (r->emit == EMIT_CALIBRATION) {
    strbuf_init(&r->stats, r->arena);
    ctx.stats = &r->stats;
    ctx.stop_after = "observe";
  }
  bool ok = passes_run(&ctx, r->graph, &r->stopped);
  progress_end(&progress);
  r->removals = ctx.removals;
  if (r->watch) supervise_lift_limit(&r->watch->lua);
  return ok;
}

/* Nothing but -print-qconfig is to be done. */
static bool only_prints(const Driver *r) {
  const Options *o = r->options;
  return o->print_qconfig && r->emit == EMIT_UNSET && !o->run && !o->eval && !o->verify;
}

/* Where the pipeline runs afterwards, it says what there is to say. */
static bool print_qconfig(Driver *r) {
  Diag silent = {.arena = r->arena};
  PassCtx ctx = pass_context(r);
  StrBuf text;
  strbuf_init(&text, r->arena);
  if (!only_prints(r)) ctx.diag = &silent;
  if (!qconfig_print(&text, &ctx, r->graph)) return !only_prints(r);
  return put_text(r->diag, &text);
}

static EvalOptions eval_options(Driver *r, Progress *progress) {
  return (EvalOptions){r->diag, r->arena, threads(), progress_update, progress};
}

static bool evaluate(Driver *r) {
  Progress progress = progress_start("evaluating");
  const EvalOptions o = eval_options(r, &progress);
  /* A model that came quantized has no float form: its quantize and dequantize nodes, taken one by one, stand
   * in. */
  const char *const names[2] = {graph_is_quantized(r->reference) ? "qdq" : "float", graph_form(r->graph)};
  StrBuf report;
  strbuf_init(&report, r->arena);
  const Executor *reference = make_executor(r, r->arena, r->reference, false),
                 *compiled = reference ? make_executor(r, r->arena, r->graph, false) : NULL;
  bool ok = compiled && eval_compare(&o, reference, compiled, r->options->eval, names, &report);
  executor_free(reference);
  executor_free(compiled);
  progress_end(&progress);
  return ok && put_text(r->diag, &report);
}

static bool run(Driver *r) {
  Progress progress = progress_start("running");
  const EvalOptions o = eval_options(r, &progress);
  const void *bytes;
  size_t size;
  const Executor *e = make_executor(r, r->arena, r->graph, false);
  bool ok = e && eval_run(&o, e, r->options->run, &bytes, &size);
  executor_free(e);
  progress_end(&progress);
  if (ok) add_file(r, r->output, bytes, size);
  return ok;
}

static CodegenOptions codegen_options(const Driver *r) {
  return (CodegenOptions){
      .targets = r->targets,
      .name = r->c_name,
      .header_name = r->beside ? file_base(r->beside) : NULL,
      .model_file = file_base(strcmp(r->options->model, "-") ? r->options->model : "standard input"),
      .scripts = r->scripts ? scripts_ids(r->scripts) : NULL,
      .threads = r->options->threads,
      .instrument = r->options->instrument,
      .include_runtime = r->options->runtime == RUNTIME_INCLUDE,
      .weights = r->options->weights ? (WeightsKind)(r->options->weights - 1) : WEIGHTS_STRING,
      .max_workspace = r->options->max_workspace,
      .nhwc_io = r->options->layout == LAYOUT_NHWC,
      .custom_files = r->options->custom.items,
      .n_custom_files = r->options->custom.n,
  };
}

/* The first file of samples. */
static const char *calibration_samples(const Driver *r) {
  const PassCtx ctx = pass_context(r);
  for (int i = 0; i < ctx.n_calib; i++)
    if (!stats_is_file(ctx.calib[i])) return ctx.calib[i];
  return NULL;
}

static bool verify(Driver *r) {
  const CodegenOptions o = codegen_options(r);
  const char *samples = r->options->eval ? r->options->eval : calibration_samples(r);
  StrBuf report;
  strbuf_init(&report, r->arena);
  bool ok = verify_c(r->diag, r->arena, r->graph, &o, samples, &report);
  if (r->output && !strcmp(r->output, "-")) {
    fputs(report.text, stderr); /* standard output is taken by the C file */
    return ok;
  }
  return put_text(r->diag, &report) && ok;
}

static void say_chains(const CodegenFacts *f) {
  for (int i = 0; i < f->n_chains; i++)
    fprintf(stderr, "band by band: %d operations from '%s' to '%s', %" PRId64 " bands of %" PRId64 " row%s\n",
            f->chains[i].layers, f->chains[i].first, f->chains[i].last, f->chains[i].bands, f->chains[i].rows,
            f->chains[i].rows > 1 ? "s" : "");
  if (f->n_chains) fprintf(stderr, "workspace %" PRId64 " bytes without these\n", f->unfused);
}

static bool wants_check(const Driver *r) { return cfront_built_in() && !r->options->no_check; }

/* The pair that was made, before anything is written. */
static bool check_emitted(Driver *r, const StrBuf *c, const StrBuf *h, CStack *stack) {
  const char *c_path = r->emit == EMIT_C && strcmp(r->output, "-") ? r->output : "model.c";
  Source *main = ARENA_NEW(r->arena, Source), *header = ARENA_NEW(r->arena, Source);
  *stack = (CStack){-1, NULL};
  if (!wants_check(r)) return true;
  *main = (Source){c_path, c->text, c->len};
  *header = (Source){r->beside, h->text, h->len};
  if (check_c(r->diag, r->arena, &(CheckInput){main, r->beside ? header : NULL, r->targets, r->customs},
              stack))
    return true;
  diag_note(r->diag, (SrcLoc){0},
            "this C is not what qcc promises: please report it with the model (-no-check writes it)");
  return false;
}

static bool emit_c(Driver *r) {
  StrBuf c, h;
  CodegenOptions o = codegen_options(r);
  strbuf_init(&c, r->arena);
  strbuf_init(&h, r->arena);
  CodegenFacts facts;
  o.facts = &facts;
  StrBuf *weights = ARENA_NEW(r->arena, StrBuf);
  strbuf_init(weights, r->arena);
  o.weights_file = r->weights ? file_base(r->weights) : NULL;
  o.weights_out = weights;
  if (!codegen_c(r->diag, r->arena, r->graph, &o, &c, &h)) return false;
  if (r->options->verbose)
    fprintf(stderr, "workspace %" PRId64 " bytes, lower bound %" PRId64 "\n", facts.memory.workspace,
            facts.memory.bound);
  if (r->options->verbose) say_chains(&facts);
  CStack stack;
  if (!check_emitted(r, &c, &h, &stack)) return false;
  if (r->options->verbose) say_stack(&stack);
  add_file(r, r->output, c.text, c.len);
  if (r->beside) add_file(r, r->beside, h.text, h.len);
  if (r->weights) add_file(r, r->weights, weights->text, weights->len);
  return true;
}

/* To a stream everything stands in the text; to a file, large constants go to an .npz beside it. */
static bool emit_ir(Driver *r) {
  StrBuf text;
  NpyArray *arrays = NULL;
  int n = 0;
  PrintOptions o = {
      .inline_limit = r->beside ? 16 : -1,
      .folder = r->beside ? path_folder(r->arena, r->output) : NULL,
  };
  strbuf_init(&text, r->arena);
  ir_print(&text, r->graph, &o, &arrays, &n);
  if (!n) {
    r->beside = NULL;
    add_file(r, r->output, text.text, text.len);
    return true;
  }
  strbuf_init(&text, r->arena); /* once more, now that there is a file to name */
  o.weights_name = file_base(r->beside);
  ir_print(&text, r->graph, &o, &arrays, &n);
  const void *bytes;
  size_t size;
  if (!npz_write(r->arena, arrays, n, &bytes, &size))
    return diag_error(r->diag, (SrcLoc){0}, "the name of a constant is too long for an .npz member");
  add_file(r, r->output, text.text, text.len);
  add_file(r, r->beside, bytes, size);
  return true;
}

static bool emit_onnx(Driver *r) {
  const void *bytes;
  size_t size;
  if (!onnx_export(r->diag, r->arena, r->graph, ONNX_MAX_FILE, &bytes, &size)) return false;
  add_file(r, r->output, bytes, size);
  return true;
}

static bool emit_dot(Driver *r) {
  StrBuf text;
  strbuf_init(&text, r->arena);
  dot_print(&text, r->graph);
  add_file(r, r->output, text.text, text.len);
  return true;
}

static bool emit_calibration(Driver *r) {
  const char *why = graph_is_quantized(r->graph)            ? "the model is quantized already"
                    : r->options->quantize == QUANTIZE_NONE ? "-quantize none"
                    : !pass_context(r).n_calib              ? "there is no calibration data (-calib FILE)"
                                                            : "the model computes nothing";
  if (!r->stats.len)
    return diag_error(r->diag, (SrcLoc){0}, "-emit calibration: nothing is calibrated: %s", why);
  add_file(r, r->output, r->stats.text, r->stats.len);
  return true;
}

/* The code is made for what it says about itself, and dropped. */
static bool emit_report(Driver *r) {
  StrBuf c, h, text;
  CodegenFacts facts;
  CodegenOptions o = codegen_options(r);
  o.facts = &facts;
  o.weights = WEIGHTS_STRING; /* the code is dropped */
  strbuf_init(&c, r->arena);
  strbuf_init(&h, r->arena);
  strbuf_init(&text, r->arena);
  if (!codegen_c(r->diag, r->arena, r->graph, &o, &c, &h)) return false;
  CStack stack;
  if (!check_emitted(r, &c, &h, &stack)) return false;
  report_print(&text, &(ReportInput){r->graph, o.model_file, r->targets[0], r->removals, &facts, stack});
  add_file(r, r->output, text.text, text.len);
  return true;
}

static bool emit(Driver *r) {
  static bool (*const emitters[])(Driver *) = {
      [EMIT_C] = emit_c,
      [EMIT_IR] = emit_ir,
      [EMIT_ONNX] = emit_onnx,
      [EMIT_DOT] = emit_dot,
      [EMIT_CALIBRATION] = emit_calibration,
      [EMIT_REPORT] = emit_report,
  };
  return r->emit == EMIT_UNSET || emitters[r->emit](r);
}

static void add_depfile(Driver *r) {
  StrBuf text;
  const char *outputs[] = {r->output, r->beside, r->weights};
  int n = !r->beside ? 1 : r->weights ? 3 : 2;
  strbuf_init(&text, r->arena);
  depfile_text(&text, outputs, n, r->diag->files, r->diag->n_files);
  add_file(r, r->depfile, text.text, text.len);
}

static bool write_files(Driver *r) {
  if (r->diag->errors) return false;
  if (r->depfile) add_depfile(r);
  return !r->n_files || output_write(r->diag, r->files, r->n_files);
}

static bool compile(Driver *r) {
  if (!read_scripts(r) || !read_customs(r) || !read_model(r) ||
      (r->options->print_qconfig && !print_qconfig(r)))
    return false;
  if (only_prints(r)) return r->diag->errors == 0;
  return run_passes(r) && (!r->options->verify || verify(r)) && (!r->options->eval || evaluate(r)) &&
         (!r->options->run || run(r)) && emit(r) && write_files(r);
}

static bool only_lists(const Options *o) {
  return o->help || o->version || o->print_passes || o->print_targets || o->print_ops || o->print_observers;
}

static int run_lists(Driver *r) {
  if (r->scripts && !read_files(r)) return EXIT_INPUT;
  const Pass *passes = r->scripts ? scripts_passes(r->scripts) : NULL;
  const Observer *const *observers = r->scripts ? scripts_observers(r->scripts) : NULL;
  bool ok = print_lists(r->diag, r->options, passes ? passes : pass_table, observers);
  return ok ? EXIT_DONE : EXIT_INPUT;
}

static double script_seconds(const Options *o) {
  return o->script_seconds > 0 ? o->script_seconds : SCRIPT_SECONDS;
}

/* All that the options ask for. `watch`: scripts or custom operators are among it. */
static int run_options(void *user, Watch *watch) {
  Driver *r = user;
  int code = EXIT_USAGE;
  r->watch = watch;
  if (r->wants_scripts) r->scripts = scripts_new(r->diag, r->arena, &watch->lua, script_seconds(r->options));
  if (only_lists(r->options))
    code = run_lists(r);
  else if (r->options->check)
    code = check_file(r);
  else if (resolve_options(r))
    code = compile(r) ? EXIT_DONE : EXIT_INPUT;
  scripts_free(r->scripts);
  if (r->diag->errors > r->diag->max_errors)
    fprintf(stderr, "qcc: %d more errors\n", r->diag->errors - r->diag->max_errors);
  return code;
}

static int run_driver(Diag *d, Arena *a, int argc, char **argv) {
  Options o;
  if (!options_parse(d, a, argc, argv, &o)) return EXIT_USAGE;
  d->warnings_as_errors = o.werror;
  if (o.no_warnings.n) d->disabled = strmap_new(a);
  for (int i = 0; i < o.no_warnings.n; i++) strmap_put(d->disabled, o.no_warnings.items[i], d);
  if (o.jit && jit_missing()) {
    diag_error(d, (SrcLoc){0}, "-jit: %s", jit_missing());
    return EXIT_USAGE;
  }
  Driver r = {.diag = d, .arena = a, .options = &o};
  r.executors = (ExecutorSource){make_executor, &r};
  r.wants_scripts = o.pass.n || (o.config && is_file(o.config));
  return r.wants_scripts || o.custom.n ? supervise(d, a, run_options, &r) : run_options(&r, NULL);
}

int driver_main(int argc, char **argv) {
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  int code = run_driver(&d, a, argc, argv);
  arena_free(a);
  return code;
}
