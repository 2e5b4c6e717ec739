/* The three steps: place, plan memory, emit; then the text. */
#include "codegen/codegen.h"

#include "codegen/alias.h"
#include "codegen/channel_order.h"
#include "codegen/fit.h"
#include "codegen/names.h"
#include "codegen/share.h"
#include "codegen/split.h"
#include "ir/ops/custom.h"

static void fill_halo(Cg *cg, const Node *n, const Tensor *root) {
  bool own = root == n->results[0];
  Kernel **first = cg->kernels_tail;
  if (own && share_kernels(cg, n, SHARE_HALO)) return;
  cg_fill_halo(cg, n, root);
  if (own) share_offer(cg, n, SHARE_HALO, *first);
}

/* Before the first kernel that writes something inside of them. */
static void fill_halos(Cg *cg, const Node *n) {
  for (int r = 0; r < n->n_results; r++) {
    const Tensor *root = alias_root(cg, n->results[r]);
    Storage *s = cg_storage(cg, root);
    if (!s->halo_filled) fill_halo(cg, n, root);
    s->halo_filled = true;
  }
}

/* The node as it is, for who runs the code. */
static bool leave_node(Cg *cg, const Node *n) {
  Kernel *k = ARENA_NEW(cg->arena, Kernel);
  k->node = n;
  cg_call(cg, k);
  return true;
}

static bool build_kernels(Cg *cg, const Node *n) {
  Kernel **first = cg->kernels_tail;
  cg->kernel_arena = arena_new();
  bool ok = lowering_of[n->op]->emit(cg, n, strmap_get(cg->scratch_of, n->results[0]->name));
  arena_free(cg->kernel_arena);
  cg->kernel_arena = NULL;
  if (!*first && !strmap_get(cg->methods, n->results[0]->name))
    cg_method(cg, n, "none: what it moves lies in place");
  return ok;
}

static bool emit_node(Cg *cg, const Node *n) {
  Kernel **first = cg->kernels_tail;
  if (!lowering_of[n->op]->emit) return leave_node(cg, n);
  if (share_kernels(cg, n, SHARE_WORK)) return true;
  if (!build_kernels(cg, n)) return false;
  share_offer(cg, n, SHARE_WORK, *first);
  return true;
}

static bool emit_kernels(Cg *cg) {
  bool ok = true;
  cg->position = 0;
  for (Node *n = cg->graph->first; n; n = n->next, cg->position++) {
    if (!shape_count(&n->results[0]->type.shape)) continue;
    fill_halos(cg, n);
    ok &= emit_node(cg, n);
  }
  return ok;
}

/* A list's functions are named after their instruction sets, and its constants are one pool. */
static VirModule *new_module(const Cg *cg, const Cg *first) {
  const Target *t = cg->target;
  VirModule *m = first ? vir_module_beside(first->module, t->lanes, "") : vir_module(cg->arena, t->lanes);
  if (!cg->options->targets[1]) return m;
  m->prefix = arena_printf(cg->arena, "%s_", t->isa);
  m->group = 1u << t->arch;
  return m;
}

static const char *name_of(const Node *n) { return n->name && *n->name ? n->name : n->results[0]->name; }

/* For those who are told. */
static void note_chains(Cg *cg, const Graph *g, const Fit *fit) {
  FusedChain *chains = ARENA_NEW_ARRAY(cg->arena, FusedChain, (size_t)fit->n_chains + 1);
  for (int i = 0; i < fit->n_chains; i++) {
    const Chain *c = &fit->chains[i];
    const Node *first = g->first, *last;
    for (int k = 0; k < c->first; k++) first = first->next;
    last = first;
    for (int k = c->first; k < c->last; k++) last = last->next;
    chains[i] =
        (FusedChain){name_of(first), name_of(last), c->last - c->first + 1, c->rows, chain_bands(c, last)};
  }
  cg->fused = chains;
  cg->n_fused = fit->n_chains;
  cg->unfused = fit->unfused;
}

static bool fuse_chains(Cg *cg, const Graph *g) {
  Fit fit;
  if (!fit_workspace(cg, g, &fit)) return false;
  fit_apply(cg, &fit);
  note_chains(cg, g, &fit);
  return true;
}

/* Names of the functions outside that are called. */
static void reserve_names(Cg *cg) {
  for (const Node *n = cg->graph->first; n; n = n->next)
    if (n->op == OP_custom) vir_reserve(cg->module, custom_op(n)->name);
}

/* The code for one target; `first`: that of the list's first one, NULL for itself. */
Cg *cg_generate(const Cg *common, const Target *t, const Graph *g, const Cg *first) {
  Cg *cg = ARENA_NEW(common->arena, Cg);
  *cg = *common;
  cg->target = t;
  cg->graph = graph_clone(cg->arena, g);
  cg->graph->next_id = 0; /* names of copies do not tell how the graph came about */
  cg->module = new_module(cg, first);
  cg->methods = strmap_new(cg->arena);
  cg->kernels_tail = &cg->kernels;
  reserve_names(cg);
  cg_order_channels(cg);
  if (!fuse_chains(cg, g) || !cg_place(cg)) return NULL;
  cg->ranges = ranges_analyse(cg->arena, cg->graph);
  cg_plan_memory(cg);
  if (!emit_kernels(cg)) return NULL;
  vir_verify(cg->module);
  for (const Kernel *k = cg->kernels; k && cg->options->threads; k = k->next)
    if (!k->task) cg_split(cg, k);
  return cg;
}

MemoryFacts cg_most_memory(Cg *const *variants, int n) {
  MemoryFacts most = {0};
  for (int i = 0; i < n; i++)
    if (variants[i]->memory.workspace > most.workspace) most = variants[i]->memory;
  return most;
}

static CodegenFacts facts_of(Cg *const *variants, int n) {
  const Cg *most = variants[0];
  for (int i = 1; i < n; i++)
    if (variants[i]->memory.workspace > most->memory.workspace) most = variants[i];
  return (CodegenFacts){most->memory,  vir_constant_bytes(variants[0]->module),
                        most->unfused, most->fused,
                        most->n_fused, variants[0]->methods};
}

bool codegen_c(Diag *d, Arena *a, const Graph *g, const CodegenOptions *o, StrBuf *c, StrBuf *h) {
  const Cg common = {
      .diag = d, .arena = a, .options = o, .public_outputs = (const Tensor *const *)g->outputs};
  int n = 0;
  while (o->targets[n]) n++;
  Cg **variants = ARENA_NEW_ARRAY(a, Cg *, (size_t)n);
  for (int i = 0; i < n; i++) {
    variants[i] = cg_generate(&common, o->targets[i], g, i ? variants[0] : NULL);
    if (!variants[i]) return false;
  }
  cg_write_module(variants, n, c, h);
  if (o->facts) *o->facts = facts_of(variants, n);
  return true;
}

static char *suffix(Arena *a, const CodegenOptions *o, const Target *t) {
  return o->targets[1] ? arena_printf(a, "_%s", c_identifier(a, t->name)) : arena_strdup(a, "");
}

char *codegen_run_name(Arena *a, const CodegenOptions *o, const char *kind, const Target *t) {
  return arena_printf(a, "%s_run%s%s", o->name, kind, suffix(a, o, t));
}

char *codegen_workspace_name(Arena *a, const CodegenOptions *o, const Target *t) {
  return c_upper(a, arena_printf(a, "%s_workspace_size%s", o->name, suffix(a, o, t)));
}
