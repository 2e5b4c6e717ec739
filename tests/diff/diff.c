/* Random graphs through the passes, the interpreter and the emitted C of each target, which must agree bit
 * for bit. A failing graph is made small and saved as NAME.ir and NAME.npz, with the command that shows the
 * fault again. */
#include "tests/diff/emit.h"
#include "tests/diff/reduce.h"
#include "tests/diff/run_jit.h"
#include "tests/diff/trial.h"

#include "codegen/jit.h"
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  uint64_t seed;
  int64_t count, ops; /* ops: graphs of each single op, float against quantized */
  int max_ops, reduce;
  OpId only; /* OP_COUNT: any */
  const char *targets, *out, *file, *flags, *cc;
  int squeeze;
  bool keep, verbose, threads, passes, check;
} Options;

typedef struct {
  Options o;
  char *program, *dir; /* dir: for the files of a run */
  int64_t passed, failed, refused, reduced;
  int64_t no_onnx; /* graphs that ONNX has no form for */
} Session;

enum { BATCH = 10, MAX_TARGETS = 8, REDUCE_TRIALS = 120, SOAK_FACTOR = 35 };

/* ---- targets and compilers ---- */

/* "" or "none": only what needs no C. */
static int find_targets(const char *list, const Target *found[MAX_TARGETS]) {
  int n = 0;
  char *text = strdup(strcmp(list, "none") ? list : ""), *rest = text;
  for (char *name; (name = strsep(&rest, ",")) && n < MAX_TARGETS;) {
    if (!*name) continue;
    found[n] = strcmp(name, diff_jit.name) ? target_find(name) : &diff_jit;
    if (!found[n]) {
      fprintf(stderr, "diff: no target '%s'\n", name);
      exit(2);
    }
    n++;
  }
  free(text);
  return n;
}

static bool on_path(const char *command) {
  char *copy = strdup(command), *path = strdup(getenv("PATH") ? getenv("PATH") : ""), *rest = path;
  copy[strcspn(copy, " ")] = 0;
  bool found = !*copy;
  for (char *dir; !found && (dir = strsep(&rest, ":"));) {
    char *full = NULL;
    if (asprintf(&full, "%s/%s", dir, copy) > 0) found = !access(full, X_OK);
    free(full);
  }
  free(copy);
  free(path);
  return found;
}

/* What this machine lacks is left out, and said. */
static bool can_run(const Target *t) {
  if (t == &diff_jit && jit_missing()) printf("jit: left out: %s\n", jit_missing());
  if (t == &diff_jit) return !jit_missing();
  const char *missing = !on_path(t->cc) ? t->cc : !on_path(t->runner) ? t->runner : NULL;
  Arena *a = arena_new();
  const char *lacks = NULL;
  if (!missing && !*t->runner && !target_runs_here(a, t, &lacks))
    missing = arena_printf(a, "CPU with %s", lacks);
  if (missing) printf("%s: left out, there is no %s\n", t->name, missing);
  arena_free(a);
  return !missing;
}

/* Compilers and their options change from batch to batch; host compilers only for what runs on the host. */
static Toolchain toolchain(const Session *s, const Target *t, int64_t batch) {
  static const char *const flags[] = {
      "-O1",          "-O2 -std=gnu17",
      "-O1 -std=c99", "-O2",
      "-O3",          "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all"};
  Toolchain tc = {.target = t, .dir = s->dir, .flags = flags[batch % 3]};
  if (!*t->runner) {
    tc.flags = flags[batch % 6];
    if (batch % 4 == 3 && on_path("clang")) tc.cc = "clang";
  }
  if (t == &diff_jit) tc.flags = diff_jit_flags[batch % DIFF_JIT_FLAGS];
  if (s->o.flags) tc.flags = s->o.flags;
  if (s->o.cc && !*t->runner) tc.cc = s->o.cc;
  tc.check = s->o.check;
  tc.squeeze = s->o.squeeze;
  if (!s->o.file && !s->o.squeeze && batch % 3 == 1) tc.squeeze = 10 + 20 * (int)(batch / 3 % 5);
  tc.threads = s->o.threads || (!s->o.file && batch % 2);
  return tc;
}

/* ---- one graph through one target ---- */

