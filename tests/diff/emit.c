#include "tests/diff/emit.h"
#include "compiler/check_c.h"
#include "tests/diff/file.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_WORDS = 96, CPU_SECONDS = 240 };

/* How code generation ends; an internal error has a code of its own. */
enum { EMIT_DONE, EMIT_REFUSED, EMIT_NOT_WRITTEN, EMIT_LEAST_MISSED, EMIT_FORBIDDEN };

/* ---- processes ---- */

typedef struct {
  char *word[MAX_WORDS + 1];
  int n;
} Command;

static void add_word(Command *c, const char *word) {
  if (c->n == MAX_WORDS) BUG("the command is too long");
  c->word[c->n++] = (char *)word;
}

static void add_words(Arena *a, Command *c, const char *text) {
  while (text && *text) {
    size_t n = strcspn(text, " ");
    if (n) add_word(c, arena_strndup(a, text, n));
    text += n + (text[n] == ' ');
  }
}

/* The end of a file, for messages. */
char *tail_of(Arena *a, const char *path) {
  enum { MOST = 1500 };
  char text[MOST + 1] = "";
  FILE *f = fopen(path, "rb");
  if (!f) return arena_strdup(a, "");
  size_t n = fread(text, 1, MOST, f);
  text[n] = 0;
  fclose(f);
  return arena_strdup(a, text);
}

/* Forks. The child's output goes to a file; it has a limit of time. */
pid_t fork_logged(const char *log) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid) return pid;
  struct rlimit limit = {CPU_SECONDS, CPU_SECONDS};
  int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  setrlimit(RLIMIT_CPU, &limit);
  dup2(fd, 1);
  dup2(fd, 2);
  return 0;
}

/* The exit status of a child; a message where it has none. */
const char *wait_for(Arena *a, pid_t pid, const char *what, int *code) {
  int status;
  if (pid < 0) return "cannot fork";
  if (waitpid(pid, &status, 0) != pid) return "cannot wait";
  if (!WIFEXITED(status)) return arena_printf(a, "%s died of signal %d", what, WTERMSIG(status));
  *code = WEXITSTATUS(status);
  return NULL;
}

/* NULL, or a message with what the command wrote. */
static const char *run_command(Arena *a, Command *c, const char *dir) {
  char *log = arena_printf(a, "%s/log.txt", dir);
  c->word[c->n] = NULL;
  pid_t pid = fork_logged(log);
  if (!pid) {
    execvp(c->word[0], c->word);
    perror(c->word[0]);
    _exit(127);
  }
  int code = 0;
  const char *error = wait_for(a, pid, c->word[0], &code);
  if (error) return arena_printf(a, "%s\n%s", error, tail_of(a, log));
  return code ? arena_printf(a, "%s ended with %d\n%s", c->word[0], code, tail_of(a, log)) : NULL;
}

/* ---- files ---- */

/* False where codegen refuses: `said` is why. */
static bool generate(Arena *a, const Graph *g, CodegenOptions *o, StrBuf *code, StrBuf *header,
                     const char **said) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  Diag d;
  diag_init(&d, a, f);
  strbuf_init(code, a);
  strbuf_init(header, a);
  bool ok = codegen_c(&d, a, g, o, code, header);
  fclose(f);
  *said = arena_strdup(a, text);
  free(text);
  return ok;
}

/* The limit on the workspace that is a part of what it takes without one, or the least that can be reached:
 * the refusal says it, and must not be mistaken. */
static bool squeeze(Arena *a, const Graph *g, CodegenOptions *o, int percent, const char **said) {
  static const char least[] = ": at least ";
  StrBuf code, header;
  CodegenFacts facts;
  o->facts = &facts;
  bool ok = generate(a, g, o, &code, &header, said);
  o->facts = NULL;
  if (!ok) return false;
  o->max_workspace = facts.memory.workspace * percent / 100;
  if (!o->max_workspace || generate(a, g, o, &code, &header, said)) return true;
  const char *at = strstr(*said, least);
  if (at) o->max_workspace = strtoll(at + sizeof least - 1, NULL, 10);
  return at != NULL;
}

/* As the driver does it; an error is written to stderr. */
static bool checked(Arena *a, const CodegenOptions *o, const StrBuf *code, const StrBuf *header) {
  const Source c = {arena_printf(a, "%s.c", o->name), code->text, code->len},
               h = {o->header_name, header->text, header->len};
  Diag d;
  diag_init(&d, a, stderr);
  return check_c(&d, a, &(CheckInput){&c, &h, o->targets}, NULL);
}

