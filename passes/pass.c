/* The pipeline runner: each pass in turn, the verifier after it, dumps and times on demand. */
#include "passes/pass.h"

#include <string.h>
#include <time.h>

#include "ir/text.h"

#define PASS(name, what) bool pass_##name(PassCtx *ctx, Graph *g);
#include "passes/passes.def"
#undef PASS

const Pass pass_table[] = {
#define PASS(name, what) {#name, what, pass_##name},
#include "passes/passes.def"
#undef PASS
    {0},
};

static bool known(const char *name) {
  for (const Pass *p = pass_table; p->name; p++)
    if (!strcmp(p->name, name)) return true;
  return false;
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void dump(PassCtx *ctx, const Graph *g, const char *pass) {
  StrBuf text;
  Arena *tmp = arena_new();
  strbuf_init(&text, tmp);
  ir_print(&text, g, &(PrintOptions){.inline_limit = 16}, NULL, NULL);
  fprintf(ctx->dump_to, "// after %s\n%s", pass, text.text);
  arena_free(tmp);
}

bool passes_run(PassCtx *ctx, Graph *g, bool *stopped) {
  *stopped = false;
  if (ctx->dump_after && strcmp(ctx->dump_after, "all") && !known(ctx->dump_after))
    return diag_error(ctx->diag, (SrcLoc){0}, "-dump-after: there is no pass '%s' (see -print-passes)",
                      ctx->dump_after);
  if (ctx->stop_after && !known(ctx->stop_after))
    return diag_error(ctx->diag, (SrcLoc){0}, "-stop-after: there is no pass '%s' (see -print-passes)",
                      ctx->stop_after);
  for (const Pass *p = pass_table; p->name; p++) {
    double start = seconds();
    int errors = ctx->diag->errors;
    if (!p->run(ctx, g) || ctx->diag->errors > errors) return false;
    if (ctx->verbose)
      fprintf(stderr, "%-14s %8.1f ms  %d nodes\n", p->name, 1e3 * (seconds() - start), g->n_nodes);
    if (!graph_verify(ctx->diag, g)) {
      diag_note(ctx->diag, (SrcLoc){0}, "the graph was valid before the pass '%s'", p->name);
      return false;
    }
    if (ctx->dump_after && (!strcmp(ctx->dump_after, p->name) || !strcmp(ctx->dump_after, "all")))
      dump(ctx, g, p->name);
    if (ctx->stop_after && !strcmp(ctx->stop_after, p->name)) {
      *stopped = p[1].name != NULL;
      break;
    }
  }
  return true;
}