static EmitCase emit_case_of(Arena *a, const Trial *t) {
  EmitCase c = {.graph = t->final,
                .source = t->source,
                .n_samples = t->n_samples,
                .in = t->in,
                .nhwc = t->seed % 7 == 3};
  c.out = ARENA_NEW_ARRAY(a, void **, (size_t)t->n_samples);
  for (int s = 0; s < t->n_samples; s++) {
    c.out[s] = ARENA_NEW_ARRAY(a, void *, (size_t)t->final->n_outputs);
    for (int i = 0; i < t->final->n_outputs; i++)
      c.out[s][i] = arena_alloc(a, (size_t)type_bytes(&t->final->outputs[i]->type) + 1);
  }
  return c;
}

static const char *verdict(Arena *a, const Trial *t, const EmitCase *c) {
  if (c->refused) return NULL;
  return compare_outputs(a, t->final, t->n_samples, (void *const *const *)t->expected,
                         (void *const *const *)c->out);
}

static const char *run_all(Arena *a, const Toolchain *tc, EmitCase *cases, int n) {
  return tc->target == &diff_jit ? run_jit(a, tc, cases, n) : emit_run(a, tc, cases, n);
}

static const char *run_alone(Arena *a, const Toolchain *tc, const Trial *t, const char **refused) {
  EmitCase c = emit_case_of(a, t);
  const char *error = run_all(a, tc, &c, 1);
  *refused = c.refused;
  return error ? error : verdict(a, t, &c);
}

/* ---- failures ---- */

typedef struct {
  const Toolchain *tc;
  uint64_t seed;
  bool by_values; /* wrong results, and not a compiler's error or a crash: the fault that is looked for */
} Fault;

static bool is_by_values(const char *message) { return strstr(message, "elements differ") != NULL; }

static bool still_fails(void *user, Graph *g) {
  const Fault *f = user;
  Arena *a = arena_new();
  Trial t = {.seed = f->seed, .final = g};
  const char *refused;
  trial_samples(&t, a);
  const char *message = run_alone(a, f->tc, &t, &refused);
  bool fails = message && !refused && is_by_values(message) == f->by_values;
  arena_free(a);
  return fails;
}

static void report(Session *s, const Trial *t, const char *where, const char *message) {
  printf("seed %llu, %s: %s\n", (unsigned long long)t->seed, where, message);
  fflush(stdout);
  s->failed++;
}

/* The command that shows it again. */
static char *again(const Session *s, Arena *a, const Toolchain *tc, const Trial *t, const char *name) {
  char *squeeze = tc->squeeze ? arena_printf(a, " --squeeze %d", tc->squeeze) : "";
  return arena_printf(a, "%s --file %s/%s.ir --seed %llu --targets %s --flags '%s'%s%s%s%s%s", s->program,
                      s->o.out, name, (unsigned long long)t->seed, tc->target->name, tc->flags,
                      tc->threads ? " --threads" : "", tc->check ? " --check" : "", squeeze,
                      tc->cc ? " --cc " : "", tc->cc ? tc->cc : "");
}

static void report_emitted(Session *s, Arena *a, const Toolchain *tc, Trial *t, const char *message) {
  char *where = arena_printf(a, "%s (%s %s)", tc->target->name, tc->cc ? tc->cc : tc->target->cc, tc->flags);
  report(s, t, where, message);
  Graph *g = t->final;
  if (s->reduced++ < s->o.reduce) {
    Fault f = {tc, t->seed, is_by_values(message)};
    g = reduce_graph(a, g, still_fails, &f, REDUCE_TRIALS);
  }
  char *name = arena_printf(a, "diff-%llu-%s", (unsigned long long)t->seed, tc->target->name);
  const char *error = save_graph(a, g, s->o.out, name);
  printf("  %s\n",
         error ? error : arena_printf(a, "%d nodes; again: %s", g->n_nodes, again(s, a, tc, t, name)));
  fflush(stdout);
}

/* A graph that codegen refuses is counted once, and its reason shown. */
static void note_refusal(Session *s, const Trial *t, const char *who, const char *message) {
  s->refused++;
  printf("seed %llu, refused by %s: %.*s\n", (unsigned long long)t->seed, who, (int)strcspn(message, "\n"),
         message);
}