/* Writes gN.c and gN.h, in a child: an internal error ends the process. Its exit code. */
static int emit_files(Arena *a, const Toolchain *tc, const EmitCase *c, int which) {
  StrBuf code, header;
  char *name = arena_printf(a, "g%d", which);
  CodegenOptions o = {.targets = (const Target *const[]){tc->target, NULL},
                      .name = name,
                      .header_name = arena_printf(a, "g%d.h", which),
                      .model_file = "random.ir",
                      .threads = tc->threads,
                      .part_ops = 1,
                      .nhwc_io = c->nhwc};
  const char *said;
  bool ok = (!tc->squeeze || squeeze(a, c->graph, &o, tc->squeeze, &said)) &&
            generate(a, c->graph, &o, &code, &header, &said);
  if (!ok) fprintf(stderr, "%s%s", o.max_workspace ? "the least is not reached: " : "", said);
  if (!ok) return o.max_workspace ? EMIT_LEAST_MISSED : EMIT_REFUSED;
  if (tc->check && !checked(a, &o, &code, &header)) return EMIT_FORBIDDEN;
  bool written = write_file(arena_printf(a, "%s/%s.c", tc->dir, name), code.text, code.len) &&
                 write_file(arena_printf(a, "%s/%s.h", tc->dir, name), header.text, header.len);
  return written ? EMIT_DONE : EMIT_NOT_WRITTEN;
}

/* True where the files are there; false with `refused` set where codegen refuses, else with `error`. */
static bool emit_case(Arena *a, const Toolchain *tc, EmitCase *c, int which, const char **error) {
  char *log = arena_printf(a, "%s/emit.txt", tc->dir);
  pid_t pid = fork_logged(log);
  if (!pid) {
    int code = emit_files(a, tc, c, which);
    fflush(NULL);
    _exit(code);
  }
  int code = EMIT_DONE;
  *error = wait_for(a, pid, "code generation", &code);
  c->refused = code == EMIT_REFUSED ? tail_of(a, log) : NULL;
  if (code == EMIT_NOT_WRITTEN)
    *error = "cannot write the emitted files";
  else if (code != EMIT_DONE && code != EMIT_REFUSED)
    *error = arena_printf(a, "code generation ended with %d\n%s", code, tail_of(a, log));
  return code == EMIT_DONE && !*error;
}

static void put_sizes(StrBuf *b, const char *kind, int which, Tensor *const *t, int n) {
  strbuf_printf(b, "static const size_t %s_g%d[] = {", kind, which);
  for (int i = 0; i < n; i++) strbuf_printf(b, "%lld, ", (long long)type_bytes(&t[i]->type));
  strbuf_puts(b, "};\n");
}

static const char *write_table(Arena *a, const Toolchain *tc, const EmitCase *cases, int n) {
  StrBuf b, rows;
  strbuf_init(&b, a);
  strbuf_init(&rows, a);
  strbuf_puts(&b, "#include \"harness.h\"\n#include <string.h>\n");
  int count = 0;
  for (int i = 0; i < n; i++) {
    const Graph *g = cases[i].graph;
    if (cases[i].refused) continue;
    count++;
    strbuf_printf(&b,
                  "#include \"g%d.h\"\n"
                  "static int run_g%d(const void *const *in, void *const *out, void *workspace) {\n"
                  "  g%d_inputs i;\n  g%d_outputs o;\n"
                  "  _Static_assert(sizeof i == %d * sizeof(void *), \"inputs\");\n"
                  "  _Static_assert(sizeof o == %d * sizeof(void *), \"outputs\");\n"
                  "  memcpy(&i, in, sizeof i);\n  memcpy(&o, out, sizeof o);\n"
                  "  return g%d_run%s;\n}\n",
                  i, i, i, i, g->n_inputs, g->n_outputs, i,
                  tc->threads ? "_threads(&i, &o, workspace, harness_parallel_for, NULL)"
                              : "(&i, &o, workspace)");
    put_sizes(&b, "in", i, g->inputs, g->n_inputs);
    put_sizes(&b, "out", i, g->outputs, g->n_outputs);
    strbuf_printf(&rows, "{%d, %d, %d, in_g%d, out_g%d, G%d_WORKSPACE_SIZE, run_g%d},\n", g->n_inputs,
                  g->n_outputs, cases[i].n_samples, i, i, i, i);
  }
  strbuf_printf(&b, "const int harness_n_cases = %d;\nconst HarnessCase harness_cases[] = {\n%s};\n", count,
                rows.text);
  return write_file(arena_printf(a, "%s/table.c", tc->dir), b.text, b.len) ? NULL : "cannot write the table";
}

