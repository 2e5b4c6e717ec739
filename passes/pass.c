/* The pipeline runner: each pass in turn, the verifier after it, dumps and times on demand. */
#include "passes/pass.h"

#include <string.h>
#include <time.h>

#include "ir/text.h"
#include "passes/pipeline.h"
#include "passes/script.h"

#define PASS(name, place, what) bool pass_##name(PassCtx *ctx, Graph *g);
#include "passes/passes.def"
#undef PASS

const Pass pass_table[] = {
#define PASS(name, place, what) {#name, what, place, pass_##name, NULL},
#include "passes/passes.def"
#undef PASS
    {0},
};

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

static bool check_name(PassCtx *ctx, const Pass *passes, const char *option, const char *name) {
  if (!name || pipeline_find(passes, name)) return true;
  return diag_error(ctx->diag, (SrcLoc){0}, "%s: there is no pass '%s' (see -print-passes)", option, name);
}

/* Of some ops no code is made: a pass replaces them, unless scripts have put them in behind it. */
static bool check_replaced(PassCtx *ctx, const Graph *g) {
  static const char *const lowering[OP_COUNT] = {
#define OP(name, lowering) [OP_##name] = #lowering,
#include "ir/ops.def"
#undef OP
  };
  bool ok = true;
  for (const Node *n = g->first; n; n = n->next)
    if (!strcmp(lowering[n->op], "none"))
      ok =
          diag_error(ctx->diag, node_loc(n),
                     "'%s': %s is left at the end, of which no code can be made: a pass that replaces it was "
                     "dropped, or has run before",
                     n->results[0]->name, op_info[n->op]->name);
  return ok;
}

bool pass_run(PassCtx *ctx, const Pass *p, Graph *g) {
  double start = seconds();
  int errors = ctx->diag->errors;
  if (!(p->script ? script_pass_run(ctx, p->script, g) : p->run(ctx, g)) || ctx->diag->errors > errors)
    return false;
  if (ctx->verbose)
    fprintf(stderr, "%-14s %8.1f ms  %d nodes\n", p->name, 1e3 * (seconds() - start), g->n_nodes);
  if (graph_verify(ctx->diag, g)) return true;
  diag_note(ctx->diag, (SrcLoc){0}, "the graph was valid before the pass '%s'", p->name);
  return false;
}

bool passes_run(PassCtx *ctx, Graph *g, bool *stopped) {
  const Pass *passes = ctx->passes ? ctx->passes : pass_table;
  const char *dump_one = ctx->dump_after && strcmp(ctx->dump_after, "all") ? ctx->dump_after : NULL;
  *stopped = false;
  if (!check_name(ctx, passes, "-dump-after", dump_one) ||
      !check_name(ctx, passes, "-stop-after", ctx->stop_after))
    return false;
  for (const Pass *p = passes; p->name; p++) {
    if (!pass_run(ctx, p, g)) return false;
    if (ctx->dump_after && (!dump_one || !strcmp(dump_one, p->name))) dump(ctx, g, p->name);
    if (ctx->stop_after && !strcmp(ctx->stop_after, p->name)) {
      *stopped = p[1].name != NULL;
      break;
    }
  }
  return *stopped || !ctx->passes || check_replaced(ctx, g);
}