/* ---- batches ---- */

typedef struct {
  Trial trial[BATCH];
  bool bad[BATCH];
  int n;
} Batch;

static void run_batch(Session *s, Arena *a, Batch *b, const Target *target, int64_t number) {
  Toolchain tc = toolchain(s, target, number);
  EmitCase cases[BATCH];
  for (int i = 0; i < b->n; i++) cases[i] = emit_case_of(a, &b->trial[i]);
  const char *error = b->n ? run_all(a, &tc, cases, b->n) : NULL;
  for (int i = 0; i < b->n; i++) {
    const char *refused = cases[i].refused;
    /* a compiler's error or a crash concerns the batch: each graph alone shows whose it is */
    const char *message =
        error ? run_alone(a, &tc, &b->trial[i], &refused) : verdict(a, &b->trial[i], &cases[i]);
    if (b->bad[i]) continue;
    if (refused) {
      note_refusal(s, &b->trial[i], target->name, refused);
    } else if (message) {
      report_emitted(s, a, &tc, &b->trial[i], message);
    }
    b->bad[i] = refused || message;
  }
}

/* The next graphs that are worth code generation; graphs that fail before are reported. */
static void fill_batch(Session *s, Arena *a, Batch *b, uint64_t *seed, uint64_t end) {
  b->n = 0;
  for (; b->n < BATCH && *seed < end; ++*seed) {
    Trial *t = &b->trial[b->n];
    trial_prepare(t, a, *seed, s->o.max_ops, s->o.only, s->dir);
    if (t->failed) {
      report(s, t, "before code generation", t->failed);
      if (t->source)
        save_graph(a, t->source, s->o.out, arena_printf(a, "diff-%llu", (unsigned long long)*seed));
    } else if (t->refused) {
      note_refusal(s, t, "the passes", t->refused);
    } else if (t->final) { /* else the seed has no place for the op */
      s->no_onnx += t->no_onnx != NULL;
      if (t->no_onnx && s->o.verbose) printf("seed %llu: %s", (unsigned long long)*seed, t->no_onnx);
      b->bad[b->n++] = false;
    }
  }
}

static void run_random(Session *s, const Target *const *targets, int n_targets) {
  uint64_t seed = s->o.seed, end = seed + (uint64_t)s->o.count;
  for (int64_t number = 0; seed < end; number++) {
    Arena *a = arena_new();
    Batch *b = ARENA_NEW(a, Batch);
    fill_batch(s, a, b, &seed, end);
    for (int i = 0; i < n_targets; i++) run_batch(s, a, b, targets[i], number);
    for (int i = 0; i < b->n; i++) s->passed += !b->bad[i];
    if (s->o.verbose) printf("%llu graphs done\n", (unsigned long long)(seed - s->o.seed));
    arena_free(a);
  }
}

static void run_single_ops(Session *s) {
  for (int op = 0; op < OP_COUNT; op++)
    for (int64_t i = 0; i < s->o.ops; i++) {
      Arena *a = arena_new();
      Trial t;
      trial_single_op(&t, a, s->o.seed + (uint64_t)i, (OpId)op, s->dir);
      if (t.failed) {
        report(s, &t, op_info[op]->name, t.failed);
      } else if (t.refused) {
        note_refusal(s, &t, op_info[op]->name, t.refused);
      } else if (t.source) {
        s->passed++;
      }
      arena_free(a);
    }
}

static void run_file(Session *s, const Target *const *targets, int n_targets) {
  Arena *a = arena_new();
  Diag d;
  diag_init(&d, a, stderr);
  Source *source = source_read(&d, a, s->o.file, (int64_t)1 << 30);
  Batch *b = ARENA_NEW(a, Batch);
  Graph *g = source ? ir_parse(&d, a, source, NULL) : NULL;
  if (!g) exit(1);
  Trial *t = &b->trial[0];
  *t = (Trial){.seed = s->o.seed, .source = g, .final = g};
  if (s->o.passes && (t->failed = trial_passes(a, g))) report(s, t, "the passes", t->failed);
  trial_samples(t, a);
  b->n = 1;
  for (int i = 0; i < n_targets; i++) {
    b->bad[0] = false;
    run_batch(s, a, b, targets[i], 0);
    s->passed += !b->bad[0];
  }
  arena_free(a);
}