/* Copies a tensor of rank 3 or 4 between [N, C, ...] and [N, ..., C]. */
static void change_layout(const Type *t, char *nchw, char *nhwc, bool to_nchw) {
  size_t bytes = (size_t)dtype_info[t->dtype].bytes;
  int64_t inner = 1, channels = t->shape.dim[1];
  for (int i = 2; i < t->shape.rank; i++) inner *= t->shape.dim[i];
  for (int64_t n = 0; n < t->shape.dim[0]; n++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t i = 0; i < inner; i++) {
        char *first = nchw + (size_t)((n * channels + c) * inner + i) * bytes;
        char *last = nhwc + (size_t)((n * inner + i) * channels + c) * bytes;
        memcpy(to_nchw ? first : last, to_nchw ? last : first, bytes);
      }
}

static bool transfer_tensor(FILE *f, const Type *t, void *data, bool nhwc, bool read) {
  size_t bytes = (size_t)type_bytes(t);
  if (!nhwc || t->shape.rank < 3 || t->shape.rank > 4)
    return (read ? fread(data, 1, bytes, f) : fwrite(data, 1, bytes, f)) == bytes;
  char *other = malloc(bytes + 1);
  bool ok = other && (!read || fread(other, 1, bytes, f) == bytes);
  if (ok) change_layout(t, data, other, read);
  ok = ok && (read || fwrite(other, 1, bytes, f) == bytes);
  free(other);
  return ok;
}

/* Reads or writes all tensors of all cases in the harness's order. */
static const char *transfer(const char *path, const EmitCase *cases, int n, bool outputs) {
  FILE *f = fopen(path, outputs ? "rb" : "wb");
  if (!f) return "cannot open the data";
  bool ok = true;
  for (int i = 0; i < n; i++) {
    const Graph *g = cases[i].graph;
    for (int s = 0; s < cases[i].n_samples && !cases[i].refused; s++)
      for (int k = 0; k < (outputs ? g->n_outputs : g->n_inputs); k++)
        ok &= transfer_tensor(f, &(outputs ? g->outputs : g->inputs)[k]->type,
                              outputs ? cases[i].out[s][k] : cases[i].in[s][k], cases[i].nhwc, outputs);
  }
  ok &= !fclose(f);
  return ok ? NULL : "the data is cut short";
}

const char *read_outputs(const char *path, const EmitCase *cases, int n) {
  return transfer(path, cases, n, true);
}

static const char *build(Arena *a, const Toolchain *tc, const EmitCase *cases, int n) {
  Command c = {.n = 0};
  add_words(a, &c, tc->cc ? tc->cc : tc->target->cc);
  add_words(a, &c, tc->flags);
  add_words(a, &c, "-Wall -Wextra -pedantic -Werror -I " DIFF_SOURCE_DIR " -o");
  add_word(&c, arena_printf(a, "%s/run", tc->dir));
  for (int i = 0; i < n; i++)
    if (!cases[i].refused) add_word(&c, arena_printf(a, "%s/g%d.c", tc->dir, i));
  add_word(&c, arena_printf(a, "%s/table.o", tc->dir));
  return run_command(a, &c, tc->dir);
}

/* The harness may use more than the emitted code promises to: it is compiled apart, as C11. */
static const char *build_harness(Arena *a, const Toolchain *tc) {
  Command c = {.n = 0};
  add_words(a, &c, tc->cc ? tc->cc : tc->target->cc);
  if (strstr(tc->flags, "-fsanitize=thread")) add_words(a, &c, "-DTHREADS");
  add_words(a, &c, "-O1 -std=gnu11 -r -nostdlib -I " DIFF_SOURCE_DIR " " DIFF_SOURCE_DIR "/harness.c -o");
  add_word(&c, arena_printf(a, "%s/table.o", tc->dir));
  add_word(&c, arena_printf(a, "%s/table.c", tc->dir));
  return run_command(a, &c, tc->dir);
}

const char *emit_run(Arena *a, const Toolchain *tc, EmitCase *cases, int n) {
  const char *error = NULL;
  int emitted = 0;
  for (int i = 0; i < n && !error; i++) emitted += emit_case(a, tc, &cases[i], i, &error);
  if (error || !emitted) return error;
  char *in = arena_printf(a, "%s/in.bin", tc->dir), *out = arena_printf(a, "%s/out.bin", tc->dir);
  if ((error = write_table(a, tc, cases, n)) || (error = transfer(in, cases, n, false)) ||
      (error = build_harness(a, tc)) || (error = build(a, tc, cases, n)))
    return error;
  Command c = {.n = 0};
  add_words(a, &c, tc->target->runner);
  add_word(&c, arena_printf(a, "%s/run", tc->dir));
  add_word(&c, in);
  add_word(&c, out);
  if ((error = run_command(a, &c, tc->dir))) return error;
  return transfer(out, cases, n, true);
}
