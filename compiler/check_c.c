#include "compiler/check_c.h"

#include "codegen/runtime_text.h"
#include "compiler/cfront.h"
#include "compiler/promises.h"

#include <string.h>

enum { MAX_FILES = 16, MAX_ARGS = 64 };

/* What the file is compiled with, whatever it is for: the oldest C that is promised and all warnings that are
 * promised not to come. No system header is needed, so none of a cross target's either. */
static const char *const common_args[] = {
    "-x", "c", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-ffreestanding", "-nostdlibinc",
    /* where qcc's own headers lie for it */
    "-I/qcc-runtime",
    /* makes immintrin.h leave out what is for other CPUs: half of the time is its */
    "-D__SCE__"};
enum { N_COMMON = sizeof common_args / sizeof *common_args };

static const char *const triples[ARCH_COUNT] = {
    [ARCH_ANY] = "x86_64-linux-gnu", [ARCH_X86_64] = "x86_64-linux-gnu", [ARCH_ARM64] = "aarch64-linux-gnu"};

typedef struct {
  Diag *diag;
  Arena *arena;
  const CheckInput *in;
  Cfront *front;
  Allowed allowed;
  CText files[MAX_FILES];
  int n_files;
  CStack *stack;
} Check;

static bool has_arch(const Check *c, Arch arch) {
  for (const Target *const *t = c->in->targets; *t; t++)
    if ((*t)->arch == arch) return true;
  return false;
}

/* ---- what the compiler is told ---- */

typedef struct {
  const char *words[MAX_ARGS];
  int n;
} Args;

static void add_arg(Args *a, const char *word) {
  if (a->n < MAX_ARGS) a->words[a->n++] = word;
}

/* "avx2,f16c" of __attribute__((target("avx2,f16c"))) as options. */
static void add_features(Arena *arena, Args *args, const Target *t) {
  const char *p = strstr(t->attribute, "target(\"");
  if (!p) return;
  p += strlen("target(\"");
  while (*p && *p != '"') {
    size_t n = strcspn(p, ",\"");
    add_arg(args, arena_printf(arena, "-m%.*s", (int)n, p));
    p += n + (p[n] == ',');
  }
}

static Args args_for(const Check *c, Arch arch) {
  Args args = {.n = 0};
  for (int i = 0; i < N_COMMON; i++) add_arg(&args, common_args[i]);
  add_arg(&args, "-target");
  add_arg(&args, triples[arch]);
  for (const Target *const *t = c->in->targets; *t; t++)
    if ((*t)->arch == arch) add_features(c->arena, &args, *t);
  return args;
}

/* ---- files ---- */

static void add_file(Check *c, const Source *s) {
  if (c->n_files < MAX_FILES) c->files[c->n_files++] = c_text(c->arena, s);
}

/* For -runtime include: the headers as they are installed, on no disk. */
static void add_runtime(Check *c, const Target *t) {
  StrBuf text;
  Source *s = ARENA_NEW(c->arena, Source);
  strbuf_init(&text, c->arena);
  runtime_put_all(&text, t->isa);
  *s = (Source){arena_printf(c->arena, "/qcc-runtime/qcc/vec_%s.h", t->isa), text.text, text.len};
  add_file(c, s);
}

static bool check_for(Check *c, Arch arch) {
  const Args args = args_for(c, arch);
  const CInput in = {c->files, c->n_files, args.words, args.n};
  CFacts facts;
  return cfront_read(c->front, c->diag, &in, &facts) &&
         promises_check(c->diag, c->arena, &facts, &c->allowed, c->stack);
}

/* What is for all of them is read with each. */
static bool check_targets(Check *c) {
  bool ok = true, any = false;
  for (int arch = ARCH_ANY + 1; arch < ARCH_COUNT; arch++) {
    if (!has_arch(c, (Arch)arch)) continue;
    any = true;
    ok = ok && check_for(c, (Arch)arch);
  }
  return any ? ok : check_for(c, ARCH_ANY);
}

bool check_c(Diag *d, Arena *a, const CheckInput *in, CStack *stack) {
  CStack own = {-1, NULL};
  Check c = {.diag = d, .arena = a, .in = in, .stack = stack ? stack : &own, .allowed = allowed_new(a)};
  *c.stack = (CStack){-1, NULL};
  c.front = cfront_open(d, a);
  if (!c.front) return false;
  add_file(&c, in->c);
  if (in->h) add_file(&c, in->h);
  for (const Target *const *t = in->targets; *t; t++) {
    allowed_add_isa(a, &c.allowed, (*t)->isa);
    add_runtime(&c, *t);
  }
  for (int i = 0; in->customs && i < in->customs->n; i++)
    allowed_add_function(a, &c.allowed, in->customs->ops[i]->name, in->customs->ops[i]->stack);
  bool ok = promises_check_text(d, a, &c.files[0], &c.allowed);
  ok = check_targets(&c) && ok;
  cfront_close(c.front);
  return ok;
}

char *check_c_targets(Arena *a, const Source *c) {
  StrBuf list;
  strbuf_init(&list, a);
  const char *p = strstr(c->text, "\n * for "), *end = p ? strstr(p, ". Do not edit.") : NULL;
  if (!end) return NULL;
  p += strlen("\n * for ");
  while (p && p < end) {
    p += strspn(p, " *\n");
    strbuf_printf(&list, "%s%.*s", list.len ? "," : "", (int)strcspn(p, " \n"), p);
    p = strstr(p, "),\n");
    if (p) p += 3;
  }
  return list.text;
}