/* ---- command line ---- */

static const char usage[] = "usage: diff [--seed N] [--count M] [--ops K] [--max-ops K] [--targets a,b|none] "
                            "[--out DIR] [--reduce K]\n"
                            "            [--only OP] [--flags 'CFLAGS'] [--cc CC] [--file X.ir [--passes]] "
                            "[--threads]\n"
                            "            [--squeeze PERCENT] [--check] [--keep] [--verbose]\n";

static bool parse_option(Options *o, const char *name, const char *value) {
  const struct {
    const char *name;
    const char **text;
    int64_t *number;
  } known[] = {{"--count", NULL, &o->count}, {"--ops", NULL, &o->ops},   {"--targets", &o->targets, NULL},
               {"--out", &o->out, NULL},     {"--file", &o->file, NULL}, {"--flags", &o->flags, NULL},
               {"--cc", &o->cc, NULL},       {NULL, NULL, NULL}};
  if (!value) return false;
  for (int i = 0; known[i].name; i++) {
    if (strcmp(known[i].name, name)) continue;
    if (known[i].text) *known[i].text = value;
    if (known[i].number) *known[i].number = strtoll(value, NULL, 10);
    return true;
  }
  if (!strcmp(name, "--seed")) return o->seed = strtoull(value, NULL, 10), true;
  if (!strcmp(name, "--max-ops")) return o->max_ops = atoi(value), o->max_ops > 0;
  if (!strcmp(name, "--only")) return o->only = op_from_name(value, strlen(value)), o->only != OP_COUNT;
  if (!strcmp(name, "--squeeze")) return o->squeeze = atoi(value), o->squeeze > 0;
  if (!strcmp(name, "--reduce")) return o->reduce = atoi(value), true;
  return false;
}

static Options parse_options(int argc, char **argv) {
  Options o = {.seed = 1,
               .max_ops = 10,
               .reduce = 3,
               .targets = "jit,generic,x86-64-v3,arm64",
               .out = ".",
               .only = OP_COUNT};
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--keep")) {
      o.keep = true;
    } else if (!strcmp(argv[i], "--verbose")) {
      o.verbose = true;
    } else if (!strcmp(argv[i], "--passes")) {
      o.passes = true;
    } else if (!strcmp(argv[i], "--check")) {
      o.check = true;
    } else if (!strcmp(argv[i], "--threads")) {
      o.threads = true;
    } else if (parse_option(&o, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
      i++;
    } else {
      fputs(usage, stderr);
      exit(2);
    }
  }
  return o;
}

static void remove_dir(const char *dir) {
  char *command = NULL;
  if (asprintf(&command, "rm -rf '%s'", dir) > 0 && system(command)) fprintf(stderr, "diff: %s stays\n", dir);
  free(command);
}

int main(int argc, char **argv) {
  Session s = {.o = parse_options(argc, argv), .program = argv[0]};
  if (getenv("QCC_SOAK")) s.o.count *= SOAK_FACTOR; /* ./bootstrap soak */
  const Target *targets[MAX_TARGETS];
  int n = find_targets(s.o.targets, targets), able = 0;
  for (int i = 0; i < n; i++)
    if (can_run(targets[i])) targets[able++] = targets[i];
  const char *tmp = getenv("TMPDIR");
  char dir[200];
  snprintf(dir, sizeof dir, "%s/qcc-diff-XXXXXX", tmp && strlen(tmp) < 150 ? tmp : "/tmp");
  if (!mkdtemp(dir)) {
    perror("diff: no folder for the run");
    return 1;
  }
  s.dir = dir;
  mkdir(s.o.out, 0777);
  if (s.o.file) {
    run_file(&s, targets, able);
  } else {
    run_single_ops(&s);
    run_random(&s, targets, able);
  }
  if (s.o.keep) {
    printf("files in %s\n", dir);
  } else {
    remove_dir(dir);
  }
  printf("seed %llu: %lld passed, %lld failed, %lld refused; no form in ONNX: %lld\n",
         (unsigned long long)s.o.seed, (long long)s.passed, (long long)s.failed, (long long)s.refused,
         (long long)s.no_onnx);
  return s.failed != 0;
}
