/* -max-workspace: which chains of layers are computed band by band so that the workspace fits. */
#ifndef QCC_CODEGEN_FIT_H
#define QCC_CODEGEN_FIT_H

#include "codegen/chain.h"
#include "codegen/lower.h"

typedef struct {
  Chain *chains;
  int n_chains;
  int64_t unfused; /* bytes of workspace without any */
} Fit;

/* Chooses chains of `g` for the options and the target of `cg`. False after a diagnostic: the least that can
 * be reached exceeds the limit. Without a limit there are none. */
bool fit_workspace(Cg *cg, const Graph *g, Fit *fit);

/* Puts bands in the place of the chains of cg->graph, a clone of that graph. */
void fit_apply(Cg *cg, const Fit *fit);

#endif
