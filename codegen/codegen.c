/* The three steps: place, plan memory, emit; then the text. */
#include "codegen/codegen.h"

#include "codegen/lower.h"

static bool emit_kernels(Cg *cg) {
  bool ok = true;
  cg->position = 0;
  for (Node *n = cg->graph->first; n; n = n->next, cg->position++) {
    if (!shape_count(&n->results[0]->type.shape)) continue;
    for (int r = 0; r < n->n_results; r++) cg_fill_halo(cg, n, n->results[r]);
    ok &= lowering_of[n->op]->emit(cg, n, strmap_get(cg->scratch_of, n->results[0]->name));
  }
  return ok;
}

bool codegen_c(Diag *d, Arena *a, const Graph *g, const CodegenOptions *o, StrBuf *c, StrBuf *h) {
  Cg cg = {.diag = d, .arena = a, .options = o, .target = o->target, .graph = graph_clone(a, g)};
  cg.graph->next_id = 0; /* names of copies do not tell how the graph came about */
  cg.public_outputs = (const Tensor *const *)g->outputs;
  cg.module = vir_module(a, o->target->lanes);
  cg.storage_of = strmap_new(a);
  cg.scratch_of = strmap_new(a);
  cg.buffers_tail = &cg.buffers;
  cg.kernels_tail = &cg.kernels;
  if (!cg_place(&cg)) return false;
  cg_plan_memory(&cg);
  if (!emit_kernels(&cg)) return false;
  vir_verify(cg.module);
  cg_write_module(&cg, c, h);
  return true;
}
